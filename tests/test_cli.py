"""The command line, as a person would use it: real processes, a real JupyterLab, a real wheel."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

import pytest
from double import DeviceArray, make_cupy

import minitorch_lab as lab
from minitorch_lab import cli
from minitorch_lab._version import __version__
from minitorch_lab.device import CUDA, register, unregister

ROOT = Path(__file__).parents[1]
EMPTY = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def run(*arguments: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "minitorch_lab.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env={**os.environ, **env},
        check=False,
    )


def test_help_names_what_it_can_do():
    done = run("--help")
    assert done.returncode == 0
    for word in ("doctor", "--no-browser", "--port", "--lessons", "--version"):
        assert word in done.stdout


def test_version():
    assert run("--version").stdout == f"minitorch-lab {__version__}\n"


@pytest.mark.parametrize("port", ["0", "65536", "many"])
def test_a_port_that_is_none_is_refused_in_words(port):
    done = run("--port", port)
    assert done.returncode == 2
    assert f"a port is a number from 1 to 65535, got '{port}'" in done.stderr


@pytest.mark.parametrize(
    "words",
    ["--no-browser --port 9000 lab", "lab --port 9000 --no-browser", "--port 9000 --no-browser"],
)
def test_arguments_count_before_and_after_the_command(words, monkeypatch):
    asked = []
    monkeypatch.setattr(cli, "open_lab", lambda *given: asked.append(given) or 0)
    assert cli.main(words.split()) == 0
    assert asked == [(None, 9000, False)]


def test_without_jupyterlab_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None)
    assert cli.main([]) == 1
    assert 'python -m pip install -e ".[lab]"' in capsys.readouterr().err


# -- doctor ---------------------------------------------------------------------------------------


def test_doctor_says_that_the_lessons_can_run():
    done = run("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ready: start with `minitorch-lab`." in done.stdout
    assert done.stderr == ""


def test_doctor_for_a_program():
    done = run("doctor", "--json")
    findings = json.loads(done.stdout)
    by_name = {check["name"]: check for check in findings["checks"]}
    assert findings["ready"] is True
    assert findings["version"] == __version__
    assert by_name["numpy"]["ok"]
    assert by_name["numpy"]["found"].startswith("2.")
    assert by_name["GPU"]["ok"] or by_name["GPU"]["remedy"], "no GPU, and no reason why"


def test_doctor_names_the_gpu():
    register(DeviceArray, make_cupy(), CUDA)
    try:
        text = cli.report(cli.examine())
    finally:
        unregister(DeviceArray)
    assert re.search(r"ok  GPU +Double, 4.0 GB of memory, 3.0 GB free", text)
    assert re.search(r"ok  GPU driver +knows CUDA 12.4; CuPy has CUDA 12.9", text)


def test_doctor_says_why_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(lab.cuda, "why_not", lambda: "this machine has no NVIDIA driver: get one")
    text = cli.report(cli.examine())
    assert re.search(r" -  GPU +not there", text)
    assert "  GPU: this machine has no NVIDIA driver: get one" in text


def test_doctor_fails_where_the_lessons_cannot_run_and_says_what_to_do(monkeypatch, capsys):
    there = cli._version
    monkeypatch.setattr(cli, "_version", lambda name: None if name == "anywidget" else there(name))
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "The lessons need, and lack:" in printed
    assert 'anywidget: python -m pip install "minitorch-lab[lab]"' in printed
    assert "Ready" not in printed


def test_doctor_names_the_compiler_and_where_its_libraries_are(tmp_path):
    done = run("doctor", "--json", MINITORCH_LAB_CACHE=str(tmp_path), CC="")
    by_name = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    compiler = by_name["C compiler"]
    assert (compiler["found"] or "")[:1] == "/" or "graph mode runs on NumPy" in compiler["remedy"]
    assert by_name["plans folder"]["found"] == str(tmp_path / "minitorch_lab" / "plans")


def test_doctor_says_what_to_do_without_a_compiler_or_a_folder(tmp_path):
    (tmp_path / "file").touch()
    done = run("doctor", MINITORCH_LAB_CACHE=str(tmp_path / "file"), CC="no-such-compiler")
    assert done.returncode == 0
    assert "C compiler: CC names 'no-such-compiler', and there is no such program" in done.stdout
    assert "plans folder: [Errno" in done.stdout
    assert "each process compiles its own" in done.stdout
    assert done.stderr == ""


# -- copies of the lessons ------------------------------------------------------------------------


@pytest.fixture
def shelf(tmp_path):
    """Two lessons as they are shipped."""
    shelf = tmp_path / "shipped"
    (shelf / "images").mkdir(parents=True)
    (shelf / ".ipynb_checkpoints").mkdir()
    (shelf / "progress.json").write_text("{}")
    (shelf / "00_start.ipynb").write_text("lesson 0")
    (shelf / "02_graph.ipynb").write_text("lesson 2")
    (shelf / "images" / "a.png").write_bytes(b"\x89PNG")
    (shelf / ".ipynb_checkpoints" / "00_start-checkpoint.ipynb").write_text("old")
    return shelf


def test_lessons_are_copied_without_checkpoints_and_progress(shelf, tmp_path):
    copied = cli.copy_lessons(shelf, tmp_path / "mine")
    assert copied.added == ("00_start.ipynb", "02_graph.ipynb", "images/a.png")
    assert (tmp_path / "mine" / "images" / "a.png").read_bytes() == b"\x89PNG"


def test_the_learners_work_is_never_overwritten(shelf, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "00_start.ipynb").write_text("my answers")
    (mine / "notes.ipynb").write_text("my notes")
    copied = cli.copy_lessons(shelf, mine)
    assert copied.kept == ("00_start.ipynb",)
    assert copied.added == ("02_graph.ipynb", "images/a.png")
    assert (mine / "00_start.ipynb").read_text() == "my answers"
    assert (mine / "notes.ipynb").read_text() == "my notes"
    words = cli.describe(copied, mine)
    assert "kept: 00_start.ipynb" in words
    assert "rename your file" in words


def test_a_second_start_finds_everything_there(shelf, tmp_path):
    cli.copy_lessons(shelf, tmp_path / "mine")
    copied = cli.copy_lessons(shelf, tmp_path / "mine")
    assert copied.same == ("00_start.ipynb", "02_graph.ipynb", "images/a.png")
    assert "nothing to copy" in cli.describe(copied, tmp_path)


def test_a_folder_of_that_name_is_kept_too(shelf, tmp_path):
    (tmp_path / "mine" / "00_start.ipynb").mkdir(parents=True)
    assert cli.copy_lessons(shelf, tmp_path / "mine").kept == ("00_start.ipynb",)


def test_a_class_is_opened_as_it_is(tmp_path):
    student = tmp_path / "my_class" / "student"
    assert run("assign", str(student.parent), "--only", "03").returncode == 0
    before = sorted(student.glob("*.ipynb"))
    folder, ours, words = cli.lessons_folder(student)
    assert (folder, ours) == (student, before)
    assert "of a class" in words
    assert sorted(student.glob("*.ipynb")) == before


@pytest.fixture
def checkout(shelf, tmp_path, monkeypatch):
    """A checkout with those two lessons."""
    place = tmp_path / "checkout"
    place.mkdir()
    (place / "pyproject.toml").touch()
    shelf.rename(place / "notebooks")
    monkeypatch.setattr(cli, "CHECKOUT", place)
    return place


def test_a_checkouts_lessons_are_copied_where_git_does_not_look(checkout):
    folder, ours, words = cli.lessons_folder(None)
    assert folder == checkout / cli.COPY
    assert [path.name for path in ours] == ["00_start.ipynb", "02_graph.ipynb"]
    assert f"what you save here changes nothing in {checkout / 'notebooks'}" in words
    (folder / "00_start.ipynb").write_text("my answers")
    assert "kept: 00_start.ipynb" in cli.lessons_folder(None)[2]
    assert (folder / "00_start.ipynb").read_text() == "my answers"
    assert (checkout / "notebooks" / "00_start.ipynb").read_text() == "lesson 0"
    assert f"{cli.COPY}/" in (ROOT / ".gitignore").read_text().splitlines()


def test_an_author_opens_a_checkout_where_it_lies(checkout, monkeypatch):
    asked = []
    monkeypatch.setattr(cli, "open_lab", lambda *given: asked.append(given) or 0)
    assert cli.main(["--in-place"]) == 0
    assert asked == [(checkout / "notebooks", None, True)]
    folder, ours, words = cli.lessons_folder(asked[0][0])
    assert (folder, ours) == (checkout / "notebooks", sorted(folder.glob("*.ipynb")))
    assert words == f"Lessons in {folder}"
    assert not (checkout / cli.COPY).exists()


def test_in_place_and_a_folder_exclude_each_other():
    done = run("--in-place", "--lessons", "mine")
    assert done.returncode == 2
    assert "not allowed with argument" in done.stderr


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("--no-browser", "--lessons", str(tmp_path / "file"))
    assert done.returncode == 1
    assert "The lessons cannot be copied" in done.stderr
    assert "Traceback" not in done.stderr


def test_our_lessons_are_trusted_and_a_learners_notebook_is_left_to_jupyter(tmp_path, monkeypatch):
    import nbformat
    from nbformat.sign import NotebookNotary

    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    mine = tmp_path / "mine"
    mine.mkdir()
    first, second, *_ = sorted(file.name for file in (ROOT / "notebooks").glob("*.ipynb"))
    (mine / first).write_text(json.dumps(EMPTY))
    _, ours, _ = cli.lessons_folder(mine)
    cli.trust(ours)

    def trusted(name: str) -> bool:
        notary = NotebookNotary()
        try:
            return notary.check_signature(nbformat.read(mine / name, as_version=4))
        finally:
            notary.store.close()

    assert trusted(second)
    assert not trusted(first)


def test_ctrl_c_while_jupyter_still_starts_ends_without_a_traceback(tmp_path, monkeypatch):
    def interrupted(arguments):
        raise KeyboardInterrupt

    labapp = pytest.importorskip("jupyterlab.labapp")
    monkeypatch.setattr(labapp, "main", interrupted)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")  # which the command changes
    assert cli.main(["--lessons", str(tmp_path / "mine")]) == 130


# -- the real thing -------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(url: str, process: subprocess.Popen[str], seconds: float = 60) -> str:
    """The address that ``url`` leads to, once the server answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail(f"it ended at once:\n{process.communicate()[0]}")
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.url)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    pytest.fail(f"no answer from {url} in {seconds} s")


