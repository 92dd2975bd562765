"""The suites of documents D and E: whether each stands for what its document asks, and builds on its own songs."""

import keras
import pytest
from toys import make_songs

from genrezoo.benchmarking.suite import load_suite
from genrezoo.datasets import load_songs
from genrezoo.models import create_model
from genrezoo.recipes import get_recipe
from genrezoo.registry import find_builder
from genrezoo.runs.building import build_model
from genrezoo.runs.preprocessing import Preprocessing
from genrezoo.runs.training import train

SUITES = (
    "activations", "batch_sizes", "efficientnet_stages", "image_networks", "mel_forms", "optimisers", "patience",
    "same_seed", "schedules", "sound_families", "tables_and_images", "transfer_learning", "weight_decay_and_dropout",
)  # fmt: skip
FEW = {"n_train": 10, "n_valid": 10, "n_test": 10}


@pytest.fixture(scope="module")
def songs():
    """The songs of any suite, but few of them, each kind made once."""
    made = {}

    def of(source):
        options = {**{key: value for key, value in source.items() if key not in ("source", "name")}, **FEW}
        key = str(sorted(options.items(), key=str))
        if key not in made:
            made[key] = load_songs(source["source"], **options)
        return made[key]

    return of


@pytest.mark.slow  # some are as large as a ResNet50
@pytest.mark.parametrize("name", SUITES)
def test_every_recipe_builds_on_the_songs_of_its_suite(name, songs):
    suite = load_suite(name)
    built = set()
    for source in suite.data:
        given = songs(source)
        for entrant in suite.entrants:
            if not entrant.suits(given.about["features"]["kind"]):
                continue
            recipe = entrant.build(suite.changes)
            built.add(entrant.called)
            assert find_builder(recipe.model).expects == given.kind
            if recipe.arguments.get("weights"):
                recipe = recipe.changed({"weights": None})  # those are not fetched for a test
            if (recipe.model, str(recipe.arguments)) not in built:
                built.add((recipe.model, str(recipe.arguments)))
                assert (
                    build_model(
                        recipe, Preprocessing.plain(recipe, given).shape(given), given.num_classes
                    ).count_params()
                    > 0
                )
    assert {entrant.called for entrant in suite.entrants} <= built


@pytest.mark.parametrize("name", SUITES)
def test_every_figure_says_which_section_it_stands_for(name):
    for figure in load_suite(name).figures:
        assert figure.caption.startswith(("Document D, question", "Document E, section")) or name == "sound_families"


