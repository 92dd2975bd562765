import json
from pathlib import Path

import pytest

from genrezoo.errors import DataError
from genrezoo.rows import AccuracyRow, NotMeasured, PassesRow, SpeedRow, parse_row, read_row_file

COMMITTED = sorted((Path(__file__).parents[1] / "benchmarks/results").glob("*/rows.jsonl"))
OLD = [path for path in COMMITTED if '"schema": 1' in path.read_text("utf-8").partition("\n")[0]]
FACTS = {
    "schema": 2, "key": "k", "recipe": "lstm", "family": "zoo", "seed": 1, "data": "d", "checksum": "c",
    "provenance": "random",
}  # fmt: skip
SCORES = {"accuracy": 0.5, "macro_f1": 0.4, "log_loss": 1.0, "calibration_error": 0.1}
TEST = {**SCORES, "intervals": {name: [0.0, 1.0] for name in SCORES}}
ROWS = {
    AccuracyRow: {"kind": "accuracy", "status": "ok", "valid": SCORES, "test": TEST},
    SpeedRow: {"kind": "speed", "status": "ok", "latency_ms": {"p50": 1.0, "p90": 2.0, "p99": 3.0}},
    PassesRow: {"kind": "passes", "status": "ok", "seconds": {"mean": 1, "min": 1, "max": 1, "variance": 0}},
    NotMeasured: {"kind": "speed", "status": "failed", "reason": "killed"},
}


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.parent.name)
def test_committed_rows_of_schema_1_are_read_as_they_stand(path):
    """They stay at schema 1, but for those that were measured again: they are the living test of it."""
    found = read_row_file(path)
    stored = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert (len(found.rows), found.torn, found.unknown) == (len(stored), 0, 0)
    for row, old in zip(found.rows, stored, strict=True):
        if old["schema"] == 2:
            assert row.to_plain() | old == row.to_plain()
            continue
        assert row.family == {"zoo": "zoo", "peer": "baseline"}[old["family"]]
        for name in ("kind", "key", "recipe", "seed", "status", "checksum", "sizes"):
            assert getattr(row, name) == old[name]
        words = {"pieces": "chunks"}
        assert row.settings == {words.get(name, name): value for name, value in old["settings"].items()}
        if isinstance(row, AccuracyRow):
            assert row.test.accuracy == old["test"]["accuracy"]
            assert row.test.intervals.log_loss == tuple(old["test"]["intervals"]["log_loss"])


@pytest.mark.parametrize("path", sorted({*COMMITTED} - {*OLD}), ids=lambda path: path.parent.name)
def test_committed_rows_are_read_as_they_stand(path):
    stored = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for row, old in zip(read_row_file(path).rows, stored, strict=True):
        assert row.to_plain() | old == row.to_plain()  # what came later has its default


@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.__name__)
def test_a_row_comes_back_as_it_was_written(kind):
    row = parse_row({**FACTS, **ROWS[kind]})
    assert type(row) is kind
    assert parse_row(json.loads(json.dumps(row.to_plain(), allow_nan=False))) == row
    assert row.to_plain()["schema"] == 2


def test_rows_from_before_there_were_engines_have_the_models_own():
    speed = {**FACTS, **ROWS[SpeedRow]}
    assert parse_row(speed).engine == "keras"
    assert parse_row({**speed, "family": "baseline"}).engine == "scikit-learn"
    assert parse_row({**speed, "family": "peer", "schema": 1}).engine == "scikit-learn"
    assert parse_row({**speed, "engine": "onnx"}).engine == "onnx"


def test_rows_of_one_cell_with_two_engines_are_two():
    speed = {**FACTS, **ROWS[SpeedRow]}
    exported = parse_row({**speed, "engine": "onnx"})
    assert exported.identity != parse_row(speed).identity
    assert exported.identity == parse_row({**FACTS, **ROWS[NotMeasured], "engine": "onnx"}).identity
    assert parse_row(speed).identity == parse_row({**speed, "family": "baseline"}).identity


def test_torn_lines_and_unknown_kinds_are_counted_and_a_missing_file_has_no_rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    assert read_row_file(path).rows == []
    lines = [json.dumps({**FACTS, **ROWS[SpeedRow]}), '{"kind": "export"}', "", "[1]", '{"kind": "acc']
    path.write_text("\n".join(lines))
    found = read_row_file(path)
    assert (len(found.rows), found.torn, found.unknown) == (1, 2, 1)


def test_a_damaged_row_is_named_by_file_line_and_field(tmp_path):
    path = tmp_path / "rows.jsonl"
    good = {**FACTS, **ROWS[SpeedRow]}
    path.write_text(f"{json.dumps(good)}\n\n{json.dumps({**good, 'latency_ms': {'p50': -1, 'p90': 2, 'p99': 3}})}\n")
    with pytest.raises(DataError) as caught:
        read_row_file(path)
    assert str(caught.value) == (
        f"{path}: line 3: latency_ms.p50: must be greater than 0, got -1. "
        "Remedy: remove the line or run its cell again."
    )


def test_a_kind_that_is_no_text_is_unknown(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"kind": [["x"]]}\n{"kind": {}}\n')
    assert read_row_file(path).unknown == 2
