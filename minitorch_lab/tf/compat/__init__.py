"""Older forms of TensorFlow's programs: ``tf.compat.v1`` has graphs and sessions."""
