import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from functions import (
    alive,
    asleep,
    children,
    copy_text,
    draws,
    fail_with,
    half_an_answer,
    interrupt,
    kill_self,
    leave,
    noisy,
    refuse,
    train_toy,
    wait_for,
    wait_marked,
    whereabouts,
)

from genrezoo.errors import SettingsError
from genrezoo.parallel import ChildError, ProcessExecutor
from genrezoo.parallel.forkserver import call_order
from genrezoo.parallel.processes import _exit


@pytest.fixture(scope="module")
def executor():
    """Two processes at a time, which need not import the functions."""
    with ProcessExecutor(2, threads=1, preload=("functions",)) as executor:
        yield executor


@pytest.fixture(scope="module")
def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.fixture
def spawning(monkeypatch, tmp_path):
    """An executor whose preloaded module starts a thread, so that its workers cannot be forked."""
    monkeypatch.syspath_prepend(tmp_path)
    code = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    (tmp_path / "starts_a_thread.py").write_text(code)
    with ProcessExecutor(1, preload=("starts_a_thread",)) as executor:
        yield executor


def test_each_call_has_a_process_of_one_fork_server_which_leaves_no_zombies(executor):
    answers = [executor.submit(noisy).result() for _ in range(4)]
    (server,) = {answer["parent"] for answer in answers}
    assert len({answer["pid"] for answer in answers}) == 4
    assert server != os.getpid()
    assert children(server) == []


def test_threads_are_set_for_the_numerical_libraries(executor):
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    assert [executor.submit(os.getenv, name).result() for name in names] == ["1", "1", "1"]


def test_preloaded_modules_are_there_and_nothing_that_a_call_does_not_need(executor):
    assert "functions" in executor.submit(eval, "sorted(__import__('sys').modules)").result()
    with ProcessExecutor(1) as bare:
        modules = bare.submit(eval, "sorted(__import__('sys').modules)").result()
    assert not {"functions", "numpy", "distributed", "keras"} & set(modules)


def test_a_module_whose_allocator_would_start_a_thread_is_forked_with(tmp_path):
    with ProcessExecutor(1, threads=1, preload=("pyarrow",)) as executor:
        assert "pyarrow" in executor.submit(eval, "sorted(__import__('sys').modules)").result()


@pytest.mark.parametrize("kind", ["executor", "spawning"])
def test_failures_tell_users_mistakes_from_defects_and_stop_nothing_else(request, kind):
    executor = request.getfixturevalue(kind)
    refused, failed, crashed, left, fine = (
        executor.submit(refuse),
        executor.submit(divmod, 1, 0),
        executor.submit(kill_self, int(signal.SIGSEGV)),
        executor.submit(leave, 3),
        executor.submit(divmod, 7, 3),
    )
    with pytest.raises(ChildError, match="^a.npz: bad songs$") as caught:
        refused.result()
    assert (caught.value.user, caught.value.died, caught.value.late) == (True, False, False)
    with pytest.raises(ChildError, match="ZeroDivisionError") as caught:
        failed.result()
    assert (caught.value.user, caught.value.died, caught.value.late) == (False, False, False)
    assert "Traceback" in caught.value.detail
    with pytest.raises(ChildError, match="worker process ended with signal SIGSEGV$") as caught:
        crashed.result()
    assert (caught.value.user, caught.value.died, caught.value.late) == (False, True, False)
    assert "last words" in caught.value.detail
    with pytest.raises(ChildError, match="ended with exit code 3") as caught:
        left.result()
    assert caught.value.died
    assert fine.result() == [2, 1]


def test_where_the_imports_start_threads_processes_are_spawned(spawning):
    assert spawning.submit(eval, "__import__('multiprocessing').get_start_method()").result() == "spawn"


@pytest.mark.parametrize("preload", [(), ("starts_a_thread",)])
def test_scripts_need_no_main_guard(monkeypatch, tmp_path, environment, preload):
    code = (
        f"import sys; sys.path.append({str(tmp_path)!r})\nfrom genrezoo.parallel import ProcessExecutor\n"
        f"with ProcessExecutor(1, preload={preload!r}) as executor:\n"
        "    print(executor.submit(divmod, 7, 3).result())\n"
    )
    (tmp_path / "starts_a_thread.py").write_text("import threading, time\nthreading.Timer(60, print).start()")
    (tmp_path / "script.py").write_text(code)
    for arguments, given in (([tmp_path / "script.py"], None), (["-c", code], None), (["-"], code)):
        options = {"input": given, "text": True, "capture_output": True, "env": environment, "timeout": 60}
        done = subprocess.run([sys.executable, *arguments], check=False, **options)
        assert (done.stdout, done.stderr) == ("[2, 1]\n", "")


