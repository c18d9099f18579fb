"""L14, L15, L16 and L18: how a model is tested, and what is reported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ..case import Case, parts
from ..model import Edit, Finding
from ..rules import transforms
from ..values import Event, Value


def _part(value: Value | None, part: str) -> bool:
    return value is not None and any(v.facts.get("part") == part for v in value.ancestors())


def tests(case: Case) -> Iterator[Finding]:
    """L14: the test set is used to choose, or loaded and never used."""
    fits = [
        e
        for e in case.events
        if e.name == ".fit" and e.owner is not None and e.owner.kind == "model"
    ]
    for fit in fits:
        given = fit.kwargs.get("validation_data")
        tested = [
            e
            for e in case.events
            if e.name == ".evaluate" and e.owner is fit.owner and _part(e.arg(0, "x"), "test")
        ]
        if given is not None and _part(given, "test") and tested:
            yield _chosen(case, fit, tested[0])
    if fits or case.trains:
        yield from _unused(case, fits)


def _chosen(case: Case, fit: Event, tested: Event) -> Finding:
    keyword = next(k for k in fit.node.keywords if k.arg == "validation_data")
    return case.find(
        "L14", keyword, f"The test set is the validation set too: `{case.text(keyword)}`.",
        "Validation is there to choose by: when to stop, how many units. After that the test set "
        "has "
        f"been seen, and line {tested.node.lineno} measures how well you chose for these images, "
        "not how well the model "
        "does on new ones.",
        "Keep a tenth of the training set for validation: validation_split=0.1.",
        (), [case.program.replace(keyword, "validation_split=0.1")],
    )  # fmt: skip


def _unused(case: Case, fits: list[Event]) -> Iterator[Finding]:
    names: dict[str, tuple[Value, list[ast.stmt]]] = {}
    for name, value, statement, _ in case.reader.stored:
        own = value.facts.get("part") == "test" or any(
            v.facts.get("part") == "test" for v in value.inputs
        )
        if own and value.kind in ("array", "dataset", "loader"):
            names.setdefault(name, (value, []))[1].append(statement)
    if not names or any(name.startswith("_") for name in names):
        return
    stores = {id(s) for _, statements in names.values() for s in statements}
    for node in case.program.loads:
        if node.id in names and id(case.program.statement(node)) not in stores:
            return
    first = min((s for _, statements in names.values() for s in statements), key=lambda s: s.lineno)
    listed = " and ".join(f"`{n}`" for n in names)
    edits: list[Edit] = []
    images = [n for n, (v, _) in names.items() if v.kind == "array" and len(v.shape or ()) > 1]
    labels = [n for n, (v, _) in names.items() if v.kind == "array" and len(v.shape or ()) == 1]
    fit = fits[-1] if fits else None
    if fit is not None and len(images) == len(labels) == 1:
        edits = _evaluated(case, fit, images[0], labels[0])
    yield case.find(
        "L14", first, f"{listed}: loaded, and never used to test.",
        "The accuracy that training prints is that on images which the model has seen. Only "
        "images that it "
        "has not seen tell whether it learnt digits, or these digits by heart.",
        "Measure on the test set once, at the end.", (), edits,
    )  # fmt: skip


def _evaluated(case: Case, fit: Event, images: str, labels: str) -> list[Edit]:
    """``model.evaluate`` with the test images in the form that ``fit`` has."""
    model = case.text(fit.base)
    given = case.text(fit.written(0, "x"))
    trained = next(
        (
            n
            for n in case.program.loads
            if isinstance(n, ast.Name) and given.startswith(n.id) and "train" in n.id
        ),
        None,
    )
    form = given.replace(trained.id, images, 1) if trained is not None else images
    statement = case.program.statement(fit.node)
    if statement is None or statement.col_offset:
        return []
    return [case.program.insert_after(statement, f"{model}.evaluate({form}, {labels})")]


def windows(case: Case) -> Iterator[Finding]:
    """L15: a running mean is reported only for full windows."""
    for loop in case.program.walk(ast.For):
        assert isinstance(loop, ast.For)
        count = _rounds(case, loop)
        for branch in loop.body:
            if isinstance(branch, ast.If) and count and not branch.orelse:
                size = _window(branch.test)
                name = _reset(branch)
                if (
                    size
                    and name
                    and count % size
                    and count > size
                    and not _reported(case, loop, branch, name)
                ):
                    yield _lost(case, loop, branch, name, count, size)


def _rounds(case: Case, loop: ast.For) -> int | None:
    """How often a loop goes round, where its loader is known."""
    call = loop.iter
    if (
        not isinstance(call, ast.Call)
        or not isinstance(call.func, ast.Name)
        or call.func.id != "enumerate"
    ):
        return None
    for event in case.events:
        if event.node is call and "over" in event.result.facts:
            over = event.result.facts["over"]
            return over.facts.get("batches") if over.kind == "loader" else None
    return None


def _window(test: ast.expr) -> int | None:
    """The N of ``i % N == N - 1`` and ``(i + 1) % N == 0``."""
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Eq):
        return None
    left, right = test.left, test.comparators[0]
    if (
        not isinstance(left, ast.BinOp)
        or not isinstance(left.op, ast.Mod)
        or not isinstance(left.right, ast.Constant)
    ):
        return None
    size, rest = left.right.value, right.value if isinstance(right, ast.Constant) else None
    if isinstance(size, int) and (
        rest == size - 1 or (rest == 0 and isinstance(left.left, ast.BinOp))
    ):
        return size
    return None


def _reset(branch: ast.If) -> str:
    """The running sum: set to 0 in the branch, after it was printed there."""
    printed = {
        n.id
        for s in branch.body
        for n in ast.walk(s)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    }
    for s in branch.body:
        if isinstance(s, ast.Assign) and isinstance(s.value, ast.Constant) and s.value.value == 0:
            target = s.targets[0]
            if isinstance(target, ast.Name) and target.id in printed:
                return target.id
    return ""


def _reported(case: Case, loop: ast.For, branch: ast.If, name: str) -> bool:
    inside = {id(n) for n in ast.walk(loop)}
    return any(
        n.id == name and n.lineno > (loop.end_lineno or 0) and id(n) not in inside
        for n in case.program.loads
    )


def _lost(case: Case, loop: ast.For, branch: ast.If, name: str, count: int, size: int) -> Finding:
    i = loop.target.elts[0] if isinstance(loop.target, ast.Tuple) else loop.target
    number, over = case.text(i), count % size
    first, rest = f"{name} / {size}", f"({number} % {size} + 1)"
    said = next(
        (
            case.program.text(s)
            for s in branch.body
            if isinstance(s, ast.Expr) and first in case.program.text(s)
        ),
        "",
    )
    line = said.replace(first, f"{name} / {rest}") if said else f"print({name} / {rest})"
    edit = case.program.insert_after(loop, f"if {number} % {size} != {size - 1}:\n    {line}")
    return case.find(
        "L15", branch, f"The last {over} batches of each round are never reported.",
        f"{count} batches are {count // size} windows of {size}, and {over} more: "
        f"{count} = {count // size} * {size} + {over}. For those the branch is not reached, and "
        "the sum is forgotten.",
        "Report the rest after the loop.", (), [edit],
    )  # fmt: skip


def modes(case: Case) -> Iterator[Finding]:
    """L16: a model is tested in the mode in which it trains."""
    told = []
    for event in case.events:
        model = event.owner
        if (
            event.name.startswith("call:torch")
            and model is not None
            and model.kind == "model"
            and event.without
        ):
            chance = [p for p in parts(model) if p.tail.startswith(("Dropout", "BatchNorm"))]
            if (
                chance
                and model not in told
                and _training(case, model, event)
                and not _inside(event)
            ):
                told.append(model)
                yield _mode(case, event, chance)
        elif model is not None and model.kind == "model" and event.name.startswith("call:tf"):
            flag = event.kwargs.get("training")
            chance = [p for p in parts(model) if p.tail in ("Dropout", "BatchNormalization")]
            data = event.args[0] if event.args else None
            if (
                flag is not None
                and flag.const is True
                and chance
                and not event.tapes
                and _part(data, "test")
            ):
                yield _keras_mode(case, event, chance)


def _inside(event: Event) -> bool:
    return any(isinstance(n, ast.FunctionDef) and n.name == "forward" for n in event.stack)


def _training(case: Case, model: Value, event: Event) -> bool:
    """Whether a model was trained before a call, and is still in the mode of training."""
    before = [e for e in case.events if e.order < event.order]
    trained = any(
        e.name == ".backward" and e.owner is not None and model in list(e.owner.ancestors())
        for e in before
    )
    last = [
        e
        for e in before
        if e.name in (".eval", ".train") and e.owner is not None and _holds(e.owner, model)
    ]
    unknown = [e for e in before if e.name in (".eval",) and (e.owner is None or not e.owner.known)]
    if not trained or unknown:
        return False
    if not last:
        return True
    flag = last[-1].arg(0, "mode")
    return last[-1].name == ".train" and not (flag is not None and flag.const is not True)


def _holds(owner: Value, model: Value) -> bool:
    return owner is model or model in parts(owner)


def _names(chance: list[Value]) -> str:
    return " and ".join(dict.fromkeys(p.tail for p in chance))


def _mode(case: Case, event: Event, chance: list[Value]) -> Finding:
    block = next((n for n in reversed(event.stack) if isinstance(n, ast.With)), None)
    statement = block or case.program.statement(event.node)
    name = case.text(event.node.func)
    edits = [] if statement is None else [case.program.insert_before(statement, f"{name}.eval()")]
    if edits and event.loops and block is not None and statement is not None:
        edits.append(case.program.insert_after(statement, f"{name}.train()"))
    rate = next((p.args[0].const for p in chance if p.tail.startswith("Dropout") and p.args), None)
    share = (
        f"Dropout sets {100 * rate:.0f} % of the values to zero by chance"
        if isinstance(rate, float)
        else "Dropout sets values to zero by chance"
    )
    why = f"{share}, as in training: the score is worse than it need be, and differs from call "
    "to call."
    if not any(p.tail.startswith("Dropout") for p in chance):
        why = (
            "BatchNorm uses the mean of this batch and not that of training: the answer for "
            "one image depends on the others."
        )
    return case.find(
        "L16", event.node, f"`{case.text(event.node)}` tests a model with {_names(chance)} that "
        "is in training mode.",
        f"{why} no_grad() turns the recording off, and nothing else.",
        f"Call `{name}.eval()` before testing.", (), edits,
    )  # fmt: skip


def _keras_mode(case: Case, event: Event, chance: list[Value]) -> Finding:
    keyword = next(k for k in event.node.keywords if k.arg == "training")
    return case.find(
        "L16", event.node, f"`{case.text(event.node)}` tests a model with {_names(chance)} as if "
        "it were in training.",
        "With training=True dropout sets values to zero by chance: the score is worse than it "
        "need be, and "
        "differs from call to call.",
        "Say training=False.", (), [case.program.replace(keyword, "training=False")],
    )  # fmt: skip


def preparations(case: Case) -> Iterator[Finding]:
    """L18: training and test data are prepared in different ways."""
    sets = [
        e.result for e in case.events if e.result.kind == "dataset" and e.result.facts.get("part")
    ]
    train = [v for v in sets if v.facts["part"] == "train"]
    test = [v for v in sets if v.facts["part"] == "test"]
    for a, b in ((a, b) for a in train[:1] for b in test[:1]):
        first, second = _scaling(case, a), _scaling(case, b)
        if first is not None and second is not None and first != second:
            yield _differ(case, a, b, first, second)
    yield from _scaled(case)
    yield from _dialects(case, train)


def _scaling(case: Case, data: Value) -> list[str] | None:
    steps = transforms(data.arg(2, "transform"))
    if any(s.kind != "transform" for s in steps):
        return None
    texts = [case.text(s.node) for s in steps if s.tail in ("ToTensor", "Normalize")]
    return [re.sub(r"^[\w.]*\.(?=[A-Z])", "", text) for text in texts]


def _differ(case: Case, a: Value, b: Value, first: list[str], second: list[str]) -> Finding:
    mine = next((k.value for k in getattr(b.node, "keywords", ()) if k.arg == "transform"), None)
    theirs = next((k.value for k in getattr(a.node, "keywords", ()) if k.arg == "transform"), None)
    edits = (
        [case.program.replace(mine, case.text(theirs))]
        if mine is not None and theirs is not None
        else []
    )
    plain = [s for s in transforms(a.arg(2, "transform")) if s.tail.startswith("Random")]
    if plain:
        edits = []
    return case.find(
        "L18", b.node, f"Training images go through {', '.join(first) or 'nothing'}; test images "
        f"through {', '.join(second) or 'nothing'}.",
        f"ToTensor gives numbers from 0 to 1. {_range(first, second)} The model is tested on "
        "numbers that it "
        "has never seen.",
        "Use the same ToTensor and Normalize for both.", (), edits,
    )  # fmt: skip


def _range(first: list[str], second: list[str]) -> str:
    step = next((s for s in (*first, *second) if s.startswith("Normalize")), "")
    if "0.5" in step and step.count("0.5") >= 2:
        return "Normalize(0.5, 0.5) makes (0 − 0.5) / 0.5 = −1 to (1 − 0.5) / 0.5 = 1 of them."
    return f"{step} moves and stretches them." if step else ""


def _division(value: Value) -> float | None:
    """The number that loaded images were divided by: 1 where they are as they were loaded."""
    for _ in range(8):
        node = value.node
        if value.facts.get("part"):
            if isinstance(node, ast.Subscript) and value.inputs:
                value = value.inputs[0]
                continue
            return 1.0
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and len(value.inputs) == 2:
            divisor = value.inputs[1].const
            return (
                float(divisor)
                if isinstance(divisor, (int, float)) and value.inputs[0].facts.get("part")
                else None
            )
        if isinstance(node, ast.Subscript) and value.inputs:
            value = value.inputs[0]
            continue
        if isinstance(node, ast.Call) and value.name in ("reshape", "expand_dims") and value.inputs:
            value = value.inputs[0]
            continue
        return None
    return None


def _scaled(case: Case) -> Iterator[Finding]:
    fits = [e for e in case.events if e.name == ".fit" and e.args]
    for fit in fits[:1]:
        for event in case.events:
            if (
                event.name not in (".evaluate", ".predict")
                or event.owner is not fit.owner
                or not event.args
            ):
                continue
            if not (_part(event.args[0], "test") and _part(fit.args[0], "train")):
                continue
            a, b = _division(fit.args[0]), _division(event.args[0])
            if a and b and a != b:
                node = event.written(0)
                text = case.text(node)
                edits = (
                    [case.program.replace(node, f"{text} / {a}")]
                    if node is not None and b == 1
                    else []
                )
                yield case.find(
                    "L18", event.node, f"Training images are divided by {a:g}, test images by "
                    f"{b:g}.",
                    f"The model learnt from numbers from 0 to {255 / a:g} and is tested on "
                    f"numbers from 0 to {255 / b:g}.",
                    "Prepare both in the same way.", (), edits,
                )  # fmt: skip


def _dialects(case: Case, train: list[Value]) -> Iterator[Finding]:
    """The same images in two programs of one text, prepared in two ways."""
    fits = [e for e in case.events if e.name == ".fit" and e.args and _division(e.args[0]) == 255.0]
    for data in train[:1]:
        names = _scaling(case, data) or []
        step = next((s for s in names if s.startswith("Normalize")), "")
        if fits and step:
            node = next(
                (v.node for v in transforms(data.arg(2, "transform")) if v.tail == "Normalize"),
                None,
            )
            edits = []
            parent = case.program.parents.get(node) if node is not None else None
            if (
                isinstance(parent, ast.List)
                and isinstance(node, ast.expr)
                and node is not parent.elts[0]
            ):
                before = parent.elts[parent.elts.index(node) - 1]
                edits = [Edit(case.program.span(before)[1], case.program.span(node)[1], "")]
            yield case.find(
                "L18", node, f"One model gets images / 255, from 0 to 1; the other {step}.",
                f"{_range([step], [])} Two models that get different numbers are compared here.",
                "Give both the same images: leave Normalize out, or use it in both.", (), edits,
            )  # fmt: skip


CHECKS = (tests, windows, modes, preparations)