def asks_for_news(port: int) -> str:
    """What the page takes for JupyterLab's setting on news: "none" would make it ask."""
    plugin = "@jupyterlab/apputils-extension:notification"
    url = f"http://127.0.0.1:{port}/lab/api/settings/{plugin}?token=secret"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(json.load(answer)["schema"]["properties"]["fetchNews"]["default"])


def start_and_stop(command: list[str], cwd: Path, home: Path, **env: str) -> tuple[str, str]:
    """Start ``command`` with a free port, see that it answers, press Ctrl-C: (address, output)."""
    port = free_port()
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    folders += ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    with subprocess.Popen(
        [*command, "--no-browser", "--port", str(port)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            **{name: str(home / name.lower()) for name in folders},
            "JUPYTER_TOKEN": "secret",
            **env,
        },
    ) as process:
        try:
            address = fetch(f"http://127.0.0.1:{port}/?token=secret", process)
            assert asks_for_news(port) == "false"
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=30)
        finally:
            if process.poll() is None:
                process.kill()
    assert process.returncode == 0, output
    return urllib.parse.urlsplit(address).path, output


@pytest.mark.usefixtures("interruptible")
@pytest.mark.slow
def test_jupyterlab_starts_on_lesson_00_and_ctrl_c_stops_it(tmp_path):
    command = [sys.executable, "-m", "minitorch_lab.cli"]
    address, output = start_and_stop([*command, "--in-place"], tmp_path, tmp_path)
    assert f"Lessons in {ROOT / 'notebooks'}" in output
    assert address.startswith("/lab/tree/00")
    assert not (tmp_path / cli.COPY).exists()


