import dataclasses
import json
import shutil

import numpy as np
import pytest
from made_results import add_results
from scipy import stats

from genrezoo.errors import DataError
from genrezoo.evaluation import log_softmax, mcnemar_p
from genrezoo.report import leaderboard
from genrezoo.report.benchmark.captions import between, cautions, facts, groups
from genrezoo.rows import SpeedRow


def entry_of(board, name):
    return next(line for line in board.entries if line.name == name)


def rewrite(folder, change):
    """Passes every row through ``change``; rows for which it returns None are left out."""
    path = folder / "rows.jsonl"
    rows = [change(json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows if row is not None), encoding="utf-8")


def only(folder, **wanted):
    rewrite(folder, lambda row: row if all(row.get(key) in value for key, value in wanted.items()) else None)


@pytest.fixture(scope="module")
def boards(report):
    return report.boards


def test_no_row_is_dropped(written, rows_of, boards):
    rows = [row for row in rows_of(written) if row["kind"] == "accuracy"]
    shown = sum(len(line.seeds) for board in boards for line in board.entries)
    shown += sum(len(board.unmeasured) for board in boards)
    assert shown == len(rows) == 32
    assert all(line.speed for board in boards for line in board.entries)


def test_a_board_is_one_data_set_and_its_lines_stand_in_order(boards):
    assert [(board.data, board.provenance) for board in boards] == [("mfcc4", "official"), ("synthetic", "random")]
    for board in boards:
        accuracies = [line.accuracy.mean for line in board.entries]
        assert accuracies == sorted(accuracies, reverse=True)
        assert {line.name: line.family for line in board.entries} == {
            "lstm": "zoo", "gru": "zoo", "mlp": "zoo", "forest": "baseline", "logistic": "baseline"
        }  # fmt: skip


def test_figures_are_means_over_seeds_with_an_interval_over_songs_and_seeds(written, rows_of, boards):
    rows = [row for row in rows_of(written) if row["recipe"] == "gru" and row["data"] == "mfcc4"]
    tests = [row["test"] for row in rows if row["kind"] == "accuracy"]
    line = entry_of(boards[0], "gru")
    for metric in ("accuracy", "macro_f1", "log_loss", "calibration_error"):
        values, estimate = [test[metric] for test in tests], getattr(line, metric)
        seeds, width = stats.sem(values) ** 2, np.mean([np.ptp(test["intervals"][metric]) for test in tests])
        songs = (width / 2 / stats.norm.ppf(0.975)) ** 2
        freedom = (seeds + songs) ** 2 / (seeds**2 / 2)
        low, high = stats.t.interval(0.95, freedom, loc=np.mean(values), scale=(seeds + songs) ** 0.5)
        assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((np.mean(values), max(low, 0), high))
        assert estimate.over == "both"
    assert line.accuracies == tuple(test["accuracy"] for test in tests)
    speed = next(row for row in rows if row["kind"] == "speed")
    assert line.speed["p99"] == speed["latency_ms"]["p99"]
    assert line.speed["memory"] == speed["peak_memory_mb"]
    assert line.epochs == np.mean([11, 14, 17])


def test_with_one_seed_the_interval_is_over_songs(results, rows_of):
    only(results, seed=(1,))
    line = entry_of(leaderboard([results]).boards[0], "gru")
    row = next(row for row in rows_of(results) if row["recipe"] == "gru")
    low, high = row["test"]["intervals"]["accuracy"]
    assert line.accuracy == dataclasses.replace(line.accuracy, low=low, high=high, over="songs")
    assert line.vote is None


def test_seeds_that_all_agree_do_not_feign_certainty(results):
    def freeze(row):
        if row["recipe"] == "forest" and row["kind"] == "accuracy":
            row["test"] = {
                **row["test"],
                "accuracy": 0.5,
                "intervals": {**row["test"]["intervals"], "accuracy": [0.4, 0.6]},
            }
        return row

    rewrite(results, freeze)
    estimate = entry_of(leaderboard([results]).boards[0], "forest").accuracy
    assert (estimate.low, estimate.mean, estimate.high, estimate.over) == (0.4, 0.5, 0.6, "songs")


def test_share_of_the_ceiling_and_ceilings(boards):
    assert boards[0].bayes is None
    assert boards[0].entries[0].fraction_of_ceiling is None
    assert (boards[1].bayes, boards[1].order_free) == (0.905, 0.516)
    for line in boards[1].entries:
        assert line.fraction_of_ceiling == pytest.approx(line.accuracy.mean / 0.905)
    assert any("without the order of segments: 51.6" in fact for fact in facts(boards[1]))


