"""The map of the lessons: what there is, what is planned, what you have done, what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

from ..widgets import cards
from . import content, memory, source

# Lessons that are not written yet: number, title, minutes. One that is written needs no line here.
PLANNED = (
    ("17", "What the optimiser did", 45),
    ("18", "Speed claims on trial", 40),
    ("19", "CPU, GPU, devices", 35),
    ("20", "Memory", 30),
    ("21", "Many workers", 40),
    ("22", "Debugging clinic", 35),
    ("23", "Text", 45),
    ("24", "Vision", 40),
    ("25", "Reinforcement", 40),
    ("26", "Pre-trained and transfer", 35),
    ("27", "Ship it", 40),
    ("28", "The verdict", 30),
)
PATHS = (
    ("One evening", "en", ("00", "02", "03", "07", "11", "16", "18")),
    ("中文读者", "zh", ("00", "02", "03", "13", "16", "22", "28")),
)
STATES = {"done": "✓ done", "begun": "begun", "open": "", "planned": "planned"}


@dataclass(frozen=True)
class Stop:
    """One lesson on the map. ``file`` is its notebook, or "" where it is planned."""

    number: str
    title: str
    minutes: int
    file: str = ""
    asks: str = ""
    exercises: int = 0
    solved: int = 0
    questions: int = 0
    right: int = 0
    begun: bool = False

    @property
    def state(self) -> str:
        """ "done" (all exercises solved), "begun", "open" or "planned"."""
        if not self.file:
            return "planned"
        if self.solved == self.exercises:
            return "done"
        return "begun" if self.begun or self.solved else "open"

    @property
    def cells(self) -> tuple[str, ...]:
        """Minutes, exercises, quiz and state, as text."""
        if not self.file:
            return str(self.minutes), "", "", STATES["planned"]
        return (
            str(self.minutes),
            f"{self.solved} of {self.exercises}",
            f"{self.right} of {self.questions}",
            STATES[self.state],
        )


def stops() -> tuple[Stop, ...]:
    """All lessons in their order, with what this learner has done."""
    planned = {number: Stop(number, title, minutes) for number, title, minutes in PLANNED}
    return tuple(
        _stop(number) if number in content.NUMBERS else planned[number]
        for number in sorted({*planned, *content.NUMBERS})
    )


def _stop(number: str) -> Stop:
    lesson = content.lesson(number)
    answered = [memory.recall(number, "quiz", str(i + 1)) for i in range(len(lesson.quiz))]
    return Stop(
        number,
        lesson.title,
        lesson.minutes,
        f"{source.find_sources()[number].stem}.ipynb",
        lesson.asks,
        len(lesson.exercises),
        len(set(memory.solved(number)) & set(lesson.exercises)),
        len(lesson.quiz),
        sum(bool(entry.get("right")) for entry in answered),
        number in memory.begun(),
    )


def hours(minutes: int) -> str:
    """A time for people.

    >>> hours(35), hours(60), hours(165)
    ('35 min', '1 h', '2 h 45 min')
    """
    full, rest = divmod(minutes, 60)
    return " ".join([f"{full} h"] * bool(full) + [f"{rest} min"] * bool(rest or not full))


# -- how well you predict -------------------------------------------------------------------------

ENOUGH = 5  # fewer predictions say nothing
CLOSE = 10  # per cent
SURE = ((0, 50, "0 to 50 % sure"), (60, 70, "60 or 70 % sure"), (80, 100, "80 to 100 % sure"))


@dataclass(frozen=True)
class Predictions:
    """The first outcome of each prediction: how sure (per cent), and whether it was right."""

    outcomes: tuple[tuple[int, bool], ...]

    @cached_property
    def says(self) -> str:
        """One sentence on how sure and how right you were."""
        count = len(self.outcomes)
        if count < ENOUGH:
            return (
                f"After {ENOUGH} predictions you see here how sure and how right you were. "
                f"So far: {count}."
            )
        sure = round(sum(s for s, _ in self.outcomes) / count)
        right = round(100 * sum(r for _, r in self.outcomes) / count)
        if abs(sure - right) <= CLOSE:
            word = "You know well what you know."
        elif sure > right:
            word = "You were surer than right. The surprises are where you learn most."
        else:
            word = "You know more than you think."
        return f"Of {count} predictions {right} % were right; you were {sure} % sure. {word}"

    @cached_property
    def rows(self) -> tuple[tuple[str, int, int], ...]:
        """For each group: how sure, how many predictions, how many were right."""
        rows = []
        for low, high, name in SURE:
            group = [right for sure, right in self.outcomes if low <= sure <= high]
            rows.append((name, len(group), sum(group)))
        return tuple(row for row in rows if row[1])


def predictions() -> Predictions:
    """What was predicted in the lessons, and how it came out."""
    kept = (memory.recall(n, "predictions", key) for n in content.NUMBERS
            for key in content.lesson(n).predictions)  # fmt: skip
    return Predictions(
        tuple(
            (entry["first_sure"], entry["first_right"])
            for entry in kept
            if type(entry.get("first_right")) is bool and type(entry.get("first_sure")) is int
        )
    )


# -- the card -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """The map, and how well you predict. Show it as a cell's last line."""

    stops: tuple[Stop, ...]
    predictions: Predictions
    kept_in: str

    @property
    def next(self) -> Stop | None:
        """The first lesson of the course that is there and not done."""
        return next((s for s in self.stops if s.state in ("begun", "open")), None)

    @property
    def headline(self) -> str:
        """How many lessons are done, and what comes next."""
        there = [stop for stop in self.stops if stop.file]
        done = sum(stop.state == "done" for stop in there)
        start = f"{done} of {len(there)} lessons done."
        if self.next is None:
            return f"{start} That was the whole course."
        verb = "Go on with" if self.next.state == "begun" else "Next"
        return f"{start} {verb}: {self.next.number} {self.next.title}, {self.next.minutes} minutes."

    def paths(self) -> list[tuple[str, str, list[Stop]]]:
        """The short paths: name, language, lessons."""
        by_number = {stop.number: stop for stop in self.stops}
        return [(name, lang, [by_number[n] for n in numbers]) for name, lang, numbers in PATHS]

    def __repr__(self) -> str:
        heads = ("lesson", "minutes", "exercises", "quiz", "")
        width = max(len(f"{s.number} {s.title}") for s in self.stops)
        rows = [(f"{s.number} {s.title}".ljust(width), *s.cells) for s in self.stops]
        lines = [self.headline, "", cards.aligned((heads[0].ljust(width), *heads[1:]), rows, "")]
        lines.append("")
        for name, _, path in self.paths():
            lines.append(f"{name} ({_minutes(path)}): {' '.join(_numbered(s) for s in path)}")
        return "\n".join([*lines, "", self.predictions.says])

    def _repr_html_(self) -> str:
        there = [stop for stop in self.stops if stop.file]
        planned = [stop for stop in self.stops if not stop.file]
        body = cards.said(self.headline, "good", bold=True) + _map(there)
        if planned:
            body += _folded(f"planned: {len(planned)} lessons", _map(planned))
        for name, lang, path in self.paths():
            items = "".join(
                f"<li>{_linked(s)} <span class='muted'>{_mark(s)}</span></li>" for s in path
            )
            head = f'<span lang="{lang}">{escape(name)}</span>, {_minutes(path)}'
            body += _folded(head, f'<ul class="summary">{items}</ul>')
        body += f"<h3>How well you predict</h3>{cards.said(self.predictions.says)}"
        if len(self.predictions.outcomes) >= ENOUGH:
            body += _calibration(self.predictions)
        body += cards.note(f"Kept in {self.kept_in}. Nothing is sent anywhere.")
        aside = f'<span class="muted small">{hours(sum(s.minutes for s in there))} in all</span>'
        return cards.page(cards.card("map", "the lessons", body, extra="course", aside=aside))


