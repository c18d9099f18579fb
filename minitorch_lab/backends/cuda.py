"""``backends.cuda``: matrix products on a GPU."""

from __future__ import annotations

from ..device import allows_tf32, set_matmul_precision


class _MatrixProducts:
    """Switches of matrix products on a GPU."""

    allow_fp16_reduced_precision_reduction = False  # sums of float16 are added in float32

    @property
    def allow_tf32(self) -> bool:
        """Whether products of float32 may be TF32: ``set_float32_matmul_precision`` says how."""
        return allows_tf32()

    @allow_tf32.setter
    def allow_tf32(self, allow: bool) -> None:
        set_matmul_precision("high" if allow else "highest")


matmul = _MatrixProducts()
