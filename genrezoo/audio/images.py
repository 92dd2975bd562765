"""Spectrograms as colour images, 173 pixels wide and 172 high, for networks that read images.

An image shows time from left to right and frequency from the bottom up, without axes or margins. Brighter is louder, in
the colours of matplotlib's `magma`, which are used as a lookup table only: matplotlib draws nothing, so there is no GUI
and no shared state between threads.

Choose images for networks that were trained on photographs (`resnet50`); choose `genrezoo.audio.mel` for everything
else: the same content with a third of the values, and in dB instead of colours.

Reference: CS429/529 Project 3: Neural Networks, section Data Preparation.
"""

from __future__ import annotations

import concurrent.futures
import functools
import io
import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Unpack

import numpy as np
from PIL import Image
from pydantic import Field

from genrezoo.audio.extract import Extraction, extract_files
from genrezoo.audio.settings import Counted, Features, FeatureSettings, compute, feature_settings
from genrezoo.audio.spectrum import power, spectrum_blocks
from genrezoo.environment import cores
from genrezoo.errors import DataError
from genrezoo.files import write_atomic

WIDTH, HEIGHT = 173, 172  # pixels
LOWEST = 32.7  # Hz, the note C1: where a logarithmic axis begins
DEPTH = 80.0  # dB from the brightest to the darkest

Scale = Literal["log_db", "linear", "log"]


class SpectrogramImage(FeatureSettings):
    """Settings of ``spectrogram_image``: one image per ``window_seconds`` of audio.

    The source has three kinds of image in folders named ``1ayl``, ``linear`` and ``log``, and describes them only as
    "log and y-axis log, linear, and log". Here they are:

    ============ ============================== =================================================== ``scale`` frequency,
    bottom to top       brightness ============ ==============================
    =================================================== ``log_db``   logarithmic, C1 to half rate   dB below the loudest
    pixel, black at -80 (``1ayl``) ``linear``   linear, 0 to half rate         dB below the loudest pixel, black at -80
    ``log``      logarithmic, C1 to half rate   amplitude relative to the loudest pixel ============
    ============================== ===================================================

    The fourth combination is black except for a line at the bottom, so ``linear`` is in dB. ``log_db`` shows most. A
    pixel's power is the mean over its area of a spectrogram with 93 ms frames every 23 ms; where a pixel is smaller
    than a frame or a bin, it is interpolated.

    A remainder shorter than half a window is added to the window before it, and a shorter recording has one image; the
    content always fills the width.

    Example:
        >>> noise = np.random.default_rng(0).standard_normal(22050).astype(np.float32)
        >>> SpectrogramImage(scale="log").extract([noise]).x.shape
        (1, 172, 173, 3)
    """

    unit_of_values: ClassVar[str] = "brightness, 0 to 255"

    kind: Literal["spectrogram_image"] = "spectrogram_image"
    scale: Scale = Field("log_db", description="Frequency axis and meaning of brightness.")
    window_seconds: float = Field(30.0, ge=1, le=600, description="Seconds per image.")

    @property
    def names(self) -> tuple[str, ...]:
        """The colour channels of a pixel."""
        return ("red", "green", "blue")

    @property
    def hop(self) -> int:
        """Samples from one frame to the next: 512 at 22,050 Hz, about the same time at other rates."""
        return round(self.rate * 512 / 22050)

    def extract(self, blocks: Iterable[np.ndarray]) -> Features:
        """Computes the images of one recording; see `FeatureSettings.extract`."""
        sound = Counted(blocks)
        window = self.window_seconds * self.rate / self.hop  # frames
        rows = self._rows()
        held = np.empty((0, HEIGHT), np.float32)  # frames that are in no image yet
        images: list[np.ndarray] = []
        done = 0
        for spectrum in spectrum_blocks(sound, n_fft=4 * self.hop, hop=self.hop):
            held = np.concatenate([held, power(spectrum) @ rows])
            while done + len(held) >= (len(images) + 1.5) * window:  # what comes after this window is half a window
                size = round((len(images) + 1) * window) - done
                images.append(self._image(held[:size]))
                held, done = held[size:], done + size
        sound.check(4 * self.hop / self.rate, self)
        images.append(self._image(held))
        edges = np.append(np.arange(len(images)) * self.window_seconds, sound.samples / self.rate)
        return Features(x=np.stack(images), edges=edges)

    def _rows(self) -> np.ndarray:
        """Weights of each bin in each row, from the lowest: ``(bins, HEIGHT)`` float32."""
        bins = 2 * self.hop + 1
        if self.scale == "linear":
            edges = np.linspace(0, bins - 1, HEIGHT + 1)
        else:
            edges = np.geomspace(LOWEST * 4 * self.hop / self.rate, bins - 1, HEIGHT + 1)
        return _means(edges, bins).T

    def _image(self, frames: np.ndarray) -> np.ndarray:
        """Draws one image ``(HEIGHT, WIDTH, 3)`` uint8 of the powers in the rows, ``(frames, HEIGHT)``."""
        pixels = _means(np.linspace(0, len(frames) - 1, WIDTH + 1), len(frames)) @ frames  # (WIDTH, HEIGHT)
        share = pixels.T[::-1] / max(pixels.max(), np.finfo(np.float32).tiny)  # low frequencies at the bottom
        if self.scale == "log":
            bright = np.sqrt(share)
        else:
            bright = 1 + 10 * np.log10(np.maximum(share, 10 ** (-DEPTH / 10))) / DEPTH
        image: np.ndarray = _colours()[np.rint(255 * np.clip(bright, 0, 1)).astype(np.uint8)]
        return image


