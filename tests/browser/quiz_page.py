"""Quiz, prediction and toggle on a page of their own, with a model that only keeps what it gets."""

from __future__ import annotations

import json
from typing import Any

from minitorch_lab.widgets.base import LabWidget, asset

# JupyterLab's own variables in its two themes stand for the host.
HOST = """
body { margin: 0; padding: 20px; background: var(--jp-layout-color0);
  --jp-layout-color0: #fff; --jp-layout-color1: #fff; --jp-ui-font-color1: rgba(0,0,0,.87);
  --jp-border-color2: #e0e0e0;
  --jp-ui-font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif;
  --jp-code-font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; }
body[data-jp-theme-light="false"] { --jp-layout-color0: #111; --jp-layout-color1: #212121;
  --jp-ui-font-color1: rgba(255,255,255,.87); --jp-border-color2: #424242; color-scheme: dark; }
main { display: grid; gap: 16px; }
"""

MODEL = """
const handlers = {};
window.saved = [];
window.model = {
  get: (name) => state[name],
  set: (name, value) => {
    const changed = JSON.stringify(state[name]) !== JSON.stringify(value);
    state[name] = value;
    if (changed) (handlers[`change:${name}`] || []).forEach((f) => f());
  },
  save_changes: () => window.saved.push(JSON.parse(JSON.stringify(state))),
  on: (name, f) => (handlers[name] ||= []).push(f),
  off: (name, f) => { handlers[name] = (handlers[name] || []).filter((g) => g !== f); },
};
"""


def _page(body: str, style: str, dark: bool) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>lesson</title>'
        f"<style>{HOST}{style}</style>"
        f'<body data-jp-theme-light="{"false" if dark else "true"}">{body}</body></html>'
    )


def widget_page(widget: LabWidget, *, dark: bool = False) -> str:
    """A page with one live widget."""
    skip = ("_", "layout", "tabbable", "tooltip", "comm", "keys", "log")
    state: dict[str, Any] = {
        name: getattr(widget, name)
        for name in widget.traits(sync=True)
        if not name.startswith(skip)
    }
    script = asset("common.js") + asset(f"{widget.part}.js")
    script = script.replace("export default", "const made =")
    data = json.dumps(state).replace("</", "<\\/")
    body = f"""<main id="here"></main><script>
const state = {data};
{MODEL}
</script><script type="module">
{script}
made.render({{model, el: document.getElementById("here")}});
window.ready = true;
</script>"""
    return _page(body, asset("lab.css") + asset(f"{widget.part}.css"), dark)


def still_page(*pieces: str, dark: bool = False) -> str:
    """A page with the pictures that need no kernel; no script runs on it."""
    return _page("<main>" + "".join(f"<div>{p}</div>" for p in pieces) + "</main>", "", dark)
