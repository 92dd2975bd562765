import pytest
from pydantic import ValidationError

from genrezoo.benchmarking.study import Entrant, Grid
from genrezoo.benchmarking.suite import Suite, list_suites, load_suite
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.figures import FigurePlan

GRID = {"recipe": "lstm", "axes": {"units": [4, 8], "l2": [0.1, 1e-5]}, "changes": {"epochs": 2}}


def suite(**parts):
    return Suite(**{"name": "own", "summary": "s", "data": ["synthetic"], "grid": [GRID], **parts})


def test_a_grid_expands_to_every_combination_with_its_values_in_place():
    found = [entrant.build({}) for entrant in suite().entrants]
    assert [(r.arguments["units"], r.arguments["l2"]) for r in found] == [(4, 0.1), (4, 1e-5), (8, 0.1), (8, 1e-5)]
    assert {recipe.settings["epochs"] for recipe in found} == {2}
    assert [recipe.name for recipe in found] == [
        "lstm_units_4_l2_0_1", "lstm_units_4_l2_1e_05", "lstm_units_8_l2_0_1", "lstm_units_8_l2_1e_05"
    ]  # fmt: skip


def test_rows_are_told_where_they_stand():
    entrant = suite(grid=[{**GRID, "name": "sizes"}]).entrants[1]
    assert entrant.place == {"study": "sizes", "axes": {"units": 4, "l2": 1e-5}}
    assert Entrant(recipe="lstm", label="plain").place == {"label": "plain"}
    assert Entrant(recipe="lstm").place == {}


def test_axes_may_hold_words_lists_and_truth_values_and_long_names():
    axes = {"model.units": [[4], [4, 2]], "settings.monitor": ["loss"], "batch_norm": [True]}
    names = [entrant.name for entrant in Grid(recipe="mlp", axes=axes).entrants()]
    assert names == ["mlp_units_4_monitor_loss_batch_norm_true", "mlp_units_4_2_monitor_loss_batch_norm_true"]
    alike = Grid(recipe="mlp", axes={"model.l2": [0.1], "other.l2": [0.2]})
    assert alike.entrants()[0].name == "mlp_model_l2_0_1_other_l2_0_2"


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"axes": {"units": list(range(1, 101)), "l2": [0.1] * 11}}, r"100 of units x 11 of l2 make 1,100 trainings"),
        ({"axes": {"units": [-1, 1]}}, "two cells of the grid would both be called 'lstm_units_1'"),
        ({"axes": {"units": []}}, "axis 'units' has no values"),
        ({"axes": {}}, "axes"),
    ],
)
def test_grids_that_cannot_be_run_are_refused_with_the_reason(grid, message):
    with pytest.raises(ValidationError, match=message):
        Grid(recipe="lstm", **grid)


def test_a_grid_of_the_largest_size_is_taken():
    assert Grid(recipe="lstm", axes={"units": list(range(1, 101)), "l2": list(range(10))}).size == 1000


def test_two_entrants_of_one_name_are_refused_where_a_grid_makes_one():
    with pytest.raises(ValidationError, match="an entrant is already called 'lstm_units_4_l2_0_1'"):
        suite(recipes=[{"recipe": "lstm", "name": "lstm_units_4_l2_0_1"}])


def test_what_is_reported_belongs_to_the_references_own_values():
    assert Entrant(recipe="conv_in_time").build({}).reported
    assert Entrant(recipe="conv_in_time").build({"epochs": 1}).reported
    assert Entrant(recipe="conv_in_time", changes={"filters": 3}).build({}).reported == {}
    own = {"MSD-10 validation accuracy": "0.61"}
    assert Entrant(recipe="conv_in_time", changes={"pool_size": 1}, reported=own).build({}).reported == own


def test_the_suites_changes_reach_members_and_the_entrants_own_do_not():
    recipe = Entrant(recipe="correcting", changes={"epochs": 3}).build({"epochs": 2})
    assert recipe.settings["epochs"] == 3
    assert recipe.members["original"].recipe.settings["epochs"] == 2


