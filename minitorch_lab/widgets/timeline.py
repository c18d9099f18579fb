"""The panel's branches: going back in the run that it shows, forks of it, and other runs over it.

One run is shown and steered, the others hold and are drawn over it. Only one runs at a time: two
that run together draw from one random generator and could not be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, KindError, NonFiniteError
from ..errors import describe as describe_value
from .branches import Branch, Branches, between_steps, kept_at
from .history import History, Mark
from .rewind import Kept, amount
from .script import Script, script
from .words import plural, short

if TYPE_CHECKING:
    from .live import Live
    from .training import Training

POINTS = 400  # of each curve of another run
COLOURS = 5  # on the page, where a dash pattern goes with each


class Timeline:
    """What the panel can do with kept steps and branches. A part of ``Live``."""

    training: Training
    send: Any
    _push: Callable[..., None]
    _heard: Callable[[Any, str], None]

    def _begin_timeline(self) -> None:
        self._others: dict[str, Any] = {}  # runs and histories of overlay(), by name
        self._places: dict[str, int] = {}  # of a run in the list of colours
        self._hidden: set[str] = set()
        self._followed: dict[int, tuple[Any, Any]] = {}  # runs, and what hears of them

    @property
    def kept(self) -> Kept:
        """The steps that ``rewind`` and ``fork`` can go to, with the memory that they take."""
        return self.training.kept

    @property
    def branches(self) -> Branches:
        """All branches of the run. ``select`` shows one, ``go_on`` continues one."""
        return self.training.branches

    def rewind(self, step: int) -> int:
        """Have the run hold, go back to the kept step at ``step`` or before, and return its number.

        ``start()`` then goes on exactly as the first time. See ``Training.rewind``.

        Raises:
            ArgumentError: no such step is kept.
        """
        kept_at(self.training, "rewind", step)  # a refused step changes nothing
        hold(self.training)
        return self.training.rewind(step)

    def fork(self, step: int | None = None, name: str | None = None, **settings: Any) -> Training:
        """Show a new run that starts from a kept step of this one, or from now; this one holds.

        ``start()`` starts it. Settings and errors are those of ``Training.fork``.
        """
        run = self.training.fork(step, name, **settings)
        self._show(run)
        return run

    def fork_lower(self, name: str | None = None) -> Training:
        """After a loss that was nan or infinite: show a fork from the last good step, with a tenth
        of the learning rate. See ``Training.fork_lower``."""
        run = self.training.fork_lower(name)
        self._show(run)
        return run

    def select(self, name: str | int) -> Training:
        """Show another branch, by its name or number; the one that was shown holds.

        Raises:
            ArgumentError: there is no such branch; the message lists them.
        """
        run = self.branches[name]
        self._show(run)
        return run

    def go_on(self, name: str | int) -> Training:
        """Show a branch and let it go on."""
        return self.select(name).start()

    def script(self, file: str | None = None) -> Script:
        """A Python script that does the steps of the branch that is shown again, with the same
        losses. See ``Training.script``."""
        return self.training.script(file)

    def overlay(self, other: Live | Training | History, name: str | None = None) -> Any:
        """Draw the curves of another run over those of this one; returns the panel.

        Args:
            other: a panel, a ``Training``, or a ``History``. It stays as it is, and is drawn anew
                as it goes on.
            name: at its curves; without one that of the run.

        Raises:
            KindError: something else.
            ArgumentError: a run of that name is drawn already.
        """
        run = getattr(other, "training", other)
        if not isinstance(history_of(run), History):
            raise KindError(
                f"overlay(other): other is {describe_value(other)}\n"
                "  expected a panel of lab.train, a Training or a History"
            )
        name = name or getattr(run, "name", None) or f"run {len(self._others) + 2}"
        taken = [*(branch.name for branch in self._tree()), *self._others]
        if name in taken:
            raise ArgumentError(
                f"overlay(other): a run called {name!r} is drawn already\n"
                "  expected another name: overlay(other, name='second')"
            )
        self._others = {**self._others, name: run}  # another thread may be going through it
        self._push(at_once=True)
        return self

    def hide(self, name: str) -> None:
        """Draw a branch, or a run of ``overlay``, no more over the curves; ``unhide`` draws it."""
        self._known("hide", name)
        self._hidden.add(name)
        self._push(at_once=True)

    def unhide(self, name: str) -> None:
        """Draw a branch that was hidden again."""
        self._known("unhide", name)
        self._hidden.discard(name)
        self._push(at_once=True)

    def remove(self, name: str) -> None:
        """Draw a run of ``overlay`` no more, and forget it.

        Raises:
            ArgumentError: there is no such run, or it is a branch, which can be hidden.
        """
        self._known("remove", name)
        if name not in self._others:
            raise ArgumentError(
                f"remove({name!r}): this is a branch of the run, and stays\n"
                f"  expected a run of overlay(); hide({name!r}) draws a branch no more"
            )
        run = self._others[name]
        self._others = {other: of for other, of in self._others.items() if other != name}
        self._hidden.discard(name)
        _, listener = self._followed.get(id(run), (None, None))
        if listener is not None and run not in self._others.values():
            del self._followed[id(run)]
            run.listeners.remove(listener)
        self._push(at_once=True)

    # For the page.

    def _known(self, call: str, name: str) -> None:
        names = [*(branch.name for branch in self._tree()), *self._others]
        if name not in names:
            known = ", ".join(map(repr, names))
            raise ArgumentError(f"{call}({name!r}): there is no such branch\n  branches  {known}")

    def _tree(self) -> list[Branch]:
        return list(getattr(self.training, "branches", ()))

    def _show(self, run: Training) -> None:
        if run is not self.training:
            hold(self.training)
            self.training = run
        self._push(at_once=True)

    def _follow(self) -> None:
        """Hear of what any of the runs does, each of them once."""
        runs = [self.training, *(branch.run for branch in self._tree()), *self._others.values()]
        for run in runs:
            if id(run) not in self._followed and hasattr(run, "listeners"):
                listener = lambda what, run=run: self._heard(run, what)  # noqa: E731
                self._followed[id(run)] = run, listener
                run.listeners.append(listener)

    def _version(self) -> tuple[Any, Any]:
        """What changes when the timeline does; and apart, how the kept steps change."""
        run, tree = self.training, self._tree()
        rows = [
            (branch.name, branch.shared, branch.run.state)
            + (() if branch.run is run else (len(branch.run.history),))
            for branch in tree
        ]
        kept = [(len(branch.run.kept), list(branch.run.kept[-1:])) for branch in tree]
        others = [(name, len(history_of(other))) for name, other in self._others.items()]
        return (id(run), id(run.error), rows, others, sorted(self._hidden)), kept

    def _timeline(self) -> dict[str, Any] | None:
        """Kept steps and branches; None for a run that keeps no steps."""
        tree = self._tree()
        if not tree and not self._others:
            return None
        rows = [self._row(branch) for branch in tree]
        rows += [self._other_row(name, run) for name, run in self._others.items()]
        found: dict[str, Any] = {"branches": rows, "current": None, "kept": [], "memory": ""}
        if tree:
            kept, run = self.training.kept, self.training
            memory = f"{amount(kept.nbytes)} of {amount(kept.limit)}"
            found["current"] = run._branch.name
            found["kept"] = list(kept)
            found["memory"] = f"{plural(len(kept), 'step')} kept, {memory}"
            if isinstance(run.error, NonFiniteError) and len(kept):
                found["offer"] = {"lr": short(run.lr / 10), "step": run.last_good}
        return found

    def _row(self, branch: Branch) -> dict[str, Any]:
        run, shown = branch.run, branch.run is self.training
        step, at = fork_point(branch, self.training._branch)
        return {
            **self._drawn(branch.name),
            "from": step,
            "on": at,
            "forked": branch.step,
            "changed": [change_text(mark) for mark in changes(branch)],
            "state": run.state,
            "steps": None if shown else len(run.history),
            "loss": None if shown else number_or_none(run.history.streams["loss"].last),
            "kept": [] if shown else [kept for kept in run.kept if kept > step],
        }

    def _other_row(self, name: str, run: Any) -> dict[str, Any]:
        history = history_of(run)
        return {
            **self._drawn(name),
            "from": 0,
            "on": None,
            "other": True,
            "changed": [],
            "state": getattr(run, "state", "done"),
            "steps": len(history),
            "loss": number_or_none(history.streams["loss"].last),
            "kept": [],
        }

    def _drawn(self, name: str) -> dict[str, Any]:
        place = self._places.setdefault(name, len(self._places))
        return {"name": name, "place": place, "hidden": name in self._hidden}

    def _curves(self) -> dict[str, tuple[int, History]]:
        """The other runs: from which step on they are drawn, and their history."""
        found = {}
        for branch in self._tree():
            if branch.run is not self.training:
                step, _ = fork_point(branch, self.training._branch)
                found[branch.name] = (step, branch.run.history)
        return {**found, **{name: (0, history_of(run)) for name, run in self._others.items()}}

    def _steer(self, content: dict[str, Any]) -> None:
        """A message of the page about the timeline."""
        match content:
            case {"type": "rewind", "step": int() as step}:
                self.rewind(step)
            case {"type": "fork", "step": int() | None as step, "settings": dict() as settings}:
                self.fork(step, **settings).start()
            case {"type": "fork_lower"}:
                self.fork_lower().start()
            case {"type": "select", "name": str() as name}:
                self.select(name)
            case {"type": "go_on", "name": str() as name}:
                self.go_on(name)
            case {"type": "hide", "name": str() as name, "value": bool() as value}:
                (self.hide if value else self.unhide)(name)
            case {"type": "script"}:
                # Not with script(): what it warns of is shown beside the text.
                run = self.training
                text = between_steps(run, lambda: script(run))
                self.send(
                    {"type": "script", "text": str(text), "file": text.file, "notes": text.notes}
                )


STEERS = ("rewind", "fork", "fork_lower", "select", "go_on", "hide", "script")


def hold(run: Training) -> None:
    """Have a run hold between two steps, with its random numbers put aside."""
    if run.alive:
        run.pause()
        between_steps(run, run._keeper.hold)


def history_of(run: Any) -> Any:
    """The history of a run, or a history itself."""
    return getattr(run, "history", run)


def fork_point(branch: Branch, shown: Branch) -> tuple[int, str | None]:
    """Where a branch leaves the run that is shown: the step, and the branch that it leaves there,
    None for the run that is shown."""
    ours = shown.line
    if branch in ours:  # the one that is shown came from it
        place = ours.index(branch)
        return (0 if branch is shown else ours[place + 1].shared), None
    parent = branch.parent
    if parent is None or parent is shown:
        return branch.shared, None
    if parent in ours and branch.shared <= fork_point(parent, shown)[0]:
        return branch.shared, None
    return branch.shared, parent.name


def changes(branch: Branch) -> list[Mark]:
    """What was changed when a branch was made, as marks."""
    return [Mark(branch.step, name, old, new) for name, (old, new) in branch.changed.items()]


def marks_of(run: Any) -> list[Mark]:
    """The changes of a run, with those of the forks that led to it."""
    marks = list(history_of(run).marks)
    if hasattr(run, "_branch"):
        marks += [mark for branch in run._branch.line for mark in changes(branch)]
    return sorted(marks, key=lambda mark: mark.step)


def change_text(mark: Mark) -> str:
    """A change in words: ``lr 0.1 → 0.01``."""
    name = mark.kind.replace("_", " ")
    return f"{name} {worded(mark.old)} → {worded(mark.new)}"


def worded(value: Any) -> str:
    """A setting's value, of whatever kind."""
    return short(value) if isinstance(value, (int, float)) else str(value)


