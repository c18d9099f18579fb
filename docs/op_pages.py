"""The reference of the functions: a page for each, written from what runs.

A row of the table knows its formula, cost, dtypes and example; a function made of rows is called
once, as its example says, and watched: the rows that it asks for are what it is made of. So each
example runs while the pages are written, and the build fails where one raises.
"""

import doctest
import inspect
import io
import json
import re
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_lab as lab
from minitorch_lab import LabError, creation, linalg, nn, words
from minitorch_lab.nn import functional as F
from minitorch_lab.op import INTERPRETER, OPS, Cost, Mismatch, Op, Spec, infer
from minitorch_lab.ops import FUNCTIONS, IN_PLACE
from minitorch_lab.tensor import Tensor
from minitorch_lab.tensor.record import RECORD

ROOT = Path(__file__).parents[1]
FAMILIES = {
    "Elementwise": "elementwise special bits",
    "Reductions": "reduce",
    "Shape": "movement",
    "Indexing": "indexing",
    "Linear algebra": "linalg einsum solve",
    "Sorting": "order",
    "Creation and random numbers": "creation",
    "Activations": "activations",
    "Convolution and pooling": "places",
    "Normalisation and dropout": "norm drop",
    "Attention and embedding": "attention bilinear sparse",
    "Losses": "losses",
}
HOME = {module: family for family, modules in FAMILIES.items() for module in modules.split()}
# Elementwise ops and reductions that are looked for here too.
ACTIVATIONS = {"relu", "sigmoid", "tanh", "softmax", "log_softmax"}
# Creation stands in one module with what needs no page.
MADE = (
    "arange empty empty_like eye full full_like linspace logspace ones ones_like tril_indices "
    "triu_indices zeros zeros_like bernoulli multinomial normal rand rand_like randint "
    "randint_like randn randn_like randperm"
).split()
SEED = "_ = lab.manual_seed(0)\n>>> "  # the example of what draws begins with it
# Where the docstring has no example.
EXAMPLES = {
    "lab.bernoulli": SEED + "lab.bernoulli(lab.full((2, 4), 0.5))",
    "lab.empty": "lab.empty(2, 3).shape",
    "lab.empty_like": "lab.empty_like(lab.ones(2, 3)).shape",
    "lab.eye": "lab.eye(2, 3)",
    "lab.full": "lab.full((2, 2), 7.0)",
    "lab.full_like": "lab.full_like(lab.zeros(3), 7.0)",
    "lab.logspace": "lab.logspace(0, 2, 3)",
    "lab.normal": SEED + "lab.normal(lab.tensor([0.0, 100.0]), lab.tensor([1.0, 10.0]))",
    "lab.ones": "lab.ones(2, 3)",
    "lab.ones_like": "lab.ones_like(lab.tensor([1, 2]))",
    "lab.rand": SEED + "lab.rand(3)",
    "lab.rand_like": SEED + "lab.rand_like(lab.zeros(3))",
    "lab.randint": SEED + "lab.randint(1, 7, (5,))",
    "lab.randint_like": SEED + "lab.randint_like(lab.zeros(3), 10)",
    "lab.randn": SEED + "lab.randn(3)",
    "lab.randn_like": SEED + "lab.randn_like(lab.zeros(3))",
    "lab.randperm": SEED + "lab.randperm(5)",
    "lab.tril_indices": "lab.tril_indices(2, 2)",
    "lab.triu_indices": "lab.triu_indices(2, 2)",
    "lab.zeros_like": "lab.zeros_like(lab.tensor([1, 2]))",
    "lab.linalg.diagonal": "lab.linalg.diagonal(lab.tensor([[1, 2], [3, 4]]))",
    "lab.linalg.matrix_norm": "lab.linalg.matrix_norm(lab.tensor([[1.0, -2.0], [3.0, 4.0]]), 1)",
    "lab.linalg.norm": "lab.linalg.norm(lab.tensor([3.0, 4.0]))",
    "lab.linalg.vector_norm": "lab.linalg.vector_norm(lab.tensor([3.0, -4.0]), 1)",
}


@dataclass
class Call:
    """One op that ran: its row, and its cost."""

    op: Op
    cost: Cost


