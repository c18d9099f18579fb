"""A run as a script: the code that does the steps of a branch again, from its start.

What has a source (classes, functions, layers by what they print) is written down, and checked by
making it anew. What was only in memory (weights that no seed gives, data) goes into a safetensors
file, which the script reads. What can be had neither way is named: the script asks for it.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import nn, optim, random
from ..device import to_host
from ..errors import ArgumentError
from ..nn import Module
from ..nn import functional as F
from ..optim import Optimizer, lr_scheduler
from ..optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from ..saving import save
from ..tensor import make
from ..utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset
from ..utils.data.collate import default_collate
from .rewind import Checkpoint, dropouts, schedule_of, tensors_of

if TYPE_CHECKING:
    from .training import Training

HEAD = """\
import numpy as np

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.nn import functional as F
from minitorch_lab.utils.data import DataLoader, TensorDataset
"""
STEP = """
def step(x, y):
    optimizer.zero_grad()
    value = loss(model(x), y)
    value.backward()
    optimizer.step()
    return value.detach()

"""
PASS = """
model.train()
losses = []
while len(losses) < STEPS:
{before_pass}    for x, y in loader:
{before}        losses.append(run(x, y).item())
{after}        if len(losses) == STEPS:
            break
    else:
{end}"""
EACH = "for group in optimizer.param_groups:"
VALIDATE = """\
        model.eval()
        with lab.no_grad():
            for x, y in valid:  # draws random numbers, as each pass does
                loss(model(x), y)
        model.train()
