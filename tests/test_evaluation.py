import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from genrezoo.errors import DataError, SettingsError
from genrezoo.evaluation import (
    METRICS,
    best_temperature,
    bootstrap_intervals,
    compare_models,
    corrected_interval,
    corrected_p,
    difference_intervals,
    evaluate,
    interval_over_both,
    letter_groups,
    log_softmax,
    mcnemar_p,
    mean_interval,
    median_run,
    softmax,
)


def made_up(songs: int, classes: int, skill: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    y = draw.integers(0, classes, songs)
    return draw.normal(size=(songs, classes)) + skill * np.eye(classes)[y], y


def test_softmax_is_a_distribution_even_of_huge_logits():
    logits = np.array([[1e4, 0.0, -1e4], [0.0, np.log(2), np.log(5)]])
    np.testing.assert_allclose(softmax(logits), [[1, 0, 0], [1 / 8, 2 / 8, 5 / 8]], atol=1e-12)
    assert log_softmax(logits)[0, 2] == -2e4
    assert log_softmax(logits.astype(np.float32)).dtype == np.float64


def test_the_best_temperature_of_logits_that_say_too_much():
    # three of four songs are right, and logits of 2 nats apart at temperature 1 would claim 0.88: log 3 apart is true
    logits, y = np.array([[2.0, 0.0]] * 4), np.array([0, 0, 0, 1])
    assert best_temperature(logits, y) == pytest.approx(2 / np.log(3), rel=1e-4)
    assert best_temperature(logits / 4, y) == pytest.approx(1 / (2 * np.log(3)), rel=1e-4)  # logits that say too little


def test_a_temperature_needs_labels_that_fit():
    with pytest.raises(DataError, match="labels run from 0 to 2"):
        best_temperature(np.zeros((2, 2)), np.array([0, 2]))


def test_log_softmax_leaves_its_argument_alone():
    logits = np.ones((2, 3))
    log_softmax(logits)
    assert (logits == 1).all()


def test_metrics_by_hand():
    posterior = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.3, 0.7]])
    figures = evaluate(np.log(posterior), np.array([0, 0, 1, 1]))
    assert figures["accuracy"] == 0.75
    assert figures["confusion"] == [[2, 0], [1, 1]]
    assert figures["per_class"]["precision"] == pytest.approx([2 / 3, 1])
    assert figures["per_class"]["recall"] == [1, 0.5]
    assert figures["per_class"]["f1"] == pytest.approx([0.8, 2 / 3])
    assert figures["per_class"]["support"] == [2, 2]
    assert figures["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert figures["log_loss"] == pytest.approx(-np.log(0.9 * 0.6 * 0.4 * 0.7) / 4)
    # Bins hold {0.9}, {0.6, 0.6}, {0.7}: gaps |1 - 0.9|, |1 - 1.2|, |1 - 0.7|.
    assert figures["calibration_error"] == pytest.approx((0.1 + 0.2 + 0.3) / 4)


def test_full_certainty_shares_the_last_bin_with_near_certainty():
    """Surely wrong (1 - 0) and nearly surely right (0.96 - 1) are weighed against each other in the bin above 14/15."""
    logits = np.array([[0.0, 1000.0], [np.log(0.96), np.log(0.04)]])
    assert evaluate(logits, np.array([0, 0]))["calibration_error"] == pytest.approx((1 - 0.04) / 2)


def test_a_sure_and_right_model_is_calibrated_and_a_sure_and_wrong_one_is_not():
    y = np.array([0, 1, 2])
    assert evaluate(100 * np.eye(3), y)["calibration_error"] == pytest.approx(0)
    assert evaluate(100 * np.eye(3), (y + 1) % 3)["calibration_error"] == pytest.approx(1)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.integers(2, 7), st.integers(0, 2**31))
def test_metrics_equal_those_of_scikit_learn(songs, classes, seed):
    logits, y = made_up(songs, classes, 1.0, seed)
    figures, predicted, labels = evaluate(logits, y), logits.argmax(axis=1), range(classes)
    assert figures["accuracy"] == pytest.approx(metrics.accuracy_score(y, predicted))
    parts = metrics.precision_recall_fscore_support(y, predicted, labels=labels, zero_division=0)
    for name, part in zip(("precision", "recall", "f1", "support"), parts, strict=True):
        np.testing.assert_allclose(figures["per_class"][name], part)
        if name != "support":
            assert figures[f"macro_{name}"] == pytest.approx(part.mean())
    assert figures["log_loss"] == pytest.approx(metrics.log_loss(y, softmax(logits), labels=labels))
    assert figures["confusion"] == metrics.confusion_matrix(y, predicted, labels=labels).tolist()


