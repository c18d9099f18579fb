"""Reads a program in the order in which it runs, and runs nothing: what is made of what.

Each statement is gone through once, a loop for its first round, a branch on both sides. What is
known of a value, its shape above all, is worked out by `rules`; what is not known stays unknown,
and no check speaks of it.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping, Sequence
from typing import Any

from . import rules
from .program import USUAL, Program, canonical
from .values import Event, Value, broadcast

_DEPTH = 8  # calls of functions within functions that are followed
_MOST = 20_000  # expressions that are looked at: a program that calls and calls comes to an end


class Frame:
    """The names of a function, and those around it."""

    def __init__(self, outer: Frame | None = None) -> None:
        self.names: dict[str, Value] = {}
        self.outer = outer
        self.returned: list[Value] = []
        self.ended = False

    def get(self, name: str) -> Value | None:
        """What a name stands for, here or further out."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.names:
                return frame.names[name]
            frame = frame.outer
        return None


class Reader:
    """What a program does: its calls in order, with what is known of their arguments."""

    def __init__(
        self,
        program: Program,
        space: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        self.program, self.space = program, space or {}
        self.after = _once(program, after or {})
        self.events: list[Event] = []
        self.stored: list[tuple[str, Value, ast.stmt, tuple[ast.AST, ...]]] = []
        self.differences: list[tuple[ast.BinOp, Value, Value]] = []
        self.missing: dict[str, ast.Name] = {}
        self.stack: list[ast.AST] = []
        self.tapes: list[Value] = []
        self.without: list[Value] = []  # no_grad
        self.entered: set[ast.AST] = set()
        self.count = 0
        self.globals = Frame()
        self.main = True  # what runs when the program does, and not only when someone calls it
        self.block(program.tree.body, self.globals)
        self.main = False
        for node, frame in list(self._definitions):
            if node not in self.entered:
                self.inline(Value("function", node=node, facts={"frame": frame}), [], {})

    # Statements ------------------------------------------------------------------------------

    @property
    def _definitions(self) -> list[tuple[ast.FunctionDef, Frame]]:
        nodes = self.program.walk(ast.FunctionDef)
        return [(n, self.globals) for n in nodes if isinstance(n, ast.FunctionDef)]

    def block(self, statements: Sequence[ast.stmt], frame: Frame) -> None:
        """Statements one after another, up to a return."""
        for statement in statements:
            if frame.ended:
                return
            self.statement(statement, frame)

    def statement(self, node: ast.stmt, frame: Frame) -> None:
        """One statement."""
        match node:
            case ast.Assign():
                value = self.value(node.value, frame)
                for target in node.targets:
                    self.bind(target, value, frame, node)
            case ast.AnnAssign(value=ast.expr() as expression):
                self.bind(node.target, self.value(expression, frame), frame, node)
            case ast.AugAssign():
                read = ast.copy_location(_as_read(node.target), node.target)
                both = ast.copy_location(ast.BinOp(read, node.op, node.value), node)
                self.bind(node.target, self.value(both, frame), frame, node)
            case ast.Expr():
                self.value(node.value, frame)
            case ast.Return():
                value = self.value(node.value, frame) if node.value else Value()
                frame.returned.append(value)
                frame.ended = True
            case ast.If():
                self._if(node, frame)
            case ast.For():
                self._loop(node, frame)
            case ast.While():
                self.value(node.test, frame)
                self._body(node, frame)
            case ast.With():
                self._with(node, frame)
            case ast.FunctionDef():
                function = Value("function", node.name, node, facts={"frame": frame})
                frame.names[node.name] = function
            case ast.ClassDef():
                frame.names[node.name] = self._class(node, frame)
            case ast.Try():
                self.stack.append(node)
                self.block(node.body, frame)
                self.stack.pop()
                self.block(node.finalbody, frame)
            case ast.Raise() | ast.Break() | ast.Continue():
                frame.ended = frame.ended or isinstance(node, ast.Raise)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.value(child, frame)

    def bind(self, target: ast.expr, value: Value, frame: Frame, node: ast.stmt) -> None:
        """Give a value to what stands on the left."""
        match target:
            case ast.Name():
                if frame is self.globals and target.id in self.after and value.shape is None:
                    value = self._as_it_was(target.id, value)
                frame.names[target.id] = value
                self.stored.append((target.id, value, node, tuple(self.stack)))
            case ast.Tuple() | ast.List():
                items = value.items
                if items is None or len(items) != len(target.elts):
                    items = [Value(inputs=(value,)) for _ in target.elts]
                for part, item in zip(target.elts, items, strict=True):
                    self.bind(part, item, frame, node)
            case ast.Attribute():
                owner = self.value(target.value, frame)
                owner.attributes[target.attr] = value
                call = ast.copy_location(ast.Call(target, [], []), node)
                event = Event(f".{target.attr}=", call, owner, tuple(self.stack))
                event.args = [value]
                self._note(event)
            case ast.Subscript():
                owner = self.value(target.value, frame)
                owner.facts["changed"] = True
            case ast.Starred():
                self.bind(target.value, Value(inputs=(value,)), frame, node)

    def _as_it_was(self, name: str, value: Value) -> Value:
        """What the run left under a name, where reading alone did not tell its shape."""
        real = rules.of_object(self.after[name])
        if real.kind not in rules.TENSORS or value.kind not in ("", real.kind):
            return value
        value.kind, value.library, value.shape = real.kind, real.library, real.shape
        value.dtype = value.dtype or real.dtype
        return value

    def _if(self, node: ast.If, frame: Frame) -> None:
        self.value(node.test, frame)
        if _is_main(node.test):
            self.block(node.body, frame)
            return
        before = dict(frame.names)
        self.stack.append(node)
        self.block(node.body, frame)
        first, ended = frame.names, frame.ended
        frame.names, frame.ended = before, False
        self.block(node.orelse, frame)
        self.stack.pop()
        if ended:
            return  # what follows is only reached by the other branch
        if frame.ended:
            frame.names, frame.ended = first, False
            return
        frame.names = _joined(first, frame.names)

    def _loop(self, node: ast.For, frame: Frame) -> None:
        over = self.value(node.iter, frame)
        self.stack.append(node)
        self.bind(node.target, rules.element(over), frame, node)
        self.stack.pop()
        self._body(node, frame)

    def _body(self, node: ast.For | ast.While, frame: Frame) -> None:
        before = dict(frame.names)
        self.stack.append(node)
        self.block(node.body, frame)
        self.stack.pop()
        frame.ended = False
        if isinstance(node, ast.While) or before:
            for name, value in before.items():
                later = frame.names[name]
                if later is not value and (
                    later.shape != value.shape or later.const != value.const
                ):
                    frame.names[name] = _either(value, later)
        self.block(node.orelse, frame)

    def _with(self, node: ast.With, frame: Frame) -> None:
        self.stack.append(node)
        opened: list[list[Value]] = []
        for item in node.items:
            value = self.value(item.context_expr, frame)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value, frame, node)
            if value.kind == "tape":
                opened.append(self.tapes)
            elif value.kind == "no_grad":
                opened.append(self.without)
            else:
                continue
            opened[-1].append(value)
        self.block(node.body, frame)
        for kept in opened:
            kept.pop()
        self.stack.pop()

    def _class(self, node: ast.ClassDef, frame: Frame) -> Value:
        bases = [self.value(base, frame) for base in node.bases]
        methods = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
        base = next((b for b in bases if b.kind in ("library", "class")), None)
        name = base.name if base else ""
        for b in bases:
            if b.kind == "class":
                methods = {**b.facts.get("methods", {}), **methods}
        for statement in node.body:
            if not isinstance(statement, ast.FunctionDef):
                self.statement(statement, Frame(frame))
        return Value("class", name, node, facts={"methods": methods, "frame": frame})

    # Expressions -----------------------------------------------------------------------------

    def value(self, node: ast.expr, frame: Frame) -> Value:
        """What an expression stands for."""
        self.count += 1
        if self.count > _MOST:
            return Value()
        match node:
            case ast.Constant():
                return Value("number", node=node, const=node.value)
            case ast.Name():
                return self._name(node, frame)
            case ast.Attribute():
                return self._attribute(node, frame)
            case ast.Call():
                return self._call(node, frame)
            case ast.BinOp():
                left, right = self.value(node.left, frame), self.value(node.right, frame)
                if isinstance(node.op, ast.Sub):
                    self.differences.append((node, left, right))
                return self.made(rules.binary(node, left, right), node)
            case ast.UnaryOp():
                return self.made(rules.unary(node, self.value(node.operand, frame)), node)
            case ast.Tuple() | ast.List():
                items = [self.value(e, frame) for e in node.elts]
                kind = "tuple" if isinstance(node, ast.Tuple) else "list"
                if any(isinstance(e, ast.Starred) for e in node.elts):
                    return Value(kind, node=node, inputs=tuple(items))
                return Value(kind, node=node, items=items, inputs=tuple(items))
            case ast.Dict():
                keys = [self.value(k, frame) for k in node.keys if k is not None]
                values = [self.value(v, frame) for v in node.values]
                pairs = list(zip(node.keys, keys, values, strict=False))
                return Value("dict", node=node, inputs=(*keys, *values), facts={"pairs": pairs})
            case ast.Subscript():
                base, index = self.value(node.value, frame), self.value(node.slice, frame)
                return self.made(rules.subscript(node, base, index), node)
            case ast.Slice():
                parts = [node.lower, node.upper, node.step]
                found = [self.value(p, frame) if p else Value("number", const=None) for p in parts]
                return Value("slice", node=node, items=found, inputs=tuple(found))
            case ast.Compare():
                sides = [self.value(e, frame) for e in (node.left, *node.comparators)]
                shape = broadcast(sides[0].shape, sides[1].shape) if len(sides) == 2 else None
                kind = next((s.kind for s in sides if s.kind in ("tensor", "array")), "")
                made = Value(kind, node=node, inputs=tuple(sides), shape=shape, dtype="bool")
                return self.made(made, node)
            case ast.IfExp():
                self.value(node.test, frame)
                a, b = self.value(node.body, frame), self.value(node.orelse, frame)
                return self.made(_either(a, b), node)
            case ast.Lambda():
                return Value("function", node=node, facts={"frame": frame})
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
                return self._comprehension(node, frame)
            case ast.Starred():
                return Value(inputs=(self.value(node.value, frame),))
            case ast.NamedExpr():
                value = self.value(node.value, frame)
                frame.names[node.target.id] = value
                return value
            case _:
                found = [
                    self.value(c, frame)
                    for c in ast.iter_child_nodes(node)
                    if isinstance(c, ast.expr)
                ]
                return Value(node=node, inputs=tuple(found))

    def made(self, value: Value, node: ast.AST) -> Value:
        """A new value with the place and the moment of its making."""
        self.count += 1
        if value.node is None:
            value.node = node
        if not value.order:
            value.order, value.stack = self.count, tuple(self.stack)
            value.facts.setdefault("tapes", tuple(self.tapes))
            value.facts.setdefault("without", bool(self.without))
        return value

    def _name(self, node: ast.Name, frame: Frame) -> Value:
        name, program = node.id, self.program
        found = frame.get(name)
        if found is not None:
            return found
        if name in program.imports:
            return Value("library", program.imports[name], node)
        if name in self.space:
            value = rules.of_object(self.space[name])
            self.globals.names[name] = value  # the same each time
            return value
        if name in program.assigned:
            return Value(node=node)
        if name in USUAL:
            return Value("library", USUAL[name], node)
        if hasattr(builtins, name):
            return Value("builtin", name, node)
        self.missing.setdefault(name, node)
        return self.globals.names.setdefault(name, Value(node=node, facts={"missing": name}))

    def _attribute(self, node: ast.Attribute, frame: Frame) -> Value:
        owner = self.value(node.value, frame)
        if owner.kind == "library":
            return Value("library", canonical(f"{owner.name}.{node.attr}"), node)
        if node.attr in owner.attributes:
            return owner.attributes[node.attr]
        value = rules.attribute(owner, node.attr)
        value.node = value.node or node
        if "missing" in owner.facts:
            value.facts["missing"] = f"{owner.facts['missing']}.{node.attr}"
        return value

    def _comprehension(self, node: Any, frame: Frame) -> Value:
        inner = Frame(frame)
        self.stack.append(node)
        for part in node.generators:
            over = self.value(part.iter, inner)
            self.bind(part.target, rules.element(over), inner, ast.Pass())
            for test in part.ifs:
                self.value(test, inner)
        element = self.value(node.elt, inner)
        self.stack.pop()
        return Value("list", node=node, inputs=(element,), facts={"element": element})

    # Calls -----------------------------------------------------------------------------------

    def _call(self, node: ast.Call, frame: Frame) -> Value:
        function = self.value(node.func, frame)
        args = [self.value(a, frame) for a in node.args]
        kwargs = {k.arg: self.value(k.value, frame) for k in node.keywords if k.arg}
        for k in node.keywords:
            if k.arg is None:
                self.value(k.value, frame)
        owner = function.facts.get("owner")
        name = function.name
        if function.kind in ("layer", "loss", "model"):
            name, owner = f"call:{function.name}", function
        event = Event(name, node, owner, tuple(self.stack))
        event.args, event.kwargs = args, kwargs
        spread = any(isinstance(a, ast.Starred) for a in node.args)
        if any(k.arg is None for k in node.keywords):
            spread = True
        result = Value() if spread else self.called(function, event)
        if not result.inputs and result.kind != "function":
            result.inputs = (*((owner,) if owner else ()), *args, *kwargs.values())
        event.result = self.made(result, node)
        self._note(event)
        return event.result

    def _note(self, event: Event) -> None:
        self.count += 1
        event.order, event.tapes, event.without = self.count, tuple(self.tapes), bool(self.without)
        event.main = self.main
        self.events.append(event)

    def called(self, function: Value, event: Event) -> Value:
        """What a call gives."""
        args, kwargs = event.args, event.kwargs
        match function.kind:
            case "function":
                return self.inline(function, args, kwargs)
            case "class":
                return self._instance(function, event)
            case "model" if "methods" in function.facts:
                if any(v.kind == "symbolic" for v in args):
                    return Value("symbolic", inputs=(function, *args))
                for method in ("forward", "call", "__call__"):
                    if method in function.facts["methods"]:
                        result = self._method(function, method, args, kwargs) or Value()
                        if result.order and result not in args:
                            result.inputs = (*result.inputs, function)
                        return result
                return Value()
            case "layer" | "loss" | "model":
                return rules.apply(function, args, event)
            case "method":
                owner = function.facts["owner"]
                event.name = f".{function.tail}"
                given = self._method(owner, function.tail, args, kwargs)
                return rules.method(owner, function.tail, event) if given is None else given
            case "super":
                return Value()
            case "library":
                return rules.library(function.name, event)
            case "builtin":
                if function.name == "super":
                    return Value("super")
                return rules.builtin(function.name, args)
            case _:
                return Value()

    def _method(
        self, owner: Value, name: str, args: list[Value], kwargs: dict[str, Value]
    ) -> Value | None:
        found = owner.facts.get("methods", {}).get(name)
        if found is None:
            return None
        function = Value("function", name, found, facts={"frame": owner.facts["frame"]})
        static = any(
            isinstance(d, ast.Name) and d.id == "staticmethod" for d in found.decorator_list
        )
        return self.inline(function, args if static else [owner, *args], kwargs)

    def _instance(self, kind: Value, event: Event) -> Value:
        model = kind.name.rpartition(".")[2] in ("Module", "Model", "Layer", "Sequential")
        made = Value("model" if model else "object", kind.name, event.node)
        made.library = kind.name.partition(".")[0] if model else ""
        made.facts = dict(kind.facts, written=kind.node)
        made.args, made.kwargs = event.args, event.kwargs
        self.made(made, event.node)
        self._method(made, "__init__", event.args, event.kwargs)
        made.inputs = (*event.args, *event.kwargs.values())
        return made

    def inline(self, function: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """What a function of the program gives for these arguments."""
        node: Any = function.node
        if (
            node in self.stack
            or len([n for n in self.stack if isinstance(n, ast.FunctionDef)]) >= _DEPTH
        ):
            return Value(inputs=tuple(args))
        self.entered.add(node)
        frame = Frame(function.facts["frame"])
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        defaults = dict(zip(names[::-1], node.args.defaults[::-1], strict=False))
        for a, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
            names.append(a.arg)
            if default is not None:
                defaults[a.arg] = default
        for name in names:
            frame.names[name] = Value()
            if name in defaults and (args or kwargs):
                frame.names[name] = self.value(defaults[name], function.facts["frame"])
        for extra in (node.args.vararg, node.args.kwarg):
            if extra is not None:
                frame.names[extra.arg] = Value()
        frame.names.update(zip(names, args, strict=False))
        frame.names.update({k: v for k, v in kwargs.items() if k in names})
        if isinstance(node, ast.Lambda):
            self.stack.append(node)
            result = self.value(node.body, frame)
            self.stack.pop()
            return result
        off = [d for d in node.decorator_list if _no_grad(d)]
        self.stack.append(node)
        self.without.extend(Value() for _ in off)
        self.block(node.body, frame)
        del self.without[len(self.without) - len(off) :]
        self.stack.pop()
        if any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in ast.walk(node)):
            return Value(inputs=tuple(args))
        if len(frame.returned) == 1:
            return frame.returned[0]
        return Value(inputs=tuple(frame.returned))