"""


class Script(str):
    """The text of a script; ``notes`` says what could not be written down, ``file`` is the file
    that it reads, or None."""

    __slots__ = ("file", "notes")
    notes: list[str]
    file: str | None

    def __repr__(self) -> str:
        return str(self)


class Unwritable(Exception):
    """There is no code for something; the text says why."""


def script(run: Training, file: str | None = None) -> Script:
    """The script of a run up to its present step; see ``Training.script``."""
    return _Writer(run, file).write()


@contextmanager
def rates(model: Module, values: list[float]) -> Iterator[None]:
    """A ``with`` block in which the dropout layers have these rates."""
    layers = dropouts(model)
    now = [layer.p for layer in layers]
    try:
        for layer, value in zip(layers, values, strict=True):
            layer.p = value
        yield
    finally:
        for layer, value in zip(layers, now, strict=True):
            layer.p = value


class _Writer:
    def __init__(self, run: Training, file: str | None) -> None:
        self.run = run
        self.branches = run._branch.line
        root = self.branches[0].run
        first = root.kept.before(0)
        if first is None or not run.step_count:
            raise ArgumentError(
                "script(): the start of the run is not kept\n"
                f"  {root.kept!r}\n  expected a run that has done a step, and its step 0 kept"
            )
        self.root, self.first = root, first
        self.path = str(file or f"{_plain(root.name)}-start.safetensors")
        self.saved: dict[str, Any] = {}
        self.notes: list[str] = []
        self.sources = Sources()
        self.parts: list[str] = []

    def write(self) -> Script:
        parts = [
            self._model(),
            self._named("loss", self.root.loss, _callable),
            self._optimizer(),
            self._data("loader", self.root.loader, self.first.batch_size),
        ]
        if self.root.valid is not None:
            parts.append(self._data("valid", self.root.valid, self.root.valid.batch_size or 1))
        parts.append(self._schedule())
        if self.root.device != "cpu":
            self.notes.append(f"the run was on {self.root.device}; the script is on the CPU")
        steps = self._steps()
        code = "\n".join([*self.sources.texts, *(part for part in parts if part), steps])
        head = [HEAD, *self.sources.imports]
        if self.saved:
            save(self.saved, self.path)
            said = "not from a seed or code: " + ", ".join(self.saved)
            head.append(f"\nstart = lab.load({self.path!r})  # {said}")
        title = f"{self.branches[-1].name}, {self.run.step_count:,} steps"
        comments = [f"# {title}: the script gives the same losses, in the list `losses`."]
        comments += [f"# Note: {note}" for note in self.notes]
        text = Script("\n".join([*comments, "", *head, "", code]).rstrip() + "\n")
        text.notes, text.file = self.notes, self.path if self.saved else None
        return text

    # Parts.

    def _model(self) -> str:
        model = self.root.model
        try:
            with rates(model, self.first.rates):  # as they were when the run began
                code = self.sources.write(lambda: module_code(model, self.sources))
        except Unwritable as why:
            self._ask("model", str(why))
            self._save_weights()
            return "model.load_state_dict(start['model'])"
        for seed in dict.fromkeys([self.root._keeper.seed, self.root.seed]):
            if seed is not None and self._starts_from(code, seed):
                return f"lab.manual_seed({seed})\nmodel = {code}"
        self._save_weights()
        return f"model = {code}\nmodel.load_state_dict(start['model'])"

    def _starts_from(self, code: str, seed: int) -> bool:
        with random.fork_rng():
            random.manual_seed(seed)
            made = self.sources.run(code)
        kept = self._start_weights()
        return all(np.array_equal(to_host(v.array), kept[k]) for k, v in made.state_dict().items())

    def _start_weights(self) -> dict[str, Any]:
        model, optimizer = self.root.model, self.root.optimizer
        tensors = tensors_of(model, optimizer)
        kept = {id(t.array): to_host(a) for t, a in zip(tensors, self.first.arrays, strict=True)}
        return {name: kept[id(value.array)] for name, value in model.state_dict().items()}

    def _save_weights(self) -> None:
        self.saved["model"] = {k: make(v.copy()) for k, v in self._start_weights().items()}

    def _named(self, name: str, value: Any, code: Callable[[Any, Sources], str]) -> str:
        try:
            text = self.sources.write(lambda: code(value, self.sources))
        except Unwritable as why:
            self._ask(name, str(why))
            return ""
        return "" if text == name else f"{name} = {text}"

    def _ask(self, name: str, why: str) -> None:
        self.notes.append(
            f"{name} is not in the script ({why}): give it, exec(script, {{{name!r}: {name}}})"
        )

    def _optimizer(self) -> str:
        optimizer = self.root.optimizer
        state = self.first.state
        # a schedule begins with the rate that the optimiser was made with
        groups = [
            {**group, "lr": group.get("initial_lr", group["lr"])} for group in self.first.groups
        ]
        try:
            code = optimizer_code(optimizer, groups, self.root.model)
        except Unwritable as why:
            self._ask("optimizer", str(why))
            return ""
        lines = [f"optimizer = {code}"]
        if any(number for slots in state.values() for number in [slots.get("step", 1)]):
            numbers = [id(t) for t in tensors_of(self.root.model, optimizer)]
            params = [p for group in optimizer.param_groups for p in group["params"]]
            where = {numbers.index(id(p)): i for i, p in enumerate(params)}
            self.saved["optimizer"] = {
                "state": {
                    where[i]: {
                        k: make(to_host(v)) if hasattr(v, "nbytes") else v for k, v in slots.items()
                    }
                    for i, slots in state.items()
                },
                "param_groups": optimizer.state_dict()["param_groups"],
            }
            lines.append("optimizer.load_state_dict(start['optimizer'])")
        return "\n".join(lines)

    def _data(self, name: str, loader: Any, size: int) -> str:
        try:
            inside = self.sources.write(lambda: loader_options(loader, size, self.sources))
        except Unwritable as why:
            self._ask(name, str(why))
            return ""
        dataset = loader.dataset
        if isinstance(dataset, TensorDataset):
            self.saved[name] = [make(to_host(t.array)) for t in dataset.tensors]
            text = f"TensorDataset(*start[{name!r}])"
        else:
            try:
                text = self.sources.write(lambda: object_code(dataset, self.sources))
            except Unwritable as why:
                self._ask(f"{name}_data", str(why))
                text = f"{name}_data"
        return f"{name} = DataLoader({text}, {inside})"

    def _schedule(self) -> str:
        schedule = schedule_of(self.root)
        if schedule is None:
            return ""
        groups = self.first.groups
        try:
            if (self.first.schedule or {}).get("last_epoch"):
                raise Unwritable("it was used before the run")
            if isinstance(schedule, ReduceLROnPlateau):
                raise Unwritable("it needs the loss of each epoch: write schedule.step(loss)")
            code = schedule_code(schedule)
        except Unwritable as why:
            self._ask("schedule", str(why))
            return ""
        rates = [f"optimizer.param_groups[{i}]['lr'] = {g['lr']!r}" for i, g in enumerate(groups)]
        return "\n".join([f"schedule = {code}", *rates])

    # The steps.

    def _steps(self) -> str:
        before, after, begins = self._changes()
        modes = {self.first.mode, *(m.new for m in self._marks("mode"))}
        lines = [f"STEPS = {self.run.step_count}"]
        if "graph" in modes:
            lines.append("compiled = lab.compile(step)")
        lines.append(f"run = {'compiled' if self.first.mode == 'graph' else 'step'}")
        if self.root.seed is not None:
            lines.append(f"lab.manual_seed({self.root.seed})")
            begins.pop(0, None)
        lines += after.pop(0, [])
        end = VALIDATE if self.run.valid is not None else ""
        if schedule_of(self.root) is not None:
            end += "        schedule.step()\n"
        text = PASS.format(
            before_pass=_blocks(begins, 4),
            before=_blocks(before, 8),
            after=_blocks(after, 8),
            end=end or "        pass\n",
        )
        if not end:
            text = text.replace("    else:\n        pass\n", "")
        return STEP + "\n" + "\n".join(lines) + text

    def _marks(self, kind: str = "") -> list[Any]:
        marks = self.run.history.marks[self.first.rows[2] :]
        return [mark for mark in marks if not kind or mark.kind == kind]

    def _changes(self) -> tuple[dict[int, list[str]], dict[int, list[str]], dict[int, list[str]]]:
        """What is done before the step after a step, what after it, what before a pass."""
        before: dict[int, list[str]] = {}
        after: dict[int, list[str]] = {}
        begins: dict[int, list[str]] = {}
        steps = self.run.step_count
        for mark in self._marks():
            if mark.step < steps:
                after.setdefault(mark.step, []).extend(self._mark(mark))
        for branch in self.branches[1:]:
            if branch.step < steps:
                lines = after.setdefault(branch.step, [])
                lines.append(f"# the fork {branch.name!r}")
                for name, (_, new) in branch.changed.items():
                    lines += self._fork(branch, name, new)
        for event in self.run._keeper.events:
            if event.step >= steps:
                continue
            if event.step == 0 and event.kind == "start" and self.root.seed is not None:
                continue
            self.saved.setdefault("random", {})[str(event.step)] = make(event.random[0])
            line = f"lab.set_rng_state(start['random']['{event.step}'])"
            if event.kind == "draw":
                before.setdefault(event.step, []).append(line)
                continue
            begins.setdefault(event.step, []).append(line)
            if event.left:
                after.setdefault(event.step, []).append("break  # stopped; started again")
        history = self.run.history
        bad = history.step[~np.isfinite(history.loss) & (history.step < steps)]
        if len(bad):
            self.notes.append(
                f"after step {bad[0]:,}, whose loss was not finite, the run went on from "
                "earlier weights; the script does not: rewind or fork the run instead"
            )
        for lines in after.values():
            lines.sort(key=lambda line: line.startswith("break"))
        return before, after, begins

    def _mark(self, mark: Any) -> list[str]:
        if mark.kind == "mode":
            return [f"run = {'compiled' if mark.new == 'graph' else 'step'}"]
        if mark.kind == "device":
            self.notes.append(
                f"the run was moved to {mark.new} after step {mark.step:,}; the "
                "script stays, which is equal to rounding"
            )
            return []
        return self._setting(mark.kind, mark.old, mark.new)

    def _setting(self, name: str, old: Any, new: Any) -> list[str]:
        if name == "dropout":
            layers = [n for n, m in self.run.model.named_modules() if m in dropouts(self.run.model)]
            return [f"model.get_submodule({n!r}).p = {new!r}" for n in layers]
        if name == "batch_size":
            return [f"loader.batch_sampler.batch_size = {new!r}  # from the next batch on"]
        groups = [group for b in self.branches for group in b.run.optimizer.param_groups]
        if name == "lr" and len(self.run.optimizer.param_groups) > 1 and old:
            return [
                EACH,
                f"    group['lr'] = {new!r} if group['lr'] == {old!r} else "
                f"group['lr'] * {new!r} / {old!r}",
            ]
        if name == "momentum" and not any(name in group for group in groups):
            return [EACH, f"    group['betas'] = ({new!r}, group['betas'][1])"]
        if not any(name in group for group in groups):
            self.notes.append(f"a change of {name} is not in the script")
            return []
        return [EACH, f"    group[{name!r}] = {new!r}"]

    def _fork(self, branch: Any, name: str, new: Any) -> list[str]:
        if name != "optimizer":
            if "optimizer" in branch.changed and name not in ("batch_size", "dropout"):
                return []  # it was made with this setting
            return self._setting(name, branch.changed[name][0], new)
        try:
            first = branch.start
            code = optimizer_code(branch.run.optimizer, first.groups, branch.run.model)
        except Unwritable as why:
            self.notes.append(f"the optimiser of {branch.name!r} is not in the script ({why})")
            return []
        again = (
            ["compiled = lab.compile(step)"]
            if self._marks("mode") or (branch.run.mode == "graph")
            else []
        )
        return [f"optimizer = {code}", *again, f"run = {_mode(first)}"]


def _mode(checkpoint: Checkpoint) -> str:
    return "compiled" if checkpoint.mode == "graph" else "step"


def _blocks(changes: dict[int, list[str]], indent: int) -> str:
    lines = []
    for step, inner in sorted(changes.items()):
        lines.append(f"if len(losses) == {step}:")
        for line in inner:
            if line != EACH or _last_outer(lines) != "    " + EACH:
                lines.append(f"    {line}")
        if all(line.startswith("#") for line in inner):
            lines.append("    pass")
    return textwrap.indent("".join(line + "\n" for line in lines), " " * indent)


def _last_outer(lines: list[str]) -> str:
    """The line that the last ones stand under."""
    return next((line for line in reversed(lines) if not line.startswith("        ")), "")


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-") or "run"


# Code for objects.


HEAD_NAMES = {"nn": nn, "optim": optim, "F": F, "np": np}


class Sources:
    """The classes, functions, constants and imports that the code of a script needs."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.imports: list[str] = []
        self.names: dict[str, Any] = {}

    def write(self, code: Callable[[], str]) -> str:
        """What ``code`` gives; nothing is added where it cannot be had."""
        texts, imports, names = list(self.texts), list(self.imports), dict(self.names)
        try:
            return code()
        except Unwritable:
            self.texts, self.imports, self.names = texts, imports, names
            raise

    def run(self, code: str) -> Any:
        """The value of an expression, made from the sources."""
        space: dict[str, Any] = {}
        exec("\n".join([HEAD, *self.imports, *self.texts]), space)  # noqa: S102 - their own code
        return eval(code, space)  # noqa: S307

    def need(self, thing: Any) -> str:
        """The name of a class or function, whose source stands in the script from now on."""
        name: str = thing.__name__
        if name in self.names:
            if self.names[name] is not thing:
                raise Unwritable(f"there are two things called {name}")
            return name
        if "<" in thing.__qualname__ or "." in thing.__qualname__:
            what = "a lambda" if "<lambda>" in name else f"{name} was made inside a function"
            raise Unwritable(f"{what}, which has no source that stands alone")
        self.names[name] = thing
        source = source_of(thing)
        for found, value in needed_by(thing, source):
            self._global(found, value)
        self.texts.append(source + "\n")
        return name

    def _global(self, name: str, value: Any) -> None:
        if self.names.get(name) is value or HEAD_NAMES.get(name) is value:
            return
        if isinstance(value, ModuleType):
            self._import(f"import {value.__name__} as {name}", name, value)
        elif isinstance(value, (bool, int, float, str, tuple)):
            self.names[name] = value
            self.texts.append(f"{name} = {value!r}\n")
        elif isinstance(value, (type, FunctionType, BuiltinFunctionType)):
            module = getattr(value, "__module__", None) or ""
            if module.partition(".")[0] in ("minitorch_lab", "numpy", "math"):
                self._import(f"from {module} import {value.__name__} as {name}", name, value)
            elif value.__name__ == name:
                self.need(value)
            else:
                raise Unwritable(f"{name} is another name of {value.__name__}")
        else:
            raise Unwritable(f"it uses {name}, {type(value).__name__}, which was only in memory")

    def _import(self, line: str, name: str, value: Any) -> None:
        self.names[name] = value
        self.imports.append(line)


