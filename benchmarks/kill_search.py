"""Kills searches, at random instants and at named steps, damages their files, and counts what was lost.

Whatever happens, the same command must end with the budget: each trial ended once, no point twice, and what the journal
had said before it still says. Or, where a file is damaged, it must refuse in one message that names the file.

Parts: ``random`` (kills at random instants of searches of 25 trials), ``steps`` (kills at each step of a trial's life),
``cuts`` (files cut off), ``cluster`` (a worker of a Dask cluster killed), ``second`` (two processes on one folder).

Usage: python benchmarks/kill_search.py [PART ...] [--kills 50] [--seed 1] [--place FOLDER]
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import importlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import genrezoo as gz
from genrezoo import files, parallel
from genrezoo.cli import main as main_command
from genrezoo.datasets.arrays import save_songs
from genrezoo.recipes import get_recipe

PRELOAD = ("keras", "keras_tuner", "sklearn.gaussian_process", "genrezoo.tuning.search", "genrezoo.report")
MARK = "GENREZOO_BENCHMARK_MARK"
JOURNAL = "journal.jsonl"
PATIENCE = 120
"""Seconds in which the children of a killed search must be gone: imports, on a busy machine, go on to their end."""
ENDED = ("completed", "stopped", "infeasible", "failed")


class Process:
    """A program's process, marked in its environment so that its descendants can be found."""

    def __init__(self, program: list[str]):
        self.mark, self.output = uuid.uuid4().hex, tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        self.code: int | None = None
        self.began = time.monotonic()
        self.pid = self.start(program)

    def start(self, program: list[str]) -> int:
        """Begins it; its pid."""
        environment = {**os.environ, MARK: self.mark}
        self.popen = subprocess.Popen(
            program, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output, env=environment
        )
        return self.popen.pid

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code; None if it has not ended in time."""
        end = None if seconds is None else time.monotonic() + seconds
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            elif end is not None and time.monotonic() >= end:
                break
            else:
                time.sleep(0.01)
        return self.code

    def kill(self) -> None:
        """Ends this one process; its children must notice by themselves."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def said(self) -> str:
        """What it has printed."""
        size = os.fstat(self.output.fileno()).st_size
        return os.pread(self.output.fileno(), size, 0).decode(errors="replace")

    def family(self) -> list[int]:
        """The processes that it has started and that still run."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.pid:
                with contextlib.suppress(OSError):
                    if self.mark.encode() in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
        return found

    def seconds_to_die_out(self) -> float | None:
        """How long its descendants lived on; None if there are some after the time that they are given."""
        start = time.monotonic()
        while self.family():
            if time.monotonic() - start > PATIENCE:
                return None
            time.sleep(0.05)
        return time.monotonic() - start


class Command(Process):
    """The command line's process, forked from this one, which has imported what it needs and run nothing."""

    def __init__(self, arguments: list[str], die: tuple[str, int] | None):
        self.die = die
        super().__init__(arguments)

    def start(self, program: list[str]) -> int:
        """Begins it; its pid."""
        if len(os.listdir("/proc/self/task")) > 1:
            raise SystemExit("a process with threads cannot be forked safely")
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            for stream in (1, 2):
                os.dup2(self.output.fileno(), stream)
            os.environ[MARK] = self.mark
            sys.argv = ["genrezoo", *program]
            if self.die:
                STEPS[self.die[0]](self.die[1])
            main_command()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


