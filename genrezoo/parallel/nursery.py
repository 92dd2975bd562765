"""Children that need not import: a process imports what they need once, and forks one for every call.

TensorFlow survives a fork as long as it has not run: importing it starts no thread. The nursery runs nothing else, and
forks only while it has exactly one thread; otherwise it says why not, and the call gets a fresh process.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from genrezoo.parallel.child import serve

NURSERY = "import sys; sys.path.append(sys.argv[1]); from genrezoo.parallel import nursery; nursery.nurse()"
PACKAGE = str(Path(__file__).resolve().parents[2])
"""Folder that the package is found in."""


class NotForkedError(Exception):
    """The nursery has not forked a child.

    Attributes:
        refused: Whether it will not fork the next one either.
    """

    def __init__(self, message: str, *, refused: bool):
        super().__init__(message)
        self.refused = refused


class Nursery:
    """A process that imports modules in the background and forks children from then on.

    Args:
        preload: Names of the modules.
        environment: Its environment variables.
    """

    def __init__(self, preload: Sequence[str], environment: Mapping[str, str]):
        self._calls, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as the process
        with theirs:
            orders = json.dumps({"path": sys.path, "preload": list(preload)})
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", NURSERY, PACKAGE, str(theirs.fileno()), orders],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env=dict(environment),
                pass_fds=[theirs.fileno()],
            )

    @property
    def ready(self) -> bool:
        """Whether it has imported everything; it hears nothing before."""
        with contextlib.suppress(OSError):  # nothing said, or closed
            return bool(self._calls.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        return False

    @property
    def alive(self) -> bool:
        """Whether it can still fork."""
        return self.process.poll() is None

    @property
    def noise(self) -> str:
        """The last of what it has printed."""
        return last_words(self._output)

    def fork(self, output: IO[bytes]) -> Forked:
        """Asks for a child that prints to ``output``.

        Raises:
            NotForkedError: The nursery is gone.
        """
        return Forked(self, self._calls, output)

    def close(self) -> None:
        """Ends it; its children should have ended before."""
        self.process.kill()
        self.process.wait()
        self._calls.close()
        self._output.close()


class Forked:
    """A child of a nursery, with what is needed of a `subprocess.Popen`.

    It hangs on a leash, a socket whose other end the nursery holds: let go, it ends the child; and the nursery reports
    the child's pid and exit code through it.
    """

    def __init__(self, nursery: Nursery, calls: socket.socket, output: IO[bytes]):
        self._nursery = nursery
        self._leash, leash = socket.socketpair()
        their_stdin, stdin = os.pipe()
        stdout, their_stdout = os.pipe()
        self.stdin, self.stdout = os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb")
        self._code: int | None = None
        self._told = b""
        try:
            socket.send_fds(calls, [b"fork"], [their_stdin, their_stdout, output.fileno(), leash.fileno()])
        except OSError as error:
            for end in (self.stdin, self.stdout, self._leash):
                end.close()
            raise NotForkedError(f"the nursery is gone ({error})", refused=False) from error
        finally:
            os.close(their_stdin)
            os.close(their_stdout)
            leash.close()

    def kill(self) -> None:
        """Ends the child; a nursery that is still importing cannot hear and is ended itself."""
        with contextlib.suppress(OSError):  # it has ended
            self._leash.shutdown(socket.SHUT_WR)
        if not self._nursery.ready:
            self._nursery.process.kill()

    def wait(self) -> int | None:
        """The exit code, as of a `subprocess.Popen`; None if the nursery went with the child.

        Raises:
            NotForkedError: There never was a child.
        """
        with contextlib.suppress(ConnectionError):
            while said := self._leash.recv(4096):
                self._told += said
        lines = self._told.decode().splitlines()
        if not lines:
            raise NotForkedError("the nursery ended before it forked", refused=False)
        if lines[0].startswith("no "):
            raise NotForkedError(lines[0].removeprefix("no "), refused=True)
        return int(lines[1]) if len(lines) > 1 else None

    def close(self) -> None:
        """Lets go of it."""
        self._leash.close()


def last_words(output: IO[bytes], most: int = 4000) -> str:
    """The last bytes of a file as text, however large it is."""
    size = os.fstat(output.fileno()).st_size
    return os.pread(output.fileno(), most, max(0, size - most)).decode(errors="replace")


def nurse() -> None:
    """The nursery's side: imports, then forks until the parent is gone."""
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent decides
    orders = json.loads(sys.argv[3])
    sys.path[:] = orders["path"]
    refusal = _import(orders["preload"])
    gc.collect()
    gc.freeze()  # what is shared with the children stays so
    with socket.socket(fileno=int(sys.argv[2])) as calls:
        calls.send(b"ready")
        _Forking(calls, refusal, interrupt).go_on()