def source_of(thing: Any) -> str:
    """The text of a class or function of the learner's, also from a notebook's cell."""
    code = getattr(thing, "__code__", None)
    if code is None:
        methods = [m for m in vars(thing).values() if isinstance(m, FunctionType)]
        code = methods[0].__code__ if methods else None
    if code is None:
        raise Unwritable(f"{thing.__name__} has no source")
    lines = linecache.getlines(code.co_filename)
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        raise Unwritable(f"the source of {thing.__name__} cannot be read") from None
    kinds = (ast.ClassDef, ast.FunctionDef)
    for node in tree.body:
        if isinstance(node, kinds) and node.name == thing.__name__:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first <= code.co_firstlineno <= (node.end_lineno or 0):
                return "".join(lines[first - 1 : node.end_lineno]).rstrip()
    raise Unwritable(f"{thing.__name__} has no source that can be found")


def needed_by(thing: Any, source: str) -> Iterator[tuple[str, Any]]:
    """The global names that a source uses, with what they are."""
    space = getattr(thing, "__globals__", None)
    if space is None:
        space = next(m.__globals__ for m in vars(thing).values() if isinstance(m, FunctionType))
    compiled = compile(source, "<source>", "exec")
    for name in sorted(set(_names(compiled))):
        if name in space and space[name] is not thing:
            yield name, space[name]


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def module_code(module: Module, sources: Sources) -> str:
    """An expression that makes a module of the same structure."""
    code = _module(module, sources)
    try:
        with random.fork_rng():
            made = sources.run(code)
        same = repr(made) == repr(module) and _shapes(made) == _shapes(module)
    except Unwritable:
        raise
    except Exception as error:  # noqa: BLE001 - the learner's own code runs here
        raise Unwritable(f"{type(module).__name__} could not be made anew: {error}") from None
    if not same:
        names = list(inspect.signature(type(module).__init__).parameters)[1:]
        lost = [name for name in names if not hasattr(module, name)]
        advice = f"; it does not keep {', '.join(lost)}" if lost else ""
        raise Unwritable(f"{type(module).__name__} made anew is another model{advice}")
    return code