class Bench:
    """Songs, and searches on them that differ by their tuner and budget."""

    def __init__(self, place: Path):
        self.place, self.data = place, place / "songs"
        songs = gz.load_songs("synthetic", n_train=90, n_valid=60, n_test=30, n_segments=8, n_genres=5, seed=1)
        save_songs(songs, self.data)

    def arguments(
        self,
        out: Path,
        *,
        tuner: str = "random",
        trials: int = 25,
        epochs: int = 2,
        parallel: int | None = 2,
        more: tuple[str, ...] = (),
    ) -> list[str]:
        """The arguments of ``genrezoo``."""
        return [
            "tune", "statistics_mlp", "--data", str(self.data), "--out", str(out), "--tuner", tuner,
            "--max-trials", str(trials), "--epochs", str(epochs), "--set", "units=[16]",
            "--only", "learning_rate", "--only", "dropout",
            *(() if parallel is None else ("--parallel", str(parallel))), *more,
        ]  # fmt: skip

    def start(self, out: Path, *, die: tuple[str, int] | None = None, **search: Any) -> Process:
        """Begins or continues a search; one that is to die does so at the step of that name and number."""
        return Command(self.arguments(out, **search), die)

    def folder(self) -> Path:
        """A new one."""
        return Path(tempfile.mkdtemp(prefix="search-", dir=self.place)) / "out"

    def finish(self, out: Path, **search: Any) -> None:
        """Lets a search end, which must go well."""
        process = self.start(out, **search)
        if process.wait() != 0:
            raise SystemExit(f"a search that nobody touched failed:\n{process.said()}")


def whole_lines(folder: Path) -> bytes:
    """What the journal says for certain."""
    path = folder / JOURNAL
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def events(folder: Path) -> list[dict[str, Any]]:
    """The journal's events."""
    return [json.loads(line) for line in whole_lines(folder).splitlines()]


def outcome(folder: Path) -> list[tuple[Any, ...]]:
    """What a search found, apart from times."""
    return [
        (event["trial"], event["score"], event["weights_sha256"])
        for event in sorted(events(folder), key=lambda event: event.get("trial", -1))
        if event["event"] == "end"
    ]


def faults(
    folder: Path, budget: int, before: list[bytes] | None = None, expected: list[Any] | None = None
) -> list[str]:
    """What is wrong with a search that has ended, after kills before each of which the journal said ``before``."""
    found, content = [], whole_lines(folder)
    found += [f"the journal lost what it said before kill {n}" for n, one in enumerate(before or [], 1)
              if not content.startswith(one)]  # fmt: skip
    told = [json.loads(line) for line in content.splitlines()]
    asks = [event for event in told if event["event"] == "ask"]
    ended: dict[int, str] = {}
    for event in told:
        if event["event"] in ("start", "end") and event["trial"] in ended:
            found.append(f"trial {event['trial']} has a {event['event']} after its end")
        if event["event"] == "end":
            ended[event["trial"]] = event["status"]
    twice = [point for point, n in collections.Counter(event["point"] for event in asks).items() if n > 1]
    found += [f"point {point} was asked for twice" for point in twice]
    counts = collections.Counter(ended.values())
    if sum(counts[status] for status in ENDED) != budget or len(asks) != budget:
        found.append(f"{len(asks)} asked and {dict(counts)} ended, of a budget of {budget}")
    if counts["failed"]:
        reasons = {event["error"] for event in told if event["event"] == "end" and event["status"] == "failed"}
        found.append(f"{counts['failed']} failed: {sorted(reasons)}")
    if not told or told[-1]["event"] != "finish" or sum(event["event"] == "finish" for event in told) != 1:
        found.append("the search is not finished once, at its end")
    if expected is not None and outcome(folder) != expected:
        found.append("the trials are not those of a search that nobody touched")
    return found + result_faults(folder)


def result_faults(folder: Path) -> list[str]:
    """What is wrong with what a search hands over."""
    found = []
    try:
        search = gz.load_search(folder)
        best = search.best
        assert best is not None
        end = next(event for event in events(folder) if event["event"] == "end" and event["trial"] == best.number)
        run = search.run()
        if end["weights_sha256"] not in (None, files.sha256_of(folder / "best" / "weights.safetensors")):
            found.append("the best's weights are not those that its trial ended with")
        if not (run.card.recipe == search.recipe() == get_recipe(folder / "best.json")):
            found.append("the best's recipe is not that of its trial")
        kept = sorted(path.name for path in (folder / "trials").iterdir())
        if len(kept) != 1:
            found.append(f"folders of trials were left: {kept}")
        if not (folder / "report" / "report.html").exists():
            found.append("there is no report")
    except (gz.GenrezooError, OSError, AssertionError) as error:
        found.append(f"the result cannot be used: {error!r}")
    return found


