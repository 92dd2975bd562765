import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError
from toys import make_model, make_songs

from genrezoo import seeds
from genrezoo.errors import SettingsError
from genrezoo.training.augmentation import augment, cut_out, draw_mixture, mix, shift
from genrezoo.training.batches import Batches
from genrezoo.training.checkpoint import weights_of
from genrezoo.training.objectives import Objective, compile_model, objectives
from genrezoo.training.optimisation import build_optimizer
from genrezoo.training.settings import TrainingSettings
from genrezoo.training.supervised import SupervisedSettings, supervised

SEED = tf.constant([7, 0], tf.int64)
CUT_OUT = {"time_mask": 2, "feature_mask": 2, "masks": 2}
ALL = {"noise": 0.3, "time_shift": 2, "segment_dropout": 0.2, "mixup": 0.4, **CUT_OUT, "repeats": 2}


def ragged_batch(n_songs=300, n_segments=20, n_features=3):
    """Songs of 1 to 20 segments, all numbers different and none near zero, padding as NaN."""
    x = 1.0 + np.arange(n_songs * n_segments * n_features, dtype=np.float32).reshape(n_songs, n_segments, n_features)
    lengths = np.random.default_rng(0).integers(1, n_segments + 1, n_songs)
    x[np.arange(n_segments) >= lengths[:, None]] = np.nan
    return x, lengths


def changed(x, **options):
    return augment(tf.constant(x), TrainingSettings(**options), SEED).numpy()


def test_noise_has_its_standard_deviation():
    x, _ = ragged_batch()
    noise = changed(np.where(np.isnan(x), np.nan, 0).astype(np.float32), noise=0.5)
    np.testing.assert_array_equal(np.isnan(noise), np.isnan(x))
    drawn = noise[~np.isnan(noise)]
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.std() == pytest.approx(0.5, rel=0.03)
    assert np.mean(np.abs(drawn) < 0.5) == pytest.approx(0.683, abs=0.02)
    assert len(np.unique(drawn)) > 0.99 * len(drawn)  # no song or segment has the noise of another


def test_a_shift_rotates_each_song_within_its_real_segments():
    x, lengths = ragged_batch()
    found, by = changed(x, time_shift=2), []
    for song, original, length in zip(found, x, lengths, strict=True):
        np.testing.assert_array_equal(song[length:], original[length:])  # padding stays at the end
        fits = [n for n in range(-2, 3) if np.array_equal(song[:length], np.roll(original[:length], n, axis=0))]
        assert fits, "no rotation of the song"
        if length > 4:  # shorter ones look alike after several rotations
            by += fits
    counts = np.bincount(np.array(by) + 2, minlength=5)
    assert counts.min() > 0.1 * len(by)


def test_dropped_segments_are_zero_as_a_whole():
    x, _ = ragged_batch()
    found = changed(x, segment_dropout=0.3)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(x))
    real = ~np.isnan(x[..., 0])
    zero = (found == 0).all(axis=2)
    np.testing.assert_array_equal(found[real & ~zero], x[real & ~zero])
    assert zero[real].mean() == pytest.approx(0.3, abs=0.03)