def test_a_bagged_entrant_has_a_name_of_its_own_and_changes_reach_its_members():
    entrant = Entrant(recipe="conv_in_time", bagged=3, changes={"filters": 5})
    recipe = entrant.build({"epochs": 2}, {"units": 7})
    assert entrant.called == recipe.name == "bagged_conv_in_time"
    assert [(member.folds, member.held) for member in recipe.members.values()] == [(3, 1), (3, 2), (3, 3)]
    for member in recipe.members.values():
        assert (member.recipe.arguments["filters"], member.recipe.arguments["units"]) == (5, 7)
        assert member.recipe.settings["epochs"] == 2
    assert recipe.reported == {}
    assert suite(recipes=["lstm", {"recipe": "lstm", "bagged": 2}]).select(["bagged_lstm"]).entrants[0].bagged == 2
    with pytest.raises(ValidationError, match="at least 2 folds"):
        Entrant(recipe="lstm", bagged=1)


def test_what_the_user_sets_wins_everywhere():
    plan = suite(recipes=[{"recipe": "correcting", "changes": {"epochs": 3, "members.epochs": 4}}])
    plan = plan.model_copy(update={"changes": {"epochs": 5}}).overridden({"epochs": 1})
    recipes = [entrant.build(plan.changes, plan.overrides) for entrant in plan.entrants]
    assert len(recipes) == 5  # the single one and the cells of a grid that has epochs of its own
    assert {recipe.settings["epochs"] for recipe in recipes} == {1}
    assert recipes[0].members["original"].recipe.settings["epochs"] == 1


@pytest.mark.parametrize("name", list_suites())
def test_epochs_can_be_set_for_every_suite(name):
    plan = load_suite(name).overridden({"epochs": 2})
    for entrant in plan.entrants:
        recipes = [entrant.build(plan.changes, plan.overrides)]
        for recipe in recipes:  # which grows
            assert recipe.settings.get("epochs", 2) == 2
            recipes += [member.recipe for member in recipe.members.values()]


def test_an_option_is_set_where_it_is_known_and_refused_where_no_recipe_knows_it():
    plan = load_suite("modern").overridden({"epochs": 2})
    built = {entrant.called: entrant.build(plan.changes, plan.overrides) for entrant in plan.entrants}
    assert built["tcn"].settings["epochs"] == 2
    assert "epochs" not in built["rocket"].settings
    with pytest.raises(UnknownNameError, match="unknown option 'epoch'"):
        load_suite("modern").overridden({"epoch": 2})


@pytest.mark.parametrize("key", ["l2", "model.l2"])
def test_what_a_suite_compares_cannot_be_set_for_all(key):
    with pytest.raises(SettingsError, match=f"'{key}' cannot be set for all recipes: .* compares its values"):
        suite().overridden({key: 0.1})


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ({"kind": "pie"}, "kind"),
        ({"kind": "heatmap", "x": "units"}, "a heat map needs two different axes"),
        ({"kind": "heatmap", "x": "units", "y": "units"}, "a heat map needs two different axes"),
        ({"kind": "curves", "x": "units"}, "curves run over epochs"),
        ({"kind": "bars", "x": "units", "y": "l2"}, "bars take one axis"),
        ({"kind": "bars", "values": ["speed"]}, "unknown value 'speed'"),
        ({"kind": "curves", "best": 9}, "less than or equal to 8"),
        ({"kind": "curves", "values": ["test_accuracy"]}, "curves show loss and accuracy"),
        ({"kind": "bars", "values": ["learning_rate"]}, "learning_rate is drawn by curves alone"),
        ({"kind": "table", "values": ["heads"]}, "heads is drawn by curves alone"),
        ({"kind": "table", "values": ["test_acuracy"]}, "unknown value 'test_acuracy'. Did you mean 'test_accuracy'"),
        ({"kind": "table", "x": "units", "y": "l2"}, "table takes one axis"),
        ({"kind": "bars", "transpose": True}, "transpose and together are for tables"),
        ({"kind": "curves", "together": True}, "transpose and together are for tables"),
        ({"kind": "table", "x": "units", "together": True}, "takes no axis"),
    ],
)
def test_figures_that_cannot_be_drawn_are_refused(figure, message):
    with pytest.raises(ValidationError, match=message):
        FigurePlan(title="t", **figure)


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ({"kind": "bars", "entrants": ["gru"]}, "'gru' is neither an entrant, a grid nor a baseline"),
        ({"kind": "bars", "x": "beta"}, "no entrant has a position on axis 'beta'"),
        ({"kind": "bars", "x": "units", "entrants": ["mlp"]}, "no entrant has a position on axis 'units'"),
        ({"kind": "table", "values": ["train_accuracy"]}, "set train_scores = true"),
    ],
)
def test_figures_name_what_the_suite_has(figure, message):
    with pytest.raises(ValidationError, match=message):
        suite(recipes=["mlp"], figures=[{"title": "t", **figure}])