# --- kills at random instants ---


def kill_at_random(bench: Bench, kills: int, seed: int) -> int:
    """Kills searches of 25 trials at random instants; returns the number of faults."""
    draws, done, number, wrong, slowest = random.Random(seed), 0, 0, 0, 0.0
    timing: dict[str, tuple[float, list[Any]]] = {}
    settings: list[dict[str, Any]] = [{"tuner": "random"}, {"tuner": "bayesian"}, {"tuner": "hyperband", "epochs": 9}]
    print("search  tuner      kills  starts  finished before kills  outcome", flush=True)
    while done < kills:
        search = settings[number % len(settings)]
        tuner = search["tuner"]
        if tuner not in timing:
            timing[tuner] = measured(bench, search)
        searching, expected = timing[tuner]
        folder, before, killed, problems, orphaned = bench.folder(), list[bytes](), list[Process](), list[str](), False
        starts, finished = 0, list[int]()
        while True:
            process = bench.start(folder, **search)
            starts += 1
            code = wait_a_while(process, folder, draws, searching / 25) if done < kills else process.wait()
            if code is not None:
                if code:
                    problems.append(f"ended with code {code}: {process.said()[-800:]}")
                break
            process.kill()
            done += 1
            before.append(whole_lines(folder))
            finished.append(before[-1].count(b'"event": "end"'))
            killed.append(process)
            if draws.random() < 0.5:  # else the next one starts at once, beside what the killed one left behind
                took = process.seconds_to_die_out()
                orphaned |= took is None
                slowest = max(slowest, took or 0.0)
        orphaned |= any(process.seconds_to_die_out() is None for process in killed)
        problems += faults(folder, 25, before, expected if tuner == "random" else None)
        problems += ["children of a killed search live on"] if orphaned else []
        number, wrong = number + 1, wrong + len(problems)
        told = "; ".join(problems) or "0 lost, 0 twice, 25 ended"
        print(f"{number:6d}  {tuner:9s}  {len(before):5d}  {starts:6d}  {finished!s:21s}  {told}", flush=True)
        shutil.rmtree(folder.parent)
    print(f"{done} kills in {number} searches: {wrong} faults; children were gone {slowest:.1f} s after a kill at most")
    return wrong


def wait_a_while(process: Process, folder: Path, draws: random.Random, trial: float) -> int | None:
    """Waits for up to 16 events and for up to two trials' time; the exit code if the search has ended before."""
    lines, seconds = whole_lines(folder).count(b"\n") + draws.randint(0, 16), draws.uniform(0, 2 * trial)
    while whole_lines(folder).count(b"\n") < lines:
        if process.wait(0.02) is not None:
            return process.code
    return process.wait(seconds)


def measured(bench: Bench, search: dict[str, Any]) -> tuple[float, list[Any]]:
    """Seconds that a search takes, and what it finds."""
    folder = bench.folder()
    process = bench.start(folder, **search)
    if process.wait() != 0:
        raise SystemExit(f"a search that nobody touched failed:\n{process.said()}")
    seconds = time.monotonic() - process.began
    for problem in faults(folder, 25):
        raise SystemExit(f"a search that nobody touched: {problem}")
    print(f"uninterrupted: {search['tuner']}, {seconds:.1f} s", flush=True)
    return seconds, outcome(folder)


# --- kills at named steps ---


def die(*_: Any) -> None:
    """The end of this process, as the kernel makes it."""
    os.kill(os.getpid(), signal.SIGKILL)


