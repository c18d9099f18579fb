"""Transforms of pictures: torchvision's values, recipes and random draws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab.vision import transforms as T

RAMP = np.arange(30.0).reshape(1, 5, 6) ** 1.5


# Resize --------------------------------------------------------------------------------------


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("size", [(2, 3), (3, 7), (10, 9), (5, 2), (1, 1)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_resize_follows_pytorch(size: Any, antialias: bool, dtype: str, oracle: Any) -> None:
    x = np.stack([RAMP[0], np.sin(RAMP[0])]).astype(dtype)

    def run(torch: Any) -> Any:
        z = torch.tensor(x, requires_grad=True)
        y = torch.nn.functional.interpolate(z[None], size, mode="bilinear", antialias=antialias)[0]
        y.square().sum().backward()
        return [y, z.grad]

    value, gradient = oracle(run)
    z = lab.tensor(x, requires_grad=True)
    y = T.Resize(size, antialias=antialias)(z)
    y.square().sum().backward()
    tolerance = 1e-5 if dtype == "float32" else 1e-9
    np.testing.assert_allclose(y.detach().numpy(), value, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(z.grad.numpy(), gradient, rtol=tolerance, atol=tolerance * 10)


@pytest.mark.parametrize("size", [(2, 3), (7, 11)])
def test_resize_nearest_follows_pytorch(size: Any, oracle: Any) -> None:
    value = oracle(lambda torch: torch.nn.functional.interpolate(torch.tensor(RAMP)[None], size)[0])
    np.testing.assert_array_equal(T.Resize(size, "nearest")(lab.tensor(RAMP)).numpy(), value)


def test_resize_by_hand() -> None:
    row = lab.tensor([[0.0, 8.0, 16.0, 24.0]])
    # each new pixel: weights 3/8 at its two middles, 1/8 at the next ones, what is outside left out
    first = (3 * 0 + 3 * 8 + 1 * 16) / 7
    np.testing.assert_allclose(T.Resize((1, 2))(row).numpy(), [[first, 24 - first]], rtol=1e-6)
    assert T.Resize((1, 2), antialias=False)(row).tolist() == [[4, 20]]
    assert T.Resize((1, 2), T.InterpolationMode.NEAREST)(row).tolist() == [[0, 16]]
    assert T.Resize((2, 8), "nearest")(row).tolist() == [[0, 0, 8, 8, 16, 16, 24, 24]] * 2


def test_resize_keeps_the_shape_of_the_picture() -> None:
    x = lab.zeros(3, 20, 30)
    assert T.Resize(10)(x).shape == (3, 10, 15)
    assert T.Resize([7])(x).shape == (3, 7, 10)
    assert T.Resize(10)(lab.zeros(2, 3, 30, 20)).shape == (2, 3, 15, 10)
    assert T.Resize(18, max_size=24)(x).shape == (3, 16, 24)
    assert T.Resize(20)(x) is x


def test_resize_of_arrays_rounds() -> None:
    digit = np.array([[0, 1, 2, 3], [4, 5, 6, 255]], np.uint8)
    small = T.Resize((1, 2))(digit)
    assert (small.dtype, small.shape) == (np.uint8, (1, 2))
    rows = digit.astype(float).mean(0)
    weights = np.array([3, 3, 1, 0]) / 7
    assert small.tolist() == [[round(rows @ weights), round(rows @ weights[::-1])]]
    colour = np.repeat(digit[:, :, None], 3, axis=2)
    assert T.Resize((4, 8))(colour).shape == (4, 8, 3)
    assert T.Resize((4, 8))(digit[:, :, None]).shape == (4, 8, 1)


def test_resize_in_a_graph() -> None:
    change = T.Resize((3, 4))
    x = lab.tensor(RAMP)
    run = lab.compile(lambda x: change(x))
    np.testing.assert_allclose(run(x).numpy(), change(x).numpy(), rtol=1e-12)
    near = lab.compile(lambda x: T.Resize((3, 4), "nearest")(x))
    np.testing.assert_array_equal(near(x).numpy(), T.Resize((3, 4), "nearest")(x).numpy())


# RandomRotation ------------------------------------------------------------------------------


def turned(torch: Any, x: Any, angle: float, mode: str, expand: bool, center: Any) -> Any:
    """torchvision's recipe: the inverse matrix, a grid of places, grid_sample."""
    h, w = x.shape[-2:]
    cx, cy = (0.0, 0.0) if center is None else (center[0] - w / 2, center[1] - h / 2)
    turn = math.radians(-angle)
    m = [math.cos(turn), math.sin(turn), 0.0, -math.sin(turn), math.cos(turn), 0.0]
    m[2], m[5] = cx - m[0] * cx - m[1] * cy, cy - m[3] * cx - m[4] * cy
    theta = torch.tensor(m, dtype=torch.float64).reshape(2, 3)
    ow, oh = w, h
    if expand:
        signs = [(-1, -1), (-1, 1), (1, 1), (1, -1)]
        corners = torch.tensor([[a * w / 2, b * h / 2, 1.0] for a, b in signs]).double() @ theta.T
        half = torch.tensor([w / 2, h / 2]).double()
        low, high = corners.min(0).values + half, corners.max(0).values + half
        high, low = ((v / 1e-4).trunc() * 1e-4 for v in (high, low))
        ow, oh = (int(n) for n in high.ceil() - low.floor())
    gx = torch.arange(ow).double() - (ow - 1) / 2
    gy = torch.arange(oh).double() - (oh - 1) / 2
    base = torch.stack([gx.expand(oh, ow), gy[:, None].expand(oh, ow), torch.ones(oh, ow)], -1)
    grid = (base.double() @ theta.T) / torch.tensor([w / 2, h / 2]).double()
    both = torch.cat([x, torch.ones_like(x[:1])])[None]
    out = torch.nn.functional.grid_sample(both, grid[None], mode, align_corners=False)[0]
    inside, out = out[-1:], out[:-1]
    if mode == "nearest":
        return torch.where(inside < 0.5, torch.tensor(7.0).double(), out)
    return out * inside + (1 - inside) * 7.0


