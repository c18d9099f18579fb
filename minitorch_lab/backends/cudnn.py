"""``backends.cudnn``: switches without effect."""

enabled = benchmark = deterministic = allow_tf32 = False


def is_available() -> bool:
    """False: convolutions are matrix products here."""
    return False


def version() -> None:
    """None: there is no cuDNN."""