def test_a_process_is_where_a_new_one_would_be(executor, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAID_LATER", "yes")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "written_later.py").write_text("def three(): return 3\n")
    assert executor.submit(whereabouts).result() == [str(tmp_path), "yes", sys.path]
    order = {"module": "written_later", "name": "three", "args": [], "kwargs": {}}
    assert executor.begin(order, None).result() == 3


@pytest.mark.parametrize("preload", [(), ("json",)])
def test_files_of_the_working_folder_shadow_no_module(tmp_path, monkeypatch, preload):
    for name in ("select", "queue", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    with ProcessExecutor(1, preload=preload) as executor:
        assert executor.submit(divmod, 7, 3).result() == [2, 1]


def test_what_is_preloaded_may_be_missing(executor):
    with ProcessExecutor(1, preload=("no_such_module",)) as executor:
        assert executor.submit(divmod, 7, 3).result() == [2, 1]


def test_processes_do_not_share_their_random_numbers(executor):
    first, second = executor.submit(draws).result(), executor.submit(draws).result()
    assert all(one != other for one, other in zip(first, second, strict=True))


@pytest.mark.slow
def test_a_training_in_a_forked_process_is_bit_identical(tmp_path):
    digests = []
    for name, preload in (("forked", ("keras", "tensorflow", "functions")), ("new", ())):
        with ProcessExecutor(1, threads=1, preload=preload) as executor:
            assert executor.submit(eval, "__import__('multiprocessing').get_start_method()").result() == "fork"
            digests.append(executor.submit(train_toy, str(tmp_path / name)).result())
    assert digests[0] == digests[1]


def test_a_process_that_takes_too_long_is_ended():
    start = time.monotonic()
    with ProcessExecutor(1, seconds=0.5) as executor:
        with pytest.raises(ChildError, match=r"limit 0.5 s") as caught:
            executor.submit(time.sleep, 60).result()
        assert (caught.value.died, caught.value.late) == (False, True)
        assert executor.submit(divmod, 7, 3).result() == [2, 1]
    with ProcessExecutor(1, seconds=60) as executor, pytest.raises(ChildError, match="SIGKILL$") as caught:
        executor.submit(kill_self).result()
    assert (caught.value.died, caught.value.late) == (True, False)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("module", ["json", "takes_long"])
def test_leaving_with_an_error_ends_the_processes_at_once(monkeypatch, tmp_path, module):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "takes_long.py").write_text("import time\ntime.sleep(60)\n")
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="stop"), ProcessExecutor(1, preload=(module,)) as executor:  # noqa: PT012
        answers = [executor.submit(time.sleep, 60) for _ in range(2)]
        raise RuntimeError("stop")
    for answer in answers:
        with pytest.raises(ChildError, match="shut down"):
            answer.result()
    assert time.monotonic() - start < 30
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(divmod, 7, 3)


def test_an_executor_that_nobody_waits_for_finishes_its_calls(tmp_path):
    executor = ProcessExecutor(1)
    answers = [executor.submit(wait_marked, str(tmp_path / name), 0.1) for name in "ab"]
    executor.shutdown(wait=False)
    assert all(answer.result() for answer in answers)
    servers = {int((tmp_path / name).read_text().split()[1]) for name in "ab"}
    assert len(servers) == 1
    wait_for(lambda: not alive(*servers))


def test_a_fork_server_that_is_killed_takes_its_processes_with_it_and_is_replaced(tmp_path):
    with ProcessExecutor(2) as executor:
        answers = [executor.submit(wait_marked, str(tmp_path / name)) for name in "ab"]
        wait_for(lambda: (tmp_path / "a").exists() and (tmp_path / "b").exists())
        (first, server), (second, _) = (map(int, (tmp_path / name).read_text().split()) for name in "ab")
        os.kill(server, signal.SIGKILL)
        for answer in answers:
            with pytest.raises(ChildError, match="fork server ended with signal SIGKILL") as caught:
                answer.result(timeout=30)
            assert (caught.value.died, caught.value.late) == (True, False)
        wait_for(lambda: not alive(first))  # or the same call could run twice at a time
        wait_for(lambda: not alive(second))
        assert executor.submit(noisy).result()["parent"] not in (server, os.getpid())


