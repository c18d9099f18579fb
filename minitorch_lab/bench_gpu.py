"""What a GPU gives: ``python -m minitorch_lab.bench --gpu``, on a machine that has one.

It installs nothing and ends in under eight minutes. Whole training steps, the loss read back after
each, in eager mode and as a graph, in float32, in TF32 and with float16 (autocast), against PyTorch
on the same GPU where that is installed; the size from which the GPU is quicker than the CPU; and
the tests marked ``gpu``, in the time that is left. What was found is written to a file after each
part, so that an end in the middle loses nothing; the short table comes last.
"""

from __future__ import annotations

import datetime
import importlib
import importlib.util
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import minitorch_lab as lab

from .bench_steps import interleaved, training_step
from .cuda.sizes import WHAT

Work = tuple[Any, Any, Any, Any, Any]
Make = Callable[[Any], Work]
Step = Callable[[], float]
COMMAND = "python -m minitorch_lab.bench --gpu"
FILE = "gpu-figures.json"
LIMIT = 440.0  # seconds for everything
STEPS = 250.0  # of which so many are for the rows, a third of them measuring
ROUNDS = 5
NEAR = {"": 2e-3, "tf32": 1e-2, "float16": 3e-2}  # how near losses are, in each precision
KINDS = {"tf32": "TF32", "float16": "float16 (autocast)"}
AIMS = {"mlp32": 1.5, "mlp256": 1.5, "cnn128": 1.5}  # graph mode to PyTorch; 1 for the others
HEADS = ["one training step on the GPU", "eager ms", "graph ms", "PyTorch ms", "graph to PyTorch",
         "eager to PyTorch", "same losses"]  # fmt: skip


class Clock:
    """How much of the time is left."""

    def __init__(self, limit: float) -> None:
        self.end = time.monotonic() + limit

    def left(self) -> float:
        """Seconds; below 0 it is over."""
        return self.end - time.monotonic()


# One row -------------------------------------------------------------------------------------


def ours(make: Make, executor: str | None, kind: str = "") -> Step:
    """Our step on the GPU, in eager mode or as a graph."""
    lab.manual_seed(0)
    model, criterion, optimizer, x, y = make(lab)
    model.to("cuda")
    work = (model, criterion, optimizer, x.to("cuda"), y.to("cuda"))
    return _step(_cast(lab, "cuda", work) if kind == "float16" else work, executor)


def theirs(torch: Any, make: Make, where: str, kind: str = "") -> Step:
    """PyTorch's step on the GPU, from our weights and data."""
    lab.manual_seed(0)
    model, _, _, x, y = make(lab)
    twin, criterion, optimizer, _, _ = make(torch)
    state = {n: torch.tensor(v.detach().numpy()) for n, v in model.state_dict().items()}
    twin.load_state_dict(state)
    twin.to(where)  # in place: the optimiser keeps its parameters
    tx, ty = (torch.tensor(t.numpy()).to(where) for t in (x, y))
    work = (twin, criterion, optimizer, tx, ty)
    return _step(_cast(torch, where, work) if kind == "float16" else work, None)


def _cast(t: Any, where: str, work: Work) -> Work:
    """The same with the model and the loss in blocks of autocast."""
    model, criterion, *rest = work
    block = t.autocast(where, dtype=t.float16)
    return (block(model.__call__), block(criterion.__call__), *rest)


@contextmanager
def tf32(on: bool, torch: Any) -> Iterator[None]:
    """Products of float32 in TF32 or not, in ours and in PyTorch; there convolutions too."""
    before = torch and (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)
    try:
        lab.set_float32_matmul_precision("high" if on else "highest")
        if torch is not None:
            torch.set_float32_matmul_precision("high" if on else "highest")
            torch.backends.cudnn.allow_tf32 = on
        yield
    finally:
        lab.set_float32_matmul_precision("highest")
        if torch is not None:
            torch.set_float32_matmul_precision(before[0])
            torch.backends.cudnn.allow_tf32 = before[1]


def _step(work: Work, executor: str | None) -> Step:
    step, x, y = training_step(work)
    run = step if executor is None else lab.compile(step, executor=executor)
    return lambda: float(run(x, y).item())


def timed(candidates: Mapping[str, Step], budget: float) -> dict[str, float]:
    """Median milliseconds of a call; the candidates take turns, within about ``budget`` seconds."""
    turn = budget / ROUNDS / max(len(candidates), 1)
    found = interleaved(candidates, ROUNDS, turn, calls=(1, 200))
    return {name: seconds * 1e3 for name, seconds in found.items()}


