"""Kills searches, at random instants and at named steps, damages their files, and counts what was lost.

Whatever happens, the same command must end with the budget: each trial ended once, no point twice, and the journal
keeps every line that it had before the kill. Or, where a file is damaged, the command refuses with one message that
names it.

Parts: ``random`` (kills at random instants of searches of 25 trials), ``steps`` (kills at each step of a trial's life),
``cuts`` (truncated files), ``cluster`` (a killed worker of a Dask cluster), ``second`` (two processes on one folder).

Usage: python benchmarks/kill_search.py [PART ...] [--kills 50] [--seed 1] [--step NAME ...]
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import importlib
import itertools
import json
import os
import random
import shutil
import signal
import socket
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
from genrezoo import files, parallel, report
from genrezoo.cli import main as main_command
from genrezoo.parallel import processes
from genrezoo.recipes import get_recipe
from genrezoo.songs.storage import save_songs

PRELOAD = ("keras", "keras_tuner", "sklearn.gaussian_process", "genrezoo.tuning.search", "matplotlib.figure")
MARK = "GENREZOO_BENCHMARK_MARK"
PATIENCE = 120
"""Seconds in which the processes of a killed one must be gone: imports, on a busy machine, go on to their end."""
STEPS = {
    step: numbers
    for numbers, steps in {
        (1,): (
            "before x.npy", "before manifest.json", "cleaning", "before best.json", "after best.json", "before best",
            "after best", "before trials.csv", "before report.html", "after report.html",
        ),
        (0,): ("before search", "half of search", "after search", "before finish", "half of finish", "after finish"),
        (0, 3): (
            "before ask", "half of ask", "after ask", "half of start", "after start", "before end", "half of end",
            "after end", "training",
        ),
    }.items()
    for step in steps
}  # fmt: skip
"""Steps at which a search of four trials is killed: writing an event, or moving a file into place (for the n-th time);
and the numbers of the trials, or of the file."""


class Process:
    """A fork of this process, which has run nothing yet; marked so that its descendants can be found.

    Args:
        run: What it does.
    """

    def __init__(self, run: Callable[[], Any]):
        self.mark, self.output = uuid.uuid4().hex, tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        self.code: int | None = None
        self.began = time.monotonic()
        self.pid = os.fork()
        if self.pid:
            return
        code = 1
        try:
            for stream in (1, 2):
                os.dup2(self.output.fileno(), stream)
            os.environ[MARK] = self.mark
            run()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def wait(self, seconds: float = float("inf")) -> int | None:
        """The exit code; None if it has not ended in time."""
        end = time.monotonic() + seconds
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() >= end:
                break
            else:
                time.sleep(0.01)
        return self.code

    def kill(self) -> None:
        """Ends this one process; its descendants must notice by themselves."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def said(self) -> str:
        """The end of what it has printed."""
        size = os.fstat(self.output.fileno()).st_size
        return os.pread(self.output.fileno(), 1500, max(0, size - 1500)).decode(errors="replace")

    def problems(self, expected: int) -> list[str]:
        """What is wrong with how it ended."""
        return [] if self.wait() == expected else [f"ended with code {self.code}: {self.said()}"]

    def descendants(self) -> int:
        """How many processes that it has started, itself or through others, still run."""
        found = 0
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                found += int(entry.name) != self.pid and self.mark.encode() in (entry / "environ").read_bytes()
        return found

    def died_out(self) -> list[str]:
        """Waits until its descendants have ended; says so if some do not."""
        start = time.monotonic()
        while self.descendants():
            if time.monotonic() - start > PATIENCE:
                return ["processes of a killed one live on"]
            time.sleep(0.05)
        return []


class InstantExecutor:
    """An executor whose trials take no time: their score is a function of their recipe, their run a copy.

    Args:
        run: Folder of the run that is copied.
    """

    workers = 1

    def __init__(self, run: Path):
        self.run = run

    def call(self, fn: Any, kwargs: Any, *, writes: Any, **_: Any) -> concurrent.futures.Future[Any]:
        """Answers a trial."""
        score = random.Random(json.dumps(kwargs["order"]["recipe"])).random()
        shutil.copytree(self.run, writes["folder"], dirs_exist_ok=True)
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_result({
            "status": "completed", "score": score, "scores": [score], "history": {"valid_accuracy": [score]},
            "latency_ms": None, "parameters": 9, "seconds": 0.1, "weights_sha256": None, "error": None, "detail": None,
        })  # fmt: skip
        return future