@pytest.mark.parametrize("center", [None, (1.5, 4.0)])
@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("angle", [17.0, -33.5, 88.0, 145.0])
def test_rotation_follows_torchvision(
    angle: float, mode: str, expand: bool, center: Any, oracle: Any
) -> None:
    x = np.stack([RAMP[0], np.cos(RAMP[0])])
    value = oracle(lambda torch: turned(torch, torch.tensor(x), angle, mode, expand, center))
    change = T.RandomRotation((angle, angle), mode, expand, center, fill=7)
    np.testing.assert_allclose(change(lab.tensor(x)).numpy(), value, rtol=1e-9, atol=1e-9)


def test_rotation_by_hand() -> None:
    x = lab.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    quarter = T.RandomRotation((90, 90), expand=True)
    assert quarter(x).tolist() == [[3, 6], [2, 5], [1, 4]]  # against the clock
    half = T.RandomRotation((180, 180))
    assert half(x).tolist() == [[6, 5, 4], [3, 2, 1]]
    assert half(x.to(lab.uint8)).tolist() == [[6, 5, 4], [3, 2, 1]]
    picture = half(np.array([[1, 2], [3, 4]], np.uint8))
    assert (picture.dtype, picture.tolist()) == (np.uint8, [[4, 3], [2, 1]])
    colours = T.RandomRotation((45, 45), fill=(1, 2, 3))(lab.zeros(3, 4, 4))
    assert colours[:, 0, 0].tolist() == [1, 2, 3]
    shifted = T.RandomRotation((180, 180), center=(1, 1), fill=9)(x)
    assert shifted.tolist() == [[5, 4, 9], [2, 1, 9]]


def test_rotation_draws_like_torchvision(oracle: Any) -> None:
    angles: list[float] = []
    change = T.RandomRotation((-20, 70))
    change._turned = lambda x, angle: angles.append(angle) or x  # type: ignore
    lab.manual_seed(3)
    for _ in range(3):
        change(lab.zeros(1, 2, 2))

    def run(torch: Any) -> Any:
        torch.manual_seed(3)
        return [float(torch.empty(1).uniform_(-20.0, 70.0).item()) for _ in range(3)]

    assert angles == pytest.approx(oracle(run), rel=1e-7)


# The others ----------------------------------------------------------------------------------


