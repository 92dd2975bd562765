"""The worker's side of a cluster: what its scheduler is asked to run on it.

A task runs its call in a child process, as everywhere, so that the worker outlives whatever happens to it. Folders that
the worker does not see as the caller does lie in its own cache: ``folders`` for what is read, under the digest of its
content, and ``work`` for what is written, under a name that stays the same when a call is made again, so that a worker
goes on with what it has half done.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import json
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genrezoo import files
from genrezoo.environment import default_cache, keras_backend, versions
from genrezoo.errors import DataError, GenrezooError
from genrezoo.parallel import folders
from genrezoo.parallel.processes import Call, ChildError, ProcessExecutor

LEAVING = ("closing", "closing_gracefully", "closed", "failed")
"""States of a worker that its scheduler has given up, or that has lost its scheduler."""
DAYS = 30
"""How long a worker keeps what nobody has asked for again."""

_executors: dict[tuple[int, tuple[str, ...]], ProcessExecutor] = {}
_lock = threading.Lock()


@functools.lru_cache(maxsize=1)
def installed() -> dict[str, str]:
    """What must be the same everywhere: a training that moves between workers goes on with its bits."""
    backend = keras_backend()
    return {**versions(("keras", backend, "numpy")), "keras backend": backend}


def work(text: str) -> dict[str, Any]:
    """A task: makes one call in a child process of this worker.

    Args:
        text: The order of a `ClusterExecutor` as JSON.

    Returns:
        Plain data: ``result`` and the ``files`` that the caller does not see; or ``error`` and what a `ChildError`
        says; or ``missing``, the folders that this worker must be sent first; or other ``versions``; or ``unfit``, why
        this worker can make no call.
    """
    from distributed import get_worker  # here, because this package does without a cluster as well

    order, worker = json.loads(text), get_worker()
    reply: dict[str, Any] = {"worker": worker.address, "host": f"{socket.gethostname()}:{_home()}"}
    if installed() != order["versions"]:
        return {**reply, "versions": installed()}
    _sweep()
    try:
        with _folders(order) as (seen, own, missing):
            if missing:
                return {**reply, "missing": missing}
            kwargs = {**order["kwargs"], **{name: str(path) for name, path in {**seen, **own}.items()}}
            call = Call(
                json.dumps({"module": order["module"], "name": order["name"], "args": order["args"], "kwargs": kwargs}),
                sys.path.copy(),
                order["seconds"],
            )
            reply["result"] = _result(call, _executor(order, worker.state.nthreads), worker)
            try:
                reply["files"] = {name: _changed(own[name], order["writes"][name]["listing"]) for name in own}
            except DataError as error:
                raise ChildError(f"on {worker.address}: {error}", user=True) from error
    except ChildError as error:
        if error.scarce:
            return {**reply, "unfit": str(error)}
        return {**reply, "error": str(error), **error.about}
    except (GenrezooError, OSError) as error:  # of this worker's own folders
        return {**reply, "unfit": str(error)}
    return reply


async def take(place: str, number: int, block: bytes) -> None:
    """Keeps one block of a folder that is on its way.

    Args:
        place: Where the folder will be, relative to this worker's cache, with a suffix of this sending's own.
        number: The block's number.
        block: Its bytes.
    """
    await asyncio.to_thread(files.write_atomic, _home() / f"{place}.part" / str(number), block)


async def finish(place: str, suffix: str, plan: list[tuple[str, int]]) -> bool:
    """Makes a folder of the blocks taken.

    Args:
        place: Where it will be; the last part is the digest of its content.
        suffix: The suffix of this sending.
        plan: Each file's relative name and number of blocks.

    Returns:
        Whether its content has the digest; it is not kept otherwise.
    """
    return await asyncio.to_thread(_finish, place, suffix, plan)


async def forget(name: str) -> None:
    """Drops the folders of a call whose caller has everything, or wants nothing of it."""
    await asyncio.to_thread(_forget, _home() / "work" / name)


def _home() -> Path:
    """Where this worker keeps what is not its own: in the package's cache."""
    return default_cache() / "cluster"


def _executor(order: dict[str, Any], threads: int) -> ProcessExecutor:
    """This worker's executor, which keeps its nursery from task to task."""
    key = (order["threads"], tuple(order["preload"]))
    with _lock:
        if key not in _executors:
            _executors[key] = ProcessExecutor(threads, threads=key[0], preload=key[1])
        return _executors[key]


