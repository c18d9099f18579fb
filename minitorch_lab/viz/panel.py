"""What is known of one box, as HTML: formula, facts, value, gradient, source, neighbours."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from .fold import Box, Drawing, scalar
from .formula import formulas
from .image import address, is_image
from .measure import MINUS, brief, duration, number, quantity, shape_text
from .view import WORDS, GraphView, NodeView, Scope, word_of

TABLE = 8  # arrays up to 8 x 8 are shown entry by entry
_SAMPLE = 250_000  # entries that a histogram looks at
_BINS = 24


Seconds = Mapping[int, float | None]


def panel(drawing: Drawing, key: str, seconds: Seconds | None = None, live: bool = True) -> str:
    """HTML for the box ``key`` of the drawing (``n7``, ``mfc1``, ``ofc1`` for an open frame).

    ``seconds`` are the measured times, by node; with them a node that was not measured offers to
    be, and one that is made of smaller ops to be opened, where the page is ``live``.
    """
    view = drawing.view
    if key[:1] == "n":
        return node_panel(view, view.node(int(key[1:])), seconds, live)
    if key[:1] in ("m", "o"):
        for scope in view.scopes.walk():
            if scope.path == key[1:]:
                return _module_panel(view, scope, opened=key[0] == "o", seconds=seconds)
    box = next((box for box in drawing.boxes if box.key == key), None)
    return _rest_panel(view, box) if box else ""


def node_panel(
    view: GraphView, node: NodeView, seconds: Seconds | None = None, live: bool = True
) -> str:
    """HTML for a node; every section is left out where there is nothing to say."""
    node = view.known(node)
    title = f"{node.name} = {node.op}" if node.op and node.name else node.name or node.label
    badge = f'<span class="badge {node.kind}">{WORDS[node.kind]}</span>'
    head = (
        f'<div class="head"><h3>{escape(title)}</h3>{badge}'
        f'<span class="num muted">#{node.id}</span></div>'
    )
    words = re.sub(r"(?<![\w)])-(?=\w)", MINUS, node.doc)
    doc = f'<p class="doc muted">{escape(words)}</p>' if words else ""
    if node.gradient_of:
        of = _list([_link(view.node(i)) for i in node.gradient_of])
        doc += f'<p class="small" data-field="gradient-of">The gradient of {of}.</p>'
    inside = _inside(node) if seconds is not None and live else ""
    parts = [f"<div>{head}{doc}</div>", _rule(node) + inside, _facts(node, seconds, live)]
    parts += [_arrays(view, node)]
    parts += [_attributes(node), _source(node), _neighbours(view, node)]
    return "".join(parts)


def _rule(node: NodeView) -> str:
    if node.formula is None:
        return ""
    rows = zip(("value", "gradient"), node.formula, strict=True)
    lines = "".join(f"<dt>{word}</dt><dd>{formulas(tex)}</dd>" for word, tex in rows if tex)
    return f'<dl class="rule" data-field="formula">{lines}</dl>'


def _inside(node: NodeView) -> str:
    """The way into an op that is made of smaller ones."""
    if node.parts is None:
        return ""
    return (
        f'<div><button data-open="{node.id}">open {escape(node.label)}</button> '
        '<span class="muted small">made of smaller ops</span></div>'
    )


def _facts(node: NodeView, seconds: Seconds | None, live: bool) -> str:
    facts = []
    if node.kind == "const" and node.shape == ():
        facts.append(("type", f"Python {node.dtype}" if node.dtype else "Python number"))
    else:
        facts.append(("shape", shape_text(node.shape)))
        facts.append(("type, device", f"{node.dtype} {node.device}".strip()))
    if node.cost is not None:
        flops, moved = node.cost
        facts.append(("cost", f"{quantity(flops, 'flop')}, {quantity(moved, 'B')}"))
    items = _items(facts) + _time(node, seconds, live)
    words = f'<p class="small muted words">{escape(node.shapes)}</p>' if node.shapes else ""
    return f'<div><dl class="facts">{items}</dl>{words}</div>'


def _time(node: NodeView, seconds: Seconds | None, live: bool) -> str:
    """The measured time, or the way to it."""
    if seconds is None or not node.op:
        return ""
    if node.id in seconds:
        took = seconds[node.id]
        text = "<code>not known</code>" if took is None else f"<code>{duration(took)}</code>"
    elif not live:
        return ""
    else:
        text = f'<button class="quiet link" data-measure="{node.id}">measure</button>'
    return f'<div data-field="time"><dt>time</dt><dd>{text}</dd></div>'


def _attributes(node: NodeView) -> str:
    module = [(word_of(node.scope), node.scope)] if node.scope else []
    return _list_of([*node.attributes, *module], "facts more")


def _items(facts: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f"<div><dt>{escape(k)}</dt><dd><code>{escape(v)}</code></dd></div>" for k, v in facts
    )


def _list_of(facts: Sequence[tuple[str, str]], cls: str) -> str:
    return f'<dl class="{cls}">{_items(facts)}</dl>' if facts else ""


def _arrays(view: GraphView, node: NodeView) -> str:
    seen = node.kind == "input"
    value = _figure("value", node.value, escape(node.note), heat=_is_map(node.shape), image=seen)
    if node.kind == "const":
        return f'<div class="pair">{value}</div>'
    extra = _contributions(view, node)
    note = escape(node.gradient_note)
    if node.gradient_at:
        at = " + ".join(_link(view.node(i)) for i in node.gradient_at)
        note = f"{'sum of' if len(node.gradient_at) > 1 else 'node'} {at}"
    gradient = _figure("gradient", node.gradient, note, heat=True, extra=extra)
    table = 1 <= len(node.shape) <= 2 and max(node.shape) <= TABLE
    wide = node.value is None or (table and node.shape[-1] > 2)
    return f'<div class="pair{" wide" if wide else ""}">{value}{gradient}</div>'


def _figure(
    word: str, array: Any, note: str, heat: bool, extra: str = "", image: bool = False
) -> str:
    """A value or a gradient in the form that fits its size; ``note`` is HTML."""
    more = f'<p class="small muted">{note}</p>' if note else ""
    field = f'<figure data-field="{word}">'
    if array is None:
        text = more or '<p class="small muted">not known</p>'
        return f"{field}<h3>{word}</h3>{text}</figure>"
    if not hasattr(array, "shape") or array.shape == ():
        single = escape(number(scalar(array)))
        text = f'<p class="single"><code>{single}</code></p>{extra}{more}'
        return f"{field}<h3>{word}</h3>{text}</figure>"
    host = to_host(array)
    if host.size == 0:
        return f'{field}<h3>{word}</h3><p class="small muted">no entries</p>{more}</figure>'
    if host.ndim <= 2 and max(host.shape) <= TABLE:
        return f"{field}<h3>{word}</h3>{_table(host)}{extra}{more}</figure>"
    if image and is_image(host):
        where = f"[{', '.join('0' for _ in host.shape[:-3])}]" if host.ndim > 3 else ""
        head, heat = f'<h3 class="stat">{word} <code class="muted">{where}</code></h3>', False
        size = f"{host.shape[-1]} by {host.shape[-2]} pixels"
        picture = f'<img class="raster" src="{address(host)}" alt="Picture, {size}"/>'
    elif heat and host.ndim >= 2 and host.dtype.kind != "b":
        part, where = _corner(host)
        head = f'<h3 class="stat">{word} <code class="muted">{where}</code></h3>'
        picture = _heat_map(part, f"{word} {where}")
    else:
        head, picture = f"<h3>{word}</h3>", _histogram(host, word)
    return f"{field}{head}{picture}{_statistics(host, word, heat)}{extra}{more}</figure>"


def to_host(array: Any) -> np.ndarray[Any, Any]:
    """The array as NumPy's; CuPy's are copied from the device."""
    get = getattr(array, "get", None)
    return np.asarray(get() if callable(get) else array)


# Small arrays ------------------------------------------------------------------------------


def _table(array: np.ndarray[Any, Any]) -> str:
    rows = array.reshape(1, -1) if array.ndim == 1 else array
    texts = aligned(rows)
    body = "".join(
        "<tr>" + "".join(f'<td class="n">{text}</td>' for text in row) + "</tr>" for row in texts
    )
    return f'<div class="scroll"><table class="array"><tbody>{body}</tbody></table></div>'


def aligned(rows: np.ndarray[Any, Any]) -> list[list[str]]:
    """The entries as texts with equally many decimals; the largest has 4 significant digits.

    >>> aligned(np.array([[1.5, -20.25]]))
    [['1.50', '−20.25']]
    """
    if rows.dtype.kind != "f":
        return [[escape(number(entry)) for entry in row] for row in rows.tolist()]
    finite = np.abs(rows[np.isfinite(rows)])
    largest = float(finite.max()) if finite.size else 0.0
    exponent = int(f"{largest:.3e}".partition("e")[2])
    if largest and not -4 <= exponent < 5:
        return [[number(entry) for entry in row] for row in rows.tolist()]
    decimals = max(0, 3 - max(exponent, 0))
    return [[_fixed(entry, decimals) for entry in row] for row in rows.tolist()]


def _fixed(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return number(value)
    text = f"{value + 0.0:.{decimals}f}"  # + 0.0: no minus before a zero
    if value and not text.strip("-0."):  # it would read as zero
        return number(value)
    return text.replace("-", MINUS)


# Large arrays ------------------------------------------------------------------------------


def _finite(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    flat = array.reshape(-1)
    return flat[np.isfinite(flat)] if array.dtype.kind in "fc" else flat


def _statistics(array: np.ndarray[Any, Any], word: str, heat: bool) -> str:
    """Mean and extremes of a value, norm and largest entry of a gradient; what is not finite."""
    rows: list[tuple[str, str, bool]] = []
    entries = _finite(array)
    bad = array.size - entries.size
    if bad:
        rows.append(("not finite", f"{bad:,} of {array.size:,}", True))
    if entries.size and array.dtype.kind == "b":
        rows.append(("true", f"{100 * float(entries.mean()):.1f} %", False))
    elif entries.size:
        wide = entries.astype(np.float64)
        zero = float((entries == 0).mean())
        if word == "gradient":
            rows.append(("norm", number(float(np.sqrt(np.dot(wide, wide)))), False))
            rows.append(("largest", number(float(np.abs(wide).max())), False))
        else:
            rows.append(("mean", number(float(wide.mean())), False))
            rows.append(("smallest", number(scalar(entries.min())), False))
            rows.append(("largest", number(scalar(entries.max())), False))
        if zero >= 0.005:
            rows.append(("zero", f"{100 * zero:.1f} %", False))
    lines = "".join(
        f'<p class="stat{" bad" if alarm else ""}">{name} <b>{text}</b></p>'
        for name, text, alarm in rows
    )
    if heat and array.ndim >= 2:
        scale = "<i></i>" * 5
        lines += (
            f'<p class="stat" aria-hidden="true">sign <span class="scale"><b>{MINUS}</b>{scale}'
            "<b>+</b></span></p>"
        )
    return lines


def _histogram(array: np.ndarray[Any, Any], word: str) -> str:
    """24 bars. Many exact zeros, the point of relu, are a grey bar of their own, broken if tall."""
    entries = _finite(array)
    if entries.size > _SAMPLE:
        entries = entries[:: entries.size // _SAMPLE + 1]
    if not entries.size:
        return '<p class="small muted">no finite entry</p>'
    entries = entries.astype(np.float64)
    low, high = float(entries.min()), float(entries.max())
    zeros = entries == 0
    share = float(zeros.mean())
    apart = share >= 0.1 and low < high
    counted = entries[~zeros] if apart else entries
    # Bins of 0 to 1: of entries that hardly differ NumPy makes none.
    reach = max(abs(low), abs(high)) or 1.0
    span = high / reach - low / reach
    within = (counted / reach - low / reach) / span if span > 0 else np.full(counted.shape, 0.5)
    counts, _ = np.histogram(within, bins=_BINS, range=(0.0, 1.0))
    top = float(counts.max()) or 1.0
    width, ground, tall = 152.0, 110.0, 84.0
    step = width / _BINS
    bars = "".join(
        f'<rect x="{i * step + 0.5:.1f}" y="{ground - tall * n / top:.1f}" '
        f'width="{step - 1:.1f}" height="{tall * n / top:.1f}"/>'
        for i, n in enumerate(counts.tolist())
        if n
    )
    spike = ""
    if apart:
        at = min(_BINS - 1, int((0 - low) / (high - low) * _BINS)) * step
        count = float(zeros.sum())
        broken = count > 1.2 * top
        height = tall + 12 if broken else tall * count / top
        spike = (
            f'<rect class="zero" x="{at + 0.5:.1f}" y="{ground - height:.1f}" '
            f'width="{step - 1:.1f}" height="{height:.1f}"/>'
        )
        if broken:
            spike += f'<path class="cut" d="M{at - 2:.1f} 30l10 -5v5l-10 5z"/>'
        side, x = ("start", at + 10) if at < width / 2 else ("end", at - 3)
        spike += f'<text x="{x:.1f}" y="22" text-anchor="{side}">{100 * share:.0f} % at 0</text>'
    say = f"Histogram of {array.size:,} entries from {brief(low)} to {brief(high)}"
    say += f", {100 * share:.0f} % are zero" if apart else ""
    return (
        f'<svg class="chart histogram" width="152" height="128" viewBox="0 0 152 128" role="img" '
        f'aria-label="{escape(say)}">{bars}{spike}<path class="ground" d="M0 110.5H152"/>'
        f'<text x="0" y="124">{brief(low)}</text>'
        f'<text x="152" y="124" text-anchor="end">{brief(high)}</text></svg>'
    )


def _is_map(shape: tuple[int, ...]) -> bool:
    """Whether a value is a stack of images or feature maps: its last two sides are a picture."""
    return len(shape) >= 3 and min(shape[-2:]) > 3 and max(shape[-2:]) <= 32


def _corner(array: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], str]:
    """The first feature map whole, or the first 8 x 8 entries, and how one would index it."""
    first = [0] * (array.ndim - 2)
    part = array[tuple(first)]
    if _is_map(array.shape):
        return part, f"[{', '.join('0' for _ in first)}]"
    rows, columns = (f":{TABLE}" if length > TABLE else ":" for length in part.shape)
    return part[:TABLE, :TABLE], f"[{', '.join(['0' for _ in first] + [rows, columns])}]"


def _heat_map(part: np.ndarray[Any, Any], word: str) -> str:
    """Strength of the colour is |entry| / largest; zero is the ground, so gaps are visible."""
    values = part.astype(np.float64)
    finite = np.isfinite(values)
    largest = float(np.abs(values[finite]).max()) if finite.any() else 0.0
    rows, columns = values.shape
    cell = 128 / max(rows, columns, TABLE)
    levels: dict[int, list[str]] = {}
    titles = []
    for r in range(rows):
        for c in range(columns):
            value = float(values[r, c])
            level = 99 if not math.isfinite(value) else round(12 * value / (largest or 1.0))
            x, y = c * cell, r * cell
            levels.setdefault(level, []).append(
                f"M{x:.4g} {y:.4g}h{cell:.4g}v{cell:.4g}h-{cell:.4g}z"
            )
            if rows * columns <= TABLE * TABLE:
                titles.append(
                    f'<rect class="spot" x="{x:.4g}" y="{y:.4g}" width="{cell:.4g}" '
                    f'height="{cell:.4g}"><title>[{r}, {c}] {number(value)}</title></rect>'
                )
    paths = []
    for level in sorted(levels):
        if level == 99:
            paths.append(f'<path class="odd" d="{"".join(levels[level])}"/>')
        else:
            side = "neg" if level < 0 else "pos"
            paths.append(
                f'<path class="{side}" style="--p: {round(100 * abs(level) / 12)}%" '
                f'd="{"".join(levels[level])}"/>'
            )
    low, high = (
        number(float(f(values[finite]))) if finite.any() else "nan" for f in (np.min, np.max)
    )
    say = f"Heat map, {word}, {rows} by {columns} entries from {low} to {high}"
    fine = " fine" if cell < 10 else ""
    return (
        f'<svg class="heat{fine}" width="{columns * cell:.4g}" height="{rows * cell:.4g}" '
        f'viewBox="0 0 {columns * cell:.4g} {rows * cell:.4g}" role="img" '
        f'aria-label="{escape(say)}">{"".join(paths)}{"".join(titles)}</svg>'
    )


# Where it comes from and goes to -----------------------------------------------------------


def _contributions(view: GraphView, node: NodeView) -> str:
    """A gradient that arrives on several ways is the sum of them: the sum written out."""
    edges = [edge for edge in view.gradients_into(node.id) if edge.value is not None]
    if len(edges) < 2:
        return ""
    parts = []
    for edge in edges[:6]:
        array = edge.value
        if getattr(array, "shape", ()) == ():
            size = number(scalar(array))
        else:
            flat = to_host(array).astype(np.float64).reshape(-1)
            size = f"norm {number(float(np.sqrt(np.dot(flat, flat))))}"
        parts.append(f"<li>{size} from {_link(view.node(edge.head))}</li>")
    if len(edges) > 6:
        parts.append(f"<li>and {len(edges) - 6} more</li>")
    return f'<ul class="sum small" aria-label="sum of {len(edges)} gradients">{"".join(parts)}</ul>'


def _source(node: NodeView) -> str:
    if node.source is None:
        return ""
    cell, line, text = node.source
    return (
        f'<div data-field="source"><p class="small"><a href="#" data-cell="{escape(cell)}" '
        f'data-line="{line}">{escape(cell)}, line {line}</a></p>'
        f'<ol class="code" style="counter-reset: line {line - 1}"><li class="lit">'
        f"{escape(text.strip())}</li></ol></div>"
    )


def _link(node: NodeView, label: str = "") -> str:
    text = label or (node.name if node.op and node.name else node.label)
    return f'<a href="#" data-goto="{node.id}">{escape(text)} #{node.id}</a>'


def _list(items: Sequence[str]) -> str:
    more = f", and {len(items) - 8} more" if len(items) > 8 else ""
    return ", ".join(items[:8]) + more


def _neighbours(view: GraphView, node: NodeView) -> str:
    rows = []
    if node.inputs:
        if node.arguments and len(node.arguments) == len(node.inputs) > 1:
            inputs = [
                f'<span class="nobreak"><span class="muted">{escape(name)}</span> '
                f"{_link(view.node(i))}</span>"
                for name, i in zip(node.arguments, node.inputs, strict=True)
            ]
        else:
            inputs = [_link(view.node(i)) for i in node.inputs]
        rows.append(f'<dt>inputs</dt><dd data-field="inputs">{_list(inputs)}</dd>')
    if node.users:
        users = [_link(view.node(i)) for i in node.users]
        rows.append(f'<dt>users</dt><dd data-field="users">{_list(users)}</dd>')
    return f'<dl class="links">{"".join(rows)}</dl>' if rows else ""


# Modules and rests -------------------------------------------------------------------------


def _module_panel(view: GraphView, scope: Scope, opened: bool, seconds: Seconds | None) -> str:
    ids = {number_ for inner in scope.walk() for number_ in inner.nodes}
    nodes = [view.node(number_) for number_ in sorted(ids)]
    params = [node for node in nodes if node.kind == "param"]
    entries = sum(node.size for node in params)
    before = list(dict.fromkeys(i for n in nodes for i in n.inputs if i not in ids))
    after = list(dict.fromkeys(i for n in nodes for i in n.users if i not in ids))
    word, what = "fold" if opened else "open", word_of(scope.path)
    count = f"{len(nodes):,} node{'' if len(nodes) == 1 else 's'}"
    facts = [("nodes", f"{len(nodes):,}"), ("parameters", f"{entries:,}")]
    costs = [node.cost for node in nodes if node.cost is not None]
    if costs:
        flops, moved = (sum(part) for part in zip(*costs, strict=True))
        facts.append(("cost", f"{quantity(flops, 'flop')}, {quantity(moved, 'B')}"))
    times = [(seconds or {}).get(node.id) for node in nodes if node.op]
    if times and None not in times:
        facts.append(("time", duration(sum(t for t in times if t is not None))))
    rows = []
    for name, ids_ in (("inputs", before), ("users", after)):
        if ids_:
            rows.append(f"<dt>{name}</dt><dd>{_list([_link(view.node(i)) for i in ids_])}</dd>")
    inside = _list([_link(node) for node in nodes if node.kind in ("op", "output")])
    rows.append(f"<dt>ops</dt><dd>{inside or 'none'}</dd>")
    return (
        f'<div><div class="head"><h3>{escape(scope.label)}</h3><span class="badge">{what}</span>'
        f'<span class="num muted">{count}</span></div>'
        f'<p class="doc muted">{escape(scope.path)}</p></div>{_list_of(facts, "facts")}'
        f'<div><button data-toggle="{escape(scope.path)}">{word} this {what}</button></div>'
        f'<dl class="links">{"".join(rows)}</dl>'
    )


def _rest_panel(view: GraphView, box: Box) -> str:
    return (
        f'<div><div class="head"><h3>{escape(box.title)}</h3>'
        f'<span class="num muted">{escape(box.detail)}</span></div></div>'
        f'<div><p class="small">Too many to draw at once. {_link(view.node(box.goto))} is the '
        "nearest of them.</p></div>"
        f'<div><button data-goto="{box.goto}">go there</button></div>'
    )
