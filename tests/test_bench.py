"""The benchmark: its arguments, its tables, and that its yardsticks do the same work."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import bench, bench_jax, bench_tensorflow


@pytest.fixture
def measured(monkeypatch):
    """Nothing is measured: every candidate has its time in microseconds."""
    monkeypatch.setattr(bench, "start", lambda name: None)
    monkeypatch.setattr(bench, "installed", lambda name: True)
    monkeypatch.setattr(bench, "steps", lambda name, against: ["eager", "numpy", "c", *against])
    times = {"eager": 8e-6, "numpy": 4e-6, "c": 2e-6, "torch": 20e-6, "jax": 3e-6}
    times["tensorflow"] = 1e-6
    monkeypatch.setattr(
        bench, "interleaved", lambda candidates, rounds, seconds: {k: times[k] for k in candidates}
    )
    monkeypatch.setattr(bench, "per_op", lambda rounds: {"numpy": 0.5, "recorded": 1.25})
    return monkeypatch


OPS = """
| one elementwise op on 10 x 10 entries | µs |
|---|---:|
| NumPy alone | 0.50 |
| added when recorded | 1.25 |
"""


def test_the_table_against_pytorch(measured, capsys):
    assert bench.main(["--only", "one"]) == 0
    out = capsys.readouterr()
    assert out.out == (
        "| one training step, 1 thread | eager µs | NumPy µs | C µs | PyTorch µs "
        "| eager to PyTorch | NumPy to PyTorch | C to PyTorch |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|\n"
        "| Linear(10, 1), batch 1, SGD | 8.0 | 4.0 | 2.0 | 20.0 | 2.50× | 5.00× | 10.00× |\n" + OPS
    )
    assert out.err == "one, µs: eager 8.0, numpy 4.0, c 2.0, torch 20.0\n"


def test_the_tables_against_three(measured, capsys):
    assert bench.main(["--only", "one", "--against", "torch", "jax", "tensorflow"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "| one training step, 1 thread | eager µs | NumPy µs | C µs "
        "| PyTorch µs | JAX µs | TensorFlow µs | eager to PyTorch |"
    )
    assert lines[2].endswith("| 20.0 | 3.0 | 1.0 | 2.50× | 5.00× | 10.00× |")
    assert lines[3:7] == [
        "",
        "| C against | PyTorch | JAX | TensorFlow |",
        "|---|---:|---:|---:|",
        "| Linear(10, 1), batch 1, SGD | 10.00× | 1.50× | 0.50× |",
    ]


def test_the_table_against_one_other(measured, capsys):
    assert bench.main(["--only", "one", "--against", "jax"]) == 0
    out = capsys.readouterr().out
    assert "C to JAX" in out
    assert "PyTorch" not in out
    assert "C against" not in out


@pytest.mark.parametrize("against", [[], ["--against"]], ids=["torch missing", "nothing asked"])
def test_without_a_yardstick_the_ratios_are_to_eager_mode(measured, capsys, against):
    measured.setattr(bench, "installed", lambda name: False)
    assert bench.main(["--only", "one", *against]) == 0
    out = capsys.readouterr()
    assert "| NumPy to eager | C to eager |\n" in out.out
    assert "| 8.0 | 4.0 | 2.0 | 2.00× | 4.00× |\n" in out.out
    assert "not installed" not in out.err


def test_what_is_missing_is_said_and_left_out(measured, capsys):
    measured.setattr(bench, "installed", lambda name: name == "torch")
    assert bench.main(["--only", "one", "--against", "tensorflow", "torch", "torch", "jax"]) == 0
    out = capsys.readouterr()
    assert out.err.splitlines()[:2] == [
        "TensorFlow is not installed and is left out: pip install tensorflow",
        "JAX is not installed and is left out: pip install jax",
    ]
    assert out.out.splitlines()[0].count("PyTorch µs") == 1
    assert "JAX" not in out.out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--against", "numpy"], "--against"), (["--only", "huge"], "--only")],
    ids=["yardstick", "row"],
)
def test_an_unknown_name_is_refused(capsys, arguments, named):
    with pytest.raises(SystemExit) as caught:
        bench.main(arguments)
    assert caught.value.code == 2
    assert f"argument {named}: invalid choice" in capsys.readouterr().err


def test_check_says_what_differs(measured, capsys):
    losses = iter([[1.0, 0.5, 0.25], [1.0, 0.5, 0.2501], [1.0, 0.5, 0.26]])
    measured.setattr(bench, "three", lambda step: next(losses))
    measured.setattr(bench, "yardstick", lambda library, name, work: None)
    arguments = ["--check", "--only", "one", "dropout", "--against", "torch", "jax"]
    assert bench.main(arguments) == 1
    out = capsys.readouterr().out
    assert out == "one: losses [1.0, 0.5, 0.26] in JAX, ours [1.0, 0.5, 0.25]\n"


def test_drift_says_how_far_from_eager_mode_the_others_are(capsys):
    assert bench.main(["--drift", "--only", "linear"]) == 0
    head, _, row = capsys.readouterr().out.splitlines()
    assert head == "| after 100 steps, relative | loss | numpy | c | float64 |"
    loss, numpy, c, wide = map(float, row.strip("| ").split(" | ")[1:])
    assert loss > 0
    assert 0 <= numpy < 1e-5
    assert 0 <= c < 1e-5
    assert 0 < wide < 1e-4  # float32 and float64 are not the same


def test_check_without_a_yardstick(measured, capsys):
    assert bench.main(["--check", "--only", "one", "--against"]) == 0
    assert capsys.readouterr().out == "the first three losses agree: nothing to compare with\n"


def test_every_row_stands_in_every_library():
    assert list(bench_jax.WORK) == list(bench.WORK)
    assert list(bench_tensorflow.WORK) == list(bench.WORK)


def test_arrays_are_copies_with_the_channels_last():
    model = lab.nn.Sequential(lab.nn.Conv2d(3, 2, 2), lab.nn.Flatten(), lab.nn.Linear(8, 5))
    x, y = lab.randn(4, 3, 3, 3), lab.randint(0, 5, (4,))
    p, _, ax, ay = bench.as_arrays(model, x, y)
    assert ax.shape == (4, 3, 3, 3)
    assert ay.dtype == np.int32
    # The same convolution, written out: each of the 2 x 2 places sees a window.
    windows = np.lib.stride_tricks.sliding_window_view(ax, (2, 2), axis=(1, 2))
    h = np.einsum("nhwcij,ijco->nhwo", windows, p["0.weight"]) + p["0.bias"]
    out = h.reshape(4, -1) @ p["2.weight"] + p["2.bias"]
    np.testing.assert_allclose(out, model(x).detach().numpy(), rtol=1e-4, atol=1e-5)
    p["0.bias"][:] = 7
    assert not (model[0].bias.detach().numpy() == 7).any()


def test_tables_of_rows_stay_as_they_are():
    model = lab.nn.Sequential(lab.nn.Embedding(7, 4), lab.nn.Linear(4, 2), lab.nn.BatchNorm1d(2))
    x = lab.zeros(1)
    p, buffers, _, _ = bench.as_arrays(model, x, x)
    assert (p["0.weight"].shape, p["1.weight"].shape) == ((7, 4), (4, 2))
    assert set(buffers) == {"2.running_mean", "2.running_var", "2.num_batches_tracked"}


# In a process of its own: these libraries keep threads, and warn of each other.
@pytest.mark.slow
@pytest.mark.parametrize("library", list(bench.YARDSTICKS))
def test_the_same_losses(library):
    if not bench.installed(library):
        pytest.skip(f"{library} is not installed")
    arguments = ["--check", "--only", "linear", "digits", "norms", "--against", library]
    done = subprocess.run(
        [sys.executable, "-m", "minitorch_lab.bench", *arguments],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    agreed = f"the first three losses agree: {bench.YARDSTICKS[library]}\n"
    assert (done.returncode, done.stdout) == (0, agreed), done.stderr


def test_the_cost_of_the_panel_is_measured_in_turns(capsys):
    assert bench.main(["--panel", "--rounds", "1", "--seconds", "0.1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[0].endswith("| cost | its own work | updates a second |")
    last = [line.rstrip(" |").split(" | ")[-2:] for line in lines[2:]]
    own = [float(share.removesuffix(" %")) for share, _ in last]
    assert all(0 <= share < 100 for share in own)
    assert max(own) > 0
    assert all(float(rate) < 100 for _, rate in last)  # 30 at most, in longer turns
    assert lines[2].startswith("| 64-64-10 MLP, eager | ")


def test_sessions_are_measured_beside_compiled_steps(capsys):
    assert bench.main(["--sessions", "--rounds", "1", "--seconds", "0.01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| µs a step | compiled | session | ratio |"
    ratios = {line.split(" | ")[0]: float(line.split(" | ")[-1].rstrip(" |")) for line in lines[2:]}
    assert list(ratios) == [
        "| linear regression 100 x 1, SGD", "| MLP 784-128-10, Adam, batch 32",
    ]  # fmt: skip
    assert max(ratios.values()) < 20  # 0.7 and 1.1 on a quiet machine; one round says little
