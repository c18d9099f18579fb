"""C text to a library: compiled once, kept on disk by its content, loaded through cffi.

The folder belongs to the user alone, and a library is loaded only while its bytes have the
digest that was written down when it was compiled. Where the folder cannot be used, each process
compiles for itself.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ... import random
from ...device import get_num_threads, set_blas_threads
from ...errors import LabError, warn

PLATFORM: str = sys.platform
WINDOWS = PLATFORM == "win32"
MACHINE = os.environ.get("PROCESSOR_ARCHITECTURE", "") if WINDOWS else os.uname().machine
# No -ffast-math: on a shared library it can turn off denormal numbers for the whole process. No
# -fno-trapping-math: with it gcc 12 takes the wrong entries in max_pool2d with padding. zig turns
# on traps for undefined behaviour by itself; -w: nobody reads the warnings.
FLAGS = (
    "-O3 -std=gnu11 -shared -fno-math-errno -ffp-contract=fast -fopenmp-simd"
    " -fno-sanitize=undefined -w"
).split()
if not WINDOWS:  # where every library is position-independent
    FLAGS.append("-fPIC")
# For this processor. On ARM and POWER -march names an instruction set, -mcpu a processor.
ARM = MACHINE.lower().startswith(("arm", "aarch", "ppc"))
NATIVE = "-mcpu=native" if ARM else "-march=native"
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(PLATFORM, ".so")
PRELUDE = Path(__file__).with_name("prelude.c").read_text(encoding="utf-8")
KEPT = 1000  # libraries in the folder; the oldest go
LONGEST = 300  # seconds for the compiler
REMEDY = "python -m pip install ziglang brings one that works, or install gcc or clang"


class NoCompiler(LabError, RuntimeError):
    """Why a plan cannot be compiled on this machine, in one line."""


# The compiler ------------------------------------------------------------------------------


@cache
def compiler() -> tuple[str, ...]:
    """The command of the C compiler: ``CC``, or cc, gcc, clang, or zig from the ziglang wheel.

    Raises NoCompiler where there is none, or where a package is missing that calls its plans.
    """
    for package in ("cffi", "scipy"):
        if importlib.util.find_spec(package) is None:
            raise NoCompiler(f"the package {package} is not installed: pip install {package}")
    asked = os.environ.get("CC", "").strip()
    if asked:
        return _named(asked)
    for name in ("cc", "gcc", "clang") if not WINDOWS else ():
        program = shutil.which(name)
        if program and _works(program):
            return (program,)
    zig = _zig()
    if zig:
        return (zig, "cc")
    raise NoCompiler(f"there is no C compiler: {REMEDY}")


def _named(asked: str) -> tuple[str, ...]:
    """The command that CC names: a path, or a program with arguments."""
    try:
        words = shlex.split(asked, posix=not WINDOWS)
    except ValueError:  # a quote that does not end
        words = [asked]
    for program, *rest in ([asked], words):
        found = shutil.which(program)
        if found:
            return (found, *rest)
    raise NoCompiler(f"CC names {asked!r}, and there is no such program: unset it or name one")


def _works(program: str) -> bool:
    """On a Mac /usr/bin/cc is there before a compiler is, and asks to install one."""
    if PLATFORM != "darwin" or not program.startswith("/usr/bin/"):
        return True
    found = subprocess.run(["/usr/bin/xcode-select", "-p"], capture_output=True, check=False)
    return found.returncode == 0


def _zig() -> str | None:
    """The program zig in the ziglang wheel."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).with_name("zig.exe" if WINDOWS else "zig")
    return str(program) if program.is_file() else None


def _identity(command: tuple[str, ...]) -> str:
    """Which compiler this is: another one makes another library."""
    file = Path(command[0]).resolve()
    try:
        about = file.stat()
    except OSError as why:
        raise NoCompiler(f"the C compiler was there a moment ago: {why}") from None
    return repr((command, str(file), about.st_size, about.st_mtime_ns))


def _compile(text: str, work: Path) -> Path:
    """The library of a C text, in the folder ``work``; where one compiler fails, by zig."""
    source, made = work / "plan.c", work / f"plan{SUFFIX}"
    if WINDOWS:  # where a long has 32 bits
        text = re.sub(r"\b(long )?long\b", "long long", text)
    source.write_text(text, encoding="utf-8")
    zig = None if os.environ.get("CC", "").strip() else _zig()
    reasons = []
    for command in dict.fromkeys([compiler(), *([(zig, "cc")] if zig else [])]):
        why = _run(command, source, made)
        if why is None:
            return made
        reasons.append(f"the C compiler {' '.join(command)} failed: {why}")
    raise NoCompiler(f"{reasons[0]}; {REMEDY}")


