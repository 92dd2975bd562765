import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from toys import make_model

from genrezoo import seeds
from genrezoo.benchmarking import load_suite
from genrezoo.errors import DataError, SettingsError
from genrezoo.training.checkpoint import weights_of
from genrezoo.training.curriculum import (
    CurriculumSettings,
    curriculum,
    difficulty,
    difficulty_rows,
    difficulty_table,
    level_size,
    place_in_curriculum,
    songs_of_level,
)
from genrezoo.training.supervised import SupervisedSettings, supervised

SMALL = {"optimizer": "adam", "learning_rate": 0.05, "batch_size": 6}  # 36 training songs: six batches


def settings(**options):
    return CurriculumSettings(**{**SMALL, "epochs": 4, **options})


def judged(songs, seed=3):
    return {"judge": np.random.default_rng(seed).standard_normal((songs.n_songs, 3)).astype(np.float32)}


def bits(fitted):
    return b"".join(value.tobytes() for value in weights_of(fitted.model).values())


def test_difficulty_is_the_cross_entropy_of_the_songs_genre():
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [1e-30, 0.5, 0.5]])
    np.testing.assert_allclose(difficulty(logits, [0, 1, 0]), -np.log([0.5, 0.1, 1e-30]))


def test_rows_and_table_are_by_id_and_leave_unknown_songs_out():
    ids = np.array(["a", "b", "c", "d"])
    logits = np.log([[0.5, 0.5], [0.1, 0.9], [0.75, 0.25], [1.0, 1.0]])
    logits[3] = np.nan
    rows = difficulty_rows(ids, logits, np.array([0, 0, 0, 0]))
    assert [row["id"] for row in rows] == ["c", "a", "b"]
    values = -np.log([0.75, 0.5, 0.1])
    np.testing.assert_allclose([row["difficulty"] for row in rows], values)
    table = difficulty_table(ids, logits, np.array([0, 0, 0, 0]), most=2, bins=2)
    assert table["songs"] == 3
    assert [row["id"] for row in table["easiest"]] == ["c", "a"]
    assert [row["id"] for row in table["hardest"]] == ["b", "a"]
    assert table["mean"] == pytest.approx(values.mean())
    assert table["variance"] == pytest.approx(((values - values.mean()) ** 2).mean())
    assert table["histogram"]["counts"] == [2, 1]
    np.testing.assert_allclose(table["histogram"]["edges"], [values[0], (values[0] + values[2]) / 2, values[2]])


