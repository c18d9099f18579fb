"""The benchmark: ``python -m minitorch_lab.bench``.

Whole training steps (zero the gradients, forward, backward, update, read the loss), one thread,
in eager mode and as a graph, run by NumPy and in C, and the same in PyTorch, JAX and TensorFlow,
as asked for with ``--against``. The candidates take turns in short rounds, so that a busy machine
is busy for all of them; what is reported is the median of the rounds and the ratios of the times.
``--check`` shows that the others do the same work: from the same weights, the same losses.
``--drift`` shows how far the executors are from eager mode after 100 steps.
``--panel`` shows what the live panel costs a training run, ``--keras`` what Keras's ``fit`` costs
against a loop of one's own, and against Keras where TensorFlow is installed, ``--sessions`` what a
session in the style of TensorFlow 1 costs beside a compiled step. ``--gpu`` measures a GPU.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minitorch_lab as lab

from . import bench_gpu, bench_jax, bench_tensorflow, tape
from .bench_steps import interleaved, training_step

Step = Callable[[], float]


# The work, written once for both libraries --------------------------------------------------


def regression(torch: Any, rows: int, columns: int) -> tuple[Any, Any, Any, Any, Any]:
    """``Linear(columns, 1)`` with SGD."""
    x, y = torch.randn(rows, columns), torch.randn(rows, 1)
    model = torch.nn.Linear(columns, 1)
    return model, torch.nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.01), x, y


def mlp(torch: Any, batch: int, dropout: float = 0.0) -> tuple[Any, Any, Any, Any, Any]:
    """784-128-10 with Adam."""
    x, y = torch.randn(batch, 784), torch.randint(0, 10, (batch,))
    nn = torch.nn
    parts = [nn.Linear(784, 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, 10)]
    model = nn.Sequential(*(part for part in parts if dropout or not hasattr(part, "p")))
    return model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=0.001), x, y


def digits(torch: Any, batch: int) -> tuple[Any, Any, Any, Any, Any]:
    """64-64-10 with Adam, on pictures of 8 x 8."""
    x, y = torch.randn(batch, 64), torch.randint(0, 10, (batch,))
    nn = torch.nn
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    return model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=0.001), x, y


def conv(torch: Any, batch: int) -> tuple[Any, Any, Any, Any, Any]:
    """Conv(1, 32, 3)-ReLU-MaxPool-Linear with Adam."""
    x, y = torch.randn(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5408, 10)
    )
    return model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=0.001), x, y


def transformer(torch: Any, batch: int) -> tuple[Any, Any, Any, Any, Any]:
    """Two blocks, 64 wide, 4 heads, 64 characters of 65, with AdamW."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        """Attention and a two-layer network, each added to what came in."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.LayerNorm(64), nn.LayerNorm(64)
            self.qkv, self.out = nn.Linear(64, 192), nn.Linear(64, 64)
            self.mlp = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64))

        def forward(self, x: Any) -> Any:
            n, length, width = x.shape
            q, k, v = self.qkv(self.first(x)).view(n, length, 3, 4, 16).permute(2, 0, 3, 1, 4)
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(seen.transpose(1, 2).reshape(n, length, width))
            return x + self.mlp(self.second(x))

    class GPT(nn.Module):  # type: ignore[misc, name-defined]
        """Characters to logits of the next character."""

        def __init__(self) -> None:
            super().__init__()
            self.token, self.place = nn.Embedding(65, 64), nn.Embedding(64, 64)
            self.blocks = nn.Sequential(Block(), Block())
            self.norm, self.head = nn.LayerNorm(64), nn.Linear(64, 65)

        def forward(self, x: Any) -> Any:
            x = self.token(x) + self.place.weight
            return self.head(self.norm(self.blocks(x))).flatten(0, 1)

    x, y = torch.randint(0, 65, (batch, 64)), torch.randint(0, 65, (batch * 64,))
    model = GPT()
    return model, nn.CrossEntropyLoss(), torch.optim.AdamW(model.parameters(), lr=0.001), x, y


def cnn(torch: Any, batch: int) -> tuple[Any, Any, Any, Any, Any]:
    """Two convolutions with padding, 1-16-32 channels, with Adam."""
    x, y = torch.randn(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 49, 10),
    )  # fmt: skip
    return model, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=0.001), x, y