@pytest.mark.parametrize(
    ("logits", "y", "message"),
    [
        (np.zeros((2, 3)), np.array([0]), "one integer label per song"),
        (np.zeros(3), np.array([0, 1, 2]), "one integer label per song"),
        (np.zeros((0, 3)), np.zeros(0, int), "one integer label per song"),
        (np.zeros((1, 3)), np.array([0.5]), "one integer label per song"),
        (np.zeros((2, 3)), np.array([0, 3]), "labels run from 0 to 3.*use 0 to 2"),
        (np.zeros((2, 3)), np.array([-1, 0]), "labels run from -1"),
        (np.array([[0.0, np.nan]]), np.array([0]), r"logits\[0, 1\]: the logit is nan.*diverged"),
        (np.array([[0.0, -np.inf]]), np.array([0]), "bound the probabilities"),
    ],
)
def test_what_cannot_be_judged_is_refused(logits, y, message):
    with pytest.raises(DataError, match=message):
        evaluate(logits, y)
    with pytest.raises(DataError, match=message):
        bootstrap_intervals(logits, y, seed=1)


def test_bootstrap_is_reproducible_and_depends_on_its_seed():
    logits, y = made_up(200, 4, 1.0)
    once = bootstrap_intervals(logits, y, resamples=200, seed=1)
    assert once == bootstrap_intervals(logits, y, resamples=200, seed=1)
    assert once != bootstrap_intervals(logits, y, resamples=200, seed=2)
    assert tuple(once) == METRICS


def test_each_resample_is_judged_as_evaluate_would():
    """One resample of one song repeated: the metrics of the resample are those of that song."""
    logits, y = np.array([[2.0, 0.0, 0.0]]), np.array([0])
    intervals, figures = bootstrap_intervals(logits, y, resamples=3, seed=1), evaluate(logits, y)
    for metric in METRICS:
        assert intervals[metric] == pytest.approx([figures[metric]] * 2)


def test_resamples_agree_with_a_plain_loop_over_drawn_songs():
    logits, y = made_up(80, 3, 1.0)
    draw = np.random.default_rng(5)
    drawn = [draw.integers(0, 80, 80) for _ in range(1500)]
    slow = [evaluate(logits[part], y[part]) for part in drawn]
    fast = bootstrap_intervals(logits, y, resamples=4000, seed=9)
    for metric in METRICS:
        low, high = np.percentile([figures[metric] for figures in slow], [2.5, 97.5])
        assert fast[metric] == pytest.approx([low, high], abs=0.12 * (high - low))


def test_bootstrap_intervals_cover_the_true_accuracy_about_as_often_as_they_claim():
    hits = 0
    for trial in range(200):
        draw = np.random.default_rng(trial)
        right = draw.random(150) < 0.7
        logits = np.where(right[:, None], [1.0, 0.0], [0.0, 1.0])
        low, high = bootstrap_intervals(logits, np.zeros(150, int), resamples=200, confidence=0.9, seed=trial)[
            "accuracy"
        ]
        hits += low <= 0.7 <= high
    assert 0.83 <= hits / 200 <= 0.96


def test_more_confidence_is_a_wider_interval():
    logits, y = made_up(100, 3, 1.0)
    low, high = (bootstrap_intervals(logits, y, confidence=level, seed=1)["accuracy"] for level in (0.5, 0.99))
    assert high[0] < low[0] < low[1] < high[1]


@pytest.mark.parametrize(("options", "message"), [({"resamples": 0}, "resamples"), ({"confidence": 1.0}, "confidence")])
def test_bootstrap_refuses_options_out_of_range(options, message):
    logits, y = made_up(10, 3, 1.0)
    with pytest.raises(SettingsError, match=message):
        bootstrap_intervals(logits, y, seed=1, **options)


def test_mean_interval_equals_scipy_and_the_table_of_t():
    values = [0.61, 0.64, 0.60, 0.67]
    mean, low, high = mean_interval(values, 0.9)
    expected = stats.t.interval(0.9, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (mean, low, high) == pytest.approx((np.mean(values), *expected))
    assert mean_interval([0.0, 2.0])[2] == pytest.approx(1 + 12.706, abs=1e-3)


def test_one_seed_has_no_interval_over_seeds():
    with pytest.raises(SettingsError, match="at least two seeds, got 1"):
        mean_interval([0.5])


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.5], 0), ([0.5, 0.4], 1), ([0.1, 0.3, 0.2], 2), ([0.4, 0.1, 0.3, 0.2], 3), ([0.5] * 3, 1)],
)
def test_the_median_run_is_the_middle_one_and_of_two_the_lower(values, expected):
    assert median_run(values) == expected