class Bench:
    """Songs, and searches on them that differ by their tuner and budget."""

    def __init__(self, place: Path):
        self.place, self.data, self.run = place, place / "songs", place / "run"
        songs = gz.load_songs("synthetic", n_train=90, n_valid=60, n_test=30, n_segments=8, n_genres=5, seed=1)
        save_songs(songs, self.data)
        recipe = get_recipe("statistics_mlp").changed({"epochs": 1, "units": [8]})
        self.succeed(Process(lambda: gz.train(recipe, songs, seed=1, out=self.run)))

    def folder(self) -> Path:
        """A new one."""
        return Path(tempfile.mkdtemp(prefix="search-", dir=self.place)) / "out"

    def start(self, out: Path, *, step: str = "", number: int = 0, **search: Any) -> Process:
        """Begins or continues a search; at a step it kills itself."""
        return Process(lambda: self._search(out, step, number, **search))

    def _search(
        self, out: Path, step: str, number: int, *, tuner: str = "random", trials: int = 25, epochs: int = 2,
        where: tuple[str, str] = ("--parallel", "2"), instant: bool = False, page: bool = True,
    ) -> None:  # fmt: skip
        if instant:
            executor = InstantExecutor(self.run)
            parallel.ProcessExecutor = lambda *_, **__: contextlib.nullcontext(executor)  # type: ignore[misc, assignment]
        if not page:
            report.render_search = lambda out: out  # type: ignore[assignment, misc]
            report.print_search = lambda *_: None
        if step:
            install(out, step, number)
        sys.argv = [
            "genrezoo", "tune", "statistics_mlp", "--data", str(self.data), "--out", str(out), "--tuner", tuner,
            "--max-trials", str(trials), "--epochs", str(epochs), "--set", "units=[16]",
            "--only", "learning_rate", "--only", "dropout", *where,
        ]  # fmt: skip
        main_command()

    def succeed(self, process: Process) -> float:
        """Lets a process end, which must succeed; the seconds that it took."""
        for problem in process.problems(0):
            raise SystemExit(f"a process that nobody killed {problem}")
        return time.monotonic() - process.began


# --- what must hold ---


def whole_lines(folder: Path) -> bytes:
    """The journal's lines that are whole."""
    path = folder / "journal.jsonl"
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    """The journal's events of a kind."""
    return [event for event in files.read_json_lines(folder / "journal.jsonl") if event["event"] == kind]


def outcome(folder: Path) -> list[tuple[Any, ...]]:
    """What a search found, apart from times."""
    return sorted((end["trial"], end["score"], end["weights_sha256"]) for end in events(folder, "end"))


def faults(
    folder: Path, budget: int, before: list[bytes], expected: list[Any] | None = None, *, page: bool = True
) -> list[str]:
    """What is wrong with a search that has ended, after kills before each of which the journal said ``before``."""
    content, found = whole_lines(folder), []
    points, ends = [ask["point"] for ask in events(folder, "ask")], events(folder, "end")
    if not all(content.startswith(one) for one in before):
        found.append("the journal lost lines")
    if sorted(end["trial"] for end in ends) != list(range(budget)) or len(points) != budget:
        found.append(f"{len(points)} asked and {len(ends)} ended, of a budget of {budget}")
    if len(set(points)) != len(points):
        found.append("a point was asked for twice")
    found += [f"trial {end['trial']} failed: {end['error']}" for end in ends if end["status"] == "failed"]
    over = set[int]()
    for event in files.read_json_lines(folder / "journal.jsonl"):
        if event.get("trial") in over:
            found.append(f"trial {event['trial']} goes on after its end")
        over |= {event["trial"]} if event["event"] == "end" else set()
    if len(events(folder, "finish")) != 1 or b'"finish"' not in content.splitlines()[-1]:
        found.append("the search is not finished once, at its end")
    if expected is not None and outcome(folder) != expected:
        found.append("the trials are not those of a search that nobody killed")
    try:
        search = gz.load_search(folder)
        best = next(end for end in ends if search.best and end["trial"] == search.best.number)
        if search.recipe() != get_recipe(folder / "best.json"):
            found.append("the best's recipe is not that of its trial")
        if best["weights_sha256"] not in (None, search.run().card.weights_sha256):
            found.append("the best's run is not that of its trial")
        if [path.name for path in (folder / "trials").iterdir()] != [(folder / "best").resolve().name]:
            found.append("folders of trials remain")
        if page and not (folder / "report" / "report.html").exists():
            found.append("there is no report")
    except (gz.GenrezooError, OSError, StopIteration) as error:
        found.append(f"the result cannot be used: {error!r}")
    return found


# --- kills at random instants ---


