"""CPU against GPU by size: measured, drawn, and with recorded figures where there is no GPU."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from double import DeviceArray, make_cupy

import minitorch_lab as lab
from minitorch_lab.cuda import figures
from minitorch_lab.cuda.sizes import WHAT, Crossover, Row
from minitorch_lab.device import CUDA, register, unregister

KEPT = {
    "device": "NVIDIA Test Card",
    "date": "2026-11-22",
    "command": "python -m minitorch_lab.bench --gpu",
    "versions": {"CuPy": "14.2.0"},
    "crossover": {"matmul": [{"size": 32, "gpu": 1e-9, "gpu_with_copies": 100.0}]},
    "steps": [],
    "tests": {"passed": 9, "failed": 0},
}


@pytest.fixture
def cuda() -> Iterator[None]:
    register(DeviceArray, make_cupy(), CUDA)
    yield
    unregister(DeviceArray)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minitorch_lab.cuda.sizes.why_no_cuda", lambda: "no NVIDIA driver")


def found(*leads: float) -> Crossover:
    """A crossover where the GPU takes 1 s and the CPU so much, at sizes 10, 100, ..."""
    rows = [Row(10 ** (i + 1), cpu, 1.0, 2.0) for i, cpu in enumerate(leads)]
    return Crossover("matmul", rows, {"cpu": "here", "gpu": "here"})


def test_the_size_lies_where_the_lines_cross() -> None:
    assert found(0.1, 10.0).size() == pytest.approx(10**1.5)
    assert found(0.1, 10.0).size(copies=True) == pytest.approx(10**1.65, rel=1e-2)
    assert found(3.0, 10.0).size() == 10
    assert found(0.1, 0.5).size() is None
    assert "the GPU is quicker at none of these sizes" in str(found(0.1, 0.5))
    assert "from about 32 on" in str(found(0.1, 10.0))


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("what", WHAT)
def test_both_are_measured(what: str) -> None:
    result = lab.cuda.crossover(what, [8, 2], seconds=0.001)
    assert [row.size for row in result.rows] == [2, 8]
    assert all(t is not None and t > 0 for row in result.rows for t in row[1:])
    assert result.sources["gpu"] == "measured here"
    assert result.reason is None


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_the_reason_stands_beside_the_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("minitorch_lab.cuda.sizes.recorded", lambda: None)
    result = lab.cuda.crossover("matmul", [2, 4], seconds=0.001)
    assert [row.gpu for row in result.rows] == [None, None]
    text = str(result)
    assert "no GPU here: no NVIDIA driver" in text
    assert "CPU: measured here" in text
    assert result.size() is None
    (axes,) = result.draw().axes
    assert [line.get_label() for line in axes.lines] == ["CPU"]


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_recorded_figures_stand_beside_the_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert figures.recorded(tmp_path) is None
    for date in ("2026-11-20", "2026-11-22"):
        text = json.dumps({**KEPT, "date": date})
        (tmp_path / f"{date}.json").write_text(text, encoding="utf-8")
    kept = figures.recorded(tmp_path)
    assert kept is not None
    assert kept.date == "2026-11-22"
    monkeypatch.setattr("minitorch_lab.cuda.sizes.recorded", lambda: kept)
    result = lab.cuda.crossover("matmul", [16, 32], seconds=0.001)
    assert [(row.size, row.gpu) for row in result.rows] == [(16, None), (32, 1e-9)]
    assert "GPU: recorded on NVIDIA Test Card, 2026-11-22: python -m minitorch_lab.bench" in str(
        result
    )
    assert result.size() == 32
    assert lab.cuda.crossover("batch", [1], seconds=0.001).known is None


def test_the_picture_has_a_line_for_each_device() -> None:
    before = plt.get_fignums()
    (axes,) = found(0.1, 10.0).draw().axes
    labels = [line.get_label() for line in axes.lines if not line.get_label().startswith("_")]
    assert labels == ["CPU", "GPU", "GPU, with the copies"]
    assert [t.get_text() for t in axes.texts] == ["32", "45"]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert plt.get_fignums() == before


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (("conv",), lab.ArgumentError, "expected one of matmul, batch, got 'conv'"),
        (("matmul", [0]), lab.ArgumentError, "sizes of 1 or more, got 0"),
        (("matmul", [1.5]), lab.KindError, "expected ints, got float 1.5"),
    ],
)
def test_wrong_questions(given: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        lab.cuda.crossover(*given)


def test_the_figures_that_are_kept_can_be_read() -> None:
    kept = lab.cuda.recorded()
    assert kept is None or kept.source.startswith("recorded on ")
