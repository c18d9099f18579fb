"""What every widget shares: one stylesheet, one script file, one mimebundle."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import anywidget

STATIC = Path(__file__).parent / "static"


@cache
def asset(name: str) -> str:
    """The text of a file in ``widgets/static``; empty where the widget has no such file."""
    path = STATIC / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


class LabWidget(anywidget.AnyWidget):
    """A widget with its stylesheet, its ES module, and two twins that need no kernel.

    A subclass names its ``part`` and gives ``transcript()`` (plain text, the same on every
    machine) and ``static_html()`` (a picture for a page without a kernel).
    """

    part = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # anywidget reads both when the class is made. An ES module in a notebook can import no
        # file beside it, so the shared helpers are put in front of the widget's own. Only where the
        # part is named: anywidget derives a class of its own for each widget, with traits in place.
        if "part" in vars(cls):
            cls._esm = asset("common.js") + "\n" + asset(f"{cls.part}.js")
            cls._css = asset("lab.css") + "\n" + asset(f"{cls.part}.css")
        super().__init_subclass__(**kwargs)

    def transcript(self) -> str:
        """The widget in words, for text/plain."""
        raise NotImplementedError

    def static_html(self) -> str:
        """The widget as a picture, for text/html."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        data = dict(data or {})
        data["text/plain"] = self.transcript()
        data["text/html"] = self.static_html()
        return data, metadata