def kill_at_random(bench: Bench, kills: int, seed: int) -> Iterator[tuple[str, list[str]]]:
    """Kills searches of 25 trials at random instants, up to two trials' time after up to 16 events."""
    draws, alone = random.Random(seed), dict[str, tuple[float, list[Any]]]()
    settings: list[dict[str, Any]] = [{"tuner": "random"}, {"tuner": "bayesian"}, {"tuner": "hyperband", "epochs": 9}]
    tuners = itertools.cycle(settings)
    while kills > 0:
        search = next(tuners)
        tuner = search["tuner"]
        if tuner not in alone:
            folder = bench.folder()
            alone[tuner] = bench.succeed(bench.start(folder, **search)) / 25, outcome(folder)
            yield f"{tuner}, not killed", faults(folder, 25, [])
        folder, before, killed, problems = bench.folder(), list[bytes](), list[Process](), list[str]()
        while (process := bench.start(folder, **search)).code is None and kills > 0:
            lines = whole_lines(folder).count(b"\n") + draws.randint(0, 16)
            while whole_lines(folder).count(b"\n") < lines and process.wait(0.02) is None:
                pass
            if process.wait(draws.uniform(0, 2 * alone[tuner][0])) is not None:
                break
            process.kill()
            kills -= 1
            before.append(whole_lines(folder))
            killed.append(process)
            if draws.random() < 0.5:  # else the next one starts at once, beside the processes of the killed one
                problems += process.died_out()
        problems += process.problems(0) + [problem for one in killed for problem in one.died_out()]
        problems += faults(folder, 25, before, alone[tuner][1] if tuner == "random" else None)
        ended = [one.count(b'"event": "end"') for one in before]
        yield f"{tuner}, killed when {ended} trials had ended", problems
        shutil.rmtree(folder.parent)


# --- kills at named steps ---


