import os
import signal
import subprocess
import sys
import time

import pytest

from genrezoo.errors import DataError, SettingsError
from genrezoo.parallel import ChildError, ProcessExecutor

sys.path.insert(0, os.path.dirname(__file__))  # children import this module by its name


def refuse():
    raise DataError("bad songs", path="a.npz")


def noisy():
    print("this must not mix with the answer")
    return {"pid": os.getpid(), "parent": os.getppid()}


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def test_each_call_has_its_own_process():
    with ProcessExecutor(2) as executor:
        answers = [executor.submit(noisy) for _ in range(3)]
        pids = {answer.result()["pid"] for answer in answers}
        assert {answer.result()["parent"] for answer in answers} == {os.getpid()}
    assert len(pids) == 3
    assert os.getpid() not in pids


def test_threads_are_stated_to_the_numerical_libraries():
    with ProcessExecutor(1, threads=1) as executor:
        names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        assert [executor.submit(os.getenv, name).result() for name in names] == ["1", "1", "1"]


def test_failures_tell_users_mistakes_from_defects_and_stop_nothing_else():
    with ProcessExecutor(2) as executor:
        refused, failed, dead, fine = (
            executor.submit(refuse),
            executor.submit(divmod, 1, 0),
            executor.submit(die),
            executor.submit(divmod, 7, 3),
        )
        with pytest.raises(ChildError, match="a.npz: bad songs") as caught:
            refused.result()
        assert caught.value.user
        with pytest.raises(ChildError, match="ZeroDivisionError") as caught:
            failed.result()
        assert not caught.value.user
        assert "Traceback" in caught.value.detail
        with pytest.raises(ChildError, match="ended with signal SIGKILL"):
            dead.result()
        assert fine.result() == [2, 1]


def test_a_child_that_takes_too_long_is_ended():
    start = time.monotonic()
    with ProcessExecutor(1, seconds=1) as executor, pytest.raises(ChildError, match="limit 1 s"):
        executor.submit(time.sleep, 60).result()
    assert time.monotonic() - start < 30


def test_leaving_with_an_error_ends_the_children():
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="stop"), ProcessExecutor(1) as executor:  # noqa: PT012  # the with is the test
        executor.submit(time.sleep, 60)
        executor.submit(time.sleep, 60)
        raise RuntimeError("stop")
    assert time.monotonic() - start < 30


def test_a_child_that_dies_before_it_reads_its_call_is_said_to(monkeypatch):
    def start_and_wait(*arguments, **options):
        child = popen(*arguments, **options)
        child.wait()
        return child

    popen = subprocess.Popen
    monkeypatch.setattr("genrezoo.parallel.CHILD", "import os; os.abort()")
    monkeypatch.setattr("genrezoo.parallel.subprocess.Popen", start_and_wait)
    with ProcessExecutor(1) as executor, pytest.raises(ChildError, match="ended with signal SIGABRT"):
        executor.submit(len, "call").result()


def test_children_end_with_a_parent_that_is_killed(tmp_path):
    mark = tmp_path / "pid"
    code = (
        "import sys, time\nfrom genrezoo.parallel import ProcessExecutor\n"
        "import test_parallel\nProcessExecutor(1).submit(test_parallel.wait_marked, sys.argv[1])\ntime.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    parent = subprocess.Popen([sys.executable, "-c", code, str(mark)], env=environment)
    _wait_for(lambda: mark.exists() and mark.read_text())
    child = int(mark.read_text())
    parent.kill()
    parent.wait()
    _wait_for(lambda: not _alive(child))


def wait_marked(path):
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)


@pytest.mark.parametrize(("workers", "threads"), [(0, None), (1, 0)])
def test_no_workers_or_threads_are_refused(workers, threads):
    with pytest.raises(SettingsError, match="at least 1"):
        ProcessExecutor(workers, threads=threads)


def _wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] != "Z"
    except FileNotFoundError:
        return False
