"""The executor on a Dask cluster."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import hashlib
import json
import socket
import threading
import uuid
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genrezoo import files
from genrezoo.errors import GenrezooError, ResourceError, SettingsError
from genrezoo.parallel import folders, worker
from genrezoo.parallel.processes import ChildError

CONNECT_SECONDS = 10
"""How long a scheduler may take to answer."""
WORKER_SECONDS = 30
"""How long its first worker may take to come, and for how long there may be none before a warning."""
SENDINGS = 10
"""How often a folder may fail to reach the worker that makes a call, or not stay there."""
CALLS = 256
"""Calls that are with the scheduler at once; more wait here."""


@dataclass(frozen=True)
class _Folder:
    """A folder of a call, and where a worker that does not see it keeps it."""

    path: Path
    listing: dict[str, str]
    place: str


class ClusterExecutor(concurrent.futures.Executor):
    """A `ProcessExecutor` whose children are on the workers of a Dask cluster.

    Each call is one task, which makes it in a child process of the worker: the memory of TensorFlow ends with the
    child, and a worker outlives its crash. When a worker dies, Dask gives its calls to another. Choose it when one
    machine is too slow; scheduler and workers need this package in the same version, and whoever can connect to them
    can run what he likes there, so keep them inside a network that you trust.

    Args:
        address: Address of the scheduler, e.g. ``"tcp://10.0.0.1:8786"``.
        threads: Threads that the numerical libraries of a child may use. A worker makes one call at a time for each of
            its own threads.
        seconds: A child that takes longer is ended and its call fails; None waits for ever.
        preload: Modules that each worker imports once, see `ProcessExecutor`.

    Raises:
        SettingsError: Dask is not installed, the scheduler does not answer or has no workers, or the package is missing
            or another one on a worker.

    Example:
        >>> from distributed import LocalCluster
        >>> options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
        >>> with LocalCluster(**options) as cluster, ClusterExecutor(cluster.scheduler_address) as executor:
        ...     executor.submit(divmod, 7, 3).result()
        [2, 1]
    """

    def __init__(self, address: str, *, threads: int = 1, seconds: float | None = None, preload: Sequence[str] = ()):
        if threads < 1:
            raise SettingsError(f"threads must be at least 1, got {threads}")
        self.address, self.threads, self.seconds, self.preload = address, threads, seconds, tuple(preload)
        self._client = _connect(address)
        try:
            self._check()
        except BaseException:
            self._client.close()
            raise
        self._pool = concurrent.futures.ThreadPoolExecutor(CALLS)
        self._lock = threading.Lock()
        self._sending: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._sent: set[tuple[str, str]] = set()
        self._asked: set[Any] = set()
        self._unfit: dict[str, str] = {}
        self._closed = False
        self._token = uuid.uuid4().hex
        self._marks: set[Path] = set()

    @property
    def workers(self) -> int:
        """How many calls the cluster makes at once now: its workers' threads, at least 1.

        Raises:
            GenrezooError: The connection to the scheduler was lost.
        """
        return max(1, sum(self._fit().values()))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Runs ``fn(*args, **kwargs)`` in a child of a worker, see `ProcessExecutor.submit`."""
        return self._begin(fn, args, kwargs, {}, {})

    def call(
        self,
        fn: Callable[..., Any],
        kwargs: Mapping[str, Any],
        *,
        reads: Mapping[str, Path] | None = None,
        writes: Mapping[str, Path] | None = None,
        key: str = "",
    ) -> concurrent.futures.Future[Any]:
        """Runs a function of plain data and folders in a child of a worker.

        A worker that sees a folder uses it where it is. To one that does not, what the call reads is sent once, and
        kept there; what it writes is done in a folder of the worker's own, which begins with what the caller's holds,
        and comes back with the result.

        Args:
            fn: A function at the top level of a module that is importable on the workers.
            kwargs: Keyword arguments, plain data (JSON).
            reads: Folders that the call reads: the name of a further argument -> the folder.
            writes: Folders that it reads and writes; they are made if missing. Where calls that run at once write to
                one folder, the first that brings a file or folder of a name keeps its own.
            key: What the call is, beside the folders that it writes: a worker goes on with what a call of the same key
                has half done, and with nothing else.

        Returns:
            A future of the result, as of `submit`. The folders arrive in the function as absolute paths, text.
        """
        for path in (writes or {}).values():
            Path(path).mkdir(parents=True, exist_ok=True)
        return self._begin(fn, (), kwargs, reads or {}, writes or {}, key)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the executor; with ``cancel_futures`` the calls under way and their children are ended too."""
        if cancel_futures:
            with self._lock:
                self._closed = True
                asked = list(self._asked)
            with contextlib.suppress(Exception):  # the scheduler is gone, and they with it
                self._client.cancel(asked, force=True)
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)
        if wait:
            self._close()
        else:
            threading.Thread(target=self._close).start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.shutdown(wait=True, cancel_futures=kind is not None)

    def _close(self) -> None:
        self._pool.shutdown()
        for mark in self._marks:
            mark.unlink(missing_ok=True)
        with contextlib.suppress(TimeoutError):
            self._client.close()

    # --- one call ---

    def _begin(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        reads: Mapping[str, Path],
        writes: Mapping[str, Path],
        key: str = "",
    ) -> concurrent.futures.Future[Any]:
        if twice := sorted((kwargs.keys() & (reads.keys() | writes.keys())) | (reads.keys() & writes.keys())):
            raise TypeError(f"more than one value for {twice[0]!r}")
        order = {
            "module": fn.__module__,
            "name": fn.__qualname__,
            "args": args,
            "kwargs": dict(kwargs),
            "threads": self.threads,
            "seconds": self.seconds,
            "preload": self.preload,
            "versions": worker.installed(),
        }
        text = json.dumps(order)  # now, as the caller may change what he gave
        here, there = ({name: Path(path).resolve() for name, path in given.items()} for given in (reads, writes))
        return self._pool.submit(self._run, text, here, there, key)

    def _run(self, text: str, reads: dict[str, Path], writes: dict[str, Path], key: str) -> Any:
        """Asks until a worker has all that the call needs, and leaves out those that cannot have it."""
        whose = json.dumps([socket.gethostname(), sorted(map(str, writes.values())), key])
        name = hashlib.sha256(whose.encode()).hexdigest()[:32]
        failures: collections.Counter[str] = collections.Counter()
        while True:
            found = self._found(reads, writes, name)
            order = {**json.loads(text), **self._told(found, reads, writes), "call": name}
            with self._lock:
                before = set(self._sent)
            reply = self._ask(json.dumps(order))
            if "unfit" not in reply and "missing" not in reply:
                return self._taken(reply, found, name)
            lacking = [folder for folder in found.values() if folder.place in reply.get("missing", ())]
            failures[reply["worker"]] += not all([self._send(folder, reply, before) for folder in lacking])
            if failures[reply["worker"]] >= SENDINGS:
                reply["unfit"] = "the folders of a call did not reach it; is its disk full?"
            if "unfit" in reply:
                with self._lock:
                    self._unfit[reply["worker"]] = reply["unfit"]

    def _found(self, reads: dict[str, Path], writes: dict[str, Path], name: str) -> dict[str, _Folder]:
        """The call's folders as they are now."""
        found = {}
        with self._lock:  # not while results are being written
            for key, path in {**reads, **writes}.items():
                listed = folders.listing(path)
                place = f"work/{name}/bases" if key in writes else "folders"
                found[key] = _Folder(path, listed, f"{place}/{folders.digest(listed)}")
        return found

    def _told(self, found: dict[str, _Folder], reads: Mapping[str, Path], writes: Mapping[str, Path]) -> dict[str, Any]:
        """What the worker is told of the folders."""
        return {
            "reads": {
                name: {"path": str(found[name].path), "place": found[name].place, "digest": _digest(found[name])}
                for name in reads
            },
            "writes": {
                name: {
                    "path": str(found[name].path),
                    "place": found[name].place,
                    "digest": _digest(found[name]),
                    "listing": found[name].listing,
                    "mark": self._mark(found[name].path),
                }
                for name in writes
            },
        }

    def _mark(self, folder: Path) -> str | None:
        """A file beside the folder that only this executor can have written: who sees it sees the folder."""
        mark = folder.parent / f".{self._token}"
        with self._lock:
            if mark not in self._marks:
                try:
                    files.write_text(mark, "")
                except OSError:
                    return None  # so nobody sees it, and the files are sent
                self._marks.add(mark)
        return str(mark)

    def _ask(self, order: str) -> dict[str, Any]:
        """One task and what became of it."""
        from distributed.scheduler import KilledWorker

        with self._lock:
            if self._closed:
                raise ChildError("the executor was shut down")
            where = {"workers": list(self._fit())} if self._unfit else {}
            try:
                asked = self._client.submit(worker.work, order, pure=False, **where)
            except Exception as error:  # of the client that it has been closed
                raise self._lost() from error
            self._asked.add(asked)
        try:
            self._wait(asked)
            reply: dict[str, Any] = asked.result()
        except KilledWorker as error:
            raise ChildError(f"the workers that made the call died: {error}", died=True) from error
        except concurrent.futures.CancelledError as error:
            if self._closed:
                raise ChildError("the executor was shut down", died=True) from error
            raise self._lost() from error
        except Exception as error:
            if _lacks_package(error):
                raise self._refused("a worker or the scheduler", error) from error
            raise ChildError(f"a worker failed: {type(error).__name__}: {error}", detail=repr(error)) from error
        finally:
            with self._lock:
                self._asked.discard(asked)
            asked.release()
        if "versions" in reply:
            raise _other_versions(reply["worker"], reply["versions"])
        return reply

    def _wait(self, asked: Any) -> None:
        """Returns once a task has ended; warns when no worker is left that could make it."""
        from distributed import wait

        while True:
            with contextlib.suppress(TimeoutError), self._client.as_current():
                wait([asked], timeout=WORKER_SECONDS)
                return
            try:
                alone = not self._client.nthreads()
            except Exception:  # the connection was lost, which the next round tells
                continue
            if alone:
                warnings.warn(f"{self._none()}; what is asked waits for them", stacklevel=2)

    def _taken(self, reply: dict[str, Any], found: dict[str, _Folder], name: str) -> Any:
        """The result, after its files have been written."""
        for key, change in reply.get("files", {}).items():
            with self._lock:
                _write(found[key], change)
        died = reply.get("died", False)
        if not died and any(folder.place.startswith("work/") for folder in found.values()):
            with contextlib.suppress(Exception):  # then the worker keeps it until its own sweep
                self._client.run(worker.forget, name, on_error="ignore")
        if "error" in reply:
            raise ChildError(reply["error"], **{name: reply[name] for name in ChildError("").about})
        return reply["result"]

    def _send(self, folder: _Folder, reply: dict[str, Any], before: set[tuple[str, str]]) -> bool:
        """Sends a folder to a worker, unless another call has done so since ``before``; says whether it is news."""
        key = (reply["host"], folder.place)
        with self._lock:
            sending = self._sending[key]
        with sending:
            with self._lock:
                if key in self._sent and key not in before:
                    return True
            suffix, plan, number = f"-{uuid.uuid4().hex}", [], 0
            there: dict[str, Any] = {"workers": [reply["worker"]]}
            try:
                for name in folder.listing:
                    first = number
                    for block in folders.blocks(folder.path / name):
                        self._client.run(worker.take, folder.place + suffix, number, block, **there)
                        number += 1
                    plan.append((name, number - first))
                answer = self._client.run(worker.finish, folder.place, suffix, plan, **there)
            except Exception:  # the folder has just changed, the worker has died, its disk is full: the next try tells
                return False
            if not answer.get(reply["worker"]):
                return False
            with self._lock:
                self._sent.add(key)
            return key not in before

    # --- the cluster ---

    def _fit(self) -> dict[str, int]:
        """The threads of each worker that can make calls, by its address; no worker at all yet is none that cannot.

        Raises:
            GenrezooError: The connection to the scheduler was lost.
            ResourceError: No worker can make calls.
        """
        try:
            threads: dict[str, int] = self._client.nthreads()
        except Exception as error:
            raise self._lost() from error
        fit = {address: number for address, number in threads.items() if address not in self._unfit}
        if threads and not fit:
            told = "; ".join(f"{address}: {self._unfit[address]}" for address in sorted(threads))
            raise ResourceError(f"no worker of the cluster can make calls ({told})")
        return fit

    def _check(self) -> None:
        """Refuses a cluster that cannot make calls."""
        try:
            self._client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise SettingsError(self._none()) from error
        try:
            answers = {"the scheduler": self._client.run_on_scheduler(worker.installed)}
        except Exception as error:
            raise self._refused("the scheduler", error) from error
        workers = self._client.run(worker.installed, on_error="return")
        answers |= {place: said for place, said in workers.items() if not isinstance(said, OSError)}  # or just gone
        for place, versions in answers.items():
            if isinstance(versions, Exception):
                raise self._refused(place, versions)
            if versions != worker.installed():
                raise _other_versions(place, versions)
        if len(answers) == 1:
            raise SettingsError(self._none())

    def _none(self) -> str:
        return f"the scheduler at {self.address} has no workers. Start some: dask worker {self.address} --nthreads 1"

    def _refused(self, place: str, error: Exception) -> SettingsError:
        if _lacks_package(error):
            return SettingsError(f"{place} lacks this package: install 'genrezoo[cluster]' where it runs")
        return SettingsError(f"{place} cannot run this package: {type(error).__name__}: {error}")

    def _lost(self) -> GenrezooError:
        return GenrezooError(
            f"the connection to the scheduler at {self.address} was lost: start it and its workers, then run the same "
            "again"
        )


