"""Changing pictures on their way into a model, with torchvision's names, values and random draws.

A picture is a tensor ``(..., H, W)``, or an array ``(H, W)`` or ``(H, W, C)`` as the data sets
give it (or a PIL image, which NumPy can read). Tensors stay tensors and can have gradients,
arrays stay arrays. Integers are computed with as float32 and rounded back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np

from .. import creation, dtypes
from ..dtypes import DType
from ..errors import ArgumentError, KindError, ShapeError, describe
from ..nn import functional as F
from ..ops import elementwise, movement
from ..tensor import Tensor, make

Picture = Any  # a tensor, an array or what NumPy can make one of


class InterpolationMode(Enum):
    """How entries between the old ones are found."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"


# Shared ------------------------------------------------------------------------------------


def _on_tensor(name: str, picture: Picture, change: Callable[[Tensor], Tensor]) -> Any:
    """``change`` of a picture whose channels stand in front; an array comes back as an array."""
    if isinstance(picture, Tensor):
        if picture.ndim < 2:
            raise ShapeError(
                f"{name}(picture): got {picture.spec}\n  expected a tensor (..., H, W)"
            )
        return change(picture)
    array = _array(name, picture)
    flat = array.ndim == 2
    out = change(make(array[None] if flat else array.transpose(2, 0, 1)))
    back = np.ascontiguousarray(out.array.transpose(1, 2, 0))
    return back[:, :, 0] if back.shape[2] == 1 and (flat or array.shape[2] != 1) else back


def _array(name: str, picture: Picture) -> np.ndarray[Any, Any]:
    array = np.asarray(picture)
    if array.ndim not in (2, 3) or array.dtype.kind not in "buif":
        raise ShapeError(
            f"{name}(picture): got {describe(picture)}\n"
            "  expected an array (H, W) or (H, W, C), or a tensor (..., H, W)"
            if name != "ToTensor"
            else f"ToTensor(picture): got {describe(picture)}\n"
            "  expected an array (H, W) or (H, W, C)"
        )
    return array


