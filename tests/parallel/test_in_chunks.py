"""Tasks in chunks: all are done, the one that kills its worker is found, and a user's fault ends the work."""

import functions
import pytest

from genrezoo.errors import ResourceError, SettingsError
from genrezoo.parallel import ChildError, ProcessExecutor, in_chunks
from genrezoo.parallel.chunks import AHEAD


def test_a_task_that_kills_is_found_and_stops_no_other():
    with ProcessExecutor(2, threads=1) as executor:
        found = list(in_chunks(executor, functions.doubled, [[1, 2, 9, 3, 4], [5]], 8, look=0.01))
    ended = [(list(chunk), answer) for chunk, answer in found if answer is not None]
    failed = [(chunk, answer) for chunk, answer in ended if isinstance(answer, ChildError)]
    assert [(chunk, answer.died) for chunk, answer in failed] == [([9], True)]
    pairs = [
        pair for chunk, answer in ended if (chunk, answer) not in failed for pair in zip(chunk, answer, strict=True)
    ]
    assert sorted(pairs) == [(number, 2 * number) for number in (1, 2, 3, 4, 5)]


def test_an_error_of_the_user_ends_the_work():
    with ProcessExecutor(1, threads=1) as executor, pytest.raises(SettingsError, match="a negative number"):
        list(in_chunks(executor, functions.doubled, [[1, -1], [2]], 8))


def test_chunks_are_taken_as_they_are_needed():
    taken = []

    def chunks():
        for number in range(20):
            taken.append(number)
            yield [number]

    with ProcessExecutor(1, threads=1) as executor:
        found = in_chunks(executor, functions.doubled, chunks(), 99)
        assert next(found) == ([0], [0])
        assert len(taken) == AHEAD
        assert [chunk for chunk, _ in found] == [[number] for number in range(1, 20)]


def test_a_process_that_something_else_has_killed_makes_its_task_again(tmp_path):
    with ProcessExecutor(1, threads=1) as executor:
        found = in_chunks(executor, functions.dies_once, [[str(tmp_path / "mark")]])
        assert list(found) == [([str(tmp_path / "mark")], "lived")]


def test_what_is_missing_for_now_ends_the_work_and_rejects_no_task():
    with ProcessExecutor(1, threads=1) as executor, pytest.raises(ResourceError, match="No space left.*again"):
        list(in_chunks(executor, functions.fill_disk, [[1, 2]]))


def test_nothing_to_do_starts_nothing():
    with ProcessExecutor(1, threads=1) as executor:
        assert list(in_chunks(executor, functions.doubled, [], 8)) == []
