"""An array as a picture: a PNG in a ``data:`` address, so that a page needs no file beside it."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from typing import Any

import numpy as np

SMALLEST, LARGEST = 8, 512  # pixels of a side that is drawn
TYPES = {1: 0, 3: 2, 4: 6}  # PNG's, by channels: grey, colours, colours that let the ground through


def is_image(array: np.ndarray[Any, Any]) -> bool:
    """Whether an array can be a picture: ``(..., C, H, W)`` with one channel or three."""
    if array.ndim < 3 or array.shape[-3] not in (1, 3) or array.dtype.kind not in "fu":
        return False
    sides = array.shape[-2:]
    return min(sides) >= SMALLEST and max(sides) <= LARGEST


def png(array: np.ndarray[Any, Any]) -> bytes:
    """The first picture of ``(..., C, H, W)``; what is not within 0 to 1 is scaled to it.

    >>> png(np.zeros((1, 8, 8), "float32"))[1:4]
    b'PNG'
    """
    first = array[(0,) * (array.ndim - 3)]
    pixels = np.ascontiguousarray(np.moveaxis(_bytes(first), 0, -1))
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, TYPES[channels], 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_part(kind, data) for kind, data in parts)


def address(array: np.ndarray[Any, Any]) -> str:
    """The picture as the ``src`` of an ``<img>``."""
    return "data:image/png;base64," + b64encode(png(array)).decode()


def _bytes(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if picture.dtype == np.uint8:
        return picture
    wide = np.nan_to_num(picture.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(wide.min()), float(wide.max())
    if low < 0 or high > 1:
        wide = (wide - low) / (high - low or 1.0)
    return np.round(255 * wide).astype(np.uint8)


def _part(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