def _import(preload: Sequence[str]) -> str:
    """Imports the modules; says why nothing can be forked, if so."""
    try:
        os.close(os.pidfd_open(os.getpid()))  # refuses where there is no such thing
        for name in preload:
            importlib.import_module(name)
    except OSError as error:
        return f"this system cannot watch children ({error})"
    except Exception as error:
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return ""


class _Forking:
    """The nursery while it forks: one thread that waits for calls, for leashes let go, and for children that end."""

    def __init__(self, calls: socket.socket, refusal: str, interrupt: Any):
        self.calls, self.refusal, self.interrupt = calls, refusal, interrupt
        self.own = -1 if refusal else os.pidfd_open(os.getpid())
        self.leashes: dict[int, tuple[int, socket.socket]] = {}  # handle of a process -> its pid, its leash
        self.selector = selectors.DefaultSelector()
        self.selector.register(calls, selectors.EVENT_READ)

    def go_on(self) -> None:
        """Works until the parent is gone and the last child has ended."""
        while self.selector.get_map():
            for key, _ in self.selector.select():
                if key.fileobj is self.calls:
                    self.hear()
                elif key.data is None:
                    self.end(key.fd)
                elif self.leashes.get(key.data, (0, None))[1] is key.fileobj:  # else its child has ended just now
                    self.selector.unregister(key.fileobj)
                    signal.pidfd_send_signal(key.data, signal.SIGKILL)

    def hear(self) -> None:
        """Forks for one call."""
        message, handles, *_ = socket.recv_fds(self.calls, 16, 4)
        if not message:
            self.selector.unregister(self.calls)
            return
        *streams, leash_handle = handles
        leash = socket.socket(fileno=leash_handle)
        try:
            self.check()
            pid = os.fork()
        except OSError as error:
            _tell(leash, f"no {error}")
            leash.close()
        else:
            if pid == 0:
                self.become_child(streams, leash)
            _tell(leash, str(pid))
            process = os.pidfd_open(pid)
            self.leashes[process] = pid, leash
            self.selector.register(process, selectors.EVENT_READ)
            self.selector.register(leash, selectors.EVENT_READ, process)
        for handle in streams:
            os.close(handle)

    def check(self) -> None:
        """Refuses what is not safe."""
        if self.refusal:
            raise OSError(self.refusal)
        threads = len(os.listdir("/proc/self/task"))
        if threads != 1:
            raise OSError(f"the imports have started {threads - 1} threads")

    def end(self, process: int) -> None:
        """Reaps a child and tells its exit code."""
        pid, leash = self.leashes.pop(process)
        self.selector.unregister(process)
        with contextlib.suppress(KeyError):  # let go before
            self.selector.unregister(leash)
        os.close(process)
        _, status = os.waitpid(pid, 0)
        _tell(leash, str(os.waitstatus_to_exitcode(status)))
        leash.close()

    def become_child(self, streams: Sequence[int], leash: socket.socket) -> NoReturn:
        """What a fresh process would have: streams of its own, randomness of its own, and nothing of its siblings'."""
        code = 1
        try:
            self.selector.close()
            self.calls.close()
            leash.close()
            for process, (_, other) in self.leashes.items():
                os.close(process)
                other.close()
            for target, handle in enumerate(streams):
                os.dup2(handle, target)
                os.close(handle)
            signal.signal(signal.SIGINT, self.interrupt)  # ignored where the parent ignores it
            if numpy := sys.modules.get("numpy"):  # Python's own randomness is seeded anew by a fork
                numpy.random.seed(int.from_bytes(os.urandom(4)))
            importlib.invalidate_caches()
            serve(self.own)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)


def _tell(leash: socket.socket, line: str) -> None:
    with contextlib.suppress(OSError):  # the parent is gone
        leash.sendall(" ".join(line.split()).encode() + b"\n")