def spectrogram_image(samples: np.ndarray, **options: object) -> np.ndarray:
    """Computes spectrogram images of a whole signal.

    Args:
        samples: ``(n,)`` floating-point mono, full scale 1.
        **options: Fields of `SpectrogramImage`, e.g. ``scale`` and ``rate``.

    Returns:
        ``(images, 172, 173, 3)`` uint8 red, green and blue; time to the right, frequency upwards.

    Raises:
        DataError: The signal is not one channel of finite numbers, or too short.
        SettingsError: An option is out of range.

    Example:
        >>> spectrogram_image(np.sin(np.arange(44100) / 4).astype(np.float32), scale="linear").shape
        (1, 172, 173, 3)
    """
    return compute("spectrogram_image", samples, options)


@dataclass(frozen=True)
class ImageTree:
    """The result of `write_image_tree`.

    Attributes:
        images: Images of each good audio file, one or more.
        kept: Number of images that already existed with identical pixels.
        rejected: Reasons why the other audio files have no images.
        warnings: Warnings about good files, for those that have any.
    """

    images: Mapping[Path, tuple[Path, ...]]
    kept: int
    rejected: Mapping[Path, str]
    warnings: Mapping[Path, tuple[str, ...]]


def write_image_tree(
    files: Iterable[str | Path] | Mapping[str | Path, str],
    folder: str | Path,
    *,
    scale: Scale = "log_db",
    **options: Unpack[Extraction],
) -> ImageTree:
    """Writes a tree of images, ``<folder>/<scale>/<genre>/<file name>.png``, in parallel.

    The image of ``country/country.00000.au`` is ``<scale>/country/country.00000.au.png``; if a recording has several
    images, their names end in ``#1.png``, ``#2.png``, and so on. Call it again after an interruption to continue:
    computed features are in the cache, and existing images are not written again.

    Args:
        files: Audio files, in folders named after their genres; or a dictionary from file to genre.
        folder: Folder to write to; created if missing.
        scale: Kind of image, see `SpectrogramImage`.
        **options: Options of `genrezoo.audio.extract.extract_files`: ``cache``, ``workers``, ``scheduler``, ``strict``,
            ``on_file``, ``on_start``.

    Returns:
        The images written and kept, and the rejected files.

    Raises:
        DataError: Two files would have the same image path, a genre cannot be a folder name, or the folder cannot be
            written; with ``strict`` also for the first bad file.
        SettingsError: There is no such scale, or the libraries that decode audio are missing.

    Example:
        >>> import tempfile
        >>> sound = Path(tempfile.mkdtemp()) / "rock" / "a.mp3"
        >>> _ = write_atomic(sound, b"<html>not found</html>")
        >>> tree = write_image_tree([sound], sound.parent, cache=sound.parent / "cache")
        >>> len(tree.images), len(tree.rejected)
        (0, 1)
    """
    settings = feature_settings("spectrogram_image", scale=scale)
    genres = files if isinstance(files, Mapping) else {path: Path(path).absolute().parent.name for path in files}
    targets: dict[Path, Path] = {}
    for path, genre in genres.items():
        if genre in ("", ".", "..") or Path(genre).name != genre:
            raise DataError(f"genre {genre!r} cannot be a folder name", path=path, remedy="rename the genre")
        targets[Path(path)] = Path(folder) / scale / genre / Path(path).name
    sources = {target: path for path, target in targets.items()}
    for path, target in targets.items():
        for other in (target, target.with_name(re.sub(r"#\d+$", "", target.name))):
            if sources.get(other, path) != path:
                raise DataError(
                    f"would have the same image path as {sources[other]}",
                    path=path,
                    remedy="rename one of the two files",
                )
    found = extract_files(list(targets), settings, **options)

    def write(path: Path) -> list[tuple[Path, bool]]:
        return _write_images(targets[path], found.features(path).x)

    with concurrent.futures.ThreadPoolExecutor(options.get("workers") or cores()) as pool:  # zlib frees the GIL
        try:
            written = dict(zip(found.paths, pool.map(write, found.paths), strict=True))
        except OSError as error:
            raise DataError(f"cannot be written ({error})", path=folder, remedy="use another folder") from error
        finally:
            pool.shutdown(cancel_futures=True)
    return ImageTree(
        images={path: tuple(name for name, _ in names) for path, names in written.items()},
        kept=sum(there for names in written.values() for _, there in names),
        rejected=found.rejected,
        warnings=found.warnings,
    )


