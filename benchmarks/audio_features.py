"""Milliseconds for the 57 columns of a clip, against the usual librosa calls; and the columns against a CSV.

Both sides get the same samples in the memory and run alternately in one process, librosa compiled and warm; medians are
compared, of the clock's time and of the processor's, which counts what several threads do. The usual sequence is the
loop that everybody writes: one call for each feature, each with a transform of its own. Each figure is given for
all columns and for all but the separation into harmonic and percussive parts.

Libraries for matrices use one thread, as in each of several processes over a folder, unless OPENBLAS_NUM_THREADS says
otherwise.

Usage: python benchmarks/audio_features.py speed [CLIP ...] [--rounds 7]
       python benchmarks/audio_features.py compare CSV CLIP ...

Without clips, 30 seconds of chords, clicks and noise are made. ``compare`` prints, for each column of a CSV in the
well-known form (``filename``, ``length``, 57 columns, ``label``), the median and the largest relative difference
between ours and the CSV, librosa's and the CSV, and ours and librosa's, over the clips whose names it has.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import librosa
import numpy as np
import scipy.fft

from genrezoo.audio import measures, spectrum
from genrezoo.audio.decode import read_audio
from genrezoo.audio.table import COLUMNS

RATE = 22050


def made_sound() -> np.ndarray:
    """30 seconds of chords that change, with clicks and noise."""
    generator = np.random.default_rng(0)
    seconds = np.arange(30 * RATE) / RATE
    sound = 0.02 * generator.standard_normal(len(seconds))
    for second in range(30):
        part = slice(second * RATE, (second + 1) * RATE)
        for note in generator.integers(-24, 24, 4):
            sound[part] += 0.1 * np.sin(2 * np.pi * 440 * 2 ** (note / 12) * seconds[part])
        for begin in range(second * RATE, (second + 1) * RATE, RATE // 2):
            sound[begin : begin + 400] += generator.standard_normal(400) * np.exp(-np.arange(400) / 80)
    return sound.astype(np.float32)


def usual_calls(sound: np.ndarray, *, separation: bool = True) -> np.ndarray:
    """The 57 columns as the usual loop computes them; without separation, four of them are 0."""
    feature = librosa.feature
    values = [
        feature.chroma_stft(y=sound, sr=RATE),
        feature.rms(y=sound),
        feature.spectral_centroid(y=sound, sr=RATE),
        feature.spectral_bandwidth(y=sound, sr=RATE),
        feature.spectral_rolloff(y=sound, sr=RATE),
        feature.zero_crossing_rate(sound),
    ]
    values += librosa.effects.hpss(sound) if separation else [np.zeros(1), np.zeros(1)]
    beats, _ = librosa.beat.beat_track(y=sound, sr=RATE)
    feature.melspectrogram(y=sound, sr=RATE)  # no column, but in the usual list; ours makes it on its way
    coefficients = feature.mfcc(y=sound, sr=RATE)
    pairs = [[f(one, dtype=np.float64) for f in (np.mean, np.var)] for one in [*values, *coefficients]]
    return np.array([*np.ravel(pairs[:8]), float(np.squeeze(beats)), *np.ravel(pairs[8:])])


def our_columns(sound: np.ndarray, *, separation: bool = True) -> np.ndarray:
    """The same from one transform; without separation, the four columns are left out."""
    if separation:
        return measures.measure(sound, RATE)
    return measures.measure_whole(sound, RATE, measures.analyse(sound, RATE))


def transforms(sound: np.ndarray, *, separation: bool = True) -> None:
    """The bare Fourier transforms that our columns take: of the frames, their inverse, and of the onsets."""
    frames = np.empty((spectrum.GROUP, measures.N_FFT), np.float32)
    count = len(sound) // measures.HOP // spectrum.GROUP + 1
    frames[:] = sound[: measures.N_FFT]
    for _ in range(count):
        groups = scipy.fft.rfft(frames, axis=1, workers=1)
        if separation:
            scipy.fft.irfft(groups, axis=1, workers=1)
    size = 8 * RATE // measures.HOP
    onsets = np.zeros((len(sound) // measures.HOP + 1, size), np.float32)
    scipy.fft.rfft(onsets, n=scipy.fft.next_fast_len(2 * size - 1, real=True), axis=1, workers=1)


def speed(clips: list[Path], rounds: int) -> None:
    """Prints medians of alternating runs."""
    sounds = [read_audio(clip, rate=RATE).samples for clip in clips] or [made_sound()]
    print(f"{len(sounds)} sounds of {statistics.mean(map(len, sounds)) / RATE:.1f} s, {rounds} rounds each")
    for separation in (True, False):
        sides: dict[str, Callable[..., object]] = {
            "librosa": usual_calls,
            "genrezoo": our_columns,
            "its transforms": transforms,
        }
        clock: dict[str, list[float]] = {name: [] for name in sides}
        processor: dict[str, list[float]] = {name: [] for name in sides}
        for call in sides.values():
            call(sounds[0], separation=separation)  # compiled and warm
        for _ in range(rounds):
            for sound in sounds:
                for name, call in sides.items():
                    started, used = time.perf_counter(), time.process_time()
                    call(sound, separation=separation)
                    clock[name].append(1e3 * (time.perf_counter() - started))
                    processor[name].append(1e3 * (time.process_time() - used))
        print("\nall 57 columns" if separation else "\n53 columns, without harmonic and percussive parts")
        print(f"{'':>16}{'ms, clock':>14}{'ms, processor':>16}{'fastest, ms':>14}")
        for name in sides:
            medians = statistics.median(clock[name]), statistics.median(processor[name])
            print(f"{name:>16}{medians[0]:14.1f}{medians[1]:16.1f}{min(clock[name]):14.1f}")
        for title, times in (("clock", clock), ("processor", processor)):
            ratio = statistics.median(a / b for a, b in zip(times["librosa"], times["genrezoo"], strict=True))
            share = statistics.median(a / b for a, b in zip(times["its transforms"], times["genrezoo"], strict=True))
            print(f"{title}: {ratio:.1f} times as fast as librosa; {share:.0%} of the time is Fourier transforms")


def compare(table: Path, clips: list[Path]) -> None:
    """Prints relative differences, column by column."""
    with table.open(newline="") as stream:
        rows = {Path(row["filename"]).stem: row for row in csv.DictReader(stream)}
    clips = [clip for clip in clips if clip.stem in rows]
    if not clips:
        raise SystemExit(f"none of the clips' names (without suffix) is in {table}")
    theirs = np.array([[float(rows[clip.stem][column]) for column in COLUMNS] for clip in clips])
    sounds = [read_audio(clip, rate=RATE).samples for clip in clips]
    ours, usual = (np.array([side(sound) for sound in sounds]) for side in (our_columns, usual_calls))
    print(f"{len(clips)} clips; relative differences in per cent: median, largest\n")
    print(f"{'column':<26}{'ours - CSV':>24}{'librosa - CSV':>24}{'ours - librosa':>24}")
    for i, column in enumerate(COLUMNS):
        text = f"{column:<26}"
        for one, other in ((ours, theirs), (usual, theirs), (ours, usual)):
            gap = np.abs(one[:, i] - other[:, i])
            scale = np.abs(other[:, i])
            relative = 100 * np.divide(gap, scale, out=np.where(gap > 0, np.inf, 0.0), where=scale > 0)
            text += f"{np.median(relative):12.5f}{relative.max():12.5f}"
        print(text)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    timing = commands.add_parser("speed", help="milliseconds against librosa")
    timing.add_argument("clips", nargs="*", type=Path)
    timing.add_argument("--rounds", type=int, default=7)
    comparing = commands.add_parser("compare", help="relative differences from a CSV of the well-known form")
    comparing.add_argument("csv", type=Path)
    comparing.add_argument("clips", nargs="+", type=Path)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    if chosen.command == "speed":
        speed(chosen.clips, chosen.rounds)
    else:
        compare(chosen.csv, chosen.clips)


if __name__ == "__main__":
    main()