def number_or_none(value: float) -> float | None:
    """A number for JSON, which has neither nan nor infinity."""
    return float(value) if math.isfinite(value) else None


def thin_curve(history: History, name: str, first: int) -> list[list[float | None]]:
    """The steps after ``first``, with the values of a stream there, in at most ``POINTS`` rows."""
    stream = history.streams.get(name)
    if stream is None:
        return []
    rows = stream.thin(POINTS, first)
    return [[int(step), number_or_none(value)] for step, value in rows[[0, 2]].T]


def thin_checks(history: History, first: int) -> list[dict[str, float | None]]:
    """The validation after step ``first``, in at most ``POINTS`` rows."""
    rows = [row for row in history.validation if row.step > first]
    return [
        {
            "step": row.step,
            "loss": number_or_none(row.loss),
            "accuracy": number_or_none(row.accuracy),
        }
        for row in thinned(rows, POINTS)
    ]


def thinned(rows: list[Any], most: int) -> list[Any]:
    """At most ``most`` of some rows, with the last."""
    return rows[:: -max(1, -(-len(rows) // most))][::-1]


def not_finite(history: History, first: int = 0) -> list[list[Any]]:
    """The steps after ``first`` whose loss was nan or infinite, with the word for it."""
    rows = history.streams["loss"].rows(first)
    bad = rows[:, rows[5] > 0][:, -20:]
    return [[int(step), _kind(mean)] for step, mean in bad[[0, 2]].T]


def _kind(value: float) -> str:
    if math.isfinite(value):  # the mean of those beside it
        return "nan or infinite"
    return "nan" if math.isnan(value) else "infinite"
