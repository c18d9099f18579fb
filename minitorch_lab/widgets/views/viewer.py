"""When views are computed: only while somebody looks, on a thread of its own, beside the run.

Between two steps the weights are copied, which takes some microseconds; a short-lived thread then
computes from the copy. How soon the next look may be hangs on what this one took.
"""

from __future__ import annotations

import atexit
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ArgumentError
from ..branches import between_steps
from . import VIEWS
from .scene import NotHere, Picture, Samples, Scene, tensors

if TYPE_CHECKING:
    from ..training import Training

SHARE = 0.01  # of the run's time that looking may take
PACE = 1 / 10  # seconds between two looks
GONE = 15.0  # seconds after which a page that has said nothing is gone
WAY = 60  # kept steps that the loss surface shows
MEMORY = 64 * 2**20  # bytes that their weights may take
TELLING = 0.2  # seconds between two messages of how far the loss surface is

_working: set[threading.Thread] = set()
_leaving = threading.Event()


class Cancelled(Exception):
    """Nobody wants it any more."""


@dataclass
class Ask:
    """What a page looks at. ``seen``: the step of the picture that it has."""

    name: str
    options: dict[str, Any]
    heard: float
    text: bool = False  # whether it wants the text, too
    seen: tuple[Any, int] | None = None


@dataclass
class Job:
    """A loss surface that is being computed."""

    run: Any
    done: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)


