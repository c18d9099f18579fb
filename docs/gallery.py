"""The gallery: each widget as it stays in a page without a kernel, made when the site is built."""

import io
import linecache
import os
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

PAGES = "pages"  # below gallery/: widgets as pages of their own

# A heading, a few words, and the cell that shows the widget: its last line, or the loop over `run`.
WIDGETS = [
    (
        "Explorer",
        "The graph of a result. Click a node, or move with the arrow keys: value, gradient, "
        "formula, cost and the line that made it are beside the picture.",
        """
        x = lab.tensor(2.0, requires_grad=True)
        y = x**2 + 2 * x + 1
        lab.explore(y)
        """,
    ),
    (
        "Explorer of a network",
        "Modules are boxes that fold and unfold.",
        """
        model = lab.nn.Sequential(
            lab.nn.Conv2d(1, 4, 3), lab.nn.ReLU(), lab.nn.MaxPool2d(2),
            lab.nn.Flatten(), lab.nn.Linear(36, 10),
        )
        loss = lab.nn.functional.cross_entropy(model(lab.randn(8, 1, 8, 8)), lab.arange(8))
        loss.backward()
        lab.explore(loss)
        """,
    ),
    (
        "Stepper",
        "A backward pass, one op at a time, in both directions.",
        """
        x = lab.tensor(2.0, requires_grad=True)
        y = x**2 + 2 * x + 1
        lab.step_through(y)
        """,
    ),
    (
        "Pass view",
        "What graph mode made of a function, pass by pass: the slider goes through the passes, and "
        "a kernel lights up the ops and the lines that it came from.",
        """
        @lab.compile
        def step(x, w, b):
            s = lab.tensor(1.0) / 4
            h = (x * w + b) * s
            p = x * w
            q = p.exp()
            return (h.tanh() + p).relu()

        x, w, b = lab.randn(100, 784), lab.randn(784), lab.randn(784)
        lab.explain(step, x, w, b).view()
        """,
    ),
    (
        "Dialect linker",
        "One program in five styles (PyTorch's, on the tape, in Keras, as a function, in a "
        "session), and which of their lines compute the same.",
        """
        lab.link()
        """,
    ),
    (
        "Doctor",
        "What is wrong with a program, why, and how it is repaired. In a notebook `%%doctor` as "
        "the first line of a cell does the same.",
        """
        program = '''\\
        import torch
        from torch import nn

        torch.manual_seed(0)
        images, labels = torch.randn(32, 1, 28, 28), torch.randint(0, 10, (32,))
        model = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32 * 12 * 12, 10),
        )
        criterion = nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(model.parameters())
        for step in range(100):
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
        '''
        lab.doctor(program)
        """,
    ),
    (
        "Quiz",
        "The questions at the end of a lesson. Each choice says why it is right, or why not.",
        """
        lab.quiz("02")
        """,
    ),
    (
        "Prediction",
        "A question before a cell is run; the answer is kept, and shown beside the result.",
        """
        lab.predict("02.p1")
        """,
    ),
    (
        "Live training",
        "A run that is watched and steered: start, pause, step, learning rate, eager or graph; "
        "back to an earlier step, and on from there another way. When the kernel is gone, its "
        "curves and the last view of the model stay.",
        """
        angle, noise = 3.14 * lab.rand(200), 0.1 * lab.randn(200, 2)
        side = lab.arange(200) % 2
        x = lab.where(side == 0, angle.cos(), 1 - angle.cos())
        y = lab.where(side == 0, angle.sin(), 0.5 - angle.sin())
        points = lab.stack([x, y], 1) + noise
        model = lab.nn.Sequential(lab.nn.Linear(2, 16), lab.nn.Tanh(), lab.nn.Linear(16, 2))
        panel = lab.train(model, (points, side), epochs=30, lr=0.01, name="two moons", show=False)
        panel.start().wait()
        panel.view("boundary")
        panel
        """,
    ),
    (
        "A loop of your own",
        "The panel for a loop that you write: two lines are new, that with `lab.live` and that "
        "with `log`.",
        """
        from minitorch_lab.utils.data import DataLoader, TensorDataset

        x = lab.randn(512, 3)
        y = x.sum(1, keepdim=True).sin() + 0.1 * lab.randn(512, 1)
        model = lab.nn.Sequential(lab.nn.Linear(3, 16), lab.nn.Tanh(), lab.nn.Linear(16, 1))
        optimizer = lab.optim.Adam(model.parameters(), lr=0.01)
        loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)

        run = lab.live(loader, epochs=25, model=model, optimizer=optimizer, name="a sine")
        for inputs, targets in run:
            optimizer.zero_grad()
            error = model(inputs) - targets
            loss = (error**2).mean()
            run.log(loss=loss, largest_error=error.abs().max())
            loss.backward()
            optimizer.step()
        """,
    ),
    (
        "Playground",
        "A network that learns points in the plane: data, layers, units and single weights can be "
        "changed while it trains.",
        """
        play = lab.playground(data="circles", units=[4, 3], seed=0)
        play.step(300)
        play
        """,
    ),
    (
        "Mode toggle",
        "Eager or graph, for what runs from here on.",
        """
        lab.mode_toggle()
        """,
    ),
]
# For a kernel: without one only the still.
ALIVE = {"Prediction", "Live training", "A loop of your own", "Playground", "Mode toggle"}


def shown(lines: list[str], scope: dict[str, Any]) -> Any:
    """What a notebook shows when it has run these lines of a cell."""
    from minitorch_lab.widgets.loop_panel import LoopPanel

    *rest, last = lines
    loop = last.startswith(" ")  # the body of the loop over `run`
    code = compile("\n".join(lines if loop else rest), "cell", "exec")
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # a terminal's progress
        exec(code, scope)  # noqa: S102  the cells above
    widget = LoopPanel(scope["run"]) if loop else eval(last, scope)  # noqa: S307
    return widget.widget() if hasattr(widget, "widget") else widget  # a diagnosis has one


def write_gallery(folder: Path) -> None:
    """Write ``gallery.md`` and, for each widget that has one, its page."""
    import minitorch_lab as lab
    from minitorch_lab.tape import Settings

    Settings.sources = True  # as in a notebook
    os.environ["MINITORCH_LAB_PROGRESS"] = "off"  # nobody's answers

    shutil.rmtree(folder, ignore_errors=True)
    (folder / "extra" / "gallery" / PAGES).mkdir(parents=True)
    parts = [
        "# Gallery\n\nEach widget as a page without a kernel shows it: what stays in a notebook on "
        "GitHub, in nbviewer or in an export. Where it says so, the whole widget is on a page of "
        "its own, which folds, selects and steps with no kernel and no network.\n"
    ]
    for title, words, cell in WIDGETS:
        lines = [line[8:] for line in cell.strip("\n").rstrip().splitlines()]
        lab.manual_seed(0)
        scope = {"lab": lab}
        code = "\n".join(lines)
        linecache.cache["cell"] = (len(code), None, code.splitlines(keepends=True), "cell")
        widget = shown(lines, scope)
        still = widget.static_html().strip() + "\n"
        name = title.lower().replace(" ", "-") + ".html"
        parts.append(
            f"## {title}\n\n{words}\n\n```python\n{code}\n```\n\n```{{raw}} html\n{still}```\n"
        )
        if title not in ALIVE:
            page = folder / "extra" / "gallery" / PAGES / name
            page.write_text(widget.page(), encoding="utf-8")
            parts.append(f'<a href="{PAGES}/{name}">the same as a page of its own</a>\n')
    (folder / "index.md").write_text("\n".join(parts), encoding="utf-8")
