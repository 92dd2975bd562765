import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from callees import alive, copy_text, die, fail_with, interrupt, leave, noisy, refuse, wait_for, wait_marked

from genrezoo.errors import SettingsError
from genrezoo.parallel import ChildError, ProcessExecutor
from genrezoo.parallel.processes import _exit


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
        refused, failed, dead, left, fine = (
            executor.submit(refuse),
            executor.submit(divmod, 1, 0),
            executor.submit(die),
            executor.submit(leave, 3),
            executor.submit(divmod, 7, 3),
        )
        with pytest.raises(ChildError, match="a.npz: bad songs") as caught:
            refused.result()
        assert (caught.value.user, caught.value.died, caught.value.late) == (True, False, False)
        with pytest.raises(ChildError, match="ZeroDivisionError") as caught:
            failed.result()
        assert (caught.value.user, caught.value.died, caught.value.late) == (False, False, False)
        assert "Traceback" in caught.value.detail
        with pytest.raises(ChildError, match="ended with signal SIGKILL$") as caught:
            dead.result()
        assert (caught.value.user, caught.value.died, caught.value.late) == (False, True, False)
        assert "last words" in caught.value.detail
        with pytest.raises(ChildError, match="ended with exit code 3") as caught:
            left.result()
        assert caught.value.died
        assert fine.result() == [2, 1]


def test_a_child_that_takes_too_long_is_ended():
    start = time.monotonic()
    with ProcessExecutor(1, seconds=1) as executor, pytest.raises(ChildError, match="limit 1 s") as caught:
        executor.submit(time.sleep, 60).result()
    assert (caught.value.died, caught.value.late) == (False, True)
    assert time.monotonic() - start < 30


def test_a_child_that_is_killed_before_its_time_is_up_was_not_late():
    with ProcessExecutor(1, seconds=60) as executor, pytest.raises(ChildError, match="SIGKILL$") as caught:
        executor.submit(die).result()
    assert (caught.value.died, caught.value.late) == (True, False)


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
    monkeypatch.setattr("genrezoo.parallel.processes.CHILD", "import os; os.abort()")
    monkeypatch.setattr("genrezoo.parallel.processes.subprocess.Popen", start_and_wait)
    with ProcessExecutor(1) as executor, pytest.raises(ChildError, match="ended with signal SIGABRT"):
        executor.submit(len, "call").result()


def test_children_end_with_a_parent_that_is_killed(tmp_path):
    mark = tmp_path / "pid"
    code = (
        "import sys, time\nfrom genrezoo.parallel import ProcessExecutor\n"
        "import callees\nProcessExecutor(1).submit(callees.wait_marked, sys.argv[1])\ntime.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    parent = subprocess.Popen([sys.executable, "-c", code, str(mark)], env=environment)
    wait_for(mark.exists)
    child = int(mark.read_text().split()[0])
    parent.kill()
    parent.wait()
    wait_for(lambda: not alive(child))


def test_a_call_gets_its_folders_as_paths_and_those_it_writes_are_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "text").write_text("hello")
    with ProcessExecutor(1) as executor:
        folders = {"reads": {"source": "a"}, "writes": {"target": tmp_path / "b" / "c"}}
        source, target = executor.call(copy_text, {"suffix": "!"}, **folders).result()
    assert (source, target) == (str(tmp_path / "a"), str(tmp_path / "b" / "c"))
    assert (tmp_path / "b" / "c" / "text").read_text() == "hello!"


def test_one_call_can_be_stopped_before_and_after_it_began(tmp_path):
    with ProcessExecutor(1) as executor:
        from genrezoo.parallel.processes import Call, call_text

        first, second = (
            Call(call_text(wait_marked, (str(tmp_path / name),), {}), sys.path.copy(), None) for name in ("1", "2")
        )
        answers = [executor.begin(first), executor.begin(second)]
        wait_for((tmp_path / "1").exists)
        executor.stop(second)
        executor.stop(first)
        for answer in answers:
            with pytest.raises(ChildError):
                answer.result(timeout=30)
    assert not (tmp_path / "2").exists()


@pytest.mark.parametrize(("workers", "threads"), [(0, None), (1, 0)])
def test_no_workers_or_threads_are_refused(workers, threads):
    with pytest.raises(SettingsError, match="at least 1"):
        ProcessExecutor(workers, threads=threads)


def test_a_child_loads_nothing_that_its_call_does_not_need():
    with ProcessExecutor(1) as executor:
        modules = executor.submit(eval, "list(__import__('sys').modules)").result()
    assert {"genrezoo.parallel.child"} <= set(modules)
    assert not {"numpy", "distributed", "keras"} & set(modules)


@pytest.mark.parametrize("preload", [(), ("json",)])
def test_files_of_the_working_folder_hide_no_module(tmp_path, monkeypatch, preload):
    for name in ("select", "queue", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    with ProcessExecutor(1, preload=preload) as executor:
        assert executor.submit(divmod, 7, 3).result() == [2, 1]
        assert executor.preload_refused is None


@pytest.mark.parametrize("preload", [(), ("json",)])
def test_who_ignores_interrupts_has_children_that_do(preload):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ProcessExecutor(1, preload=preload) as executor:
            assert executor.submit(interrupt).result() == "went on"
    finally:
        signal.signal(signal.SIGINT, before)


def test_death_by_a_signal_without_a_name_is_told():
    assert _exit(-40) == "signal 40"
    assert _exit(-signal.SIGKILL) == "signal SIGKILL"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_is_no_fault_of_the_call(number):
    with ProcessExecutor(1) as executor, pytest.raises(ChildError) as caught:
        executor.submit(fail_with, number).result()
    assert caught.value.scarce
    assert not caught.value.died
