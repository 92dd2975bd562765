import os
import re
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from callees import (
    alive,
    copy_text,
    die,
    leave_half,
    noisy,
    refuse,
    refuse_in,
    stumble,
    use_up,
    wait_for,
    wait_marked,
)
from clusters import HERE, start_cluster
from distributed import Client

from genrezoo.errors import GenrezooError, ResourceError, SettingsError
from genrezoo.parallel import ChildError, ClusterExecutor


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One whose two workers see what this process sees."""
    with start_cluster(tmp_path_factory.mktemp("cluster"), 2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def executor(cluster):
    with ClusterExecutor(cluster.address) as executor:
        wait_for(lambda: executor.workers == 2)
        yield executor


@pytest.fixture(scope="module")
def hidden(tmp_path_factory):
    return tmp_path_factory.mktemp("hidden")


@pytest.fixture(scope="module")
def blind(tmp_path_factory, hidden):
    """An executor whose two workers see nothing of a folder, nor of each other's."""
    folder = tmp_path_factory.mktemp("blind")
    options = {"preload": HERE / "blind_worker.py", "HIDDEN": str(hidden)}
    with start_cluster(folder, 2, **options) as cluster, ClusterExecutor(cluster.address) as executor:
        wait_for(lambda: executor.workers == 2)
        yield executor


def caches(executor):
    """The caches of the workers."""
    return [Path(cache) for cache in executor._client.run(os.getenv, "GENREZOO_CACHE").values()]


def test_each_call_is_made_by_a_child_of_a_worker(cluster, executor):
    answers = [executor.submit(noisy) for _ in range(4)]
    pids = {answer.result()["pid"] for answer in answers}
    assert len(pids) == 4
    assert {answer.result()["parent"] for answer in answers} <= {worker.pid for worker in cluster.workers}


def test_failures_are_those_of_children_on_this_machine(executor):
    refused, failed, dead = executor.submit(refuse), executor.submit(divmod, 1, 0), executor.submit(die)
    with pytest.raises(ChildError, match="^a.npz: bad songs$") as caught:
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
    assert executor.submit(divmod, 7, 3).result() == [2, 1]


def test_time_limit_threads_and_preloaded_modules_hold_on_the_workers(cluster):
    with ClusterExecutor(cluster.address, seconds=5, threads=1, preload=("callees",)) as executor:
        with pytest.raises(ChildError, match="limit 5 s") as caught:
            executor.submit(time.sleep, 60).result()
        assert (caught.value.died, caught.value.late) == (False, True)
        assert executor.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
        nursery = executor.submit(noisy).result()["parent"]
        assert nursery not in {worker.pid for worker in cluster.workers}


def test_folders_that_a_worker_sees_are_used_where_they_are(executor, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "text").write_text("hello")
    folders = {"reads": {"source": tmp_path / "a"}, "writes": {"target": tmp_path / "b"}}
    assert executor.call(copy_text, {"suffix": "!"}, **folders).result() == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert (tmp_path / "b" / "text").read_text() == "hello!"
    with pytest.raises(TypeError, match="'target'"):
        executor.call(copy_text, {"suffix": "!", "target": 3}, **folders)


def test_folders_that_no_worker_sees_are_sent_once_and_come_back(blind, hidden):
    source, target = hidden / "source", hidden / "target"
    source.mkdir()
    (source / "text").write_text("hello")
    folders = {"reads": {"source": source}, "writes": {"target": target}}
    for number in range(1, 5):
        places = blind.call(copy_text, {"suffix": "!"}, **folders).result()
        assert not any(place.startswith(str(hidden)) for place in places)
        assert (target / "text").read_text() == "hello!" * number  # each goes on with what the last brought
    sent = [place for _, place in blind._sent if place.startswith("folders/")]
    assert 1 <= len(sent) <= 2  # to each worker at most once
    assert len(set(sent)) == 1
    assert [list(cache.glob("cluster/work/*/*/*")) for cache in caches(blind)] == [[], []]  # dropped when it had come
    (source / "text").write_text("other")
    blind.call(copy_text, {"suffix": "!"}, **folders).result()
    assert (target / "text").read_text() == "hello!" * 4 + "other!"