def _shapes(module: Module) -> list[tuple[str, Any]]:
    return [(name, value.shape) for name, value in module.state_dict().items()]


def _module(module: Module, sources: Sources) -> str:
    kind = type(module)
    children = dict(module.named_children())
    if kind is nn.Sequential and list(children) == [str(i) for i in range(len(children))]:
        inner = [_module(child, sources) for child in children.values()]
        return "nn.Sequential(\n" + textwrap.indent(",\n".join(inner), "    ") + ",\n)"
    if getattr(nn, kind.__name__, None) is kind and not children:
        return f"nn.{module!r}"
    return object_code(module, sources)


def object_code(thing: Any, sources: Sources) -> str:
    """A call that makes an object, from the attributes that are called like its arguments."""
    kind = type(thing)
    name = f"nn.{kind.__name__}" if getattr(nn, kind.__name__, None) is kind else ""
    if not name and kind.__module__.partition(".")[0] == "minitorch_lab":
        raise Unwritable(f"{kind.__name__} has no code")
    name = name or sources.need(kind)
    given = []
    for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        value = getattr(thing, parameter.name, parameter.default)
        if not isinstance(value, (bool, int, float, str, tuple, type(None))):
            if parameter.default is not parameter.empty:
                continue
            raise Unwritable(
                f"{kind.__name__} does not keep its argument {parameter.name}: "
                f"write self.{parameter.name} = {parameter.name}"
            )
        if value != parameter.default:
            given.append(f"{parameter.name}={value!r}")
    return f"{name}({', '.join(given)})"


