"""Whether functions run as graphs."""

from __future__ import annotations


class _Now:
    eagerly = False


def run_functions_eagerly(run_eagerly: bool) -> None:
    """Run the steps of ``fit``, ``evaluate`` and ``predict`` op by op, in the whole process."""
    _Now.eagerly = bool(run_eagerly)


def functions_run_eagerly() -> bool:
    """Whether they do."""
    return _Now.eagerly
