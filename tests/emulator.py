"""A device for generated CUDA C on a machine without one: compiled as C++, beside the double.

``device()`` is the double for CuPy with what CUDA plans need more: modules of kernels, and streams
that capture. What is compiled is what NVRTC would get, under ``emulator.h``.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from double import make_cupy

KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')
FLAGS = "-x c++ -std=c++17 -O0 -w -shared -fPIC -ffp-contract=off".split()
FOLDER = Path(tempfile.mkdtemp(prefix="emulator-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


def compiler() -> str | None:
    """A C++ compiler, where there is one."""
    return next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)


@cache
def library(code: str) -> Any:
    """The kernels of a text as functions of the processor."""
    runs = []
    for name, params in KERNEL.findall(code):
        kinds = [re.sub(r"\w+$", "", p).strip() for p in params.split(",")]
        values = ", ".join(f"*({kind} *)v[{i}]" for i, kind in enumerate(kinds))
        runs.append(f"static void call_{name}(void **v) {{ {name}({values}); }}")
        runs.append(
            f'extern "C" void run_{name}(const unsigned *sizes, void **v) '
            f"{{ launch(call_{name}, sizes, v); }}"
        )
    header = Path(__file__).with_name("emulator.h").read_text(encoding="utf-8")
    text = "\n".join([header, code, *runs])
    path = FOLDER / hashlib.sha256(text.encode()).hexdigest()[:32]
    path.with_suffix(".cpp").write_text(text, encoding="utf-8")
    program = compiler()
    assert program is not None
    done = subprocess.run(
        [program, *FLAGS, str(path.with_suffix(".cpp")), "-o", str(path.with_suffix(".so")), "-lm"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    return ctypes.CDLL(str(path.with_suffix(".so")))


class Device:
    """What the emulated device did, and how it does it."""

    def __init__(self, threads: int | None) -> None:
        self.threads = threads  # None: as many as the plan asks for, else at most so many a side
        self.codes: list[str] = []
        self.launched: list[str] = []
        self.replays = 0
        self.tape: list[Any] | None = None  # what a stream captures

    def do(self, call: Any) -> None:
        """Do it now, or note it for the graph that is being captured."""
        if self.tape is None:
            call()
        else:
            self.tape.append(call)

    def module(self, code: str) -> Any:
        """``cupy.RawModule``."""
        self.codes.append(code)
        made = library(code)
        return SimpleNamespace(get_function=lambda name: self.function(made, name))

    def function(self, made: Any, name: str) -> Any:
        run = getattr(made, f"run_{name}")

        def call(grid: tuple[int, int], block: tuple[int, int], values: tuple[int, ...]) -> None:
            assert all(type(v) is int for v in values)
            held = [ctypes.c_longlong(v) for v in values]
            pointers = (ctypes.c_void_p * len(held))(*map(ctypes.addressof, held))
            if self.threads is not None:
                block = (min(block[0], self.threads), min(block[1], self.threads))
            run((ctypes.c_uint * 4)(*grid, *block), pointers)
            assert not ctypes.c_int.in_dll(made, "emulator_wrong").value, name

        def launched(grid: Any, block: Any, values: Any) -> None:
            self.launched.append(name)
            self.do(lambda: call(grid, block, values))

        return launched


class Stream:
    """``cupy.cuda.Stream``, as far as it captures."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def begin_capture(self) -> None:
        self.device.tape = []

    def end_capture(self) -> Any:
        calls, self.device.tape = self.device.tape, None

        def launch() -> None:
            self.device.replays += 1
            for call in calls or ():
                call()

        return SimpleNamespace(launch=launch)


def make(threads: int | None = 1) -> tuple[Any, Device]:
    """The namespace ``xp``, and the device behind it."""
    xp, device = make_cupy(), Device(threads)
    copyto = xp.copyto
    xp.copyto = lambda *args, **kwargs: device.do(lambda: copyto(*args, **kwargs))
    xp.RawModule = device.module
    xp.cuda.Stream = lambda non_blocking=False: Stream(device)
    return xp, device
