"""Initial weights of a model, from the registry or from a file that is checked before anything is assigned."""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo import files
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.weights import WEIGHTS, Weights, fetch_weights

RESNET50 = "resnet50.imagenet"


def published(model: str, weights: Any) -> Weights | None:
    """Returns the registry's entry of a model's initial weights; None without weights, and for a file.

    Args:
        model: Name of the model.
        weights: A name from `genrezoo.list_weights`, the path of a file, or None.

    Raises:
        SettingsError: The weights belong to another model, or ``weights`` is neither a name nor a path.
        UnknownNameError: There are no such weights, and it is not a path of a file.
    """
    if weights is None:
        return None
    if not isinstance(weights, str | Path):
        raise SettingsError(f"weights must be None, a name or the path of a file, got {weights!r}")
    if str(weights) not in WEIGHTS.names():
        names_file = Path(weights).suffix in (".safetensors", ".h5") or os.path.isfile(weights)  # noqa: PTH113  # Path raises if it is long
        if weights != "imagenet" and not names_file:
            raise UnknownNameError("weights", str(weights), WEIGHTS.names(f"{model}.*"))
        return None
    entry = WEIGHTS.get(str(weights))
    if entry.model != model:
        raise SettingsError(f"weights {entry.name!r} belong to the model {entry.model!r}, not to {model!r}")
    return entry


def begin_with(model: Any, weights: Any, **arguments: Any) -> Any:
    """Loads a model's initial weights; an output layer of another size keeps its random weights.

    Args:
        model: A built model, changed in place.
        weights: A name from `genrezoo.list_weights`, the path of a safetensors file, or None, which changes nothing.
        **arguments: Options that the weights depend on but that their shapes do not reveal.

    Returns:
        The model.

    Raises:
        SettingsError: The weights belong to another model, or were trained with other options.
        UnknownNameError: There are no such weights.
        DataError: The weights cannot be obtained, are damaged, or do not fit.
    """
    entry = published(model.name, weights)
    if weights is None:
        return model
    path = fetch_weights(entry.name) if entry else Path(weights)
    arrays, trained_with = _read(path)
    for option, value in trained_with.items():
        if option in arguments and json.dumps(arguments[option]) != json.dumps(value):
            raise SettingsError(f"the weights were trained with {option}={value}, got {arguments[option]}")
    expected = {weight.path: weight for weight in model.weights if "seed_generator" not in weight.path}
    if any(_shape(arrays.get(name)) != tuple(expected[name].shape) for name in expected if name.startswith("logits/")):
        drop = [name for name in {*expected, *arrays} if name.startswith("logits/")]
        for name in drop:
            expected.pop(name, None)
            arrays.pop(name, None)
    remedy = f"pass weights of {model.name!r}, see `genrezoo list --kind weights`, built with the same options"
    if differing := expected.keys() ^ arrays.keys():
        name = min(differing)
        what = f"not weights of this model: {name!r} is {'missing' if name in expected else 'unexpected'}"
        raise DataError(what, path=path, remedy=remedy)
    for name, weight in expected.items():
        if _shape(arrays[name]) != tuple(weight.shape) or not np.isfinite(arrays[name]).all():
            what = f"weights of shape {arrays[name].shape}, expected {tuple(weight.shape)} finite numbers"
            raise DataError(what, path=path, where=name, remedy=remedy)
    for name, weight in expected.items():
        weight.assign(arrays[name])
    return model


def find_resnet50(weights: str | None, sha256: str | None) -> Path | None:
    """Fetches or checks the file of the initial weights of ResNet50 without its top.

    Args:
        weights: ``"imagenet"`` or the name of these weights, the path of a local HDF5 file, or None.
        sha256: Checksum of the local file, 64 hex digits; None for the other two.

    Returns:
        The file; None for None.

    Raises:
        SettingsError: A local file comes without its sha256, or a sha256 without a local file.
        DataError: The weights cannot be obtained, or have another sha256.
    """
    if weights in (None, "imagenet", RESNET50):
        if sha256 is not None:
            raise SettingsError(
                f"weights_sha256 applies to a local file only, but weights is {weights!r}; leave it out"
            )
        return None if weights is None else fetch_weights(RESNET50)
    return _checked(weights, sha256)


def load_resnet50(backbone: Any, path: Path | None) -> None:
    """Loads the initial weights of ResNet50 without its top.

    Args:
        backbone: `keras.applications.ResNet50` without its top; changed in place.
        path: The file from `find_resnet50`; None changes nothing.

    Raises:
        DataError: The weights are not those of ResNet50.
    """
    if path is None:
        return
    try:
        with warnings.catch_warnings():
            # of files from older versions; a layer that is left without its weights is an error all the same
            warnings.filterwarnings("ignore", "Skipping nested container", UserWarning)
            backbone.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"not the weights of a ResNet50 without its top ({error})",
            path=path,
            remedy="use the file of `genrezoo show resnet50.imagenet`, or one that `save_weights` wrote for such a "
            "model",
        ) from error


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads the arrays of a file, and the options recorded in it."""
    import safetensors

    if path.suffix != ".safetensors":
        raise DataError(
            "weights can only be read from safetensors files", path=path, remedy="pass a file in that format"
        )
    files.open_regular(path).close()  # refuses what is no file
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get("genrezoo", "{}"))
            arguments = about.get("arguments", {}) if isinstance(about, dict) else {}
            return {name: file.get_tensor(name) for name in file.keys()}, dict(arguments)  # noqa: SIM118  # no mapping
    except (safetensors.SafetensorError, OSError, ValueError, TypeError) as error:
        raise DataError(f"damaged weights ({error})", path=path, remedy="download the file again") from error


def _shape(array: np.ndarray | None) -> tuple[int, ...] | None:
    return None if array is None else array.shape


def _checked(weights: Any, sha256: str | None) -> Path:
    if not isinstance(weights, str | Path):
        raise SettingsError(f"weights must be None, 'imagenet' or the path of a file, got {weights!r}")
    if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise SettingsError(
            f"weights from a file need weights_sha256, the checksum (64 hex digits) that the file's source publishes, "
            f"got {sha256!r}"
        )
    path = Path(weights)
    if not path.is_file():
        raise DataError("no such weights file", path=path, remedy="pass 'imagenet', or the path of a file")
    if path.suffix != ".h5":
        raise DataError(
            "these weights can only be read from HDF5 files", path=path, remedy="pass a file whose name ends in .h5"
        )
    if (found := files.sha256_of(path)) != sha256.lower():
        raise DataError(
            f"the sha256 of the weights is {found}, not {sha256}",
            path=path,
            remedy="download the file again, or pass the sha256 of this file if it is the right one",
        )
    return path