class Viewer:
    """Computes what pages look at, and keeps it for the next message. ``push`` sends one."""

    def __init__(self, push: Callable[[], None] = lambda: None) -> None:
        self._push = push
        self._asks: dict[str, Ask] = {}
        self._lock = threading.Lock()
        self._ready: dict[str, dict[str, Any]] = {}  # what the next message takes along
        self._busy = False
        self._next = 0.0
        self._run: Training | None = None
        self._scene: Scene | None = None
        self._known: dict[str, Samples | str] = {}
        self._job: Job | None = None
        self._surface: Picture | None = None
        self.last: Picture | None = None  # that was looked at

    # For cells.

    def view(self, run: Training, name: str, **options: Any) -> Picture:
        """A view of the run as it is now."""
        checked(name, options)
        if not hasattr(run, "loader"):
            raise ArgumentError(
                f"view({name!r}): a loop of your own has no views\n"
                "  its data and its loss are not known: lab.train(model, data) knows them"
            )
        self._of(run)
        scene = between_steps(run, lambda: scene_of(run, self._known, name))
        picture = draw(scene, name, options)
        self.last = self.last if picture.empty else picture
        return picture

    # For pages.

    def ask(self, run: Training, content: dict[str, Any]) -> None:
        """A page says what it looks at, or that it still does; ``name`` None for nothing."""
        who, name = str(content.get("who")), content.get("name")
        others = {page: ask for page, ask in self._asks.items() if page != who}
        if name not in VIEWS:
            self._asks = others
            return
        known = VIEWS[name].options
        options = {k: v for k, v in (content.get("options") or {}).items() if k in known}
        old = self._asks.get(who)
        if old is not None and old.name == name and not content.get("new"):
            old.heard = time.monotonic()
        else:
            ask = Ask(name, options, time.monotonic(), bool(content.get("text")))
            self._asks = {**others, who: ask}
            self._next = 0.0
        if name == "surface" and content.get("act") == "start":
            self._begin_surface(run)
        if name == "surface" and content.get("act") == "cancel" and self._job is not None:
            self._job.ended.set()
        self.shows(run)

    def shows(self, run: Training) -> None:
        """This run is shown, and may hold, perhaps at another step than before."""
        goes_on = run.state in ("running", "stopping")
        if self._asks and not self._busy and not goes_on and self._stale(run):
            between_steps(run, lambda: self._look(run))

    def heard(self, run: Training) -> None:
        """The run goes on: this is between two of its steps, on its thread."""
        if self._asks and not self._busy and time.monotonic() >= self._next:
            self._look(run)

    def news(self) -> tuple[list[dict[str, Any]], list[bytes]]:
        """What is new for the pages, for a message: descriptions, and the arrays in their order."""
        with self._lock:
            ready, self._ready = self._ready, {}
        buffers: list[bytes] = []
        items = []
        for who, item in ready.items():
            arrays = item.pop("values")
            items.append({**item, "who": who, "at": len(buffers)})
            buffers += [np.ascontiguousarray(array).tobytes() for array in arrays]
        return items, buffers

    # Looking.

    def _of(self, run: Training) -> None:
        if self._run is not run:  # another branch is shown now
            self._run, self._scene, self._known, self._surface = run, None, {}, None

    def _stale(self, run: Training) -> list[tuple[str, Ask]]:
        now = time.monotonic()
        self._asks = {who: a for who, a in self._asks.items() if now - a.heard < GONE}
        here = (run.history, len(run.history))
        return [
            (who, ask)
            for who, ask in self._asks.items()
            if ask.seen is None or ask.seen[0] is not here[0] or ask.seen[1] != here[1]
        ]

    def _look(self, run: Training) -> None:
        """Copy the weights, and have a thread compute what is looked at."""
        began = time.thread_time()
        with self._lock:
            if self._busy:
                return
            asks = self._stale(run)
            if not asks:
                return
            self._busy = True
        try:
            self._of(run)
            if self._scene is None or not self._scene.refresh(run):
                self._scene = Scene(run, self._known)
        except BaseException:
            self._busy = False
            raise
        for _, ask in asks:
            ask.seen = (run.history, len(run.history))
        spent = time.thread_time() - began
        start(self._work, run, self._scene, asks, spent)

    def _work(self, run: Training, scene: Scene, asks: list[tuple[str, Ask]], spent: float) -> None:
        try:
            for who, ask in asks:
                began = time.thread_time()
                if ask.name == "surface":
                    self._tell_surface(run)
                    continue
                picture = draw(scene, ask.name, ask.options)
                if self._asks.get(who) is not ask:  # it looks at something else by now
                    continue
                self._put(who, packed(picture, ask.text))
                self.last = picture if not picture.empty else self.last
                spent += time.thread_time() - began
        finally:
            self._next = time.monotonic() + max(PACE, spent / SHARE)
            self._busy = False
        if run.state != "running":
            self._push()

    def _put(self, who: str, item: dict[str, Any]) -> None:
        with self._lock:
            self._ready[who] = item

    # The loss surface: once, when it is asked for.

    def _begin_surface(self, run: Training) -> None:
        self._of(run)
        if self._job is not None and not self._job.ended.is_set():
            return
        job = self._job = Job(run)
        self._tell_surface(run)
        if run.state == "running":
            self._push()
        scene = between_steps(run, lambda: scene_of(run, self._known, "surface"))
        start(self._compute_surface, run, job, scene)

    def _compute_surface(self, run: Training, job: Job, scene: Scene) -> None:
        told = time.monotonic()
        began = time.thread_time()

        def go_on(done: float) -> None:
            nonlocal told, began
            job.done = done
            if time.monotonic() - told > TELLING:
                told = time.monotonic()
                self._tell_surface(run)
                if run.state != "running":
                    self._push()
            rest = time.monotonic() + (time.thread_time() - began) / SHARE
            while run.state == "running" and time.monotonic() < rest and not job.ended.is_set():
                job.ended.wait(min(0.05, max(rest - time.monotonic(), 0)))
            if job.ended.is_set() or _leaving.is_set():
                raise Cancelled
            began = time.thread_time()

        try:
            picture = draw(scene, "surface", {}, go_on)
            if self._run is run:
                self._surface = picture
                self.last = picture if not picture.empty else self.last
        except Cancelled:
            pass
        finally:
            job.ended.set()
            self._tell_surface(run)
            self._push()

    def _tell_surface(self, run: Training) -> None:
        """Let those who look at it know how far it is."""
        job, picture = self._job, self._surface
        busy = job is not None and not job.ended.is_set() and job.run is run
        item = packed(picture or Picture("surface", len(run.history)))
        item["busy"] = job.done if busy and job is not None else None
        item["asked"] = picture is not None
        for who, ask in list(self._asks.items()):
            if ask.name == "surface":
                text = (
                    VIEWS["surface"].text(picture) if ask.text and picture and picture.facts else ""
                )
                self._put(who, {**item, "text": text})