def _in_floats(picture: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """``change`` of the picture in floats, rounded to the dtype of the picture."""
    if picture.dtype.np.kind == "f":
        return change(picture)
    return elementwise.round(change(picture.float())).to(picture.dtype)


def _sizes(name: str, value: Any, most: int = 2) -> list[int]:
    """An int or up to ``most`` ints as a list."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    whole = all(isinstance(v, int) and not isinstance(v, bool) for v in values)
    if not whole or len(values) not in (1, 2, most):
        kinds = "an int or a pair of ints" if most == 2 else "1, 2 or 4 ints"
        raise KindError(f"{name}: expected {kinds}, got {describe(value)}")
    return values


def _pair(name: str, value: Any) -> tuple[int, int]:
    values = _sizes(name, value)
    if min(values) < 1:
        raise ArgumentError(f"{name}={value}: expected 1 or more")
    return values[0], values[-1]


def _probability(name: str, p: float) -> float:
    if not 0 <= p <= 1:
        raise ArgumentError(f"{name}: p={p}: expected 0 to 1")
    return p


def _mode(name: str, interpolation: InterpolationMode | str) -> InterpolationMode:
    try:
        return InterpolationMode(interpolation)
    except ValueError:
        raise ArgumentError(
            f"{name}: interpolation={interpolation!r}\n"
            "  expected InterpolationMode.NEAREST or InterpolationMode.BILINEAR"
        ) from None


def _padded(picture: Tensor, sides: Sequence[int], fill: Any, mode: str) -> Tensor:
    """More entries at (left, top, right, bottom)."""
    left, top, right, bottom = sides
    if mode != "constant":
        height, width = picture.shape[-2:]
        rows = np.pad(np.arange(height), (top, bottom), mode)  # type: ignore[call-overload]
        columns = np.pad(np.arange(width), (left, right), mode)  # type: ignore[call-overload]
        return picture[..., rows[:, None], columns]
    around = (left, right, top, bottom)
    if not isinstance(fill, (list, tuple)):
        return F.pad(picture, around, "constant", fill)
    rest = F.pad(creation.zeros_like(picture), around, "constant", 1) * _filling(picture, fill)
    return F.pad(picture, around) + rest


def _filling(picture: Tensor, fill: Any) -> Tensor:
    """``fill`` as a number for each channel ``(C, 1, 1)``, or for all ``()``."""
    values = np.asarray(fill, picture.dtype.np)
    if values.ndim and picture.ndim < 3:
        raise ShapeError(f"fill: {describe(fill)} for a picture {tuple(picture.shape)}")
    if values.ndim and values.size not in (1, picture.shape[-3]):
        raise ShapeError(
            f"fill: {values.size} numbers for a picture {tuple(picture.shape)}\n"
            "  expected one number, or one for each channel"
        )
    return make(values.reshape(-1, 1, 1) if values.ndim else values).to(device=picture.device)


def _cut(picture: Tensor, top: int, left: int, size: tuple[int, int]) -> Tensor:
    if (top, left) == (0, 0) and tuple(picture.shape[-2:]) == size:
        return picture
    return movement.contiguous(picture[..., top : top + size[0], left : left + size[1]])


# Several together --------------------------------------------------------------------------


class Compose:
    """Several transforms, one after the other.

    >>> Compose([ToTensor(), Normalize((0.5,), (0.5,))])
    Compose(
        ToTensor()
        Normalize(mean=(0.5,), std=(0.5,))
    )
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = _functions("Compose", transforms)

    def __call__(self, picture: Any) -> Any:
        """Apply them."""
        for transform in self.transforms:
            picture = transform(picture)
        return picture

    def __repr__(self) -> str:
        return "\n".join(["Compose(", *(f"    {t!r}" for t in self.transforms), ")"])


class RandomApply:
    """All of these transforms with probability ``p``, else none."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5) -> None:
        self.transforms = _functions("RandomApply", transforms)
        self.p = _probability("RandomApply", p)

    def __call__(self, picture: Any) -> Any:
        """Draw, and apply them or not."""
        if self.p < creation.rand(1).item():
            return picture
        for transform in self.transforms:
            picture = transform(picture)
        return picture

    def __repr__(self) -> str:
        lines = ["RandomApply(", f"    p={self.p}", *(f"    {t!r}" for t in self.transforms), ")"]
        return "\n".join(lines)


def _functions(name: str, transforms: Any) -> list[Callable[[Any], Any]]:
    if not isinstance(transforms, (list, tuple)) and not hasattr(transforms, "__iter__"):
        raise KindError(
            f"{name}(transforms): expected a list of functions, got {describe(transforms)}"
        )
    given = list(transforms)
    for t in given:
        if not callable(t):
            raise KindError(f"{name}(transforms): expected functions, got {describe(t)}")
    return given


class Lambda:
    """Any function as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise KindError(f"Lambda(lambd): expected a function, got {describe(lambd)}")
        self.lambd = lambd

    def __call__(self, picture: Any) -> Any:
        """Call it."""
        return self.lambd(picture)

    def __repr__(self) -> str:
        return "Lambda()"


# Values ------------------------------------------------------------------------------------


class ToTensor:
    """A picture ``(H, W)`` or ``(H, W, C)`` as a tensor ``(C, H, W)``; uint8 becomes 0 to 1."""

    def __call__(self, picture: Any) -> Tensor:
        """Convert a NumPy array or anything that gives one (a PIL image)."""
        array = _array("ToTensor", picture)
        if array.ndim == 2:
            array = array[:, :, None]
        array = np.ascontiguousarray(array.transpose(2, 0, 1))
        if array.dtype == np.uint8:
            return make(array.astype(np.float32) / np.float32(255))
        return make(array)

    def __repr__(self) -> str:
        return "ToTensor()"


class ConvertImageDtype:
    """A picture in another dtype, with the values scaled: uint8 255 is float 1.

    From floats to ``n`` bits, x becomes floor(x (max + 1 - 0.001)), so that equal parts of 0 to 1
    come to each integer. Raises ArgumentError where a float has too few digits for the integer.
    """

    def __init__(self, dtype: DType) -> None:
        self.dtype = dtypes.dtype_of(dtype)

    def __call__(self, picture: Tensor) -> Tensor:
        """Apply it."""
        if not isinstance(picture, Tensor):
            raise KindError(
                f"ConvertImageDtype(picture): expected a tensor, got {describe(picture)}\n"
                "  put ToTensor() before it"
            )
        old, new = picture.dtype.np, self.dtype.np
        if old == new:
            return picture
        if new.kind == "f":
            out = picture.to(self.dtype)
            return out if old.kind == "f" else out / _largest(old)
        if old.kind == "f":
            if new.itemsize > old.itemsize or (new.itemsize == old.itemsize == 4):
                raise _CastError(
                    f"ConvertImageDtype: {old} has too few digits for {new}\n"
                    "  expected an integer dtype of fewer bits, or a picture in float64"
                )
            return (picture * (_largest(new) + 1.0 - 1e-3)).to(self.dtype)
        ratio = (_largest(old) + 1) / (_largest(new) + 1)
        if ratio >= 1:
            return elementwise.floor_divide(picture, int(ratio)).to(self.dtype)
        return picture.to(self.dtype) * int(1 / ratio)

    def __repr__(self) -> str:
        return "ConvertImageDtype()"


class _CastError(ArgumentError, RuntimeError):
    """A dtype that cannot hold what it is given."""


def _largest(dtype: np.dtype[Any]) -> int:
    return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)


