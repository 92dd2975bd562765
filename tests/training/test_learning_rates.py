"""The column ``learning_rate`` of a history: the rate that the last step of an epoch leaves for the next step."""

import math

import pytest
from toys import make_model, make_songs

from genrezoo.training.settings import SCHEDULES
from genrezoo.training.supervised import SupervisedSettings, supervised

RATE, EPOCHS, STEPS = 0.01, 6, 3  # 36 training songs in batches of 12


def rates(**settings):
    options = {"learning_rate": RATE, "epochs": EPOCHS, "batch_size": 12, "optimizer": "sgd", **settings}
    fitted = supervised(make_model(), make_songs(), SupervisedSettings(**options), seed=1)
    return [record["learning_rate"] for record in fitted.history]


COURSES = {
    "cosine": ({}, lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / EPOCHS))),
    "cosine_restarts": (  # cycles of two and of four epochs; the second ends after the sixth
        {"first_decay_epochs": 2, "t_mul": 2.0},
        lambda epoch: 0.5 * (1 + math.cos(math.pi * (epoch / 2 if epoch < 2 else (epoch - 2) / 4 % 1))),
    ),
    "exponential": ({"decay_epochs": 2, "decay_rate": 0.5}, lambda epoch: 0.5 ** (epoch / 2)),
    "inverse_time": ({"decay_epochs": 1, "decay_rate": 0.5}, lambda epoch: 1 / (1 + 0.5 * epoch)),
    "piecewise": (  # a boundary's own step still has the rate before it
        {"boundaries_epochs": [2, 4], "values": [RATE, 0.1 * RATE, 0.01 * RATE]},
        lambda epoch: 1.0 if epoch <= 2 else 0.1 if epoch <= 4 else 0.01,
    ),
    "polynomial": ({"end_learning_rate": 0.0, "power": 2.0}, lambda epoch: (1 - epoch / EPOCHS) ** 2),
}


@pytest.mark.parametrize(
    "schedule", ["polynomial", *(pytest.param(s, marks=pytest.mark.slow) for s in SCHEDULES if s != "polynomial")]
)
def test_each_schedule_takes_the_course_of_its_formula(schedule):
    arguments, course = COURSES[schedule]
    found = rates(schedule=schedule, schedule_arguments=arguments)
    expected = [RATE * course(epoch) for epoch in range(1, EPOCHS + 1)]
    if schedule == "cosine_restarts":
        found, expected = found[:5], expected[:5]  # after the sixth epoch a new cycle begins
    assert found == pytest.approx(expected, abs=1e-8)


@pytest.mark.slow
def test_a_rate_that_stays_and_one_that_warms_up():
    assert rates() == pytest.approx([RATE] * EPOCHS)
    warm = {"initial_learning_rate": 0.0, "warmup_target": RATE, "warmup_epochs": 2, "decay_epochs": 4}
    expected = [RATE / 2, RATE, *(RATE * 0.5 * (1 + math.cos(math.pi * part / 4)) for part in (1, 2, 3, 4))]
    assert rates(schedule="cosine", schedule_arguments=warm) == pytest.approx(expected, abs=1e-8)


def test_a_plateau_lowers_the_rate_of_the_epochs_after_it():
    """With a rate of next to nothing the error stands still: every second epoch without a better one halves it."""
    fitted = supervised(
        make_model(),
        make_songs(),
        SupervisedSettings(
            learning_rate=1e-30, epochs=EPOCHS, batch_size=12, optimizer="sgd",
            schedule="reduce_on_plateau", schedule_arguments={"factor": 0.5, "patience": 2},
        ),
        seed=1,
    )  # fmt: skip
    assert len({record["valid_loss"] for record in fitted.history}) == 1
    assert [record["learning_rate"] / 1e-30 for record in fitted.history] == pytest.approx([1, 1, 1, 0.5, 0.5, 0.25])