def test_large_files_removed_files_and_folders_below_come_back_too(blind, hidden):
    folder, inner = hidden / "large", hidden / "inner"
    folder.mkdir()
    (folder / "old").write_bytes(b"0" * 17_000_000)
    (folder / "kept").write_text("")
    (folder / ".lock").write_text("")
    before = blind.call(use_up, {}, writes={"folder": folder, "inner": inner}).result()
    assert before == ["kept", "old"]
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "first", "kept"]
    assert (folder / "first").read_bytes() == b"1" * 9_000_000
    assert (inner / "run" / "card").read_text() == "a card"


def test_a_damaged_folder_is_sent_again(blind, hidden):
    source = hidden / "to_be_damaged"
    source.mkdir()
    (source / "text").write_text("right")
    folders = {"reads": {"source": source}, "writes": {"target": hidden / "from_damaged"}}
    blind.call(copy_text, {"suffix": "."}, **folders).result()
    damaged = [
        path for cache in caches(blind) for path in cache.glob("cluster/folders/*/text") if path.read_text() == "right"
    ]
    assert damaged
    for path in damaged:
        path.write_text("wrong")
    blind.call(copy_text, {"suffix": "."}, **folders).result()
    assert (hidden / "from_damaged" / "text").read_text() == "right.right."


def test_a_call_that_died_goes_on_with_what_it_had_half_done(blind, hidden):
    folder, deaths = hidden / "stumbled", 0
    while deaths < 3:  # two workers that see nothing of each other: the third time, one of them meets its own half
        try:
            assert blind.call(stumble, {}, writes={"folder": folder}).result()
            break
        except ChildError as error:
            assert error.died  # noqa: PT017  # each death is looked at, however many there are
            deaths += 1
            assert list(folder.iterdir()) == []
    assert 1 <= deaths <= 2
    assert (folder / "whole").read_text() == "half and whole"


def test_what_a_refused_call_left_is_dropped(blind, hidden):
    with pytest.raises(ChildError, match="spoilt") as caught:
        blind.call(refuse_in, {}, writes={"folder": hidden / "refused"}).result()
    assert caught.value.user
    assert [list(cache.glob("cluster/work/*/now/folder/spoilt")) for cache in caches(blind)] == [[], []]


def test_a_call_whose_worker_is_killed_is_made_by_another(tmp_path):
    with start_cluster(tmp_path, 2) as cluster, ClusterExecutor(cluster.address) as executor:
        answer = executor.submit(wait_marked, str(tmp_path / "mark"), 3)
        wait_for((tmp_path / "mark").exists)
        child, worker = map(int, (tmp_path / "mark").read_text().split())
        assert worker in {process.pid for process in cluster.workers}
        os.kill(worker, signal.SIGKILL)
        assert answer.result(timeout=60) != child
        wait_for(lambda: not alive(child))
        assert executor.workers == 1


def test_a_call_finds_nothing_of_another_call_at_the_same_place(blind, hidden):
    folder = hidden / "taken_twice"
    for _ in range(2):  # so that both workers have been there
        with pytest.raises(ChildError):
            blind.call(leave_half, {"text": "first"}, writes={"folder": folder}, key="one").result()
    for _ in range(2):
        assert blind.call(leave_half, {"text": "second"}, writes={"folder": folder}, key="two").result() in (
            [],
            ["second"],
        )


