"""Devices, on the test double where there is no GPU, and threads."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from double import DeviceArray, HostError, make_cupy

import minitorch_lab as lab
from minitorch_lab.device import CUDA, GLIBC_SETTINGS, register, unregister, why_no_cuda


@pytest.fixture
def cuda() -> Iterator[None]:
    """``device("cuda")`` on the double."""
    register(DeviceArray, make_cupy(), CUDA)
    yield
    unregister(DeviceArray)


def test_names_of_devices() -> None:
    assert str(lab.device("cuda")) == "cuda:0"
    assert repr(lab.device("cpu")) == "device(type='cpu')"
    assert lab.device("cuda:1").index == 1
    assert lab.device(lab.device("cpu")) == "cpu"
    assert lab.device("cpu") != "cuda"
    assert len({lab.device("cpu"), lab.device("cpu")}) == 1


@pytest.mark.usefixtures("cuda")
def test_there_and_back() -> None:
    assert lab.cuda.is_available()
    assert lab.cuda.device_count() == 1
    x = lab.tensor([1.0, 2.0])
    there = x.cuda()
    assert (there.is_cuda, str(there.device), there.cpu().tolist()) == (True, "cuda:0", [1, 2])
    assert there.cuda() is there
    assert x.cpu() is x
    assert lab.ones(2, device="cuda").is_cuda
    assert lab.zeros_like(there).is_cuda
    assert "device='cuda:0'" in repr(there)
    with pytest.raises(lab.KindError, match=r"\.cpu\(\)\.numpy\(\)"):
        there.numpy()


@pytest.mark.usefixtures("cuda")
def test_a_gradient_comes_back_over_a_transfer() -> None:
    w = lab.tensor([3.0], requires_grad=True)
    (w.cuda() * lab.tensor([2.0]).cuda()).cpu().sum().backward()
    assert w.grad.tolist() == [2]
    assert not w.grad.is_cuda


@pytest.mark.usefixtures("cuda")
def test_a_model_moves_with_its_gradients_and_its_state_dict() -> None:
    model = lab.nn.Linear(2, 1)
    model(lab.ones(1, 2)).sum().backward()
    model.cuda()
    assert all(p.is_cuda and p.grad.is_cuda for p in model.parameters())
    assert model(lab.ones(1, 2).cuda()).is_cuda
    other = lab.nn.Linear(2, 1)
    other.load_state_dict(model.cpu().state_dict())
    assert other.weight.tolist() == model.weight.tolist()


def test_the_double_refuses_what_cupy_refuses() -> None:
    there = make_cupy().asarray(np.ones(2))
    for silent in (
        lambda: np.sin(there),
        lambda: np.asarray(there),
        lambda: there + np.ones(2),
        lambda: there[np.array([0])],
        lambda: np.concatenate([there, there]),
        lambda: make_cupy().add(there, np.ones(2)),
    ):
        with pytest.raises(HostError):
            silent()
    with pytest.raises(AttributeError):
        make_cupy().einsum_path  # noqa: B018  a name that the double does not have


class Broken:
    """What CuPy is like where its compiler is broken: it imports, and counts devices."""

    float32 = np.float32

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def arange(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("nvrtc: error: failed to open libnvrtc-builtins\nmore")


@pytest.mark.parametrize(
    ("cupy", "reason"),
    [
        (Broken, "CuPy is installed but a first kernel failed: RuntimeError: nvrtc: error"),
        (SimpleNamespace(is_available=lambda: False), "no NVIDIA GPU or no driver"),
    ],
)
def test_why_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch, cupy: Any, reason: str) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    found = why_no_cuda()
    assert found is not None
    assert reason in found
    assert "\n" not in found
    with pytest.raises(lab.DeviceError, match="is not available"):
        lab.ones(1).cuda()


@pytest.mark.gpu
def test_a_real_gpu_gives_the_numbers_of_the_cpu() -> None:
    if not lab.cuda.is_available():
        pytest.skip(str(lab.cuda.why_not()))
    x = lab.randn(20, 30)
    w = lab.randn(30, 10)
    np.testing.assert_allclose(
        (x.cuda() @ w.cuda()).tanh().cpu().numpy(), (x @ w).tanh().numpy(), rtol=1e-4, atol=1e-5
    )


def test_threads_of_matrix_products() -> None:
    before = lab.get_num_threads()
    try:
        lab.set_num_threads(1)
        assert lab.get_num_threads() == 1
        with pytest.raises(lab.ComputeError, match="1 or more, got 0"):
            lab.set_num_threads(0)
    finally:
        lab.set_num_threads(before)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
@pytest.mark.skipif(
    any(name in os.environ for name in GLIBC_SETTINGS), reason="the user has settings of their own"
)
def test_freed_memory_is_used_again_without_page_faults() -> None:
    resource = pytest.importorskip("resource")
    x = lab.randn(256, 1024, requires_grad=True)

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        (x.tanh() * x).sum().backward()
        x.grad = None
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults()
    assert sorted(faults() for _ in range(9))[4] < 32  # each array of 1 MB is 256 pages