@dataclass
class Entry:
    """A public function and what its page says."""

    name: str  # as a learner writes it: lab.tanh, F.relu
    function: Callable[..., Any]
    family: str
    also: list[str] = field(default_factory=list)  # its other names
    shown: str = ""  # the example with what it gave
    calls: list[Call] = field(default_factory=list)

    @property
    def own(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def row(self) -> Op | None:
        return self.function if isinstance(self.function, Op) else None

    @property
    def sentence(self) -> str:
        if self.row:
            return self.row.doc
        return (inspect.getdoc(self.function) or "").partition("\n\n")[0].replace("\n", " ")

    @property
    def signature(self) -> str:
        found = inspect.signature(self.function)
        empty = inspect.Parameter.empty
        bare = [p.replace(annotation=empty) for p in found.parameters.values()]
        bare = [p for p in bare if p.kind != p.VAR_KEYWORD]
        line = f"{self.name}{inspect.Signature(bare)}"
        if len(line) <= 72:
            return line
        star = next((i for i, p in enumerate(bare) if p.kind == p.KEYWORD_ONLY), len(bare))
        lines = [str(p) for p in bare]
        if star < len(bare) and not any(p.kind == p.VAR_POSITIONAL for p in bare):
            lines.insert(star, "*")
        return "\n".join([f"{self.name}(", *(f"    {text}," for text in lines), ")"])


# What there is --------------------------------------------------------------------------------


def _home(function: Any) -> str:
    if isinstance(function, Op):
        for module in sys.modules.values():
            if getattr(module, "__name__", "").startswith("minitorch_lab.ops.") and (
                function in vars(module).get("FUNCTIONS", {}).values()
            ):
                return HOME[module.__name__.rpartition(".")[2]]
        return "Linear algebra"
    return HOME[inspect.unwrap(function).__module__.rpartition(".")[2]]


def entries() -> list[Entry]:
    """Every public function once, under its first name, with its other names."""
    found: dict[Any, Entry] = {}
    named = [(f"lab.{n}", f) for n, f in FUNCTIONS.items() if not n.endswith("_")]
    named += [(f"lab.{n}", getattr(creation, n)) for n in MADE]
    named += [
        (f"lab.linalg.{n}", getattr(linalg, n))
        for n in linalg.__all__
        if not isinstance(getattr(linalg, n), type)
    ]
    named += [(f"F.{n}", getattr(F, n)) for n in F.__all__ if n != "check_probability"]
    for name, function in named:
        own = name.rpartition(".")[2]
        key = inspect.unwrap(function)
        entry = found.get(key)
        if entry is None:
            found[key] = Entry(name, function, _home(function))
        else:
            entry.also.append(name)
            if isinstance(key, Op) and own == key.name != entry.own:  # the row's own name is first
                entry.also[-1], entry.name = entry.name, name
    return sorted(found.values(), key=lambda e: e.name.lower())


# Examples -------------------------------------------------------------------------------------


class Watch:
    """An interpreter that runs ops as ever and notes them, while ``on``."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.on, self.calls = inner, False, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        out = self.inner.apply(op, inputs, attrs)
        self._note(op, out, inputs, attrs)
        return out

    def update(self, op: Op, target: Any, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        out = self.inner.update(op, target, inputs, attrs)
        self._note(op, out, inputs, attrs)
        return out

    def _note(self, op: Op, out: Any, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> None:
        if self.on:
            like = out.spec
            specs = [x.spec if isinstance(x, Tensor) else Spec((), like.dtype) for x in inputs]
            self.calls.append(Call(op, op.cost(like, *specs, **attrs)))

    @contextmanager
    def noting(self) -> Iterator[None]:
        before, self.on = self.on, True
        try:
            yield
        finally:
            self.on = before


class Room(types.ModuleType):
    """A module whose one function is watched."""

    def __init__(self, module: Any, watched: dict[Any, Callable[..., Any]]) -> None:
        super().__init__(module.__name__)
        self.module, self.watched = module, watched

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.module, name)
        if isinstance(value, types.ModuleType):
            return Room(value, self.watched)
        try:
            return self.watched.get(value, value)
        except TypeError:  # what cannot be a key is no function
            return value


def run_example(entry: Entry) -> None:
    """Run the example of an entry; keep what it shows, and the ops that the function called."""
    watch = Watch(INTERPRETER.get(RECORD))

    def watched(*args: Any, **kwargs: Any) -> Any:
        with watch.noting():
            return entry.function(*args, **kwargs)

    rooms = {name: Room(module, {entry.function: watched}) for name, module in ROOMS.items()}
    plain = inspect.unwrap(entry.function)
    names = {**getattr(plain, "__globals__", {}), **rooms}
    if getattr(plain, "__name__", "") in names:
        names[plain.__name__] = watched
    text = entry.row.example if entry.row else inspect.getdoc(entry.function) or ""
    if ">>>" not in text:
        text = f">>> {EXAMPLES[entry.name]}"
    examples = doctest.DocTestParser().get_examples(text)
    lines: list[str] = []
    token = INTERPRETER.set(watch)
    try:
        for method in (False, True):  # an example may call the method: then all of it is noted
            watch.on, lines = method, []
            lab.manual_seed(0)
            for example in examples:
                source = example.source.rstrip()
                if source.startswith("import minitorch_lab"):
                    continue  # the index says what lab and F are
                lines += [
                    (">>> " if i == 0 else "... ") + x for i, x in enumerate(source.split("\n"))
                ]
                said = io.StringIO()
                with redirect_stdout(said):
                    exec(compile(example.source, entry.name, "single"), names)  # noqa: S102
                lines += [said.getvalue().rstrip("\n")] if said.getvalue() else []
            if watch.calls:
                break
    except Exception as error:
        raise RuntimeError(f"the example of {entry.name} fails: {error}") from error
    finally:
        INTERPRETER.reset(token)
    entry.shown, entry.calls = "\n".join(lines), watch.calls


ROOMS = {"lab": lab, "F": F, "nn": nn}


# Pages ----------------------------------------------------------------------------------------


def _formulas(op: Op) -> str:
    value, gradient = op.formula
    parts = [value]
    if op.differentiable:  # one line each, so that a narrow page holds them
        parts += re.split(r"\s*,?\s*\\q?quad\s*", gradient)
    shown = [f"$$\n{part}\n$$" for part in parts if part.strip()]
    return "\n\n".join(shown)


BAR = "A bar means the gradient of the loss with respect to what is under it."


def _heart(entry: Entry) -> str:
    """The formulas of the one row that does the work, where there is one."""
    rows = {call.op for call in entry.calls if not call.op.view}
    if len(rows) != 1:
        return ""
    (op,) = rows
    bar = f"\n\n{BAR}" if op.differentiable else ""
    return f"Its work is done by one row, `{op.name}`:\n\n{_formulas(op)}{bar}"


def _order(op: Op) -> str:
    """How the work grows, where the cost says it in one number."""
    one = Spec((), np.dtype("float32"))
    kind = op.cost.__qualname__.partition(".")[0]
    of = {"per_entry": "each entry of the result", "per_input": "each entry of the input"}
    if kind not in of:
        return "nothing is computed" if kind == "free" else ""
    flops = op.cost(one, one).flops
    return f"{flops} flop{'s' * (flops != 1)} for {of[kind]}" if flops else "nothing is computed"


def _page(name: str) -> str:
    return name.removeprefix("lab.").replace("F.", "nn.functional.")


def _amount(number: int, unit: str) -> str:
    return f"{number:,} {unit}".replace(",", "\u202f")


def _facts(entry: Entry, pages: dict[Op, str], lessons: dict[str, str]) -> list[tuple[str, str]]:
    """What the table of a page says, row by row."""
    row, own = entry.row, entry.own
    facts = []
    if entry.also:
        facts.append(("Other names", ", ".join(f"`{name}`" for name in entry.also)))
    if hasattr(Tensor, own) and inspect.unwrap(getattr(Tensor, own)) is inspect.unwrap(
        entry.function
    ):
        facts.append(("Method", f"`x.{own}(...)`"))
    if own in IN_PLACE or f"{own}_" in FUNCTIONS:
        facts.append(("In place", f"`x.{own}_(...)`"))
    rows = list(dict.fromkeys(call.op for call in entry.calls))
    if row is None and rows:
        times = [call.op for call in entry.calls]
        made = [
            f"[{op.name}]({pages[op]})" + (f" × {times.count(op)}" if times.count(op) > 1 else "")
            for op in rows
        ]
        facts.append(("Made of", ", ".join(made)))
    if row:
        kept = [row.arguments[i] for i in sorted(row.saved) if i < len(row.arguments)]
        kept += ["the result"] if row.saves_output else []
        if row.differentiable:
            facts.append(("Keeps for backward", ", ".join(kept) or "nothing"))
        facts.append(("Memory", "a view where it can be" if row.view else "its own"))
        facts.append(("Dtypes", _dtypes(row)))
        facts.append(("ONNX", f"`{row.onnx}`" if row.onnx else "no op of its own"))
        parts = "its parts can" if row.composition else "no"
        facts.append(("Can be fused", "yes" if row.kernel else parts))
    elif rows and all(op.view for op in rows):
        facts.append(("Memory", "a view where it can be"))
    if SEED in EXAMPLES.get(entry.name, "") or any(op.random for op in rows):
        facts.append(("Random", "draws anew at each call; `lab.manual_seed` makes it repeat"))
    if entry.calls:
        flops = sum(call.cost.flops for call in entry.calls)
        size = sum(call.cost.bytes for call in entry.calls)
        cost = f"{_amount(flops, 'flops')}, {_amount(size, 'bytes')} read and written"
        if row and _order(row):
            facts.append(("Cost", _order(row)))
        facts.append(("Cost of the example", cost))
    used = [link for text, link in lessons.items() if re.search(rf"\b{own}\(", text)]
    if used:
        facts.append(("In lessons", ", ".join(used)))
    return facts


def _dtypes(row: Op) -> str:
    refused = [words.KINDS[kind] for kind, dtype in TRIED.items() if not _takes(row, kind, dtype)]
    refused += [words.KINDS[kind] for kind in row.refuses if kind not in TRIED]
    said = f"all but {' and '.join(dict.fromkeys(refused))}" if refused else "all"
    return said + ("; whole numbers become floats" if row.floats else "")


TRIED = {"b": np.dtype(bool), "i": np.dtype("int64"), "f": np.dtype("float32")}
GIVEN = ("integers", "mask")  # inputs whose kind is part of what the op is


def _takes(row: Op, kind: str, dtype: np.dtype) -> bool:
    """Whether the op takes its first sample with entries of another kind."""
    if kind in row.refuses or not row.samples:
        return kind not in row.refuses
    sample, rng = row.samples[0], np.random.default_rng(0)
    specs = []
    for draw in sample.inputs:
        array = draw(rng)
        specs.append(Spec(array.shape, array.dtype if draw.kind in GIVEN else dtype))
    try:
        infer(row, specs, sample.attrs)
    except (Mismatch, LabError):
        return False
    return True


def _body(entry: Entry) -> str:
    """The sentence and what follows it in the docstring, without the example."""
    if entry.row:
        rest = [note for note in words.notes(entry.row) if not note.startswith("Inputs of")]
        return "\n".join([entry.row.doc, "", *rest])
    text = inspect.getdoc(entry.function) or ""
    return text.partition("\n>>>")[0].rstrip()


def _source(entry: Entry) -> tuple[str, str]:
    """The file and line of an entry, and its text."""
    if entry.row is None:
        function = inspect.unwrap(entry.function)
        lines, start = inspect.getsourcelines(function)
        file = Path(inspect.getsourcefile(function) or "")
        return f"{file.relative_to(ROOT)}, line {start}", "".join(lines)
    for file in sorted((ROOT / "minitorch_lab" / "ops").glob("*.py")):
        lines = file.read_text().splitlines()
        for start, line in enumerate(lines):
            head = f"{line} {lines[start + 1].strip() if start + 1 < len(lines) else ''}"
            if re.match(rf'\w+(: Op)? = [\w.]+\( ?"{entry.row.name}",', head):
                end = start
                while lines[end] not in (")", "}") and not lines[start].endswith(")"):
                    end += 1
                text = "\n".join(lines[start : end + 1])
                return f"{file.relative_to(ROOT)}, line {start + 1}", text
    raise LookupError(f"the row {entry.row.name} is not found in the files of ops")


def _write(folder: Path, entry: Entry, pages: dict[Op, str], lessons: dict[str, str]) -> None:
    facts = "\n".join(f":{name}: {text}" for name, text in _facts(entry, pages, lessons))
    place, source = _source(entry)
    family = re.sub(r"\W+", "-", entry.family.lower())
    parts = [
        f"---\norphan: true\n---\n# {entry.name}",
        f"[Functions](../functions.md) / [{entry.family}](../functions.md#{family})",
        f"```python\n{entry.signature}\n```",
        f"```{{eval-rst}}\n{_body(entry)}\n```",
        _formulas(entry.row) if entry.row else _heart(entry),
        BAR if entry.row and entry.row.differentiable else "",
        f"## Example\n\n```pycon\n{entry.shown}\n```" if entry.shown else "",
        f"## Facts\n\n{facts}" if facts else "",
        f"## Source\n\n`{place}`\n\n````python\n{source.rstrip()}\n````",
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    (folder / f"{_page(entry.name)}.md").write_text(text)


def _index(found: list[Entry]) -> str:
    parts = [
        """# Functions

Every function by its family; most are methods of a tensor too. In the examples `lab` is
`minitorch_lab` and `F` is `minitorch_lab.nn.functional`, and each was run when these pages were
built. The rows that only other functions and gradient rules call stand on
[a page of their own](inner.md), those of recurrent layers among them; the layers are
[classes](../nn.md)."""
    ]
    for family in FAMILIES:
        lines = [
            f"| [{e.name}](functions/{_page(e.name)}.md) | {_in_table(e.sentence)} |"
            for e in found
            if e.family == family or (family == "Activations" and e.own in ACTIVATIONS)
        ]
        parts.append(f"## {family}\n\n| function | what it gives |\n|---|---|\n" + "\n".join(lines))
    named = {name: e for e in found for name in e.also}
    lines = [
        f"| `{name}` | [{e.name}](functions/{_page(e.name)}.md) |"
        for name, e in sorted(named.items(), key=lambda pair: pair[0].lower())
    ]
    parts.append("## Second names\n\n| name | is |\n|---|---|\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _in_table(sentence: str) -> str:
    """A sentence of a docstring as Markdown in a cell."""
    sentence = re.sub(r":math:`([^`]*)`", r"$\1$", sentence).replace("``", "`")
    return sentence.replace("|", r"\|")


def _inner(rows: list[Op]) -> str:
    parts = [
        f"""# Inner rows

What functions are made of, and what gradient rules call; a learner meets them in graphs. {BAR}"""
    ]
    for op in rows:
        dots = "..." if op.variadic else ""
        none = "" if op.differentiable else "\n\nIt has no gradient."
        parts.append(
            f"(op-{op.name})=\n## {op.name}\n\n`{op.name}({', '.join(op.arguments)}{dots})`\n\n"
            f"{op.doc}\n\n{_formulas(op)}{none}"
        )
    return "\n\n".join(parts) + "\n"


def _lessons() -> dict[str, str]:
    """The code of each lesson, and a link to its page."""
    found = {}
    for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(file.read_text())["cells"]
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        found[code] = f"[{file.name[:2]}](../../../lessons/notebooks/{file.name})"
    return found


def write_op_pages(folder: Path) -> None:
    """Write the index, a page for each function, and the page of the inner rows."""
    (folder / "functions").mkdir(parents=True, exist_ok=True)
    for old in folder.rglob("*.md"):
        old.unlink()
    found = entries()
    for entry in found:
        run_example(entry)
    public = {e.row: f"{_page(e.name)}.md" for e in found if e.row}
    inner = [OPS[name] for name in sorted(OPS) if OPS[name] not in public]
    pages = {op: f"../inner.md#op-{op.name}" for op in inner} | public
    lessons = _lessons()
    for entry in found:
        _write(folder / "functions", entry, pages, lessons)
    (folder / "functions.md").write_text(_index(found))
    (folder / "inner.md").write_text(_inner(inner))
