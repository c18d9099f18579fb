"""What the passes of graph mode did: the tape beside the graph, and a slider over the passes."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

import traitlets

from ..errors import LabError
from ..graph.explain import Explanation
from ..graph.passes import Certificate
from ..viz.diff import Diff, Piece, diff
from ..viz.fold import Drawing, closed_scopes, draw
from ..viz.layout import LayoutError
from ..viz.marks import lidded, marked
from ..viz.measure import number, shape_text, shorten
from ..viz.svg import page_style, svg
from .base import LabWidget

ROWS = 400  # rows of the tape, and changes of a pass, that are listed
_STILL_ROWS, _STEPS = 60, 20  # rows of the tape and kernels in a static page
_ALONG = 200_000  # letters of code that come along with the picture
_BOXES = {"kernels": "kernel", "modules": "module and line"}
_ROOM = 2_000_000  # letters of pictures with a module open, in a page without a kernel


class PassView(LabWidget):
    """The passes over one traced graph: ``lab.explain(f).view()``.

    Messages from the page: ``{"do": "certificate", "stop"}``, ``{"do": "code", "step"}``,
    ``{"do": "toggle", "module"}``, ``{"do": "group", "by"}``, ``{"do": "look", "node"}``,
    ``{"do": "export"}``. Nothing that takes long is worked out before the page asks for it.
    """

    part = "passes"
    uses = ("graph",)

    title = traitlets.Unicode("").tag(sync=True)
    about = traitlets.Unicode("").tag(sync=True)  # what came in, and what runs it
    stops: Any = traitlets.List([]).tag(sync=True)
    stop = traitlets.Int(0).tag(sync=True)
    tape = traitlets.Unicode("").tag(sync=True)
    lines = traitlets.Unicode("").tag(sync=True)
    steps: Any = traitlets.List([]).tag(sync=True)  # title and origin of each kernel
    code = traitlets.Dict({}).tag(sync=True)  # HTML by kernel
    language = traitlets.Unicode("").tag(sync=True)
    picture = traitlets.Dict({}).tag(sync=True)
    certificates = traitlets.Dict({}).tag(sync=True)  # by stop

    def __init__(self, explanation: Explanation, index: int = -1) -> None:
        super().__init__()
        self.explanation, self.index = explanation, index
        self.diff = diff(explanation, index)
        # A page's message can be answered on another thread while a cell runs.
        self._lock = threading.RLock()
        self.on_msg(self._on_message)
        found = self.diff
        self.title = found.title
        self.about = _about(found)
        self.language = {"c": "C", "cuda": "CUDA", "numpy": "NumPy"}[found.executor]
        self.stops = [_stop(found, i) for i in range(len(found.stops))]
        did = [i for i, stop in enumerate(found.stops) if stop.changes]
        fused = [i for i in did if found.stops[i].name == "fuse"]
        self.stop = (fused or did or [0])[-1]
        self.tape, self.lines = _tape(found), _lines(found)
        self.steps = [{"title": s.title, "origin": list(s.origin)} for s in found.steps]
        if sum(len(s.code) for s in found.steps) <= _ALONG:
            self.code = {str(k): code(found, k) for k in range(len(found.steps))}
        self._draw(*self._start("kernels" if found.few else "modules"))

    # The picture ---------------------------------------------------------------------------

    def _start(self, by: str) -> tuple[str, frozenset[str]]:
        """What is folded at first: kernels stand open where all can be looked at."""
        found = self.diff
        if by == "modules":
            return by, closed_scopes(found.views[by])
        return by, frozenset() if found.few else frozenset(g.path for g in found.groups)

    def _draw(self, by: str, closed: frozenset[str], focus: int = 0) -> None:
        self.by, self.drawing = by, drawn(self.diff, by, closed, focus)
        try:
            picture = markup(self.diff, by, self.drawing)
        except LayoutError as error:
            picture = f'<pre role="alert">{escape(str(error))}</pre>'
        fold = f"Large graph: ops are folded by {_BOXES[by]}." if self._start(by)[1] else ""
        notes = (note(self.drawing), fold)
        self.picture = {"svg": picture, "note": " ".join(filter(None, notes)), "by": by}

    def toggle(self, module: str) -> None:
        """Open a folded kernel, module or line of a large graph, or fold it."""
        with self._lock:
            scopes = self.diff.views[self.by].scopes
            if module in {scope.path for scope in scopes.walk() if scope.path}:
                self._draw(self.by, self.drawing.closed ^ {module})

    def look(self, number: int) -> None:
        """Move the window of a large graph to value ``number``."""
        with self._lock:
            if 1 <= number <= len(self.diff.pieces):
                self._draw(self.by, self.drawing.closed, number)

    def group(self, by: str) -> None:
        """Put boxes around ``"kernels"``, or around ``"modules"`` and lines."""
        with self._lock:
            if by in self.diff.views:
                self._draw(*self._start(by))

    # Certificates --------------------------------------------------------------------------

    def certificate(self, stop: int) -> None:
        """Run the graph before and after the passes up to ``stop``, and compare the results."""
        with self._lock:
            if not 0 < stop < len(self.diff.stops) or str(stop) in self.certificates:
                return
            if _cell_runs():
                self.send({"certificate": stop, "text": BUSY})
                return
            try:
                w = self.explanation._at(self.index).workings
                record = w.passes[stop - 1]
                said = _proof(w.with_reasons(record.certificate(), record.name))
            except LabError as error:
                said = {"text": str(error), "good": False}
            self.certificates = {**self.certificates, str(stop): said}

    def _certify(self) -> None:
        """All certificates, for a page that cannot ask."""
        try:
            rows = self.explanation.bits(self.index).rows
        except LabError as error:
            every = dict.fromkeys(range(1, len(self.diff.stops)), str(error))
            said = {str(i): {"text": text, "good": False} for i, text in every.items()}
        else:
            said = {
                str(i): _proof(rows[stop.name])
                for i, stop in enumerate(self.diff.stops)
                if stop.name in rows
            }
        self.certificates = {**said, **self.certificates}

    # The page ------------------------------------------------------------------------------

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        match content:
            case {"do": "certificate", "stop": int(stop)}:
                self.certificate(stop)
            case {"do": "code", "step": int(step)} if 0 <= step < len(self.diff.steps):
                self.send({"code": step, "html": code(self.diff, step)})
            case {"do": "toggle", "module": str(module)}:
                self.toggle(module)
            case {"do": "look", "node": int(number)}:
                self.look(number)
            case {"do": "group", "by": str(by)}:
                self.group(by)
            case {"do": "export"}:
                name = re.sub(r"[^A-Za-z0-9]+", "-", self.title).strip("-") or "passes"
                self.send({"export": f"{name}-passes.html", "text": self.page()})

    def page(self) -> str:
        """The page that works without a kernel.

        Of a small graph it has all certificates, of a large one those that were asked for: there
        a plan takes seconds to compile.
        """
        with self._lock, self.hold_sync():
            if self.diff.few and not _cell_runs():
                self._certify()
            kept = self.by, self.drawing.closed
            self._draw(*self._start(self.by))  # the page starts there, and goes on from it
            try:
                return super().page()
            finally:
                self._draw(*kept)

    def page_answers(self) -> dict[str, dict[str, Any]]:
        """Code that did not come along, comparisons that nobody made, modules opened or folded."""
        answers: dict[str, dict[str, Any]] = {}
        for k in range(0 if self.code else len(self.diff.steps)):
            html = code(self.diff, k)
            answers[f' {{"do":"code","step":{k}}}'] = {"send": {"code": k, "html": html}}
        for i in range(len(self.diff.stops)):
            said = {"certificate": i, "text": "Nobody asked before this page was saved."}
            answers[f' {{"do":"certificate","stop":{i}}}'] = {"send": said}
        start, other = sorted(self.diff.views, key=lambda by: by != self.by)
        return answers | self._folds(start, "") | self._folds(other, other)

    def _folds(self, by: str, page: str) -> dict[str, dict[str, Any]]:
        """For a page without a kernel: one module open at a time, with those around it.

        ``page`` is what the page calls this grouping with nothing opened. The kernels of a large
        graph stay folded: to lay all of them out would take long.
        """

        def shown(page: str) -> dict[str, dict[str, Any]]:
            return {"set": {"picture": self.picture, "page": page}}

        _, closed = self._start(by)
        self._draw(by, closed)
        first = shown(page)
        answers = {f" {_message('group', by=by)}": first}
        room = _ROOM if by == "modules" else 0
        for path in sorted(closed if room else (), key=lambda path: path.count(".")):
            around = [path, *(path[:i] for i, letter in enumerate(path) if letter == ".")]
            self._draw(by, closed.difference(around))
            room -= len(self.picture["svg"])
            if room < 0:
                break
            here = f"{by} {path}"
            answers[f" {_message('toggle', module=path)}"] = shown(here)
            back = answers.get(f" {_message('toggle', module=path.rpartition('.')[0])}", first)
            for outer in around:
                toggle = _message("toggle", module=outer)
                answers[f"{here} {toggle}"] = back if outer == path else first
        return answers

    # Twins ---------------------------------------------------------------------------------

    def transcript(self) -> str:
        """The tape, what became of each of its ops, and what each pass did, in words."""
        workings = self.explanation._at(self.index).workings
        doubtful = workings.doubtful
        why = {s.name: workings.why(s.name) for s in self.diff.stops if s.name in doubtful}
        return transcript(self.diff, {n: w[0].partition(": ")[2] for n, w in why.items() if w})

    def static_html(self) -> str:
        """Tape and picture after the last pass, the passes as a table, and the generated code."""
        found = self.diff
        rows = "".join(
            f"<tr><th>{escape(s.name)}</th><td>{escape(s.did.partition(': ')[2])}</td>"
            f"<td>{escape(s.count)}</td><td>{self._proof_html(i)}</td></tr>"
            for i, s in enumerate(found.stops)
        )
        last = len(found.stops) - 1
        picture = (
            svg_at(found, self.by, self.drawing, last) if "<svg" in self.picture["svg"] else ""
        )
        texts = "\n".join(s.code for s in found.steps[:_STEPS] if s.code)
        return (
            f'<div class="lab-still"><style>{page_style()}{_STILL}</style>'
            f'<div class="two"><table class="tape"><caption>tape of {escape(found.title)}</caption>'
            f"<tbody>{_tape_rows(found)}</tbody></table>{picture}</div>"
            f"<table><caption>passes</caption><tbody>{rows}</tbody></table>"
            f"<details><summary>generated {self.language}</summary><pre>{escape(texts)}</pre>"
            f"</details><details><summary>the passes in words</summary>"
            f"<pre>{escape(self.transcript())}</pre></details></div>"
        )

    def _proof_html(self, stop: int) -> str:
        """The certificate of a stop, in HTML."""
        known = self.certificates.get(str(stop), {})
        why = "".join(f"<li>{escape(words)}</li>" for words in known.get("why", ()))
        return escape(str(known.get("text", ""))) + (f"<ul>{why}</ul>" if why else "")


BUSY = "A cell is running, and comparing draws random numbers: ask again when it is done."

# The static picture: what is gone is struck through, and frames are kernels.
_STILL = """
.lab-still .two { display: flex; flex-wrap: wrap; gap: 16px 32px; align-items: start; }
.lab-still .two svg { min-width: 0; }
.lab-still :is(th, td) { padding: 1px 12px 1px 0; text-align: left; font-weight: normal; }
.lab-still caption { text-align: left; font-weight: 600; padding: 8px 0 4px; }
.lab-still ul { margin: 0; padding-left: 16px; }
.graph .gone .body { stroke-dasharray: 2 3; }
.graph .gone text { fill: var(--g-muted); text-decoration: line-through; }
.graph .edge.gone { opacity: .35; }
.graph .module.kernel > rect { stroke: var(--g-input); stroke-width: 1.5; }
.graph .module.kernel text { fill: var(--g-input); }
"""


def _message(do: str, **facts: str) -> str:
    """A message of the page, letter by letter."""
    return json.dumps({"do": do, **facts}, separators=(",", ":"), ensure_ascii=False)


def _cell_runs() -> bool:
    """Whether the main thread is running a cell while another one answers the page."""
    main = threading.main_thread().ident
    if threading.get_ident() == main:
        return False
    frame = sys._current_frames().get(main or 0)
    while frame is not None:
        if frame.f_code.co_name == "run_code" and "interactiveshell" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def _proof(found: Certificate) -> dict[str, Any]:
    if found.bitwise:
        return {"text": "largest difference 0 (bitwise)", "good": True}
    text = f"largest difference {number(found.absolute)}, relative {number(found.relative)}"
    return {"text": text, "good": False, "alone": found.alone, "why": list(found.reasons)}


def _about(found: Diff) -> str:
    inputs = [p for p in found.pieces if p.word == "input"]
    named = [f"{p.title} {shape_text(p.shape)}" for p in inputs[:4]]
    return ", ".join([*named, *["..."] * (len(inputs) > 4)])


def _stop(found: Diff, i: int) -> dict[str, Any]:
    stop = found.stops[i]
    changes = [shorten(text, 240) for text in stop.changes[:ROWS]]
    more = len(stop.changes) - len(changes)
    changes += [f"and {more:,} more"] if more else []
    return {
        "name": stop.name,
        "words": stop.words,
        "did": stop.did,
        "count": stop.count,
        "changes": changes,
    }


# The picture -------------------------------------------------------------------------------


def drawn(
    found: Diff, by: str = "kernels", closed: frozenset[str] = frozenset(), focus: int = 0
) -> Drawing:
    """What is drawn: every value that ever was, kernels or modules as frames."""
    view = found.views[by]
    drawing = draw(view, closed, focus)
    kernels = {group.path: group for group in found.groups} if by == "kernels" else {}
    boxes = []
    for box in drawing.boxes:
        if box.node:
            piece = found.piece(box.node)
            box = replace(box, detail=f"%{piece.var}", say=_say(piece))
        elif box.key[1:] in kernels:
            box = replace(box, say=f"{kernels[box.key[1:]].say}, folded")
        boxes.append(box)
    modules = drawing.modules
    if kernels:  # also one around all ops
        open_ = {path for path in kernels if not any(_within(path, shut) for shut in closed)}
        modules = tuple(s for s in view.scopes.walk() if s.path in open_)
    return replace(drawing, boxes=tuple(boxes), modules=modules)


def note(drawing: Drawing) -> str:
    """What to say where only a part is drawn."""
    far = sum(len(box.members) for box in drawing.boxes if box.kind == "rest")
    few = len(drawing.boxes)
    return f"{len(drawing.view):,} values: {far:,} are too far from the {few} boxes drawn." * bool(
        far
    )


def _within(path: str, outer: str) -> bool:
    return path == outer or path.startswith(f"{outer}.")


def _say(piece: Piece) -> str:
    kind = f", {piece.word}" if piece.word else ""
    line = f", line {piece.source.line}" if piece.source else ""
    line += ", part of a gradient" if piece.asked else ""
    return f"{piece.title} %{piece.var}{kind}, {piece.dtype} {shape_text(piece.shape)}{line}"


def markup(found: Diff, by: str, drawing: Drawing) -> str:
    """The picture with the times of all that is in it."""
    boxes = {}
    for box in drawing.boxes:
        inside = [found.piece(n) for n in box.members]
        boxes[box.key] = _marks(inside)
    lines = {}
    for link in drawing.links:
        times = [found.ways[edge.tail, edge.head] for edge in link.edges]
        born, gone = min(t[0] for t in times), [t[1] for t in times]
        lines[link.tail, link.head] = _times(born, max(gone) if all(gone) else 0)
    frames, lids = {}, {}
    for group in found.groups if by == "kernels" else ():
        frames[group.path] = {
            "class": "kernel",
            "data-born": str(group.born),
            "data-kernel": str(group.kernel),
            "aria-label": group.say,
        }
        lids[group.path] = (group.label, group.say.partition(", ")[2].partition(":")[0])
    return lidded(marked(svg(drawing), boxes, lines, frames), lids)


def svg_at(found: Diff, by: str, drawing: Drawing, stop: int) -> str:
    """The picture as it stands after one stop, for a page without a script."""
    boxes, lines = {}, {}
    for box in drawing.boxes:
        inside = [found.piece(n) for n in box.members]
        if all(p.gone and p.gone <= stop for p in inside):
            boxes[box.key] = {"class": "gone"}
    for link in drawing.links:
        gone = [found.ways[edge.tail, edge.head][1] for edge in link.edges]
        if all(g and g <= stop for g in gone):
            lines[link.tail, link.head] = {"class": "gone"}
    frames = {group.path: {"class": "kernel", "aria-label": group.say} for group in found.groups}
    return marked(svg(drawing), boxes, lines, frames if by == "kernels" else {})


def _marks(inside: list[Piece]) -> dict[str, str]:
    gone = [p.gone for p in inside]
    last = max(gone) if all(gone) else 0
    marks = _times(min(p.born for p in inside), last)
    marks["data-tape"] = " ".join(str(i) for i in sorted({i for p in inside for i in p.origin}))
    kernels = sorted({k for p in inside for k in p.kernels})
    marks["data-kernels"] = " ".join(map(str, kernels))
    if last and len(inside) == 1:
        marks["data-why"] = inside[0].why
        if inside[0].joined:
            marks["data-joined"] = str(inside[0].joined)
    if len(inside) == 1:
        marks["data-var"] = str(inside[0].var)
    return marks


def _times(born: int, gone: int) -> dict[str, str]:
    marks = {"data-born": str(born)} if born else {}
    return marks | ({"data-gone": str(gone)} if gone else {})


# Lists -------------------------------------------------------------------------------------


def _tape(found: Diff) -> str:
    """What was traced, a row for each value."""
    rows = []
    for n in found.tape[:ROWS]:
        piece = found.piece(n)
        # what became of it counts from when it went, whether or not something stands for it
        marks = _times(0, piece.gone)
        facts = "".join(f' {k}="{v}"' for k, v in marks.items())
        places = [found.places[line] for line in (piece.source, piece.asked) if line]
        where = f"line {piece.source.line}" if piece.source else piece.word
        where = f"gradient, {where}" if piece.asked else where
        kernels = " ".join(map(str, piece.kernels))
        rows.append(
            f'<li role="option" aria-selected="false" tabindex="-1" data-tape="{piece.var}" '
            f'data-line="{" ".join(map(str, places))}" data-kernels="{kernels}"{facts}'
            f"{' data-struck' if piece.struck else ''}>"
            f'<span class="muted">%{piece.var}</span><code>{escape(piece.text)}</code>'
            f'<span class="where">{escape(where)}</span>'
            f'<span class="why">{escape(piece.why)}</span></li>'
        )
    more = len(found.tape) - len(rows)
    if more:
        rows.append(f'<li role="option" aria-disabled="true">and {more:,} more</li>')
    return "".join(rows)


def _tape_rows(found: Diff) -> str:
    """The tape for a page without a script: <s> is there where no stylesheet is."""
    rows = []
    for n in found.tape[:_STILL_ROWS]:
        piece = found.piece(n)
        text = f"<code>{escape(piece.text)}</code>"
        line = f"line {piece.source.line}" if piece.source else piece.word
        rows.append(
            f"<tr><td>%{piece.var}</td><td>{f'<s>{text}</s>' if piece.struck else text}</td>"
            f"<td>{escape(piece.why or line)}</td></tr>"
        )
    more = len(found.tape) - len(rows)
    rows += [f"<tr><td></td><td>and {more:,} more</td><td></td></tr>"] if more else []
    return "".join(rows)


def _lines(found: Diff) -> str:
    """The learner's lines, each once; a file or a cell has a heading where there are several."""
    cells = {line.cell for line in found.lines}
    rows, last = [], ""
    for i, line in enumerate(found.lines):
        head = ""
        if len(cells) > 1 and line.cell != last:
            head = f' data-cell="{escape(line.cell)}"'
        last = line.cell
        rows.append(
            f'<li role="option" aria-selected="false" tabindex="-1" data-line="{i}"{head} '
            f'style="counter-set: line {line.line}">{escape(line.text) or "…"}</li>'
        )
    return "".join(rows)


