"""``backends.cudnn``: switches without effect.

CuPy has no cuDNN any more, from version 14 on. A convolution here is a matrix product of the
weight with the windows of the pictures, by a kernel of ours and cuBLAS.
"""

enabled = benchmark = deterministic = allow_tf32 = False


def is_available() -> bool:
    """False: convolutions are matrix products here."""
    return False


def version() -> None:
    """None: there is no cuDNN."""