def test_a_selection_takes_whole_grids_and_single_cells_and_keeps_the_figures_that_they_allow():
    figures = [
        {"kind": "heatmap", "title": "map", "entrants": ["lstm"], "x": "units", "y": "l2"},
        {"kind": "curves", "title": "both", "entrants": ["mlp", "lstm_units_4_l2_0_1"]},
        {"kind": "curves", "title": "all"},
    ]
    whole = suite(recipes=["mlp"], figures=figures)
    assert [figure.title for figure in whole.select(["lstm"]).figures] == ["map", "both", "all"]
    assert len(whole.select(["lstm"]).entrants) == 4
    one = whole.select(["lstm_units_4_l2_0_1"])
    assert [entrant.called for entrant in one.entrants] == ["lstm_units_4_l2_0_1"]
    assert [figure.title for figure in one.figures] == ["map", "both", "all"]
    other = whole.select(["mlp"])
    assert [(figure.title, figure.entrants) for figure in other.figures] == [("both", ("mlp",)), ("all", ())]
    for chosen in (one, other):
        assert Suite.model_validate(chosen.model_dump()) == chosen
    with pytest.raises(UnknownNameError, match="Did you mean 'lstm_units_4_l2_0_1'"):
        whole.select(["lstm_units_4_l2_0_2"])


def test_an_absurd_grid_in_a_file_is_refused_with_its_size(tmp_path):
    path = tmp_path / "big.toml"
    values = ", ".join(map(str, range(1, 1200)))
    grid = f'[[grid]]\nrecipe = "lstm"\naxes = {{ units = [{values}] }}\n'
    path.write_text(f'name = "big"\nsummary = "s"\ndata = ["synthetic"]\n{grid}')
    with pytest.raises(DataError, match="1199 of units make 1,199 trainings of lstm, but at most 1,000"):
        load_suite(path)


def test_the_grid_of_parts_is_that_of_its_source():
    """All numbers of segments that divide a song of 120, 35 epochs each, a bar chart and the seven best curves."""
    steps = load_suite("rnn_steps")
    assert steps.grid[0].axes == {"num_steps": [parts for parts in range(2, 61) if 120 % parts == 0]}
    assert steps.grid[0].changes["epochs"] == 35
    assert [(figure.kind, figure.x) for figure in steps.figures] == [("bars", "num_steps"), ("curves", None)]
    assert steps.figures[1].best == 7


def test_scores_on_training_songs_are_shown_where_they_are_measured():
    figure = {"kind": "table", "title": "t", "values": ["train_accuracy", "train_seconds"]}
    assert suite(train_scores=True, figures=[figure]).figures[0].of_training_songs
    assert not FigurePlan(title="t", kind="table", values=("train_seconds",)).of_training_songs


def test_an_entrant_is_for_its_kinds_of_features_and_for_songs_that_say_nothing():
    entrant = Entrant(recipe="lstm", feature_kinds=["log_mel"])
    assert [entrant.suits(kind) for kind in ("log_mel", "segments", None)] == [True, False, True]
    assert Entrant(recipe="lstm").suits("segments")
    (cell, *_) = suite(grid=[{**GRID, "feature_kinds": ["segments"]}]).entrants
    assert not cell.suits("log_mel")


def test_a_recipe_in_a_file_has_no_place_in_a_suite():
    with pytest.raises(ValidationError, match="recipe"):
        Entrant(recipe="own.json")
