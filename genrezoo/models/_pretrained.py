"""Weights that a model begins with: fetched, or from a file that is checked before it is opened."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

from genrezoo import files
from genrezoo.environment import OFFLINE, offline
from genrezoo.errors import DataError, SettingsError
from genrezoo.lazy import keras

FILE = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
ADDRESS = f"https://storage.googleapis.com/tensorflow/keras-applications/resnet/{FILE}"
MD5 = "4d473c1dd8becc155b73f8504c6f6626"  # the one by which Keras itself knows the file


def load_pretrained(backbone: Any, weights: str | None, sha256: str | None) -> None:
    """Gives ResNet50 without its top the weights to begin with.

    Args:
        backbone: `keras.applications.ResNet50` without its top; changed in place.
        weights: ``"imagenet"``, the path of a local HDF5 file, or None, which changes nothing.
        sha256: The local file's, 64 hex digits; None for the other two.

    Raises:
        SettingsError: A local file without its sha256, or a sha256 without a local file.
        DataError: The weights cannot be had, have another sha256, or are not those of ResNet50.
    """
    if weights in (None, "imagenet"):
        if sha256 is not None:
            raise SettingsError(f"weights_sha256 is of a local file, but weights is {weights!r}; leave it out")
        if weights is None:
            return
        path = _fetched()
    else:
        path = _checked(weights, sha256)
    try:
        with warnings.catch_warnings():
            # of files from older versions; a layer that is left without its weights is an error all the same
            warnings.filterwarnings("ignore", "Skipping nested container", UserWarning)
            backbone.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"not the weights of ResNet50 without its top ({error})",
            path=path,
            remedy=f"use {FILE}, or what `save_weights` wrote of such a model as .weights.h5",
        ) from error


def _checked(weights: Any, sha256: str | None) -> Path:
    if not isinstance(weights, str | Path):
        raise SettingsError(f"weights must be None, 'imagenet' or the path of a file, got {weights!r}")
    if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise SettingsError(
            f"weights from a file need its weights_sha256, 64 hex digits from whom you have it from, got {sha256!r}"
        )
    path = Path(weights)
    if not path.is_file():
        raise DataError("no such file of weights", path=path, remedy="pass 'imagenet', or the path of a file")
    if path.suffix != ".h5":
        raise DataError("weights are read from HDF5 only", path=path, remedy="pass a file that ends in .h5")
    if (found := files.sha256_of(path)) != sha256.lower():
        raise DataError(
            f"the sha256 of the weights is {found}, not {sha256}",
            path=path,
            remedy="get the file again from where you have it from, or pass the sha256 of the one that you mean",
        )
    return path


def _fetched() -> Path:
    home = Path(os.environ.get("KERAS_HOME") or Path("~", ".keras").expanduser())  # where Keras keeps them too
    remedy = "fetch the file elsewhere and pass its path as `weights`, with its `weights_sha256`"
    if offline() and not (home / "models" / FILE).is_file():
        what = f"the ImageNet weights of ResNet50 are not in {home}, and {OFFLINE} forbids to fetch them"
        raise DataError(what, path=ADDRESS, remedy=remedy)
    try:
        return Path(keras.utils.get_file(FILE, ADDRESS, cache_dir=home, cache_subdir="models", file_hash=MD5))
    except Exception as error:  # Keras raises nothing narrower when it cannot fetch a file
        what = f"the ImageNet weights of ResNet50 cannot be fetched ({error})"
        raise DataError(what, path=ADDRESS, remedy=remedy) from error
