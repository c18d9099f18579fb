"""Variables of a session in a file: a safetensors file for each, which holds no code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .... import saving
from ....errors import ArgumentError, LabError
from ....tensor import tensor
from . import errors, scopes
from .graphs import Tensor

SUFFIX = ".safetensors"
LIST = "checkpoint"  # the file beside them that names the newest


class Saver:
    """Writes the variables of a session to files, and reads them back.

    ``save(sess, "model.ckpt", global_step=7)`` writes ``model.ckpt-7.safetensors``; of those that
    it wrote it leaves the last ``max_to_keep``.
    """

    def __init__(self, var_list: Any = None, max_to_keep: int | None = 5, **unused: Any) -> None:
        variables = scopes.global_variables() if var_list is None else var_list
        pairs = (
            variables.items()
            if isinstance(variables, dict)
            else ((v.op.name, v) for v in variables)
        )
        self.variables: dict[str, Any] = dict(pairs)
        if not self.variables:
            raise ArgumentError(
                "Saver(): there are no variables to save\n"
                "  expected variables in the graph: make the Saver after them"
            )
        self.max_to_keep = max_to_keep
        self.last_checkpoints: list[str] = []

    def save(self, sess: Any, save_path: Any, global_step: Any = None, **unused: Any) -> str:
        """Write the variables of a session; gives the path to restore from."""
        path = os.fspath(save_path)
        if global_step is not None:
            step = sess.run(global_step) if isinstance(global_step, Tensor) else global_step
            path = f"{path}-{int(step)}"
        found = sess.run(self.variables)
        saving.save({name: tensor(array) for name, array in found.items()}, path + SUFFIX)
        self.last_checkpoints = [*(p for p in self.last_checkpoints if p != path), path]
        while self.max_to_keep and len(self.last_checkpoints) > self.max_to_keep:
            Path(self.last_checkpoints.pop(0) + SUFFIX).unlink(missing_ok=True)
        (Path(path).parent / LIST).write_text(Path(path).name + "\n", encoding="utf-8")
        return path

    def restore(self, sess: Any, save_path: Any) -> None:
        """Give the variables of a session the values of a file; nothing else need initialise them.

        Raises a ValueError where there is no such file, NotFoundError for a variable that is not
        in it.
        """
        if save_path is None or not checkpoint_exists(save_path):
            raise errors.NoCheckpoint(
                f"restore(sess, save_path): {save_path!r} is no checkpoint\n"
                "  expected what save() gave, or tf.train.latest_checkpoint(folder)"
            )
        found = saving.load(os.fspath(save_path) + SUFFIX)
        missing = [name for name in self.variables if name not in found]
        if missing:
            raise errors.NotFoundError(
                f"restore(sess, save_path): the file has no {missing[0]!r}\n"
                f"  file       {', '.join(map(repr, found)) or 'it is empty'}\n"
                f"  variables  {', '.join(map(repr, self.variables))}\n"
                "  expected the graph that was saved; Saver(var_list) takes a part of it"
            )
        for name, variable in self.variables.items():
            try:
                sess.load(variable.symbol, found[name])
            except LabError as error:
                raise errors.in_run(error) from None


def checkpoint_exists(checkpoint_prefix: Any) -> bool:
    """Whether there is a file to restore from."""
    return Path(os.fspath(checkpoint_prefix) + SUFFIX).is_file()


def latest_checkpoint(checkpoint_dir: Any) -> str | None:
    """The path of what was saved last in a folder; None where there is nothing."""
    listed = Path(checkpoint_dir) / LIST
    if not listed.is_file():
        return None
    return os.path.join(os.fspath(checkpoint_dir), listed.read_text(encoding="utf-8").strip())
