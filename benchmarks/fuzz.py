"""Damages run folders and input files, types odd command lines, and looks at what the commands make of them.

A command may refuse (exit code 1 or 2 and one line), and it may succeed with the same output as before the damage. It
must never end in a traceback, run longer than 20 s, hold more than 2 GB, or succeed with another output. Every case
runs in a process of its own, forked from one that has imported the package; the seed decides all damage.

Usage: python benchmarks/fuzz.py [runs] [files] [lines] [--runs 500] [--files 400] [--lines 250] [--seed 1]
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import faulthandler
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

LIMIT_SECONDS, LIMIT_BYTES, LIMIT_ADDRESS = 20.0, 2 * 2**30, 24 * 2**30
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 7, 2**31, 10**30, 0.0, 1e-320, 1e308, -1e308, "", "x", "[/x]", "[bold]", "\ud800", "é" * 300,
    "../../etc/passwd", "/dev/zero", [], {}, [[]], {"a": {}}, [0] * 1000, list("abc"), "1" * 5000,
)  # fmt: skip
"""Values that stand in for others of plain data."""


@dataclass(frozen=True)
class Outcome:
    """What a command came to."""

    code: int
    seconds: float
    bytes: int
    out: str
    err: str

    def fault(self, expected: str | None = None) -> str:
        """What is wrong with it; empty if nothing."""
        if "Traceback (most recent call last)" in self.out + self.err:
            return "traceback"
        if self.seconds > LIMIT_SECONDS:
            return "hang"
        if self.bytes > LIMIT_BYTES:
            return "memory"
        if self.code not in (0, 1, 2):
            return f"exit code {self.code}"
        if self.code == 0 and expected is not None and self.out != expected:
            return "another answer"
        if self.code and not (self.err.strip() or self.out.strip()):
            return "refused without a word"
        return ""


def command(*arguments: str | Path, folder: Path) -> Outcome:
    """Runs a command of genrezoo in a forked process."""
    texts = [str(part) for part in arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            code = 70
            try:
                os.setsid()
                os.chdir(folder)
                resource.setrlimit(resource.RLIMIT_AS, (LIMIT_ADDRESS, LIMIT_ADDRESS))
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                sys.argv = ["genrezoo", *texts]
                faulthandler.dump_traceback_later(LIMIT_SECONDS - 1)  # where it hangs
                from genrezoo.cli import main

                main()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                import traceback

                traceback.print_exc()
                code = 1
            finally:
                with contextlib.suppress(Exception):
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(code)
        while True:
            done, status, used = os.wait4(child, os.WNOHANG)
            if done:
                break
            if time.monotonic() - start > LIMIT_SECONDS + 1:
                os.killpg(child, signal.SIGKILL)
                _, status, used = os.wait4(child, 0)
                break
            time.sleep(0.005)
        seconds = time.monotonic() - start
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # whatever it has started
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(2**20).decode(errors="replace"))
    return Outcome(os.waitstatus_to_exitcode(status), seconds, used.ru_maxrss * 1024, *texts)


# --- damage ---


def damage_bytes(path: Path, draws: random.Random) -> str:
    """Changes the bytes of a file, or what kind of file it is; says how."""
    content = bytearray(path.read_bytes())
    kinds = ["flip", "flips", "cut", "insert", "zeros", "empty", "missing", "fifo", "folder", "device", "text", "twice"]
    kind = draws.choice(kinds)
    place = draws.randrange(len(content)) if content else 0
    if kind == "flip" and content:
        content[place] ^= 1 << draws.randrange(8)
    elif kind == "flips":
        for _ in range(8):
            if content:
                content[draws.randrange(len(content))] = draws.randrange(256)
    elif kind == "cut":
        del content[place:]
    elif kind == "insert":
        content[place:place] = bytes(draws.randrange(256) for _ in range(draws.choice([1, 4, 64])))
    elif kind == "zeros":
        content[place : place + 64] = bytes(min(64, len(content) - place))
    elif kind == "text":
        content = bytearray(b"this is no such file\n")
    elif kind == "twice":
        content += bytes(content)
    elif kind == "empty":
        content.clear()
    else:
        path.unlink()
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "device":
            path.symlink_to("/dev/zero")
        return kind
    path.write_bytes(content)
    return f"{kind} at {place}"


def damage_json(path: Path, draws: random.Random) -> str:
    """Puts an odd value in a random place of a JSON document, removes one, or nests it deeply; says how."""
    tree = json.loads(path.read_text())
    places = list(_places(tree))
    parent, key = draws.choice(places)
    kind = draws.choice(["odd", "odd", "odd", "odd", "remove", "deep", "extra"])
    if kind == "remove":
        del parent[key]
    elif kind == "extra" and isinstance(parent, dict):
        parent["surplus"] = draws.choice(ODD)
    elif kind == "deep":
        value: Any = 1
        for _ in range(draws.choice([50, 600])):
            value = [value] if draws.random() < 0.5 else {"a": value}
        parent[key] = value
    else:
        parent[key] = draws.choice(ODD)
    path.write_text(json.dumps(tree))
    return f"{kind} {key}"


def damage_line(path: Path, draws: random.Random) -> str:
    """Damages one line of a file of JSON objects as `damage_json` does; says how."""
    lines = path.read_text().splitlines()
    number = draws.randrange(len(lines))
    part = path.with_suffix(".part")
    part.write_text(lines[number])
    how = damage_json(part, draws)
    lines[number] = part.read_text()
    part.unlink()
    path.write_text("\n".join(lines) + "\n")
    return f"line {number + 1}: {how}"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield tree, key
        yield from _places(value)


def damage_npz(path: Path, draws: random.Random) -> str:
    """Rewrites an npz with an odd array; says how."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    name = draws.choice(sorted(arrays))
    value = arrays[name]
    kind = draws.choice(["missing", "text", "complex", "short", "nan", "rank", "rolled", "object", "big", "extra"])
    if kind == "missing":
        del arrays[name]
    elif kind == "text":
        arrays[name] = np.array(["x"] * max(len(np.atleast_1d(value)), 1))
    elif kind == "complex":
        arrays[name] = np.ones(value.shape, np.complex64)
    elif kind == "short":
        arrays[name] = value[:-1] if value.ndim else value
    elif kind == "nan":
        arrays[name] = np.full(value.shape, draws.choice([np.nan, np.inf, 1e38]), np.float32)
    elif kind == "rank":
        arrays[name] = value[None]
    elif kind == "rolled":
        arrays[name] = np.roll(value, 1)
        if np.array_equal(arrays[name], value):
            arrays[name] = value[:0]
    elif kind == "object":
        arrays[name] = np.array([{"a": 1}], dtype=object)
    elif kind == "big":
        arrays[name] = np.zeros(30_000_000, np.float32)
    else:
        arrays["surplus"] = np.zeros(3)
    np.savez_compressed(path, **arrays)
    return f"{kind} {name}"


