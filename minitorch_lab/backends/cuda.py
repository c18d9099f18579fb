"""``backends.cuda``: switches without effect."""


class matmul:
    """Switches of matrix products on a GPU."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = False