def at_line(when: str, kind: str) -> Callable[[int], None]:
    """Dies before, in the middle of, or after writing an event's line; the number is the trial's where it has one."""

    def install(number: int) -> None:
        write = files.append_line

        def append_line(path: str | Path, line: str) -> None:
            event = json.loads(line)
            if event["event"] != kind or event.get("trial", number) != number:
                write(path, line)
                return
            if when == "after":
                write(path, line)
            elif when == "half":
                with open(path, "ab") as file:
                    file.write(line.encode()[: len(line) // 2])
            die()

        files.append_line = append_line

    return install


def at_replacement(when: str, pattern: str) -> Callable[[int], None]:
    """Dies before or after the n-th file whose path ends so is moved into place."""

    def install(number: int) -> None:
        replace, left = os.replace, [number]

        def replacing(source: Any, target: Any, **more: Any) -> None:
            left[0] -= Path(target).match(pattern)
            last = left[0] == 0 and Path(target).match(pattern)
            if last and when == "before":
                die()
            replace(source, target, **more)
            if last:
                die()

        os.replace = replacing  # type: ignore[assignment]

    return install


def in_cleaning(number: int) -> None:
    """Dies with half of the n-th folder deleted."""
    delete, left = shutil.rmtree, [number]

    def rmtree(path: Any, *more: Any, **named: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            for file in sorted(Path(path).rglob("*.json")):
                file.unlink()
            die()
        delete(path, *more, **named)

    shutil.rmtree = rmtree  # type: ignore[assignment]


def in_epoch(number: int) -> None:
    """Dies while the trial of that number trains, after three epochs."""
    folder = Path(sys.argv[sys.argv.index("--out") + 1]) / "trials" / f"{number:04d}"

    def watch() -> None:
        from genrezoo.training.checkpoint import read_history

        while True:
            with contextlib.suppress(gz.GenrezooError):
                if len(read_history(folder / "checkpoint.safetensors")) >= 3:
                    die()
            time.sleep(0.002)

    threading.Thread(target=watch, daemon=True).start()


STEPS: dict[str, Callable[[int], None]] = {
    "before the songs are there": at_replacement("before", "songs/x.npy"),
    "before the songs' manifest": at_replacement("before", "songs/manifest.json"),
    "before the plan": at_line("before", "search"),
    "half of the plan": at_line("half", "search"),
    "after the plan": at_line("after", "search"),
    "before it is asked": at_line("before", "ask"),
    "half of asked": at_line("half", "ask"),
    "asked": at_line("after", "ask"),
    "half of started": at_line("half", "start"),
    "started": at_line("after", "start"),
    "after three epochs": in_epoch,
    "before its end is written": at_line("before", "end"),
    "half of its end": at_line("half", "end"),
    "ended, not cleaned up": at_line("after", "end"),
    "half of a folder deleted": in_cleaning,
    "before best.json": at_replacement("before", "best.json"),
    "after best.json": at_replacement("after", "best.json"),
    "before the link": at_replacement("before", "best"),
    "after the link": at_replacement("after", "best"),
    "before the finish": at_line("before", "finish"),
    "half of the finish": at_line("half", "finish"),
    "after the finish": at_line("after", "finish"),
    "before a figure": at_replacement("before", "report/figures/*.svg"),
    "before the table": at_replacement("before", "report/trials.csv"),
    "before the page": at_replacement("before", "report/report.html"),
    "after the page": at_replacement("after", "report/report.html"),
}
EARLY_AND_LATE = {name for name in STEPS if STEPS[name] is in_epoch} | {
    "asked", "half of asked", "started", "before its end is written", "half of its end", "ended, not cleaned up",
}  # fmt: skip


def kill_at_steps(bench: Bench) -> int:
    """Kills small searches at each step, and lets the same command go on; returns the number of faults."""
    budget, wrong, kills = 4, 0, 0
    search: dict[str, Any] = {"trials": budget, "epochs": 12, "parallel": 1}
    alone = bench.folder()
    bench.finish(alone, **search)
    for problem in faults(alone, budget):
        raise SystemExit(f"a search that nobody touched: {problem}")
    expected = outcome(alone)
    print("step                        number  epochs kept  outcome", flush=True)
    for name in STEPS:
        for nth in (0, budget - 1) if name in EARLY_AND_LATE else (1,):
            folder, kills = bench.folder(), kills + 1
            process = bench.start(folder, die=(name, nth), **search)
            code = process.wait()
            problems = (
                [] if code == -signal.SIGKILL else [f"was not killed there (code {code}): {process.said()[-600:]}"]
            )
            kept = sum(1 for _ in (folder / "trials").glob("*/checkpoint*.safetensors"))
            before = [whole_lines(folder)]
            again = bench.start(folder, **search)
            if again.wait() != 0:
                problems.append(f"went on with code {again.wait()}: {again.said()[-800:]}")
            if process.seconds_to_die_out() is None:
                problems.append("children of the killed search live on")
            problems += faults(folder, budget, before, expected) if not problems else []
            wrong += len(problems)
            print(f"{name:26s}  {nth:6d}  {kept:11d}  {'; '.join(problems) or 'as if never killed'}", flush=True)
            shutil.rmtree(folder.parent)
    print(f"{kills} kills at {len(STEPS)} steps: {wrong} faults")
    return wrong


# --- damaged files ---


def cut_files(bench: Bench, seed: int) -> int:
    """Cuts files of a finished and of a killed search; returns the number of faults."""
    draws, budget = random.Random(seed), 6
    search: dict[str, Any] = {"trials": budget, "epochs": 12, "parallel": 1}
    whole, part = bench.folder(), bench.folder()
    bench.finish(whole, **search)
    bench.start(part, die=("after three epochs", 3), **search).wait()
    content = (whole / JOURNAL).read_bytes()
    ends = [place + 1 for place, byte in enumerate(content) if byte == ord("\n")]
    places = [0, 1, ends[0] // 2, ends[0] - 1, ends[0]] + draws.sample(ends[1:-1], 5)
    places += sorted(draws.randrange(ends[0] + 1, len(content) - 1) for _ in range(20 - len(places)))
    cases: list[tuple[Path, str, int | float]] = [(whole, JOURNAL, place) for place in places]
    cases += [(folder, name, share) for folder, name in [
        (whole, "best.json"), (whole, "songs/manifest.json"), (part, "songs/manifest.json"), (part, "songs/x.npy"),
        (whole, "best/card.json"), (part, "best/card.json"), (part, "best.json"), (whole, "best/weights.safetensors"),
        (part, "trials/0003/checkpoint.safetensors"), (part, "trials/0003/plan.json"),
    ] for share in (0.0, 0.5, 0.99)]  # fmt: skip
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    print("search    file                                cut at          outcome", flush=True)
    for source, name, place in [*cases, (whole, JOURNAL, -1)]:
        folder = bench.folder()
        shutil.copytree(source, folder, symlinks=True)
        size = (folder / name).stat().st_size
        kept = int(size * place) if isinstance(place, float) else place
        if place == -1:  # not cut, but with one wrong byte in the middle
            (folder / name).write_bytes(content[: len(content) // 2] + b"\0" + content[len(content) // 2 + 1 :])
        else:
            os.truncate(folder / name, kept)
        process = bench.start(folder, **search)
        code, said = process.wait(), process.said()
        if code == 0:
            problems = faults(folder, budget)
            result = "; ".join(problems) or "recovered"
        else:
            errors = said.count("error:")
            clear = code == 2 and "Traceback" not in said and errors == 1 and Path(name).name in said
            line = said.strip().splitlines()[-1].replace(str(folder), "OUT")
            result = f"{'refused' if clear else f'code {code}'}: {line}"
        counts[name]["recovered" if result == "recovered" else "refused" if result[:7] == "refused" else "WRONG"] += 1
        kind = "finished" if source is whole else "killed"
        print(f"{kind:8s}  {name:34s}  {kept:7d}/{size:7d}  {result}", flush=True)
        shutil.rmtree(folder.parent)
    for name, count in counts.items():
        print(f"{name}: {dict(count)}")
    return sum(count["WRONG"] for count in counts.values())


# --- a cluster ---


@contextlib.contextmanager
def cluster(place: Path, workers: int = 3) -> Iterator[tuple[str, list[Process]]]:
    """A Dask scheduler and workers, processes on this machine that talk over TCP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    dask = str(Path(sys.executable).parent / "dask")
    host, port = address.removeprefix("tcp://").split(":")
    started = [Process([dask, "scheduler", "--host", host, "--port", port, "--no-dashboard"])]
    try:
        for number in range(workers):
            local = place / f"worker-{number}"
            local.mkdir(exist_ok=True)
            started.append(
                Process(
                    [
                        dask,
                        "worker",
                        address,
                        "--nthreads",
                        "1",
                        "--no-nanny",
                        "--no-dashboard",
                        "--local-directory",
                        str(local),
                    ]
                )  # fmt: skip
            )
        yield address, started[1:]
    finally:
        for process in started:
            process.kill()


def kill_a_worker(bench: Bench) -> int:
    """Kills one worker of three in the middle of a trial; returns the number of faults."""
    budget, folder = 12, bench.folder()
    place = Path(tempfile.mkdtemp(dir=bench.place))
    with cluster(place) as (address, workers):
        process = bench.start(folder, trials=budget, epochs=60, parallel=None, more=("--scheduler", address))
        victim = workers[1]
        while process.wait(0.05) is None:
            begun = sum(event["event"] == "start" for event in events(folder))
            if begun >= 4 and victim.family() and any((folder / "trials").glob("*/checkpoint.safetensors")):
                break
            if begun >= 4 and victim.family() and time.monotonic() - process.began > 60:
                break
        running = [t.number for t in gz.load_search(folder).trials if t.status == "running"] if folder.exists() else []
        before = [whole_lines(folder)]
        victim.kill()
        code = process.wait(600)
        if code is None:
            process.kill()
        problems = [] if code == 0 else [f"ended with code {code}: {process.said()[-1500:]}"]
        if victim.seconds_to_die_out() is None:
            problems.append("children of the killed worker live on")
        problems += faults(folder, budget, before) if not problems else []
    told = events(folder)
    starts, seconds = sum(event["event"] == "start" for event in told), told[-1]["time"] - told[0]["time"]
    print(
        f"one of three workers killed while trials {running} ran: {starts} starts for {budget} trials, {seconds:.1f} s"
    )
    print("; ".join(problems) or f"{budget} ended, 0 lost, 0 failed")
    return len(problems)


# --- two processes ---


def start_second(bench: Bench) -> int:
    """Starts a second process on a folder in use; returns the number of faults."""
    folder = bench.folder()
    first = bench.start(folder, trials=25, epochs=100, parallel=1)
    while first.wait(0.05) is None and b'"start"' not in whole_lines(folder):
        pass
    second = bench.start(folder, trials=25, epochs=100, parallel=1)
    code = second.wait(120)
    took, alive = time.monotonic() - second.began, first.wait(0) is None
    problems = [] if code == 2 and "another process is using this folder" in second.said() else [
        f"the second ended with code {code}: {second.said()[-500:]}"
    ]  # fmt: skip
    problems += [] if alive else ["the first had ended before: nothing was tried"]
    problems += [f"the first ended with code {first.wait()}: {first.said()[-800:]}"] if first.wait() else []
    problems += faults(folder, 25)
    print(f"a second process was refused after {took:.1f} s, code {code}: {'; '.join(problems) or 'the first went on'}")
    return len(problems)


def main() -> int:
    """Runs the parts; ends with 1 if anything was lost, done twice or refused without a word."""
    threads = dict.fromkeys(parallel.THREAD_VARIABLES, "1")
    if any(os.environ.get(name) != "1" for name in threads):  # they count when the libraries are imported
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **threads, "TF_CPP_MIN_LOG_LEVEL": "3"})
    for name in PRELOAD:
        importlib.import_module(name)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = ("random", "steps", "cuts", "cluster", "second")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(every)}; all if left out")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--place", type=Path, help="folder for the searches; a temporary one if left out")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(every):
        parser.error(f"unknown: {sorted(unknown)}")
    with tempfile.TemporaryDirectory(dir=options.place) as place:
        bench = Bench(Path(place))
        parts: dict[str, Callable[[], int]] = {
            "random": lambda: kill_at_random(bench, options.kills, options.seed),
            "steps": lambda: kill_at_steps(bench),
            "cuts": lambda: cut_files(bench, options.seed),
            "cluster": lambda: kill_a_worker(bench),
            "second": lambda: start_second(bench),
        }
        wrong = 0
        for name in options.parts or every:
            print(f"\n{name}:", flush=True)
            wrong += parts[name]()
    print(f"\n{wrong} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
