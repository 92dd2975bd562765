"""Devices for training: listing them and choosing one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras

from genrezoo.errors import SettingsError


def list_devices() -> list[str]:
    """Returns the names of all devices that Keras's backend sees: the CPU first, then GPUs or others by number.

    Example:
        >>> list_devices()[0]
        'cpu:0'
    """
    others = {name for name in keras.distribution.list_devices() if not name.startswith("cpu")}
    return ["cpu:0", *sorted(others, key=lambda name: (_kind(name), int(name.partition(":")[2] or 0)))]


def device_kinds() -> dict[str, str]:
    """Returns the first device of each kind, by kind: ``{"cpu": "cpu:0", "gpu": "gpu:0"}``."""
    kinds: dict[str, str] = {}
    for name in list_devices():
        kinds.setdefault(_kind(name), name)
    return kinds


@contextlib.contextmanager
def on_device(name: str) -> Iterator[str]:
    """Runs the code in its block on one device.

    Args:
        name: A kind (``"cpu"``, ``"gpu"``), which means the first of that kind, or one of `list_devices`.

    Yields:
        The device's full name.

    Raises:
        SettingsError: There is no such device.

    Example:
        >>> with on_device("cpu") as device:
        ...     print(device)
        cpu:0
    """
    devices = list_devices()
    device = device_kinds().get(name, name)
    if device not in devices:
        raise SettingsError(f"device {name!r} does not exist; Keras sees {', '.join(devices)}")
    with keras.device(device):
        yield device


def _kind(name: str) -> str:
    return name.partition(":")[0]
