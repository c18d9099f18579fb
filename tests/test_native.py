"""Compiling, keeping and loading of plans: every way in which it can go wrong here."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sanitised import TRAINING, run_sanitised

import minitorch_lab as lab
from minitorch_lab.graph.codegen import native

try:
    COMPILER = native.compiler()
except native.NoCompiler as _why:
    pytest.skip(str(_why), allow_module_level=True)
pytestmark = pytest.mark.skipif(native.WINDOWS, reason="modes, links and scripts of Unix")

NOT_KEPT = "compiled plans are not kept, each process compiles its own: .*"
# The compiler as a script calls it that is all there is on its PATH.
REAL = f"PATH={shlex.quote(os.environ['PATH'])} exec {COMPILER[0]}"
HEAD = "void *lab_sgemm_pointer, *lab_dgemm_pointer, *lab_next_pointer;\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder for compiled plans, and nothing remembered."""
    monkeypatch.setenv("MINITORCH_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(native, "_LOADED", {})
    monkeypatch.setattr(native, "_TOLD", set())
    native.compiler.cache_clear()
    yield tmp_path / "cache" / "minitorch_lab" / "plans"
    native.compiler.cache_clear()


def answer(number: int) -> int:
    """What a library says that is compiled, or kept, for this number."""
    text = HEAD + f"int step0(void **p, double *n) {{ return {number}; }}"
    native._LOADED.clear()
    null = native.ffi().NULL
    return int(native.load(text, ["step0"]).step0(null, null))


def command(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str | None) -> None:
    """Let a script be the only compiler there is; None for none at all."""
    folder.mkdir()
    if text is not None:
        (folder / "cc").write_text(f"#!/bin/sh\n{text}\n")
        (folder / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(native, "_zig", lambda: None)
    native.compiler.cache_clear()


# Keeping -----------------------------------------------------------------------------------


def test_a_plan_is_kept_for_the_user_alone(cache: Path) -> None:
    f = lab.compile(lambda x: (x * 1.25).tanh(), executor="c")
    np.testing.assert_allclose(f(lab.ones(3)).numpy(), np.full(3, np.tanh(1.25)), rtol=1e-6)
    assert f.executor_used == "c"
    for folder in (cache, cache.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(file.suffix for file in cache.iterdir()) == [".sha256", native.SUFFIX]


def test_a_kept_library_is_ready_in_20_ms(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(1) == 1
    monkeypatch.setattr(native, "_compile", None)  # it is not asked
    times = []
    for _ in range(5):
        start = time.process_time()
        assert answer(1) == 1
        times.append(time.process_time() - start)
    assert min(times) < 0.02


def truncated(library: Path, note: Path) -> None:
    library.write_bytes(library.read_bytes()[:100])


def one_byte(library: Path, note: Path) -> None:
    data = bytearray(library.read_bytes())
    data[len(data) // 2] ^= 1
    library.write_bytes(data)


def not_a_library(library: Path, note: Path) -> None:
    library.write_bytes(b"no library")
    note.write_bytes(native._digest(b"no library"))


DAMAGES = {
    "truncated": truncated,
    "one byte changed": one_byte,
    "not a library, with its digest": not_a_library,
    "another digest": lambda library, note: note.write_text("0" * 64),
    "a note that is no text": lambda library, note: note.write_bytes(b"\xff\xfe"),
    "no note": lambda library, note: note.unlink(),
    "no library": lambda library, note: library.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_changed_is_not_loaded_and_made_anew(
    damage: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answer(2) == 2
    # Elsewhere: the loader knows a library that is in memory by its path, and reads no file.
    monkeypatch.setenv("MINITORCH_LAB_CACHE", str(tmp_path / "other"))
    shutil.copytree(cache, native.folder(), dirs_exist_ok=True)
    (library,), (note,) = native.folder().glob(f"*{native.SUFFIX}"), native.folder().glob("*.sha*")
    good = library.read_bytes()
    DAMAGES[damage](library, note)
    assert answer(2) == 2
    assert library.read_bytes() == good
    assert note.read_bytes() == native._digest(good)


def test_another_compiler_makes_another_library(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(monkeypatch, tmp_path / "bin", f'{REAL} "$@"')
    assert answer(3) == 3
    (tmp_path / "bin" / "cc").write_text(f'#!/bin/sh\n{REAL} -O1 "$@"\n')
    assert answer(3) == 3
    assert len(list(cache.glob(f"*{native.SUFFIX}"))) == 2


def test_the_oldest_go(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "KEPT", 2)
    for number in (4, 5, 6):
        answer(number)
        for file in cache.iterdir():
            os.utime(file, (1, file.stat().st_mtime - 10))
    assert len(list(cache.glob(f"*{native.SUFFIX}"))) == 2
    assert len(list(cache.glob("*.sha256"))) == 2
    monkeypatch.setattr(native, "_compile", None)
    assert (answer(5), answer(6)) == (5, 6)


def test_another_process_may_have_removed_the_oldest(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "KEPT", 1)
    assert answer(15) == 15
    (note,) = cache.glob("*.sha256")
    note.unlink()
    assert answer(16) == 16  # and nothing is said


def test_two_processes_may_compile_the_same_at_once(cache: Path) -> None:
    code = (
        "import minitorch_lab as lab; f = lab.compile(lambda x: (x * 3.5).tanh().sum(), "
        "executor='c'); print(f(lab.ones(4)).item(), f.executor_used)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = {p.communicate(timeout=60)[0] for p in running}
    assert len(said) == 1
    assert said.pop().endswith(" c\n")
    (library,), (note,) = cache.glob(f"*{native.SUFFIX}"), cache.glob("*.sha256")
    assert note.read_bytes() == native._digest(library.read_bytes())
    assert len(list(cache.iterdir())) == 2  # no drafts are left


# Folders that cannot be used ---------------------------------------------------------------


def in_the_way(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.parents[1].write_text("a file")


def open_to_a_group(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o770)


def open_to_all_above(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.parents[1].mkdir()
    cache.parents[1].chmod(0o777)


def a_link(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    native.folder().rmdir()
    (cache.parents[1] / "planted").mkdir(mode=0o700)
    cache.symlink_to(cache.parents[1] / "planted")


def somebody_elses(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    native.folder()
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)


def full(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(path: Path, content: bytes) -> None:
        if cache in path.parents:
            path.touch()  # what a full disk leaves behind
            raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", write)


def read_only(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, *rest: Any, **more: Any) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", refused)


def no_home(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("MINITORCH_LAB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lost)


FOLDERS: dict[str, tuple[Any, str]] = {
    "a file in the way": (in_the_way, "Not a directory|File exists"),
    "open to a group": (open_to_a_group, "others may write to .*plans: delete it"),
    "open to all above": (open_to_all_above, "others may write to .*cache: chmod o-w it"),
    "a link": (a_link, "plans is a link: delete it"),
    "somebody else's": (somebody_elses, "belongs to somebody else: set MINITORCH_LAB_CACHE"),
    "full": (full, "No space left"),
    "read-only": (read_only, "Read-only"),
    "no home": (no_home, "home directory.*: set MINITORCH_LAB_CACHE"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_without_a_folder_each_process_compiles_its_own(
    name: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil, text = FOLDERS[name]
    spoil(cache, monkeypatch)
    with pytest.warns(RuntimeWarning) as told:
        assert (answer(7), answer(8)) == (7, 8)
    (line,) = {str(one.message) for one in told}
    assert len(told) == 1  # once, for as long as the reason is the same
    assert re.fullmatch(NOT_KEPT + f"({text}).*", line)
    assert not list(cache.glob("*")) if cache.is_dir() else True


def test_a_folder_that_others_may_only_read_is_closed(cache: Path) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o755)
    assert answer(9) == 9
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


# Compilers ---------------------------------------------------------------------------------

COMPILERS: dict[str, tuple[str | None, str]] = {
    "none": (None, "there is no C compiler"),
    "fails": ("echo plan.c:3: error: broken >&2; exit 3", "cc failed: plan.c:3: error: broken"),
    "fails without a word": ("exit 3", "cc failed: exit status 3"),
    "makes nothing": ("exit 0", "cc failed: exit status 0"),
    "does not end": ("while :; do :; done", "cc failed: it took more than 0.3 seconds"),
}
REMEDY = "[;:] python -m pip install ziglang brings one that works, or install gcc or clang"


@pytest.mark.parametrize("name", COMPILERS)
def test_without_a_compiler_the_plan_runs_on_numpy(
    name: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, why = COMPILERS[name]
    command(monkeypatch, tmp_path / "bin", text)
    monkeypatch.setattr(native, "LONGEST", 0.3)
    f = lab.compile(lambda x: (x * 2.25).tanh(), executor="c")
    with pytest.warns(RuntimeWarning) as told:
        found = f(lab.ones(3))
    np.testing.assert_allclose(found.numpy(), np.full(3, np.tanh(2.25)), rtol=1e-6)
    assert f.executor_used == "numpy"
    assert re.fullmatch(f"graph mode runs on NumPy: .*{why}{REMEDY}", str(told[-1].message))


def test_what_is_no_library_is_not_loaded(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = 'while [ "$1" != -o ]; do shift; done; echo no > "$2"'
    command(monkeypatch, tmp_path / "bin", writes)
    refused = pytest.raises(native.NoCompiler, match=r"cannot be loaded: .*too short")
    with pytest.warns(RuntimeWarning, match=NOT_KEPT), refused:
        answer(13)


def test_zig_takes_over_where_the_compiler_fails(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(monkeypatch, tmp_path / "bin", "exit 1")
    zig = tmp_path / "zig"
    zig.write_text(f'#!/bin/sh\nshift\n{REAL} "$@"\n')
    zig.chmod(0o755)
    monkeypatch.setattr(native, "_zig", lambda: str(zig))
    assert answer(14) == 14


def test_a_compiler_that_cannot_be_run(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(monkeypatch, tmp_path / "bin", "")
    (tmp_path / "bin" / "cc").write_bytes(b"\0\1\2")
    with pytest.raises(native.NoCompiler, match=r"cc failed: .*Exec format error"):
        answer(10)


def test_a_compiler_that_does_not_know_this_processor(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuses = f'case "$*" in *=native*) exit 1;; esac; {REAL} "$@"'
    command(monkeypatch, tmp_path / "bin", refuses)
    assert answer(11) == 11


def test_cc_names_the_compiler(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", f"{COMPILER[0]} -DSIX=6")
    native.compiler.cache_clear()
    assert native.compiler() == (COMPILER[0], "-DSIX=6")
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    native.compiler.cache_clear()
    with pytest.raises(native.NoCompiler, match="CC names 'no-such-compiler -O2', and there is no"):
        native.compiler()


def test_zig_comes_last_and_keeps_to_our_folder(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zig = native._zig
    command(monkeypatch, tmp_path / "bin", None)
    package = tmp_path / "site" / "ziglang"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    program = package / "zig"
    program.write_text(
        f'#!/bin/sh\necho "$1 $ZIG_GLOBAL_CACHE_DIR" > {tmp_path}/said\nshift\n{REAL} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(native, "_zig", zig)
    assert native.compiler() == (str(program), "cc")
    assert answer(12) == 12
    assert (tmp_path / "said").read_text() == f"cc {cache / 'zig'}\n"
    assert stat.S_IMODE((cache / "zig").stat().st_mode) == 0o700


@pytest.mark.parametrize("package", ["cffi", "scipy"])
def test_a_package_that_is_missing_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = native.importlib.util.find_spec
    monkeypatch.setattr(
        native.importlib.util, "find_spec", lambda name: None if name == package else find(name)
    )
    with pytest.raises(native.NoCompiler, match=f"package {package} is not installed"):
        native.compiler()


# Inside its buffers ------------------------------------------------------------------------

SANITISED = """
import ctypes
import numpy as np
import minitorch_lab as lab
from minitorch_lab import bench
from minitorch_lab.graph.codegen import native
native.FLAGS = [*native.FLAGS, "-fsanitize=address", "-fno-omit-frame-pointer", "-g"]
EXECUTOR, DEVICE = "c", "cpu"
"""
SANITISED += TRAINING
SANITISED += """
# every routine of its own, on views and at the edges
from test_c import MOVES, NUMBERS, POOLS, pooled

def halves(picture):
    large = picture.repeat(1, 1, 12, 14)
    return [
        pooled(large[..., :h, :w] * 1, *window, turned=turned).sum()
        for h, w, *window in POOLS
        for turned in (False, True)
    ]

@lab.compile(executor="c")
def routines(x, s, picture):
    scores = [
        F.avg_pool2d(picture, 3, 2, 1), F.max_pool2d(picture, 9, 2, 4),
        F.max_pool2d(picture, 3, 2, 1), picture.prod(1), picture.cumsum(2), picture.cumprod(3),
        F.cross_entropy(picture[:, :, 0, :3], index.expand(3, 3) % 2, reduction="none"),
    ]
    (grad,) = lab.autograd.grad(sum(y.sum() for y in scores), [picture], create_graph=True)
    (second,) = lab.autograd.grad((grad * grad).sum(), [picture])
    places = F.max_pool2d(picture, 3, 2, 1, return_indices=True)[1]
    scores += [y * y for y in halves(picture)]
    return [*(f(x, s) for f in (MOVES | NUMBERS).values()), *scores, grad, second, places]

native.FLAGS += ["-O0"]  # this one is about addresses
picture = lab.randn(3, 2, 11, 10, requires_grad=True)
routines(lab.randn(3, 4, 5), lab.randn(3, 6, 7), picture)
assert routines.executor_used == "c"
"""


def test_generated_code_stays_inside_its_buffers(cache: Path) -> None:
    run_sanitised(SANITISED, native.compiler())


def test_the_same_graph_from_another_line_needs_no_new_library(cache: Path) -> None:
    x = lab.ones(5)
    lab.compile(lambda x: x.exp() * 3, executor="c")(x)
    kept = sorted(cache.rglob("*.so"))
    again = lab.compile(lambda x: x.exp() * 3, executor="c")
    again(x)
    assert sorted(cache.rglob("*.so")) == kept
    assert len(kept) == 1
    assert f"{Path(__file__).name} line" in lab.explain(again).code()
