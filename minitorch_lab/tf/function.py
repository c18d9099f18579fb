"""``tf.function``: a function of Python as a graph, traced anew for each signature."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from ..errors import ArgumentError, KindError, TraceError, describe
from ..graph import Compiled
from ..graph.compiler import Entry
from ..op import current
from ..tensor import Tensor as Plain
from ..tensor import make, no_grad
from . import config
from .dtypes import as_dtype, float32
from .errors import retells
from .tape import TAPES
from .tensor import SymbolicTensor, TensorShape, as_tensor, styled
from .variable import NEW

F = Callable[..., Any]


class TensorSpec:
    """The shape and dtype of a tensor; None is a size that may change.

    >>> TensorSpec([None, 2])
    TensorSpec(shape=(None, 2), dtype=tf.float32, name=None)
    """

    def __init__(self, shape: Any, dtype: Any = float32, name: str | None = None) -> None:
        self.shape, self.dtype, self.name = TensorShape(shape), as_dtype(dtype), name

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> TensorSpec:
        """That of a tensor."""
        return cls(tensor.shape, tensor.dtype, name)

    def is_compatible_with(self, other: Any) -> bool:
        """Whether a tensor, or what another spec stands for, fits."""
        return bool(self.dtype == other.dtype) and self.shape.is_compatible_with(other.shape)

    def example(self, size: int) -> Any:
        """Zeros of this form, with ``size`` for each open one."""
        shape = [size if n is None else n for n in self.shape]
        return styled(make(np.zeros(shape, self.dtype.np)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"TensorSpec(shape={self.shape}, dtype={self.dtype!r}, name={self.name!r})"


class Function(Compiled):
    """What ``tf.function`` makes: call it as the function itself; ``lab.explain(f)`` tells of it.

    ``graph(*args)``, ``code(*args)`` and ``passes(*args)`` show what runs, as for ``lab.compile``.
    """

    kind = SymbolicTensor

    def __init__(
        self,
        function: F,
        executor: str | None = None,
        without: Any = (),
        dynamic: Any = False,
        input_signature: Any = None,
    ) -> None:
        self.input_signature = None if input_signature is None else tuple(input_signature)
        super().__init__(function, executor, without, dynamic or self._open(function))

    def _open(self, function: F) -> Any:
        """The open sizes of the signature, by the names of arguments."""
        if self.input_signature is None:
            return False
        names = [*signature(function).parameters]
        found = {}
        for name, spec in zip(names, self.input_signature, strict=False):
            if isinstance(spec, TensorSpec) and not spec.shape.is_fully_defined():
                found[name] = tuple(d for d, n in enumerate(spec.shape) if n is None)
        return found or False

    @property
    def python_function(self) -> F:
        """The function that was given."""
        return self.function

    @retells
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the graph for these arguments; trace it first where none fits."""
        if config.functions_run_eagerly() or current().tracing:
            return self.function(*args, **kwargs)
        args, kwargs = self._given(args, kwargs)
        try:
            if TAPES.get():
                return _told(super().__call__(*args, **kwargs))
            with no_grad():  # no tape asks for what is recorded
                return _told(super().__call__(*args, **kwargs))
        except TraceError as error:
            ours = "run it op by op: tf.config.run_functions_eagerly(True)"
            text = str(error).replace('run this function in eager mode: lab.mode("eager")', ours)
            raise type(error)(text) from error.__cause__

    def _given(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The arguments, with arrays as tensors; all as the signature says, where there is one."""
        if self.input_signature is None:
            return _tensors(args), _tensors(kwargs)
        name = getattr(self.function, "__name__", "f")
        try:
            bound = signature(self.function).bind(*args, **kwargs)
        except TypeError as error:
            raise KindError(
                f"{name}(): the arguments do not fit: {error}\n"
                f"  expected {signature(self.function)}"
            ) from None
        given = bound.args
        if len(given) != len(self.input_signature):
            raise KindError(
                f"{name}(): got {len(given)} arguments\n"
                f"  input_signature  {[*self.input_signature]}\n"
                f"  expected {len(self.input_signature)}"
            )
        return tuple(
            _fitting(name, where, spec, x)
            for where, spec, x in zip(bound.arguments, self.input_signature, given, strict=True)
        ), {}

    def _new_entry(self, *args: Any, **kwargs: Any) -> Entry:
        """A trace. The first one may make variables, and is then made again, as all others are."""
        made: list[Any] = []
        token = NEW.set(None if self.traces else made)
        try:
            entry = super()._new_entry(*args, **kwargs)
            if made:
                NEW.set(None)
                entry = super()._new_entry(*args, **kwargs)
            return entry
        finally:
            NEW.reset(token)

    # What is known of it -------------------------------------------------------------------

    def experimental_get_tracing_count(self) -> int:
        """How often the function was traced."""
        return self.traces

    @retells
    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """The graph for arguments, or for a ``TensorSpec`` in place of each: traced, not run."""
        return ConcreteFunction(self, args or (self.input_signature or ()), kwargs)

    def pretty_printed_concrete_signatures(self) -> str:
        """What each graph was traced for."""
        texts = []
        for entry in reversed(self._kept()):
            rows = [f"  {k}: {_said(v)}" for k, v in entry.history.arguments.items()]
            texts.append("\n".join(["Input Parameters:", *rows]))
        return "\n\n".join(texts)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        # on a method: each instance has its own graphs
        if instance is None:
            return self
        bound = type(self)(self.function.__get__(instance, owner), self.executor, self.without)
        bound.input_signature, bound.dynamic = self.input_signature, self.dynamic
        instance.__dict__[self.function.__name__] = bound
        return bound


class ConcreteFunction:
    """One graph of a ``tf.function``."""

    def __init__(self, function: Function, given: Any, named: Any) -> None:
        self._function, self._call = function, (given, named)
        self.structured_input_signature = (_specs(given), _specs(named))
        self.graph = self._graph(2)  # after the passes; 2 stands for each open size

    def _graph(self, size: int) -> Any:
        with no_grad():
            call = _map(lambda x: x.example(size) if isinstance(x, TensorSpec) else x, self._call)
            args, kwargs = self._function._given(*call)
            return self._function.graph(*args, **kwargs)

    @retells
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it; KindError for tensors of another form."""
        wanted = self.structured_input_signature[0]
        if len(args) == len(wanted):
            name = getattr(self._function.function, "__name__", "f")
            args = tuple(
                _fitting(name, f"argument {i}", spec, x) if isinstance(spec, TensorSpec) else spec
                for i, (spec, x) in enumerate(zip(wanted, args, strict=True))
            )
        return self._function(*args, **kwargs)

    @property
    def structured_outputs(self) -> Any:
        """The specs of what it gives; sizes that go with open ones are None."""
        others = self._graph(3).outputs
        found = []
        for v, w in zip(self.graph.outputs, others, strict=True):
            pairs = zip(v.spec.shape, w.spec.shape, strict=True)
            found.append(TensorSpec([n if n == m else None for n, m in pairs], v.spec.dtype))
        return found[0] if len(found) == 1 else found

    def __repr__(self) -> str:
        name = getattr(self._function.function, "__name__", "f")
        rows = [f"  {spec!r}" for spec in self.structured_input_signature[0]]
        head = f"ConcreteFunction {name}\nInput Parameters:"
        return "\n".join([head, *rows, "Output Type:", f"  {self.structured_outputs!r}"])


@retells
def function(
    func: Any = None,
    input_signature: Any = None,
    autograph: bool = True,
    jit_compile: Any = None,
    reduce_retracing: bool = False,
    experimental_implements: Any = None,
    experimental_autograph_options: Any = None,
    experimental_attributes: Any = None,
    experimental_relax_shapes: Any = None,
    experimental_compile: Any = None,
    experimental_follow_type_hints: Any = None,
) -> Any:
    """The function as a graph: traced at the first call with a signature, then run as a plan.

    Shapes and dtypes of tensors and the values of other arguments make a signature; with
    ``input_signature`` there is one, in which None stands for every size, and with
    ``reduce_retracing`` one trace serves every size of the first dimension. Python's ``if`` and
    ``while`` on tensors become ``tf.cond`` and ``tf.while_loop`` by hand: nothing rewrites them.

    >>> @function
    ... def double(x):
    ...     return x * 2
    >>> double(as_tensor([1.0, 2.0])).numpy(), double.experimental_get_tracing_count()
    (array([2., 4.], dtype=float32), 1)
    """
    if func is None:
        return partial(function, input_signature=input_signature, reduce_retracing=reduce_retracing)
    return Function(func, dynamic=bool(reduce_retracing or experimental_relax_shapes),
                    input_signature=input_signature)  # fmt: skip


def _fitting(name: str, where: str, spec: TensorSpec, x: Any) -> Any:
    """An argument as its spec says; KindError where it cannot be that."""
    try:
        made = as_tensor(x, spec.dtype)
        fits = spec.shape.is_compatible_with(made.shape)
    except (KindError, ArgumentError):
        fits, made = False, x
    if not fits:
        raise KindError(
            f"{name}({where}): the argument does not fit its signature\n"
            f"  got       {describe(made) if not isinstance(made, Plain) else made.spec}\n"
            f"  expected  {spec!r}\n"
            "  None in the shape takes every size; tf.cast changes the dtype"
        )
    return made


def _map(f: F, value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _map(f, v) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_map(f, v) for v in value))
    if isinstance(value, TensorShape):
        return value
    if isinstance(value, list | tuple):
        return type(value)(_map(f, v) for v in value)
    return f(value)


def _tensors(value: Any) -> Any:
    """Arrays of NumPy become tensors; numbers of Python stay, and make a signature of their own."""
    return _map(lambda x: as_tensor(x) if isinstance(x, np.ndarray | np.generic) else x, value)


def _told(value: Any) -> Any:
    """What a graph gave, as tensors of TensorFlow's."""
    numbers = int | float | np.ndarray | np.generic
    return _map(lambda x: as_tensor(x) if isinstance(x, numbers) else styled(x), value)


def _specs(value: Any) -> Any:
    return _map(lambda x: TensorSpec.from_tensor(x) if isinstance(x, Plain) else x, value)


def _said(value: Any) -> str:
    if isinstance(value, tuple) and len(value) == 2 and hasattr(value[0], "dtype"):
        return repr(TensorSpec(value[0].shape, value[0].dtype))
    return f"Literal[{value!r}]"
