"""Bulk prediction: kills, memory, two workers against one, and what a track costs by stage.

FOLDER is a folder of short audio files, a sub-folder a genre. They are repeated under other names, as links, until
there are so many files as asked for, with two bad ones among them. Without --model a small perceptron on log-mel
statistics is trained on them and exported to ONNX.

Parts: ``kills`` (a command killed at random instants, its table compared with that of an undisturbed one, of which the
memory is watched), ``workers`` (one worker and two, in alternating rounds), ``stages`` (decoding, features and network
of one track, made of the files one after the other, as MP3; and what a million of them take).

Usage: python benchmarks/bulk.py FOLDER [PART ...] [--model MODEL ...] [--files 5000] [--kills 10] [--rounds 3]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import genrezoo as gz
from genrezoo.audio.decode import AudioReader, read_audio
from genrezoo.audio.extract import extract_file
from genrezoo.environment import environment
from genrezoo.parallel import THREAD_VARIABLES
from genrezoo.predict import find_audio, open_model
from genrezoo.predict.audio import answering

LOOK = 0.5  # seconds between two looks at the memory
RATE = 44100
MILLION = 1_000_000


def make_model(folder: Path, where: Path) -> Path:
    """A small exported model that reads log-mel spectra of any length."""
    features = {"kind": "log_mel", "n_mels": 32}
    songs = gz.load_songs("folder", path=folder, features=features, cache=where / "cache")
    recipe = gz.get_recipe("statistics_mlp").changed({"epochs": 10})
    gz.train(recipe, songs, seed=1, out=where / "run")
    gz.export(where / "run", "onnx", where / "light.onnx")
    return where / "light.onnx"


def make_library(folder: Path, where: Path, number: int) -> Path:
    """So many files, which are those of a folder under other names, and two bad ones."""
    files, _ = find_audio(folder)
    library = where / f"library-{number}"
    for place in range(number - 2):
        source = files[place % len(files)]
        target = library / f"{place // 1000:03d}" / f"{place:06d}{source.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:  # another disk
            first = library / f"{(place % len(files)) // 1000:03d}" / f"{place % len(files):06d}{source.suffix}"
            shutil.copyfile(source, target) if place < len(files) else os.link(first, target)
    (library / "bad.mp3").write_text("<html>not found</html>")
    (library / "empty.wav").touch()
    return library


class Command:
    """A running ``genrezoo predict --out``, whose memory is watched.

    Attributes:
        memory: Each look: seconds since the start, MiB of the command, MiB of all its processes (shared pages once).
    """

    def __init__(self, model: Path, library: Path, out: Path, workers: int):
        self.begin = time.monotonic()
        options = [str(model), str(library), "--out", str(out), "--workers", str(workers)]
        self.output = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-m", "genrezoo", "predict", *options], stdout=self.output, stderr=self.output
        )
        self.memory: list[tuple[float, float, float]] = []
        self.family: set[int] = set()
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()

    def succeed(self) -> float:
        """Waits for the end; seconds since the start."""
        code = self.process.wait()
        seconds = time.monotonic() - self.begin
        self.watcher.join()
        if code:
            size = os.fstat(self.output.fileno()).st_size
            raise SystemExit(os.pread(self.output.fileno(), 2000, max(0, size - 2000)).decode(errors="replace"))
        self.output.close()
        return seconds

    def kill(self, after: float) -> bool:
        """Kills the command after so many seconds; whether it still ran. Its workers must end by themselves."""
        try:
            self.process.wait(after)
            return False
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.watcher.join()
        self.output.close()
        end = time.monotonic() + 30
        while any(os.path.exists(f"/proc/{pid}") for pid in self.family) and time.monotonic() < end:
            time.sleep(0.02)
        if time.monotonic() >= end:
            raise SystemExit("processes of the killed command go on")
        return True

    def _watch(self) -> None:
        while self.process.poll() is None:
            members = list(descendants(self.process.pid))
            self.family |= set(members)
            sizes = [memory(pid) for pid in (self.process.pid, *members)]
            self.memory.append((time.monotonic() - self.begin, sizes[0][0], sum(size for _, size in sizes)))
            time.sleep(LOOK)


def descendants(pid: int) -> Iterator[int]:
    """The processes that a process has started, itself or through others."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    found = [pid]
    for one in found:  # which grows
        found += [child for child, parent in parents.items() if parent == one]
    yield from found[1:]


