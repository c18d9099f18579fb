"""C text to a library: compiled once, kept on disk by its content, loaded through cffi.

The folder belongs to the user alone, and a library is loaded only while its bytes have the
digest that was written down when it was compiled.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...device import get_num_threads, set_blas_threads
from ...errors import LabError

# No -ffast-math: on a shared library it can turn off denormal numbers for the whole process. No
# -fno-trapping-math: with it gcc 12 takes the wrong entries in max_pool2d with padding.
FLAGS = (
    "-O3 -march=native -std=gnu11 -shared -fPIC -fno-math-errno -ffp-contract=fast -fopenmp-simd"
).split()
PRELUDE = Path(__file__).with_name("prelude.c").read_text(encoding="utf-8")


class NoCompiler(LabError, RuntimeError):
    """Why a plan cannot be compiled on this machine, in one line."""


@cache
def compiler() -> str:
    """The path of the C compiler: ``CC``, or cc, gcc, clang; NoCompiler where there is none."""
    for package in ("cffi", "scipy"):
        if importlib.util.find_spec(package) is None:
            raise NoCompiler(f"the package {package} is not installed: pip install {package}")
    if not sys.platform.startswith(("linux", "darwin")):
        raise NoCompiler(f"compiled plans are not made on {sys.platform} yet")
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise NoCompiler("there is no C compiler: install gcc or clang, or name one in CC")


def folder() -> Path:
    """Where libraries are kept: ``minitorch_lab`` in the user's cache, open to the user alone."""
    base = os.environ.get("MINITORCH_LAB_CACHE") or os.environ.get("XDG_CACHE_HOME")
    path = Path(base) if base else Path.home() / ".cache"
    path = path / "minitorch_lab" / "plans"
    path.mkdir(parents=True, exist_ok=True)
    here = path.stat()
    if here.st_uid != os.getuid():
        raise NoCompiler(f"the cache folder {path} belongs to somebody else")
    if stat.S_IMODE(here.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _version(program: str) -> str:
    """What the compiler calls itself: another one is another library."""
    found = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()[0] if found.stdout else program


def compiled(text: str) -> Path:
    """The library of a C text; compiled now unless it is kept."""
    program = compiler()
    key = hashlib.sha256("\0".join([text, *FLAGS, _version(program), _cpu()]).encode()).hexdigest()
    try:
        kept = folder()
    except OSError:  # a read-only home: compiled for this process only
        kept = Path(_own_folder())
    library, note = kept / f"{key[:40]}.so", kept / f"{key[:40]}.sha256"
    try:
        if note.read_text(encoding="ascii") == _digest(library):
            return library
    except OSError:
        pass
    try:
        return _compile(program, text, kept, library, note)
    except OSError:  # the folder is full or read-only
        kept = Path(_own_folder())
        return _compile(program, text, kept, kept / library.name, kept / note.name)


def _compile(program: str, text: str, kept: Path, library: Path, note: Path) -> Path:
    # In a folder of its own, then moved: two processes that compile the same do not meet.
    with tempfile.TemporaryDirectory(dir=kept) as work:
        source, made = Path(work) / "plan.c", Path(work) / "plan.so"
        source.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [program, *FLAGS, str(source), "-o", str(made), "-lm"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            first = next((x for x in done.stderr.splitlines() if "error" in x), done.stderr[:200])
            raise NoCompiler(f"the C compiler {program} failed: {first}")
        digest = Path(work) / "digest"
        digest.write_text(_digest(made), encoding="ascii")
        made.replace(library)
        digest.replace(note)
    return library


@cache
def _own_folder() -> str:
    """A folder that lasts as long as the process."""
    keep = tempfile.TemporaryDirectory(prefix="minitorch-lab-plans-")
    _KEPT.append(keep)
    return keep.name


_KEPT: list[Any] = []


@cache
def _cpu() -> str:
    """The processor: code for this one may not run on another that shares the folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return os.uname().machine
    return "".join(sorted({x for x in lines if x.startswith(("model name", "flags"))}))


# Loading -----------------------------------------------------------------------------------

_LOCK = threading.Lock()
_LOADED: dict[str, Any] = {}


@cache
def ffi() -> Any:
    """cffi, loaded when the first plan is compiled."""
    return importlib.import_module("cffi").FFI()


@cache
def blas(name: str) -> int:
    """The address of a BLAS routine: SciPy hands it out for this use."""
    threads = get_num_threads()
    capsules = importlib.import_module("scipy.linalg.cython_blas").__pyx_capi__
    set_blas_threads(threads)  # SciPy brings a BLAS of its own, with threads of its own
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    capsule = capsules[name]
    return int(api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule)))


def load(text: str, functions: list[str]) -> Any:
    """The library of a C text with these functions, ready to call."""
    path = compiled(text)
    with _LOCK:
        library = _LOADED.get(path.name)
        if library is None:
            one = importlib.import_module("cffi").FFI()
            one.cdef("".join(f"int {name}(void **p, double *n);" for name in functions))
            one.cdef("extern void *lab_sgemm_pointer; extern void *lab_dgemm_pointer;")
            library = _LOADED[path.name] = one.dlopen(str(path))
            library.lab_sgemm_pointer = one.cast("void *", blas("sgemm"))
            library.lab_dgemm_pointer = one.cast("void *", blas("dgemm"))
    return library


def table(size: int, fixed: list[tuple[int, Any]]) -> Any:
    """The table of pointers, with those that do not change."""
    out = ffi().new("void *[]", max(size, 1))
    for i, array in fixed:
        out[i] = ffi().cast("void *", array.__array_interface__["data"][0])
    return out


def numbers(size: int) -> Any:
    """The table of Python numbers."""
    return ffi().new("double[]", max(size, 1))


def view(array: Any, shape: Any, strides: Any, offset: int) -> Any:
    """A part of an array that each run brings."""
    return np.lib.stride_tricks.as_strided(array.reshape(-1)[offset:], shape, strides)
