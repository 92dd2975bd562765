"""The executor of processes on the workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import threading
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genrezoo import files
from genrezoo.errors import GenrezooError, ResourceError, SettingsError
from genrezoo.parallel import dask_worker
from genrezoo.parallel.processes import CallExecutor, ChildError

CONNECT_SECONDS = 10
"""Seconds that a scheduler may take to answer."""
WORKER_SECONDS = 30
"""Seconds to wait for the first worker, and seconds without any worker before a warning."""
CALLS = 256
"""Calls that are submitted to the scheduler at once; further calls wait here."""


class ClusterExecutor(CallExecutor):
    """A `ProcessExecutor` whose worker processes are on the workers of a Dask cluster.

    Each call is one task, which a worker runs in a process of its own: the memory of TensorFlow is freed with the
    process, and the worker survives its crash. If a worker dies, Dask moves its calls to another. Choose it if one
    machine is too slow. Scheduler and workers need the same version of this package, and all workers must see the
    folders of calls under the same path (NFS, Lustre, a mounted bucket). Whoever can connect to them can run any code
    there, so keep them inside a network that you trust.

    Args:
        address: Address of the scheduler, e.g. ``"tcp://10.0.0.1:8786"``.
        threads: Threads that the numerical libraries of a process may use. A worker runs one call at a time for each of
            its own threads.
        seconds: Time limit of a process, see `ProcessExecutor`; None for no limit.
        preload: Modules that each worker imports once, see `ProcessExecutor`.

    Raises:
        SettingsError: Dask is not installed, the scheduler does not answer or has no workers, or a worker lacks the
            package or has another version of it.

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
        self._asked: set[Any] = set()
        self._unfit: dict[str, str] = {}
        self._closed = False
        self._token = f".{uuid.uuid4().hex}"
        self._marks: set[Path] = set()

    @property
    def workers(self) -> int:
        """Number of calls that the cluster now runs at once: the threads of its workers, at least 1.

        Raises:
            GenrezooError: The connection to the scheduler was lost.
        """
        return max(1, sum(self._fit().values()))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the executor; with ``cancel_futures`` the running calls and their processes are killed."""
        if cancel_futures:
            with self._lock:
                self._closed = True
                asked = list(self._asked)
            with contextlib.suppress(Exception):  # the scheduler has ended, and with it the calls
                self._client.cancel(asked, force=True)
        self._pool.shutdown(wait=False, cancel_futures=cancel_futures)
        closing = threading.Thread(target=self._close)
        closing.start()
        if wait:
            closing.join()

    def _close(self) -> None:
        self._pool.shutdown()
        for mark in self._marks:
            mark.unlink(missing_ok=True)
        with contextlib.suppress(TimeoutError):
            self._client.close()

    # ----- one call

    def _mark(self, mark: Path) -> None:
        """Writes a file with a unique name: a worker that sees it has the same folder as the caller."""
        with self._lock:
            if mark not in self._marks:
                files.write_text(mark, "")
                self._marks.add(mark)

    def send(
        self, order: dict[str, Any], reads: Sequence[Path] = (), writes: Sequence[Path] = ()
    ) -> concurrent.futures.Future[Any]:
        """Runs a call in a process of a worker, see `CallExecutor.send`."""
        for folder in writes:
            self._mark(folder.parent / self._token)
        whole = {
            "call": order,
            "reads": list(map(str, reads)),
            "writes": list(map(str, writes)),
            "mark": self._token,
            "threads": self.threads,
            "seconds": self.seconds,
            "preload": self.preload,
            "versions": dask_worker.installed(),
        }
        return self._pool.submit(self._run, json.loads(json.dumps(whole)))  # as the caller may change the arguments

    def _run(self, order: dict[str, Any]) -> Any:
        """Submits the call until a worker can run it; workers that cannot get no further calls."""
        while "unfit" in (reply := self._ask(order)):
            with self._lock:
                self._unfit[reply["worker"]] = reply["unfit"]
        if "error" in reply:
            raise ChildError(reply["error"], **reply["about"])
        return reply["result"]

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Submits one task and returns its reply."""
        from distributed.scheduler import KilledWorker

        with self._lock:
            if self._closed:
                raise ChildError("the executor was shut down")
            where = {"workers": list(self._fit())} if self._unfit else {}
            try:
                asked = self._client.submit(dask_worker.run_call, order, pure=False, **where)
            except Exception as error:  # the client was closed
                raise self._lost() from error
            self._asked.add(asked)
        try:
            self._wait(asked)
            reply: dict[str, Any] = asked.result()
        except KilledWorker as error:
            raise ChildError(f"the workers of the call died: {error}", died=True) from error
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
        """Waits until a task has ended; warns if no worker remains that could run it.

        Raises:
            concurrent.futures.CancelledError: The connection to the scheduler was lost.
        """
        from distributed import wait

        while True:
            with contextlib.suppress(TimeoutError), self._client.as_current():
                wait([asked], timeout=WORKER_SECONDS)
                return
            try:
                alone = not self._client.nthreads()
            except Exception as error:  # the connection was lost
                if self._client.status in ("closing", "closed"):  # tasks of its last moments are never cancelled
                    raise concurrent.futures.CancelledError from error
                continue
            if alone:
                warnings.warn(f"{self._none()}; the calls wait for them", stacklevel=2)

    # ----- the cluster

    def _fit(self) -> dict[str, int]:
        """Returns the number of threads of each worker that can run calls, by address; empty without any worker.

        Raises:
            GenrezooError: The connection to the scheduler was lost.
            ResourceError: There are workers, but none can run calls.
        """
        try:
            threads: dict[str, int] = self._client.nthreads()
        except Exception as error:
            raise self._lost() from error
        fit = {address: number for address, number in threads.items() if address not in self._unfit}
        if threads and not fit:
            reasons = "; ".join(f"{address}: {self._unfit[address]}" for address in sorted(threads))
            raise ResourceError(f"no worker of the cluster can run calls ({reasons})")
        return fit

    def _check(self) -> None:
        """Refuses a cluster that cannot run calls."""
        try:
            self._client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise SettingsError(self._none()) from error
        try:
            answers = {"the scheduler": self._client.run_on_scheduler(dask_worker.installed)}
        except Exception as error:
            raise self._refused("the scheduler", error) from error
        workers = self._client.run(dask_worker.installed, on_error="return")
        # An OSError: the worker has just left.
        answers |= {place: reply for place, reply in workers.items() if not isinstance(reply, OSError)}
        for place, versions in answers.items():
            if isinstance(versions, Exception):
                raise self._refused(place, versions)
            if versions != dask_worker.installed():
                raise _other_versions(place, versions)
        if len(answers) == 1:
            raise SettingsError(self._none())

    def _none(self) -> str:
        return f"the scheduler at {self.address} has no workers. Start some: dask worker {self.address} --nthreads 1"

    def _refused(self, place: str, error: Exception) -> SettingsError:
        if _lacks_package(error):
            return SettingsError(f"{place} lacks this package: install 'genrezoo[cluster]' there")
        return SettingsError(f"{place} cannot run this package: {type(error).__name__}: {error}")

    def _lost(self) -> GenrezooError:
        return GenrezooError(
            f"the connection to the scheduler at {self.address} was lost: start it and its workers, then run the same "
            "again"
        )


def _connect(address: str) -> Any:
    """Returns a client of the scheduler at an address."""
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
        with concurrent.futures.ThreadPoolExecutor(1) as apart:  # a client that fails to connect may hang
            apart.submit(asyncio.run, greet()).result()
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"no Dask scheduler answers at {address!r} ({error}). Start one: dask scheduler --port 8786"
        ) from error


def _lacks_package(error: Exception) -> bool:
    causes = (error, error.__cause__, error.__context__)
    return any("No module named 'genrezoo" in str(cause) for cause in causes)


def _other_versions(place: str, theirs: dict[str, str]) -> SettingsError:
    ours = dask_worker.installed()
    names = [name for name in sorted(ours | theirs) if ours.get(name) != theirs.get(name)]
    different = ", ".join(f"{name} {theirs.get(name)} instead of {ours.get(name)}" for name in names)
    return SettingsError(f"{place} has other versions: {different}. Install the same everywhere")