def progress() -> Progress:
    """The map of the lessons: minutes, what is done, what comes next, short paths, predictions."""
    where = memory.progress_path()
    return Progress(stops(), predictions(), str(where) if where else "this session only")


def _minutes(path: Sequence[Stop]) -> str:
    return hours(sum(stop.minutes for stop in path if stop.file))


def _numbered(stop: Stop) -> str:
    return stop.number if stop.file else f"({stop.number})"


def _mark(stop: Stop) -> str:
    return STATES[stop.state] or f"{stop.minutes} min"


def _linked(stop: Stop) -> str:
    text = f"{stop.number} {cards.rich(stop.title)}"
    return f'<a href="{escape(stop.file)}">{text}</a>' if stop.file else f"<span>{text}</span>"


def _folded(head: str, inner: str) -> str:
    return f"<details><summary>{head}</summary>{inner}</details>"


def _map(shown: Sequence[Stop]) -> str:
    rows = "".join(
        f'<tr class="{stop.state}"><th scope="row">{_linked(stop)}'
        + (f'<span class="asks muted small">{cards.rich(stop.asks)}</span>' if stop.asks else "")
        + "</th>"
        + "".join(f'<td class="n">{escape(cell)}</td>' for cell in stop.cells)
        + "</tr>"
        for stop in shown
    )
    heads = "".join(
        f'<th class="n" scope="col">{name}</th>'
        for name in ("minutes", "exercises", "quiz", '<span class="hidden">state</span>')
    )
    return (
        '<table class="map"><caption class="hidden">Lessons, minutes, exercises solved, quiz '
        'questions right, state</caption><thead><tr><th scope="col">lesson</th>'
        f"{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _calibration(found: Predictions) -> str:
    """A bar for each group: the share that was right."""
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td class="n">{right} of {count} right</td>'
        '<td><span class="share" aria-hidden="true">'
        f'<span style="width:{100 * right / count:.0f}%"></span></span></td></tr>'
        for name, count, right in found.rows
    )
    return (
        '<table class="map"><caption class="hidden">Share of right predictions by how sure you '
        f"were</caption><tbody>{rows}</tbody></table>"
    )
