"""Saving and loading without pickle: a file holds numbers and names, never code.

The file is a safetensors file, which PyTorch, JAX and others read too. What is around the tensors
(dicts, lists, numbers) stands in its header as JSON.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from .device import Device, to_host
from .dtypes import ALL
from .errors import DTypeError, FileError, KindError, describe
from .tensor import Tensor, make

KEY = "minitorch_lab"  # of the header's entry that holds the structure
PLAIN = (bool, int, float, str, type(None))


def save(obj: Any, f: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write tensors, or nested dicts, lists and tuples of tensors and numbers, to a file.

    ``f`` is a path, or a file that is open for writing bytes. At a path the file is replaced when
    it is complete: a full disk or an interrupt leaves the old one as it was. A state_dict can be
    read by PyTorch with ``safetensors.torch.load_file``.

    Raises KindError for objects that are neither tensors nor plain data.
    """
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise _PathKind(
            f"save(obj, f): f is {describe(f)}\n  expected a path or an open file\n"
            "  the order is save(what, where): lab.save(model.state_dict(), 'model.safetensors')"
        )
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    structure = _pack(obj, "", arrays, {})
    data = to_bytes(arrays, metadata={KEY: json.dumps(structure)})
    if not isinstance(f, (str, os.PathLike)):
        f.write(data)
        return
    path = Path(f)
    if path.is_dir():
        raise _IsFolder(f"save: {path} is a folder\n  expected the name of a file in it")
    if not path.parent.is_dir():
        raise _NoFolder(
            f"save: there is no folder {path.parent}\n"
            f"  make it first: Path({str(path.parent)!r}).mkdir(parents=True)"
        )
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())  # mkstemp makes it private
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class _PathKind(KindError, AttributeError):
    """A path that is none; PyTorch asks it for ``write``."""


class _NoFolder(FileError, FileNotFoundError):
    """A folder that does not exist."""


class _NoFile(FileError, FileNotFoundError):
    """A file that does not exist."""


class _IsFolder(FileError, IsADirectoryError):
    """A folder in the place of a file."""


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _pack(value: Any, path: str, arrays: dict[str, Any], known: dict[int, str]) -> Any:
    """The structure of ``value`` as JSON data; its tensors go into ``arrays`` by their paths."""
    if isinstance(value, Tensor):
        name = known.get(id(value))
        if name is None:
            name = path or "tensor"
            while name in arrays:  # {"a.b": ...} beside {"a": {"b": ...}}
                name += "'"
            known[id(value)] = name
            arrays[name] = np.ascontiguousarray(to_host(value.array)).reshape(value.shape)
        return {"tensor": name, "grad": value.requires_grad and value.node is None}
    if isinstance(value, PLAIN):
        return {"plain": value}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, PLAIN):
                raise KindError(f"save: a key of {path or 'the dict'} is {describe(key)}")
        items = [[k, _pack(v, _join(path, k), arrays, known)] for k, v in value.items()]
        return {"dict": items}
    if isinstance(value, (list, tuple)):
        parts = [_pack(v, _join(path, i), arrays, known) for i, v in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": parts}
    raise KindError(
        f"save: {path or 'the object'} is {describe(value)}\n"
        "  expected tensors, numbers, strings, and dicts, lists or tuples of them\n"
        "  of a model save its state: lab.save(model.state_dict(), path)"
    )


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def load(
    f: str | os.PathLike[str] | IO[bytes], map_location: Any = None, *, weights_only: bool = True
) -> Any:
    """Read what ``save`` wrote, or a safetensors file from elsewhere as a dict of tensors.

    Nothing in the file is run, whatever ``weights_only`` says. ``f`` is a path or an open file,
    ``map_location`` the device for the tensors.

    Raises FileNotFoundError, or FileError for a file that is no safetensors file or is cut short.
    """
    if not isinstance(f, (str, os.PathLike)):
        with tempfile.TemporaryDirectory() as folder:  # the reader takes paths only
            copy = Path(folder, "file")
            copy.write_bytes(f.read())
            return load(copy, map_location)
    path = Path(f)
    if path.is_dir():
        raise _IsFolder(f"load: {path} is a folder\n  expected a file in it")
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}")) if path.suffix else []
        raise _NoFile(
            f"load: there is no file {path}"
            + (f"\n  files there  {', '.join(near[:5])}" if near else "")
        )
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError, AttributeError) as error:
        raise FileError(_broken(path, error)) from None
    known = {dtype.np for dtype in ALL}
    for name, array in arrays.items():
        if array.dtype not in known:
            raise DTypeError(
                f"load: {name} in {path.name} is {array.dtype}, which is not supported"
            )
    tensors = {name: make(array) for name, array in arrays.items()}
    if map_location is not None:
        tensors = {name: x.to(device=Device(map_location)) for name, x in tensors.items()}
    if KEY not in header:
        return tensors
    try:
        return _unpack(json.loads(header[KEY]), tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"load: the structure in {path.name} is damaged: {error}") from None


def _unpack(node: Any, tensors: dict[str, Tensor]) -> Any:
    ((kind, value),) = [(k, v) for k, v in node.items() if k != "grad"]
    if kind == "tensor":
        x = tensors[value]
        x.requires_grad = bool(node.get("grad")) and x.array.dtype.kind == "f"
        return x
    if kind == "plain":
        if not isinstance(value, PLAIN):
            raise TypeError("not plain data")
        return value
    if kind == "dict":
        return {k: _unpack(v, tensors) for k, v in value}
    if kind in ("list", "tuple"):
        parts = [_unpack(v, tensors) for v in value]
        return tuple(parts) if kind == "tuple" else parts
    raise ValueError(f"unknown part {kind!r}")


def _broken(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"PK" or start[:1] == b"\x80":
        return (
            f"load: {path.name} is a pickle file, as torch.save writes it\n"
            "  such a file can run any code when it is read, so it is not read here\n"
            "  in PyTorch, write safetensors.torch.save_file(model.state_dict(), path), load that"
        )
    return (
        f"load: {path.name} is no complete safetensors file\n  {error}\n"
        "  expected a file that lab.save or safetensors wrote; it may have been cut short"
    )
