"""The script for a machine with a GPU, rehearsed on the emulator: it must not fail there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import emulator
import pytest
from double import DeviceArray

import minitorch_lab as lab
from minitorch_lab import bench, bench_gpu
from minitorch_lab.cuda.figures import recorded
from minitorch_lab.device import CUDA, register, unregister

pytestmark = pytest.mark.skipif(
    emulator.compiler() is None, reason="the emulator needs a C++ compiler, and there is none"
)
SIZES = {"matmul": (2, 4), "batch": (1,)}


@pytest.fixture
def gpu() -> Iterator[None]:
    """A GPU that is none: kernels are compiled for the processor."""
    xp, _ = emulator.make(1)
    register(DeviceArray, xp, CUDA)
    yield
    unregister(DeviceArray)


def rehearse(works: Any, file: Path, torch: Any = None, **more: Any) -> dict[str, Any]:
    given = {
        "entries": 1000,
        "limit": 200.0,
        "seconds": 0.01,
        "where": "cpu",
        "sizes": SIZES,
        **more,
    }
    return bench_gpu.run(works, file, torch=torch, **given)


@pytest.mark.usefixtures("gpu")
def test_the_whole_script(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    file = tmp_path / "gpu-figures.json"
    works = {"mlp32": lambda t: bench.mlp(t, 2), "cnn128": lambda t: bench.cnn(t, 2)}
    found = rehearse(works, file, torch)
    assert [step["name"] for step in found["steps"]] == ["mlp32", "cnn128", "chain"]
    assert not [step for step in found["steps"] if "failed" in step]
    for step in found["steps"]:
        assert step["same"], step
        assert set(step["ms"]) == {"eager", "graph", "torch"}
        assert all(ms > 0 for ms in step["ms"].values())
    assert found["steps"][-1]["share"] > 0
    assert [row["size"] for row in found["crossover"]["matmul"]] == [2, 4]
    assert json.loads(file.read_text(encoding="utf-8")) == found
    kept = recorded(tmp_path)
    assert kept is not None
    assert kept.device == "Double"
    assert kept.versions["PyTorch"] == torch.__version__
    titles = {"mlp32": "MLP"}
    lines = bench_gpu.rows(found, titles)
    assert [line[0] for line in lines] == ["MLP", "cnn128", "chain"]
    assert all(line[4].endswith("×") and line[6] == "yes" for line in lines)
    said = bench_gpu.words(found)
    assert any("a copy moves" in line for line in said)
    ((what, runs),) = kept.timelines.items()
    eager, graph = map(lab.cuda.Run.of, runs)
    assert (eager.mode, graph.mode) == ("eager", "graph (cuda)")
    assert eager.launches > graph.launches > 0
    assert any(f"{what}: eager {eager.launches} launches" in line for line in said)


@pytest.mark.usefixtures("gpu")
def test_every_model_runs_without_pytorch(tmp_path: Path) -> None:
    small = {
        "mlp32": lambda t: bench.mlp(t, 2),
        "cnn128": lambda t: bench.cnn(t, 1),
        "transformer16": lambda t: bench.transformer(t, 1),
    }
    assert {name.rstrip("0123456789") for name in small} == {
        name.rstrip("0123456789") for name in bench.GPU_WORK
    }
    found = rehearse(small, tmp_path / "f.json", limit=20.0)
    assert not [step for step in found["steps"] if "failed" in step or not step["same"]]
    lines = bench_gpu.rows(found, {})
    assert lines[0][3:6] == ["-", "-", "-"]


@pytest.mark.usefixtures("gpu")
def test_rows_in_tf32_and_with_float16(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    before = (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)
    small = {"mlp256": lambda t: bench.mlp(t, 2), "cnn1024": lambda t: bench.cnn(t, 1)}
    assert set(bench.GPU_PRECISE) <= set(bench.GPU_WORK)
    found = rehearse(small, tmp_path / "f.json", torch, precise=("mlp256", "cnn1024"))
    names = ["mlp256 tf32", "cnn1024 tf32", "mlp256 float16", "cnn1024 float16"]
    assert [step["name"] for step in found["steps"]] == [*small, *names, "chain"]
    for step in found["steps"]:
        assert step.get("same"), step
    plain, half = (found["steps"][i]["losses"]["graph"] for i in (0, 4))
    assert plain != half
    assert lab.get_float32_matmul_precision() == "highest"
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


@pytest.mark.usefixtures("gpu")
def test_a_row_that_fails_does_not_end_the_others(tmp_path: Path) -> None:
    def broken(t: Any) -> Any:
        raise lab.OutOfMemoryError("matmul: the GPU has no memory left for it\nmore")

    works = {"broken": broken, "fine": lambda t: bench.digits(t, 2)}
    found = rehearse(works, tmp_path / "f.json", limit=20.0)
    said = "OutOfMemoryError: matmul: the GPU has no memory left for it"
    assert found["steps"][0] == {"name": "broken", "failed": said}
    assert "ms" in found["steps"][1]
    assert bench_gpu.rows(found, {})[0][:2] == ["broken", said]


@pytest.mark.usefixtures("gpu")
def test_it_ends_in_time(tmp_path: Path) -> None:
    found = rehearse({"one": lambda t: bench.digits(t, 2)}, tmp_path / "f.json", limit=-1.0)
    assert found["steps"][0]["failed"] == "not measured: the time was up"


VERBOSE = """\
tests/test_gpu.py::test_ops[gpu-add] PASSED
tests/test_gpu.py::test_ops[gpu-with a space] PASSED
tests/test_gpu.py::test_layers[gpu-n.ReLU()-train] FAILED
tests/test_gpu.py::test_layers[gpu-n.Tanh()-train] SKIPPED (why)
tests/test_gpu.py::test_layers[gpu-n.GELU()-tr"""


def test_what_pytest_says_is_counted_also_where_it_was_stopped() -> None:
    found = bench_gpu.counted(VERBOSE)
    failed = ["tests/test_gpu.py::test_layers[gpu-n.ReLU()-train]"]
    assert found == {"passed": 2, "skipped": 1, "failed": failed}
    assert "no test ran: usage" in bench_gpu.counted("usage")["note"]
    assert bench_gpu.tests(Path("nowhere"), 1.0)["note"].startswith("not run")


@pytest.mark.slow
def test_the_tests_are_run_in_a_process() -> None:
    found = bench_gpu.tests(Path(bench_gpu.__file__).parents[1], 300.0)
    if lab.cuda.is_available():
        assert found["passed"] > 100, found
    else:
        assert found["failed"] == []
        assert found["skipped"] > 500


def test_without_a_gpu_it_says_why(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(lab.cuda, "why_not", lambda: "no NVIDIA driver")
    assert bench.main(["--gpu"]) == 1
    assert "no GPU to measure: no NVIDIA driver" in capsys.readouterr().err


@pytest.mark.usefixtures("gpu")
def test_the_command_prints_the_table_last(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    kept = {"name": "mlp32", "aim": 1.5, "same": True, "losses": {},
            "ms": {"eager": 2.0, "graph": 0.5, "torch": 1.0}}  # fmt: skip
    found = {**bench_gpu.described(), "steps": [kept], "tests": {"passed": 3, "failed": ["a"]}}
    monkeypatch.setattr(bench_gpu, "run", lambda *args, **kwargs: found)
    assert bench.main(["--gpu", "--out", str(tmp_path / "f.json")]) == 0
    text = capsys.readouterr().out
    assert "tests: 3 passed, 1 failed\n  failed: a" in text
    row = "| MLP 784-128-10, Adam, batch 32 | 2 | 0.5 | 1 | 2.00× | 0.50× | yes |"
    assert row in text.splitlines()[-3:]