def predictions(folder, rows, recipe, seed, data="mfcc4"):
    row = next(
        row for row in rows
        if (row["recipe"], row["seed"], row["data"], row["kind"]) == (recipe, seed, data, "accuracy")
    )  # fmt: skip
    with np.load(folder / row["run"] / "predictions.npz") as arrays:
        return arrays["test_logits"], arrays["test_y"]


def test_average_of_the_seeds_is_that_of_log_posteriors(written, rows_of, boards):
    runs = [predictions(written, rows_of(written), "mlp", seed) for seed in (1, 2, 3)]
    mean = sum(log_softmax(logits) for logits, _ in runs)
    assert entry_of(boards[0], "mlp").vote == pytest.approx((mean.argmax(axis=1) == runs[0][1]).mean())


def test_tests_compare_the_seeds_with_the_median_validation_accuracy(written, rows_of, boards):
    rows, right = rows_of(written), {}
    for name in ("lstm", "mlp"):
        own = [row for row in rows if (row["recipe"], row["data"], row["kind"]) == (name, "mfcc4", "accuracy")]
        middle = sorted(own, key=lambda row: row["valid"]["accuracy"])[1]["seed"]
        assert entry_of(boards[0], name).representative == middle
        logits, y = predictions(written, rows, name, middle)
        right[name] = logits.argmax(axis=1) == y
    pair = between(boards[0].differences, "lstm", "mlp")
    assert pair.p == pytest.approx(mcnemar_p(right["lstm"], right["mlp"]))
    assert pair.adjusted >= pair.p
    assert pair.low < pair.mean < pair.high
    means = [entry_of(boards[0], name).accuracy.mean for name in ("lstm", "mlp")]
    assert pair.mean == pytest.approx(means[0] - means[1])
    assert between(boards[0].differences, "mlp", "lstm").mean == -pair.mean


def test_letters_tell_apart_what_the_tests_tell_apart(boards):
    for board in boards:
        letters = {line.name: set(line.group) for line in board.entries}
        assert "a" in letters[board.entries[0].name]
        assert len(board.differences) == 10
        for pair in board.differences:
            assert bool(letters[pair.upper] & letters[pair.lower]) == (pair.adjusted > 0.05)
        assert not letters["lstm"] & letters["mlp"]
        assert dict(groups(board))["a"][0] == board.entries[0].name


def test_refused_and_failed_cells_are_listed_with_their_reasons(boards):
    found = {(cell.recipe, cell.status, cell.reason, cell.seed) for cell in boards[0].unmeasured}
    assert found == {
        ("image_cnn", "refused", "the songs are tables, an image was expected", 1),
        ("cascade", "failed", "out of memory after 3 epochs", 1),
    }


def test_a_failed_speed_row_is_listed_and_leaves_the_accuracy(results):
    def fail(row):
        if row["kind"] == "speed" and row["recipe"] == "gru":
            row = {**row, "status": "failed", "reason": "the process was killed"}
            del row["latency_ms"]
        return row

    rewrite(results, fail)
    board = leaderboard([results]).boards[0]
    assert entry_of(board, "gru").speed == {}
    cell = next(cell for cell in board.unmeasured if cell.recipe == "gru")
    assert (cell.kind, cell.reason) == ("speed", "the process was killed")


