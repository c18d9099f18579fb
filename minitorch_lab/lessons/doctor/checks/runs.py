"""L17, L19 and L25: whether what a program shows can be checked, and is what it says."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from ..case import Case, parts
from ..model import Edit, Finding
from ..values import Value


def sizes(case: Case) -> Iterator[Finding]:
    """L17: two models that are compared have not the same size."""
    ours = [(n, m) for m in case.models if m.library == "torch" and (n := _weights(m)) is not None]
    theirs = _theirs(case)
    if len({e.name == ".step" for e in case.trains}) < 2:
        return  # not both are trained: nothing is compared
    if (
        len(ours) != 1
        or len(theirs) != 1
        or len(case.models) > 2
        or any(e.problem for e in case.events)
    ):
        return
    (first, model), (second, words, node) = ours[0], theirs[0]
    if first[0] == second[0]:
        return
    times = round(max(first[0], second[0]) / min(first[0], second[0]))
    more = f"{times} times the weights" if times > 1 else "some weights more"
    yield case.find(
        "L17", node, f"The two models that are compared have {second[0]:,} and {first[0]:,} "
        "weights.",
        f"In TensorFlow: {words}. In PyTorch: {first[1]}. The larger one has {more}: what "
        "differs in "
        "time or accuracy may come from that alone.",
        "Give both the same layers.", (), _same(case, theirs[0], model),
    )  # fmt: skip


def _weights(model: Value) -> tuple[int, str] | None:
    """How many weights a PyTorch-style model of linear and convolutional layers has."""
    total, words = 0, []
    for layer in parts(model):
        if layer.kind != "layer":
            continue
        a, b = layer.number(0), layer.number(1)
        if layer.tail == "Linear" and a and b:
            n = a * b + b
            words.append(f"{a} * {b} + {b} = {n:,}")
        elif layer.tail == "Conv2d" and a and b and layer.number(2):
            k = layer.number(2) or 0
            n = a * b * k * k + b
            words.append(f"{a} * {b} * {k} * {k} + {b} = {n:,}")
        elif layer.tail in (
            "ReLU",
            "MaxPool2d",
            "Flatten",
            "Dropout",
            "Softmax",
            "Tanh",
            "Sigmoid",
        ):
            n = 0
        else:
            return None
        total += n
    return (total, ", ".join(words)) if words else None


def _theirs(case: Case) -> list[tuple[tuple[int, str], str, ast.AST | None]]:
    """The same of a TensorFlow-style model: a Sequential, or layers of a session program."""
    found: list[tuple[tuple[int, str], str, ast.AST | None]] = []
    for model in case.models:
        layers = model.facts.get("layers")
        if model.library in ("tf", "tf1") and layers:
            counts = [_built(x, x.facts.get("input")) for x in layers if x.kind == "layer"]
            if all(c is not None for c in counts):
                found.append(_summed([c for c in counts if c], model.node))
    session = [e.result for e in case.events if "made_layer" in e.result.facts]
    if session:
        counts = [_built(v.facts["made_layer"], v.facts["from"]) for v in session]
        if all(c is not None for c in counts):
            found.append(_summed([c for c in counts if c], session[0].node))
    return found


def _summed(
    counts: list[tuple[int, str]], node: ast.AST | None
) -> tuple[tuple[int, str], str, ast.AST | None]:
    words = ", ".join(text for _, text in counts if text)
    return (sum(n for n, _ in counts), words), words, node


def _built(layer: Value, x: Value | None) -> tuple[int, str] | None:
    shape = x.shape if x is not None else None
    a = shape[-1] if shape else None
    match layer.tail:
        case "Dense" | "dense":
            b = layer.number(0, "units")
            return (a * b + b, f"{a} * {b} + {b} = {a * b + b:,}") if a and b else None
        case "Conv2D" | "conv2d":
            b, k = layer.number(0, "filters"), layer.number(1, "kernel_size")
            n = a * b * k * k + b if a and b and k else None
            return (n, f"{a} * {b} * {k} * {k} + {b} = {n:,}") if n is not None else None
        case (
            "Flatten"
            | "MaxPooling2D"
            | "Dropout"
            | "Activation"
            | "flatten"
            | "dropout"
            | "max_pooling2d"
        ):
            return 0, ""
        case _:
            return None


def _same(
    case: Case, theirs: tuple[tuple[int, str], str, ast.AST | None], model: Value
) -> list[Edit]:
    """One hidden layer more in a session program that has only the last one."""
    node = theirs[2]
    hidden = [x.number(1) for x in parts(model) if x.kind == "layer" and x.tail == "Linear"][:-1]
    made = [e for e in case.events if e.result.facts.get("layer") == "dense"]
    statement = case.program.statement(node) if node is not None else None
    if (
        len(made) != 1
        or len(hidden) != 1
        or statement is None
        or not isinstance(node, ast.Call)
        or not node.args
    ):
        return []
    tf, x = case.text(node.func).partition(".")[0], case.text(node.args[0])
    line = f"h = {tf}.layers.dense({x}, units={hidden[0]}, activation={tf}.nn.relu)"
    return [case.program.insert_before(statement, line), case.program.replace(node.args[0], "h")]


_SEEDS = (*"default_rng RandomState PRNGKey enable_op_determinism Generator".split(),)


def seeds(case: Case) -> Iterator[Finding]:
    """L19: a training run prints numbers and sets no seed."""
    if case.notebook or not case.trains or not case.trains[0].main:
        return
    names = {
        n.func.attr
        for n in case.program.walk(ast.Call)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
    }
    names |= {
        n.func.id
        for n in case.program.walk(ast.Call)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
    if any("seed" in n or n in _SEEDS for n in names):
        return
    first = case.trains[0]
    quiet = first.kwargs.get("verbose")
    shows = first.name == ".fit" and (quiet is None or quiet.const not in (0, False))
    if not (shows or _printed(case)):
        return
    if not any(
        e.result.kind in ("model", "layer")
        or e.result.facts.get("drawn")
        or e.result.facts.get("layer")
        for e in case.events
    ):
        return
    torch, tf = (
        case.program.called("torch"),
        case.program.called("tf") or case.program.called("tf1"),
    )
    legacy = case.program.called("tf") is None or any(
        e.result.kind == "session" for e in case.events
    )
    lines = [f"{torch}.manual_seed(0)"] if torch else []
    if tf:
        lines.append(f"{tf}.set_random_seed(0)" if legacy else f"{tf}.random.set_seed(0)")
    if not lines:
        return
    yield case.find(
        "L19", first.node, "This run draws its first weights by chance, and sets no seed.",
        "Two runs print different numbers. Whoever repeats it cannot tell a mistake from luck.",
        f"Set a seed before anything is drawn: {' and '.join(lines)}.",
        (), [case.program.after_imports("\n".join(lines))],
    )  # fmt: skip


def _printed(case: Case) -> bool:
    """Whether a number that training made is printed."""
    loops = {loop for e in case.trains for loop in e.loops}
    return any(
        e.name == "print"
        and (
            loops & set(e.stack)
            or any(v.kind in ("model", "layer") for a in e.args for v in a.ancestors())
        )
        for e in case.events
    )


_STATIC = re.compile(r"\bstatic\b.*\bgraph|\bgraph\w*\b.*\bstatic\b", re.IGNORECASE)
_DYNAMIC = re.compile(r"\bdynamic\b.*\bgraph|\bgraph\w*\b.*\bdynamic\b", re.IGNORECASE)
_CAREFUL = re.compile(
    r"\b(not|no|unlike|instead|than|versus|vs|or|both|was|were)\b|n't", re.IGNORECASE
)


def labels(case: Case) -> Iterator[Finding]:
    """L25: a comment calls a graph static that is recorded, or the other way."""
    text = case.program.source
    if not _STATIC.search(text) and not _DYNAMIC.search(text):
        return
    for row, column, comment in comments(text):
        if _CAREFUL.search(comment):
            continue
        near = _next(case, row)
        if near is None:
            continue
        code = case.text(near)
        built = any(
            w in text
            for w in ("tf.function", "Session(", "lab.compile", "torch.compile", "@lab.function")
        )
        if (
            _STATIC.search(comment)
            and not built
            and ("GradientTape(" in code or ".backward()" in code)
        ):
            yield _label(case, row, column, comment, near, static=True)
        elif _DYNAMIC.search(comment) and re.search(
            r"^@?\w*\.?Session\(|= \w+\.(compat\.v1\.)?Session\(|@tf\.function", code
        ):
            yield _label(case, row, column, comment, near, static=False)


def comments(text: str) -> list[tuple[int, int, str]]:
    """Line, column and text of each comment."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    try:
        return [(*t.start, t.string) for t in tokens if t.type == tokenize.COMMENT]
    except (tokenize.TokenError, IndentationError):
        return []