_TARGET = re.compile(r"^\s*(?:const )?(?:[a-z]\w* )?\*?(?:v|m|s|nan|r)(\d+)(?:\[[^=]*\])? [-+*]?= ")
_WORDS = re.compile(
    r"\b(const|float|double|int|long|void|for|if|else|return|continue|def|char|unsigned)\b"
)


def code(found: Diff, step: int) -> str:
    """The text that was generated for a kernel, each line with the learner's line it stands for."""
    rows, said = [], -1
    text = found.steps[step].code.rstrip("\n")
    lines = text.split("\n") if text else []
    indent = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
    for line in lines:
        target = _TARGET.match(line)
        number = found.now.get(int(target[1])) if target else None
        piece = found.piece(number) if number else None
        facts, note = "", ""
        if piece is not None and "*)" not in line:  # not where a pointer is set
            origin = " ".join(map(str, sorted(piece.origin)))
            place = found.places.get(piece.source, -1)
            facts = f' data-tape="{origin}"'
            if place not in (-1, said):
                said, source = place, found.lines[place]
                words = "gradient of line" if piece.asked else "line"
                note = f'<span class="c">  // {words} {source.line}: {escape(source.text)}</span>'
        rows.append(f"<li{facts}>{_coloured(line[indent:])}{note}</li>")
    return "".join(rows)


