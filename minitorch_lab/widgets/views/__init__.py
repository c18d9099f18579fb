"""What a run's model does, while it learns: one file a view, and one table of all.

A view computes small arrays from a ``Scene``, a copy of the model at one step, and has a twin in
text. ``viewer.py`` says when a view is computed: only while somebody looks at it, beside the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import boundary, confusion, histograms, predictions, surface, weights
from .scene import Picture

__all__ = ["VIEWS", "Picture", "View"]


@dataclass(frozen=True)
class View:
    """A view: its name in messages, its title, what it shows, how it is computed and written."""

    name: str
    title: str
    about: str
    compute: Callable[..., Picture]
    text: Callable[[Picture], str]
    options: tuple[str, ...] = ()


VIEWS = {
    view.name: view
    for view in (
        View(
            "boundary", "boundary",
            "the class, or the output, that the model gives to each point of the plane",
            boundary.compute, boundary.text,
        ),
        View(
            "confusion", "confusion",
            "how often the model takes one class for another",
            confusion.compute, confusion.text, ("cell",),
        ),
        View(
            "samples", "samples",
            "single samples, what they are and what the model says",
            predictions.compute, predictions.text, ("order",),
        ),
        View(
            "weights", "weights",
            "the weights of the first layer",
            weights.compute, weights.text,
        ),
        View(
            "gradients", "gradients",
            "the values that each layer gives, and the gradients that come back",
            histograms.compute, histograms.text,
        ),
        View(
            "surface", "surface",
            "the loss around the weights of now, and the way that the run came",
            surface.compute, surface.text,
        ),
    )
}  # fmt: skip
