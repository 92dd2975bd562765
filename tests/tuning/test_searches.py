import pytest

from genrezoo.tuning.plan import list_search_plans, load_search_plan

STEPS = [2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 24, 30, 40, 60]
RATES = {"min": 0.0, "max": 0.5}
STUDENT = {
    "units": {"min": 20, "max": 2000},
    "input_dropout": RATES,
    "dropout": RATES,
    "l2": {"min": 1e-3, "max": 10.0, "sampling": "log"},
}
SOURCES = {  # recipe, space, tuner, its random starts, trials, epochs, learning rate, what of the epochs counts
    "dropout_search": (
        "mlp_pretrained",
        {"input_dropout": {"min": 0.0, "max": 1 - 0.7}, "dropout": {"min": 0.0, "max": 1 - 0.4}},
        *("bayesian", 5, 25, 35, 1e-4, "best"),
    ),
    "rnn_steps_search": ("rnn_without_readout", {"num_steps": STEPS}, "grid", None, None, 35, 1e-4, "best"),
    "rnn_search": (
        "rnn",
        {"units": {"min": 15, "max": 500}, "num_steps": STEPS},
        *("bayesian", 1, 1 + 25, 25, 1e-4, "best_tenth"),
    ),
    "student_search_slow": ("student_mlp", STUDENT, "bayesian", 5, 50, 40, 1e-5, "best_tenth"),
    "student_search_fast": ("student_mlp", STUDENT, "bayesian", 5, 25, 20, 1e-4, "best_tenth"),
}


def flat(space):
    return {
        name: pytest.approx(part) if isinstance(part, float) else part
        for name, given in space.items()
        for name, part in (
            ((f"{name}.{key}", value) for key, value in given.items()) if isinstance(given, dict) else [(name, given)]
        )
    }


def test_every_shipped_search_has_its_source_here():
    assert sorted(SOURCES) == list_search_plans()


@pytest.mark.parametrize("name", list_search_plans())
def test_a_search_is_that_of_its_source(name):
    plan = load_search_plan(name)
    recipe, space, tuner, random, trials, epochs, rate, over = SOURCES[name]
    assert plan.name == name
    assert plan.recipe.name == recipe
    assert flat(plan.space) == flat(space)
    assert (plan.tuner, plan.max_trials) == (tuner, trials)
    categories = {"categorical": ["num_steps"]} if name == "rnn_search" else {}
    assert plan.tuner_options == ({"initial_points": random, "beta": 1.9, **categories} if tuner == "bayesian" else {})
    assert (plan.objective.metric, plan.objective.over, plan.objective.repeats) == ("accuracy", over, 1)
    settings = plan.tuned.procedure_settings()
    assert (settings.epochs, settings.learning_rate, settings.batch_size) == (epochs, rate, 50)
    assert not plan.from_recipe
    assert plan.reported
    assert plan.reference.startswith("document A, ")


@pytest.mark.parametrize("name", list_search_plans())
def test_a_search_names_options_of_its_recipe_and_searches_all_of_its_space(name):
    plan = load_search_plan(name)
    assert set(plan.only) == set(plan.space)
    for option in (*plan.only, *plan.changes):
        assert plan.recipe.knows(option), option
    for low in (0, -1):  # both ends are values that the recipe takes
        ends = {
            option: given[low] if isinstance(given, list) else given["min" if low == 0 else "max"]
            for option, given in plan.space.items()
        }
        plan.tuned.changed(ends)


def test_the_best_tenth_of_the_source_is_two_two_and_four_epochs():
    for name, epochs, best in [("rnn_search", 25, 2), ("student_search_fast", 20, 2), ("student_search_slow", 40, 4)]:
        objective = load_search_plan(name).objective
        assert load_search_plan(name).tuned.procedure_settings().epochs == epochs
        course = [0.5] * (epochs - 4) + [0.6, 0.7, 0.8, 0.9]
        mean = {2: 0.85, 4: 0.75}[best]
        assert objective.score({"valid_accuracy": course}) == pytest.approx(mean)


def test_teachers_of_a_student_do_not_depend_on_what_is_searched():
    plan = load_search_plan("student_search_slow")
    small, large = ({"units": 20, "l2": 1.0}, {"units": 2000, "dropout": 0.5})
    assert plan.tuned.changed(small).members == plan.tuned.changed(large).members == plan.recipe.members
