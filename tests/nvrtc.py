"""NVIDIA's compiler for kernels, which needs no GPU: from the wheel nvidia-cuda-nvrtc-cu12."""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

# What CuPy 14 adds to the options of a RawModule, of which we give none.
OPTIONS = ("-std=c++17", "-ftz=true", "--device-as-default-execution-space")


@cache
def library() -> Any:
    """libnvrtc of the wheel, which the extra ``gpu`` brings too; None where it is not there."""
    try:
        found = importlib.util.find_spec("nvidia.cuda_nvrtc")
    except ImportError:
        return None
    for folder in (found.submodule_search_locations or ()) if found else ():
        for path in sorted(Path(folder).glob("lib/libnvrtc.so.*")):
            return ctypes.CDLL(str(path))
    return None


def compiled(code: str, arch: str) -> str:
    """The PTX of a text for "sm_70", say; RuntimeError with what the compiler says."""
    nvrtc, program, size = library(), ctypes.c_void_p(), ctypes.c_size_t()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"plan.cu", 0, None, None)
    given = [*OPTIONS, f"--gpu-architecture={arch}"]
    wrong = nvrtc.nvrtcCompileProgram(
        program, len(given), (ctypes.c_char_p * len(given))(*(x.encode() for x in given))
    )
    kind = "ProgramLog" if wrong else "PTX"
    getattr(nvrtc, f"nvrtcGet{kind}Size")(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{kind}")(program, text)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if wrong:
        raise RuntimeError(text.value.decode())
    return text.value.decode()
