"""Data sets of pictures, in torchvision's folders.

Nothing is fetched unless ``download=True`` asks for it, and what is fetched is checked before it
is kept. The variable MINITORCH_LAB_DATA names a folder where the files may lie already.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import os
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np

from ..errors import ArgumentError, FileError, IndexingError
from ..tensor import Tensor, make
from ..utils.data import Dataset

Transform = Callable[[Any], Any]
IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
LIMIT = 1 << 30  # bytes of an unpacked file: more is no data set of ours


def read_idx(path: Path) -> np.ndarray[Any, Any]:
    """An array from an IDX file, packed by gzip or not.

    The format: two zero bytes, the type, the number of dimensions, their sizes as big-endian
    32-bit numbers, then the entries. Raises FileError where the file is damaged.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileError(f"{path.name} is damaged: {error}\n  fetch it again") from None
    if len(data) > LIMIT or len(data) < 4 or data[:2] != b"\0\0" or data[2] not in IDX_TYPES:
        raise FileError(
            f"{path.name} is no IDX file\n  expected two zero bytes and a type at the start"
        )
    ndim = data[3]
    start = 4 + 4 * ndim
    if len(data) < start:
        raise FileError(f"{path.name} is cut short: its header is not complete")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", ndim, 4))
    dtype = np.dtype(IDX_TYPES[data[2]])
    expected = start + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if len(data) != expected:
        raise FileError(
            f"{path.name} is cut short or too long\n  expected {expected} bytes for shape {shape}, "
            f"got {len(data)}"
        )
    array = np.frombuffer(data, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


class MNIST(Dataset[Any]):
    """70,000 handwritten digits, 28 x 28 (LeCun, Cortes, Burges): 60,000 to train, 10,000 to test.

    An item is a pair of picture and class. Without a transform a picture is a NumPy array
    ``(28, 28)`` of uint8; ``transforms.ToTensor()`` makes it float32 ``(1, 28, 28)`` from 0 to 1.
    ``data`` ``(N, 28, 28)`` and ``targets`` ``(N,)`` are all of them as tensors. The files lie in
    ``root/MNIST/raw``, where torchvision puts them.

    Raises FileNotFoundError where the files are missing and ``download`` is off, and FileError
    for damaged ones.
    """

    mirrors: ClassVar[tuple[str, ...]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    # name of the packed file: its MD5
    files: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }
    classes: ClassVar[tuple[str, ...]] = tuple(
        f"{i} - {word}"
        for i, word in enumerate("zero one two three four five six seven eight nine".split())
    )

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        self.root, self.train = Path(root), train
        self.transform, self.target_transform = transform, target_transform
        part = "train" if train else "t10k"
        names = [name for name in self.files if name.startswith(part)]
        paths = [self._find(name) for name in names]
        missing = [name for name, path in zip(names, paths, strict=True) if path is None]
        if missing and not download:
            raise FileNotFoundError(
                f"{type(self).__name__}: {', '.join(missing)} not found in {self.raw_folder}\n"
                "  download=True fetches the files, or set MINITORCH_LAB_DATA to the folder "
                "that holds them"
            )
        for name in missing:
            self._fetch(name)
        pictures, labels = (read_idx(path) for name in names if (path := self._find(name)))
        if pictures.ndim != 3 or labels.shape != pictures.shape[:1]:
            raise FileError(
                f"{type(self).__name__}: pictures {pictures.shape} and labels {labels.shape} "
                "do not belong together"
            )
        self.data = make(pictures)
        self.targets = make(labels.astype(np.int64))

    @property
    def raw_folder(self) -> Path:
        """Where the files lie."""
        return self.root / type(self).__name__ / "raw"

    def _find(self, name: str) -> Path | None:
        """A file, unpacked or packed, in the folder of this data set or in MINITORCH_LAB_DATA."""
        folders = [self.raw_folder]
        shared = os.environ.get("MINITORCH_LAB_DATA")
        if shared:
            own = type(self).__name__
            folders += [
                Path(shared, own, "raw"),
                Path(shared, own),
                Path(shared, own.lower()),
            ]
        for folder in folders:
            for file in (folder / name.removesuffix(".gz"), folder / name):
                if file.is_file():
                    return file
        return None

    def _fetch(self, name: str) -> None:
        """Fetch one file, with progress, and keep it only if its checksum is right."""
        self.raw_folder.mkdir(parents=True, exist_ok=True)
        reasons = []
        for mirror in self.mirrors:
            handle, temporary = tempfile.mkstemp(dir=self.raw_folder, prefix=f".{name}.")
            try:
                with os.fdopen(handle, "wb") as out:
                    digest = _download(mirror + name, out, name)
                if digest != self.files[name]:
                    reasons.append(f"{mirror}: another checksum, {digest}")
                    continue
                os.replace(temporary, self.raw_folder / name)
                return
            except (URLError, TimeoutError, OSError) as error:
                reasons.append(f"{mirror}: {error}")
            finally:
                Path(temporary).unlink(missing_ok=True)
        raise FileError(
            f"{type(self).__name__}: {name} could not be fetched\n  " + "\n  ".join(reasons)
        )

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not -len(self) <= index < len(self):
            raise IndexingError(f"{type(self).__name__} has {len(self)} items, no number {index}")
        picture: Any = self.data.array[index]
        target: Any = int(self.targets.array[index])
        if self.transform is not None:
            picture = self.transform(picture)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return picture, target

    def __repr__(self) -> str:
        split = "train" if self.train else "test"
        return f"{type(self).__name__}({len(self):,} pictures, {split})"


class FashionMNIST(MNIST):
    """70,000 pictures of clothes in ten classes, in MNIST's format (Xiao, Rasul, Vollgraf 2017)."""

    mirrors = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
    files: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    classes = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip


def _download(url: str, out: Any, name: str) -> str:
    """Copy a file from the network with a line of progress; returns its MD5."""
    digest = hashlib.md5(usedforsecurity=False)  # the sum that the data sets are published with
    with urlopen(url, timeout=30) as answer:
        size = int(answer.headers.get("Content-Length", 0))
        done = 0
        while block := answer.read(1 << 16):
            out.write(block)
            digest.update(block)
            done += len(block)
            if sys.stderr.isatty():
                share = f"{done / size:4.0%}" if size else f"{done >> 10} kB"
                print(f"\r{name}: {share}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return digest.hexdigest()


def digits() -> tuple[Tensor, Tensor]:
    """The 1,797 digits that come with scikit-learn, with no download.

    Returns pictures ``(1797, 1, 8, 8)``, float32 from 0 to 1, and classes ``(1797,)``, int64.
    Raises ArgumentError where scikit-learn is not installed.
    """
    try:
        found = importlib.import_module("sklearn.datasets").load_digits()
    except ImportError:
        raise ArgumentError(
            'digits(): scikit-learn is not installed\n  pip install "minitorch-lab[lab]"'
        ) from None
    pictures = np.asarray(found.images / 16, np.float32)[:, None]
    return make(pictures), make(np.asarray(found.target, np.int64))