def _run(command: tuple[str, ...], source: Path, made: Path) -> str | None:
    """Compile; the reason in words where that fails."""
    own = {"LC_ALL": "C"}  # errors in the words that are looked for below
    if Path(command[0]).stem == "zig":
        own |= {"ZIG_GLOBAL_CACHE_DIR": _for_zig(), "ZIG_LOCAL_CACHE_DIR": str(source.parent)}
    for flags in ([*FLAGS, NATIVE], FLAGS):  # older compilers do not know every processor
        try:
            done = subprocess.run(
                [*command, *flags, str(source), "-o", str(made), "-lm"],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
                env=os.environ | own,
                timeout=LONGEST,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it took more than {LONGEST} seconds"
        except OSError as why:
            return str(why)
        if done.returncode == 0 and made.exists():
            return None
    lines = done.stderr.splitlines() or [f"exit status {done.returncode}"]
    return next((x for x in lines if "error" in x), lines[0])


def _for_zig() -> str:
    """Where zig keeps the C library that it makes once: with the plans, as private as they are."""
    try:
        path = folder() / "zig"
        path.mkdir(mode=0o700, exist_ok=True)
        if os.access(path, os.W_OK):
            return str(path)
    except OSError:
        pass
    return _scratch().name


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder that lasts as long as the process."""
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


# The folder --------------------------------------------------------------------------------


def folder() -> Path:
    """Where libraries are kept: ``minitorch_lab`` in the user's cache, open to the user alone.

    Raises OSError where it cannot be made, and where others could put something into it.
    """
    base = _base()
    base.mkdir(parents=True, exist_ok=True)
    mode = base.stat().st_mode
    if not WINDOWS and mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise PermissionError(f"others may write to {base}: chmod o-w it")
    for path in (base / "minitorch_lab", base / "minitorch_lab" / "plans"):
        path.mkdir(mode=0o700, exist_ok=True)
        _private(path)
    return path


def _base() -> Path:
    names = ["MINITORCH_LAB_CACHE", "XDG_CACHE_HOME"]
    names += ["LOCALAPPDATA"] if WINDOWS else []
    for name in names:
        if os.environ.get(name):
            return Path(os.environ[name])
    try:
        return Path.home() / ".cache"
    except RuntimeError as why:  # a user without a home, as in some containers
        raise FileNotFoundError(f"{why}: set MINITORCH_LAB_CACHE") from None


def _private(path: Path) -> None:
    """OSError unless a folder is the user's own, and nobody else could write to it."""
    about = path.lstat()
    if not stat.S_ISDIR(about.st_mode):
        raise PermissionError(f"{path} is a link: delete it")
    if WINDOWS:  # the profile is closed to others
        return
    if about.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to somebody else: set MINITORCH_LAB_CACHE")
    if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"others may write to {path}: delete it")
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        path.chmod(about.st_mode & stat.S_IRWXU)


def _files(key: str) -> tuple[Path, Path]:
    """Where a library is kept, and the note of its digest."""
    kept = folder()
    return kept / f"{key}{SUFFIX}", kept / f"{key}.sha256"


def _digest(library: bytes) -> bytes:
    return hashlib.sha256(library).hexdigest().encode()