def _next(case: Case, row: int) -> ast.stmt | None:
    """The statement that a comment stands over or behind."""
    statements = [n for n in case.program.walk(ast.stmt) if isinstance(n, ast.stmt)]
    beside = [s for s in statements if s.lineno == row]
    after = sorted(
        (s for s in statements if s.lineno > row), key=lambda s: (s.lineno, s.col_offset)
    )
    return beside[0] if beside else after[0] if after else None


def _label(
    case: Case, row: int, column: int, comment: str, near: ast.stmt, static: bool
) -> Finding:
    start = case.program._starts[row - 1] + column
    new = "# The tape records what is computed in this block"
    if not static:
        new = "# The graph is built first, and run later"
    elif "GradientTape" not in case.text(near):
        new = "# The graph was recorded as the code ran"
    why = (
        "Nothing was built before it ran: each line computes at once, and what it did is written "
        "down. The next "
        "run writes down anew, and may take another branch. That is a dynamic graph."
        if static
        else "The lines that follow compute nothing yet: they build a graph, and it is the same "
        "in each run. That is a static graph."
    )
    found = case.find(
        "L25", near, f"The comment `{comment}` says {'static' if static else 'dynamic'}, and the "
        "code is not.",
        why, "Say what it is.", (), [Edit(start, start + len(comment), new)],
    )  # fmt: skip
    return Finding(**{**vars(found), "lines": (row, row)})


CHECKS = (sizes, seeds, labels)
__all__ = ["CHECKS", "comments"]
