"""The picture: places from the layout, shapes by kind, and not one fixed colour.

One renderer makes the picture of the widget and the one that stands alone. Everything that may
differ (theme, selection, visibility of gradients) is left to classes and ``data-`` attributes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from .dot import box_size
from .fold import Box, Drawing, Link, scalar
from .layout import Layout, Point, Rect, Route, layout
from .measure import brief
from .view import Scope, word_of

_RING = 5.0  # distance of the selection ring from the box
_CORNER = 4.0


Marks = Mapping[str, Sequence[str]]  # by a box's key: a mark, and the text that says the same


def svg(drawing: Drawing, places: Layout | None = None, marks: Marks | None = None) -> str:
    """The picture as an ``<svg class="graph">`` that takes its colours from the page.

    A node is a ``<g class="node op" data-node="7">``, a folded module has ``data-module`` with
    its path, an open one is a ``<g class="module" data-module>`` frame, a line names its ends in
    ``data-tail`` and ``data-head``. ``marks`` colour boxes, with a text in their second line.
    """
    places = layout(drawing) if places is None else places
    order = sorted(range(len(drawing.links)), key=lambda i: drawing.links[i].flow != "forward")
    parts = [
        *(_module(s, places.modules[s.path]) for s in drawing.modules if s.path in places.modules),
        *(_line(drawing.links[i], places.routes[i]) for i in order if i in places.routes),
        *(_box(b, places.boxes[b.key], (marks or {}).get(b.key)) for b in drawing.boxes),
    ]
    width, height = _num(places.width), _num(places.height)
    title = f"Graph of {drawing.view.title}, {len(drawing.view):,} nodes"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" role="group" '
        f'aria-label="{escape(title)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">\n' + "\n".join(parts) + "\n</svg>"
    )


def _num(value: float) -> str:
    return f"{round(value, 1):g}"


def _attrs(**values: str) -> str:
    return "".join(f' {k.replace("_", "-")}="{escape(v)}"' for k, v in values.items())


def _box(box: Box, at: Rect, mark: Sequence[str] | None = None) -> str:
    folded = box.kind == "folded"
    kind = "op" if folded else "const" if box.kind == "rest" else box.kind
    parts = [_outline(kind, at, "ring", _RING)]
    if folded:
        right, below = at.x + at.width, at.y + at.height
        parts.append(
            f'<path class="pile" d="M{_num(at.x + 4)} {_num(below + 3)}H{_num(right - 1)}'
            f'a4 4 0 0 0 4 -4V{_num(at.y + 4)}"/>'
        )
    parts.append(_outline(kind, at, "body"))
    if kind == "param":
        parts.append(_outline(kind, at, "inner", -3))
    # A parameter's number and a rest's way on are looked up by these.
    where = {"data_node": str(box.node)} if box.node else {}
    if folded:
        where = {"data_module": box.key[1:], "aria_expanded": "false"}
    elif box.goto:
        where = {"data_goto": str(box.goto)}
    if box.parts:
        where["data_parts"] = ""
    if box.scope:
        where["data_scope"] = box.scope
    if mark:
        where["data_mark"] = mark[0]
    middle = at.x + at.width / 2
    if folded:  # the sign stands before the title
        parts.append(_sign(at.x + 9, at.y + at.height / 2 - 12, opened=False))
        middle += 5 if box_size(box)[0] < 96 else 0
    centre = at.y + at.height / 2
    if box.detail:
        parts.append(_text(middle, centre - 3, box.title))
        detail = mark[1] if mark else box.detail
        parts.append(_text(at.x + at.width / 2, centre + 12, detail, "shape"))
    else:
        parts.append(_text(middle, centre + 4.5, box.title))
    extra = {"folded": " folded", "rest": " rest"}.get(box.kind, "")
    return (
        f'<g class="node {kind}{extra}" data-key="{escape(box.key)}"{_attrs(**where)} role="img" '
        f'aria-label="{escape(box.say)}"><g aria-hidden="true">{"".join(parts)}</g></g>'
    )


def _text(x: float, y: float, text: str, cls: str = "") -> str:
    mark = f' class="{cls}"' if cls else ""
    return f'<text{mark} x="{_num(x)}" y="{_num(y)}">{escape(text, quote=False)}</text>'


def _outline(kind: str, at: Rect, cls: str, by: float = 0.0) -> str:
    """The shape of a kind, grown by ``by`` pixels."""
    x, y, w, h = at.x - by, at.y - by, at.width + 2 * by, at.height + 2 * by
    if kind == "input":  # round to the left: values come in here
        round_, c = min(h / 2, 14 + by), _CORNER
        return (
            f'<path class="{cls}" d="M{_num(x + round_)} {_num(y)}H{_num(x + w - c)}'
            f"a{_num(c)} {_num(c)} 0 0 1 {_num(c)} {_num(c)}V{_num(y + h - c)}"
            f"a{_num(c)} {_num(c)} 0 0 1 {_num(-c)} {_num(c)}H{_num(x + round_)}"
            f'a{_num(round_)} {_num(h / 2)} 0 0 1 0 {_num(-h)}z"/>'
        )
    corner = _CORNER + by if by >= 0 else 2
    return (
        f'<rect class="{cls}" x="{_num(x)}" y="{_num(y)}" width="{_num(w)}" height="{_num(h)}" '
        f'rx="{_num(corner)}"/>'
    )


def _sign(x: float, y: float, opened: bool) -> str:
    """The triangle that says open or folded: drawn, so that no screen reader spells it out."""
    shape = "h8l-4 6z" if opened else "v8l6 -4z"
    return f'<path class="sign" d="M{_num(x)} {_num(y)}{shape}"/>'


def _module(scope: Scope, at: Rect) -> str:
    say = f"{scope.label}, open {word_of(scope.path)} of {scope.count:,} nodes"
    frame = (
        f'<rect x="{_num(at.x)}" y="{_num(at.y)}" width="{_num(at.width)}" '
        f'height="{_num(at.height)}" rx="4"/>'
    )
    # The title is a button of its own: a click into the frame shall not fold it.
    bar = (
        f'<rect class="grip" x="{_num(at.x + 3)}" y="{_num(at.y + 3)}" '
        f'width="{_num(at.width - 6)}" height="20" rx="3"/>'
    )
    return (
        f'<g class="module"{_attrs(data_frame=scope.path)}>{frame}'
        f'<g class="title" data-key="{escape("o" + scope.path)}"'
        f'{_attrs(data_module=scope.path, aria_expanded="true")} role="img" '
        f'aria-label="{escape(say)}"><g aria-hidden="true">{bar}'
        f"{_sign(at.x + 9, at.y + 10, opened=True)}"
        f"{_text(at.x + 22, at.y + 17, scope.label)}</g></g></g>"
    )


def _line(link: Link, route: Route) -> str:
    points, tip = list(route.points), route.tip
    gradient = link.flow == "gradient"
    start = "M" + _pair(points[0])
    if tip is not None and gradient:  # the arrow is at the tail: the line runs into its open head
        start = f"M{_pair(tip)}L{_pair(points[0])}"
    curve = start + "C" + " ".join(_pair(p) for p in points[1:])
    head = _head(tip, points[0] if gradient else points[-1], open_=gradient) if tip else ""
    text = ""
    value = link.edges[0].value if len(link.edges) == 1 else None
    if isinstance(value, str) or getattr(value, "shape", None) == ():
        x, y = route.text or _middle(points)
        text = _text(x, y + 4, value if isinstance(value, str) else brief(scalar(value)))
    return (
        f'<g class="edge {"grad" if gradient else "fwd"}"'
        f'{_attrs(data_tail=link.tail, data_head=link.head)} aria-hidden="true">'
        f'<path d="{curve}"/>{head}{text}</g>'
    )


def _middle(points: list[Point]) -> Point:
    """The middle of a curve of Bezier pieces."""
    piece = (len(points) - 1) // 6 * 3
    (a, b), (c, d), (e, f), (g, h) = points[piece : piece + 4]
    if (len(points) - 1) % 6 == 0:  # an even number of pieces meets there
        return a, b
    return (a + 3 * c + 3 * e + g) / 8, (b + 3 * d + 3 * f + h) / 8


def _pair(point: Point) -> str:
    return f"{_num(point[0])},{_num(point[1])}"


def _head(tip: Point, base: Point, open_: bool) -> str:
    dx, dy = tip[0] - base[0], tip[1] - base[1]
    length = math.hypot(dx, dy) or 1.0
    dx, dy = dx / length, dy / length
    size, half = 6.5, 2.6
    bx, by = tip[0] - dx * size, tip[1] - dy * size
    one, two = (bx - dy * half, by + dx * half), (bx + dy * half, by - dx * half)
    close = "" if open_ else "z"
    return f'<path class="head" d="M{_pair(one)}L{_pair(tip)}L{_pair(two)}{close}"/>'


# The picture alone -------------------------------------------------------------------------

# Tokens of the widgets' stylesheet, light and dark; the host's own colours come first: VS Code's
# before JupyterLab's, which its widget manager brings into every theme.
_TOKENS = {
    "bg": ("--vscode-editor-background, --jp-layout-color1", "#ffffff", "#212121"),
    "fg": ("--vscode-editor-foreground, --jp-ui-font-color1", "#212121", "#dedede"),
    "muted": ("", "#616161", "#ababab"),
    "edge": ("", "#808080", "#8f8f8f"),
    "line": ("--vscode-panel-border, --jp-border-color2", "#e0e0e0", "#424242"),
    "surface": ("", "#f6f6f6", "#292929"),
    "input": ("", "#0072b2", "#59b3f7"),
    "param": ("", "#05976e", "#26ad81"),
    "output": ("", "#c3719f", "#df8aba"),
    "grad": ("", "#d55e00", "#f0762d"),
}
# What marked boxes are filled with: a token, and how much of it. The same as in explorer.css.
MARKS = {
    "c0": ("input", 28), "c1": ("grad", 28), "c2": ("param", 28), "c3": ("output", 28),
    "rest": ("edge", 18),
    "s0": ("input", 4), "s1": ("input", 14), "s2": ("input", 25), "s3": ("input", 35),
    "s4": ("input", 46),
}  # fmt: skip
_FILLS = "".join(
    f'.graph [data-mark="{mark}"] .body {{ fill: color-mix(in srgb, var(--g-{token}) {much}%, '
    "var(--g-bg)); }\n"
    for mark, (token, much) in MARKS.items()
)
_RULES = (
    """