# --- cases ---


@dataclass
class Study:
    """Counts of outcomes and the list of faults of one part."""

    title: str
    counts: collections.Counter[str]
    faults: list[str]

    def note(self, what: str, outcome: Outcome, expected: str | None) -> None:
        """Counts one outcome."""
        fault = outcome.fault(expected)
        word = fault or ("same answer" if outcome.code == 0 else "refused")
        self.counts[word] += 1
        if self.counts.total() % 100 == 0:
            print(f"  {self.title}: {self.counts.total()} commands", flush=True)
        if fault:
            last = (outcome.err.strip() or outcome.out.strip()).splitlines()[-6 if fault == "hang" else -1 :]
            told = " | ".join(line.strip()[:200] for line in last)
            self.faults.append(f"{fault}: {what} ({outcome.seconds:.1f} s, code {outcome.code}): {told}")
            print(f"  FAULT {self.faults[-1]}", flush=True)

    def close(self) -> int:
        """Prints the line of the part; how many faults there were."""
        told = ", ".join(f"{number} {word}" for word, number in sorted(self.counts.items()))
        print(f"{self.title}: {sum(self.counts.values())} commands: {told}", flush=True)
        return len(self.faults)


def make_material(folder: Path) -> None:
    """One of everything that a command reads, small."""
    tiny = ["--set", "n_train=24", "--set", "n_valid=12", "--set", "n_test=12", "--set", "n_segments=6"]
    for line in (
        ["data", "convert", "synthetic", "songs", *tiny, "--set", "n_genres=3"],
        ["train", "lstm", "--data", "songs", "--epochs", "1", "--set", "units=4", "--out", "run"],
        ["train", "statistics_mlp", "--data", "songs", "--epochs", "1", "--set", "units=[4]", "--out", "run2"],
    ):
        done = command_in_child(*line, folder=folder)
        assert done.code == 0, (line, done.err)
    for line in (
        ["tune", "statistics_mlp", "--data", "songs", "--max-trials", "2", "--epochs", "1", "--out", "search"],
        ["benchmark", "--data", "songs", "--models", "statistics_mlp", "--seeds", "1",
         "--set", "epochs=1", "--workers", "1", "--out", "results"],
    ):  # fmt: skip
        done = command_in_child(*line, folder=folder)
        assert done.code == 0, (line, done.err)
    _stop_half_way(folder)
    arrays = {name: np.load(folder / "songs" / f"{name}.npy") for name in ("x", "y", "ids", "groups")}
    sides = np.repeat(["train", "valid", "test"], [24, 12, 12])
    np.savez_compressed(folder / "songs.npz", class_names=["a", "b", "c"], split=sides, **arrays)
    rate = 16_000
    import soundfile

    tone = np.sin(np.arange(2 * rate) * 440 * 2 * np.pi / rate).astype(np.float32) / 4
    for name in ("tone.wav", "tone.flac", "tone.mp3"):
        soundfile.write(folder / name, tone, rate)
    (folder / "music").mkdir()
    rows = ["path,genre,artist,split"]
    for number in range(12):
        soundfile.write(folder / "music" / f"{number}.wav", tone[: rate + rate * number // 12], rate)
        side = ("train", "train", "valid", "test")[number // 3]
        rows.append(f"{number}.wav,{'rock' if number % 2 else 'jazz'},a{number},{side}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    ids = np.load(folder / "songs" / "ids.npy").tolist()
    (folder / "ids.json").write_text(json.dumps({"train": ids[:24], "valid": ids[24:36], "test": ids[36:]}))
    (folder / "suite.toml").write_text(
        'name = "small"\nsummary = "A small one"\nrecipes = ["lstm"]\nbaselines = ["svm_rbf_stats"]\nseeds = 2\n'
        '[[data]]\nsource = "songs"\n'
    )
    import genrezoo as gz

    tables = {"recipe": gz.get_recipe("lstm").changed({"units": 4, "epochs": 1}), "suite": gz.load_suite("quick")}
    for name, table in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(table.model_dump(mode="json")))
    (folder / "plan.toml").write_text(
        'name = "small"\nsummary = "A small one"\nreference = "own"\nrecipe = "lstm"\ntuner = "random"\n'
        "max_trials = 2\n"
    )
    (folder / "recipe.toml").write_text(
        'name = "small"\nsummary = "A small one"\nreference = "own"\nmodel = "lstm"\n\n'
        "[arguments]\nunits = 4\n\n[settings]\nepochs = 1\n"
    )


def _stop_half_way(folder: Path) -> None:
    """A training with a checkpoint, as a killed process leaves it."""
    import genrezoo as gz

    class Stop(Exception):
        pass

    def stop(record: dict[str, float]) -> None:
        if record["epoch"] == 2:
            raise Stop

    child = os.fork()
    if child == 0:
        recipe = gz.get_recipe("lstm").changed({"epochs": 3, "units": 4})
        with contextlib.suppress(Stop):
            gz.train(recipe, gz.load_songs(folder / "songs"), seed=1, out=folder / "half", on_epoch=stop)
        os._exit(0)
    os.waitpid(child, 0)
    assert (folder / "half" / "checkpoint.safetensors").exists()


def command_in_child(*arguments: str, folder: Path) -> Outcome:
    """A longer command, which may take its time."""
    global LIMIT_SECONDS
    before, LIMIT_SECONDS = LIMIT_SECONDS, 600.0
    try:
        return command(*arguments, folder=folder)
    finally:
        LIMIT_SECONDS = before


def fuzz_runs(folder: Path, number: int, draws: random.Random) -> Study:
    """Damaged run folders, each evaluated from its stored predictions and on songs."""
    study = Study("damaged run folders", collections.Counter(), [])
    lines: dict[str, Callable[[Path], list[str]]] = {
        "stored": lambda run: ["evaluate", str(run), "--json"],
        "songs": lambda run: ["evaluate", str(run), "--data", "songs", "--json"],
        "page": lambda run: ["evaluate", str(run)],
        "curves": lambda run: ["plot", "curves", str(run), "--out", "made.svg"],
        "again": lambda run: [
            "train", "lstm", "--data", "songs", "--epochs", "1", "--set", "units=4", "--out", str(run)
        ],
    }  # fmt: skip
    expected = {}
    shutil.copytree(folder / "run", folder / "damaged")
    for kind, line in lines.items():
        whole = command(*line(Path("damaged")), folder=folder)
        assert whole.code == 0, whole.err
        expected[kind] = whole.out
    for case in range(number):
        shutil.rmtree(folder / "damaged", ignore_errors=True)
        shutil.copytree(folder / "run", folder / "damaged")
        files = sorted(path for path in (folder / "damaged").iterdir() if path.is_file() and path.stat().st_size)
        path = draws.choice(files)
        ways = [damage_bytes]
        if path.suffix == ".json":
            ways += [damage_json] * 4
        if path.suffix == ".npz":
            ways += [damage_npz] * 2
        how = draws.choice(ways)(path, draws)
        for kind in ("stored", "songs", draws.choice(["page", "curves", "again"])):
            outcome = command(*lines[kind](Path("damaged")), folder=folder)
            study.note(f"run {case} {path.name}: {how}: {kind}", outcome, expected[kind])
    return study


def fuzz_files(folder: Path, number: int, draws: random.Random, only: str | None) -> list[Study]:
    """Damaged input files of every kind, each read by the command that takes it."""
    half = ["train", "lstm", "--data", "songs", "--epochs", "3", "--set", "units=4", "--out"]
    build = ["data", "build", "music", "made", "--features", "mfcc_statistics", "--workers", "1", "--manifest"]
    kinds: dict[str, tuple[str, str, Callable[[str], list[str]]]] = {
        "npz": ("songs.npz", "", lambda path: ["data", "describe", path]),
        "songs folder": ("songs", "*", lambda path: ["data", "describe", path]),
        "manifest": ("manifest.csv", "", lambda path: [*build, path]),
        "wav": ("tone.wav", "", lambda path: ["data", "inspect", path]),
        "flac": ("tone.flac", "", lambda path: ["data", "inspect", path]),
        "mp3": ("tone.mp3", "", lambda path: ["data", "inspect", path]),
        "recipe": ("recipe.toml", "", lambda path: ["train", path, "--data", "songs", "--out", "made"]),
        "JSON recipe": ("recipe.json", "", lambda path: ["train", path, "--data", "songs", "--out", "made"]),
        "JSON suite": ("suite.json", "", lambda path: ["benchmark", path, "--models", "nothing", "--out", "made"]),
        "ids": ("ids.json", "", lambda path: [
            "data", "split", "songs", "made", "--by", "ids", "--ids", path, "--provenance", "random"
        ]),
        "suite": ("suite.toml", "", lambda path: ["benchmark", path, "--models", "nothing", "--out", "made"]),
        "plan": ("plan.toml", "", lambda path: ["tune", path, "--data", "nothing", "--out", "made"]),
        "journal": ("search", "journal.jsonl", lambda path: ["report", path]),
        "rows": ("results", "rows.jsonl", lambda path: ["report", path]),
        "checkpoint": ("half", "checkpoint.safetensors", lambda path: [*half, path]),
    }  # fmt: skip
    studies = []
    for kind, (name, inner, line) in kinds.items():
        if only and kind != only:
            continue
        study = Study(f"damaged files, {kind}", collections.Counter(), [])
        target, expected = folder / f"damaged-{name}", None
        for case in range(-1, number):
            for path in (target, folder / "made"):
                _remove(path)
            source = folder / name
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True)
            else:
                shutil.copy(source, target)
            if case < 0:
                whole = command(*line(target.name), folder=folder)
                assert whole.code == 0 or kind in ("suite", "JSON suite", "plan"), whole.err
                # what is read of a damaged input may differ where there is no checksum
                expected = whole.out if kind in ("songs folder", "checkpoint") else None
                continue
            path = draws.choice(sorted(filter(Path.is_file, target.glob(inner)))) if inner else target
            ways = [damage_bytes]
            if path.suffix == ".json":
                ways += [damage_json] * 2
            if path.suffix == ".jsonl":
                ways += [damage_line] * 4
            if path.suffix == ".npz":
                ways += [damage_npz]
            how = draws.choice(ways)(path, draws)
            study.note(f"{kind} {case} {path.name}: {how}", command(*line(target.name), folder=folder), expected)
        studies.append(study)
        study.close()
    return studies


def fuzz_lines(folder: Path, number: int, draws: random.Random) -> Study:
    """Odd command lines: real commands with odd values in place of their own."""
    study = Study("odd command lines", collections.Counter(), [])
    values = [
        "", "-1", "0", "1e308", "nan", "inf", "99999999999", "1e-320", "x" * 300, "[" * 2000, "{}", "null", "[/b]", "é",
        "\udcff", "/dev/zero", "/proc/self/mem", "/nonexistent/a/b", ".", "..", "songs", "songs.npz", "run", "tone.wav",
        "units=-1", "units=99999999999", "units=" + "[" * 2000, "units=1e400", "n_train=99999999999", "epochs=-3",
        "n_segments=1000000000", "learning_rate=nan", "optimizer=nothing", "optimizer=5", "dropout=2", "lr=1", "=",
        "a=", "batch_size=text", "seed=1", "input_shape=3", "num_classes=2", "*" * 50, "--", "-h", "\n", "\t",
    ]  # fmt: skip
    bases = [
        ["list", "*"], ["list", "--kind", "recipes"], ["show", "lstm"], ["data", "describe", "songs"],
        ["data", "convert", "synthetic", "made", "--set", "n_train=12"], ["data", "inspect", "tone.wav"],
        ["data", "split", "songs", "made", "--by", "group"], ["evaluate", "run", "--split", "test"],
        ["evaluate", "run", "--data", "songs.npz"], ["predict", "run", "tone.wav", "--window", "1"],
        ["train", "lstm", "--data", "songs", "--epochs", "1", "--set", "units=2", "--out", "made"],
        ["tune", "lstm", "--data", "songs", "--max-trials", "1", "--out", "made"],
        ["benchmark", "quick", "--data", "songs", "--seeds", "1", "--out", "made"], ["report", "made"],
        ["plot", "curves", "run", "--out", "made.png"],
    ]  # fmt: skip
    for case in range(number):
        line = list(draws.choice(bases))
        for _ in range(draws.choice([1, 1, 2])):
            place = draws.randrange(1, len(line) + 1)
            if draws.random() < 0.7 and place < len(line):
                line[place] = draws.choice(values)
            else:
                line.insert(place, draws.choice(values))
        for made in ("made", "made.png"):
            _remove(folder / made)
        outcome = command(*line, folder=folder)
        working = line[0] in ("train", "tune", "benchmark") and " of " in outcome.err
        if outcome.seconds > LIMIT_SECONDS and working and outcome.code == -signal.SIGKILL:
            study.counts["a real training or benchmark, stopped"] += 1  # the values were not odd enough
            continue
        study.note(f"line {case}: {' '.join(line)[:150]!r}", outcome, None)
    return study


def main() -> int:
    """Runs the parts and prints a line each; 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=["runs", "files", "lines", []], default=[])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--files", type=int, default=400, help="of each kind")
    parser.add_argument("--lines", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one kind of input file")
    options = parser.parse_args()
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    from genrezoo.lazy import load_keras

    load_keras()  # forked processes have TensorFlow loaded, and it has not run yet
    parts = options.parts or ["runs", "files", "lines"]
    faults = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["GENREZOO_CACHE"] = str(folder / "cache")
        make_material(folder)
        draws = random.Random(options.seed)
        if "runs" in parts:
            faults += fuzz_runs(folder, options.runs, draws).close()
        if "files" in parts:
            faults += sum(len(study.faults) for study in fuzz_files(folder, options.files, draws, options.only))
        if "lines" in parts:
            faults += fuzz_lines(folder, options.lines, draws).close()
    print(f"{faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