def test_the_last_row_of_a_cell_counts(results, rows_of):
    row = next(row for row in rows_of(results) if row["recipe"] == "lstm")
    newer = {**row, "status": "failed", "reason": "disk full", "test": None}
    with open(results / "rows.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(newer) + "\n")
    report = leaderboard([results])
    assert entry_of(report.boards[0], "lstm").seeds == (2, 3)
    assert any(cell.reason == "disk full" for cell in report.boards[0].unmeasured)
    assert report.notes == ("Rows that were replaced by later rows of the same cell: 1.",)


def test_folders_are_joined_and_the_later_one_wins(results, tmp_path):
    other = tmp_path / "b"
    shutil.copytree(results, other)
    only(other, recipe=("mlp", "image_cnn"))
    rewrite(
        other,
        lambda row: {**row, "data": "other"} if row["recipe"] == "image_cnn" else {**row, "train_seconds": 1234.0},
    )
    rewrite(other, lambda row: {**row, "key": "another"} if row["recipe"] == "image_cnn" else row)
    report = leaderboard([results, other])
    assert [board.data for board in report.boards] == ["mfcc4", "other"]
    assert entry_of(report.boards[0], "mlp").train_seconds == 1234
    assert entry_of(report.boards[0], "lstm").train_seconds != 1234
    assert [source.folder for source in report.sources] == [str(results), str(other)]


def test_other_settings_make_another_line(results):
    def widen(row):
        if row["kind"] == "accuracy" and row["recipe"] == "lstm" and row["seed"] == 3:
            row["settings"] = {**row["settings"], "arguments": {"units": 512}, "summary": "another text"}
        return row

    rewrite(results, widen)
    board = leaderboard([results]).boards[0]
    assert entry_of(board, "lstm (units=0)").seeds == (1, 2)
    assert entry_of(board, "lstm (units=512)").seeds == (3,)


def test_other_words_about_a_recipe_do_not_make_another_line(results):
    def reword(row):
        return {**row, "settings": {**row["settings"], "summary": f"seed {row['seed']}"}} if "settings" in row else row

    rewrite(results, reword)
    assert entry_of(leaderboard([results]).boards[0], "lstm").seeds == (1, 2, 3)


def test_a_seed_measured_twice_counts_once(results):
    def again(row):
        return {**row, "seed": 2} if row["recipe"] == "gru" and row["seed"] == 3 else row

    rewrite(results, again)
    board = leaderboard([results]).boards[0]
    assert entry_of(board, "gru").seeds == (1, 2)
    assert "Seed 2 of gru was measured more than once; the last row counts." in board.notes


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (None, "predictions.npz: cannot be read (No such file or directory)"),
        (b"PK torn", "predictions.npz: cut short or damaged"),
        ({"test_ids": ["a"]}, "do not fit"),
        ({"test_ids": ["a"], "test_y": [0], "test_logits": [[0.0, 1, 0, 0]]}, "has accuracy 0.0000, its row"),
        ({"test_ids": ["a"], "test_y": [0], "test_logits": [[1.0]]}, "shapes (1,), (1,) and (1, 1)"),
    ],
    ids=["missing", "torn", "incomplete", "of another run", "of another shape"],
)
def test_predictions_that_cannot_be_used_leave_a_note_and_the_row(results, rows_of, arrays, message):
    path = results / next(row["run"] for row in rows_of(results) if row["recipe"] == "gru") / "predictions.npz"
    path.unlink()
    if isinstance(arrays, bytes):
        path.write_bytes(arrays)
    elif arrays:
        np.savez(path, **arrays)
    board = leaderboard([results]).boards[0]
    line = entry_of(board, "gru")
    assert (line.group, line.vote, line.f1, line.confusion) == ("", None, None, None)
    assert line.accuracy.mean > 0.25
    assert len(board.differences) == 6
    assert all("gru" not in (pair.upper, pair.lower) for pair in board.differences)
    assert len(board.notes) == 1
    assert "gru is left out of the tests" in board.notes[0]
    assert message in board.notes[0]


def test_predictions_with_pickled_content_are_never_loaded(results, rows_of):
    run = next(row["run"] for row in rows_of(results) if row["recipe"] == "gru")
    np.savez(results / run / "predictions.npz", test_ids=np.array([{}], object), test_y=[0], test_logits=[[1.0]])
    assert any("pickled data are never loaded" in note for note in leaderboard([results]).boards[0].notes)


def test_songs_in_another_order_are_put_right_and_other_songs_are_noticed(results, rows_of, boards):
    for row in rows_of(results):
        if row["kind"] == "accuracy" and row["status"] == "ok" and row["recipe"] in ("gru", "mlp"):
            path = results / row["run"] / "predictions.npz"
            with np.load(path) as file:
                arrays = {name: file[name] for name in file.files}
            if row["recipe"] == "gru":
                arrays |= {name: arrays[name][::-1] for name in ("test_ids", "test_y", "test_logits")}
            else:
                arrays["test_ids"] = np.char.add(arrays["test_ids"], "-other")
            np.savez(path, **arrays)
    board = leaderboard([results]).boards[0]
    expected = between(boards[0].differences, "lstm", "gru")
    assert between(board.differences, "lstm", "gru").p == expected.p
    assert between(board.differences, "lstm", "mlp") is None
    assert "mlp is left out of the tests: it was tested on other songs." in board.notes