def memory(pid: int) -> tuple[float, float]:
    """MiB that a process has, all of them and its share of those that others have too."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines[1:]}
        return sizes["Rss"], sizes["Pss"]
    except (OSError, KeyError):
        return 0.0, 0.0


def thirds(values: list[float]) -> list[float]:
    """The largest value of each third."""
    return [round(max(part), 1) for part in np.array_split(values, 3) if len(part)]


def kills(model: Path, library: Path, where: Path, number: int, seed: int) -> dict[str, Any]:
    """Kills a command at random instants and compares its table with an undisturbed one."""
    whole = Command(model, library, where / "whole.parquet", 2)
    seconds = whole.succeed()
    _, own, all_of_them = (list(column) for column in zip(*whole.memory, strict=True))
    draws, out, parts = random.Random(seed), where / "killed.parquet", where / "killed.parquet.parts"
    there: dict[str, int] = {}
    instants: list[float] = []
    again = 0
    while len(instants) < number:
        instant = draws.uniform(1, 2 * seconds / (number + 1) + 3)
        if not Command(model, library, out, 2).kill(instant):
            break
        now = {path.name: path.stat().st_mtime_ns for path in parts.glob("[0-9]*.json")}
        again += sum(now.get(name) != changed for name, changed in there.items())
        there = now
        done = sum(files_of(name) for name in there)
        instants.append(round(instant, 1))
        print(f"killed after {instant:.1f} s: {done:,} files are answered", flush=True)
    if not out.exists() or parts.exists():
        Command(model, library, out, 2).succeed()
    table = out.read_bytes()
    return {
        "undisturbed_seconds": round(seconds, 1),
        "killed_after_seconds": instants,
        "shards_written_again": again,
        "equal": table == (where / "whole.parquet").read_bytes(),
        "bytes": len(table),
        "command_mib_by_third": thirds(own),
        "all_processes_mib_by_third": thirds(all_of_them),
    }


def files_of(name: str) -> int:
    """The number of files of a shard, by its name."""
    first, _, last = Path(name).stem.partition("-")
    return int(last) - int(first)


def workers(model: Path, library: Path, where: Path, rounds: int) -> dict[str, Any]:
    """Seconds of one worker and of two, in alternating rounds."""
    found: dict[int, list[float]] = {1: [], 2: []}
    spent = []
    for number in range(rounds):
        for count in (1, 2) if number % 2 else (2, 1):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            found[count].append(Command(model, library, where / f"{number}-{count}.csv", count).succeed())
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            print(f"round {number + 1}, {count} at a time: {found[count][-1]:.1f} s, processor {spent[-1]:.1f} s")
    ratios = [one / two for one, two in zip(found[1], found[2], strict=True)]
    return {
        "seconds_one": [round(value, 1) for value in found[1]],
        "seconds_two": [round(value, 1) for value in found[2]],
        "two_against_one": round(statistics.median(ratios), 2),
        "processor_seconds": round(statistics.median(spent), 1),
    }


def make_track(folder: Path, where: Path, seconds: float) -> Path:
    """A stereo MP3 of that length, of the files of a folder one after the other."""
    import soundfile

    track = where / "track.mp3"
    left = int(seconds * RATE)
    with soundfile.SoundFile(track, "w", RATE, 2, format="MP3") as file:
        for path in itertools.cycle(find_audio(folder)[0]):
            samples = read_audio(path, rate=RATE).samples[:left]
            file.write(np.stack([samples, samples], axis=1))
            left -= len(samples)
            if not left:
                return track
    return track


def shortest(work: Callable[[], Any], times: int = 5) -> float:
    """Processor seconds of one call, the shortest of some; one goes before."""
    work()
    found = []
    for _ in range(times):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return min(found)


def stages(model: str, track: Path) -> dict[str, Any]:
    """Processor seconds of one track on one thread, by stage, and what a million take."""
    settings, answer = answering(open_model(model), excerpt=False)
    settings.prepare()

    def decode() -> int:
        with AudioReader(track, rate=settings.rate) as sound:
            return sum(len(block) for block in sound.blocks())

    length = decode() / settings.rate
    decoding = shortest(decode)
    features, _ = extract_file(track, settings)
    computing = shortest(lambda: extract_file(track, settings)) - decoding
    network = shortest(lambda: answer(features))
    total, size = decoding + computing + network, track.stat().st_size
    row = len(json.dumps([str(track), "genre", answer(features).probabilities.astype(float).round(6).tolist()]))
    return {
        "model": str(model),
        "features": settings.kind,
        "track_seconds": round(length, 1),
        "decode_ms": round(1e3 * decoding, 1),
        "features_ms": round(1e3 * computing, 1),
        "network_ms": round(1e3 * network, 1),
        "bytes_read": size,
        "bytes_answered": row,
        "million_core_hours": round(total * MILLION / 3600, 1),
        "million_terabytes": round(size * MILLION / 1e12, 2),
        "megabytes_per_second_and_core": round(size / total / 1e6, 2),
    }


def main() -> None:
    """Prints what it finds, then one JSON object."""
    if any(os.environ.get(name) != "1" for name in THREAD_VARIABLES):  # they count when the libraries are imported
        settings = dict.fromkeys(THREAD_VARIABLES, "1") | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | settings)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("parts", nargs="*", metavar="PART", help="kills, workers, stages; all if left out")
    parser.add_argument(
        "--model", action="append", help="exported model, run or published weights; stages take several"
    )
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--track-seconds", type=float, default=240)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        where = Path(place)
        models = given.model or [str(make_model(given.folder, where))]
        found: dict[str, Any] = {"files": given.files, "environment": environment()}
        for part in given.parts or ("kills", "workers", "stages"):
            if part == "stages":
                track = make_track(given.folder, where, given.track_seconds)
                found[part] = [stages(model, track) for model in models]
                continue
            library = where / f"library-{given.files}"
            library = library if library.exists() else make_library(given.folder, where, given.files)
            model = Path(models[0])
            if part == "kills":
                found[part] = kills(model, library, where, given.kills, given.seed)
            else:
                found[part] = workers(model, library, where, given.rounds)
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