def _write_images(target: Path, images: np.ndarray) -> list[tuple[Path, bool]]:
    """Writes a recording's images and tells which existed already; outdated ones are removed."""
    single = target.with_name(f"{target.name}.png")
    several = (target.with_name(f"{target.name}#{number}.png") for number in itertools.count(1))
    if len(images) == 1:
        names, stale = [single], []
    else:
        names, stale = list(itertools.islice(several, len(images))), [single]
    stale += itertools.takewhile(Path.exists, several)
    for other in reversed(stale):  # from the last on, so that a second try finds those that are left
        other.unlink(missing_ok=True)
    outcomes = []
    for name, image in zip(names, images, strict=True):
        there = _is_image(name, image)
        if not there:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "png")
            write_atomic(name, buffer.getvalue())
        outcomes.append((name, there))
    return outcomes


def _is_image(path: Path, pixels: np.ndarray) -> bool:
    """Whether the file has exactly these pixels."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return image.size == pixels.shape[1::-1] and np.array_equal(np.asarray(image), pixels)
    except (OSError, ValueError, SyntaxError):  # missing, torn, or no image: it is written again
        return False


def _means(edges: np.ndarray, size: int) -> np.ndarray:
    """Returns weights for the means of a curve between edges.

    The curve interpolates linearly between values at 0, 1, …, ``size - 1``; its mean over an interval is a sum of these
    values, each weighted by the area of its tent function within the interval.

    Args:
        edges: Ascending, ``(n + 1,)``, from 0 to ``size - 1``.
        size: Number of values.

    Returns:
        ``(n, size)`` float32; each row sums to 1.
    """
    place = np.clip(edges[:, None] - np.arange(size), -1, 1)
    area = np.where(place < 0, (1 + place) ** 2, 2 - (1 - place) ** 2)  # twice that of each tent left of each edge
    weights: np.ndarray = np.diff(area, axis=0)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)


@functools.cache
def _colours() -> np.ndarray:
    """Colour of each brightness, ``(256, 3)`` uint8."""
    from matplotlib import colormaps

    colours: np.ndarray = np.rint(255 * colormaps["magma"](np.arange(256))[:, :3]).astype(np.uint8)
    return colours