def _keep(key: str, made: Path) -> Path:
    """Put a library into the folder."""
    library, note = _files(key)
    content = made.read_bytes()
    _write(library, content)
    _write(note, _digest(content))
    with suppress(FileNotFoundError):  # another process may do the same
        for old in sorted(library.parent.glob(f"*{SUFFIX}"), key=os.path.getmtime)[:-KEPT]:
            old.unlink()
            old.with_suffix(".sha256").unlink()
    return library


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: another process may read it, or write the same, at this moment."""
    draft = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@cache
def _cpu() -> str:
    """The processor: code for this one may not run on another that shares the folder."""
    keys = ("model name", "flags", "Features", "CPU implementer", "CPU part", "isa", "uarch")
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
        found = sorted({x for x in lines if x.startswith(keys)})
    except OSError:  # not Linux: each machine for itself
        import socket  # here, as the import of the whole package would pay for it

        found = [socket.gethostname()]
    return "\n".join([MACHINE, *found])


# Loading -----------------------------------------------------------------------------------

COMMENT = re.compile(r"  // .*")
_LOADED: dict[str, Any] = {}
_TOLD: set[str] = set()


def load(text: str, functions: list[str]) -> Any:
    """The library of a C text with these functions, ready to call; compiled now unless kept.

    Raises NoCompiler where that cannot be done here. Comments, which name the learner's lines, are
    left out: a cell that is run again needs no new library.
    """
    text = COMMENT.sub("", text)
    about = [text, *FLAGS, NATIVE, _identity(compiler()), _cpu()]
    key = hashlib.sha256("\0".join(about).encode()).hexdigest()[:40]
    if key not in _LOADED:
        api = _declared(len(functions).bit_length())
        library = _kept(key, api) or _made(key, text, api)
        library.lab_sgemm_pointer = api.cast("void *", blas("sgemm"))
        library.lab_dgemm_pointer = api.cast("void *", blas("dgemm"))
        library.lab_next_pointer = api.cast("void *", random.next_word())
        _LOADED.setdefault(key, library)  # another thread may have been quicker
    return _LOADED[key]


def bernoulli(library: Any, out: Any, p: float) -> None:
    """Fill a float32 array, in the order of memory, with what the op of that name draws."""
    api = ffi()
    entries = api.from_buffer("float[]", out)

    def fill(state: int, upper: int, lower: int) -> None:
        library.lab_bernoulli(api.cast("void *", state), entries, out.size, upper, lower)

    random.drawing().compare(p, fill)


@cache
def _declared(bits: int) -> Any:
    """cffi, knowing the functions of a plan, up to so many: to parse them takes milliseconds."""
    api = importlib.import_module("cffi").FFI()
    api.cdef("".join(f"int step{i}(void **p, double *n);" for i in range(1 << bits)))
    api.cdef("extern void *lab_sgemm_pointer; extern void *lab_dgemm_pointer;")
    api.cdef("extern void *lab_next_pointer;")
    api.cdef("int lab_bernoulli(void *, float *, int64_t, uint32_t, uint32_t);")
    return api


def _kept(key: str, api: Any) -> Any:
    """The library that is kept, if it is there, whole, and can be loaded."""
    try:
        library, note = _files(key)
        if note.read_bytes() == _digest(library.read_bytes()):
            return api.dlopen(str(library))
    except OSError:  # what is wrong with the folder is said when it shall keep something
        pass
    return None


def _made(key: str, text: str, api: Any) -> Any:
    """The library, compiled now; kept where that works."""
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
            made = _compile(text, Path(work))
            try:
                return api.dlopen(str(_keep(key, made)))
            except OSError as why:
                _tell(why)
            return api.dlopen(str(made))  # what is loaded stays, its file need not
    except OSError as why:
        raise NoCompiler(f"a compiled plan has no place, or cannot be loaded: {why}") from None


def _tell(why: OSError) -> None:
    """One line for each reason why nothing is kept, whatever the names of the files."""
    reason = why.strerror or str(why)
    if reason not in _TOLD:
        _TOLD.add(reason)
        warn(f"compiled plans are not kept, each process compiles its own: {why}")


@cache
def ffi() -> Any:
    """cffi, loaded when the first plan is compiled."""
    return importlib.import_module("cffi").FFI()


@cache
def blas(name: str) -> int:
    """The address of a BLAS routine: SciPy hands it out for this use."""
    threads = get_num_threads()
    capsules = _cython_blas().__pyx_capi__
    set_blas_threads(threads)  # SciPy brings a BLAS of its own, with threads of its own
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    capsule = capsules[name]
    return int(api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule)))


@cache
def _cython_blas() -> Any:
    """``scipy.linalg.cython_blas`` alone: all of scipy.linalg takes ten times as long to load."""
    machinery = importlib.machinery
    folder = Path(importlib.import_module("scipy").__path__[0]) / "linalg"
    loader = (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES)
    spec = machinery.FileFinder(str(folder), loader).find_spec("cython_blas")
    if spec is None or spec.loader is None:
        return importlib.import_module("scipy.linalg.cython_blas")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
