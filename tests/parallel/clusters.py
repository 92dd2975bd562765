"""Dask clusters for tests: a scheduler and workers as processes of their own, which speak over TCP."""

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from functions import wait_for

HERE = Path(__file__).parent


@dataclass
class Cluster:
    """A running cluster: its address, its processes, and how to start another worker."""

    address: str
    scheduler: subprocess.Popen
    workers: list
    start_worker: object


@contextlib.contextmanager
def start_cluster(folder, n_workers, *, preload=None, **variables):
    """A scheduler and so many workers, each with a cache of its own, until the block ends.

    Args:
        folder: For their files.
        n_workers: How many.
        preload: File that the workers run first.
        variables: Environment variables of all.
    """
    path = os.pathsep.join([str(HERE), str(HERE.parent), *(path for path in sys.path if path)])
    environment = {**os.environ, "PYTHONPATH": path, **variables}
    told, running = folder / "scheduler.json", []

    def start(name, *arguments, **more):
        with open(folder / f"{name}-{len(running)}.log", "wb") as log:
            command = [sys.executable, "-m", f"distributed.cli.dask_{name}", "--no-dashboard", *map(str, arguments)]
            options = {"stdout": log, "stderr": log, "cwd": folder, "env": {**environment, **more}}
            running.append(subprocess.Popen(command, **options))
        return running[-1]

    def start_worker(preload=preload, **more):
        own = folder / f"worker-{len(running)}"
        options = ["--nthreads", 1, "--no-nanny", "--host", "127.0.0.1", "--local-directory", own / "dask"]
        options += ["--preload", preload] if preload else []
        return start("worker", "--scheduler-file", told, *options, **{"GENREZOO_CACHE": str(own), **more})

    try:
        scheduler = start("scheduler", "--host", "127.0.0.1", "--port", 0, "--no-show", "--scheduler-file", told)
        workers = [start_worker() for _ in range(n_workers)]
        wait_for(lambda: told.exists() and told.read_text().endswith("}"))
        yield Cluster(json.loads(told.read_text())["address"], scheduler, workers, start_worker)
    finally:
        for process in reversed(running):
            process.kill()
            process.wait()
