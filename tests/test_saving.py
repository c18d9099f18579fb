"""Files: what comes back is what went in, and a bad file does no harm."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import digest

import minitorch_lab as lab
from minitorch_lab import nn, saving


def test_nested_state_comes_back(tmp_path: Path) -> None:
    x = lab.tensor([[1.0, 2.0]], requires_grad=True)
    state = {
        "step": 7,
        "lr": 0.1,
        "name": "a 'quoted' name",
        "none": None,
        "flags": (True, False),
        "tensors": [x, lab.tensor(3), x, lab.zeros(0, 2)],
        1: {"a.b": lab.ones(1), "a": {"b": lab.zeros(1)}},
    }
    lab.save(state, tmp_path / "state")
    back = lab.load(tmp_path / "state")
    assert list(back) == list(state)
    assert back["flags"] == (True, False)
    assert back["name"] == state["name"]
    first, second, again, empty = back["tensors"]
    assert (first.tolist(), first.requires_grad, second.item()) == ([[1, 2]], True, 3)
    assert again is first
    assert empty.shape == (0, 2)
    assert (back[1]["a.b"].item(), back[1]["a"]["b"].item()) == (1, 0)


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
)
def test_every_dtype_and_a_turned_array(tmp_path: Path, dtype: str) -> None:
    x = lab.from_numpy(np.arange(6).reshape(2, 3).astype(dtype)).T
    lab.save(x, tmp_path / "x")
    back = lab.load(tmp_path / "x")
    assert back.dtype is x.dtype
    np.testing.assert_array_equal(back.array, x.array)


def test_a_training_goes_on_from_a_file(tmp_path: Path) -> None:
    def make() -> tuple[Any, Any]:
        lab.manual_seed(0)
        model = nn.Linear(3, 1)
        return model, lab.optim.Adam(model.parameters(), lr=0.1)

    def train(model: Any, optimizer: Any, n: int) -> list[float]:
        losses = []
        for _ in range(n):
            optimizer.zero_grad()
            loss = (model(lab.ones(2, 3)) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    expected = train(*make(), 6)[3:]
    model, optimizer = make()
    train(model, optimizer, 3)
    lab.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "c")
    model, optimizer = make()
    state = lab.load(tmp_path / "c")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    assert train(model, optimizer, 3) == expected


def test_pytorch_reads_a_state_dict(tmp_path: Path, oracle: Any) -> None:
    """The answer is about these very bytes: others would have to be read again."""
    ours = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
    lab.save(ours.state_dict(), tmp_path / "ours.safetensors")
    content = (tmp_path / "ours.safetensors").read_bytes()

    def read(torch: Any) -> Any:
        from safetensors.torch import load

        theirs = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.BatchNorm1d(2))
        theirs.load_state_dict(load(content))
        return dict(theirs.state_dict())

    found = oracle(read, digest(np.frombuffer(content, np.uint8)))
    assert list(found) == list(ours.state_dict())
    for name, value in ours.state_dict().items():
        np.testing.assert_array_equal(found[name], value.numpy(), strict=True)


def test_a_state_dict_of_pytorch_is_read(tmp_path: Path, oracle: Any) -> None:
    def write(torch: Any) -> Any:
        from safetensors.torch import save

        torch.manual_seed(0)
        theirs = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.BatchNorm1d(2))
        state = theirs.state_dict()
        return save(state).hex(), dict(state)

    content, state = oracle(write)
    (tmp_path / "theirs.safetensors").write_bytes(bytes.fromhex(content))
    ours = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
    ours.load_state_dict(lab.load(tmp_path / "theirs.safetensors"))
    for name, value in ours.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[name], strict=True)


def test_every_dtype_of_pytorch_is_read(tmp_path: Path, oracle: Any) -> None:
    def write(torch: Any) -> Any:
        from safetensors.torch import save

        kinds = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32")
        tensors = {k: torch.arange(6).reshape(2, 3).to(getattr(torch, k)) for k in kinds}
        tensors |= {"none": torch.zeros(0, 2), "one": torch.tensor(0.1, dtype=torch.float64)}
        return save(tensors).hex(), tensors

    content, tensors = oracle(write)
    (tmp_path / "theirs").write_bytes(bytes.fromhex(content))
    back = lab.load(tmp_path / "theirs")
    assert sorted(back) == sorted(tensors)
    for name, value in tensors.items():
        np.testing.assert_array_equal(back[name].numpy(), value, strict=True)


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.save(lab.ones(2), tmp_path / "x")

    def full(*args: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        lab.save(lab.zeros(2), tmp_path / "x")
    assert lab.load(tmp_path / "x").tolist() == [1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_what_cannot_be_saved_is_named(tmp_path: Path) -> None:
    with pytest.raises(lab.KindError, match=r"layers\.0 is Linear[\s\S]*state_dict"):
        lab.save({"layers": [nn.Linear(1, 1)]}, tmp_path / "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cut", [0, 3, 40, -1])
def test_a_file_cut_short(tmp_path: Path, cut: int) -> None:
    lab.save({"w": lab.ones(5)}, tmp_path / "x")
    whole = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(whole[:cut])
    with pytest.raises(lab.FileError, match="no complete safetensors file"):
        lab.load(tmp_path / "x")


def test_pickle_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"PK\x03\x04 and so on, as torch.save writes")
    with pytest.raises(lab.FileError, match="can run any code"):
        lab.load(tmp_path / "x")


def test_a_damaged_structure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for broken in ("[", '{"tensor": "gone"}', '{"call": "os.system"}', "{}"):
        (tmp_path / "x").write_bytes(
            saving.to_bytes({"a": np.ones(1)}, metadata={saving.KEY: broken})
        )
        with pytest.raises(lab.FileError, match="is damaged"):
            lab.load(tmp_path / "x")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        lab.load(tmp_path / "nothing")
