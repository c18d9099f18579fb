"""The loss and the metrics of ``compile``, for one output or several."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError, describe
from ...tensor import no_grad
from . import losses, metrics
from .tree import leaves


class Judge:
    """What ``compile`` was given, put to the outputs of a model by name or place."""

    def __init__(self, loss: Any, weights: Any, given: Any, weighted: Any) -> None:
        self.loss, self.weights, self.given, self.weighted = loss, weights, given, weighted
        for each in _every(loss):
            losses.get(each)
        for each in [*_every(given), *_every(weighted)]:
            if not isinstance(each, metrics.Metric):
                metrics.get(each)
        self.names: list[str] = []
        self.one = losses.get(loss) if _is_one(loss) else None  # known before the outputs are
        self.parts: list[tuple[Any, float | None]] = []
        self.trackers: list[Any] = []
        self.metrics: list[tuple[int, str, Any, bool]] = []  # output, name, metric, weighted

    @property
    def ready(self) -> bool:
        """Whether the outputs are known."""
        return bool(self.names)

    def see(self, names: list[str], y: Any, y_pred: Any) -> None:
        """Say what comes out: names, labels and predictions as samples."""
        self.names, several = names, len(names) > 1
        chosen = self._by_output("loss", self.loss)
        weights = self._by_output("loss_weights", self.weights)
        self.parts = [
            (None if one is None else losses.get(one), None if w is None else float(w))
            for one, w in zip(chosen, weights, strict=True)
        ]
        self.trackers = [
            metrics.Mean(name=f"{name}_loss") if part[0] is not None else None
            for name, part in zip(names, self.parts, strict=True)
        ] if several else []  # fmt: skip
        labels = [None] * len(names) if y is None else self.ordered(y)
        shapes = [
            None if a is None else ((1, *a.shape[1:]), (1, *b.shape[1:]))
            for a, b in zip(labels, leaves(y_pred), strict=True)
        ]
        self.metrics = []
        for words, given, weighted in (
            ("metrics", self.given, False), ("weighted_metrics", self.weighted, True),
        ):  # fmt: skip
            if several and isinstance(given, list | tuple) and len(given) != len(names):
                raise ArgumentError(
                    f"compile({words}): got {len(given)} for {len(names)} outputs\n"
                    f"  outputs   {', '.join(names)}\n  expected a list with one entry for each, "
                    "or a dict by their names"
                )
            for i, each in enumerate(self._by_output(words, given, several)):
                listed = each if isinstance(each, list | tuple) else [each]
                for one in listed:
                    if one is not None:
                        metric = metrics.get(one, shapes[i])
                        name = f"{names[i]}_{metric.name}" if several else metric.name
                        self.metrics.append((i, name, metric, weighted))

    def _by_output(self, words: str, given: Any, nested: bool = True) -> list[Any]:
        """One entry for each output."""
        names = self.names
        if isinstance(given, dict):
            unknown = [k for k in given if k not in names]
            if unknown:
                raise ArgumentError(
                    f"compile({words}): there is no output {unknown[0]!r}\n"
                    f"  outputs   {', '.join(names)}\n"
                    "  expected their names, which are those of the last layers"
                )
            return [given.get(name) for name in names]
        if isinstance(given, list | tuple) and nested and len(names) == len(given):
            return list(given)
        if isinstance(given, list | tuple) and words in ("loss", "loss_weights"):
            raise ArgumentError(
                f"compile({words}): got {len(given)} for {len(names)} outputs\n"
                f"  outputs   {', '.join(names)}"
            )
        return [given] * len(names)

    def ordered(self, tree: Any) -> list[Any]:
        """Labels or weights in the order of the outputs; a single one is for all."""
        if isinstance(tree, dict) and all(k in self.names for k in tree):
            return [tree.get(name) for name in self.names]
        found = [*leaves(tree)]
        if len(found) == 1:
            return found * len(self.names)
        if len(found) != len(self.names):
            raise ArgumentError(
                f"the model has {len(self.names)} outputs, and there are labels for {len(found)}\n"
                f"  outputs   {', '.join(self.names)}\n"
                f"  labels    {', '.join(map(describe, found))}\n"
                "  expected a list with labels for each output, or a dict by their names"
            )
        return found

    def total(self, y: Any, y_pred: Any, weight: Any = None, note: bool = True) -> Any:
        """The loss; None where none was given."""
        if self.one is not None and not isinstance(y_pred, list | tuple | dict):
            value = self.one(y, y_pred, weight)
            by = self.weights[0] if isinstance(self.weights, list | tuple) else self.weights
            return value if by is None or isinstance(by, dict) else value * float(by)
        if not self.ready:
            return None
        total = None
        labels, weights = self.ordered(y), self.ordered(weight)
        outputs = [*leaves(y_pred)]
        for i, (loss, factor) in enumerate(self.parts):
            if loss is None or labels[i] is None:
                continue
            value = loss(labels[i], outputs[i], weights[i])
            if note and self.trackers:
                with no_grad():
                    self.trackers[i].update_state(value.detach())  # all batches count the same
            value = value if factor is None else value * factor
            total = value if total is None else total + value
        return total

    def note(self, y: Any, y_pred: Any, weight: Any) -> None:
        """Take a batch into account in all metrics."""
        if not self.metrics:
            return
        labels, weights, outputs = self.ordered(y), self.ordered(weight), [*leaves(y_pred)]
        for i, _, metric, weighted in self.metrics:
            if labels[i] is None:
                continue
            if weighted and weights[i] is not None:
                metric.update_state(labels[i], outputs[i], weights[i])
            else:
                metric.update_state(labels[i], outputs[i])

    def results(self) -> dict[str, Any]:
        """The results so far, by name."""
        found = {t.name: t.result() for t in self.trackers if t is not None}
        for _, name, metric, _ in self.metrics:
            value = metric.result()
            found |= value if isinstance(value, dict) else {name: value}
        return found


def _is_one(loss: Any) -> bool:
    return loss is not None and not isinstance(loss, list | tuple | dict)


def _every(given: Any) -> list[Any]:
    return [one for one in leaves(given) if one is not None]


def output_names(model: Any, y_pred: Any) -> list[str]:
    """The names of the outputs: of the last layers, keys of a dict, or numbers."""
    if isinstance(y_pred, dict):
        return [*y_pred]
    count = sum(1 for _ in leaves(y_pred))
    names = list(getattr(model, "output_names", []))
    return names if len(names) == count else [f"output_{i + 1}" for i in range(count)]
