import pytest

from genrezoo import files
from genrezoo.benchmarking.suite import Suite, list_suites, load_suite
from genrezoo.errors import DataError, UnknownNameError

TEXT = """
name = "own"
summary = "s"
recipes = ["lstm", {recipe = "lstm", name = "small_lstm", changes = {units = 4}}]
baselines = ["svm_rbf_flat"]
data = ["synthetic"]
[changes]
epochs = 2
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize("name", list_suites())
def test_every_shipped_suite_loads_and_its_recipes_build(name):
    suite = load_suite(name)
    assert suite.name == name
    names = [entrant.build(suite.changes).name for entrant in suite.entrants]
    assert len(set(names)) == len(names) > 0
    assert "\n" not in suite.summary
    assert load_suite(name).select(names).entrants  # each can be chosen by its name


def test_entrants_have_names_and_changes_of_their_own(path):
    suite = load_suite(path)
    first, second = (entrant.build(suite.changes) for entrant in suite.recipes)
    assert (first.name, first.arguments["units"], first.settings["epochs"]) == ("lstm", 100, 2)
    assert (second.name, second.arguments["units"], second.settings["epochs"]) == ("small_lstm", 4, 2)
    assert suite.data == ({"source": "synthetic"},)


def test_selection_takes_own_entrants_registered_recipes_and_baselines(path):
    chosen = load_suite(path).select(["small_lstm", "mlp", "extra_trees_stats"])
    assert [entrant.name or entrant.recipe for entrant in chosen.recipes] == ["small_lstm", "mlp"]
    assert chosen.baselines == ("extra_trees_stats",)
    with pytest.raises(UnknownNameError, match="unknown recipe or baseline 'smal_lstm'. Did you mean 'small_lstm'"):
        load_suite(path).select(["smal_lstm"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not valid TOML"),
        ('name = "own"\nsummary = ""\n', "data: is missing"),
        (TEXT.replace('"synthetic"', "{n = 1}"), "each data table needs a source"),
        (TEXT.replace("epochs = 2", "epochs = 2\n[oops]\n"), "oops: is unknown"),
        (TEXT.replace('"own"', '"Own Suite"'), "name: String should match"),
        ("seeds = 0\n" + TEXT, "seeds: must be greater"),
        ('name = "own"\nsummary = ""\ndata = 7\n', "data: must be a list of names or tables"),
        (
            'name = "own"\nsummary = ""\ndata = ["synthetic"]\nrecipes = 7\n',
            "recipes: must be a list of names or tables",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        load_suite(path)
    assert "bad.toml" in str(caught.value)


def test_unknown_names_suggest_the_nearest(path):
    with pytest.raises(UnknownNameError, match="unknown suite 'quik'. Did you mean 'quick'"):
        load_suite("quik")
    with pytest.raises(UnknownNameError, match="unknown baseline 'svm'"):
        Suite(name="own", summary="s", baselines=("svm",), data=["synthetic"])
    with pytest.raises(DataError, match="No such file"):
        load_suite(path.parent / "none.toml")


def test_the_suite_left_by_a_benchmark_can_be_run_again(path, tmp_path):
    suite = load_suite(path)
    left = files.write_json(tmp_path / "suite.json", suite.model_dump(mode="json"))
    assert load_suite(left) == suite
