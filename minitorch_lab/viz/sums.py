"""A step in words and as arithmetic: local derivative x incoming + what had arrived = gradient."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from ..tape import RIGHT
from .derivative import gradient_rule, local_derivative, rule_names, with_names, with_numbers
from .fold import scalar
from .formula import formulas, mathml
from .measure import MINUS, brief, number, quantity, shape_text
from .panel import TABLE, _table, to_host
from .steps import Part, Step, Steps
from .view import NodeView

_SIGNS = {"add": "+", "sub": MINUS, "mul": "×", "div": "÷"}
_MANY = 4  # inputs of an op that are named


def name_of(node: NodeView) -> str:
    """What a node is called: the variable's name, else the op's."""
    return node.name or node.label


def is_small(array: Any) -> bool:
    """Whether the numbers are shown: up to 8 x 8."""
    shape = tuple(array.shape)
    return len(shape) <= 2 and all(1 <= n <= TABLE for n in shape)


# HTML ------------------------------------------------------------------------------------------


def sums(steps: Steps, step: Step) -> str:
    """The arithmetic of one step as HTML."""
    if step.phase == "forward":
        return _forward(steps, step)
    if step.phase == "start":
        return _start(steps, step)
    parts = [_part(steps, step, part, last=part is step.parts[-1]) for part in step.parts]
    if not parts:
        parts = [_row(_op_name(steps.view.node(step.node)), [], "It passes nothing on.")]
    return "".join(parts) + _freed(steps, step)


def _row(head: str, cells: Sequence[str], note: str = "") -> str:
    fill = "<span></span>" * (5 - len(cells))
    return f'<div class="row"><b>{head}</b>{"".join(cells)}{fill}<p class="note">{note}</p></div>'


def _term(label: str, value: str, cls: str = "", more: str = "") -> str:
    return f'<div class="term {cls}"{more}><span>{label}</span>{value}</div>'


def _sign(text: str) -> str:
    return f'<span class="sign">{text}</span>'


def _value(array: Any, word: str = "value") -> str:
    """A number, a small table, or a shape with a statistic."""
    if not hasattr(array, "shape") or array.shape == ():
        return f"<strong>{escape(brief(scalar(array)))}</strong>"
    host = to_host(array)
    if word == "local" and host.size > 1 and (host == host.flat[0]).all():
        return f"<strong>{escape(brief(host.flat[0].item()))}</strong><span>everywhere</span>"
    if is_small(host):
        return _table(host)
    return f"<strong>{shape_text(host.shape)}</strong><span>{_statistic(host, word)}</span>"


def _statistic(array: np.ndarray[Any, Any], word: str) -> str:
    if not array.size or array.dtype.kind not in "fiu":
        return str(array.dtype)
    flat = array.astype(np.float64).reshape(-1)
    if word == "gradient":
        return f"norm {number(float(np.sqrt(np.dot(flat, flat))))}"
    return f"mean {number(float(flat.mean()))}"


def _op_name(node: NodeView) -> str:
    return escape(node.op)


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _start(steps: Steps, step: Step) -> str:
    node = steps.view.node(step.node)
    name = escape(name_of(node))
    note = (
        f"Backward starts here: when {name} grows by 1, {name} grows by 1."
        if node.size == 1
        else "Backward starts with the gradient that was given."
    )
    cells = [
        _term(
            "it starts with", _value(step.incoming, "gradient"), "flow asked", _asks(step.incoming)
        )
    ]
    return _row(f"{_code(f'{name_of(node)}.grad')}", cells, note)


def _forward(steps: Steps, step: Step) -> str:
    node = steps.view.node(step.node)
    sign = _SIGNS.get(node.op, ",") if len(node.inputs) == 2 else ","
    inputs = [steps.view.node(i) for i in node.inputs]
    cells = []
    for position, (x, argument) in enumerate(zip(inputs[:_MANY], node.arguments, strict=False)):
        label = escape(name_of(x)) if x.kind != "const" else escape(argument)
        cells += [_sign(sign)] if position else []
        cells.append(_term(label, _value(x.value) if x.value is not None else "?"))
    if len(inputs) > _MANY:
        cells.append(_sign(f"and {len(inputs) - _MANY} more"))
    if node.value is not None:
        cells.append(_sign("="))
        label = escape(name_of(node)) if node.name else "value"
        cells.append(_term(label, _value(node.value), "asked", _asks(node.value)))
    rule = formulas(node.formula[0]) if node.formula else ""
    note = f'<p class="note">{rule} {escape(node.doc)}</p>'
    return f'<div class="run"><b>{_op_name(node)}</b>{"".join(cells)}{note}</div>'


def _part(steps: Steps, step: Step, part: Part, last: bool) -> str:
    view = steps.view
    node, tail = view.node(step.node), view.node(part.node)
    again = part.before is not None
    label = "contribution"
    if part.summed and not kept_spread(part):
        label += ", summed up"
    cells = [
        _derivative(steps, node, part),
        _sign("×") if part.local is not None else '<span class="sign word">with</span>',
        _term("incoming", _value(step.incoming, "gradient"), "flow"),
        _sign("="),
        _term(
            label,
            _value(part.gradient, "gradient"),
            "flow" + (" asked" if last and not again else ""),
            _asks(part.gradient, _why(view.node(step.node), part)) if last and not again else "",
        ),
    ]
    notes = []
    if step.right_incoming is not None:
        notes.append(_wrong("incoming", step.right_incoming))
    if part.right is not None and step.right_incoming is None:
        notes.append(_wrong("this", part.right))
    if part.summed:
        notes.append(summed(part))
    elif again:
        notes.append(_speed(node, tail, part))
    head = f"{_op_name(node)}<span>to {escape(name_of(tail))}</span>"
    if not again:
        if part.right is None or part.arrival.late:
            notes += _arrived(steps, step, part)
        return _row(head, cells, " ".join(filter(None, notes)))
    rows = _row(head, cells, " ".join(filter(None, notes)))
    adds = steps.engine.add is RIGHT.add
    users = _some(list(dict.fromkeys(escape(name_of(view.node(i))) for i in part.before_from)))
    cells = [
        _term(f"so far, from {users}", _value(part.before, "gradient"), "flow"),
        _sign("+") if adds else '<span class="sign word">replaced by</span>',
        _term("contribution", _value(part.gradient, "gradient"), "flow"),
        _sign("="),
        _term(
            "what has arrived",
            _value(part.total, "gradient"),
            "flow" + (" asked" if last else ""),
            _asks(part.total, "All that arrives is added up.") if last else "",
        ),
    ]
    notes = _arrived(steps, step, part)
    if part.right_total is not None:
        how = "these are added, and make" if not adds else "this should be"
        notes = [f'<span class="bad">Wrong: {how} {_brief(part.right_total)}.</span>']
    return rows + _row(_code(f"{name_of(tail)}.grad"), cells, " ".join(notes))


def _some(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _derivative(steps: Steps, node: NodeView, part: Part) -> str:
    """The first term: the local derivative with the numbers put in, or the rule."""
    view = steps.view
    op, _ = steps.rules[node.id]
    index = part.arrival.index
    latex = local_derivative(op, index)
    if latex and part.local is not None:
        text = mathml(with_names(latex, op, view, node))
        numbers = with_numbers(latex, op, view, node)
        if numbers and numbers != with_names(latex, op, view, node):
            text += " = " + mathml(numbers)
        return _term(f"local derivative: {text}", _value(part.local, "local"))
    if part.local is not None:
        return _term("local derivative", _value(part.local, "local"))
    known = [
        f"{letter} = {escape(name_of(x))} {shape_text(x.shape)}"
        for letter, x in rule_names(op, index, view, node)
    ]
    rule = gradient_rule(op, index)
    shown = formulas(rule) if rule else escape(node.doc)
    return _term(", ".join(["rule", *known]), f'<span class="rule">{shown}</span>')


def kept_spread(part: Part) -> bool:
    """Whether a broken engine has left the gradient as broad as the output."""
    return part.spread is not None and tuple(part.gradient.shape) == part.spread[1]


def summed(part: Part) -> str:
    """ "Summed over dimension 0, because (3,) was spread to (4, 3)."."""
    assert part.spread is not None
    small, large = (shape_text(shape) for shape in part.spread)
    dims = ", ".join(map(str, part.summed))
    word = "dimension" if len(part.summed) == 1 else "dimensions"
    if kept_spread(part):
        return (
            f'<span class="bad">Not summed over {word} {dims}, though {small} was spread to '
            f"{large}.</span>"
        )
    return f"Summed over {word} {dims}, because {small} was spread to {large}."


def _speed(node: NodeView, tail: NodeView, part: Part) -> str:
    """What a derivative of numbers means: at x = 2, pow changes 4 times as fast as x."""
    if part.local is None or part.local.shape != () or tail.value is None or tail.shape != ():
        return ""
    times = scalar(part.local)
    if not isinstance(times, float) or not math.isfinite(times):
        return ""
    at = brief(scalar(tail.value))
    name, op = escape(name_of(tail)), escape(name_of(node))
    return f"At {name} = {at}, {op} changes {brief(times)} times as fast as {name}."


def _arrived(steps: Steps, step: Step, part: Part) -> list[str]:
    """Which part of the gradient has come, and what .grad makes of it."""
    tail = steps.view.node(part.node)
    name = escape(name_of(tail))
    words = [f'<span class="{"done" if part.complete else ""}">{arrived(part)}</span>']
    if part.arrival.late:
        words = [
            f'<span class="bad">Too late: {name} has passed on its gradient before this came. '
            "This is lost.</span>"
        ]
    if part.complete and not part.arrival.late:
        held = steps.held.get(part.node)
        if held is not None:
            words.append(
                f"{_code(f'{name}.grad')} holds {_brief(held)} from an earlier backward(): this is "
                "added to it."
            )
    return words


def arrived(part: Part) -> str:
    """ "Complete: all 2 paths have arrived."."""
    if part.complete:
        if part.paths == 1:
            return "Complete: its only path has arrived."
        return f"Complete: all {part.paths} paths have arrived."
    verb = "has" if part.arrived == 1 else "have"
    return f"{part.arrived} of {part.paths} paths {verb} arrived."


def _wrong(what: str, right: Any) -> str:
    return f'<span class="bad">Wrong: {what} should be {_brief(right)}.</span>'


def _brief(array: Any) -> str:
    if array.shape == ():
        return f"<code>{escape(brief(scalar(array)))}</code>"
    return f"<code>{escape(plain(array))}</code>"


def _why(node: NodeView, part: Part) -> str:
    if part.summed:
        return "Local derivative times incoming, then summed over what broadcasting had spread."
    if part.local is not None:
        return "It is the local derivative times what comes in."
    return "Follow the rule with what comes in."


def _freed(steps: Steps, step: Step) -> str:
    view = steps.view
    node = view.node(step.node)
    reads = [name_of(view.node(i)) for i in step.reads if view.node(i).kind != "const"]
    words = f"The rule of {escape(node.op)} reads {escape(', '.join(reads[:4]))}. " if reads else ""
    return f'<p class="freed">{words}backward() now frees {freed(node)}.</p>'


def freed(node: NodeView) -> str:
    """What the graph lets go of after a backward step: "the value of pow, 4 B"."""
    size = getattr(node.value, "nbytes", 0)
    return f"the value of {escape(name_of(node))}, {quantity(size, 'B')}"


# Predictions -----------------------------------------------------------------------------------


def _asks(array: Any, why: str = "") -> str:
    """What is asked before a term is shown: its numbers, or of a large array its shape."""
    answer: dict[str, Any] = {"why": why}
    if array.shape == () or (is_small(array) and array.size <= 9):
        host = to_host(array).astype(np.float64).reshape(-1)
        answer["numbers"] = [float(x) if math.isfinite(x) else str(x) for x in host]
        answer["shape"] = shape_text(array.shape)
    else:
        shape = tuple(array.shape)
        others = [shape, shape[::-1], shape[1:], (*shape, 1), ()]
        answer["shape"] = shape_text(shape)
        answer["choices"] = sorted({shape_text(s) for s in others})
    return f' data-ask="{escape(json.dumps(answer))}"'


# The values beside the source --------------------------------------------------------------------


def values(steps: Steps, step: Step, rows: int = 6) -> str:
    """The named nodes with what they hold after this step, those of this step first."""
    view = steps.view
    touched = [part.node for part in step.parts] + [step.node]
    named = [
        node.id
        for node in view.nodes
        if node.name and (node.id in steps.paths or node.id == steps.root)
    ]
    chosen = [i for i in dict.fromkeys(touched) if view.node(i).kind != "const"]
    chosen = list(dict.fromkeys([*named, *chosen] if len(named) < rows else [*chosen, *named]))
    body = "".join(_values_row(steps, step, i) for i in sorted(chosen[:rows]))
    return (
        '<thead><tr><th scope="col">name</th><th scope="col" class="n">value</th>'
        f'<th scope="col" class="n">gradient</th></tr></thead><tbody>{body}</tbody>'
    )


def _values_row(steps: Steps, step: Step, i: int) -> str:
    node = steps.view.node(i)
    known = not node.op or step.phase != "forward" or i <= step.node
    value = _cell(node.value) if known and node.value is not None else ""
    gradient = ""
    if step.phase != "forward":
        g, count, paths = steps.gradient_at(i, step.number)
        gradient = "" if g is None else _cell(g) + (" so far" if count < paths else "")
    gets = any(part.node == i for part in step.parts) or (step.phase == "start" and i == step.node)
    mark = ' class="now gets"' if gets else ' class="now"' if i == step.node else ""
    return (
        f'<tr{mark}><th scope="row"><code>{escape(name_of(node))}</code></th>'
        f'<td class="n">{value}</td><td class="n">{gradient}</td></tr>'
    )


def _cell(array: Any) -> str:
    if not hasattr(array, "shape") or array.shape == ():
        return escape(brief(scalar(array)))
    if array.ndim == 1 and array.size <= 3 and array.dtype.kind == "f":
        return escape(plain(array))
    return shape_text(tuple(array.shape))


# Words -------------------------------------------------------------------------------------------


def plain(array: Any) -> str:
    """The numbers of a small array in one line, the shape of a large one."""
    if not hasattr(array, "shape") or array.shape == ():
        return brief(scalar(array))
    if not is_small(array) or array.size > 12:
        return shape_text(tuple(array.shape))
    return _nested(to_host(array).tolist())


def _nested(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_nested(entry) for entry in value) + "]"
    return brief(value)


def say(steps: Steps, step: Step) -> str:
    """One sentence for a screen reader."""
    view = steps.view
    node = view.node(step.node)
    head = f"Step {step.number} of {len(steps)}, {step.phase}: "
    if step.phase == "forward":
        of = ", ".join(name_of(view.node(i)) for i in node.inputs[:_MANY])
        given = f" gives {_spoken(node.value)}" if node.value is not None else ""
        return f"{head}{node.op} of {of}{given}."
    if step.phase == "start":
        name = name_of(node)
        return (
            f"Step {step.number} of {len(steps)}, backward starts: the gradient of {name} with "
            f"respect to itself is {plain(step.incoming)}."
        )
    words = []
    for part in step.parts:
        name = name_of(view.node(part.node))
        text = f"passes {_spoken(part.gradient)} to {name}"
        if part.before is not None:
            text += f", which now has {_spoken(part.total)}"
        if part.arrival.late:
            text += ", too late"
        words.append(text)
    if len(step.parts) == 1 and not step.parts[0].arrival.late:
        words.append(arrived(step.parts[0])[:-1].lower())
    return f"{head}{node.op} {'; '.join(words) or 'passes nothing on'}."


def _spoken(array: Any) -> str:
    return plain(array) if getattr(array, "size", 1) <= 4 else shape_text(tuple(array.shape))


def question(steps: Steps, step: Step) -> str:
    """The step without its answer: what is read out while a prediction is asked for."""
    node = steps.view.node(step.node)
    head = f"Step {step.number} of {len(steps)}, {step.phase}: "
    if step.phase == "forward":
        return f"{head}what does {node.op} give?"
    if step.phase == "start":
        return f"Step {step.number} of {len(steps)}, backward: with which gradient does it start?"
    if not step.parts:
        return head + node.op
    part = step.parts[-1]
    name = name_of(steps.view.node(part.node))
    return f"{head}what " + (
        f"has {name} after {node.op} has added to it?"
        if part.before is not None
        else f"does {node.op} pass to {name}?"
    )


def words(steps: Steps, limit: int | None = None) -> str:
    """All steps, one a line; of more than ``limit`` the last ones. The same on every machine."""
    forward, back = len(steps.forward), len(steps.back)
    lines = [
        f"step through {steps.view.title}: {len(steps):,} steps ({forward:,} forward, 1 start, "
        f"{back:,} backward)"
    ]
    if steps.engine.name:
        lines.append(f"  lab.broken: {steps.engine.name}")
    if steps.view.note and not steps.engine.name:
        lines.append(f"  {steps.view.note}")
    chosen = range(len(steps))
    if limit is not None and len(chosen) > limit:
        chosen = chosen[-limit:]
        lines.append(f"  ... {len(steps) - limit:,} steps before these")
    width = len(str(len(steps)))
    for i in chosen:
        for n, text in enumerate(_lines(steps, steps[i])):
            lines.append((f"{i + 1:>{width}} " if n == 0 else " " * (width + 1)) + text)
    if steps.failure:
        lines += [f"  the walk ended here: {steps.failure.splitlines()[0]}"]
    return "\n".join(lines).replace(MINUS, "-")


def _lines(steps: Steps, step: Step) -> list[str]:
    view = steps.view
    node = view.node(step.node)
    place = f"  [{node.source.cell} line {node.source.line}]" if node.source else ""
    if step.phase == "forward":
        of = ", ".join(_call(view.node(i)) for i in node.inputs)
        value = f" = {plain(node.value)}" if node.value is not None else ""
        return [f"forward  {_call(node)} of {of}{value}{place}"]
    if step.phase == "start":
        return [f"start    {_call(node)} with gradient {plain(step.incoming)}"]
    lines = []
    for part in step.parts:
        text = _call(view.node(part.node)) + " gets "
        if part.local is not None:
            text += f"local {plain(part.local)} x incoming {plain(step.incoming)} = "
        text += plain(part.gradient)
        if part.summed and part.spread is not None:
            done = "not summed" if kept_spread(part) else "summed"
            text += f" ({done} over {', '.join(map(str, part.summed))})"
        if part.before is not None:
            text += f", so far {together(steps, part)}"
        text += f"; {arrived(part)[0].lower()}{arrived(part)[1:-1]}"
        if part.arrival.late:
            text += "; too late, lost"
        text += should_be(part)
        lines.append(text)
    head = f"backward {_call(node)}{place}"
    return [f"{head}: {lines[0]}", *(" " * 9 + line for line in lines[1:])] if lines else [head]


def together(steps: Steps, part: Part) -> str:
    """ "2 + 4 = 6": what had arrived and what arrives now; "" for the first to arrive."""
    if part.before is None:
        return ""
    sign = "+" if steps.engine.add is RIGHT.add else "replaced by"
    return f"{plain(part.before)} {sign} {plain(part.gradient)} = {plain(part.total)}"


def should_be(part: Part) -> str:
    """What the right engine has, where it is something else."""
    if part.right_total is None:
        return ""
    return f"; the right engine has {plain(part.right_total)}"


def _call(node: NodeView) -> str:
    if node.kind == "const":
        return node.label
    return node.name if node.name and not node.op else f"{node.name or node.label} #{node.id}"