def _connect(address: str) -> Any:
    """A client of the scheduler at that address."""
    try:
        from distributed import Client
        from distributed.comm import connect
        from distributed.security import Security
    except ImportError as error:
        raise SettingsError(f"a cluster needs Dask ({error}): pip install 'genrezoo[cluster]'") from error

    async def greet() -> None:
        comm = await connect(address, timeout=CONNECT_SECONDS, **Security().get_connection_args("client"))
        await comm.close()

    try:
        with concurrent.futures.ThreadPoolExecutor(1) as apart:  # first, as a client that fails to connect may hang
            apart.submit(asyncio.run, greet()).result()
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"no Dask scheduler answers at {address!r} ({error}). Start one: dask scheduler --port 8786"
        ) from error


def _digest(folder: _Folder) -> str:
    return folder.place.rpartition("/")[2]


def _lacks_package(error: Exception) -> bool:
    causes = (error, error.__cause__, error.__context__)
    return any("No module named 'genrezoo" in str(cause) for cause in causes)


def _other_versions(place: str, theirs: dict[str, str]) -> SettingsError:
    ours = worker.installed()
    names = [name for name in sorted(ours | theirs) if ours.get(name) != theirs.get(name)]
    different = ", ".join(f"{name} {theirs.get(name)} instead of {ours.get(name)}" for name in names)
    return SettingsError(f"{place} has other versions: {different}. Install the same everywhere")


def _write(folder: _Folder, change: dict[str, Any]) -> None:
    """Brings the caller's folder to what the worker has made of it, in the order in which that was made.

    What another call has changed meanwhile stays as it is, with all that lies in the same folder one level below.
    """
    now = folders.listing(folder.path)
    taken = {
        name.partition("/")[0]
        for name in now.keys() | folder.listing.keys()
        if now.get(name) != folder.listing.get(name)
    }
    for name, content in change["changed"]:
        if name.partition("/")[0] not in taken:
            files.write_atomic(folders.inside(folder.path, name), content)
    for name in change["removed"]:
        if name.partition("/")[0] not in taken:
            folders.inside(folder.path, name).unlink(missing_ok=True)