@pytest.mark.usefixtures("interruptible")
@pytest.mark.slow
def test_a_class_with_one_lesson_opens_on_it(tmp_path):
    done = run("assign", "my class", "--only", "03", cwd=tmp_path)
    way = next(line for line in done.stdout.splitlines() if "minitorch-lab --lessons" in line)
    _, _, words = way.partition("minitorch-lab ")
    command = [sys.executable, "-m", "minitorch_lab.cli", *shlex.split(words)]
    address, output = start_and_stop(command, tmp_path, tmp_path)
    assert "Lessons of a class" in output
    assert address.startswith("/lab/tree/03")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_lessons_widgets_and_types(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for lesson in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"minitorch_lab/lessons/notebooks/{lesson.name}" in names
    for asset in (ROOT / "minitorch_lab" / "widgets" / "static").iterdir():
        assert f"minitorch_lab/widgets/static/{asset.name}" in names
    assert "minitorch_lab/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    strays = ("tests/", "docs/", "notebooks/")
    assert not [name for name in names if name.startswith(strays) or "_checkpoints" in name]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.slow
def test_installed_from_a_wheel_the_lessons_are_copied_and_yours_are_kept(wheel, tmp_path):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True, timeout=120)
    desk = tmp_path / "desk"
    mine = desk / cli.COPY
    mine.mkdir(parents=True)
    first = min((ROOT / "notebooks").glob("00*.ipynb"))
    (mine / first.name).write_text(json.dumps(EMPTY))

    # PYTHONPATH comes before the checkout, so that it is the installed package that runs.
    command = [str(site / "bin" / "minitorch-lab")]
    address, output = start_and_stop(command, desk, tmp_path, PYTHONPATH=str(site))
    assert address == f"/lab/tree/{first.name}"
    assert f"kept: {first.name}" in output
    assert json.loads((mine / first.name).read_text()) == EMPTY
    shipped = {file.name for file in (ROOT / "notebooks").glob("*.ipynb")}
    assert {file.name for file in mine.glob("*.ipynb")} == shipped