def row(
    name: str, make: Make, torch: Any, where: str, budget: float, kind: str = ""
) -> dict[str, Any]:
    """The figures of one model: milliseconds, ratios, and whether the losses are the same.

    ``kind`` is "" for float32, "tf32", or "float16" for a step with autocast.
    """
    with tf32(kind == "tf32", torch):
        steps: dict[str, Step] = {
            "eager": ours(make, None, kind),
            "graph": ours(make, "auto", kind),
        }
        if torch is not None:
            steps["torch"] = theirs(torch, make, where, kind)
        losses = {key: [step() for _ in range(3)] for key, step in steps.items()}
        ms = timed(steps, budget)
    first = losses["eager"]
    same = all(
        abs(a - b) <= NEAR[kind] * max(abs(b), 1e-6)
        for key in losses
        for a, b in zip(losses[key], first, strict=True)
    )
    return {"name": name, "aim": AIMS.get(name, 1.0), "same": same, "losses": losses, "ms": ms}


# The chain on many entries ---------------------------------------------------------------------


def chain(entries: int, torch: Any, where: str, budget: float) -> dict[str, Any]:
    """tanh, sigmoid and square of many entries and their sum, against the copy of an array.

    Every entry has to be read once; a copy reads and writes. ``share`` is how near the bytes read
    in a second come to those that a copy moves: 1 is as quick.
    """
    lab.manual_seed(0)
    x = lab.rand(entries).to("cuda")
    y = lab.zeros(entries, device="cuda")

    def values(x: Any) -> Any:
        return x.tanh().sigmoid().square().sum()

    compiled = lab.compile(lambda: values(x))

    def copy() -> float:
        y.copy_(x)
        lab.cuda.synchronize()
        return 0.0

    steps: dict[str, Step] = {"copy": copy, "graph": lambda: float(compiled().item())}
    steps["eager"] = lambda: float(values(x).item())
    if torch is not None:
        tx = torch.tensor(x.cpu().numpy()).to(where)
        steps["torch"] = lambda: float(values(tx).item())
    with lab.no_grad():
        sums = {key: step() for key, step in steps.items() if key != "copy"}
        ms = timed(steps, budget)
    first = sums["eager"]
    same = all(abs(v - first) <= 1e-4 * abs(first) for v in sums.values())
    return {
        "name": "chain", "aim": 1.0, "same": same, "losses": {k: [v] for k, v in sums.items()},
        "ms": {k: v for k, v in ms.items() if k != "copy"}, "copy_ms": ms["copy"],
        "copy_gb_s": 8 * entries / ms["copy"] / 1e6, "share": ms["copy"] / 2 / ms["graph"],
    }  # fmt: skip


# What the GPU did in a step, in time -------------------------------------------------------------

TIMED = {"mlp32": "a training step of the 784-128-10 network, batch 32"}


def timeline(make: Make) -> list[dict[str, Any]]:
    """The timelines of a training step, in eager mode and as a graph."""
    lab.manual_seed(0)
    model, criterion, optimizer, x, y = make(lab)
    model.to("cuda")
    step, x, y = training_step((model, criterion, optimizer, x.to("cuda"), y.to("cuda")))
    compiled = lab.compile(step, executor="auto")
    return [run.data() for run in lab.cuda.timeline(compiled, x, y).runs]


# Everything ------------------------------------------------------------------------------------


def tests(folder: Path, seconds: float) -> dict[str, Any]:
    """The tests marked ``gpu``: how many passed, and the names of those that failed."""
    if not (folder / "tests" / "test_gpu.py").exists():
        return {"note": "not run: the tests are in a checkout only"}
    if importlib.util.find_spec("pytest") is None:
        return {"note": "not run: pytest is not installed"}
    files = [f"tests/test_{name}.py" for name in ("gpu", "device", "cuda", "cuda_timeline", "half")]
    options = "-m gpu -v -W default --tb=line -p no:cacheprovider -o console_output_style=classic"
    command = [sys.executable, "-m", "pytest", *options.split(), *files]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False
        )
        text, note = done.stdout + done.stderr, ""
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        note = "stopped by the time limit"
    return counted(text) | ({"note": note} if note else {})


def counted(text: str) -> dict[str, Any]:
    """What a verbose run of pytest says, also one that was stopped."""
    words = re.findall(r"^(\S+::.*) (PASSED|FAILED|ERROR|SKIPPED)", text, re.MULTILINE)
    found: dict[str, Any] = {
        key: sum(word == key.upper() for _, word in words) for key in ("passed", "skipped")
    }
    found["failed"] = [name for name, word in words if word in ("FAILED", "ERROR")]
    if not words:
        found["note"] = "no test ran: " + " ".join(text.split()[-30:])
    return found


def described() -> dict[str, Any]:
    """The device, the date, the command and the versions."""
    properties = lab.cuda.get_device_properties()
    torch = importlib.import_module("torch") if importlib.util.find_spec("torch") else None
    versions = {"minitorch_lab": lab.__version__, **lab.cuda.versions()}
    if torch is not None:
        versions["PyTorch"] = str(torch.__version__)
    return {
        "device": properties.name,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "command": COMMAND,
        "versions": versions,
        "crossover": {},
        "steps": [],
        "tests": {},
        "timelines": {},
    }