def test_center_crop_by_hand() -> None:
    x = lab.arange(20).reshape(1, 4, 5)
    assert T.CenterCrop(2)(x).tolist() == [[[7, 8], [12, 13]]]  # columns 2 and 3: round(1.5) is 2
    assert T.CenterCrop((4, 1))(x).tolist() == [[[2], [7], [12], [17]]]
    assert T.CenterCrop((1, 4))(lab.tensor([[1, 2]])).tolist() == [[0, 1, 2, 0]]
    assert T.CenterCrop((2, 1))(lab.tensor([[1, 2, 3]])).tolist() == [[2], [0]]
    assert T.CenterCrop(1)(np.eye(3, dtype=np.uint8)).tolist() == [[1]]


def test_pad_by_hand() -> None:
    x = lab.tensor([[[1.0, 2.0, 3.0]]])
    assert T.Pad((2, 0))(x).tolist() == [[[0, 0, 1, 2, 3, 0, 0]]]
    assert T.Pad((1, 0, 2, 1), fill=9)(x).tolist() == [[[9, 1, 2, 3, 9, 9], [9] * 6]]
    for mode, row in [
        ("edge", [1, 1, 1, 2, 3, 3, 3]),
        ("reflect", [3, 2, 1, 2, 3, 2, 1]),
        ("symmetric", [2, 1, 1, 2, 3, 3, 2]),
    ]:
        assert T.Pad((2, 0), padding_mode=mode)(x).tolist() == [[row]]
    two = T.Pad((1, 0), fill=(5, 6))(lab.zeros(2, 1, 1))
    assert two.tolist() == [[[5, 0, 5]], [[6, 0, 6]]]
    array = T.Pad(1)(np.full((1, 1), 7, np.uint8))
    assert (array.dtype, array.tolist()) == (np.uint8, [[0, 0, 0], [0, 7, 0], [0, 0, 0]])
    assert T.Pad(-1)(lab.eye(3)).tolist() == [[1]]


def test_flips_crops_and_draws(oracle: Any) -> None:
    x = np.arange(4, dtype=np.uint8).reshape(2, 2)
    assert T.RandomVerticalFlip(1)(x).tolist() == [[2, 3], [0, 1]]
    assert T.RandomHorizontalFlip(1)(x).tolist() == [[1, 0], [3, 2]]
    assert T.RandomVerticalFlip(1)(lab.tensor(x)[None]).tolist() == [[[2, 3], [0, 1]]]
    double = T.RandomApply([T.Lambda(lambda x: 2 * x)], p=0.3)
    lab.manual_seed(5)
    found = [double(1) for _ in range(8)]

    def run(torch: Any) -> Any:
        torch.manual_seed(5)
        return [1 if torch.rand(1).item() > 0.3 else 2 for _ in range(8)]

    assert found == oracle(run)
    assert T.RandomCrop(4, pad_if_needed=True, fill=3)(x).shape == (4, 4)
    assert T.RandomCrop(4, padding=(1, 1))(x).tolist() == np.pad(x, 1).tolist()


def test_dtypes_are_scaled() -> None:
    x = lab.tensor([0, 1, 255], dtype=lab.uint8)
    assert T.ConvertImageDtype(lab.float32)(x).tolist() == pytest.approx([0, 1 / 255, 1])
    y = lab.tensor([0.0, 0.5, 1.0])
    assert T.ConvertImageDtype(lab.uint8)(y).tolist() == [0, 127, 255]
    assert T.ConvertImageDtype(lab.int16)(x).tolist() == [0, 128, 32640]
    wide = lab.tensor([0, 128, 32767], dtype=lab.int16)
    assert T.ConvertImageDtype(lab.uint8)(wide).tolist() == [0, 1, 255]
    assert T.ConvertImageDtype(lab.float64)(y).dtype is lab.float64
    assert T.ConvertImageDtype(lab.float32)(y) is y
    with pytest.raises(RuntimeError, match="too few digits"):
        T.ConvertImageDtype(lab.int32)(y)
    with pytest.raises(TypeError, match=r"ToTensor\(\)"):
        T.ConvertImageDtype(lab.float32)(np.zeros((2, 2)))


