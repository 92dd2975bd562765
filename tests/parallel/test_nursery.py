import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from callees import (
    alive,
    children,
    die,
    draws,
    leave,
    noisy,
    refuse,
    train_toy,
    wait_for,
    wait_marked,
    whereabouts,
)

from genrezoo.parallel import ChildError, ProcessExecutor


@pytest.fixture(scope="module")
def executor():
    """One whose children have TensorFlow at hand."""
    with ProcessExecutor(2, threads=1, preload=("keras", "tensorflow", "callees")) as executor:
        yield executor


def test_children_are_forked_by_one_nursery_and_leave_no_zombies(executor):
    answers = [executor.submit(noisy) for _ in range(5)]
    pids = {answer.result()["pid"] for answer in answers}
    (nursery,) = {answer.result()["parent"] for answer in answers}
    assert len(pids) == 5
    assert nursery != os.getpid()
    assert executor.preload_refused is None
    assert children(nursery) == []


def test_what_was_preloaded_is_there(executor):
    assert "tensorflow" in executor.submit(eval, "sorted(__import__('sys').modules)").result()


def test_failures_are_those_of_fresh_children(executor):
    refused, failed, dead, left = (
        executor.submit(refuse),
        executor.submit(divmod, 1, 0),
        executor.submit(die, int(signal.SIGSEGV)),
        executor.submit(leave, 3),
    )
    with pytest.raises(ChildError, match="a.npz: bad songs") as caught:
        refused.result()
    assert caught.value.user
    with pytest.raises(ChildError, match="ZeroDivisionError") as caught:
        failed.result()
    assert not caught.value.died
    with pytest.raises(ChildError, match="ended with signal SIGSEGV$") as caught:
        dead.result()
    assert (caught.value.died, caught.value.late) == (True, False)
    assert "last words" in caught.value.detail
    with pytest.raises(ChildError, match="ended with exit code 3"):
        left.result()
    assert executor.submit(divmod, 7, 3).result() == [2, 1]