@pytest.mark.parametrize(
    "content", ["", "epoch,loss\n1,x\n", "epoch,loss,accuracy,valid_loss,valid_accuracy\n1,1,1,1,nan\n"]
)
def test_a_history_that_cannot_be_used_leaves_a_note(results, rows_of, content, boards):
    seed = entry_of(boards[0], "gru").representative
    run = next(row["run"] for row in rows_of(results) if (row["recipe"], row["seed"]) == ("gru", seed))
    (results / run / "history.csv").write_text(content, encoding="utf-8")
    board = leaderboard([results]).boards[0]
    assert entry_of(board, "gru").history is None
    assert entry_of(board, "lstm").history["epoch"][:2] == [1, 2]
    assert any("gru is left out of the learning curves" in note for note in board.notes)


def test_cautions_say_what_to_beware_of(results, boards):
    assert boards[0].cautions == ()
    text = " ".join(boards[1].cautions)
    assert "artist" in text
    assert "3 songs occur bit-identical in more than one split" in text
    assert "say nothing about music" in text
    only(results, seed=(1,))
    assert "Each recipe of the zoo was trained with one seed" in " ".join(leaderboard([results]).boards[0].cautions)


def test_few_test_songs_are_cautioned_against(tmp_path):
    for folder, songs in ((tmp_path / "few", 40), (tmp_path / "enough", 50)):
        add_results(folder, zoo={"a": 1.0}, baselines={}, songs=songs, resamples=5)
    few, enough = (" ".join(leaderboard(tmp_path / name).boards[0].cautions) for name in ("few", "enough"))
    assert "only 40 test songs: one song is worth 2.5 points" in few
    assert "test songs" not in enough


def test_validation_accuracies_out_of_fold_are_told_apart_from_others(results):
    def told(some):
        rewrite(results, lambda row: {**row, "out_of_fold": row["valid"]} if "valid" in row and some(row) else row)
        return " ".join(leaderboard([results]).boards[0].cautions)

    assert "out of fold" not in told(lambda row: False)
    assert "The validation accuracies of lstm are out of fold" in told(lambda row: row["recipe"] == "lstm")
    assert "out of fold" not in told(lambda row: True)


def test_validation_accuracies_of_an_ensemble_selected_out_of_fold_are_told_apart_too(results):
    def told(split):
        chosen = {"weights": {}, "selected_on": split}
        rewrite(
            results,
            lambda row: {**row, "settings": {"chosen": chosen}} if row["recipe"] == "lstm" else row,
        )
        return " ".join(leaderboard([results]).boards[0].cautions)

    assert "out of fold" not in told("valid")
    assert "The validation accuracies of lstm are out of fold" in told("out_of_fold")


def test_weights_from_elsewhere_are_named_with_what_is_known_of_them(results):
    def rest(some):
        known = {"tagger.msd": "They were trained on a million songs."}
        rewrite(results, lambda row: row | {"pretrained": known if some(row) else {}})
        return " ".join(leaderboard([results]).boards[0].cautions)

    assert "tagger.msd" not in rest(lambda row: False)
    text = rest(lambda row: row["recipe"] in ("gru", "lstm"))
    assert "tagger.msd, used by lstm, gru, were trained on other songs. They were trained on a million" in text
    assert "used by all models here" in rest(lambda row: True)


def test_speeds_of_two_machines_are_cautioned_against(boards):
    speeds = [SpeedRow.model_construct(environment={"processor": name}) for name in ("one", "two")]
    assert "not comparable" in cautions(boards[0], speeds)[-1]
    assert cautions(boards[0], speeds[:1]) == ()


def test_the_summary_names_the_best_by_validation_and_the_verdict(boards):
    board = boards[0]
    zoo = max((line for line in board.entries if line.family == "zoo"), key=lambda line: line.validation)
    baseline = max((line for line in board.entries if line.family == "baseline"), key=lambda line: line.validation)
    pair = between(board.differences, zoo.name, baseline.name)
    assert f"validation accuracy, {zoo.name}," in board.summary
    assert f"the best baseline, {baseline.name}," in board.summary
    assert f"+{100 * pair.mean:.1f} points" in board.summary
    assert f"{zoo.name} is the better of the two" in board.summary


def test_the_summary_does_not_claim_what_the_interval_does_not_show(results):
    only(results, recipe=("gru", "lstm"))
    rewrite(results, lambda row: {**row, "family": "baseline"} if row["recipe"] == "gru" else row)
    assert "these runs do not show which is better" in leaderboard([results]).boards[0].summary