def checked(name: Any, options: dict[str, Any]) -> None:
    """ArgumentError where there is no such view, or it has no such option."""
    if name not in VIEWS:
        raise ArgumentError(f"view({name!r}): there is no such view\n  views  {', '.join(VIEWS)}")
    for option, value in options.items():
        if option not in VIEWS[name].options:
            known = ", ".join(VIEWS[name].options) or "none"
            raise ArgumentError(
                f"view({name!r}, {option}=...): there is no such option\n  options  {known}"
            )
        if option == "order":
            from .predictions import ORDERS

            if value not in ORDERS:
                raise ArgumentError(
                    f"view('samples', order={value!r}): there is no such order\n"
                    f"  orders  {', '.join(ORDERS)}"
                )


def scene_of(run: Training, known: dict[str, Samples | str], name: str) -> Scene:
    """A scene of its own, for something that takes long."""
    scene = Scene(run, known)
    if name == "surface" and scene.model is not None:
        count = len(tensors(scene.model)) - len(list(scene.model.named_buffers()))
        kept = list(run.kept._entries)
        size = sum(p.array.size for p in scene.model.parameters())
        most = max(3, min(WAY, MEMORY // (8 * max(size, 1))))
        every = max(1, -(-len(kept) // most))
        scene.path = [(entry.step, entry.arrays[:count]) for entry in kept[::-1][::every]][::-1]
    return scene


def draw(
    scene: Scene,
    name: str,
    options: dict[str, Any],
    go_on: Callable[[float], None] = lambda done: None,
) -> Picture:
    """Compute a view; where it does not apply or the model fails, the picture says so."""
    more = (go_on,) if name == "surface" else ()
    try:
        with np.errstate(all="ignore"):
            return VIEWS[name].compute(scene, options, *more)
    except NotHere as reason:
        why = str(reason)
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001 - the model and the loss are the learner's
        why = f"It could not be computed: {type(error).__name__}: {error}"
    return Picture(name, scene.step, empty=why)


def packed(picture: Picture, text: bool = False) -> dict[str, Any]:
    """A picture for a message: what JSON can hold, and the arrays beside it."""
    return {
        "name": picture.name,
        "step": picture.step,
        "words": picture.words,
        "empty": picture.empty,
        "facts": plain(picture.facts),
        "text": VIEWS[picture.name].text(picture) if text and not picture.empty else "",
        "arrays": [[name, a.dtype.name, list(a.shape)] for name, a in picture.arrays.items()],
        "values": list(picture.arrays.values()),
    }


def plain(value: Any) -> Any:
    """Facts with None for what JSON cannot hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: plain(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def start(work: Callable[..., None], *args: Any) -> None:
    """Do ``work`` on a thread of its own, which ends with it."""

    def do() -> None:
        try:
            work(*args)
        finally:
            _working.discard(threading.current_thread())

    thread = threading.Thread(target=do, name="views", daemon=True)
    _working.add(thread)
    thread.start()


@atexit.register
def _leave() -> None:
    # As in threads.py: a daemon thread must not be inside NumPy while the interpreter goes away.
    _leaving.set()
    for thread in list(_working):
        thread.join(2.0)


def first_view(run: Training) -> str:
    """The view that a page shows first: the boundary where inputs have two numbers."""
    tensors_ = getattr(run.loader.dataset, "tensors", None)
    if tensors_ and tensors_[0].ndim == 2 and tensors_[0].shape[1] == 2:
        return "boundary"
    return "samples"
