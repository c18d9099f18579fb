"""Sessions: they run parts of a graph and keep the values of its variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .... import random
from ....errors import ArgumentError, DTypeError, KindError, LabError, ShapeError, describe
from ....graph import session as engine
from ....graph.builder import GraphTensor
from ....graph.builder import Operation as Step
from . import errors, graphs
from .graphs import Graph, Operation, Tensor, Variable, get_default_graph


class Session(engine.Session):
    """Runs of a graph, by default the one that the program writes into.

    ``run`` computes what the fetches need, and nothing else.

    >>> from . import placeholder
    >>> with Graph().as_default():
    ...     x = placeholder("float32", [None], name="x")
    ...     y = graphs.get_default_graph().identity_of(x, "y")
    ...     with Session() as sess:
    ...         sess.run(y, feed_dict={x: [1.0, 2.0]})
    array([1., 2.], dtype=float32)
    """

    leaves = (Tensor, Variable, Operation)
    Missing = errors.WrongFeed
    Uninitialized = errors.FailedPreconditionError
    graph: Graph

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        if not isinstance(target, str) or not isinstance(graph, Graph | None):
            raise KindError(
                f"Session(target, graph): got {describe(target)}, {describe(graph)}\n"
                "  expected nothing, or graph=tf.Graph()"
            )
        super().__init__(graph or get_default_graph())
        self._inside: list[Any] = []
        if self.graph.seed is not None:
            random.manual_seed(self.graph.seed)

    def meant(self, x: Any) -> Any:
        """The symbol or step of the engine that an object stands for."""
        if isinstance(x, Tensor):
            return x.symbol
        return x.step if isinstance(x, Operation) else x

    def remedy(self, initializer: str) -> str:
        """What initialises a variable."""
        if not initializer:
            return "sess.run(tf.global_variables_initializer()) first, made after the last variable"
        return (
            "sess.run(tf.global_variables_initializer()) first; in this graph there is "
            f"{initializer!r}"
        )

    def run(
        self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """The values of ``fetches``, with the values in ``feed_dict`` for the placeholders.

        Fetches are tensors, operations (None comes out), names, or lists, tuples and dicts of
        them. Raises FailedPreconditionError for a variable that is not initialised,
        InvalidArgumentError for a placeholder that is not fed, or with a wrong value.
        """
        try:
            return super().run(fetches, feed_dict)
        except (ShapeError, DTypeError) as error:
            raise errors.in_run(error) from None
        except errors.NoArray as error:
            raise KindError(
                f"run(fetches, feed_dict): a value is a tensor of a graph\n  {error}\n"
                "  expected numbers, lists or arrays: value = sess.run(tensor), and then feed that"
            ) from None

    def make_callable(self, fetches: Any, feed_list: Any = None) -> Any:
        """A function of what is fed, which runs the fetches."""
        keys = list(feed_list or ())
        return lambda *values: self.run(fetches, dict(zip(keys, values, strict=True)))

    # What comes in

    def _need_open(self) -> None:
        if self.closed:
            raise errors.SessionError(
                "the session is closed: its variables are gone\n"
                "  expected an open session\n"
                "  tf.Session() opens another; after `with tf.Session() as sess:` it is closed"
            )

    def _fetch(self, value: Any, where: str) -> Any:
        if isinstance(value, str):
            value = self.meant(self.graph.as_graph_element(value))
        elif not isinstance(value, (GraphTensor, Step)):
            lead = f"run({where}): cannot fetch {describe(value)}\n"
            if value is None:
                raise KindError(
                    f"{lead}  expected a tensor, an operation or a name, or lists of them\n"
                    "  tf.gradients gives None where y does not depend on x; what a Python "
                    "function returns\n  without `return` is None, too"
                )
            raise KindError(
                f"{lead}  expected a tensor, an operation or a name, or lists, tuples and dicts of "
                "them"
            )
        if (value.builder if isinstance(value, GraphTensor) else value.graph) is not self.graph:
            raise ArgumentError(
                f"run({where}): {value.name!r} is not an element of the session's graph\n"
                f"  it is of  {getattr(value, 'builder', None) or value.graph}\n"
                f"  session   {self.graph}\n"
                "  expected a session of its graph: tf.Session(graph=g)"
            )
        return super()._fetch(value, where)

    def _feeds(self, feeds: Any) -> Any:
        if not isinstance(feeds, Mapping):
            raise KindError(
                f"run(fetches, feed_dict): expected a dict, got {describe(feeds)}\n"
                "  feed_dict={x: images, y: labels}"
            )
        return super()._feeds(dict(feeds))

    def _fed(self, key: Any) -> Any:
        if isinstance(key, str):
            try:
                return self.meant(self.graph.get_tensor_by_name(key))
            except LabError as error:
                raise errors.BadKey(
                    f"run(fetches, feed_dict): a key is {key!r}\n  {error}"
                ) from None
        if isinstance(key, GraphTensor):
            raise errors.BadKey(
                f"run(fetches, feed_dict): the key {key.name!r} is not an element of the session's "
                f"graph\n  it is of  {key.builder}\n  session   {self.graph}"
            )
        raise errors.BadKey(
            f"run(fetches, feed_dict): a key is {describe(key)}\n"
            "  expected a placeholder, or its name: feed_dict={x: images}"
        )

    # Which session is the default

    def __enter__(self) -> Session:
        self._need_open()
        graph = self.graph.as_default()
        graph.__enter__()
        graphs.push_session(self)
        self._inside.append(graph)
        return self

    def __exit__(self, *error: Any) -> None:
        graphs.drop_session(self)
        self._inside.pop().__exit__(*error)
        self.close()

    @contextmanager
    def as_default(self) -> Iterator[Session]:
        """``with sess.as_default():`` x.eval() and op.run() take this session, which stays open."""
        with graphs.pushed("sessions", self):
            yield self


class InteractiveSession(Session):
    """A session that is the default from the start, for notebooks."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        graphs.push_session(self)

    def close(self) -> None:
        """Let values and plans go, and be the default no longer."""
        graphs.drop_session(self)
        super().close()


def get_default_session() -> Any:
    """The session of the innermost ``with``; None where there is none."""
    return graphs.current_session()


class ConfigProto:
    """Settings of a session, which have no meaning here: they are kept and not used."""

    def __init__(self, **settings: Any) -> None:
        self.__dict__.update(settings)
        self.gpu_options = settings.get("gpu_options", GPUOptions())


class GPUOptions:
    """Settings of a GPU, which have no meaning here."""

    def __init__(self, **settings: Any) -> None:
        self.__dict__.update(settings)
