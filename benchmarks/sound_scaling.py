"""How extraction scales with processes, and what memory a two-hour recording takes.

    python benchmarks/sound_scaling.py FOLDER [--features feature_table] [--rounds 3]
    python benchmarks/sound_scaling.py --long [--hours 2]

The first extracts all sound files below FOLDER with one process and with two, in alternating rounds and without a
cache, and prints the median of the ratios. The second makes a recording of that length, extracts each kind of feature
in a process of its own, and prints the peak of its memory beside that of the same process on ten seconds.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from genrezoo import parallel
from genrezoo.audio.extract import extract_file, extract_files
from genrezoo.audio.settings import KINDS, feature_settings

RATE = 22050


def scaling(folder: Path, kind: str, rounds: int) -> None:
    """Prints seconds with one and with two processes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    settings = feature_settings(kind)
    print(f"{len(files)} files, {kind}")
    ratios = []
    for number in range(rounds):
        seconds = {}
        for workers in (1, 2) if number % 2 else (2, 1):
            with tempfile.TemporaryDirectory() as cache:
                start = time.perf_counter()
                found = extract_files(files, settings, cache=Path(cache), workers=workers)
                seconds[workers] = time.perf_counter() - start
        ratios.append(seconds[1] / seconds[2])
        print(
            f"round {number + 1}: one process {seconds[1]:.1f} s, two {seconds[2]:.1f} s: {ratios[-1]:.2f}x "
            f"({len(found.rejected)} rejected)"
        )
    print(f"median: {statistics.median(ratios):.2f}x")


def long_recording(hours: float) -> None:
    """Prints the peak memory of each kind of feature on a long recording, and on ten seconds."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for name, seconds in (("short", 10), ("long", int(hours * 3600))):
            paths[name] = Path(folder) / f"{name}.flac"
            with parallel.ProcessExecutor(1) as executor:  # so that making it does not count
                executor.submit(make_recording, str(paths[name]), seconds).result()
        print(f"{hours:g} hours, {paths['long'].stat().st_size / 2**20:.0f} MiB of FLAC")
        for kind in KINDS:
            peaks = {}
            for name, path in paths.items():
                with parallel.ProcessExecutor(1, threads=1) as executor:
                    peaks[name] = executor.submit(measure, str(path), kind).result()
            (small, _, _), (peak, seconds, shape) = peaks["short"], peaks["long"]
            print(f"{kind}: {peak:.0f} MiB (ten seconds: {small:.0f}), {seconds:.1f} s, features of shape {shape}")


def make_recording(path: str, seconds: int) -> None:
    """Writes a recording of noise and clicks, ten seconds at a time (runs in a child)."""
    import soundfile

    generator = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(seconds // 10):
            block = 0.1 * generator.standard_normal(10 * RATE)
            block[:: RATE // 2] += 0.8
            block *= 0.3 + 0.7 * np.abs(np.sin(np.linspace(0, 25, len(block))))
            file.write(np.clip(block, -1, 1))


def measure(path: str, kind: str) -> tuple[float, float, tuple[int, ...]]:
    """Peak memory in MiB, seconds and shape of the features of one recording (runs in a child)."""
    start = time.perf_counter()
    features, _ = extract_file(Path(path), feature_settings(kind))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
    return peak, time.perf_counter() - start, features.x.shape


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--features", choices=KINDS, default="feature_table")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--hours", type=float, default=2.0)
    told = parser.parse_args()
    if told.long:
        long_recording(told.hours)
    elif told.folder:
        scaling(told.folder, told.features, told.rounds)
    else:
        parser.error("name a folder of sound files, or give --long")


if __name__ == "__main__":
    import sound_scaling  # under its name, so that the children find its functions

    sound_scaling.main()
