import concurrent.futures
import os
import re
import socket
import subprocess
import sys
import time
import warnings

import pytest
from clusters import HERE, start_cluster
from distributed import Client
from functions import alive, children, copy_text, kill_self, noisy, refuse, wait_for, wait_marked

from genrezoo.errors import GenrezooError, ResourceError, SettingsError
from genrezoo.parallel import ChildError, ClusterExecutor


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One scheduler and two workers for all tests that leave them alive."""
    with start_cluster(tmp_path_factory.mktemp("cluster"), 2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def executor(cluster):
    with ClusterExecutor(cluster.address) as executor:
        wait_for(lambda: executor.workers == 2)
        yield executor


def test_each_call_is_made_in_a_process_of_its_own_on_a_worker_and_fails_like_one_here(executor):
    answers = [executor.submit(noisy) for _ in range(4)]
    assert len({answer.result()["pid"] for answer in answers}) == 4
    refused, failed, crashed = executor.submit(refuse), executor.submit(divmod, 1, 0), executor.submit(kill_self)
    with pytest.raises(ChildError, match="^a.npz: bad songs$") as caught:
        refused.result()
    assert (caught.value.user, caught.value.died, caught.value.late) == (True, False, False)
    with pytest.raises(ChildError, match="ZeroDivisionError") as caught:
        failed.result()
    assert (caught.value.user, caught.value.died, caught.value.late) == (False, False, False)
    assert "Traceback" in caught.value.detail
    with pytest.raises(ChildError, match="ended with signal SIGKILL$") as caught:
        crashed.result()
    assert (caught.value.user, caught.value.died, caught.value.late) == (False, True, False)
    assert "last words" in caught.value.detail
    assert executor.submit(divmod, 7, 3).result() == [2, 1]


def test_folders_are_used_where_they_are(executor, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "text").write_text("hello")
    folders = {"reads": {"source": tmp_path / "a"}, "writes": {"target": tmp_path / "b"}}
    assert executor.call(copy_text, {"suffix": "!"}, **folders).result() == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert (tmp_path / "b" / "text").read_text() == "hello!"


@pytest.mark.slow
def test_time_limit_threads_and_preloaded_modules_hold_on_the_workers(cluster):
    with ClusterExecutor(cluster.address, seconds=5, threads=1, preload=("functions",)) as executor:
        with pytest.raises(ChildError, match="limit 5 s") as caught:
            executor.submit(time.sleep, 60).result()
        assert (caught.value.died, caught.value.late) == (False, True)
        assert executor.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
        assert "functions" in executor.submit(eval, "sorted(__import__('sys').modules)").result()


@pytest.mark.slow
def test_leaving_with_an_error_ends_the_processes_on_the_workers(cluster, tmp_path):
    with pytest.raises(RuntimeError, match="stop"), ClusterExecutor(cluster.address) as executor:  # noqa: PT012
        answer = executor.submit(wait_marked, str(tmp_path / "mark"))
        wait_for((tmp_path / "mark").exists)
        raise RuntimeError("stop")
    with pytest.raises(ChildError, match="shut down"):
        answer.result()
    wait_for(lambda: not alive(int((tmp_path / "mark").read_text().split()[0])))


@pytest.mark.slow
def test_processes_on_the_workers_end_with_a_caller_that_is_killed(cluster, tmp_path):
    mark = tmp_path / "mark"
    code = (
        "import sys, time\nfrom genrezoo.parallel import ClusterExecutor\nimport functions\n"
        "executor = ClusterExecutor(sys.argv[2])\nexecutor.submit(functions.wait_marked, sys.argv[1])\ntime.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    caller = subprocess.Popen([sys.executable, "-c", code, str(mark), cluster.address], env=environment)
    wait_for(mark.exists)
    caller.kill()
    caller.wait()
    wait_for(lambda: not alive(int(mark.read_text().split()[0])))


@pytest.mark.slow
def test_a_call_whose_worker_is_killed_is_made_by_another(tmp_path):
    with start_cluster(tmp_path, 2) as cluster, ClusterExecutor(cluster.address) as executor:
        answer = executor.submit(wait_marked, str(tmp_path / "mark"), 3)
        wait_for((tmp_path / "mark").exists)
        process, server = map(int, (tmp_path / "mark").read_text().split())
        (worker,) = (one for one in cluster.workers if server in children(one.pid))
        worker.kill()
        assert answer.result(timeout=60) != process
        wait_for(lambda: not alive(process))
        assert executor.workers == 1


@pytest.mark.slow
@pytest.mark.parametrize(("options", "reason"), [({"HIDDEN": "hidden"}, "does not see"), ({}, "cannot write to")])
def test_a_worker_that_cannot_use_the_folders_is_left_out(tmp_path, options, reason):
    hidden = tmp_path / "hidden"
    (hidden / "a").mkdir(parents=True)
    (hidden / "a" / "text").write_text("hello")
    with start_cluster(tmp_path, 1) as cluster:
        cluster.start_worker(preload=HERE / "blind_worker.py", **{name: str(hidden) for name in options})
        with ClusterExecutor(cluster.address) as executor:
            wait_for(lambda: executor.workers == 2)
            for number in range(6):
                folders = {"reads": {"source": hidden / "a"}, "writes": {"target": hidden / str(number)}}
                executor.call(copy_text, {"suffix": "!"}, **folders).result()
                assert (hidden / str(number) / "text").read_text() == "hello!"
            assert executor.workers == 1
            cluster.workers[0].kill()
            wait_for(lambda: len(executor._client.nthreads()) == 1)
            with pytest.raises(ResourceError, match=f"no worker of the cluster can run calls.*{reason}.*hidden"):
                executor.call(copy_text, {"suffix": "!"}, **folders).result()
    assert [path.name for path in hidden.glob(".*")] == []  # the marks are gone


@pytest.mark.slow
@pytest.mark.parametrize("end", ["scheduler", "worker"])
def test_a_worker_that_has_lost_its_scheduler_or_is_stopped_ends_its_process(tmp_path, end):
    with start_cluster(tmp_path, 1) as cluster, ClusterExecutor(cluster.address) as executor:
        executor.submit(wait_marked, str(tmp_path / "mark"))
        wait_for((tmp_path / "mark").exists)
        process, _ = map(int, (tmp_path / "mark").read_text().split())
        if end == "scheduler":
            cluster.scheduler.kill()
        else:
            cluster.workers[0].terminate()
        wait_for(lambda: not alive(process), seconds=30)  # it would have waited for a minute
        cluster.scheduler.kill()  # or the executor would wait for another worker


@pytest.mark.slow
def test_the_end_of_everything_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("genrezoo.parallel.cluster.CONNECT_SECONDS", 5)
    variables = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with start_cluster(tmp_path, 1, **variables) as cluster, ClusterExecutor(cluster.address) as executor:
        answer = executor.submit(wait_marked, str(tmp_path / "mark"))
        wait_for((tmp_path / "mark").exists)
        cluster.workers[0].kill()
        with pytest.raises(ChildError, match="workers of the call died") as caught:
            answer.result(timeout=60)
        assert caught.value.died
        wait_for(lambda: executor.workers == 1 and not executor._client.nthreads())  # never none: some may come
        cluster.start_worker(preload=HERE / "old_worker.py")
        with pytest.raises(SettingsError, match="genrezoo 0.0.1 instead of "):
            executor.submit(divmod, 7, 3).result(timeout=60)
        answer = executor.submit(divmod, 7, 3)
        cluster.scheduler.kill()
        with pytest.raises(GenrezooError):
            answer.result(timeout=60)
        with pytest.raises(GenrezooError, match="connection to the scheduler at .* was lost"):
            executor.submit(divmod, 7, 3).result(timeout=60)


@pytest.mark.slow
def test_a_task_that_was_submitted_as_the_connection_ended_is_not_waited_for_forever(tmp_path, monkeypatch):
    """The client cancels the tasks that it knows when it loses the scheduler, and then forgets them."""
    monkeypatch.setattr("genrezoo.parallel.cluster.CONNECT_SECONDS", 5)
    with start_cluster(tmp_path, 1) as cluster, ClusterExecutor(cluster.address) as executor:
        monkeypatch.setattr("genrezoo.parallel.cluster.WORKER_SECONDS", 1)
        asked = executor._client.submit(time.sleep, 600)
        executor._client.futures.clear()
        cluster.scheduler.kill()
        with pytest.raises(concurrent.futures.CancelledError):
            executor._wait(asked)


@pytest.mark.slow
def test_a_call_without_workers_waits_for_one_and_says_so(tmp_path, monkeypatch):
    with start_cluster(tmp_path, 1) as cluster, ClusterExecutor(cluster.address) as executor:
        cluster.workers[0].kill()
        wait_for(lambda: not executor._client.nthreads())
        monkeypatch.setattr("genrezoo.parallel.cluster.WORKER_SECONDS", 0.2)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            answer = executor.submit(divmod, 7, 3)
            wait_for(lambda: told)
            cluster.start_worker()
            assert answer.result(timeout=60) == [2, 1]
    assert re.search("has no workers. Start some: dask worker tcp://", str(told[0].message))


def test_without_dask_or_a_scheduler_the_remedy_is_told(monkeypatch):
    with pytest.raises(SettingsError, match="at least 1"):
        ClusterExecutor("tcp://127.0.0.1:1", threads=0)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        with pytest.raises(SettingsError, match=r"pip install 'genrezoo\[cluster\]'"):
            ClusterExecutor("tcp://127.0.0.1:1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr("genrezoo.parallel.cluster.CONNECT_SECONDS", 0.5)
    for address in (nobody, "no such thing"):
        with pytest.raises(SettingsError, match="no Dask scheduler answers at .*dask scheduler"):
            ClusterExecutor(address)


@pytest.mark.slow
def test_workers_without_this_version_are_refused(tmp_path, monkeypatch):
    with start_cluster(tmp_path, 0) as bare:
        with monkeypatch.context() as patch:
            patch.setattr("genrezoo.parallel.cluster.WORKER_SECONDS", 0.2)
            with pytest.raises(SettingsError, match="has no workers.*dask worker tcp"):
                ClusterExecutor(bare.address)
        worker = bare.start_worker(preload=HERE / "old_worker.py")
        with pytest.raises(SettingsError, match="tcp://.* has other versions: genrezoo 0.0.1 instead of "):
            ClusterExecutor(bare.address)
        worker.kill()
        with Client(bare.address, set_as_default=False) as client:
            wait_for(lambda: not client.nthreads())
        bare.start_worker(preload=HERE / "bare_worker.py")
        with pytest.raises(SettingsError, match=r"tcp://.* lacks this package: install 'genrezoo\[cluster\]'"):
            ClusterExecutor(bare.address)


@pytest.mark.slow
def test_another_backend_is_refused(tmp_path):
    with (
        start_cluster(tmp_path, 1, KERAS_BACKEND="jax") as cluster,
        pytest.raises(SettingsError, match="the scheduler has other versions: .*keras backend jax instead of tensorf"),
    ):
        ClusterExecutor(cluster.address)
