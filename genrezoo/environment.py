"""What a metric was measured on: machine, threads, versions, revision."""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genrezoo import __version__
from genrezoo.errors import SettingsError

PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "scikit-learn")
AUDIO_PACKAGES = ("numpy", "scipy", "soundfile", "soxr", "librosa", "numba")
"""What features of audio depend on."""
OFFLINE = "GENREZOO_OFFLINE"
"""Environment variable that forbids downloads, set to anything but 0."""


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


def offline() -> bool:
    """Whether the user has forbidden downloads."""
    return os.environ.get(OFFLINE, "0") not in ("", "0")


def default_cache() -> Path:
    """Folder of the cache: ``$GENREZOO_CACHE``, else ``genrezoo`` in ``$XDG_CACHE_HOME``, else in ``~/.cache``.

    Raises:
        SettingsError: None is stated, and there is no home folder.
    """
    if stated := os.environ.get("GENREZOO_CACHE"):
        return Path(stated)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genrezoo"
    except RuntimeError as error:  # no home
        raise SettingsError("there is no home folder for the cache: set GENREZOO_CACHE to a folder") from error


def keras_backend() -> str:
    """The backend that Keras has, or will have: as in `KERAS_BACKEND` or its file of settings; without importing it."""
    if keras := sys.modules.get("keras"):
        return str(keras.config.backend())
    if stated := os.environ.get("KERAS_BACKEND"):
        return stated
    try:
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        return str(json.loads((home / "keras.json").read_text())["backend"])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        return "tensorflow"


def threads() -> int:
    """Threads that the numerical libraries of this process may use."""
    stated = os.environ.get("TF_NUM_INTRAOP_THREADS") or os.environ.get("OMP_NUM_THREADS")
    return int(stated) if stated and stated.isdigit() and int(stated) else cores()


def environment() -> dict[str, Any]:
    """Everything about this process and machine that a metric may depend on, as plain data."""
    keras = sys.modules.get("keras")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": cores(),
        "threads": threads(),
        "backend": keras.config.backend() if keras else None,
        "versions": versions(),
        "git_revision": _revision(),
        "created": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Installed versions of genrezoo and of the packages that results depend on."""
    found = {"genrezoo": __version__}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


@functools.cache
def _revision() -> str | None:
    """The commit of the package's own source tree; None where it was installed from a wheel."""
    top = Path(__file__).resolve().parents[1]
    if not (top / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(top), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