def install(out: Path, step: str, number: int) -> None:
    """Makes this process kill itself at a step, see `STEPS`."""
    when, _, what = step.rpartition(" ")
    left = itertools.count(1)

    def around(write: Callable[..., Any], half: Callable[..., Any], here: Callable[..., bool]) -> Callable[..., Any]:
        def writing(*arguments: Any, **more: Any) -> Any:
            if not here(*arguments):
                return write(*arguments, **more)
            if when != "before":
                (half if when == "half of" else write)(*arguments)
            return os.kill(os.getpid(), signal.SIGKILL)

        return writing

    def cut(path: str | Path, line: str) -> None:
        with open(path, "ab") as file:
            file.write(line.encode()[: len(line) // 2])

    def empty(path: Any, **_: Any) -> None:
        for file in Path(path).rglob("*.json"):
            file.unlink()

    def is_line(_: Any, line: str) -> bool:
        event = json.loads(line)
        return bool(event["event"] == what and event.get("trial", number) == number)

    if step == "training":
        threading.Thread(target=_kill_in_training, args=(out / "trials" / f"{number:04d}",), daemon=True).start()
    elif step == "cleaning":
        when = "half of"
        shutil.rmtree = around(shutil.rmtree, empty, lambda *_: next(left) == number)  # type: ignore[assignment]
    elif "." in what or what == "best":
        os.replace = around(os.replace, os.replace, lambda _, path: Path(path).name == what and next(left) == number)
    else:
        files.append_line = around(files.append_line, cut, is_line)


def _kill_in_training(trial: Path) -> None:
    from genrezoo.training.checkpoint import read_history

    while True:
        with contextlib.suppress(gz.GenrezooError):
            if len(read_history(trial / "checkpoint.safetensors")) >= 3:
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.002)


def kill_at_steps(bench: Bench, steps: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Kills small searches at each step, and lets the same command go on; trials take no time but while training."""
    expected: dict[bool, list[Any]] = {}
    for step in steps:
        instant, page = step != "training", step.endswith(("html", "csv"))
        search: dict[str, Any] = {"trials": 4, "epochs": 12, "where": ("--parallel", "1")}
        search |= {"instant": instant, "page": page}
        if instant not in expected:
            folder = bench.folder()
            bench.succeed(bench.start(folder, **search))
            expected[instant] = outcome(folder)
        for number in STEPS[step]:
            folder = bench.folder()
            process = bench.start(folder, step=step, number=number, **search)
            problems, before = process.problems(-signal.SIGKILL), whole_lines(folder)
            problems += bench.start(folder, **search).problems(0) + process.died_out()
            yield f"{step} {number}", problems or faults(folder, 4, [before], expected[instant], page=page)
            shutil.rmtree(folder.parent)


# --- damaged files ---


def cut_files(bench: Bench, seed: int, limit: int | None) -> Iterator[tuple[str, list[str]]]:
    """Cuts files of a finished search, whose trials took no time, and of one that was killed while it trained."""
    draws = random.Random(seed)
    search: dict[str, Any] = {"trials": 6, "epochs": 12, "where": ("--parallel", "1")}
    whole, part = bench.folder(), bench.folder()
    bench.succeed(bench.start(whole, instant=True, page=False, **search))
    bench.start(part, step="training", number=3, **search).wait()
    size = (whole / "journal.jsonl").stat().st_size
    first = whole_lines(whole).index(b"\n")
    places = [0, 1, first // 2, first, first + 1, *sorted(draws.sample(range(first + 2, size), 15))]
    cases = [(whole, "journal.jsonl", place / size) for place in places]
    cases += [(folder, name, share) for folder, name in [
        (whole, "best.json"), (whole, "songs/manifest.json"), (part, "songs/manifest.json"), (part, "songs/x.npy"),
        (whole, "best/card.json"), (part, "best/card.json"), (part, "best.json"), (whole, "best/weights.safetensors"),
        (part, "trials/0003/checkpoint.safetensors"), (part, "trials/0003/plan.json"),
    ] for share in (0.0, 0.5, 0.99)]  # fmt: skip
    for source, name, share in cases if limit is None else draws.sample(cases, limit):
        folder = bench.folder()
        shutil.copytree(source, folder, symlinks=True)
        os.truncate(folder / name, round(share * (folder / name).stat().st_size))
        process = bench.start(folder, instant=source == whole, page=False, **search)
        told = f"{name} of a {'finished' if source == whole else 'killed'} search cut at {share:.0%}"
        if process.wait() == 2:
            said = process.said()
            clear = "Traceback" not in said and said.count("error:") == 1 and Path(name).name in said
            yield f"{told}: refused", [] if clear else [said]
        else:
            yield f"{told}: recovered", process.problems(0) or faults(folder, 6, [], page=False)
        shutil.rmtree(folder.parent)


# --- a cluster, and two processes ---


def kill_a_worker(bench: Bench) -> Iterator[tuple[str, list[str]]]:
    """Kills one Dask worker of three in the middle of a trial."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    folder, address, dask = bench.folder(), f"tcp://127.0.0.1:{port}", str(Path(sys.executable).parent / "dask")
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder.parent)]
    commands = [[dask, "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]]
    started = [Process(lambda c=c: os.execv(dask, c)) for c in commands + [[dask, "worker", address, *options]] * 3]  # type: ignore[misc]
    process, victim = bench.start(folder, trials=12, epochs=60, where=("--scheduler", address), page=False), started[2]
    while process.wait(0.05) is None and not (len(events(folder, "start")) > 3 and victim.descendants() > 1):
        pass  # a fork server alone is one that waits for a trial
    before = [whole_lines(folder)]
    victim.kill()
    problems = process.problems(0) + victim.died_out()
    problems = problems or faults(folder, 12, before, page=False)
    yield "a worker of three killed while it ran a trial of twelve", problems
    for one in started:
        one.kill()


def start_second(bench: Bench) -> Iterator[tuple[str, list[str]]]:
    """Starts a second process on a folder in use."""
    folder = bench.folder()
    search: dict[str, Any] = {"epochs": 100, "where": ("--parallel", "1")}
    first = bench.start(folder, **search)
    while first.wait(0.05) is None and not events(folder, "start"):
        pass
    second = bench.start(folder, **search)
    problems = second.problems(2) + ["the first had ended before"] * (first.wait(0) is not None)
    problems += [] if "another process is using this folder" in second.said() else [second.said()]
    yield "a second process", problems + first.problems(0) + faults(folder, 25, [])


def main() -> int:
    """Runs the parts; ends with 1 if anything was lost, done twice or refused without a clear message."""
    threads = dict.fromkeys(parallel.THREAD_VARIABLES, "1")
    if any(os.environ.get(name) != "1" for name in threads):  # they count when the libraries are imported
        environment = {**processes.QUIET, **os.environ, **threads, "TF_CPP_MIN_LOG_LEVEL": "3"}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="all if left out")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cuts", type=int, help="how many places of the files, drawn with the seed; all if left out")
    parser.add_argument("--step", action="append", choices=STEPS, help="of the steps; all if left out")
    options = parser.parse_args()
    for name in PRELOAD:
        importlib.import_module(name)
    if len(os.listdir("/proc/self/task")) > 1:
        raise SystemExit("a process with threads cannot be forked safely")
    wrong = cases = 0
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place))
        parts = {
            "random": lambda: kill_at_random(bench, options.kills, options.seed),
            "steps": lambda: kill_at_steps(bench, options.step or list(STEPS)),
            "cuts": lambda: cut_files(bench, options.seed, options.cuts),
            "cluster": lambda: kill_a_worker(bench),
            "second": lambda: start_second(bench),
        }
        for part in options.parts or parts:
            for case, problems in parts[part]():
                print(f"{part}: {case}: {'; '.join(problems) or 'nothing lost, nothing twice'}", flush=True)
                cases, wrong = cases + 1, wrong + bool(problems)
    print(f"{cases} cases, {wrong} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
