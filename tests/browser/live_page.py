"""A page with the live panel and, in place of a kernel, a few lines that play one."""

from __future__ import annotations

import json
from typing import Any

from minitorch_lab.widgets.live import Live

ABOUT: dict[str, Any] = {
    "title": "two moons",
    "facts": [
        ["model", "Sequential, 2,242 parameters"],
        ["data", "1,437 samples, 360 for validation"],
        ["epochs", "10 epochs in batches of 32: 450 steps"],
        ["optimizer", "Adam, learning rate 0.001"],
        ["loss", "cross_entropy"],
    ],
    "epochs": 10,
    "total": 450,
    "batch": 32,
    "lr": 0.001,
    "mode": "eager",
    "device": "cpu",
    "seed": 42,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "dropout": 0.2,
    "batch_fixed": False,
    "streams": [["lr", "learning rate"], ["gradient_norm", "gradient norm"], ["error", "error"]],
    "classifies": True,
    "validates": True,
    "span": 8,
    "no_cuda": 'CuPy is not installed: on a machine with an NVIDIA GPU, pip install "x[gpu]"',
    "no_cuda_short": "CuPy is not installed",
}

# JupyterLab's own variables in its two themes stand for the host.
HOST = """
body { margin: 0; padding: 20px; background: var(--jp-layout-color0);
  --jp-layout-color0: #fff; --jp-layout-color1: #fff; --jp-ui-font-color1: rgba(0,0,0,.87);
  --jp-border-color2: #e0e0e0;
  --jp-ui-font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif;
  --jp-code-font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; }
body[data-jp-theme-light="false"] { --jp-layout-color0: #111; --jp-layout-color1: #212121;
  --jp-ui-font-color1: rgba(255,255,255,.87); --jp-border-color2: #424242; color-scheme: dark; }
"""

# The model is what anywidget gives to render(): get, on, off, send. `kernel` holds what was sent to
# Python and plays Python's part: run(n) does n steps and sends them as live.py does.
KERNEL = """
window.kernel = {
  sent: [], handlers: [], first: 0,
  busy: about.busy, deaf: false, // it does not answer; its channel is closed
  now: {state: "ready", step: 0, total: about.total, epoch: 0, epochs: about.epochs, lr: about.lr,
        momentum: about.momentum, weight_decay: about.weight_decay, dropout: about.dropout,
        batch_size: about.batch,
        mode: about.mode, device: about.device, speed: {eager: null, graph: null}, loss: null,
        accuracy: null, message: "", advice: ""},
  emit(change = {}, rows = [], more = {}) {
    Object.assign(this.now, change);
    const message = {type: "update", reset: false, first: this.first, now: {...this.now},
                     validation: [], epoch_rows: [], marks: [], ...more};
    const buffer = new Float32Array(rows.flat());
    this.first = rows.length ? rows[rows.length - 1][0] : this.first;
    for (const f of this.handlers) f(message, [new DataView(buffer.buffer)]);
  },
  loss(step) { const noise = Math.sin(step * 12.9898) * 43758.5453;
    const r = noise - Math.floor(noise) - 0.5;
    return 0.06 + 2.2 * Math.exp(-step / 60) * (1 + 0.5 * r) + 0.06 * r; },
  run(count, change = {}, more = {}) {
    const rows = [];
    for (let i = 1; i <= count; i++) {
      const step = this.first + i, loss = this.loss(step);
      const accuracy = Math.round(32 * Math.max(0.1, 1 - 0.42 * loss)) / 32;
      rows.push([step, 1, loss, loss, loss, accuracy]);
    }
    const last = rows[rows.length - 1], step = this.first + count;
    const validation = [], epoch_rows = [];
    for (let epoch = this.now.epoch + 1; 45 * epoch <= step; epoch++) {
      const loss = 0.09 + 2 * Math.exp(-45 * epoch / 60);
      validation.push({epoch, step: 45 * epoch, loss, accuracy: 1 - 0.44 * loss});
      epoch_rows.push({epoch, step: 45 * epoch, loss: loss - 0.02, accuracy: 1 - 0.42 * loss});
    }
    this.emit({step, loss: last[2], accuracy: last[5], epoch: Math.floor(step / 45), ...change},
              rows, {validation, epoch_rows, ...more});
  },
};
window.model = {
  get: (name) => (name === "about" ? about : about[name]),
  on: (name, f) => { if (name === "msg:custom") kernel.handlers.push(f); },
  off: (name, f) => { kernel.handlers = kernel.handlers.filter((other) => other !== f); },
  send: ({ask, ...content}) => {
    if (kernel.deaf) throw new Error("Cannot send");
    if (!["keep", "there"].includes(content.type)) kernel.sent.push(content);
    if (ask && !kernel.busy) for (const f of kernel.handlers) f({heard: ask});
  },
};
"""


def page_text(about: dict[str, Any] = ABOUT, *, dark: bool = False) -> str:
    """The whole page; ``window.ready`` is true when the widget has been rendered."""
    script = Live.module().replace("export default", "const widget =")
    theme = "false" if dark else "true"
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>live</title>
<style>{HOST}{Live.style()}</style>
<body data-jp-theme-light="{theme}"><main id="here"></main><script>
const about = {json.dumps(about)};
{KERNEL}
</script><script type="module">
{script}
window.remove = widget.render({{model, el: document.getElementById("here")}});
window.ready = true;
</script></body></html>"""
