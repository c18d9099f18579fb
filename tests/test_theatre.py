"""The allocator theatre: a simulated pool, and the memory of a step in both modes."""

from __future__ import annotations

import random
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from double import DeviceArray, make_cupy

import minitorch_lab as lab
from minitorch_lab import bench
from minitorch_lab.cuda.allocator import CachingAllocator, rounded
from minitorch_lab.cuda.theatre import Block, MemoryTimeline, eager
from minitorch_lab.device import CUDA, register, unregister

K = 1024


# The pool ------------------------------------------------------------------------------------


def test_a_piece_is_split_joined_and_used_again() -> None:
    pool = CachingAllocator()
    a, b, c = (pool.take(n * K) for n in (4, 2, 4))
    assert (pool.reserved, pool.live, pool.asked) == (10 * K, 10 * K, 3)
    pool.give(a)
    half = pool.take(2 * K)
    assert (half.start, half.size, pool.largest, pool.reused) == (0, 2 * K, 2 * K, 1)
    pool.give(half)
    assert pool.largest == 4 * K  # both halves are one piece again
    pool.give(b)
    pool.give(c)
    assert (pool.free, pool.live) == (10 * K, 0)
    assert pool.largest == 4 * K  # what the driver gave at different times is not joined
    assert pool.fragmentation == pytest.approx(0.6)
    assert pool.take(8 * K).start == 10 * K  # 10 K are free, and no piece is large enough
    assert (pool.reserved, pool.peak) == (18 * K, 10 * K)


def test_the_smallest_piece_that_is_large_enough_is_taken() -> None:
    pool = CachingAllocator()
    large, small = pool.take(8 * K), pool.take(3 * K)
    pool.give(large)
    pool.give(small)
    assert pool.take(2 * K + 1).start == small.start
    assert [rounded(n) for n in (0, 1, 512, 513)] == [512, 512, 512, 1024]


def test_pieces_never_overlap_and_none_is_lost() -> None:
    draw, pool = random.Random(1), CachingAllocator()
    held: list[Any] = []
    for _ in range(600):
        if held and draw.random() < 0.5:
            pool.give(held.pop(draw.randrange(len(held))))
        else:
            held.append(pool.take(draw.randrange(1, 9 * K)))
        assert pool.live == sum(p.size for p in held)
        ends = sorted((p.start, p.start + p.size) for p in pool.pieces)
        assert [a for a, _ in ends[1:]] == [b for _, b in ends[:-1]]
        assert ends[-1][1] == pool.reserved
        assert not any(p.free for p in held)
    assert pool.reused > 0


def test_a_story_becomes_a_timeline() -> None:
    found = eager([(0, K, "a"), (1, K, "b"), (0, 0, ""), (2, K, "c"), (3, K, "d"), (1, 0, "")])
    assert found.blocks == [
        Block("a", 0, K, 0, 2),
        Block("b", K, K, 1, 5),
        Block("c", 0, K, 3, 6),
        Block("d", 2 * K, K, 4, 6),
    ]
    assert (found.reserved, found.peak, found.requests, found.reused) == (3 * K, 3 * K, 4, 1)


# A step --------------------------------------------------------------------------------------


def sound(timeline: MemoryTimeline) -> None:
    """No two values are at one place at one time, and none lies outside what was taken."""
    for i, a in enumerate(timeline.blocks):
        assert a.start + a.size <= timeline.reserved
        for b in timeline.blocks[i + 1 :]:
            apart = a.died <= b.born or b.died <= a.born
            assert apart or a.start + a.size <= b.start or b.start + b.size <= a.start, (a, b)
    assert timeline.peak <= timeline.reserved


@pytest.mark.parametrize("name", ["linear", "digits", "norms", "cnn", "transformer"])
def test_the_memory_of_training_steps(name: str, each_executor: str) -> None:
    small = {"cnn": lambda: bench.cnn(lab, 2), "transformer": lambda: bench.transformer(lab, 1)}
    work = small[name]() if name in small else bench.WORK[name][1](lab)
    step, x, y = bench.training_step(work)
    found = lab.cuda.theatre(step, x, y)
    assert found.planned is not None
    sound(found.eager)
    sound(found.planned)
    assert found.planned.fragmentation == 0
    if each_executor == "c" and name != "linear":  # loops hold what NumPy puts down
        assert found.planned.reserved < found.eager.reserved
    assert found.eager.reused > 0
    assert "taken from the device" in str(found)


def test_what_eager_mode_holds_is_what_its_values_take() -> None:
    x = lab.ones(256, 64)

    def chain(x: Any) -> Any:
        a = x + 1  # 64 KB
        b = a * 2
        del a
        c = b - 1  # where a was
        return c.reshape(-1)[:5], b

    found = lab.cuda.theatre(chain, x).eager
    assert [b.what for b in found.blocks] == ["add", "mul", "sub"]
    assert {b.size for b in found.blocks} == {64 * K}
    assert (found.peak, found.reserved, found.reused) == (128 * K, 128 * K, 1)
    assert found.largest(1)[0].what == "add"


def test_values_of_the_backward_pass_are_seen() -> None:
    w = lab.randn(32, 32, requires_grad=True)
    found = lab.cuda.theatre(lambda: (w @ w).tanh().sum().backward())
    assert [b.what for b in found.eager.blocks].count("matmul") >= 3
    assert w.grad is not None
    with pytest.raises(RuntimeError):  # nothing of the recording is left behind
        lab.ones(2) @ lab.ones(3)
    assert lab.cuda.theatre(lambda: w.sum()).eager.requests == 1


def test_on_a_gpu() -> None:
    register(DeviceArray, make_cupy(), CUDA)
    try:
        found = lab.cuda.theatre(lambda x: (x * 2).exp().sum(), lab.ones(100).cuda())
    finally:
        unregister(DeviceArray)
    assert [b.what for b in found.eager.blocks] == ["mul", "exp", "sum"]
    assert found.planned is not None


def test_a_function_that_is_no_graph_has_eager_mode_only() -> None:
    found = lab.cuda.theatre(lambda x: x * 2 if x.sum() > 0 else x, lab.ones(3))
    assert found.planned is None
    assert "no plan: " in str(found)
    assert len(found.draw().axes) == 1


def test_the_picture_has_a_bar_for_each_value() -> None:
    before = plt.get_fignums()
    found = lab.cuda.theatre(lambda x: (x.exp() * 2).tanh().sum(), lab.ones(300, 300))
    figure = found.draw()
    left, right = figure.axes
    assert len(left.collections) == found.eager.requests
    assert len(right.collections) == found.planned.requests
    assert left.get_ylabel() == "KB"
    assert plt.get_fignums() == before
    assert np.isfinite(left.get_ylim()).all()


def test_no_function() -> None:
    with pytest.raises(lab.KindError, match="expected a function"):
        lab.cuda.theatre(lab.ones(2))