def test_grayscale_by_hand() -> None:
    x = lab.tensor([100, 200, 50], dtype=lab.uint8).reshape(3, 1, 1)
    grey = int(0.2989 * 100 + 0.587 * 200 + 0.114 * 50)
    assert T.Grayscale()(x).tolist() == [[[grey]]]
    assert T.Grayscale(3)(x).tolist() == [[[grey]]] * 3
    colour = np.array([[[100, 200, 50]]], np.uint8)
    assert T.Grayscale()(colour).tolist() == [[grey]]
    assert T.Grayscale(3)(np.array([[5]], np.uint8)).tolist() == [[[5, 5, 5]]]
    with pytest.raises(TypeError, match="1 or 3 channels"):
        T.Grayscale()(lab.zeros(2, 4, 4))


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (T.Resize(28), "Resize(size=28, interpolation=bilinear, max_size=None, antialias=True)"),
        (T.CenterCrop(10), "CenterCrop(size=(10, 10))"),
        (T.Pad(2), "Pad(padding=2, fill=0, padding_mode=constant)"),
        (T.RandomVerticalFlip(), "RandomVerticalFlip(p=0.5)"),
        (T.RandomHorizontalFlip(0.2), "RandomHorizontalFlip(p=0.2)"),
        (T.RandomCrop(32, 4), "RandomCrop(size=(32, 32), padding=4)"),
        (
            T.RandomRotation(10),
            "RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)",
        ),
        (
            T.RandomRotation((0, 5), "bilinear", True, (1, 2)),
            "RandomRotation(degrees=[0.0, 5.0], interpolation=bilinear, expand=True, "
            "center=(1, 2), fill=0)",
        ),
        (T.Grayscale(), "Grayscale(num_output_channels=1)"),
        (T.ConvertImageDtype(lab.float32), "ConvertImageDtype()"),
        (T.Normalize((0.5,), (0.5,)), "Normalize(mean=(0.5,), std=(0.5,))"),
        (T.RandomApply([T.ToTensor()]), "RandomApply(\n    p=0.5\n    ToTensor()\n)"),
        (T.Compose([T.ToTensor()]), "Compose(\n    ToTensor()\n)"),
    ],
    ids=[f"kind {i}" for i in range(13)],
)
def test_they_print_as_in_torchvision(made: Any, text: str) -> None:
    assert repr(made) == text


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: T.Resize(2.5), TypeError, "Resize: size: expected an int or a pair of ints"),
        (lambda: T.Resize((2, 0)), ValueError, "expected 1 or more"),
        (lambda: T.Resize((2, 2), max_size=4), ValueError, "belongs to an int size"),
        (lambda: T.Resize(4, max_size=4), ValueError, "expected more than size=4"),
        (lambda: T.Resize(4, "cubic"), ValueError, r"expected InterpolationMode\.NEAREST"),
        (lambda: T.Resize(4)(lab.zeros(3)), RuntimeError, r"expected a tensor \(..., H, W\)"),
        (lambda: T.Resize(4)(np.zeros(3)), RuntimeError, r"expected an array \(H, W\)"),
        (lambda: T.Resize(4)(lab.zeros(1, 0, 3)), RuntimeError, "expected a height"),
        (lambda: T.CenterCrop(0), ValueError, "expected 1 or more"),
        (lambda: T.Pad((1, 2, 3)), TypeError, "expected 1, 2 or 4 ints"),
        (lambda: T.Pad(1, padding_mode="wrap"), ValueError, "expected one of constant, edge"),
        (lambda: T.Pad(-1, padding_mode="edge"), ValueError, "expected 0 or more for 'edge'"),
        (lambda: T.Pad(1, fill=(1, 2))(lab.zeros(3, 1, 1)), RuntimeError, "one for each channel"),
        (lambda: T.RandomRotation(-3), ValueError, "expected 0 or more"),
        (lambda: T.RandomRotation((3, 1)), ValueError, r"a pair \(low, high\)"),
        (lambda: T.RandomRotation(3, center=(1, 2, 3)), ValueError, r"expected \(x, y\)"),
        (lambda: T.RandomVerticalFlip(2), ValueError, "RandomVerticalFlip: p=2: expected 0 to 1"),
        (lambda: T.RandomApply(T.ToTensor()), TypeError, "expected a list of functions"),
        (lambda: T.Compose([T.ToTensor(), 3]), TypeError, "expected functions, got int 3"),
        (lambda: T.Grayscale(2), ValueError, "expected 1 or 3"),
        (lambda: T.RandomCrop(9)(lab.zeros(1, 4, 4)), ValueError, "pad_if_needed=True"),
    ],
    ids=[f"mistake {i}" for i in range(21)],
)
def test_they_refuse(make: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        make()
