"""What boxes are coloured by, and whether the colours can be told apart and read."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import viz_samples as samples

import minitorch_lab as lab
import minitorch_lab.nn.functional as F
from minitorch_lab import nn
from minitorch_lab.viz.build import from_call, from_tensors
from minitorch_lab.viz.clock import all_seconds, seconds
from minitorch_lab.viz.colour import CLASSES, MODES, colours
from minitorch_lab.viz.fold import draw
from minitorch_lab.viz.measure import duration
from minitorch_lab.viz.svg import MARKS
from minitorch_lab.viz.view import Builder
from minitorch_lab.widgets.base import STATIC


def test_kinds_need_no_marks_only_a_legend():
    found = colours(draw(samples.mlp()), "kind", {})
    assert found.marks == {}
    assert [text for _, text in found.legend] == [
        "input",
        "parameter",
        "constant",
        "op",
        "output",
        "gradient",
    ]


def test_modules_are_told_apart_by_colour_and_by_name():
    net = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.Linear(3, 3), nn.Tanh()))
    view = from_call(lambda x: net(x).sum(), lab.ones(2, 4), modules={"net": net})
    found = colours(draw(view), "module", {})
    linear = [node.id for node in view.nodes if node.op == "linear"]
    assert [found.marks[f"n{i}"] for i in linear] == [("c0", "0 Linear"), ("c1", "0 Linear")]
    assert dict(found.legend)["none"] == "outside of modules"
    folded = colours(draw(view, {"Sequential.1"}), "module", {})
    assert folded.marks["mSequential.1"] == ("c1", "1 Sequential")


def test_of_many_modules_the_largest_have_a_colour():
    found = colours(draw(samples.tower(8), set()), "module", {})
    assert {mark for mark, _ in found.marks.values()} == {f"c{i}" for i in range(4)} | {"rest"}
    assert found.legend[-2:] == (("rest", "4 others"), ("none", "outside of modules"))
    assert len({text for _, text in found.marks.values()}) == 8  # the texts tell all apart


def test_memory_is_the_size_of_the_value_and_of_a_module_the_sum():
    view = samples.mlp()
    found = colours(draw(view), "memory", {})
    assert found.marks["n7"][1] == "16 kB"  # 32 x 128 floats
    assert found.marks["n1"] == ("s4", "100 kB")
    assert found.marks["n16"] == ("s0", "4 B")
    assert "n2" not in found.marks  # a number of Python
    folded = colours(draw(view, {"fc1"}), "memory", {})
    assert folded.marks["mfc1"][1] == "418 kB"


def test_gradients_are_sized_by_their_norm():
    x = lab.tensor([3.0, 4.0], requires_grad=True)
    y = (x * x).sum()
    found = colours(draw(from_tensors(y)), "gradient", {})
    assert found.marks["n1"] == ("s4", "10.00")  # of 2 x
    assert found.marks["n3"] == ("s0", "1.000")
    assert dict(found.legend) == {"s0": "1.000 to 1.414", "s4": "10.00"}
    none = colours(draw(from_call(lambda x: x * 2, lab.ones(2))), "gradient", {})
    assert none.legend == (("none", "no gradient"),)


def test_a_gradient_that_is_not_finite_is_the_largest():
    b = Builder()
    x = b.leaf("input", "x", value=np.ones(2, "f4"), gradient=np.array([np.inf, 1], "f4"))
    y = b.op("mul", [x, x], value=np.ones(2, "f4"), gradient=np.ones(2, "f4"))
    found = colours(draw(b.build("y", [y])), "gradient", {})
    assert found.marks["n1"] == ("s4", "∞")


def test_time_is_measured_on_the_values_of_the_node():
    view = from_call(lambda x: F.relu(x @ x).sum(), lab.ones(64, 64))
    times: dict[int, float | None] = {}
    all_seconds(view, times, budget=5.0)
    assert sorted(times) == [2, 3, 4]
    assert all(0 < t < 1 for t in times.values() if t is not None)
    found = colours(draw(view), "time", times)
    assert found.marks["n2"][1] == duration(times[2])  # type: ignore[arg-type]
    assert seconds(samples.mlp(), 7) is None  # made by hand: nothing to run
    x = lab.ones(3, requires_grad=True)
    loss = (x * 2).exp().sum()
    loss.backward()
    freed = from_tensors(loss)
    assert seconds(freed, 4) is None  # its input is gone
    without = colours(draw(freed), "time", {4: None})
    assert without.legend[-1] == ("none", "not measured")


def test_measuring_draws_no_random_numbers():
    view = from_call(lambda x: F.dropout(x), lab.ones(3))
    state = lab.get_rng_state().tolist()
    assert seconds(view, view.outputs[0]) is not None
    assert lab.get_rng_state().tolist() == state


@pytest.mark.parametrize("by", MODES)
def test_every_mode_has_a_text_for_what_it_colours(by):
    drawing = draw(samples.tower(3), {"net.1"})
    found = colours(drawing, by, {})
    assert found.legend
    assert all(text for _, text in found.marks.values())


# The palette -------------------------------------------------------------------------------

CSS = (STATIC / "lab.css").read_text() + (STATIC / "explorer.css").read_text()
GROUNDS = {"light": ("#ffffff", "#212121"), "dark": ("#212121", "#dedede")}
# Machado, Oliveira, Fernandes (2009), full severity, on linear RGB.
BLIND = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def token(name: str, theme: str) -> str:
    light, dark = re.search(rf"--lab-{name}:\s*light-dark\((#\w+), (#\w+)\)", CSS).groups()  # type: ignore[union-attr]
    return light if theme == "light" else dark


def channels(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def linear(c: np.ndarray) -> np.ndarray:
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def mixed(mark: str, much: int, ground: str) -> np.ndarray:
    return (channels(mark) * much + channels(ground) * (100 - much)) / 100


def oklab(rgb: np.ndarray) -> np.ndarray:
    to_lms = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return to_lab @ np.cbrt(np.maximum(to_lms @ rgb, 0))


def contrast(a: np.ndarray, b: np.ndarray) -> float:
    weights = np.array([0.2126, 0.7152, 0.0722])
    one, two = sorted((weights @ linear(a), weights @ linear(b)))
    return float((two + 0.05) / (one + 0.05))


def fills(theme: str) -> dict[str, np.ndarray]:
    """The colours of marked boxes, as the stylesheet mixes them."""
    rule = r'\[data-mark="(\w+)"\].*?\{ --mark: var\(--lab-(\w+)\); --much: (\d+)%'
    found = {m: (n, int(k)) for m, n, k in re.findall(rule, CSS)}
    assert set(found) == {f"c{i}" for i in range(CLASSES)} | {f"s{i}" for i in range(5)} | {"rest"}
    ground = GROUNDS[theme][0]
    return {m: mixed(token(n, theme), k, ground) for m, (n, k) in found.items() if m != "rest"}


def test_still_pictures_are_filled_as_the_live_ones():
    rule = r'\[data-mark="(\w+)"\].*?\{ --mark: var\(--lab-(\w+)\); --much: (\d+)%'
    assert {m: (n, int(k)) for m, n, k in re.findall(rule, CSS)} == MARKS


@pytest.mark.parametrize("theme", GROUNDS)
def test_text_on_every_colour_can_be_read(theme):
    ink = channels(GROUNDS[theme][1])
    for mark, fill in fills(theme).items():
        assert contrast(fill, ink) >= 4.5, mark


@pytest.mark.parametrize("theme", GROUNDS)
@pytest.mark.parametrize("sight", BLIND)
def test_lines_of_kinds_are_told_apart_by_every_eye(theme, sight):
    """Kinds differ in shape too; here their colours alone: a difference of 0.07 in Oklab."""
    names = ("input", "param", "output", "grad")
    seen = {n: oklab(BLIND[sight] @ linear(channels(token(n, theme)))) for n in names}
    for one, two in combinations(names, 2):
        assert np.linalg.norm(seen[one] - seen[two]) >= 0.07, (one, two)


@pytest.mark.parametrize("theme", GROUNDS)
@pytest.mark.parametrize("sight", BLIND)
def test_steps_rise_evenly_for_every_eye(theme, sight):
    tints = fills(theme)
    light = [oklab(BLIND[sight] @ linear(tints[f"s{i}"]))[0] for i in range(5)]
    ways = np.diff(light)
    assert (ways < -0.01).all() if theme == "light" else (ways > 0.01).all()


def test_the_palette_names_no_colour_outside_the_tokens():
    for name in ("explorer.css", "graph.css"):
        text = Path(STATIC / name).read_text()
        assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsl", text) == []