def test_optimisers_stand_in_columns_with_accuracy_and_macro_f1_in_rows():
    suite = load_suite("optimisers")
    table = suite.figures[0]
    assert (table.kind, table.transpose) == ("table", False)
    assert table.values[:2] == ("test_accuracy", "test_macro_f1")
    assert table.entrants == tuple(entrant.called for entrant in suite.recipes)
    kinds = {entrant.build({}).settings["optimizer"] for entrant in suite.recipes}
    assert kinds == {"sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "nadam", "adamw", "lion"}
    assert suite.recipes[0].build({}).settings["learning_rate"] == 0.002  # the source's
    forms = [entrant.build({}).arguments for entrant in suite.recipes]
    assert all(form == get_recipe("mel_cnn_pooled").arguments for form in forms)  # linear, as it is at that step


def test_each_activation_function_is_in_every_layer_before_pooling_and_without_batch_norm():
    suite = load_suite("activations")
    (table, _) = suite.figures
    assert (table.kind, table.x, table.transpose) == ("table", "activation", True)  # a row for each function
    assert {"test_macro_f1", "test_accuracy"} <= set(table.values)
    assert {"linear", "relu", "tanh", "sigmoid"} <= {entrant.axes["activation"] for entrant in suite.entrants}
    for entrant in suite.entrants:
        recipe = entrant.build(suite.changes).changed(units=[6, 5, 4])
        model = create_model(recipe.model, (21, 128), 4, **recipe.arguments)
        order = [layer.name for layer in model.layers]
        for number in (1, 2, 3, 4):
            conv = order.index(f"conv_{number}")
            assert order[conv : conv + 3] == [f"conv_{number}", f"conv_{number}_activation", f"pool_{number}"]
        functions = [layer.activation for layer in model.layers if layer.name.endswith("_activation")]
        assert functions == 7 * [keras.activations.get(entrant.axes["activation"])]


def test_schedules_train_the_network_before_batch_norm_and_differ_in_nothing_else():
    found = [entrant.build({}) for entrant in load_suite("schedules").recipes]
    assert all(recipe.arguments == get_recipe("mel_cnn_relu").arguments for recipe in found)
    rest = [{**recipe.settings, "schedule": None, "schedule_arguments": {}} for recipe in found]
    assert all(settings == rest[0] for settings in rest)


def test_the_same_training_twice_has_the_same_loss_in_each_epoch(tmp_path):
    suite = load_suite("same_seed")
    songs = make_songs(n_segments=21, n_features=16)
    small = {"filters": [2, 2, 2, 2], "units": [4], "epochs": 3}
    once, again = (
        train(entrant.build(suite.changes).changed(small), songs, seed=1, out=tmp_path / entrant.called)
        for entrant in suite.recipes
    )
    assert once.card.weights_sha256 == again.card.weights_sha256
    histories = [{key: values for key, values in run.history().items() if key != "seconds"} for run in (once, again)]
    assert histories[0] == histories[1]
    assert once.evaluate("test") == again.evaluate("test")


def test_batches_are_the_first_seven_powers_of_two_with_performance_and_time():
    suite = load_suite("batch_sizes")
    assert suite.grid[0].axes == {"batch_size": [2**power for power in range(1, 8)]}
    assert {"test_accuracy", "test_macro_f1", "train_seconds"} <= set(suite.figures[0].values)


def test_weight_decay_and_dropout_stand_apart_and_together_for_60_epochs():
    suite = load_suite("weight_decay_and_dropout")
    found = [entrant.build(suite.changes) for entrant in suite.entrants]
    assert {recipe.settings["epochs"] for recipe in found} == {60}
    places = {(recipe.settings["weight_decay"] > 0, recipe.arguments["dropout"] > 0) for recipe in found}
    assert places == {(False, False), (True, False), (False, True), (True, True)}
    assert suite.train_scores


def test_patience_has_the_sources_seven_and_a_training_that_never_stops_early():
    found = [entrant.build({}) for entrant in load_suite("patience").entrants]
    patience = [recipe.settings.get("patience") for recipe in found]
    assert patience[0] is None
    assert 7 in patience
    assert {recipe.settings["epochs"] for recipe in found} == {60}


def test_images_are_read_by_the_sources_combinations_of_depth_kernel_and_stride():
    found = [entrant.build({}).arguments for entrant in load_suite("image_networks").recipes]
    shapes = {(part["conv_layers"], part["kernel_size"], part["strides"]) for part in found}
    assert shapes == {(3, 4, 5), (4, 3, 4), (4, 4, 4), (4, 5, 4), (5, 4, 3), (6, 4, 2)}
    assert {part["activation"] for part in found} == {"tanh", "relu", "sigmoid"}
    for entrant in load_suite("image_networks").recipes:
        settings = entrant.build({}).procedure_settings()
        assert settings.weight_decay == pytest.approx(settings.learning_rate / 10)
    assert all(entrant.reported for entrant in load_suite("image_networks").recipes)


def test_none_to_four_stages_are_trained_and_weights_can_be_given():
    suite = load_suite("transfer_learning")
    assert suite.grid[0].axes == {"unfrozen": [0, 1, 2, 3, 4]}
    (first, *_) = (entrant.build({**suite.changes, "weights": "own.h5"}) for entrant in suite.entrants)
    assert first.arguments["weights"] == "own.h5"
    assert suite.changes == {"weights": "imagenet"}