def _result(call: Call, executor: ProcessExecutor, worker: Any) -> Any:
    """Makes the call; ends its child if nobody waits for it any more."""
    future, key = executor.begin(call), worker.get_current_task()
    while not concurrent.futures.wait([future], timeout=0.5).done:
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled" or worker.status.name in LEAVING:
            executor.stop(call)
    return future.result()


@contextlib.contextmanager
def _folders(order: dict[str, Any]) -> Iterator[tuple[dict[str, Path], dict[str, Path], list[str]]]:
    """The call's folders: those used where they are, those of this worker's own, and those still to be sent."""
    home, missing = _home(), []
    seen: dict[str, Path] = {}
    for name, about in order["reads"].items():
        there, sent = Path(about["path"]), home / about["place"]
        if _sees(there, about["digest"]):
            seen[name] = there
        elif _is_whole(sent, about["digest"]):
            seen[name] = sent
        else:
            missing.append(about["place"])
    apart = {}
    for name, about in order["writes"].items():
        if about["mark"] and os.path.exists(Path(about["mark"])) and os.access(about["path"], os.W_OK):
            seen[name] = Path(about["path"])
        else:
            apart[name] = about
    if not apart:
        yield seen, {}, missing
        return
    with files.lock_folder(home / "work" / order["call"], wait=True) as work:
        state = _state(work)
        bases = {name: home / about["place"] for name, about in apart.items() if state.get(name) != about["digest"]}
        missing += [apart[name]["place"] for name, base in bases.items() if not _is_whole(base, base.name)]
        own = {name: work / "now" / name for name in apart}
        if not missing:
            if bases:
                (work / "state.json").unlink(missing_ok=True)
            for name, base in bases.items():
                shutil.rmtree(own[name], ignore_errors=True)
                own[name].mkdir(parents=True)
                if base.name != folders.EMPTY:
                    shutil.copytree(base, own[name], dirs_exist_ok=True)
            files.write_json(work / "state.json", {name: about["digest"] for name, about in apart.items()})
        yield seen, own, missing


def _sees(folder: Path, digest: str) -> bool:
    """Whether a folder of the caller's is here too, and may be read."""
    try:
        return os.path.isdir(folder) and folders.digest(folders.listing(folder)) == digest
    except OSError:
        return False


def _state(work: Path) -> dict[str, str]:
    """What the work in that folder began with: the digest of each folder written."""
    path = work / "state.json"
    state: dict[str, str] = files.read_json(path) if path.exists() else {}
    return state


def _is_whole(folder: Path, digest: str) -> bool:
    """Whether what was sent is all there; if so, it has been asked for just now."""
    if digest == folders.EMPTY:
        return True
    if not folder.is_dir() or folders.digest(folders.listing(folder)) != digest:
        return False
    os.utime(folder)
    return True


def _changed(folder: Path, before: dict[str, str]) -> dict[str, Any]:
    """What the caller must do to have this folder: files in the order of their making, and names to remove."""
    now = folders.listing(folder)
    new = sorted((name for name in now if now[name] != before.get(name)), key=lambda name: _made(folder / name))
    return {
        "changed": [(name, (folder / name).read_bytes()) for name in new],
        "removed": sorted(before.keys() - now.keys()),
    }


def _made(path: Path) -> int:
    return path.stat().st_mtime_ns


def _finish(place: str, suffix: str, plan: list[tuple[str, int]]) -> bool:
    target, parts = _home() / place, _home() / f"{place}{suffix}.part"
    number, whole = 0, parts / "whole"
    whole.mkdir(parents=True)
    for name, count in plan:
        folders.join(folders.inside(whole, name), [parts / str(one) for one in range(number, number + count)])
        number += count
    good = _is_whole(whole, target.name)
    if good and not _is_whole(target, target.name):
        shutil.rmtree(target, ignore_errors=True)
        with contextlib.suppress(OSError):  # another sending was first
            os.replace(whole, target)
    shutil.rmtree(parts, ignore_errors=True)
    return good


def _forget(work: Path) -> None:
    if work.exists():
        with contextlib.suppress(GenrezooError), files.lock_folder(work):  # not while a call is at work in it
            for left in work.iterdir():
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                elif left.name != ".lock":
                    left.unlink(missing_ok=True)


@functools.lru_cache(maxsize=1)
def _sweep() -> None:
    """Drops, once in a worker's life, what nobody has asked for in a long time."""
    for left in [*_home().glob("folders/*"), *_home().glob("work/*")]:
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > DAYS * 86400:
                shutil.rmtree(left, ignore_errors=True)
