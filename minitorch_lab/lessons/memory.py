"""What the learner has done, in one small JSON file. It is a help, never a condition.

The file is ``progress.json`` in the user's data folder; ``MINITORCH_LAB_PROGRESS`` names another
place, or is ``off``. Where nothing can be written, the session's memory is all there is.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import ArgumentError

VERSION = 1
_lock = threading.RLock()  # a widget's answer may arrive on another thread
_memory: dict[str, Any] | None = None


def progress_path() -> Path | None:
    """Where progress is kept, or None where it is switched off."""
    chosen = os.environ.get("MINITORCH_LAB_PROGRESS", "")
    if chosen.lower() == "off":
        return None
    if chosen:
        return Path(chosen).expanduser()
    try:
        home = Path.home()
    except RuntimeError:  # no home folder: some containers
        return None
    if sys.platform == "darwin":
        folder = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return folder / "minitorch_lab" / "progress.json"


def _clean(data: Any) -> dict[str, Any]:
    """Only what has the form that this version writes; the rest of a damaged file is left out."""
    lessons = data.get("lessons") if isinstance(data, dict) else None
    kept: dict[str, Any] = {}
    for number, entry in (lessons if isinstance(lessons, dict) else {}).items():
        if isinstance(entry, dict):
            kept[str(number)] = {
                part: entry[part] for part in ("exercises", "predictions", "quiz")
                if isinstance(entry.get(part), dict)
            }  # fmt: skip
    return {"version": VERSION, "lessons": kept}


def _read(path: Path) -> dict[str, Any]:
    return _clean(json.loads(path.read_text(encoding="utf-8")))


def _data() -> dict[str, Any]:
    global _memory
    if _memory is None:
        path = progress_path()
        try:
            _memory = _read(path) if path else _clean(None)
        except (OSError, ValueError):
            _memory = _clean(None)
    return _memory


def _write(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A second file and a rename, so that a crash half-way cannot leave half a file.
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    new.replace(path)


def _keep() -> None:
    path = progress_path()
    if path is not None:
        with suppress(OSError):  # a read-only home: the session's memory has to do
            _write(path, _data())


def note(number: str, part: str, key: str, value: dict[str, Any]) -> None:
    """Keep ``value`` under lesson, part ("exercises", "predictions", "quiz") and key.

    A file that cannot be written is no error: the session goes on.
    """
    with _lock:
        entry = _data()["lessons"].setdefault(number, {})
        entry.setdefault(part, {})[key] = value
        _keep()


def recall(number: str, part: str, key: str) -> dict[str, Any]:
    """What `note` kept, or an empty dictionary."""
    with _lock:
        value = _data()["lessons"].get(number, {}).get(part, {}).get(key, {})
        return dict(value) if isinstance(value, dict) else {}


def begin(number: str) -> None:
    """Note that a lesson was opened."""
    with _lock:
        if number not in _data()["lessons"]:
            _data()["lessons"][number] = {}
            _keep()


def begun() -> list[str]:
    """The lessons that were opened, in order."""
    with _lock:
        return sorted(_data()["lessons"])


def solved(number: str) -> list[str]:
    """The exercises of a lesson that were answered right."""
    with _lock:
        exercises = _data()["lessons"].get(number, {}).get("exercises", {})
        return sorted(k for k, v in exercises.items() if isinstance(v, dict) and v.get("right"))


def forget() -> None:
    """Drop what this session remembers, so that the file is read again."""
    global _memory
    with _lock:
        _memory = None


def save_progress(file: str | Path = "progress.json") -> Path:
    """Write your progress to a file of your own, to take it to another machine.

    Returns the path. Raises ArgumentError where the file cannot be written.
    """
    path = Path(file).expanduser()
    try:
        with _lock:
            _write(path, _data())
    except OSError as error:
        raise ArgumentError(
            f"progress could not be saved to {file}\n  the system says: {error.strerror}\n"
            "  give another file name, such as lab.save_progress('progress.json')"
        ) from error
    return path


def load_progress(file: str | Path = "progress.json") -> None:
    """Take over progress from a file that `save_progress` wrote.

    Raises ArgumentError where the file cannot be read or holds something else.
    """
    global _memory
    try:
        data = json.loads(Path(file).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ArgumentError(
            f"no progress could be read from {file}\n  the system says: {error.strerror}"
        ) from error
    except ValueError as error:
        raise ArgumentError(f"{file} holds no progress\n  it is not a JSON file") from error
    if not isinstance(data, dict) or not isinstance(data.get("lessons"), dict):
        raise ArgumentError(f"{file} holds no progress\n  write one with lab.save_progress()")
    with _lock:
        _memory = _clean(data)
        _keep()
