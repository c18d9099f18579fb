"""Data sets of pictures and transforms; files are made here, nothing is fetched."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab.vision import datasets, transforms


def idx(array: np.ndarray) -> bytes:
    """An IDX file of bytes."""
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


PICTURES = np.arange(3 * 28 * 28).reshape(3, 28, 28) % 256
LABELS = np.array([7, 2, 1])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(PICTURES)))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS))
    return tmp_path


def test_mnist_from_packed_and_unpacked_files(root: Path) -> None:
    data = datasets.MNIST(root, train=False)
    picture, label = data[1]
    assert (len(data), label, picture.dtype) == (3, 2, np.uint8)
    np.testing.assert_array_equal(picture, PICTURES[1])
    assert data.targets.tolist() == [7, 2, 1]
    assert data.data.shape == (3, 28, 28)
    assert repr(data) == "MNIST(3 pictures, test)"
    with pytest.raises(IndexError, match="no number 3"):
        data[3]


def test_a_loader_over_mnist(root: Path) -> None:
    change = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    data = datasets.MNIST(root, train=False, transform=change)
    x, y = next(iter(lab.utils.data.DataLoader(data, batch_size=2)))
    assert (x.shape, x.dtype, y.dtype) == ((2, 1, 28, 28), lab.float32, lab.int64)
    np.testing.assert_allclose(x.array[0, 0], (PICTURES[0] / 255 - 0.5) / 0.5, atol=1e-6)


def test_files_in_a_shared_folder(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINITORCH_LAB_DATA", str(root))
    assert len(datasets.MNIST(tmp_path / "elsewhere", train=False)) == 3
    assert not (tmp_path / "elsewhere").exists()


def test_missing_files_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train-images[\s\S]*download=True"):
        datasets.MNIST(tmp_path)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\x1f\x8b cut", "is damaged"),
        (gzip.compress(idx(PICTURES)[:-5]), "cut short or too long"),
        (gzip.compress(idx(PICTURES)[:9]), "header is not complete"),
        (gzip.compress(b"<html>not found</html>"), "no IDX file"),
        (gzip.compress(idx(PICTURES[:2])), "do not belong together"),
    ],
    ids=["archive", "pictures", "header", "page", "count"],  # gzip's bytes hold the time of day
)
def test_damaged_files(root: Path, content: bytes, text: str) -> None:
    (root / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(lab.FileError, match=text):
        datasets.MNIST(root, train=False)


class Answer(io.BytesIO):
    headers: ClassVar[dict[str, str]] = {}


def test_a_download_is_checked_before_it_is_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    packed = gzip.compress(idx(PICTURES))

    def answer(url: str, timeout: float) -> Any:
        asked.append(url)
        return Answer(b"something else" if len(asked) == 1 else packed)

    monkeypatch.setattr(datasets, "urlopen", answer)
    raw = root / "MNIST" / "raw"
    (raw / "t10k-images-idx3-ubyte.gz").unlink()
    sums = {**datasets.MNIST.files, "t10k-images-idx3-ubyte.gz": hashlib.md5(packed).hexdigest()}
    monkeypatch.setattr(datasets.MNIST, "files", sums)
    assert len(datasets.MNIST(root, train=False, download=True)) == 3
    assert len(asked) == 2  # the first mirror's file was refused
    assert sorted(p.name for p in raw.iterdir()) == [
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte",
    ]


def test_no_mirror_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, timeout: float) -> Any:
        raise TimeoutError("no answer")

    monkeypatch.setattr(datasets, "urlopen", refuse)
    with pytest.raises(lab.FileError, match="no answer"):
        datasets.MNIST(tmp_path, download=True)
    assert not list((tmp_path / "MNIST" / "raw").iterdir())


def test_bundled_digits() -> None:
    x, y = datasets.digits()
    assert (x.shape, y.shape) == ((1797, 1, 8, 8), (1797,))
    assert (x.amin().item(), x.amax().item()) == (0, 1)


def test_to_tensor_and_back() -> None:
    colour = np.zeros((2, 3, 3), np.uint8)
    colour[0, 1, 2] = 255
    x = transforms.ToTensor()(colour)
    assert x.shape == (3, 2, 3)
    assert x[2, 0, 1].item() == 1
    kept = transforms.ToTensor()(np.ones((2, 2), np.float64) * 5)
    assert (kept.dtype, kept.amax().item()) == (lab.float64, 5)
    with pytest.raises(lab.ShapeError, match=r"\(H, W\)"):
        transforms.ToTensor()(np.zeros(4))


def test_normalize_by_channel() -> None:
    x = lab.ones(2, 1, 2)
    assert transforms.Normalize((0, 1), (1, 2))(x).tolist() == [[[1, 1]], [[0, 0]]]
    with pytest.raises(lab.KindError, match=r"ToTensor\(\)"):
        transforms.Normalize((0.5,), (0.5,))(np.zeros((2, 2)))
    with pytest.raises(lab.ShapeError, match="one for each channel"):
        transforms.Normalize((0, 0, 0), (1, 1, 1))(x)
    with pytest.raises(lab.ArgumentError, match="cannot divide"):
        transforms.Normalize((0,), (0,))


def test_random_transforms_draw_like_torchvision() -> None:
    x = lab.arange(16).float().reshape(1, 4, 4)
    lab.manual_seed(0)
    flips = [transforms.RandomHorizontalFlip()(x)[0, 0, 0].item() for _ in range(6)]
    lab.manual_seed(0)
    assert flips == [3.0 if lab.rand(1).item() < 0.5 else 0.0 for _ in range(6)]
    lab.manual_seed(1)
    cut = transforms.RandomCrop(2)(x)
    lab.manual_seed(1)
    top, left = (lab.randint(0, 3, (1,)).item() for _ in range(2))
    assert cut[0, 0, 0].item() == 4 * top + left
    assert transforms.RandomCrop(6, padding=1)(x).shape == (1, 6, 6)
    with pytest.raises(lab.ShapeError, match="does not fit"):
        transforms.RandomCrop(9)(x)
