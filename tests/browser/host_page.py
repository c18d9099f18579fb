"""A widget on a page of its own: real Python behind it, no Jupyter between.

``model`` on the page hands what the script sends to the widget in this process, and the changed
traits and messages back: what a comm does, without a kernel.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from playwright.sync_api import Page

from minitorch_lab.widgets.base import LabWidget

# JupyterLab's own variables in its two themes stand for the host.
HOST = """
body { margin: 0; padding: 20px; background: var(--jp-layout-color0);
  --jp-layout-color0: #fff; --jp-layout-color1: #fff; --jp-ui-font-color1: rgba(0,0,0,.87);
  --jp-border-color2: #e0e0e0;
  --jp-ui-font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif;
  --jp-code-font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; }
/* what it does to every output */
a { text-decoration: unset; color: unset; }
.jp-OutputArea-output pre { border: none; margin: 0; padding: 0; word-break: break-all; }
.jp-OutputArea-output :is(dl, dt, dd) { display: block; }
.jp-OutputArea-output dl { width: 100%; overflow: hidden; }
.jp-OutputArea-output dt { font-weight: bold; float: left; width: 20%; }
.jp-OutputArea-output dd { float: left; width: 80%; }
body[data-jp-theme-light="false"] { --jp-layout-color0: #111; --jp-layout-color1: #212121;
  --jp-ui-font-color1: rgba(255,255,255,.87); --jp-border-color2: #424242; color-scheme: dark; }
"""

MODEL = """
const handlers = {};
let changes = {};
const viewed = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const fire = (name, ...what) => (handlers[name] || []).forEach((f) => f(...what));
window.busy = false; // a kernel that runs a cell: what is sent waits
window.waiting = [];
window.model = {
  get: (name) => state[name],
  set: (name, value) => { state[name] = value; changes[name] = value; },
  save_changes: () => { window.toPython({set: changes}); changes = {}; },
  on: (name, f) => (handlers[name] ||= []).push(f),
  off: (name, f) => { handlers[name] = (handlers[name] || []).filter((g) => g !== f); },
  send: async (content) => {
    if (window.busy) { window.waiting.push(content); return; }
    const {traits, messages} = await window.toPython(content);
    const changed = Object.keys(traits).filter((k) => JSON.stringify(traits[k]) !== JSON.stringify(state[k]));
    Object.assign(state, traits);
    changed.forEach((name) => fire(`change:${name}`));
    messages.forEach(([content, buffers]) => fire("msg:custom", content, buffers.map(viewed)));
  },
};
"""  # noqa: E501


def show(
    page: Page, widget: LabWidget, *, dark: bool = False, host: tuple[str, str] | None = None
) -> None:
    """Put ``widget`` on ``page``; ``host``: the body's attributes and a style, if not Jupyter's."""
    messages: list[Any] = []
    known = widget.shown()  # what the page has: only changes travel, as in Jupyter
    widget.send = lambda content, buffers=None: messages.append(  # type: ignore[method-assign]
        [content, [b64encode(buffer).decode() for buffer in buffers or ()]]
    )

    def to_python(content: dict[str, Any]) -> dict[str, Any]:
        if "set" in content:
            for name, value in content["set"].items():
                setattr(widget, name, value)
        else:
            widget._handle_custom_msg(content, [])
        now = widget.shown()
        changed = {name: value for name, value in now.items() if value != known[name]}
        known.update(now)
        # also what other threads have sent since the last time
        return {"traits": changed, "messages": [messages.pop(0) for _ in range(len(messages))]}

    page.expose_function("toPython", to_python)
    script = widget.module().replace("export default", "const made =")
    state = json.dumps(widget.shown()).replace("</", "<\\/")
    theme = f'data-jp-theme-light="{"false" if dark else "true"}"'
    body, style = host or (theme, HOST)
    page.set_content(
        f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{widget.part}</title>
<style>{widget.style()}{style}</style>
<body {body}><main id="here" class="jp-OutputArea-output"></main><script>
const state = {state};
{MODEL}
</script><script type="module">
{script}
window.made = made;
const el = document.createElement("div"); // as in Jupyter: drawn first, put on the page then
window.remove = made.render({{model, el}});
document.getElementById("here").append(el);
window.ready = true;
</script></body></html>"""
    )
    page.wait_for_function("window.ready")
