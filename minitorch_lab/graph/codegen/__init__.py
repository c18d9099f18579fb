"""Executors: from a graph to a function that runs it."""
