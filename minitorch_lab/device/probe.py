"""Whether CuPy can use a GPU here, and if not, why: in words, with the command that mends it.

CuPy imports, and even counts devices, on machines where it cannot compute: without a driver, with
one that is too old, with a broken compiler. So a tiny kernel is run, and waited for.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from typing import Any

INSTALL = 'pip install "cupy-cuda12x[ctk]"'
AGAIN = f"pip uninstall -y cupy cupy-cuda11x cupy-cuda12x cupy-cuda13x, then {INSTALL}"
OLDEST = 12000  # what CuPy for CUDA 12 asks of a driver: version 525


def cupy() -> tuple[Any, str | None]:
    """CuPy, where it can use a GPU, else the reason why not."""
    if importlib.util.find_spec("cupy") is None:
        return None, (
            "CuPy is not installed: on a machine with an NVIDIA GPU, "
            'pip install "minitorch-lab[gpu]"'
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # on paths of CUDA: the kernel below tells
            found: Any = importlib.import_module("cupy")
    except Exception as error:  # noqa: BLE001  whatever it is, it is the reason
        return None, f"CuPy is installed but cannot be imported: {first_line(error)}; {AGAIN}"
    try:
        reason = _driver(found.cuda.runtime) or _kernel(found)
    except Exception as error:  # noqa: BLE001  whatever it is, it is the reason
        return None, f"CuPy is installed but does not work: {first_line(error)}; {AGAIN}"
    return found, reason


def _driver(runtime: Any) -> str | None:
    """What is wrong with the driver, or with the number of GPUs."""
    known, built = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if not known:
        return (
            "this machine has no NVIDIA driver: where there is an NVIDIA GPU, install its driver, "
            "version 525 or later, until the command nvidia-smi lists the GPU"
        )
    if known < OLDEST:
        return (
            f"the NVIDIA driver is too old: it knows CUDA {version(known)}, and CuPy needs "
            f"{version(built)}; install a driver of version 525 or later"
        )
    if built // 1000 > known // 1000:
        return (
            f"this CuPy is built for CUDA {version(built)}, and the driver knows CUDA "
            f"{version(known)}: {AGAIN}"
        )
    try:
        count = runtime.getDeviceCount()
    except Exception as error:
        if "NoDevice" not in str(error):
            raise
        count = 0
    if count:
        return None
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None:
        return (
            "the NVIDIA driver shows no GPU, for CUDA_VISIBLE_DEVICES is "
            f"{hidden!r}: start Python without it"
        )
    return "the NVIDIA driver finds no NVIDIA GPU: nvidia-smi lists those that there are"


def _kernel(found: Any) -> str | None:
    """What happens when a first kernel is compiled, run and waited for."""
    try:
        result = found.arange(4, dtype=found.float32) + 1
        found.cuda.get_current_stream().synchronize()
        right = float(result.sum()) == 10.0
    except MemoryError:
        return (
            "the GPU has no memory left for a first kernel: another program holds it; "
            "nvidia-smi lists the programs"
        )
    except Exception as error:  # noqa: BLE001  whatever it is, it is the reason
        said = str(error).lower()
        if "no kernel image" in said or "gpu-architecture" in said:
            return f"this CuPy does not know this GPU: {first_line(error)}; {AGAIN}"
        if "nvrtc" in said:
            return f"NVRTC, the compiler that CuPy uses, is broken: {first_line(error)}; {AGAIN}"
        return f"CuPy is installed but a first kernel failed: {first_line(error)}"
    return None if right else "a first kernel gave wrong numbers: the GPU or its driver is broken"


def version(number: int) -> str:
    """CUDA's number of a version as people write it: 12090 is 12.9."""
    return f"{number // 1000}.{number % 1000 // 10}"


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