def _coloured(line: str) -> str:
    """A line of code with its words and its comment marked."""
    mark = re.search(r"//|(?<!\w)# ", line)
    cut = mark.start() if mark and "#pragma" not in line else len(line)
    text = _WORDS.sub(r'<span class="k">\1</span>', escape(line[:cut], quote=False))
    note = f'<span class="c">{escape(line[cut:], quote=False)}</span>' if cut < len(line) else ""
    return text + note


# Words -------------------------------------------------------------------------------------


def transcript(found: Diff, why: Mapping[str, str] | None = None) -> str:
    """The passes in words: what each did, the tape with what became of it, the kernels.

    ``why`` says of some passes what they compute otherwise.
    """
    width = max(len(s.name) for s in found.stops)
    lines = [f"passes of {found.title}, run by {found.executor}"]
    for stop in found.stops:
        did = stop.did.partition(": ")[2].replace("→", "->")
        lines.append(f"  {stop.name:{width}}  {stop.count}: {did}")
        if why and stop.name in why:
            lines.append(f"  {'':{width}}  rounds otherwise: {why[stop.name]}")
    lines.append("tape")
    for n in found.tape[:ROWS]:
        piece = found.piece(n)
        line = f", line {piece.source.line}" if piece.source else ""
        line += f", gradient from line {piece.asked.line}" if piece.asked else ""
        gone = f"; {found.stops[piece.gone].name}: {piece.why}" if piece.gone else ""
        kernels = ", ".join(f"k{k}" for k in piece.kernels)
        into = f"; in {kernels}" if kernels else ""
        lines.append(f"  %{piece.var} {piece.text}{line}{gone}{into}")
    more = len(found.tape) - ROWS
    lines += [f"  and {more:,} more"] if more > 0 else []
    lines.append("kernels")
    for step in found.steps[:ROWS]:
        origin = ", ".join(f"%{i}" for i in step.origin)
        lines.append(f"  {step.title}" + (f" from {origin}" if origin else ""))
    return "\n".join(lines)
