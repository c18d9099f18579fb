"""How exactly a GPU multiplies float32 matrices: in float32, or in TF32.

TF32 is what the tensor cores of NVIDIA's cards from Ampere on make of float32: inputs with 10 bits
after the point in place of 23, sums in float32. CuPy keeps the choice for the process.
"""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError, DeviceError, warn

PRECISIONS = ("highest", "high", "medium")
NO_TF32 = "this CuPy cannot be told to use TF32\n  expected CuPy 14 or later"


class _Chosen:
    precision = "highest"


def matmul_precision() -> str:
    """What was set: "highest", "high" or "medium"."""
    return _Chosen.precision


def allows_tf32() -> bool:
    """Whether products of float32 matrices may be TF32."""
    return _Chosen.precision != "highest"


def choose(precision: str, cupy: Any) -> None:
    """Set the precision, in CuPy too where it is loaded."""
    if precision not in PRECISIONS:
        raise ArgumentError(
            f"set_float32_matmul_precision(precision): got {precision!r}\n"
            f"  expected one of {', '.join(PRECISIONS)}"
        )
    if cupy is not None and not _told(cupy, precision) and precision != "highest":
        raise DeviceError(f"set_float32_matmul_precision(precision): {NO_TF32}")
    _Chosen.precision = precision


def loaded(cupy: Any) -> None:
    """Tell a CuPy that has just been loaded what was set before."""
    if not _told(cupy, _Chosen.precision) and allows_tf32():
        _Chosen.precision = "highest"
        warn(f"products of float32 matrices stay in float32: {NO_TF32}")


def _told(cupy: Any, precision: str) -> bool:
    """Whether CuPy took the precision. A card without TF32 goes on in float32, as in PyTorch."""
    core: Any = getattr(cupy, "_core", None)
    kinds: Any = getattr(core, "_routines_linalg", None)
    if not hasattr(core, "set_compute_type") or not hasattr(kinds, "COMPUTE_TYPE_TF32"):
        return False
    device = cupy.cuda.Device()
    fast = precision != "highest" and int(device.compute_capability) >= 80
    core.set_compute_type(
        cupy.float32, kinds.COMPUTE_TYPE_TF32 if fast else kinds.COMPUTE_TYPE_DEFAULT
    )
    return True