class Normalize:
    """``(x - mean) / std`` for each channel of ``(C, H, W)`` or ``(N, C, H, W)``."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        if any(s == 0 for s in std):
            raise ArgumentError(f"Normalize: std={tuple(std)} holds 0, which cannot divide")
        self.mean, self.std, self.inplace = mean, std, inplace

    def __call__(self, picture: Tensor) -> Tensor:
        """Apply it."""
        if not isinstance(picture, Tensor):
            raise KindError(
                f"Normalize(picture): expected a tensor, got {describe(picture)}\n"
                "  put ToTensor() before it"
            )
        if picture.ndim < 3 or len(self.mean) not in (1, picture.shape[-3]):
            raise ShapeError(
                f"Normalize: {len(self.mean)} means for a picture {tuple(picture.shape)}\n"
                "  expected one for each channel of (C, H, W)"
            )
        kind = picture.dtype.np
        mean, std = (
            make(np.asarray(v, kind).reshape(-1, 1, 1)).to(device=picture.device)
            for v in (self.mean, self.std)
        )
        if self.inplace:
            return picture.sub_(mean).div_(std)
        return (picture - mean) / std

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class Grayscale:
    """Red, green and blue as one brightness, 0.2989 R + 0.587 G + 0.114 B.

    ``num_output_channels=3`` repeats it, for models that want three channels.
    """

    def __init__(self, num_output_channels: int = 1) -> None:
        if num_output_channels not in (1, 3):
            raise ArgumentError(f"num_output_channels={num_output_channels}: expected 1 or 3")
        self.num_output_channels = num_output_channels

    def __call__(self, picture: Picture) -> Any:
        """Apply it."""
        return _on_tensor("Grayscale", picture, self._grey)

    def _grey(self, picture: Tensor) -> Tensor:
        channels = picture.shape[-3] if picture.ndim > 2 else 0
        if channels not in (1, 3):
            raise _ChannelError(
                f"Grayscale(picture): got {picture.spec}\n"
                "  expected 1 or 3 channels: (..., 3, H, W)"
            )
        if channels == 3:
            red, green, blue = (picture[..., i : i + 1, :, :] for i in range(3))
            grey = (0.2989 * red + 0.587 * green + 0.114 * blue).to(picture.dtype)
        else:
            grey = picture
        if self.num_output_channels == 1:
            return grey
        shape = (*grey.shape[:-3], 3, *grey.shape[-2:])
        return movement.contiguous(movement.expand(grey, shape))

    def __repr__(self) -> str:
        return f"Grayscale(num_output_channels={self.num_output_channels})"


class _ChannelError(ShapeError, TypeError):
    """A picture with a number of channels that has no meaning."""


# Size and place ----------------------------------------------------------------------------


class Resize:
    """A picture in another size: ``(h, w)``, or an int for its shorter side.

    ``max_size`` bounds the longer side where ``size`` is an int. ``antialias`` (on by default, as
    for PIL images) averages over all pixels that fall into a new one, with weights that fall off
    in a straight line; without it, two pixels in each direction are looked at, and fine patterns
    shrink to noise. It matters for "bilinear" only.

    >>> Resize(2)(creation.ones(3, 4, 6)).shape
    Size([3, 2, 3])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | str = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        values = _sizes("Resize: size", size)
        if min(values) < 1:
            raise ArgumentError(f"Resize: size={size}: expected 1 or more")
        if max_size is not None and len(values) == 2:
            raise ArgumentError(
                f"Resize: max_size={max_size} belongs to an int size, got size={size}"
            )
        if max_size is not None and max_size <= values[0]:
            raise ArgumentError(f"Resize: max_size={max_size}: expected more than size={size}")
        self.size, self.max_size, self.antialias = size, max_size, antialias
        self.interpolation = _mode("Resize", interpolation)

    def __call__(self, picture: Picture) -> Any:
        """Apply it."""
        return _on_tensor("Resize", picture, self._resized)

    def _target(self, height: int, width: int) -> tuple[int, int]:
        values = _sizes("size", self.size)
        if len(values) == 2:
            return values[0], values[1]
        short, long = values[0], int(values[0] * max(height, width) / min(height, width))
        if self.max_size is not None and long > self.max_size:
            short, long = int(self.max_size * short / long), self.max_size
        return (short, long) if height <= width else (long, short)

    def _resized(self, picture: Tensor) -> Tensor:
        old = tuple(picture.shape[-2:])
        if 0 in old:
            raise ShapeError(
                f"Resize(picture): got {picture.spec}\n  expected a height and a width above 0"
            )
        new = self._target(*old)
        if new == old:
            return picture
        rows, columns = (_weights(n, m) for n, m in zip(old, new, strict=True))
        mode, flat = self.interpolation.value, (-1, 1, *old)

        def change(x: Tensor) -> Tensor:
            if mode == "bilinear" and self.antialias:
                return _like(x, rows) @ x @ _like(x, columns.T)
            resized = F.interpolate(movement.reshape(x, flat), new, mode=mode)
            return movement.reshape(resized, (*x.shape[:-2], *new))

        return change(picture) if mode == "nearest" else _in_floats(picture, change)

    def __repr__(self) -> str:
        return (
            f"Resize(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


def _weights(n: int, m: int) -> np.ndarray[Any, Any]:
    """The matrix ``(m, n)`` that makes n entries m: triangles around each new place, sums 1."""
    scale = n / m
    places = (np.arange(m)[:, None] + 0.5) * scale - 0.5  # of new entries among the old ones
    triangle = np.maximum(0, 1 - np.abs(np.arange(n) - places) / max(scale, 1))
    return np.asarray(triangle / triangle.sum(1, keepdims=True))


def _like(x: Tensor, matrix: np.ndarray[Any, Any]) -> Tensor:
    return make(np.ascontiguousarray(matrix.astype(x.dtype.np))).to(device=x.device)


class CenterCrop:
    """The middle part of ``size``; a picture that is too small gets zeros around it."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = _pair("CenterCrop: size", size)

    def __call__(self, picture: Picture) -> Any:
        """Apply it."""
        return _on_tensor("CenterCrop", picture, self._cropped)

    def _cropped(self, picture: Tensor) -> Tensor:
        height, width = self.size
        down, across = (max(0, m - n) for m, n in zip(self.size, picture.shape[-2:], strict=True))
        if down or across:
            sides = (across // 2, down // 2, (across + 1) // 2, (down + 1) // 2)
            picture = _padded(picture, sides, 0, "constant")
        top, left = (round((n - m) / 2) for m, n in zip(self.size, picture.shape[-2:], strict=True))
        return _cut(picture, top, left, (height, width))

    def __repr__(self) -> str:
        return f"CenterCrop(size={self.size})"


PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


class Pad:
    """More pixels around: ``padding`` is one number, (x, y), or (left, top, right, bottom).

    ``padding_mode`` is "constant" (``fill``: a number, or one for each channel), "edge" (the last
    pixel again), "reflect" (mirrored at the last pixel) or "symmetric" (mirrored beside it).
    """

    def __init__(
        self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
    ) -> None:
        self._sides = _around("Pad", padding)
        if padding_mode not in PADDING_MODES:
            raise ArgumentError(
                f"Pad: padding_mode={padding_mode!r}: expected one of {', '.join(PADDING_MODES)}"
            )
        if padding_mode != "constant" and min(self._sides) < 0:
            raise ArgumentError(f"Pad: padding={padding}: expected 0 or more for {padding_mode!r}")
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def __call__(self, picture: Picture) -> Any:
        """Apply it."""
        return _on_tensor(
            "Pad", picture, lambda x: _padded(x, self._sides, self.fill, self.padding_mode)
        )

    def __repr__(self) -> str:
        return f"Pad(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


def _around(name: str, padding: Any) -> tuple[int, int, int, int]:
    """Left, top, right, bottom."""
    values = _sizes(f"{name}: padding", padding, most=4)
    left, top, right, bottom = values * (4 // len(values))
    return left, top, right, bottom


class RandomCrop:
    """A part of ``size`` from a random place, after ``padding`` as in ``Pad``.

    ``pad_if_needed`` pads both sides of a picture that is too small.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        self.size, self.padding = _pair("RandomCrop: size", size), padding
        self.pad_if_needed, self.fill, self.padding_mode = pad_if_needed, fill, padding_mode
        self._pad = Pad(0 if padding is None else padding, fill, padding_mode)

    def __call__(self, picture: Picture) -> Any:
        """Draw a place and cut."""
        return _on_tensor("RandomCrop", picture, self._cropped)

    def _cropped(self, picture: Tensor) -> Tensor:
        if self.padding is not None:
            picture = self._pad(picture)
        height, width = picture.shape[-2:]
        if self.pad_if_needed:
            across, down = max(0, self.size[1] - width), max(0, self.size[0] - height)
            sides = (across, down, across, down)
            picture = _padded(picture, sides, self.fill, self.padding_mode)
            height, width = picture.shape[-2:]
        if height < self.size[0] or width < self.size[1]:
            raise _CropError(
                f"RandomCrop: a part of {self.size} does not fit into {(height, width)}\n"
                "  use a smaller size, padding, or pad_if_needed=True"
            )
        if (height, width) == self.size:
            return picture
        top = int(creation.randint(0, height - self.size[0] + 1, (1,)).item())
        left = int(creation.randint(0, width - self.size[1] + 1, (1,)).item())
        return _cut(picture, top, left, self.size)

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class _CropError(ShapeError, ValueError):
    """A part that is larger than the whole."""


class RandomHorizontalFlip:
    """Left becomes right with probability ``p``."""

    _dim = -1

    def __init__(self, p: float = 0.5) -> None:
        self.p = _probability(type(self).__name__, p)

    def __call__(self, picture: Picture) -> Any:
        """Draw, and flip or not."""
        if creation.rand(1).item() < self.p:
            name = type(self).__name__
            return _on_tensor(name, picture, lambda x: movement.flip(x, (self._dim,)))
        return picture

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top becomes bottom with probability ``p``."""

    _dim = -2


class RandomRotation:
    """A turn by a random angle from ``degrees``: (low, high), or a number for (-d, d).

    Angles go against the clock. ``expand`` makes the picture large enough to hold all of the
    turned one; ``center`` (x, y) in pixels from the top left corner, by default the middle, is
    what it turns around; ``fill`` is what comes in from outside, a number or one for each channel.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | str = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        if isinstance(degrees, (int, float)):
            if degrees < 0:
                raise ArgumentError(f"RandomRotation: degrees={degrees}: expected 0 or more")
            degrees = (-degrees, degrees)
        if len(degrees) != 2 or degrees[0] > degrees[1]:
            raise ArgumentError(
                f"RandomRotation: degrees={degrees}: expected a number or a pair (low, high)"
            )
        if center is not None and len(center) != 2:
            raise ArgumentError(f"RandomRotation: center={center}: expected (x, y)")
        self.degrees = [float(d) for d in degrees]
        self.interpolation = _mode("RandomRotation", interpolation)
        self.expand, self.center, self.fill = expand, center, fill

    def __call__(self, picture: Picture) -> Any:
        """Draw an angle and turn."""
        low, high = (np.float32(d) for d in self.degrees)
        angle = float(np.float32(creation.rand(1).item()) * (high - low) + low)
        return _on_tensor("RandomRotation", picture, lambda x: self._turned(x, angle))

    def _turned(self, picture: Tensor, angle: float) -> Tensor:
        height, width = picture.shape[-2:]
        turn = math.radians(angle)
        cos, sin = math.cos(turn), math.sin(turn)
        at = self.center or (width / 2, height / 2)
        off_x, off_y = at[0] - width / 2, at[1] - height / 2
        # a pixel comes from where turning back around the center takes it; (0, 0) is the middle
        moved_x = off_x - cos * off_x + sin * off_y
        moved_y = off_y - sin * off_x - cos * off_y
        new_height, new_width = height, width
        if self.expand:
            across = abs(width * cos) + abs(height * sin)
            down = abs(width * sin) + abs(height * cos)
            if angle % 90 == 0 and self.center is None:
                new_width, new_height = round(across), round(down)
            else:
                new_width = _cells(width / 2 + moved_x, across)
                new_height = _cells(height / 2 + moved_y, down)
        x = np.arange(new_width) - (new_width - 1) / 2
        y = np.arange(new_height)[:, None] - (new_height - 1) / 2
        columns = cos * x - sin * y + moved_x + (width - 1) / 2
        rows = sin * x + cos * y + moved_y + (height - 1) / 2
        fill = _filling(picture, 0 if self.fill is None else self.fill)
        if self.interpolation is InterpolationMode.NEAREST:
            found, inside = _gathered(picture, np.rint(rows), np.rint(columns))
            return elementwise.where(inside, found, fill)
        top, left = np.floor(rows), np.floor(columns)
        down_by, right_by = rows - top, columns - left
        corners = [
            (top, left, (1 - down_by) * (1 - right_by)),
            (top, left + 1, (1 - down_by) * right_by),
            (top + 1, left, down_by * (1 - right_by)),
            (top + 1, left + 1, down_by * right_by),
        ]

        def change(z: Tensor) -> Tensor:
            total: Any = 0
            share: Any = 0
            for r, c, weight in corners:
                found, inside = _gathered(z, r, c)
                part = inside.to(z.dtype) * _like(z, weight)
                total, share = total + found * part, share + part
            return total * share + (1 - share) * fill.to(z.dtype)

        return _in_floats(picture, change)

    def __repr__(self) -> str:
        more = "" if self.center is None else f", center={self.center}"
        more += "" if self.fill is None else f", fill={self.fill}"
        return (
            f"RandomRotation(degrees={self.degrees}, interpolation={self.interpolation.value}, "
            f"expand={self.expand}{more})"
        )


def _cells(middle: float, length: float) -> int:
    """How many whole pixels an interval touches; less than 0.0001 of one is no touch."""
    low, high = (math.trunc(v / 1e-4) * 1e-4 for v in (middle - length / 2, middle + length / 2))
    return math.ceil(high) - math.floor(low)


def _gathered(picture: Tensor, rows: Any, columns: Any) -> tuple[Tensor, Tensor]:
    """The entries at (rows, columns), and whether these places lie in the picture."""
    height, width = picture.shape[-2:]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    r = np.clip(rows, 0, height - 1).astype(np.int64)
    c = np.clip(columns, 0, width - 1).astype(np.int64)
    return picture[..., r, c], make(inside).to(device=picture.device)


__all__ = [
    "CenterCrop",
    "Compose",
    "ConvertImageDtype",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "Pad",
    "RandomApply",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "ToTensor",
]
