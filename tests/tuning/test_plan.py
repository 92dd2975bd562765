import json

import pytest

from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.recipes import get_recipe
from genrezoo.tuning.plan import SearchPlan, as_plan, load_search_plan

PLAN = 'name = "mine"\nrecipe = "lstm"\nmax_trials = 3\nobjective = "loss"\nspace = {units = [8, 16]}\n'


def test_a_recipe_is_a_plan_with_plain_defaults():
    for given in ("lstm", get_recipe("lstm")):
        plan = as_plan(given, {})
        assert (plan.name, plan.recipe.name, plan.tuner, plan.budget) == ("lstm", "lstm", "bayesian", 25)
        assert plan.objective.metric == "accuracy"


@pytest.mark.parametrize(("tuner", "budget"), [("random", 25), ("grid", None), ("hyperband", None)])
def test_grids_and_hyperband_end_by_themselves(tuner, budget):
    assert as_plan("lstm", {"tuner": tuner}).budget == budget
    assert as_plan("lstm", {"tuner": tuner, "max_trials": 7}).budget == 7


def test_a_file_holds_a_plan_or_a_recipe(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    plan = as_plan(str(tmp_path / "plan.toml"), {"max_trials": 5, "tuner": None})
    assert (plan.max_trials, plan.objective.metric, plan.space) == (5, "loss", {"units": [8, 16]})
    (tmp_path / "best.json").write_text(json.dumps(get_recipe("gru").model_dump(mode="json")))
    assert as_plan(str(tmp_path / "best.json"), {}).recipe == get_recipe("gru")
    (tmp_path / "recipe.toml").write_text('name = "r"\nsummary = "s"\nreference = "own"\nmodel = "lstm"\n')
    assert as_plan(str(tmp_path / "recipe.toml"), {}).recipe.model == "lstm"


def test_what_is_given_joins_the_plan(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN + "changes = {epochs = 2}\ntuner_options = {beta = 1.9}\n")
    plan = as_plan(str(tmp_path / "plan.toml"), {"changes": {"batch_size": 8}, "space": {"l2": 0.1}})
    assert plan.changes == {"epochs": 2, "batch_size": 8}
    assert plan.space == {"units": [8, 16], "l2": 0.1}
    assert plan.tuned.settings["epochs"] == 2
    assert plan.tuner_options == {"beta": 1.9}
    assert as_plan(plan, {"tuner": "random"}).tuner_options == {}  # they were another tuner's


def test_a_wrong_plan_names_file_and_field(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN + "colour = 1\n")
    with pytest.raises(DataError, match=r"plan.toml: colour"):
        load_search_plan(path)
    path.write_text("name = ")
    with pytest.raises(DataError, match="not valid TOML"):
        load_search_plan(path)
    with pytest.raises(DataError, match="cannot be read"):
        load_search_plan(tmp_path / "none.toml")
    path.write_text(PLAN.replace("lstm", "lsmt"))
    with pytest.raises(UnknownNameError, match="'lstm'"):
        load_search_plan(path)


def test_unknown_names_and_ranges_are_refused():
    with pytest.raises(UnknownNameError, match="recipe or search plan"):
        as_plan("no_such", {})
    with pytest.raises(SettingsError, match="max_trials"):
        as_plan("lstm", {"max_trials": 0})
    with pytest.raises(UnknownNameError, match="search plan"):
        load_search_plan("no_such")
    assert isinstance(as_plan(SearchPlan(name="a", recipe="lstm"), {}), SearchPlan)
