"""What every widget shares: one stylesheet, one script file, one mimebundle."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64encode
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import traitlets

_PACKED = 200_000  # letters of a page's data from which on it is compressed
STATIC = Path(__file__).parent / "static"


@cache
def asset(name: str) -> str:
    """The text of a file in ``widgets/static``; empty where the widget has no such file."""
    path = STATIC / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _small(style: str) -> str:
    """A stylesheet without its comments and the room between its rules."""
    style = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    return re.sub(r"\s*([{};,])\s*", r"\1", re.sub(r"\s+", " ", style)).strip()


class LabWidget(anywidget.AnyWidget):
    """A widget with its stylesheet, its ES module, and two twins that need no kernel.

    A subclass names its ``part`` and gives ``transcript()`` (plain text, the same on every
    machine) and ``static_html()`` (a picture for a page without a kernel). ``uses`` names files
    that several widgets share, such as ``"graph"``.
    """

    part = ""
    uses: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # anywidget reads both when the class is made. An ES module in a notebook can import no
        # file beside it, so the shared helpers are put in front of the widget's own. Only where the
        # part is named: anywidget derives a class of its own for each widget, with traits in place.
        if "part" in vars(cls):
            cls._esm, cls._css = cls.module(), cls.style()
        super().__init_subclass__(**kwargs)

    @classmethod
    def module(cls) -> str:
        """The ES module without comment lines: the shared helpers, then the widget's own."""
        text = "\n".join(asset(f"{name}.js") for name in ("common", *cls.uses, cls.part))
        return re.sub(r"^ *//.*\n", "", text, flags=re.MULTILINE)

    @classmethod
    def style(cls) -> str:
        """The stylesheet without comments: the one of all widgets, then the widget's own."""
        return _small("\n".join(asset(f"{name}.css") for name in ("lab", *cls.uses, cls.part)))

    @traitlets.observe("comm")
    def _answer_without_figures(self, change: Any) -> None:
        # A comm tells IPython of each message as if it were a cell, and Matplotlib then shows the
        # figures that are open. On another thread that breaks the figure which a cell is drawing:
        # it came out half or empty. Our answers draw no figure, so there is none to show.
        comm = self.comm
        if comm is not None:

            def handle_msg(message: Any) -> None:
                if comm._msg_callback:
                    comm._msg_callback(message)

            comm.handle_msg = handle_msg

    def answer_while_cells_run(self) -> None:
        """Have the page's messages answered on another thread, where the kernel has subshells.

        Since ipykernel 7.4 a comm that has sent anything from a cell waits for the cells' queue.
        A widget that calls this holds a lock where it answers.
        """
        if self.comm is not None:
            self.comm._reply_subshell_for = None

    def _handle_custom_msg(self, content: Any, buffers: Any) -> None:
        # A page (kernel.js) says in words when its message is not heard at once.
        if isinstance(content, dict) and "ask" in content:
            content = dict(content)
            self.send({"heard": content.pop("ask")})
        if content == {"type": "keep"} and self.has_trait("still"):
            self.still = self.static_html()
            return
        super()._handle_custom_msg(content, buffers)

    def shown(self) -> dict[str, Any]:
        """The traits that the page has, by name."""
        common = set(anywidget.AnyWidget.class_trait_names())
        names = [n for n in self.trait_names(sync=True) if n not in common and n[0] != "_"]
        return {name: getattr(self, name) for name in names}

    def transcript(self) -> str:
        """The widget in words, for text/plain."""
        raise NotImplementedError

    def static_html(self) -> str:
        """The widget as a picture, for text/html."""
        raise NotImplementedError

    def page_answers(self) -> dict[str, dict[str, Any]]:
        """What a page without a kernel answers: by the value of the trait ``page`` and the message.

        ``{" " + json: ...}`` answers whatever is shown, ``{page + " " + json: ...}`` where the
        trait ``page`` has that value. An answer may ``set`` traits and ``send`` a message, and
        ``go`` to a scene, traits that several answers lead to.
        """
        return {}

    def page_data(self) -> dict[str, Any]:
        """What a page without a kernel has: ``traits``, ``answers``, and ``scenes`` by name."""
        return {"traits": self.shown(), "answers": self.page_answers()}

    def page(self) -> str:
        """The widget as an HTML page of its own, which works without a kernel and a network."""
        data = json.dumps(self.page_data(), ensure_ascii=False)
        packed = len(data) > _PACKED
        if packed:
            data = b64encode(gzip.compress(data.encode(), mtime=0)).decode()
        return _PAGE.format(
            title=escape(getattr(self, "title", "") or self.part),
            css=self.style(),
            js=f"{asset('page.js')}\n{self.module()}",
            data=data.replace("<", "\\u003c"),  # no text can end the script
            packed=" data-packed" if packed else "",
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        data = dict(data or {})
        data["text/plain"] = self.transcript()
        data["text/html"] = self.static_html()
        return data, metadata


# Nothing is fetched: the policy refuses every address.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline';
  img-src data:">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 16px; background: light-dark(#ffffff, #212121); }}
{css}
</style>
</head>
<body>
<main id="lab"></main>
<script type="application/json" id="data"{packed}>{data}</script>
<script type="module">
{js}
const data = await unpacked(document.getElementById("data"));
render({{ model: still(data), el: document.getElementById("lab") }});
</script>
</body>
</html>
"""
