"""L06, L08, L09, L10 and L20: what a step of training does, and in which order."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .. import demos
from ..case import Case
from ..model import Edit, Finding
from ..values import Event, Value

_PLAIN = ("tensor", "array", "number", "tuple", "list", "library", "builtin", "range", "slice")


def noise(case: Case) -> Iterator[Finding]:
    """L06: the targets are drawn anew in each step, apart from the input."""
    for loss in case.losses:
        loops = loss.event.loops
        target = loss.target
        if not loops or loss.expects != "values" or not target.facts.get("drawn"):
            continue
        models = [v for v in loss.output.ancestors() if v.kind == "model"] or [
            v for v in loss.output.ancestors() if v.kind == "layer"
        ]
        outer = {id(v) for m in models for v in m.ancestors()}
        drawn = [v for v in loss.output.ancestors() if v.facts.get("drawn") and id(v) not in outer]
        fresh = all(loops[-1] in v.stack for v in (*drawn, target))
        if not models or _many(models) or not drawn or not fresh or target in drawn:
            continue
        if not all(v.kind in _PLAIN for v in target.ancestors()):
            continue
        if not any(loops[-1] in e.stack for e in case.trains):
            continue
        yield _noise(case, target, drawn[0], loops[0])


def _many(models: list[Value]) -> bool:
    return len([m for m in models if m.kind == "model"]) > 1


def _noise(case: Case, target: Value, given: Value, loop: ast.AST) -> Finding:
    name = case.text(case.line_of(target))
    uniform = target.node is not None and "rand(" in case.text(target.node)
    lowest = "1/12" if uniform else "1"
    source = case.program
    edits: list[Edit] = []
    data, answer = case.line_of(given), case.line_of(target)
    simple = [s for s in (data, answer) if isinstance(s, ast.Assign) and source.alone(s)]
    if (
        len(simple) == 2
        and isinstance(loop, ast.stmt)
        and isinstance(data, ast.Assign)
        and isinstance(answer, ast.Assign)
    ):
        x, y = case.text(data.targets[0]), case.text(answer.targets[0])
        one = given.library in ("tf", "tf1")
        width = (target.shape or (None,))[-1]
        total = (
            f"tf.reduce_sum({x}, axis=1, keepdims=True)" if one else f"{x}.sum(dim=1, keepdim=True)"
        )
        if width == 1 and given.shape and len(given.shape) == 2:
            edits = [
                source.remove(data), source.remove(answer),
                source.insert_before(loop, f"{case.text(data)}\n{y} = {total}"),
            ]  # fmt: skip
    return case.find(
        "L06", target.node, f"`{name}` draws new targets in each step, and they do not depend on "
        "the input.",
        "Nothing in the input tells the answer, so no weights are better than answering the "
        "mean: the loss "
        f"goes up and down around {lowest}, the spread of the targets, and never below for long.",
        "Draw the inputs once, before the loop, and compute the targets from them.",
        demos.noise(uniform), edits,
    )  # fmt: skip


def zeros(case: Case) -> Iterator[Finding]:
    """L08: zero_grad() is missing, or stands in the wrong place."""
    seen: set[int] = set()
    for step in case.events:
        owner = step.owner
        if step.name != ".step" or owner is None or owner.kind != "optimizer" or not step.loops:
            continue
        if owner.library != "torch" or owner.tail == "LBFGS" or id(step.node) in seen or step.args:
            continue
        inner = step.loops[-1]
        if inner in owner.stack or _conditional(step, inner):
            continue
        back = [
            e
            for e in case.events
            if e.name == ".backward" and e.loops == step.loops and e.order < step.order
        ]
        if not back or _unknown_hands(case, owner, inner):
            continue
        clear = [e for e in case.events if _clears(e, owner)]
        inside = [e for e in clear if inner in e.stack]
        seen.add(id(step.node))
        late = [
            e
            for e in inside
            if back[-1].order < e.order < step.order and not _conditional(e, inner)
        ]
        if late and (late[-1].owner is owner or len(case.models) < 2):
            yield _wiped(case, late[-1], back[-1])
        elif not inside:
            yield _missing(case, step, back[0], clear)


def _clears(event: Event, optimizer: Value) -> bool:
    owner = event.owner
    if event.name == ".zero_grad":
        return owner is optimizer or owner is None or owner.kind != "optimizer"
    if event.name in (".grad=", ".zero_"):
        return True
    return event.name == ".minimize"


def _conditional(event: Event, loop: ast.AST) -> bool:
    at = event.stack.index(loop)
    return any(isinstance(n, (ast.If, ast.Try)) for n in event.stack[at:])


def _unknown_hands(case: Case, optimizer: Value, loop: ast.AST) -> bool:
    """Whether a function that is not known gets the optimiser: it may do the clearing."""
    return any(
        loop in e.stack and optimizer in (*e.args, *e.kwargs.values()) and not e.result.known
        for e in case.events
    )


def _missing(case: Case, step: Event, back: Event, clear: list[Event]) -> Finding:
    name = case.text(step.base)
    statement = case.program.statement(back.node)
    edits = (
        [case.program.insert_before(statement, f"{name}.zero_grad()")]
        if statement is not None
        else []
    )
    outside = [e for e in clear if e.loops and e.loops == step.loops[: len(e.loops)]]
    if outside:
        what = (
            f"`{case.text(outside[0].node)}` runs once for many calls of `{case.text(step.node)}`."
        )
    else:
        what = f"`{case.text(step.node)}` runs in a loop, and nothing sets the gradients to zero."
    return case.find(
        "L08", step.node, what,
        "backward() adds to what is in .grad. Without zero_grad() the second step follows the "
        "sum of two "
        "gradients, the tenth the sum of ten: the steps grow, and point to where the weights were.",
        f"Call {name}.zero_grad() before backward() in each step.", demos.adds_up(), edits,
    )  # fmt: skip


def _wiped(case: Case, clear: Event, back: Event) -> Finding:
    late, first = case.program.statement(clear.node), case.program.statement(back.node)
    edits = []
    if isinstance(late, ast.Expr) and first is not None and case.program.alone(late):
        edits = [case.program.remove(late), case.program.insert_before(first, case.text(late))]
    return case.find(
        "L08", clear.node, f"`{case.text(clear.node)}` stands between backward() and step().",
        "backward() has just computed the gradients, and this throws them away: the step finds "
        "none, "
        "and no weight changes.",
        "Call it before backward().", demos.wiped(), edits,
    )  # fmt: skip


def twice(case: Case) -> Iterator[Finding]:
    """L09: a recording is used a second time."""
    done: dict[int, Event] = {}
    for event in case.events:
        owner = event.owner
        if owner is None or event.name not in (".backward", ".gradient", ".jacobian"):
            continue
        tape = owner.kind == "tape"
        if (event.name != ".backward" and not tape) or (
            event.name == ".backward" and owner.kind != "tensor"
        ):
            continue
        flag = (
            owner.kwargs.get("persistent")
            if tape
            else event.kwargs.get("retain_graph") or event.kwargs.get("create_graph")
        )
        if flag is not None and flag.const is not False:
            done.pop(id(owner), None)
            continue
        before = done.get(id(owner))
        if before is not None and not _apart(before, event):
            yield _again(case, event, before, tape)
        elif owner.order and _repeats(owner, event):
            yield _again(case, event, None, tape)
        else:
            done[id(owner)] = event


def _apart(a: Event, b: Event) -> bool:
    """Whether a branch may keep two calls apart."""
    return (
        any(isinstance(n, (ast.If, ast.Try)) for n in set(a.stack) ^ set(b.stack))
        or a.node is b.node
        or any(isinstance(n, (ast.If, ast.Try)) for n in set(a.stack) & set(b.stack))
    )


def _repeats(owner: Value, event: Event) -> bool:
    if not event.loops or event.loops[-1] in owner.stack or owner.facts.get("leaf"):
        return False
    loop = event.loops[-1]
    return not any(isinstance(n, (ast.Break, ast.Return)) for n in ast.walk(loop))


def _again(case: Case, event: Event, before: Event | None, tape: bool) -> Finding:
    node = event.base
    name = case.text(node)
    edits: list[Edit] = []
    if tape and event.owner is not None and isinstance(event.owner.node, ast.Call):
        edits = [case.program.add_argument(event.owner.node, "persistent=True")]
        do = "Open the tape with persistent=True; it then keeps its recording until it is deleted."
        what = f"`{case.text(event.node)}` asks the tape a second time."
    elif before is not None:
        edits = [case.program.add_argument(before.node, "retain_graph=True")]
        do = (
            "Keep the recording at the first call: backward(retain_graph=True). .grad then "
            "holds the sum of both."
        )
        what = f"`{case.text(event.node)}` goes back through a graph that was used already."
    else:
        do = f"Compute `{name}` again in the loop, before backward()."
        what = (
            f"`{case.text(event.node)}` runs in a loop, and `{name}` was computed once, "
            "before the loop."
        )
        edits = _into_the_loop(case, event)
    first = (
        f"Line {before.node.lineno} used them"
        if before is not None
        else "The first round used them"
    )
    return case.find(
        "L09", event.node, what,
        f"The values that the chain rule needs are freed as they are used. {first}, so the next "
        "call "
        "finds nothing and stops.",
        do, (), edits,
    )  # fmt: skip


def _into_the_loop(case: Case, event: Event) -> list[Edit]:
    statement = case.line_of(event.owner) if event.owner is not None else None
    first = event.loops[-1].body[0]
    if (
        isinstance(statement, ast.Assign)
        and case.program.alone(statement)
        and not statement.col_offset
    ):
        text = case.program.text(statement)
        return [case.program.remove(statement), case.program.insert_before(first, text)]
    return []


def outside(case: Case) -> Iterator[Finding]:
    """L10: a gradient is asked for of something that was not recorded."""
    for event in case.events:
        owner = event.owner
        if owner is not None and event.name == ".gradient" and owner.kind == "tape" and event.args:
            yield from _tape(case, event, owner)
        elif owner is not None and event.name == ".backward" and _hidden(owner):
            yield _no_grad(case, event, owner)


def _hidden(loss: Value) -> bool:
    made = loss.kind == "tensor" and loss.order and not loss.facts.get("leaf")
    return bool(made and loss.facts.get("without") and not _on_again(loss))


def _on_again(value: Value) -> bool:
    return any(
        isinstance(n, ast.With) and "enable_grad" in ast.unparse(n.items[0].context_expr)
        for n in value.stack
    )


def _tape(case: Case, event: Event, tape: Value) -> Iterator[Finding]:
    z = event.args[0]
    sources = event.args[1:2] or [event.kwargs.get("sources", Value())]
    source = sources[0]
    if z.kind != "tensor" or not z.order or z is source:
        return
    if tape not in z.facts.get("tapes", ()):
        yield _late(case, event, tape, z)
        return
    known = source.kind in ("variable", "tensor") and source in list(z.ancestors())
    if not known or (
        source.kind == "tensor" and (source.name or tape in source.facts.get("tapes", ()))
    ):
        return
    watched = any(
        e.name == ".watch" and e.owner is tape and source in (e.args[0], *(e.args[0].items or ()))
        for e in case.events
        if e.args
    )
    if source.kind == "tensor" and not watched:
        yield _not_watched(case, event, tape, source)
    elif source not in _recorded(z, tape):
        missed = (
            v
            for v in z.ancestors()
            if v.kind == "tensor" and tape not in v.facts.get("tapes", ()) and v is not source
        )
        yield from (_late(case, event, tape, v) for v in list(missed)[:1])


def _recorded(z: Value, tape: Value) -> list[Value]:
    """What is reached from a value through what the tape recorded."""
    found, todo = [], [z]
    seen = set()
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        found.append(value)
        made = value.kind in ("tensor", "array", "") and value.order
        if not made or tape in value.facts.get("tapes", ()):
            todo += value.inputs
    return found


def _block(case: Case, tape: Value) -> ast.With | None:
    """The ``with`` that a tape is open in."""
    blocks = case.program.walk(ast.With)
    return next((n for n in blocks if any(i.context_expr is tape.node for i in n.items)), None)


def _late(case: Case, event: Event, tape: Value, z: Value) -> Finding:
    block, line = _block(case, tape), case.line_of(z)
    name, edits = case.text(event.written(0, "target")), []
    if isinstance(line, ast.Assign):
        name = case.text(line.targets[0])
        if block is not None and case.program.alone(line):
            text, body = case.program.text(line), block.body
            early = line.lineno < block.lineno and tape not in z.facts.get("tapes", ())
            move = case.program.insert_before if early else case.program.insert_after
            edits = [case.program.remove(line), move(body[0] if early else body[-1], text)]
    return case.find(
        "L10", line or event.node, f"`{name}` was not computed inside the tape, so its gradient "
        "is None.",
        "The tape writes down what is computed while its `with` block is open, and nothing else. "
        "From "
        f"`{name}` no recorded step leads back to `{case.text(event.written(1, 'sources'))}`.",
        "Move the computation into the `with` block.", (), edits,
    )  # fmt: skip


def _not_watched(case: Case, event: Event, tape: Value, source: Value) -> Finding:
    node = event.written(1, "sources")
    name, label = case.text(node), ""
    block = _block(case, tape)
    edits = []
    if block is not None and isinstance(node, ast.Name):
        item = next(i for i in block.items if i.context_expr is tape.node)
        label = case.text(item.optional_vars)
        edits = [case.program.insert_before(block.body[0], f"{label}.watch({name})")]
    return case.find(
        "L10", event.node, f"`{name}` is a constant that the tape does not watch, so its "
        "gradient is None.",
        "A tape records what depends on variables. A constant has to be named with watch() "
        "before it is used.",
        f"Call `{label or 'tape'}.watch({name})` first in the block.", (), edits,
    )  # fmt: skip


def _no_grad(case: Case, event: Event, owner: Value) -> Finding:
    name = case.text(event.base)
    return case.find(
        "L10", case.line_of(owner) or event.node,
        f"`{name}` was computed under no_grad(), and line {event.node.lineno} asks for its "
        "gradient.",
        "Under no_grad() nothing is recorded: there is no way back from the loss to the weights, "
        "and "
        "backward() stops.",
        "Compute the loss outside of the no_grad() block; keep that block for testing.",
        (), _unwrapped(case, owner),
    )  # fmt: skip


def _unwrapped(case: Case, owner: Value) -> list[Edit]:
    block = next((n for n in reversed(owner.stack) if isinstance(n, ast.With)), None)
    if (
        block is None
        or len(block.items) != 1
        or "no_grad" not in case.text(block.items[0].context_expr)
    ):
        return []
    body = case.program.source.splitlines()[block.body[0].lineno - 1 : block.end_lineno]
    shift = block.body[0].col_offset - block.col_offset
    if block.body[0].lineno == block.lineno:
        return []
    lines = "\n".join(line[shift:] if not line[:shift].strip() else line for line in body)
    start = case.program.span(block)[0] - block.col_offset
    return [Edit(start, case.program.span(block)[1], lines)]


def dead(case: Case) -> Iterator[Finding]:
    """L20: computed, never read, and computed again in the recording."""
    for block in case.program.walk(ast.With):
        if not isinstance(block, ast.With) or "GradientTape" not in case.text(
            block.items[0].context_expr
        ):
            continue
        stores: dict[str, tuple[Value, ast.Assign]] = {}
        for name, value, statement, stack in case.reader.stored:
            if (
                isinstance(statement, ast.Assign)
                and block not in stack
                and statement.lineno < block.lineno
            ):
                if stack == tuple(n for n in case.program.within(block) if n in stack) and _pure(
                    value
                ):
                    stores[name] = (value, statement)
            elif (
                block in stack
                and name in stores
                and not _read(case, name, stores[name][1], statement)
            ):
                yield from _removed(case, name, stores, statement)
                stores.pop(name)


def _pure(value: Value) -> bool:
    made = value.kind == "tensor" and value.order and not value.facts.get("drawn")
    op = isinstance(value.node, (ast.BinOp, ast.Call))
    return bool(made and op and any(v.kind == "variable" for v in value.ancestors()))


def _read(
    case: Case, name: str, first: ast.stmt, last: ast.stmt | None, ignore: ast.stmt | None = None
) -> bool:
    end = last.end_lineno if last is not None else len(case.program.lines)
    start = first.end_lineno or first.lineno
    return any(
        n.id == name
        and start < n.lineno <= (end or start)
        and (ignore is None or case.program.statement(n) is not ignore)
        for n in case.program.loads
    )


def _removed(
    case: Case, name: str, stores: dict[str, tuple[Value, ast.Assign]], again: ast.stmt
) -> Iterator[Finding]:
    statement = stores[name][1]
    gone: list[ast.Assign] = [statement]
    for other, (_, line) in list(stores.items()):
        feeds = any(isinstance(n, ast.Name) and n.id == other for n in ast.walk(statement.value))
        if other != name and feeds and not _read(case, other, line, None, statement):
            gone.append(line)
    gone.sort(key=lambda s: s.lineno)
    lines = " and ".join(f"`{case.text(s)}`" for s in gone)
    found = case.find(
        "L20", gone[0], f"{lines}: computed, never read, and `{name}` is computed again in line "
        f"{again.lineno}.",
        "The tape was not open yet, so this is no part of the gradient. A reader takes it for one.",
        "Remove it.", (), [case.program.remove(s) for s in gone if case.program.alone(s)],
    )  # fmt: skip
    yield found


CHECKS = (noise, zeros, twice, outside, dead)