def test_a_worker_that_cannot_keep_files_is_left_out(tmp_path, hidden):
    options = {"preload": HERE / "blind_worker.py", "HIDDEN": str(hidden)}
    with start_cluster(tmp_path, 1, **options) as cluster:
        cluster.start_worker(GENREZOO_CACHE="/dev/null/cache")
        with ClusterExecutor(cluster.address) as executor:
            wait_for(lambda: executor.workers == 2)
            writes = [{"folder": hidden / f"left_out_{number}"} for number in range(6)]
            answers = [executor.call(leave_half, {"text": "x"}, writes=each) for each in writes]
            assert [answer.result() for answer in answers] == [[]] * 6
            assert executor.workers == 1
            cluster.workers[0].kill()
            wait_for(lambda: len(executor._client.nthreads()) == 1)
            with pytest.raises(ResourceError, match="no worker of the cluster can make calls.*/dev/null"):
                executor.call(leave_half, {"text": "x"}, writes={"folder": hidden / "left_out"}).result()


def test_another_backend_is_refused(tmp_path):
    with (
        start_cluster(tmp_path, 1, KERAS_BACKEND="jax") as cluster,
        pytest.raises(SettingsError, match="the scheduler has other versions: .*keras backend jax instead of tensorf"),
    ):
        ClusterExecutor(cluster.address)


@pytest.mark.parametrize("end", ["scheduler", "worker"])
def test_a_worker_that_has_lost_its_scheduler_or_is_stopped_ends_its_child(tmp_path, end):
    with start_cluster(tmp_path, 1) as cluster, ClusterExecutor(cluster.address) as executor:
        executor.submit(wait_marked, str(tmp_path / "mark"))
        wait_for((tmp_path / "mark").exists)
        child, _ = map(int, (tmp_path / "mark").read_text().split())
        if end == "scheduler":
            cluster.scheduler.kill()
        else:
            cluster.workers[0].terminate()
        wait_for(lambda: not alive(child), seconds=30)  # it would have waited for a minute
        cluster.scheduler.kill()  # or the executor would wait for another worker


def test_the_end_of_everything_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("genrezoo.parallel.cluster.CONNECT_SECONDS", 5)
    variables = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with start_cluster(tmp_path, 1, **variables) as cluster, ClusterExecutor(cluster.address) as executor:
        answer = executor.submit(wait_marked, str(tmp_path / "mark"))
        wait_for((tmp_path / "mark").exists)
        cluster.workers[0].kill()
        with pytest.raises(ChildError, match="workers that made the call died") as caught:
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


def test_leaving_with_an_error_ends_the_children_on_the_workers(cluster, tmp_path):
    with pytest.raises(RuntimeError, match="stop"), ClusterExecutor(cluster.address) as executor:  # noqa: PT012
        answer = executor.submit(wait_marked, str(tmp_path / "mark"))
        wait_for((tmp_path / "mark").exists)
        raise RuntimeError("stop")
    with pytest.raises(ChildError, match="shut down"):
        answer.result()
    wait_for(lambda: not alive(int((tmp_path / "mark").read_text().split()[0])))


def test_children_on_the_workers_end_with_a_caller_that_is_killed(cluster, tmp_path):
    mark = tmp_path / "mark"
    code = (
        "import sys, time\nfrom genrezoo.parallel import ClusterExecutor\nimport callees\n"
        "executor = ClusterExecutor(sys.argv[2])\nexecutor.submit(callees.wait_marked, sys.argv[1])\ntime.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    caller = subprocess.Popen([sys.executable, "-c", code, str(mark), cluster.address], env=environment)
    wait_for(mark.exists)
    caller.kill()
    caller.wait()
    wait_for(lambda: not alive(int(mark.read_text().split()[0])))


def test_what_cannot_make_calls_is_refused(cluster, tmp_path, monkeypatch):
    with pytest.raises(SettingsError, match="at least 1"):
        ClusterExecutor(cluster.address, threads=0)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        with pytest.raises(SettingsError, match=r"pip install 'genrezoo\[cluster\]'"):
            ClusterExecutor(cluster.address)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr("genrezoo.parallel.cluster.CONNECT_SECONDS", 1)
    for address in (nobody, "no such thing"):
        with pytest.raises(SettingsError, match="no Dask scheduler answers at .*dask scheduler"):
            ClusterExecutor(address)
    monkeypatch.setattr("genrezoo.parallel.cluster.CONNECT_SECONDS", 10)
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