def norms(torch: Any, batch: int) -> tuple[Any, Any, Any, Any, Any]:
    """Batch norm, layer norm and SiLU in an MLP, with momentum."""
    x, y = torch.randn(batch, 64), torch.randint(0, 10, (batch,))
    nn = torch.nn
    model = nn.Sequential(
        nn.Linear(64, 128), nn.BatchNorm1d(128), nn.SiLU(),
        nn.Linear(128, 128), nn.LayerNorm(128), nn.SiLU(), nn.Linear(128, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return model, nn.CrossEntropyLoss(), optimizer, x, y


def recurrent(torch: Any, batch: int) -> tuple[Any, Any, Any, Any, Any]:
    """A GRU that reads 32 characters, with RMSprop."""
    nn = torch.nn

    class Reader(nn.Module):  # type: ignore[misc, name-defined]
        """Characters to logits of the next one."""

        def __init__(self) -> None:
            super().__init__()
            self.token, self.head = nn.Embedding(65, 32), nn.Linear(64, 65)
            self.gru = nn.GRU(32, 64, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.head(self.gru(self.token(x))[0]).flatten(0, 1)

    x, y = torch.randint(0, 65, (batch, 32)), torch.randint(0, 65, (batch * 32,))
    model = Reader()
    return model, nn.CrossEntropyLoss(), torch.optim.RMSprop(model.parameters(), lr=0.001), x, y


def expression(torch: Any, entries: int) -> tuple[Any, Any, Any, Any, Any]:
    """``tanh(x * w + b) * sigmoid(x) + x**2`` with the gradients of w and b."""
    nn = torch.nn

    class Curve(nn.Module):  # type: ignore[misc, name-defined]
        """One expression of two parameters."""

        def __init__(self) -> None:
            super().__init__()
            self.w, self.b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

        def forward(self, x: Any) -> Any:
            return torch.tanh(x * self.w + self.b) * torch.sigmoid(x) + x**2

    model, x = Curve(), torch.randn(entries)
    return model, lambda y, _: y.mean(), torch.optim.SGD(model.parameters(), lr=0.01), x, x


def chain(torch: Any, entries: int) -> tuple[Any, Any, Any, Any, Any]:
    """tanh, sigmoid and square of a parameter, with an SGD step of size 0."""
    nn = torch.nn

    class Chain(nn.Module):  # type: ignore[misc, name-defined]
        """Three elementwise ops."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(entries))

        def forward(self, x: Any) -> Any:
            return self.weight.tanh().sigmoid().square()

    model, none = Chain(), torch.zeros(1)
    return model, lambda y, _: y.sum(), torch.optim.SGD(model.parameters(), lr=0.0), none, none


WORK: dict[str, tuple[str, Callable[[Any], tuple[Any, Any, Any, Any, Any]]]] = {
    "linear": ("linear regression 100 x 1, SGD", lambda t: regression(t, 100, 1)),
    "one": ("Linear(10, 1), batch 1, SGD", lambda t: regression(t, 1, 10)),
    "digits": ("digits MLP 64-64-10, Adam, batch 32", lambda t: digits(t, 32)),
    "mlp32": ("MLP 784-128-10, Adam, batch 32", lambda t: mlp(t, 32)),
    "dropout": ("the same with dropout 0.2", lambda t: mlp(t, 32, 0.2)),
    "mlp256": ("MLP 784-128-10, Adam, batch 256", lambda t: mlp(t, 256)),
    "norms": ("MLP 64-128-128-10, batch and layer norm, SiLU, momentum", lambda t: norms(t, 32)),
    "conv": ("Conv(1,32,3)-ReLU-MaxPool-Linear, Adam, batch 32", lambda t: conv(t, 32)),
    "conv128": ("the same, batch 128", lambda t: conv(t, 128)),
    "cnn": ("CNN with two convolutions, padding, Adam, batch 32", lambda t: cnn(t, 32)),
    "gru": ("GRU language model, 32 long, RMSprop, batch 16", lambda t: recurrent(t, 16)),
    "transformer": (
        "Transformer, 2 blocks, 64 wide, AdamW, batch 16",
        lambda t: transformer(t, 16),
    ),
    "chain": ("tanh-sigmoid-square on 1,000,000 entries", lambda t: chain(t, 1_000_000)),
    "expression": ("tanh(xw+b) sigmoid(x) + x², 1,000,000", lambda t: expression(t, 1_000_000)),
}


EXECUTORS = ("numpy", "c")


def as_graph(work: tuple[Any, Any, Any, Any, Any], executor: str) -> Step:
    """A training step as a graph."""
    step, x, y = training_step(work)
    compiled = lab.compile(step, executor=executor)
    return lambda: float(compiled(x, y).item())


# The others, from the same weights and data --------------------------------------------------

YARDSTICKS = {"torch": "PyTorch", "jax": "JAX", "tensorflow": "TensorFlow"}


def installed(name: str) -> bool:
    """Whether a yardstick is there to be imported."""
    return importlib.util.find_spec(name) is not None


def start(name: str) -> None:
    """Import a yardstick and hold it to one thread."""
    if name == "jax":
        bench_jax.start()
    elif name == "tensorflow":
        bench_tensorflow.start()
    else:
        importlib.import_module(name).set_num_threads(1)


def narrow(t: Any) -> Any:
    """A copy of a tensor's numbers; integers of 32 bits, as JAX has them."""
    a = np.array(t.numpy())
    return a.astype(np.int32) if a.dtype == np.int64 else a


def as_arrays(model: Any, x: Any, y: Any) -> tuple[dict[str, Any], dict[str, Any], Any, Any]:
    """Parameters, buffers and data as JAX and TensorFlow lay them out.

    Matrices are ``(inputs, outputs)``, kernels ``(H, W, I, O)``, pictures ``(N, H, W, C)``; the
    layer behind a flattened picture takes its inputs in that order.
    """
    tables = [m.weight for m in model.modules() if isinstance(m, lab.nn.Embedding)]
    parameters, channels = {}, 0
    for name, p in model.named_parameters():
        a = np.array(p.detach().numpy())
        if a.ndim == 4:
            a, channels = a.transpose(2, 3, 1, 0), len(a)
        elif a.ndim == 2 and all(p is not table for table in tables):
            if channels:
                a = a.reshape(len(a), channels, -1).swapaxes(1, 2).reshape(len(a), -1)
            a = a.T
        parameters[name] = np.ascontiguousarray(a)
    buffers = {name: narrow(b) for name, b in model.named_buffers()}
    x, y = narrow(x), narrow(y)
    x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 else x
    return parameters, buffers, x, y


def yardstick(library: str, name: str, work: tuple[Any, Any, Any, Any, Any]) -> Step:
    """The same step in another library."""
    model, _, _, x, y = work
    if library == "jax":
        return bench_jax.step(name, *as_arrays(model, x, y))
    if library == "tensorflow":
        return bench_tensorflow.step(name, *as_arrays(model, x, y))
    torch = importlib.import_module(library)
    theirs = WORK[name][1](torch)
    state = {n: torch.tensor(v.detach().numpy()) for n, v in model.state_dict().items()}
    theirs[0].load_state_dict(state)
    step, _, _ = training_step(theirs)
    tx, ty = (torch.tensor(t.numpy()) for t in (x, y))
    return lambda: float(step(tx, ty).item())


def as_eager(work: tuple[Any, Any, Any, Any, Any]) -> Step:
    """A training step in eager mode."""
    step, x, y = training_step(work)
    return lambda: float(step(x, y).item())


def steps(name: str, against: list[str]) -> dict[str, Step]:
    """The candidates for one row: eager, graphs, and the yardsticks."""
    make = WORK[name][1]
    lab.manual_seed(0)
    work = make(lab)
    others = {library: yardstick(library, name, work) for library in against}
    graphs = {executor: as_graph(make(lab), executor) for executor in EXECUTORS}
    return {"eager": as_eager(work), **graphs, **others}


def check(names: list[str], against: list[str]) -> list[str]:
    """What differs: the first three losses, within 0.001 of ours; one line for each difference.

    Dropout is left out, for each library draws its own numbers.
    """
    wrong = []
    for name in names:
        if name == "dropout":
            continue
        lab.manual_seed(0)
        work = WORK[name][1](lab)
        others = {library: yardstick(library, name, work) for library in against}
        ours = three(as_eager(work))
        for library, step in others.items():
            theirs = three(step)
            if not np.allclose(theirs, ours, rtol=1e-3, atol=0):
                wrong.append(f"{name}: losses {theirs} in {YARDSTICKS[library]}, ours {ours}")
    return wrong


def three(step: Step) -> list[float]:
    """The losses of three steps."""
    return [step() for _ in range(3)]


def drift(name: str, steps: int = 100) -> tuple[float, ...]:
    """A row's loss after so many steps in eager mode, and how far others are from it, relatively.

    The others are the executors, and eager mode in float64: how far float32 itself is off.
    """
    losses = []
    for executor in (None, *EXECUTORS, "float64"):
        lab.manual_seed(0)
        model, criterion, optimizer, x, y = WORK[name][1](lab)
        if executor == "float64":
            model.double()
            x, y = (t.double() if t.dtype.is_floating_point else t for t in (x, y))
        work = model, criterion, optimizer, x, y
        step = as_graph(work, executor) if executor in EXECUTORS else as_eager(work)
        lab.manual_seed(1)
        losses.append([step() for _ in range(steps)][-1])
    first = losses[0]
    return (first, *(abs(x - first) / max(abs(first), 1e-30) for x in losses[1:]))


# Measuring ---------------------------------------------------------------------------------


def per_op(rounds: int) -> dict[str, float]:
    """Microseconds that recording adds to a NumPy call on 10 x 10 entries, with its causes."""
    a, b = lab.randn(10, 10, requires_grad=True), lab.randn(10, 10)
    x, y = a.array, b.array
    many = range(200)

    def repeated(call: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            for _ in many:
                call()

        return run

    def with_lines() -> None:
        before, tape.Settings.sources = tape.Settings.sources, True
        for _ in many:
            a * b
        tape.Settings.sources = before

    before, tape.Settings.sources = tape.Settings.sources, False
    found = interleaved(
        {
            "numpy": repeated(lambda: np.multiply(x, y)),
            "not recorded": repeated(lambda: b * b),
            "recorded": repeated(lambda: a * b),
            "recorded with source lines": with_lines,
        },
        rounds * 4,
        0.01,
    )
    tape.Settings.sources = before
    each = {name: seconds / len(many) * 1e6 for name, seconds in found.items()}
    return {name: each[name] - (each["numpy"] if name != "numpy" else 0) for name in each}


def table(
    names: list[str], against: list[str], rounds: int, seconds: float
) -> dict[str, dict[str, float]]:
    """Microseconds of a step: row, candidate."""
    found = {}
    for name in names:
        times = interleaved(steps(name, against), rounds, seconds)
        found[name] = {candidate: value * 1e6 for candidate, value in times.items()}
        said = ", ".join(f"{candidate} {us:.1f}" for candidate, us in found[name].items())
        print(f"{name}, µs: {said}", file=sys.stderr, flush=True)
    return found


TITLES = {"eager": "eager", "numpy": "NumPy", "c": "C", **YARDSTICKS}


def markdown(titles: list[str], rows: list[list[str]]) -> list[str]:
    """A table: its first column is text, the others are numbers."""
    rule = "|---" + "|---:" * (len(titles) - 1) + "|"
    return ["| " + " | ".join(titles) + " |", rule, *("| " + " | ".join(r) + " |" for r in rows)]


def report(found: dict[str, dict[str, float]], against: list[str]) -> list[str]:
    """The tables: times, with ratios to the first yardstick; and C against each of several.

    Without a yardstick the ratios are to eager mode.
    """
    ours = ["eager", *EXECUTORS]
    base = against[0] if against else "eager"
    compared = [k for k in ours if k != base]
    lines = markdown(
        ["one training step, 1 thread"]
        + [f"{TITLES[k]} µs" for k in ours + against]
        + [f"{TITLES[k]} to {TITLES[base]}" for k in compared],
        [
            [WORK[name][0]]
            + [f"{us[k]:.1f}" for k in ours + against]
            + [f"{us[base] / us[k]:.2f}×" for k in compared]
            for name, us in found.items()
        ],
    )
    if len(against) > 1:
        rows = [
            [WORK[name][0], *(f"{us[k] / us['c']:.2f}×" for k in against)]
            for name, us in found.items()
        ]
        lines += ["", *markdown(["C against", *(TITLES[k] for k in against)], rows)]
    return lines


def available(asked: list[str] | None) -> list[str]:
    """The yardsticks asked for that are installed, started; PyTorch if none was named."""
    found = []
    for name in dict.fromkeys(["torch"] if asked is None else asked):
        if installed(name):
            start(name)
            found.append(name)
        elif asked is not None:
            line = f"{TITLES[name]} is not installed and is left out: pip install {name}"
            print(line, file=sys.stderr)
    return found


GPU_WORK: dict[str, tuple[str, Callable[[Any], tuple[Any, Any, Any, Any, Any]]]] = {
    "mlp32": WORK["mlp32"],
    "mlp256": WORK["mlp256"],
    "cnn128": ("CNN with two convolutions, Adam, batch 128", lambda t: cnn(t, 128)),
    "cnn1024": ("the same, batch 1024", lambda t: cnn(t, 1024)),
    "transformer16": WORK["transformer"],
    "transformer128": ("the same, batch 128", lambda t: transformer(t, 128)),
}
GPU_PRECISE = ("mlp256", "cnn1024", "transformer128")  # in TF32 and with float16 too


def on_gpu(out: Path) -> int:
    """Measure a GPU, and print the table; 1 where there is none."""
    reason = lab.cuda.why_not()
    if reason is not None:
        print(f"no GPU to measure: {reason}", file=sys.stderr)
        return 1
    torch = bench_gpu.pytorch()
    if torch is None:
        print("PyTorch is not here, or finds no GPU: ours is measured alone", file=sys.stderr)
    works = {name: make for name, (_, make) in GPU_WORK.items()}
    folder = Path(__file__).parents[1]
    found = bench_gpu.run(works, out, torch=torch, precise=GPU_PRECISE, folder=folder)
    titles = {name: title for name, (title, _) in GPU_WORK.items()}
    titles |= {
        f"{name} {kind}": f"{name}, {words}"
        for kind, words in bench_gpu.KINDS.items()
        for name in GPU_PRECISE
    }
    titles["chain"] = "tanh-sigmoid-square and sum of 100,000,000"
    print("\n".join(bench_gpu.words(found)))
    print()
    print("\n".join(markdown(bench_gpu.HEADS, bench_gpu.rows(found, titles))))
    print(f"\nthe figures are in {out}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m minitorch_lab.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each candidate (7)")
    parser.add_argument("--seconds", type=float, default=0.2, help="time of each turn (0.2)")
    parser.add_argument("--only", nargs="*", choices=sorted(WORK), help="some rows only")
    parser.add_argument(
        "--against", nargs="*", choices=list(YARDSTICKS), help="yardsticks (torch, if installed)"
    )
    parser.add_argument(
        "--check", action="store_true", help="measure nothing; compare the first losses"
    )
    parser.add_argument(
        "--drift", action="store_true", help="measure nothing; compare losses after 100 steps"
    )
    parser.add_argument(
        "--panel", action="store_true", help="measure what the live panel costs a run"
    )
    parser.add_argument(
        "--keras", action="store_true", help="measure fit against a loop, and against Keras"
    )
    parser.add_argument(
        "--sessions", action="store_true", help="measure a session against a compiled step"
    )
    parser.add_argument(
        "--gpu", action="store_true", help="measure and test everything on this machine's GPU"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(bench_gpu.FILE), help="the file that --gpu writes"
    )
    options = parser.parse_args(arguments)
    if options.gpu:
        return on_gpu(options.out)
    lab.set_num_threads(1)
    if options.sessions:
        from . import bench_sessions  # tf is for this table only

        rows = bench_sessions.table(interleaved, options.rounds, options.seconds)
        print("\n".join(markdown(bench_sessions.HEADS, rows)))
        return 0
    if options.keras:
        from . import bench_keras  # tf is for this table only

        theirs = installed("tensorflow")
        if theirs:
            start("tensorflow")
        print("\n".join(markdown(bench_keras.HEADS, bench_keras.table(options.rounds, theirs))))
        return 0
    if options.panel:
        from . import bench_panel  # it needs the widgets' packages, nothing else here does

        works = {"64-64-10 MLP": digits, "784-128-10 MLP": mlp}
        rows = bench_panel.table(works, options.rounds, options.seconds)
        print("\n".join(markdown(bench_panel.HEADS, rows)))
        return 0
    names, against = options.only or list(WORK), available(options.against)
    if options.drift:
        heads = ["after 100 steps, relative", "loss", *EXECUTORS, "float64"]
        rows = [[WORK[name][0], *(f"{x:.2g}" for x in drift(name))] for name in names]
        print("\n".join(markdown(heads, rows)))
        return 0
    if options.check:
        wrong = check(names, against)
        said = ", ".join(YARDSTICKS[k] for k in against) or "nothing to compare with"
        print("\n".join(wrong) or f"the first three losses agree: {said}")
        return 1 if wrong else 0
    found = table(names, against, options.rounds, options.seconds)
    ops = per_op(options.rounds)
    print("\n".join(report(found, against)))
    print()
    rows = [
        ["NumPy alone" if name == "numpy" else f"added when {name}", f"{value:.2f}"]
        for name, value in ops.items()
    ]
    print("\n".join(markdown(["one elementwise op on 10 x 10 entries", "µs"], rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
