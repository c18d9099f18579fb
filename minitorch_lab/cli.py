"""The command line: ``minitorch-lab`` opens the lessons, ``minitorch-lab doctor`` looks around.

``minitorch-lab assign FOLDER`` makes the copies of the lessons for a class.

>>> from minitorch_lab.cli import main
>>> main(["--version"])
minitorch-lab ...
0
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import minitorch_lab as lab
from minitorch_lab._version import __version__
from minitorch_lab.errors import LabError
from minitorch_lab.graph.codegen import native

PACKAGE = Path(__file__).parent
PAGE_SETTINGS = PACKAGE / "lessons" / "jupyter"  # a folder of Jupyter settings
CHECKOUT = PACKAGE.parent
COPY = "minitorch-lab-lessons"  # the folder that the lessons are copied to
INSTALL_LAB = 'python -m pip install "minitorch-lab[lab]"'


# -- lessons --------------------------------------------------------------------------------------


def checkout_lessons() -> Path | None:
    """The folder ``notebooks`` of a checkout, or None where the package came from a wheel."""
    notebooks = CHECKOUT / "notebooks"
    if (CHECKOUT / "pyproject.toml").is_file() and notebooks.is_dir():
        return notebooks
    return None


def shipped_lessons() -> Path:
    """The folder of the lessons that belong to this version, wherever it was installed."""
    return checkout_lessons() or PACKAGE / "lessons" / "notebooks"


@dataclass(frozen=True)
class Copied:
    """What ``copy_lessons`` did: names of files, relative to the folder."""

    added: tuple[str, ...]
    same: tuple[str, ...]
    kept: tuple[str, ...]


def copy_lessons(source: Path, target: Path) -> Copied:
    """Bring the lessons in ``source`` to ``target`` and overwrite nothing.

    A file that is not there yet is added; one that is there stays as it is, also where it differs
    from the shipped one: it holds the learner's work. What was saved beside the lessons of a
    checkout (progress, as JSON) stays there.
    """
    added: list[str] = []
    same: list[str] = []
    kept: list[str] = []
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        relative = file.relative_to(source)
        if any(part.startswith((".", "__pycache__")) for part in relative.parts):
            continue
        if relative.suffix == ".json":
            continue
        goal = target / relative
        goal.parent.mkdir(parents=True, exist_ok=True)
        text = file.read_bytes()
        try:
            # "x" makes the file or fails: no moment in which a file could be lost.
            with open(goal, "xb") as out:
                out.write(text)
            added.append(relative.as_posix())
        except FileExistsError:
            unchanged = goal.is_file() and goal.read_bytes() == text
            (same if unchanged else kept).append(relative.as_posix())
    return Copied(tuple(added), tuple(same), tuple(kept))


def describe(copied: Copied, target: Path) -> str:
    """What was copied and what was left alone, in words."""
    lines = [f"Lessons in {target}"]
    if copied.added:
        lines.append(f"  new:  {', '.join(copied.added)}")
    if copied.kept:
        lines.append(f"  kept: {', '.join(copied.kept)}")
        lines.append(
            "  Kept files differ from this version's lessons. They are yours, and untouched.\n"
            "  To get a lesson as it was shipped, rename your file and start again."
        )
    if not copied.added and not copied.kept:
        lines.append("  All there, nothing to copy.")
    return "\n".join(lines)


def lessons_folder(wish: Path | None) -> tuple[Path, list[Path], str]:
    """The folder to open, the lessons in it that are ours, and what there is to say about it.

    The folder that the learner names, or ``minitorch-lab-lessons``, is filled with copies: what is
    saved there changes no file that git knows. One that was made for a class is opened as it is,
    and so are the lessons of a checkout where they are named themselves.
    """
    source, checkout = shipped_lessons(), checkout_lessons()
    target = (wish or (CHECKOUT if checkout else Path()) / COPY).resolve()
    if target == source.resolve():
        return source, sorted(source.glob("*.ipynb")), f"Lessons in {source}"
    if (target / importlib.import_module("minitorch_lab.lessons.check").CLASS).is_file():
        return target, sorted(target.glob("*.ipynb")), f"Lessons of a class in {target}"
    copied = copy_lessons(source, target)
    ours = [target / name for name in (*copied.added, *copied.same) if name.endswith(".ipynb")]
    message = describe(copied, target)
    if checkout:
        message += f"\n  These are copies: what you save here changes nothing in {source}."
    return target, ours, message


def trust(notebooks: Sequence[Path]) -> None:
    """Tell Jupyter that these notebooks' outputs are ours, as ``jupyter trust`` does.

    Jupyter shows no picture of a notebook that comes from elsewhere until its cells have run.
    """
    nbformat = importlib.import_module("nbformat")
    notary = importlib.import_module("nbformat.sign").NotebookNotary()
    try:
        for path in notebooks:
            notary.sign(nbformat.read(path, as_version=4))
    finally:
        notary.store.close()


def open_lab(lessons: Path | None, port: int | None, browser: bool) -> int:
    """Start JupyterLab on the lessons, with the first one open. Returns when it was stopped."""
    if importlib.util.find_spec("jupyterlab") is None:
        print(
            "JupyterLab is not installed, and the lessons open in it. Install it with\n"
            '  python -m pip install -e ".[lab]"    in a checkout, or\n'
            f"  {INSTALL_LAB}",
            file=sys.stderr,
        )
        return 1
    if not shipped_lessons().is_dir():
        print(
            f"The lessons are missing: {shipped_lessons()} is not there. Install the package anew.",
            file=sys.stderr,
        )
        return 1
    try:
        folder, ours, message = lessons_folder(lessons)
    except OSError as error:
        print(
            f"The lessons cannot be copied: {error}\n"
            "Start in a folder that you may write to, or name one: minitorch-lab --lessons FOLDER",
            file=sys.stderr,
        )
        return 1
    print(message, flush=True)

    # This interpreter's kernel before one of the same name in the user's home, which may lack us.
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    # Defaults of the page, below the learner's own settings: no question about Jupyter's news.
    places = [str(PAGE_SETTINGS), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, places))
    trust(ours)
    arguments = [
        f"--ServerApp.root_dir={folder}",
        # No look for news and updates: a lesson needs no network.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    names = sorted(path.name for path in shipped_lessons().glob("*.ipynb"))
    first = next((name for name in names if (folder / name).is_file()), None)
    if first is not None:
        arguments.append(f"--LabApp.default_url=/lab/tree/{first}")
    if port is not None:
        # The port that was asked for or an error, not the next one that happens to be free.
        arguments += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if not browser:
        arguments.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--allow-root")  # Jupyter refuses to run as root otherwise: containers
    # In this process, so that Ctrl-C reaches Jupyter, which asks before it stops.
    labapp = importlib.import_module("jupyterlab.labapp")
    try:
        labapp.main(arguments)
    except KeyboardInterrupt:  # it came while Jupyter was still starting
        return 130
    return 0


# -- doctor ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """One thing that the doctor looked at.

    ``needed`` says that the lessons cannot run without it; ``remedy`` is what to do where it is
    missing.
    """

    name: str
    found: str | None
    what_for: str
    remedy: str = ""
    needed: bool = False

    @property
    def ok(self) -> bool:
        """Whether it is there."""
        return self.found is not None


PACKAGES = (
    # distribution, what for, extra that brings it, needed by the lessons
    ("numpy", "arrays", "", True),
    ("graphviz", "the text of a picture", "", True),
    ("latex2mathml", "formulas in the pictures", "", True),
    ("safetensors", "files of tensors", "", True),
    ("threadpoolctl", "one thread for small products", "", True),
    ("jupyterlab", "the lessons open in it", "lab", True),
    ("ipykernel", "runs the cells", "lab", True),
    ("ipywidgets", "sliders and buttons", "lab", True),
    ("anywidget", "explorer and training panel", "lab", True),
    ("matplotlib", "plots in the lessons", "lab", True),
    ("cffi", "calls compiled graphs", "lab", False),
    ("scipy", "the matrix products of compiled graphs", "lab", False),
    ("scikit-learn", "the digits of lesson 14", "lab", True),
    ("torch", "the benchmark compares with it", "", False),
    ("pytest", "the tests", "test", False),
    ("sphinx", "the documentation", "docs", False),
)


CUPY = ("cupy-cuda12x", "cupy-cuda13x", "cupy")


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _program(*names: str) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


def _install(extra: str, distribution: str) -> str:
    if extra == "":
        return f"python -m pip install {distribution}"
    return f'python -m pip install "minitorch-lab[{extra}]"'


def _cupy() -> Check:
    # CuPy has one distribution for each CUDA version; any of them will do.
    found = next((v for name in CUPY if (v := _version(name))), None)
    return Check("cupy", found, "arrays on the GPU", _install("gpu", ""))


def _devices() -> list[Check]:
    """The GPU in words: its name and memory, its driver, its compiler; or why there is none."""
    what_for = "training with device='cuda'; everything runs on the CPU too"
    reason = lab.cuda.why_not()
    if reason is not None:
        return [Check("GPU", None, what_for, reason)]
    found, (free, total) = lab.cuda.get_device_properties(), lab.cuda.mem_get_info()
    memory = f"{total / 2**30:.1f} GB of memory, {free / 2**30:.1f} GB free"
    more = lab.cuda.device_count() - 1
    others = f", and {more} more, chosen by CUDA_VISIBLE_DEVICES" if more else ""
    known = lab.cuda.versions()
    versions = f"knows CUDA {known['CUDA of the driver']}; CuPy has CUDA {known['CUDA of CuPy']}"
    return [
        Check("GPU", f"{found.name}, {memory}{others}", what_for),
        Check("GPU driver", versions, "a first kernel was compiled, run and waited for"),
    ]


def _graphviz() -> Check:
    found = _program("dot")
    if importlib.util.find_spec("pygraphviz") is not None:
        try:
            # Its import loads the libraries of Graphviz that came in its wheel.
            importlib.import_module("pygraphviz")
            found = f"pygraphviz {_version('pygraphviz')}, with Graphviz inside"
        except (ImportError, OSError) as error:
            print(f"pygraphviz is installed and cannot be loaded: {error}", file=sys.stderr)
    remedy = _install("lab", "pygraphviz")
    return Check("layout engine", found, "Graphviz: places the nodes of a picture", remedy, True)


def _compiler() -> Check:
    found, remedy = None, ""
    with warnings.catch_warnings(action="ignore"):  # that nothing is kept is said by _plans
        try:
            native.load(native.PRELUDE + "int step0(void **p, double *n) { return 0; }", ["step0"])
            found = " ".join(native.compiler())
        except native.NoCompiler as why:
            remedy = f"{why}; graph mode runs on NumPy"
    return Check("C compiler", found, "the fastest graph mode", remedy)


def _plans() -> Check:
    found, remedy = None, ""
    try:
        found = str(native.folder())
    except OSError as why:
        remedy = f"{why}; each process compiles its own"
    return Check("plans folder", found, "keeps what graph mode compiled", remedy)


def examine() -> list[Check]:
    """Look at everything that the lessons, the tests and the faster modes can use."""
    python_ok = (3, 11) <= sys.version_info[:2] <= (3, 13)
    checks = [
        Check(
            "Python",
            platform.python_version() if python_ok else None,
            "runs the library",
            f"this is Python {platform.python_version()}; install 3.11, 3.12 or 3.13",
            needed=True,
        )
    ]
    checks += [
        Check(name, _version(name), what_for, _install(extra, name), needed)
        for name, what_for, extra, needed in PACKAGES
    ]
    lessons = shipped_lessons()
    count = len(list(lessons.glob("*.ipynb"))) if lessons.is_dir() else 0
    checks += [
        _graphviz(),
        Check(
            "lessons",
            f"{count} in {lessons}" if count else None,
            "what you came for",
            "install the package anew: its notebooks are missing",
            needed=True,
        ),
        _cupy(),
        *_devices(),
        _compiler(),
        _plans(),
        Check(
            "Chromium",
            _program("chromium", "chromium-browser", "google-chrome"),
            "the browser tests only",
            "Debian: apt-get install chromium",
        ),
    ]
    return checks


def report(checks: Sequence[Check]) -> str:
    """The doctor's findings in plain words."""
    width = max(len(check.name) for check in checks)
    lines = [f"minitorch-lab {__version__} on {platform.system()} {platform.machine()}", ""]
    lines += [
        f"  {'ok ' if check.ok else 'NO ' if check.needed else ' - '} "
        f"{check.name:<{width}}  {check.found or 'not there'}  ({check.what_for})"
        for check in checks
    ]
    for title, missing in (
        ("The lessons need, and lack:", [c for c in checks if not c.ok and c.needed]),
        ("Not there, and the lessons run without:", [c for c in checks if not (c.ok or c.needed)]),
    ):
        if missing:
            lines += ["", title]
            lines += [f"  {check.name}: {check.remedy}" for check in missing]
    ready = all(check.ok for check in checks if check.needed)
    lines += ["", "Ready: start with `minitorch-lab`." if ready else "Not ready for the lessons."]
    return "\n".join(lines)