def _callable(value: Any, sources: Sources) -> str:
    name = getattr(value, "__name__", "")
    if getattr(F, name, None) is value:
        return f"F.{name}"
    if isinstance(value, Module):
        return module_code(value, sources)
    if isinstance(value, FunctionType):
        return sources.need(value)
    raise Unwritable(f"{type(value).__name__} has no code")


def optimizer_code(optimizer: Optimizer, groups: list[dict[str, Any]], model: Module) -> str:
    """An expression that makes an optimiser with the settings of ``groups``."""
    kind = type(optimizer)
    if getattr(optim, kind.__name__, None) is not kind:
        raise Unwritable(f"{kind.__name__} is not of lab.optim")
    names = {id(p): name for name, p in model.named_parameters()}
    owned = [[names.get(id(p)) for p in group["params"]] for group in optimizer.param_groups]
    if any(name is None for group in owned for name in group):
        raise Unwritable("it trains more than the model")
    defaults = {
        p.name: p.default for p in list(inspect.signature(kind.__init__).parameters.values())[2:]
    }
    settings = [
        ", ".join(
            f"{k}={v!r}"
            for k, v in group.items()
            if k in defaults and (v != defaults[k] or k == "lr")
        )
        for group in groups
    ]
    if len(owned) == 1 and owned[0] == list(names.values()):
        return f"optim.{kind.__name__}(model.parameters(), {settings[0]})"
    parts = [
        f"dict(params=[model.get_parameter(n) for n in {group!r}], {text})"
        for group, text in zip(owned, settings, strict=True)
    ]
    return f"optim.{kind.__name__}([{', '.join(parts)}])"