def _once(program: Program, after: Mapping[str, Any]) -> dict[str, Any]:
    """Of what a run left, the names that get a value in one place only."""
    stores = [n.id for n in program.walk(ast.Name) if not isinstance(n.ctx, ast.Load)]
    return {name: after[name] for name in after if stores.count(name) == 1}


def _joined(a: dict[str, Value], b: dict[str, Value]) -> dict[str, Value]:
    """The names after a branch: what both sides have, and of the rest only what it came from."""
    out = {}
    for name in [*b, *(n for n in a if n not in b)]:
        x, y = a.get(name), b.get(name)
        if x is None or y is None or x is y:
            out[name] = x or y or Value()
        else:
            out[name] = _either(x, y)
    return out


def _either(a: Value, b: Value) -> Value:
    """One of two values: what both have in common."""
    out = Value(inputs=(a, b))
    if a.kind == b.kind and (a.kind in rules.TENSORS or a.kind == "number"):
        out.kind, out.library = a.kind, a.library
        out.shape = a.shape if a.shape == b.shape else None
    return out


def _is_main(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
    )


def _no_grad(node: ast.expr) -> bool:
    text = ast.unparse(node)
    return "no_grad" in text or "inference_mode" in text


def _as_read(node: ast.expr) -> ast.expr:
    """The same place, as it is read."""
    match node:
        case ast.Name():
            return ast.Name(node.id, ast.Load())
        case ast.Attribute():
            return ast.Attribute(node.value, node.attr, ast.Load())
        case ast.Subscript():
            return ast.Subscript(node.value, node.slice, ast.Load())
        case _:
            return node