def doctor(as_json: bool) -> int:
    """Print what is there and what is missing. 0 if the lessons can run, 1 if not."""
    checks = examine()
    ready = all(check.ok for check in checks if check.needed)
    if as_json:
        findings = [{**asdict(check), "ok": check.ok} for check in checks]
        print(json.dumps({"version": __version__, "ready": ready, "checks": findings}, indent=2))
    else:
        print(report(checks))
    return 0 if ready else 1


# -- a class --------------------------------------------------------------------------------------


def make_class(options: argparse.Namespace) -> int:
    """Write the copies of the lessons for a class, or read what came back."""
    assigning = importlib.import_module("minitorch_lab.lessons.assign")
    try:
        if options.collect:
            lines = assigning.collect(options.folder)
        else:
            lines = assigning.assign(
                options.folder, options.chosen, solutions=not options.no_solutions
            )
    except (LabError, OSError) as error:
        print(f"minitorch-lab assign: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


# -- arguments ------------------------------------------------------------------------------------


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, got {text!r}")
    return port


def parser() -> argparse.ArgumentParser:
    """The arguments that ``minitorch-lab`` takes."""
    main_parser = argparse.ArgumentParser(
        prog="minitorch-lab",
        description="Open the lessons in JupyterLab, look at what this machine has, or make the "
        "copies of the lessons for a class.",
        epilog="minitorch-lab doctor says what is installed and what is missing.",
    )
    main_parser.add_argument("--version", action="store_true", help="print the version")

    def add_lab_arguments(target: argparse.ArgumentParser) -> None:
        # Absent means absent: otherwise the defaults of `lab` undo what stands in front of it.
        target.argument_default = argparse.SUPPRESS
        places = target.add_mutually_exclusive_group()
        places.add_argument(
            "--lessons",
            type=Path,
            metavar="FOLDER",
            help="open the lessons in this folder; those that are not there yet are copied to it, "
            f"and nothing in it is overwritten (default: {COPY}, in the checkout or else here)",
        )
        if checkout_lessons():
            places.add_argument(
                "--in-place",
                dest="lessons",
                action="store_const",
                const=checkout_lessons(),
                help="for authors: open the checkout's own lessons, where git sees what is saved",
            )
        target.add_argument("--port", type=_port, help="the port to serve on (default: 8888 or up)")
        target.add_argument(
            "--no-browser",
            dest="browser",
            action="store_false",
            help="print the address and open no browser",
        )

    add_lab_arguments(main_parser)
    commands = main_parser.add_subparsers(dest="command", metavar="[lab | doctor | assign]")
    lessons = commands.add_parser("lab", help="open the lessons in JupyterLab (the default)")
    add_lab_arguments(lessons)
    health = commands.add_parser("doctor", help="versions, device, and what is missing")
    health.add_argument("--json", action="store_true", help="the same for a program to read")
    giving = commands.add_parser("assign", help="copies of the lessons for a class")
    giving.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder to write into")
    giving.add_argument(
        "--only",
        dest="chosen",
        nargs="+",
        default=(),
        metavar="NN",
        help="these lessons, such as 03",
    )
    giving.add_argument(
        "--no-solutions", action="store_true", help="lab.solution shows none in the student copies"
    )
    giving.add_argument(
        "--collect",
        action="store_true",
        help="FOLDER holds notebooks that came back: list what their outputs say; none is run",
    )
    return main_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``minitorch-lab``; returns the exit status."""
    defaults = argparse.Namespace(lessons=None, port=None, browser=True)
    options = parser().parse_args(arguments, defaults)
    if options.version:
        print(f"minitorch-lab {__version__}")
        return 0
    if options.command == "doctor":
        return doctor(options.json)
    if options.command == "assign":
        return make_class(options)
    return open_lab(options.lessons, options.port, options.browser)


if __name__ == "__main__":
    raise SystemExit(main())