.graph { background: none; max-width: 100%; height: auto; }
.graph text { fill: var(--g-fg); font: 13px var(--g-font); text-anchor: middle; }
.graph .shape { fill: var(--g-muted); font: 11px var(--g-code); }
.graph .ring, .graph .grip, .graph .inner, .graph .pile { fill: none; stroke: none; }
.graph .body { fill: var(--g-bg); stroke: var(--g-edge); }
.graph .input .body { stroke: var(--g-input); stroke-width: 1.5; }
.graph .param .body, .graph .param .inner { stroke: var(--g-param); }
.graph .const .body { stroke-dasharray: 4 3; }
.graph .output .body { stroke: var(--g-output); stroke-width: 2.5; }
.graph .folded .pile { stroke: var(--g-edge); }
.graph .module > rect { fill: var(--g-surface); stroke: var(--g-line); }
.graph .module text { fill: var(--g-muted); font-size: 12px; text-anchor: start; }
.graph .sign { fill: var(--g-muted); }
.graph .edge path { fill: none; stroke: var(--g-edge); }
.graph .edge .head { fill: var(--g-edge); stroke: none; }
.graph .edge.grad path { stroke: var(--g-grad); stroke-width: 1.25; stroke-dasharray: 4 3; }
.graph .edge text { fill: var(--g-grad); font: 600 11px var(--g-code); paint-order: stroke;
  stroke: var(--g-bg); stroke-width: 4px; }