def test_the_median_of_nothing_is_refused():
    with pytest.raises(SettingsError, match="at least one run, got none"):
        median_run([])


def test_mcnemar_by_hand():
    """9 songs only a gets right, 2 only b: two-sided binomial, 2 * (1 + 11 + 55) / 2**11."""
    a = np.array([True] * 20 + [True] * 9 + [False] * 2 + [False] * 5)
    b = np.array([True] * 20 + [False] * 9 + [True] * 2 + [False] * 5)
    assert mcnemar_p(a, b) == mcnemar_p(b, a) == pytest.approx(2 * 67 / 2048)
    assert mcnemar_p(a, a) == 1


def test_mcnemar_wants_the_same_songs():
    with pytest.raises(DataError, match=r"\(3,\) and \(4,\).*the same songs"):
        mcnemar_p(np.ones(3, bool), np.ones(4, bool))


def test_comparison_corrects_by_holm():
    draw = np.random.default_rng(3)
    correct = {name: draw.random(120) < share for name, share in (("x", 0.8), ("y", 0.65), ("z", 0.5))}
    pairs = compare_models(correct)
    assert list(pairs) == [("x", "y"), ("x", "z"), ("y", "z")]
    p = sorted(alone for alone, _ in pairs.values())
    holm = np.minimum(np.maximum.accumulate([p[0] * 3, p[1] * 2, p[2]]), 1)
    assert sorted(adjusted for _, adjusted in pairs.values()) == pytest.approx(list(holm))
    for (one, other), (alone, _) in pairs.items():
        assert alone == mcnemar_p(correct[one], correct[other])


def test_comparison_of_one_model_or_none_has_no_pairs():
    assert compare_models({"x": np.ones(3, bool)}) == compare_models({}) == {}


def test_letters_of_a_case_made_by_hand():
    """A chain v-w-x-y where only neighbours are alike, and z alone."""
    alike = [("v", "w"), ("w", "x"), ("x", "y")]
    assert letter_groups("vwxyz", alike) == {"v": "a", "w": "ab", "x": "bc", "y": "c", "z": "d"}


def test_letters_leave_out_a_group_that_others_cover():
    """The triangle x-y-z in the middle adds no pair to the three triangles around it."""
    alike = {pair for triangle in ("xyu", "yzv", "xzw") for pair in itertools.combinations(triangle, 2)}
    letters = letter_groups("xyzuvw", alike)
    assert letters == {"x": "ab", "y": "ac", "z": "bc", "u": "a", "v": "c", "w": "b"}


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.booleans(), min_size=28, max_size=28))))
def test_two_names_share_a_letter_exactly_when_they_are_alike(case):
    count, flags = case
    names = "stuvwxyz"[:count]
    pairs = list(itertools.combinations(names, 2))
    alike = {pair for pair, flag in zip(pairs, flags, strict=False) if flag}
    letters = letter_groups(names, alike)
    assert all(letters.values())
    assert letters[names[0]].startswith("a")
    for one, other in pairs:
        assert bool(set(letters[one]) & set(letters[other])) == ((one, other) in alike)


def test_more_than_fifty_groups_still_have_a_letter_each():
    letters = letter_groups([str(number) for number in range(60)], [])
    assert len(set(letters.values())) == 60
    assert all(len(letter) == 1 for letter in letters.values())


def test_differences_are_paired_by_song():
    """Two recipes right on the same half of the songs never differ, whichever songs are in the split."""
    right = np.tile(np.arange(100) < 50, (2, 1))
    assert difference_intervals({"x": right, "y": right}) == {("x", "y"): (0.0, 0.0, 0.0)}


def test_differences_of_single_runs_are_the_paired_t_interval_of_the_songs():
    draw = np.random.default_rng(1)
    a, b = draw.random(400) < 0.7, draw.random(400) < 0.6
    paired = stats.ttest_rel(a.astype(float), b.astype(float)).confidence_interval(0.9)
    expected = (a.mean() - b.mean(), paired.low, paired.high)
    assert difference_intervals({"a": a, "b": b}, confidence=0.9)["a", "b"] == pytest.approx(expected)


def test_differences_of_runs_that_treat_all_songs_alike_are_welchs_interval_of_the_seeds():
    a, b = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0])
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    found = difference_intervals({"a": np.repeat(a[:, None], 9, axis=1), "b": np.repeat(b[:, None], 9, axis=1)})[
        "a", "b"
    ]
    assert found == pytest.approx((a.mean() - b.mean(), welch.low, welch.high))