def test_a_fork_server_that_crashes_tells_what_it_printed(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "crashes.py").write_text("import os\nprint('here', flush=True)\nos.abort()")
    with (
        ProcessExecutor(1, preload=("crashes",)) as executor,
        pytest.raises(ChildError, match="fork server ended with signal SIGABRT") as caught,
    ):
        executor.submit(divmod, 7, 3).result()
    assert "here" in caught.value.detail


def test_all_processes_end_with_a_parent_that_is_killed(tmp_path, environment):
    mark = tmp_path / "pids"
    code = (
        "import sys, time\nfrom genrezoo.parallel import ProcessExecutor\n"
        "import functions\nexecutor = ProcessExecutor(1)\nexecutor.submit(functions.wait_marked, sys.argv[1])\n"
        "time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(mark)], env=environment)
    wait_for(mark.exists)
    worker, server = map(int, mark.read_text().split())
    parent.kill()
    parent.wait()
    wait_for(lambda: not alive(worker) and not alive(server))


def test_an_interrupt_at_the_terminal_ends_a_script_and_its_processes(tmp_path, environment):
    mark = tmp_path / "pids"
    code = (
        "import signal, sys\nfrom genrezoo.parallel import ProcessExecutor\nimport functions\n"
        # as at a terminal: where the tests run in a shell's background, interrupts are ignored
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with ProcessExecutor(1) as executor:\n    executor.submit(functions.wait_marked, sys.argv[1]).result()"
    )
    options = {"env": environment, "start_new_session": True, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, str(mark)], **options) as parent:
        try:
            wait_for(lambda: mark.exists() and asleep(parent.pid))  # on a busy machine the worker may be faster
            os.killpg(parent.pid, signal.SIGINT)  # as a terminal does it: to all of them
            _, told = parent.communicate(timeout=50)  # the call itself would take 60
        finally:
            parent.kill()
    assert told.count("Traceback") == 1
    assert "KeyboardInterrupt" in told
    wait_for(lambda: not any(map(alive, map(int, mark.read_text().split()))))


def test_an_interrupt_reaches_no_worker_process(executor):
    assert executor.submit(interrupt).result() == "went on"


def test_a_call_gets_its_folders_as_paths_and_those_it_writes_are_made(executor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "text").write_text("hello")
    folders = {"reads": {"source": "a"}, "writes": {"target": tmp_path / "b" / "c"}}
    source, target = executor.call(copy_text, {"suffix": "!"}, **folders).result()
    assert (source, target) == (str(tmp_path / "a"), str(tmp_path / "b" / "c"))
    assert (tmp_path / "b" / "c" / "text").read_text() == "hello!"


def test_one_call_can_be_stopped_before_and_after_it_began(tmp_path):
    with ProcessExecutor(1) as executor:
        answers = [executor.begin(call_order(wait_marked, [str(tmp_path / name)], {}), None) for name in "12"]
        wait_for((tmp_path / "1").exists)
        for answer in reversed(answers):
            executor.stop(answer)
        for answer in answers:
            with pytest.raises(ChildError):
                answer.result(timeout=30)
    assert not (tmp_path / "2").exists()


@pytest.mark.parametrize(("workers", "threads"), [(0, None), (1, 0)])
def test_no_workers_or_threads_are_refused(workers, threads):
    with pytest.raises(SettingsError, match="at least 1"):
        ProcessExecutor(workers, threads=threads)


def test_a_process_that_is_killed_in_the_middle_of_its_answer_ends_alone(executor):
    with pytest.raises(ChildError, match="ended with signal SIGKILL"):
        executor.submit(half_an_answer).result()
    assert executor.submit(divmod, 7, 3).result() == [2, 1]


def test_an_exit_by_a_signal_without_a_name_is_told():
    assert _exit(-40) == "signal 40"
    assert _exit(-signal.SIGKILL) == "signal SIGKILL"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_is_no_fault_of_the_call(executor, number):
    with pytest.raises(ChildError) as caught:
        executor.submit(fail_with, number).result()
    assert caught.value.scarce
    assert not caught.value.died


def test_many_calls_with_large_answers_and_outputs_leave_no_open_files():
    before = len(os.listdir("/proc/self/fd"))
    with ProcessExecutor(4) as executor:
        answers = [
            executor.submit(eval, f"print('p' * 200_000) or 'x' * {number}") for number in range(300_000, 300_030)
        ]
        assert [len(answer.result()) for answer in answers] == list(range(300_000, 300_030))
        server = executor.submit(os.getppid).result()
        assert children(server) == []
        assert len(os.listdir(f"/proc/{server}/fd")) < 12
    assert len(os.listdir("/proc/self/fd")) == before
    assert threading.active_count() < 20