@given(st.integers(1, 40), st.integers(1, 50), st.booleans())
def test_levels_hold_each_song_once_and_then_all(n_songs, size, keep):
    order = np.random.default_rng(n_songs).permutation(n_songs)
    levels = -(-n_songs // size)
    parts = [songs_of_level(order, level, size, keep_levels=keep).tolist() for level in range(levels)]
    assert songs_of_level(order, levels, size, keep_levels=keep).tolist() == order.tolist()
    if keep:
        assert all(part == order[: len(part)].tolist() for part in parts)
        assert [len(part) for part in parts] == [min((level + 1) * size, n_songs) for level in range(levels)]
    else:
        assert sum(parts, []) == order.tolist()
        assert all(len(part) == size for part in parts[:-1])


@pytest.mark.parametrize(("levels", "step"), [(4, 200), (16, 50), (160, 5)])
def test_levels_by_number_are_the_sources_batches_on_its_songs_and_as_many_on_others(levels, step):
    by_number, by_step = settings(levels=levels, batch_size=50), settings(batches_per_level=step, batch_size=50)
    assert level_size(40_000, by_number) == level_size(40_000, by_step) == 40_000 / levels
    assert abs(-(-3_000 // level_size(3_000, by_number)) - levels) <= 2  # 160 do not divide 3,000
    assert -(-3_000 // level_size(3_000, by_step)) == {200: 1, 50: 2, 5: 12}[step]


def test_every_experiment_of_the_suite_has_its_levels_on_the_suites_own_songs():
    suite = load_suite("curriculum")
    (data,) = suite.data
    assert data == {"source": "synthetic"}
    found = {}
    for entrant in suite.entrants:
        chosen = entrant.build(suite.changes).procedure_settings()
        if isinstance(chosen, CurriculumSettings):
            found[entrant.called] = -(-3_000 // level_size(3_000, chosen))
    four = {f"curriculum_{number}": 4 for number in (1, 2, 3, 4, 5)}
    sixteen = dict.fromkeys(["curriculum_6", "curriculum_7", "curriculum_8", "self_paced", "reverse"], 16)
    assert found == {**four, **sixteen, "reverse_160_levels": 158}  # 157 of 19 songs and one of 17


def test_levels_take_the_place_of_batches_per_level():
    assert level_size(36, settings(levels=3, batches_per_level=1)) == 12
    assert level_size(36, settings(batches_per_level=1)) == 6
    assert level_size(36, settings()) == level_size(36, settings(levels=1)) == 36


def losses(*values):
    return [{"valid_loss": value} for value in values]


@pytest.mark.parametrize(
    ("options", "history", "expected"),
    [
        ({"epochs_per_level": 3}, losses(*"abc"), (1, 0)),
        ({"epochs_per_level": 3}, losses(*"abcdefghij"), (2, 4)),  # two levels end, that of all songs does not
        # a level's first epoch has nothing to be compared with; standing still ends it as rising does
        ({"pace": "validation"}, losses(5, 9), (1, 0)),
        ({"pace": "validation"}, losses(5, 9, 10), (1, 1)),
        ({"pace": "validation"}, losses(5, 4, 3), (0, 3)),
        ({"pace": "validation"}, losses(5, 4, 4, 3, 2, 2, 9, 9, 9), (2, 3)),
        ({"pace": "given", "level_ends": (1, 4)}, losses(*"abc"), (1, 2)),
        ({"pace": "given", "level_ends": (1, 4)}, losses(*"abcde"), (2, 1)),
    ],
)
def test_the_place_follows_from_the_records(options, history, expected):
    assert place_in_curriculum(history, settings(**options), levels=2) == expected


class Course:
    """Keeps what each epoch goes through, by standing in for the batches."""

    def __init__(self, monkeypatch):
        import genrezoo.training.supervised as module

        self.orders = []
        original, orders = module.Batches, self.orders

        class Batches(original):
            def __call__(self, order, epoch):
                orders.append(np.array(order))
                return super().__call__(order, epoch)

        monkeypatch.setattr(module, "Batches", Batches)


def test_epochs_go_through_the_levels_and_then_all_songs(songs, monkeypatch):
    course, logits = Course(monkeypatch), judged(songs)
    train = songs.splits["train"]
    order = np.argsort(difficulty(logits["judge"][train], songs.y[train]))
    options = settings(batches_per_level=4, keep_levels=False, shuffle_levels=False, epochs=4)
    curriculum(make_model(), songs, options, seed=1, logits=logits)
    expected = [order[:24], order[24:], order, order]
    for found, right in zip(course.orders, expected, strict=True):
        np.testing.assert_array_equal(found, right)


def test_hardest_first_turns_the_order_and_shuffling_stays_within_the_level(songs, monkeypatch):
    course, logits = Course(monkeypatch), judged(songs)
    train = songs.splits["train"]
    order = np.argsort(-difficulty(logits["judge"][train], songs.y[train]))
    options = settings(batches_per_level=3, hardest_first=True, epochs=3, epochs_per_level=2)
    curriculum(make_model(), songs, options, seed=1, logits=logits)
    assert [sorted(found) for found in course.orders] == [sorted(order[:18]), sorted(order[:18]), sorted(order)]
    assert course.orders[0].tolist() != course.orders[1].tolist()
    np.testing.assert_array_equal(course.orders[0], np.sort(order[:18])[seeds.generator(1, "order", 0).permutation(18)])


@pytest.mark.slow
def test_final_epochs_end_the_training(songs):
    options = settings(batches_per_level=3, final_epochs=2, epochs=40)
    assert len(curriculum(make_model(), songs, options, seed=1, logits=judged(songs)).history) == 4
    options = settings(batches_per_level=3, final_epochs=0, epochs=40, pace="validation", learning_rate=3.0)
    history = curriculum(make_model(), songs, options, seed=1, logits=judged(songs)).history
    assert place_in_curriculum(history, options, 2) == (2, 0)
    assert place_in_curriculum(history[:-1], options, 2)[0] == 1


def test_one_level_is_supervised_training_to_the_bit(songs):
    plain = supervised(make_model("dropout"), songs, SupervisedSettings(**SMALL, epochs=3), seed=1)
    fitted = curriculum(make_model("dropout"), songs, settings(epochs=3), seed=1, logits=judged(songs))
    assert bits(fitted) == bits(plain)
    assert [row["loss"] for row in fitted.history] == [row["loss"] for row in plain.history]


class Stop(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("pace", ["epochs", "validation"])
def test_a_stopped_curriculum_ends_with_the_same_bits(songs, tmp_path, pace):
    options = settings(batches_per_level=2, pace=pace, epochs=5, learning_rate=1.0, snapshot="last")
    logits, path = judged(songs), tmp_path / "checkpoint.safetensors"
    expected = curriculum(make_model("dropout"), songs, options, seed=1, logits=logits)
    assert place_in_curriculum(expected.history, options, 3)[0] > 1  # levels ended, or the test says nothing

    def stop(record):
        if record["epoch"] in (1, 3):
            raise Stop

    for _ in range(2):
        with pytest.raises(Stop):
            curriculum(
                make_model("dropout"), songs, options, seed=1, logits=logits, checkpoint_path=path, on_epoch=stop
            )
    resumed = curriculum(make_model("dropout", seed=9), songs, options, seed=1, logits=logits, checkpoint_path=path)
    assert bits(resumed) == bits(expected)


def test_the_judge_must_know_each_training_song(songs):
    with pytest.raises(SettingsError, match="needs the logits of a member 'judge'"):
        curriculum(make_model(), songs, settings(), seed=1)
    logits = judged(songs)
    logits["judge"][songs.splits["test"]] = np.nan  # nobody asks
    logits["judge"][songs.splits["valid"]] = np.nan
    curriculum(make_model(), songs, settings(epochs=1), seed=1, logits=logits)
    logits["judge"][songs.splits["train"][5], 1] = np.nan
    with pytest.raises(DataError, match=f"training song '{songs.ids[songs.splits['train'][5]]}' are not finite"):
        curriculum(make_model(), songs, settings(), seed=1, logits=logits)
    with pytest.raises(DataError, match=r"logits have shape \(60, 2\), expected \(60, 3\)"):
        curriculum(make_model(), songs, settings(), seed=1, logits={"judge": logits["judge"][:, :2]})


def test_pace_and_ends_must_agree():
    for options in ({"pace": "given"}, {"level_ends": (3,)}):
        with pytest.raises(ValidationError, match="level_ends must be set for pace='given'"):
            settings(**options)
