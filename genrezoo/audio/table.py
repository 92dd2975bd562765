"""The 57 columns of the well-known GTZAN table (``feature_table``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from genrezoo.audio.settings import Counted, Features, FeatureSettings, compute

SPECTRAL = ("spectral_centroid", "spectral_bandwidth", "rolloff", "zero_crossing_rate")
COEFFICIENTS = tuple(f"mfcc{i + 1}" for i in range(20))
GROUPS = {  # measures that belong together, in the table's order
    "chroma": ("chroma_stft",),
    "loudness": ("rms",),
    "spectral": SPECTRAL,
    "separation": ("harmony", "perceptr"),
    "tempo": ("tempo",),
    "timbre": COEFFICIENTS,
}
COLUMNS = tuple(
    column
    for measures in GROUPS.values()
    for measure in measures
    for column in ((measure,) if measure == "tempo" else (f"{measure}_mean", f"{measure}_var"))
)
FEWEST = 31 * 512  # samples: as many frames as the window of the medians holds


class FeatureTable(FeatureSettings):
    """Means and variances of 28 measures, and the tempo: the columns of the table ``features_30_sec.csv``.

    Choose it to compare with the many results on that table, and for small models on whole songs. There is one row per
    window; a remainder shorter than half a window is added to the last one, so a clip of slightly more than 30 seconds
    has one row. The measures are librosa's with their defaults: ``chroma_stft`` with estimated tuning, ``rms(y=...)``,
    spectral centroid, bandwidth and rolloff, zero-crossing rate, the harmonic and the percussive waveform ("harmony"
    and "perceptr"), the tempo of ``beat_track``, 20 cepstral coefficients.

    Example:
        >>> clicks = np.zeros(6 * 22050, np.float32)
        >>> clicks[::11025] = 1  # 120 a minute
        >>> features = FeatureTable().extract([clicks])
        >>> features.x.shape, round(float(features.x[0, COLUMNS.index("tempo")]))
        ((1, 57), 117)

    Reference: document E, section 2; librosa 0.11.
    """

    compiled: ClassVar[bool] = True

    kind: Literal["feature_table"] = "feature_table"
    window_seconds: float = Field(30.0, ge=1, le=3600, description="Seconds per row.")

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the table between ``length`` and ``label``."""
        return COLUMNS

    @property
    def groups(self) -> dict[str, list[int]]:
        """Feature groups: chroma, loudness, spectral shape, separated parts, tempo, timbre."""
        owners = [next(name for name in GROUPS if _measure(column) in GROUPS[name]) for column in COLUMNS]
        return {name: [i for i, owner in enumerate(owners) if owner == name] for name in GROUPS}

    @property
    def units(self) -> dict[str, str]:
        """Units of the means; variances have squared units."""
        return {
            "chroma": "fraction of the strongest pitch class",
            "loudness": "amplitude re full scale",
            "spectral": "Hz, and zero crossings per sample",
            "separation": "amplitude re full scale",
            "tempo": "beats a minute",
            "timbre": "dB (cosine transform of mel bands)",
        }

    def extract(self, blocks: Iterable[np.ndarray]) -> Features:
        """``x`` is ``(windows, 57)``; only one window is in memory at a time.

        Raises:
            DataError: There are fewer than 31 frames of 512 samples (0.72 s at 22,050 Hz).
            SettingsError: The optional audio libraries are not installed.
        """
        from genrezoo.audio.decode import import_audio

        import_audio("numba")
        from genrezoo.audio.measures import measure  # compiled by numba

        sound = Counted(blocks)
        rows: list[np.ndarray] = []
        ends = [0]
        for window in self._windows(sound):
            if not rows:
                sound.check(FEWEST / self.rate, self)
            rows.append(measure(window, self.rate))
            ends.append(ends[-1] + len(window))
        return Features(np.array(rows, np.float32), np.array(ends) / self.rate)

    def _windows(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields windows of the recording; the last one has between half and one and a half of the usual length."""
        size = round(self.window_seconds * self.rate)
        held: list[np.ndarray] = []
        length = 0
        for block in blocks:
            held.append(np.asarray(block, np.float32))
            length += len(block)
            while length >= size + (size + 1) // 2:
                whole = np.concatenate(held)
                yield whole[:size]
                held, length = [whole[size:]], length - size
        whole = np.concatenate([*held, np.zeros(0, np.float32)])
        yield whole


def feature_table(samples: np.ndarray, **options: object) -> np.ndarray:
    """Computes the 57 columns of a whole signal.

    Args:
        samples: ``(n,)`` floating-point mono, full scale 1.
        **options: Fields of `FeatureTable`, e.g. ``rate`` and ``window_seconds``.

    Returns:
        ``(windows, 57)`` float32: Hz for centroid, bandwidth and rolloff, beats per minute for the tempo.

    Raises:
        DataError: The signal is not one channel of finite numbers, or shorter than 31 frames.
        SettingsError: An option is out of range, or the optional libraries for audio are not installed.

    Example:
        >>> feature_table(np.random.default_rng(0).standard_normal(22050) / 9).shape
        (1, 57)
    """
    return compute("feature_table", samples, options)


def _measure(column: str) -> str:
    return column.removesuffix("_mean").removesuffix("_var")
