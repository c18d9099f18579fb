"""Changing pictures on their way into a model, with torchvision's names and random draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import creation
from ..errors import ArgumentError, KindError, ShapeError, describe
from ..ops.rules import pair
from ..tensor import Tensor, make


class Compose:
    """Several transforms, one after the other.

    >>> Compose([ToTensor(), Normalize((0.5,), (0.5,))])
    Compose(ToTensor(), Normalize(mean=(0.5,), std=(0.5,)))
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        for t in transforms:
            if not callable(t):
                raise KindError(f"Compose(transforms): expected functions, got {describe(t)}")
        self.transforms = list(transforms)

    def __call__(self, picture: Any) -> Any:
        """Apply them."""
        for transform in self.transforms:
            picture = transform(picture)
        return picture

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.transforms))})"


class ToTensor:
    """A picture ``(H, W)`` or ``(H, W, C)`` as a tensor ``(C, H, W)``; uint8 becomes 0 to 1."""

    def __call__(self, picture: Any) -> Tensor:
        """Convert a NumPy array or anything that gives one (a PIL image)."""
        array = np.asarray(picture)
        if array.ndim not in (2, 3) or array.dtype.kind not in "buif":
            raise ShapeError(
                f"ToTensor(picture): got {describe(picture)}\n"
                "  expected an array (H, W) or (H, W, C)"
            )
        if array.ndim == 2:
            array = array[:, :, None]
        array = np.ascontiguousarray(array.transpose(2, 0, 1))
        if array.dtype == np.uint8:
            return make(array.astype(np.float32) / np.float32(255))
        return make(array)

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """``(x - mean) / std`` for each channel of ``(C, H, W)`` or ``(N, C, H, W)``."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        if any(s == 0 for s in std):
            raise ArgumentError(f"Normalize: std={tuple(std)} holds 0, which cannot divide")
        self.mean, self.std = tuple(mean), tuple(std)

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
        kind = picture.array.dtype
        mean, std = (
            make(np.asarray(v, kind).reshape(-1, 1, 1)).to(device=picture.device)
            for v in (self.mean, self.std)
        )
        return (picture - mean) / std

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


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


class RandomHorizontalFlip:
    """Left becomes right with probability ``p``, for tensors ``(..., H, W)``."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ArgumentError(f"RandomHorizontalFlip: p={p}: expected 0 to 1")
        self.p = p

    def __call__(self, picture: Tensor) -> Tensor:
        """Draw, and flip or not."""
        if creation.rand(1).item() < self.p:
            return make(np.ascontiguousarray(picture.array[..., ::-1]))
        return picture

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class RandomCrop:
    """A part of ``size`` from a random place, after ``padding`` zeros around ``(..., H, W)``."""

    def __init__(self, size: int | Sequence[int], padding: int | None = None) -> None:
        self.size, self.padding = pair(size, "size"), padding

    def __call__(self, picture: Tensor) -> Tensor:
        """Draw a place and cut."""
        array = picture.array
        if self.padding:
            sides = [(0, 0)] * (array.ndim - 2) + [(self.padding, self.padding)] * 2
            array = np.pad(array, sides)
        height, width = array.shape[-2:]
        if height < self.size[0] or width < self.size[1]:
            raise ShapeError(
                f"RandomCrop: a part of {self.size} does not fit into {(height, width)}\n"
                "  use a smaller size, or padding"
            )
        if (height, width) == self.size:
            return make(array)
        top = int(creation.randint(0, height - self.size[0] + 1, (1,)).item())
        left = int(creation.randint(0, width - self.size[1] + 1, (1,)).item())
        cut = array[..., top : top + self.size[0], left : left + self.size[1]]
        return make(np.ascontiguousarray(cut))

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


__all__ = ["Compose", "Lambda", "Normalize", "RandomCrop", "RandomHorizontalFlip", "ToTensor"]
