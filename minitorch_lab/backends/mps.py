"""``backends.mps``: Apple's GPUs are not used here."""


def is_available() -> bool:
    """False."""
    return False


def is_built() -> bool:
    """False."""
    return False