def schedule_code(schedule: LRScheduler) -> str:
    """An expression that makes a schedule over ``optimizer``."""
    kind = type(schedule)
    if getattr(lr_scheduler, kind.__name__, None) is not kind:
        raise Unwritable(f"{kind.__name__} is not of lab.optim.lr_scheduler")
    given = []
    for parameter in list(inspect.signature(kind.__init__).parameters.values())[2:]:
        value = getattr(schedule, parameter.name, Unwritable)
        if parameter.name in ("last_epoch", "verbose"):
            continue
        if not isinstance(value, (bool, int, float, str, tuple, list, type(None))):
            raise Unwritable(f"{kind.__name__} does not keep its argument {parameter.name}")
        given.append(f", {parameter.name}={value!r}")
    return f"optim.lr_scheduler.{kind.__name__}(optimizer{''.join(given)})"


def loader_options(loader: DataLoader, size: int, sources: Sources) -> str:
    """The arguments of a DataLoader after its dataset."""
    sampler = getattr(loader.batch_sampler, "sampler", None)
    usual = isinstance(sampler, SequentialSampler) or (
        isinstance(sampler, RandomSampler)
        and not sampler.replacement
        and sampler.num_samples == len(sampler.data_source)
    )
    if type(loader.batch_sampler) is not BatchSampler or not usual:
        raise Unwritable("its order is made by a sampler of its own")
    if loader.generator is not None or getattr(sampler, "generator", None) is not None:
        raise Unwritable("it shuffles with a generator of its own")
    if loader.worker_init_fn is not None:
        raise Unwritable("it has a worker_init_fn")
    parts = [f"batch_size={size}"]
    if isinstance(sampler, RandomSampler):
        parts.append("shuffle=True")
    if loader.drop_last:
        parts.append("drop_last=True")
    if loader.num_workers:
        parts.append(f"num_workers={loader.num_workers}")
    if loader.collate_fn is not default_collate:
        parts.append(f"collate_fn={_callable(loader.collate_fn, sources)}")
    return ", ".join(parts)
