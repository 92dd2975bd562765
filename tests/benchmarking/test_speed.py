"""The measurement of speed: how many calls and songs it takes."""

import pytest

from genrezoo.benchmarking import cell


@pytest.mark.parametrize(("seconds", "calls"), [(0.01, 200), (0.5, 100), (5.0, 20)])
def test_slow_models_are_called_less_often_and_warmed_up_all_the_same(monkeypatch, seconds, calls):
    monkeypatch.setattr(cell, "_seconds", lambda predict, songs: seconds)
    assert cell.latencies(lambda songs: None, ["one", "other"]).tolist() == [seconds] * calls
