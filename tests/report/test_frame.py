import math

import pytest

import genrezoo as gz
from genrezoo.errors import DataError


def test_a_frame_has_a_line_for_each_row_that_counts(written, rows_of):
    frame = gz.read_rows(written)
    rows = rows_of(written)
    assert len(frame) == len({(row["kind"], row["key"]) for row in rows})
    row = next(row for row in rows if row["kind"] == "accuracy" and row["recipe"] == "lstm")
    line = frame[(frame.key == row["key"]) & (frame.kind == "accuracy")].iloc[0]
    assert line["test.accuracy"] == row["test"]["accuracy"]
    assert line["valid.macro_f1"] == row["valid"]["macro_f1"]
    bounds = [line[f"test.intervals.log_loss.{end}"] for end in ("low", "high")]
    assert bounds == row["test"]["intervals"]["log_loss"]
    assert line["environment.threads"] == 1
    assert line["settings"] == row["settings"]
    assert line["folder"] == str(written)
    speed = frame[(frame.key == row["key"]) & (frame.kind == "speed")].iloc[0]
    assert speed["latency_ms.p50"] > 0
    assert math.isnan(speed["test.accuracy"])
    assert set(frame[frame.status != "ok"].reason) == {
        "the songs are tables, an image was expected", "out of memory after 3 epochs"
    }  # fmt: skip


def test_means_of_a_frame_are_those_of_the_leaderboard(written, report):
    frame = gz.read_rows([written])
    means = frame[(frame.kind == "accuracy") & (frame.data == "mfcc4")].groupby("recipe")["test.accuracy"].mean()
    board = report.boards[0]
    assert {entry.name: entry.accuracy.mean for entry in board.entries} == pytest.approx(means.dropna().to_dict())


def test_a_folder_without_rows_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has no rows\.jsonl"):
        gz.read_rows(tmp_path)
