"""Whether functions run as graphs, and the devices that there are."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..device import get_num_threads, set_num_threads, why_no_cuda


class _Now:
    eagerly = False


def run_functions_eagerly(run_eagerly: bool) -> None:
    """Run each ``tf.function``, and the steps of ``fit``, op by op, in the whole process."""
    _Now.eagerly = bool(run_eagerly)


def functions_run_eagerly() -> bool:
    """Whether they do."""
    return _Now.eagerly


class PhysicalDevice(NamedTuple):
    """A device of this machine."""

    name: str
    device_type: str


class LogicalDevice(NamedTuple):
    """A device that tensors can be on."""

    name: str
    device_type: str


def _kinds(device_type: str | None) -> list[str]:
    here = ["CPU", *(["GPU"] if why_no_cuda() is None else [])]
    return [kind for kind in here if device_type in (None, kind)]


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The devices of this machine, of all types or of one: "CPU", "GPU".

    >>> list_physical_devices("CPU")
    [PhysicalDevice(name='/physical_device:CPU:0', device_type='CPU')]
    """
    return [PhysicalDevice(f"/physical_device:{k}:0", k) for k in _kinds(device_type)]


get_visible_devices = list_physical_devices


def list_logical_devices(device_type: str | None = None) -> list[LogicalDevice]:
    """The devices that tensors can be on."""
    return [LogicalDevice(f"/device:{k}:0", k) for k in _kinds(device_type)]


def set_visible_devices(devices: Any, device_type: str | None = None) -> None:
    """Taken and without effect: tensors are on the CPU unless a program says otherwise."""


def set_soft_device_placement(enabled: bool) -> None:
    """Taken and without effect."""


class threading:
    """How many threads compute."""

    @staticmethod
    def set_intra_op_parallelism_threads(num_threads: int) -> None:
        """How many threads a matrix product may use; 0 leaves it."""
        if num_threads:
            set_num_threads(num_threads)

    @staticmethod
    def get_intra_op_parallelism_threads() -> int:
        """How many threads a matrix product may use."""
        return get_num_threads()

    @staticmethod
    def set_inter_op_parallelism_threads(num_threads: int) -> None:
        """Taken and without effect: ops run one after another."""


class experimental:
    """Settings that have no effect here."""

    @staticmethod
    def set_memory_growth(device: Any, enable: bool) -> None:
        """Taken and without effect."""

    @staticmethod
    def enable_op_determinism() -> None:
        """Taken and without effect: the same seed gives the same numbers anyway."""