def runs(hidden):
    """The lengths of the runs of True in a row, and where each begins."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hidden, [False]]).astype(int)))
    return edges[1::2] - edges[::2], edges[::2]


def test_masked_segments_are_one_run_within_the_real_ones():
    x, lengths = ragged_batch()
    found = changed(x, time_mask=4)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(x))
    hidden = (found == 0).all(axis=2)
    np.testing.assert_array_equal(found[~hidden & ~np.isnan(x[..., 0])], x[~hidden & ~np.isnan(x[..., 0])])
    widths, starts = [], []
    for row, length in zip(hidden, lengths, strict=True):
        width, start = runs(row)
        assert len(width) <= 1
        assert not row[length:].any()
        assert not row[:length].all()
        if length > 4:
            widths.append(int(width.sum()))
            starts += ((start + 0.5) / (length - width + 1)).tolist()  # as a fraction of the places
    counts = np.bincount(widths, minlength=5) / len(widths)
    assert len(counts) == 5
    np.testing.assert_allclose(counts, 0.2, atol=0.07)  # each length from 0 to 4 equally often
    np.testing.assert_allclose(np.histogram(starts, 4, (0, 1))[0] / len(starts), 0.25, atol=0.08)


def test_masked_features_are_the_same_in_all_segments_of_a_song():
    x = np.ones((200, 5, 12), np.float32)
    x[:, 3:] = np.nan
    found = cut_out(tf.constant(x), 0, 3, 2, SEED).numpy()
    assert np.isnan(found[:, 3:]).all()
    hidden = found[:, :3] == 0
    assert (hidden == hidden[:, :1]).all()
    lengths = [runs(row)[0] for row in hidden[:, 0]]
    assert max(map(len, lengths)) == 2  # two runs
    assert max(max(part, default=0) for part in lengths) <= 6  # which may touch
    assert hidden[:, 0].sum(axis=1).mean() == pytest.approx(2 * 1.5, abs=0.5)  # less what overlaps
    assert (hidden[:, 0].mean(axis=0) > 0.05).all()  # every feature now and then


@pytest.mark.parametrize(
    ("options", "message"),
    [({"time_mask": 6}, "time_mask must be below the songs' 6 segments"), ({"feature_mask": 4}, "songs' 4 features")],
)
def test_a_mask_as_long_as_the_songs_is_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        make_batches(make_songs().split("train"), **options)


@pytest.mark.parametrize("name", ["time_shift", "time_mask", "feature_mask", "segment_dropout"])
def test_images_have_no_segments_to_change(name):
    settings = TrainingSettings(**{name: 0.5 if name == "segment_dropout" else 1})
    with pytest.raises(SettingsError, match=f"{name} applies to songs in segments, not to images"):
        Batches(np.zeros((2, 4, 4, 3), np.float32), {}, None, settings, seed=1, many=False)


def test_repeated_songs_are_changed_differently():
    train = make_songs().split("train")
    batches = make_batches(train, noise=0.1, repeats=3)
    found = arrays(batches, order=np.arange(36))
    assert [len(x) for x, _ in found] == [48, 48, 12]  # 16 songs a batch as before, the last has 4
    for start, (x, y) in zip((0, 16, 32), found, strict=True):
        songs = np.repeat(np.arange(start, min(start + 16, 36)), 3)
        np.testing.assert_array_equal(y, train.y[songs])
        noise = x - train.x[songs]
        assert np.abs(noise).max() < 0.6
        assert len(np.unique(noise)) > 0.99 * noise.size


def test_repeats_without_changes_are_refused():
    with pytest.raises(ValidationError, match="repeats=2 would train on the same songs 2 times over: set noise"):
        TrainingSettings(repeats=2)


def test_mixing_by_hand():
    nan = np.nan
    batch = {
        "input": tf.constant([[[4.0], [8.0], [nan]], [[2.0], [nan], [nan]]]),
        "target logits": tf.constant([[1.0, 0.0], [0.0, 1.0]]),
        "weight": tf.constant([1.0, 3.0]),
    }
    mixed = {name: part.numpy() for name, part in mix(batch, weight=0.75, partner=tf.constant([1, 0])).items()}
    np.testing.assert_allclose(mixed["input"][..., 0], [[3.5, 6.0, nan], [2.5, 2.0, nan]])  # 8 with 0; 0 with 8
    np.testing.assert_allclose(mixed["target logits"], [[0.75, 0.25], [0.25, 0.75]])
    np.testing.assert_allclose(mixed["weight"], [1.5, 2.5])
    alone = mix(batch, weight=1.0, partner=tf.constant([1, 0]))
    np.testing.assert_allclose(alone["target logits"], batch["target logits"])


@pytest.mark.parametrize("alpha", [0.2, *(pytest.param(a, marks=pytest.mark.slow) for a in (1e-3, 1.0, 4.0))])
def test_shares_follow_their_beta_distribution(alpha):
    shares = np.array([draw_mixture(4, alpha, tf.constant([number, 0]))[0] for number in range(400)])
    assert shares.mean() == pytest.approx(0.5, abs=0.06)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.2)


def test_partners_are_a_permutation():
    _, partner = draw_mixture(50, 1.0, SEED)
    assert sorted(partner.numpy()) == list(range(50))
    assert (partner.numpy() != np.arange(50)).mean() > 0.8


def make_batches(train, seed=1, weights=None, **options):
    settings = SupervisedSettings(batch_size=16, **options)
    aims = objectives(make_model(), train, settings)
    return Batches(train.x, aims, weights, settings, seed=seed, many=False)


def arrays(batches, epoch=0, order=None):
    order = np.arange(36) if order is None else order
    return [[part.numpy() for part in batch] for batch in batches(order, epoch)]


def test_the_same_seed_and_epoch_give_the_same_batches_and_others_do_not():
    train = make_songs().split("train")
    first = arrays(make_batches(train, **ALL))
    for one, other in zip(first, arrays(make_batches(train, **ALL)), strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)
    for others in (arrays(make_batches(train, **ALL), epoch=1), arrays(make_batches(train, seed=2, **ALL))):
        for one, other in zip(first, others, strict=True):
            assert (one[0] != other[0]).mean() > 0.6  # masked places may be the same
            assert np.any(one[1] != other[1])


def test_batches_of_an_epoch_are_changed_differently():
    train = make_songs().split("train")
    same = np.zeros(32, np.int64)  # one song, twice sixteen times
    one, other = arrays(make_batches(train, noise=1.0), order=same)
    noise = np.concatenate([one[0], other[0]]) - train.x[0]
    assert len(np.unique(noise)) > 0.99 * noise.size


def test_labels_and_weights_are_mixed_like_the_songs():
    songs = make_songs()
    x = np.zeros(songs.x.shape, np.float32)
    x[np.arange(60), :, songs.y] = 1  # a song says its own label
    train = dataclasses.replace(songs, x=x).split("train")
    weights = np.array([1.0, 2.0, 4.0], np.float32)
    kinds = 0
    for found, labels, weight in arrays(make_batches(train, weights=weights[train.y], mixup=1.0)):
        np.testing.assert_allclose(labels, found[:, 0, :3], atol=1e-6)
        np.testing.assert_allclose(weight, labels @ weights, atol=1e-5)
        np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
        kinds += int(((labels > 0) & (labels < 1)).any())
    assert kinds == 3  # each batch has real mixtures


def test_a_target_that_is_the_song_is_shifted_with_it_and_not_made_noisy():
    train = make_songs().split("train")
    settings = TrainingSettings(time_shift=3, noise=0.1, batch_size=36)
    aims = {"logits": Objective(train.y, abs), "song": Objective(train.x, abs)}
    ((x, targets),) = Batches(train.x, aims, None, settings, seed=1, many=True)(np.arange(36), 0)
    assert 0.05 < np.std(x - targets["song"]) < 0.15
    assert np.any(targets["song"].numpy() != train.x)
    np.testing.assert_array_equal(np.sort(targets["song"], axis=1), np.sort(train.x, axis=1))


def test_the_same_seed_shifts_longer_arrays_alike():
    x, _ = ragged_batch()
    longer = np.pad(x, ((0, 0), (0, 5), (0, 0)), constant_values=np.nan)
    np.testing.assert_array_equal(shift(tf.constant(longer), 2, SEED)[:, :20], shift(tf.constant(x), 2, SEED))


@pytest.mark.slow
def test_without_augmentation_it_is_plain_fitting():
    songs, model = make_songs(), make_model("dropout")
    settings = SupervisedSettings(
        noise=0, time_shift=0, segment_dropout=0, mixup=0, epochs=2, batch_size=16, snapshot="last"
    )
    train = songs.split("train")
    compile_model(model, build_optimizer(settings, 3), objectives(model, train, settings))
    for epoch in range(2):
        order = seeds.generator(1, "order", epoch).permutation(36)
        model.fit(train.x[order], train.y[order], batch_size=16, shuffle=False, verbose=0)
    fitted = supervised(make_model("dropout"), songs, settings, seed=1)
    for found, expected in zip(weights_of(fitted.model).values(), weights_of(model).values(), strict=True):
        np.testing.assert_array_equal(found, expected)


class Stop(Exception):
    pass


@pytest.mark.slow
def test_a_stopped_training_with_augmentation_ends_with_the_same_bits(tmp_path):
    settings = SupervisedSettings(epochs=3, batch_size=16, snapshot="last", **ALL)

    def train(**further):
        return weights_of(supervised(make_model(), make_songs(), settings, seed=1, **further).model)

    def stop(record):
        if record["epoch"] == 2:
            raise Stop

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Stop):
        train(checkpoint_path=path, on_epoch=stop)
    expected = train()
    for name, value in train(checkpoint_path=path).items():
        np.testing.assert_array_equal(value, expected[name])
