"""Musical segments: chroma, timbre and loudness from one onset (or beat) to the next.

The columns are those of a Million Song Dataset track cut into songs of 25 features: ``segments_pitches`` (12),
``segments_timbre`` (12) and ``segments_loudness_max``. They are an open approximation of a proprietary analysis:

- *Similar*: segments of variable length that begin at onsets, at least 0.06 s and seldom over 1 s; 12 chroma from C to
  B, with a maximum of 1; maximum loudness in dB re full scale, at least -60.
- *Different*: the basis of ``segments_timbre`` is proprietary. Here timbre is the first 12 cepstral coefficients of the
  segment's mean spectrum in dB: in both, the first one is related to loudness, the second to brightness and later ones
  to finer detail, but neither scales nor signs agree. Loudness is the level of the signal, without an auditory model.
  The boundaries come from another detector.

Do not use a model that was trained on one of the two with the other. Choose these features for recurrent and
convolutional models over musical events; choose `genrezoo.audio.mel` where every frame counts.

Reference: T. Jehan, Creating Music by Listening, MIT, 2005, chapters 3 and 4; T. Bertin-Mahieux, D. Ellis, B. Whitman,
P. Lamere, The Million Song Dataset, ISMIR 2011.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from genrezoo.audio.decode import import_audio
from genrezoo.audio.mel import mel_filters
from genrezoo.audio.mfcc import cosines
from genrezoo.audio.settings import Counted, Features, FeatureSettings, compute
from genrezoo.audio.spectrum import hann, power, spectrum_blocks

PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
SHORTEST = 0.05  # seconds; the shortest segment of 117 tracks of the Million Song Dataset has 0.06
QUIETEST = -60.0  # dB re full scale: the loudness of silence, there as here
N_TIMBRE, N_MELS = 12, 40  # 40 bands are more than enough for 12 coefficients, and none is narrower than a bin
_FLOOR = 1e-4  # mel power that counts as silence: 80 dB under a full-scale tone, 40 dB over the noise of 16 bits


class Segments(FeatureSettings):
    """Settings of ``segments``: 12 chroma, 12 timbre and the loudness of each musical segment.

    Chroma are energies, summed over all frames of a segment and divided by the largest, for music tuned to A4 = 440 Hz
    (0 in silence). Timbre: cepstral coefficients 0 to 11 of the mean over the segment's frames of `N_MELS` mel bands in
    dB. Loudness: level of the loudest frame (root mean square under the window) in dB re full scale, so that a
    full-scale sine has -3; -60 is silence and everything below. Frames are 93 ms long and 23 ms apart at any rate.

    Boundaries are rounded to frames. Of two that are closer than `SHORTEST`, the earlier one is kept, and a segment
    longer than ``longest_seconds`` is divided evenly: in the Million Song Dataset, too, a sustained sound is a run of
    segments. 26 numbers per frame are kept until the end of the recording (16 MB per hour); everything else is
    streamed.

    Example:
        >>> settings = Segments(rate=8000)
        >>> click = np.zeros(8000, np.float32)
        >>> click[4000:4800] = np.sin(2 * np.pi * 440 * np.arange(800) / 8000)
        >>> features = settings.extract([click])
        >>> loudest = features.x[:, 24].argmax()
        >>> settings.names[features.x[loudest, :12].argmax()], float(features.x[loudest, 24].round())
        ('chroma_A', -3.0)
    """

    compiled: ClassVar[bool] = True

    kind: Literal["segments"] = "segments"
    unit: Literal["onset", "beat"] = Field(
        "onset", description="Start of a segment: an onset, moved back to where the level rises, or a beat."
    )
    longest_seconds: float = Field(1.0, ge=0.25, le=60, description="Longer segments are divided evenly.")

    @property
    def names(self) -> tuple[str, ...]:
        """``chroma_C`` to ``chroma_B``, ``timbre_0`` to ``timbre_11``, ``loudness``."""
        timbre = (f"timbre_{number}" for number in range(N_TIMBRE))
        return (*(f"chroma_{pitch}" for pitch in PITCHES), *timbre, "loudness")

    @property
    def groups(self) -> dict[str, list[int]]:
        """Columns of ``chroma``, ``timbre`` and ``loudness``."""
        return {"chroma": list(range(12)), "timbre": list(range(12, 24)), "loudness": [24]}

    @property
    def units(self) -> dict[str, str]:
        """Units of the three groups."""
        return {
            "chroma": "fraction of the strongest pitch class",
            "timbre": "dB (cosine transform of mel bands)",
            "loudness": "dB re full scale",
        }

    @property
    def hop(self) -> int:
        """Samples from one frame to the next: 512 at 22,050 Hz, about as many seconds at other rates."""
        return round(self.rate * 512 / 22050)

    def extract(self, blocks: Iterable[np.ndarray]) -> Features:
        """Computes the segments of one recording; see `FeatureSettings.extract`."""
        sound = Counted(blocks)
        frames = np.concatenate(list(self._frames(sound)))
        sound.check(4 * self.hop / self.rate, self)
        chroma, timbre, flux, level = np.split(frames, [12, 12 + N_TIMBRE, 13 + N_TIMBRE], axis=1)
        starts = self._starts(self._onset_strength(flux[:, 0]), sound.samples / self.hop)
        counts = np.diff([*starts, len(frames)])[:, None]
        chroma = np.add.reduceat(chroma, starts)
        strongest = chroma.max(axis=1, keepdims=True)
        loudest = np.maximum.reduceat(level, starts)
        x = np.concatenate(
            [
                np.divide(chroma, strongest, out=np.zeros_like(chroma), where=strongest > 0),
                np.add.reduceat(timbre, starts) / counts,
                np.maximum(10 * np.log10(np.maximum(loudest, 1e-12)), QUIETEST),
            ],
            axis=1,
        )
        edges = np.append(starts * self.hop / self.rate, sound.samples / self.rate)
        return Features(x=x.astype(np.float32), edges=edges)

    def _frames(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields, by group of frames, chroma energies (12), cepstrum (12), rise of the spectrum in dB, mean square."""
        import_audio("numba")
        from genrezoo.audio.chroma import chroma_filters  # compiled by numba

        n_fft = 4 * self.hop
        to_square = np.full((n_fft // 2 + 1, 1), 2.0)  # a bin is its negative frequency too, save the first and last
        to_square[[0, -1]] = 1
        to_square /= n_fft * np.square(hann(n_fft).astype(np.float64)).sum()
        derive = np.concatenate(  # (bins, 12 + mels + 1)
            [chroma_filters(self.rate, n_fft), mel_filters(self.rate, n_fft, N_MELS), to_square], axis=1
        ).astype(np.float32)
        to_timbre = cosines(N_MELS, N_TIMBRE)
        before = None
        for spectrum in spectrum_blocks(blocks, n_fft=n_fft, hop=self.hop):
            chroma, mel, square = np.split(power(spectrum) @ derive, [12, 12 + N_MELS], axis=1)
            decibels = 10 * np.log10(np.maximum(mel, _FLOOR))  # (frames, mels)
            rise = np.diff(decibels, axis=0, prepend=decibels[:1] if before is None else before)
            before = decibels[-1:]
            yield np.concatenate(
                [chroma, decibels @ to_timbre, np.maximum(rise, 0).mean(axis=1, keepdims=True), square], axis=1
            )

    def _onset_strength(self, rise: np.ndarray) -> np.ndarray:
        """Delays the rise of the spectrum by half a frame, because a frame already contains later sound."""
        return np.concatenate([np.zeros(2, rise.dtype), rise])[: len(rise)]

    def _starts(self, strength: np.ndarray, end: float) -> np.ndarray:
        """Returns the first frame of each segment, beginning with 0; the last one ends at frame ``end``."""
        librosa = import_audio("librosa")
        if self.unit == "beat":
            _, found = librosa.beat.beat_track(onset_envelope=strength, sr=self.rate, hop_length=self.hop, trim=False)
        else:
            found = librosa.onset.onset_detect(
                onset_envelope=strength, sr=self.rate, hop_length=self.hop, backtrack=True
            )
        shortest = int(np.ceil(SHORTEST * self.rate / self.hop))
        starts = [0]
        for frame in found:
            if shortest <= frame - starts[-1] and frame + shortest <= end:
                starts.append(int(frame))
        longest = self.longest_seconds * self.rate / self.hop
        return np.concatenate(
            [
                np.linspace(first, last, int(np.ceil((last - first) / longest)), endpoint=False).astype(np.int64)
                for first, last in zip(starts, [*starts[1:], end], strict=True)
            ]
        )


def segments(samples: np.ndarray, **options: object) -> np.ndarray:
    """Computes the segments of a whole signal.

    Args:
        samples: ``(n,)`` floating-point mono, full scale 1.
        **options: Fields of `Segments`, e.g. ``rate`` and ``unit``.

    Returns:
        ``(segments, 25)`` float32: 12 chroma in [0, 1], 12 timbre, loudness in dB re full scale from -60.

    Raises:
        DataError: The signal is not one channel of finite numbers, or too short.
        SettingsError: An option is out of range, or the optional audio libraries are not installed.

    Example:
        >>> segments(np.sin(np.arange(16000) / 4).astype(np.float32), rate=8000).shape[1]
        25
    """
    return compute("segments", samples, options)