def pytorch() -> Any:
    """PyTorch, where it is installed and can use the GPU."""
    if importlib.util.find_spec("torch") is None:
        return None
    torch = importlib.import_module("torch")
    return torch if torch.cuda.is_available() else None


def attempt(found: dict[str, Any], name: str, call: Callable[[], dict[str, Any]]) -> None:
    """A row, or why there is none: one that fails does not end the others."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    try:
        found["steps"].append(call())
    except Exception as error:  # noqa: BLE001  whatever it is, the other rows go on
        said = str(error).strip().splitlines() or [""]
        found["steps"].append({"name": name, "failed": f"{type(error).__name__}: {said[0]}"})
    lab.cuda.empty_cache()


def run(
    works: Mapping[str, Make],
    file: Path,
    *,
    entries: int = 100_000_000,
    limit: float = LIMIT,
    torch: Any = None,
    where: str = "cuda",
    precise: Collection[str] = (),
    sizes: Mapping[str, tuple[int, ...] | None] | None = None,
    folder: Path | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Measure all of it and write it to ``file``, part by part; ``seconds`` is for each row.

    ``precise`` names the works that are measured in each of KINDS too.
    """
    clock, found = Clock(limit), described()

    def keep() -> None:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    keep()
    wanted = [(name, name, "") for name in works]
    wanted += [(f"{name} {kind}", name, kind) for kind in KINDS for name in precise]
    share = STEPS / (len(wanted) + 1) / 3 if seconds is None else seconds
    for name, work, kind in wanted:
        if clock.left() < limit * 0.3:
            found["steps"].append({"name": name, "failed": "not measured: the time was up"})
            continue
        attempt(found, name, partial(row, name, works[work], torch, where, share, kind))
        keep()
    attempt(found, "chain", lambda: chain(entries, torch, where, share))
    keep()
    for name, what in TIMED.items():
        print(f"timeline of {name} ...", file=sys.stderr, flush=True)
        try:
            if name in works:
                found["timelines"][what] = timeline(works[name])
        except Exception as error:  # noqa: BLE001  the rest is worth keeping
            print(f"timeline of {name}: {type(error).__name__}: {error}", file=sys.stderr)
        keep()
    for what in WHAT:
        print(f"crossover of {what} ...", file=sys.stderr, flush=True)
        asked = None if sizes is None else sizes[what]
        try:
            rows = lab.cuda.crossover(what, asked, seconds=0.2 if seconds is None else seconds).rows
            found["crossover"][what] = [r._asdict() for r in rows]
        except Exception as error:  # noqa: BLE001  the rest is worth keeping
            print(f"crossover of {what}: {type(error).__name__}: {error}", file=sys.stderr)
        keep()
    if folder is not None:
        print("the tests marked gpu ...", file=sys.stderr, flush=True)
        found["tests"] = tests(folder, max(clock.left() - 10, 5))
        keep()
    return found


def rows(found: Mapping[str, Any], titles: Mapping[str, str]) -> list[list[str]]:
    """The lines of the table."""
    lines = []
    for step in found["steps"]:
        title = titles.get(step["name"], step["name"])
        if "failed" in step:
            lines.append([title, step["failed"], *[""] * (len(HEADS) - 2)])
            continue
        ms = step["ms"]
        times = [f"{ms[key]:.3g}" if key in ms else "-" for key in ("eager", "graph", "torch")]
        ratios = [
            f"{ms['torch'] / ms[key]:.2f}×" if "torch" in ms else "-" for key in ("graph", "eager")
        ]
        lines.append([title, *times, *ratios, "yes" if step["same"] else "NO"])
    return lines


def words(found: Mapping[str, Any]) -> list[str]:
    """What the table does not say: the device, the chain, the crossover, the tests."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    said = [f"{found['device']}, {found['date']}: {versions}"]
    said += [
        f"a copy moves {step['copy_gb_s']:.0f} GB/s; the chain as a graph reads at "
        f"{step['share']:.2f} of that"
        for step in found["steps"]
        if "share" in step
    ]
    for what, kept in found["crossover"].items():
        known = lab.cuda.Crossover(what, [_row(r) for r in kept], {})
        said.append(f"{WHAT[what].title}: " + "; ".join(known.words()))
    for what, kept in found["timelines"].items():
        shown = [
            f"{run.mode} {run.launches} launches, {run.kernels} kernels, busy {run.busy:.0%}"
            for run in map(lab.cuda.Run.of, kept)
        ]
        said.append(f"{what}: {'; '.join(shown)}")
    counts = found["tests"]
    if counts:
        failed = counts.get("failed", [])
        said.append(
            f"tests: {counts.get('passed', 0)} passed, {len(failed)} failed"
            + (f" ({counts['note']})" if counts.get("note") else "")
        )
        said += [f"  failed: {name}" for name in failed[:10]]
    return said


def _row(kept: Mapping[str, Any]) -> Any:
    return lab.cuda.Row(**kept)