.graph .edge.grad .head { fill: none; stroke: var(--g-grad); stroke-dasharray: none; }
.graph [data-mark] .shape { fill: var(--g-fg); }
"""
    + _FILLS
)
_FONTS = (
    "--g-font: system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; "
    "--g-code: ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace;"
)


def _tokens(theme: int) -> str:
    return " ".join(f"--g-{name}: {pair[1 + theme]};" for name, pair in _TOKENS.items())


def file_style() -> str:
    """The stylesheet of a picture in a file of its own: it follows the reader's theme."""
    return (
        f".graph {{ {_tokens(0)} {_FONTS} }}"
        f"@media (prefers-color-scheme: dark) {{ .graph {{ {_tokens(1)} }} }}{_RULES}"
    )


def page_style() -> str:
    """The stylesheet of a picture in a page: it follows the page's theme where it has one."""
    both = []
    for name, (hosts, light, dark) in _TOKENS.items():
        value = f"light-dark({light}, {dark})"
        for host in reversed([host for host in hosts.split(", ") if host]):
            value = f"var({host}, {value})"
        both.append(f"--g-{name}: {value};")
    return (
        f".graph {{ color-scheme: light dark; {' '.join(both)} {_FONTS} }}"
        '[data-jp-theme-light="true"] .graph, .vscode-light .graph { color-scheme: light; }'
        '[data-jp-theme-light="false"] .graph, .vscode-dark .graph, .vscode-high-contrast .graph '
        "{ color-scheme: dark; } .vscode-high-contrast-light .graph { color-scheme: light; }"
        f"{_RULES}"
    )


def swatch(mark: str) -> str:
    """A small box with a mark's colour, for a legend beside a still picture."""
    return (
        '<svg class="graph" width="20" height="14" aria-hidden="true">'
        f'<g class="node op" data-mark="{escape(mark)}">'
        '<rect class="body" x="1" y="1" width="18" height="12" rx="2"/></g></svg>'
    )


def svg_file(drawing: Drawing, places: Layout | None = None, marks: Marks | None = None) -> str:
    """The picture as the text of an ``.svg`` file, with its stylesheet inside."""
    picture = svg(drawing, places, marks)
    cut = picture.index("\n")
    return f"{picture[:cut]}\n<style>{file_style()}</style>{picture[cut:]}\n"