def test_the_summary_of_one_family_alone(results):
    only(results, recipe=("mlp", "image_cnn"))
    assert (
        "the best model of the zoo by validation accuracy, mlp, reaches an accuracy of"
        in leaderboard([results]).boards[0].summary
    )
    only(results, recipe=("image_cnn",))
    board = leaderboard([results]).boards[0]
    assert board.summary == "No recipe was measured."
    assert board.entries == ()


def test_environments_say_where_and_when(report):
    environment = report.environments[0]
    assert environment.facts["processor"] == "Some CPU 3000"
    assert environment.first == environment.last == "2026-01-02T03:04:05Z"


def test_a_folder_without_rows_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has no rows.jsonl. Remedy: specify a folder that genrezoo benchmark wrote"):
        leaderboard([tmp_path])
    with pytest.raises(DataError, match=r"none: no such file or folder"):
        leaderboard([tmp_path / "none"])
    with pytest.raises(DataError, match="no folder was passed"):
        leaderboard([])
    (tmp_path / "rows.jsonl").write_text("{torn\nnot json\n", encoding="utf-8")
    with pytest.raises(DataError, match="none of its 2 lines is a row"):
        leaderboard([tmp_path])
    with pytest.raises(DataError, match=r"none: no such file or folder"):
        leaderboard([tmp_path / "none"])


def test_torn_lines_and_other_kinds_are_noted(results):
    with open(results / "rows.jsonl", "a", encoding="utf-8") as file:
        file.write(
            '{"schema": 1, "kind": "export", "key": "k", "recipe": "r", "data": "d", "checksum": "c", "status": "ok"}\n'
        )
        file.write('{"schema": 1, "kind": "accu')
    notes = leaderboard([results]).notes
    assert f"Torn lines of {results / 'rows.jsonl'} that were skipped: 1." in notes
    assert "Rows of a kind that this report does not show: 1." in notes


def test_a_speed_without_its_accuracy_is_noted(results):
    rewrite(results, lambda row: None if (row["kind"], row["recipe"]) == ("accuracy", "mlp") else row)
    assert "The speed of mlp on mfcc4 was measured, its accuracy was not." in leaderboard([results]).notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 3}, "line 1: schema: must be 2, got 3"),
        ({"provenance": None}, "provenance: must be a valid string, got None"),
        ({"key": 7}, "key: must be a valid string, got 7"),
        ({"status": "good"}, "status: must be .*, got 'good'"),
        ({"seed": "one"}, "seed: .* integer.*, got 'one'"),
        ({"valid": {}}, "valid.accuracy: is missing"),
        ({"test": {"accuracy": float("nan")}}, "test.accuracy: must be a finite number, got nan"),
        ({"genres": [1, 2, 3, 4]}, "genres.0: must be a valid string, got 1"),
        ({"sizes": {"train": "many"}}, "sizes.train: .* integer.*, got 'many'"),
        ({"environment": "here"}, "environment: must be a valid dictionary, got 'here'"),
        ({"axes": [1]}, "axes: must be a valid dictionary"),
        ({"study": 3}, "study: must be a valid string, got 3"),
        ({"heads": {"a": {"valid": "x"}}}, "heads.a.valid: .* number.*, got 'x'"),
        ({"kind": "passes", "seconds": {"mean": 1.0}}, "seconds.min: is missing"),
        ({"train": [0.5]}, "train: must be a valid dictionary"),
        ({"shape": [172, "a"]}, "shape.1: .* integer"),
    ],
)
def test_rows_that_no_benchmark_writes_are_refused(results, rows_of, change, message):
    row = rows_of(results)[0] | change
    (results / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        leaderboard([results])
    assert str(caught.value).startswith(f"{results / 'rows.jsonl'}: line 1: ")
    assert "Remedy: remove the line or run its cell again" in str(caught.value)


def test_a_row_without_intervals_or_with_an_impossible_latency_is_refused(results, rows_of):
    accuracy, speed = rows_of(results)[:2]
    del accuracy["test"]["intervals"]["log_loss"]
    (results / "rows.jsonl").write_text(json.dumps(accuracy) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="test.intervals.log_loss: is missing"):
        leaderboard([results])
    speed["latency_ms"]["p50"] = 0
    (results / "rows.jsonl").write_text(json.dumps(speed) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="latency_ms.p50: must be greater than 0, got 0"):
        leaderboard([results])


def test_a_run_outside_its_folder_is_not_read(results):
    rewrite(results, lambda row: {**row, "run": "../../elsewhere"} if row["recipe"] == "gru" else row)
    assert any("lies outside its folder of results" in note for note in leaderboard([results]).boards[0].notes)
