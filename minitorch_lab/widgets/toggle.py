"""The toggle between eager and graph mode."""

from __future__ import annotations

import weakref
from typing import Any

import traitlets

from ..graph import mode
from . import cards
from .base import LabWidget

WORDS = {
    "eager": "Eager: each op runs when its line runs.",
    "graph": "Graph: a function is written down as a graph once, then the graph runs.",
}
_shown: weakref.WeakSet[ModeToggle] = weakref.WeakSet()
_watched: Any = None


class ModeToggle(LabWidget):
    """Two radio buttons that set the mode, and follow it when a cell sets it."""

    part = "toggle"

    mode = traitlets.Unicode("eager").tag(sync=True)
    words = traitlets.Dict(WORDS).tag(sync=True)

    def __init__(self) -> None:
        super().__init__(mode=mode())
        self.observe(self._set, names="mode")
        _shown.add(self)

    def _set(self, change: Any) -> None:
        if change["new"] in WORDS and change["new"] != mode():
            mode(change["new"])

    def transcript(self) -> str:
        """The mode that is on, and the other one."""
        marks = "  ".join(f"({'x' if name == self.mode else ' '}) {name}" for name in WORDS)
        return f"mode: {marks}\n  {WORDS[self.mode]}"

    def static_html(self) -> str:
        """The mode in words; there is no kernel whose mode could change."""
        body = f"<p>{cards.rich(WORDS[self.mode])}</p>"
        body += '<p class="muted small">Run this cell to get the toggle.</p>'
        return cards.page(cards.card("mode", self.mode, body))


def mode_toggle() -> ModeToggle:
    """A toggle between eager and graph mode; ``lab.mode("graph")`` does the same.

    >>> print(mode_toggle().transcript())
    mode: (x) eager  ( ) graph
      Eager: each op runs when its line runs.
    """
    _follow()
    return ModeToggle()


def _follow() -> None:
    """After each cell, let every toggle show the mode that is on."""
    global _watched
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is not None and shell is not _watched:
        shell.events.register("post_run_cell", _after_cell)
        _watched = shell


def _after_cell(result: Any = None) -> None:
    now = mode()
    for toggle in _shown:
        if toggle.mode != now:
            toggle.mode = now