def test_a_child_is_where_a_fresh_one_would_be(executor, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAID_LATER", "yes")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "written_later.py").write_text("def give(): return 3\n")
    assert executor.submit(whereabouts).result() == [str(tmp_path), "yes", sys.path]
    monkeypatch.setitem(sys.modules, "written_later", None)
    function = lambda: None  # noqa: E731  # stands for a function of a module that this process never imports
    function.__module__, function.__qualname__ = "written_later", "give"
    assert executor.submit(function).result() == 3


def test_children_do_not_share_their_randomness(executor):
    first, second = executor.submit(draws).result(), executor.submit(draws).result()
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_a_training_has_the_bits_of_one_in_a_fresh_process(executor, tmp_path):
    with ProcessExecutor(1, threads=1) as fresh:
        digests = [
            one.submit(train_toy, str(tmp_path / name)).result() for name, one in (("fork", executor), ("new", fresh))
        ]
    assert digests[0] == digests[1]


def test_a_child_that_takes_too_long_is_ended():
    with ProcessExecutor(1, seconds=1, preload=("json",)) as executor:
        with pytest.raises(ChildError, match="limit 1 s") as caught:
            executor.submit(time.sleep, 60).result()
        assert (caught.value.died, caught.value.late) == (False, True)
        assert executor.preload_refused is None


def test_the_time_limit_holds_while_the_nursery_imports(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "takes_long.py").write_text("import time\ntime.sleep(60)\n")
    start = time.monotonic()
    with ProcessExecutor(1, seconds=5, preload=("takes_long",)) as executor:
        with pytest.raises(ChildError, match="limit 5 s"):
            executor.submit(divmod, 7, 3).result()
        for _ in range(2):  # the first may still find the nursery dying; it has its answer from a fresh process then
            assert executor.submit(divmod, 7, 3).result() == [2, 1]
        assert "ended" in executor.preload_refused
    assert time.monotonic() - start < 30


def test_leaving_with_an_error_ends_the_children_and_the_nursery(tmp_path):
    with pytest.raises(RuntimeError, match="stop"), ProcessExecutor(1, preload=("json",)) as executor:  # noqa: PT012
        executor.submit(wait_marked, str(tmp_path / "mark"))
        wait_for((tmp_path / "mark").exists)
        raise RuntimeError("stop")
    child, nursery = map(int, (tmp_path / "mark").read_text().split())
    assert not alive(child)
    assert not alive(nursery)


def test_an_executor_that_is_not_waited_for_finishes_its_calls(tmp_path):
    executor = ProcessExecutor(1, preload=("json",))
    answers = [executor.submit(wait_marked, str(tmp_path / name), 0.2) for name in "ab"]
    executor.shutdown(wait=False)
    assert all(answer.result() for answer in answers)
    nurseries = {int((tmp_path / name).read_text().split()[1]) for name in "ab"}
    assert len(nurseries) == 1
    wait_for(lambda: not alive(*nurseries))


def test_a_nursery_that_is_killed_takes_its_calls_with_it_and_is_replaced(tmp_path):
    with ProcessExecutor(1, preload=("json",)) as executor:
        answer = executor.submit(wait_marked, str(tmp_path / "mark"))
        wait_for((tmp_path / "mark").exists)
        child, nursery = map(int, (tmp_path / "mark").read_text().split())
        assert nursery != os.getpid()
        os.kill(nursery, signal.SIGKILL)
        with pytest.raises(ChildError, match="nursery") as caught:
            answer.result(timeout=30)
        assert (caught.value.died, caught.value.late) == (True, False)
        wait_for(lambda: not alive(child))
        again = executor.submit(noisy).result()
        assert again["parent"] not in (nursery, os.getpid())
        assert executor.preload_refused is None


def test_children_and_nursery_end_with_a_parent_that_is_killed(tmp_path):
    mark = tmp_path / "pids"
    code = (
        "import sys, time\nfrom genrezoo.parallel import ProcessExecutor\n"
        "import callees\nProcessExecutor(1, preload=['json']).submit(callees.wait_marked, sys.argv[1])\ntime.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    parent = subprocess.Popen([sys.executable, "-c", code, str(mark)], env=environment)
    wait_for(mark.exists)
    child, nursery = map(int, mark.read_text().split())
    assert nursery != parent.pid
    parent.kill()
    parent.wait()
    wait_for(lambda: not alive(child) and not alive(nursery))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()", "1 threads"),
        ("raise ImportError('no such thing')", "ImportError: no such thing"),
        ("import os\nos.abort()", "ended"),
    ],
)
def test_where_a_fork_is_not_safe_children_are_fresh(monkeypatch, tmp_path, text, reason):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "spoils.py").write_text(text)
    with ProcessExecutor(1, preload=("spoils",)) as executor:
        assert executor.submit(noisy).result()["parent"] == os.getpid()
        executor.submit(noisy).result()
        assert reason in executor.preload_refused


def test_other_systems_have_fresh_children(monkeypatch):
    monkeypatch.setattr("genrezoo.parallel.processes.sys.platform", "darwin")
    with ProcessExecutor(1, preload=("json",)) as executor:
        assert executor.submit(noisy).result()["parent"] == os.getpid()
        assert "darwin" in executor.preload_refused


def test_many_calls_at_once_leave_no_open_files():
    before = len(os.listdir("/proc/self/fd"))
    with ProcessExecutor(4, preload=("json",)) as executor:
        answers = [executor.submit(divmod, number, 3) for number in range(40)]
        assert [answer.result() for answer in answers] == [list(divmod(number, 3)) for number in range(40)]
        nursery = executor.submit(os.getppid).result()
        assert children(nursery) == []
        assert len(os.listdir(f"/proc/{nursery}/fd")) < 12
    assert len(os.listdir("/proc/self/fd")) == before
    assert threading.active_count() < 20