def test_differences_cover_the_truth_when_both_songs_and_seeds_vary():
    """Two recipes that are equal in truth, three runs each, with runs that differ more than songs would explain."""
    draw, hits = np.random.default_rng(3), 0
    for _ in range(200):
        hard = draw.normal(size=400)
        a, b = ((hard + 0.1 * draw.normal(size=(3, 1)) + 0.8 * draw.normal(size=(3, 400))) < 0.5 for _ in "ab")
        _, low, high = difference_intervals({"a": a, "b": b})["a", "b"]
        hits += low <= 0 <= high
    assert hits >= 0.93 * 200


def test_differences_stand_in_the_order_given():
    draw = np.random.default_rng(2)
    correct = {name: draw.random((3, 300)) < share for name, share in (("x", 0.5), ("y", 0.8), ("z", 0.6))}
    found = difference_intervals(correct)
    assert list(found) == [("x", "y"), ("x", "z"), ("y", "z")]
    assert found["x", "y"][2] < 0 < found["y", "z"][1]


def test_differences_want_the_same_songs():
    with pytest.raises(DataError, match=r"answered \[3, 4\] songs"):
        difference_intervals({"x": np.ones((1, 3)), "y": np.ones((1, 4))})
    with pytest.raises(SettingsError, match="confidence"):
        difference_intervals({"x": np.ones((1, 3))}, confidence=0)
    assert difference_intervals({}) == {}


def test_judging_needs_no_keras():
    code = (
        "import numpy as np, sys; from genrezoo.evaluation import evaluate; evaluate(np.eye(3), np.arange(3));"
        "sys.exit(any(name.split('.')[0] in ('keras', 'tensorflow', 'jax', 'torch') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_interval_over_songs_and_seeds_is_wider_than_either():
    values, songs = [0.70, 0.72, 0.74], [(0.65, 0.75), (0.67, 0.77), (0.69, 0.79)]
    mean, low, high = interval_over_both(values, songs)
    _, least, most = mean_interval(values)
    assert mean == pytest.approx(0.72)
    assert high - low > most - least
    assert high - low > 0.10
    # by hand: variances 0.02^2 / 3 and (0.05 / 1.96)^2, Welch's degrees of freedom 2 * (1 + 4.881)^2 = 69.2
    assert high - mean == pytest.approx(1.9949 * (0.02**2 / 3 + (0.05 / 1.959964) ** 2) ** 0.5, rel=1e-3)


def test_intervals_end_where_the_metric_does():
    assert interval_over_both([0.01, 0.2], [(0.0, 0.1)] * 2)[1] == 0.0
    assert interval_over_both([0.99, 0.9], [(0.9, 1.0)] * 2)[2] == 1.0
    assert interval_over_both([0.9, 2.9], [(0.5, 1.5)] * 2, most=np.inf)[2] > 2.9
    assert mean_interval([0.0, 0.9], least=0.0, most=1.0) == pytest.approx((0.45, 0.0, 1.0))


def test_an_interval_over_repeated_splits_by_hand():
    # differences of 1, 2 and 3 points: variance 1e-4, times 1/3 + 20/80, makes an error of 0.00764
    values = [0.01, 0.02, 0.03]
    mean, low, high = corrected_interval(values, 80, 20)
    assert mean == pytest.approx(0.02)
    assert (mean - low, high - mean) == pytest.approx((4.30265 * 0.0076376,) * 2, rel=1e-4)
    t = 0.02 / 0.0076376  # with 2 degrees of freedom p is 1 - t / sqrt(2 + t^2)
    assert corrected_p(values, 80, 20) == pytest.approx(1 - t / np.sqrt(2 + t**2), rel=1e-4)
    assert corrected_interval([0.99, 0.9], 80, 20, least=0, most=1)[2] == 1


def test_many_splits_leave_open_what_the_songs_leave_open():
    many = np.tile([0.0, 0.2], 5000)
    _, low, high = corrected_interval(many, 80, 20)
    assert (high - low) / 2 == pytest.approx(1.96 * 0.1 * 0.25**0.5, rel=1e-3)
    assert corrected_p([0.1, 0.1], 80, 20) == 0
    assert corrected_p([0.0, 0.0], 80, 20) == 1
    with pytest.raises(SettingsError, match="at least two splits, got 1"):
        corrected_interval([0.1], 80, 20)
    with pytest.raises(SettingsError, match="training and test songs, got 0 and 20"):
        corrected_p([0.1, 0.2], 0, 20)
