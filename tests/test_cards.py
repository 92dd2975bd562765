import dataclasses
import inspect
import re
import subprocess
import sys

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt
from toys import make_songs
from typer.testing import CliRunner

import genrezoo as gz
from genrezoo.cards.front_matter import front_matter
from genrezoo.cli import app
from genrezoo.recipes import RECIPES
from genrezoo.recipes.recipe import Member
from genrezoo.registry import COMPOSITIONS, MODELS

EVIL = "<script>alert(1)</script> `x` | y: z\n---\n# 'a' \"b\" [c](d) \x85\u2028\x07 \U0001f600 {{ 7 }}"
SECTIONS = ["What it reads", "Genres", "How to use it", "Training", "Results", "By genre", "Confusion"]
SECTIONS += ["Limits and cautions", "Citation"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose songs and one of whose genres have hostile names."""
    songs = dataclasses.replace(make_songs(name=EVIL), genres=("jazz", EVIL, "yes"))
    return gz.train("fully_connected", songs, epochs=1, out=tmp_path_factory.mktemp("run") / "a", verbose=0)


@pytest.fixture(scope="module")
def text(run):
    return gz.card(run)


def parts(text):
    """The head as data, and what a Markdown reader makes of the rest."""
    found = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    tokens = MarkdownIt("commonmark").enable("table").parse(text[found.end() :])
    return yaml.safe_load(found[1]), tokens


def inline(tokens, kind):
    """The text in each element of a kind."""
    return [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == f"{kind}_open"]


def test_the_head_holds_the_stored_results_with_their_intervals(run, text):
    head, _ = parts(text)
    assert head["library_name"] == "keras"
    assert head["pipeline_tag"] == "audio-classification"
    assert (head["license"], head["license_name"]) == ("other", "not-stated")
    (result,) = head["model-index"][0]["results"]
    assert result["dataset"]["name"] == f"{EVIL} (random split)"
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,40}", result["dataset"]["type"])
    assert head["datasets"] == [result["dataset"]["type"]]
    stored = run.evaluate("test")
    wanted = [stored[name] for name in ("accuracy", "macro_f1", "log_loss", "calibration_error")]
    assert [one["value"] for one in result["metrics"]] == pytest.approx(wanted, abs=1e-4)
    low, high = result["metrics"][0]["args"]["interval"]
    assert low < stored["accuracy"] < high or low == high == 1


def test_a_card_is_whole_and_hostile_names_stay_text(run, text):
    _, tokens = parts(text)
    assert inline(tokens, "heading")[1:] == SECTIONS
    assert not [token for token in tokens if token.type == "html_block"]
    assert not [
        child for token in tokens for child in token.children or () if child.type in ("html_inline", "link_open")
    ]
    cells = inline(tokens, "td")
    confusion = run.evaluate("test")["confusion"]
    rows = [cells[cells.index(f"{number}: {name}") :][1:4] for number, name in ((1, "jazz"), (3, "yes"))]
    assert rows == [list(map(str, confusion[place])) for place in (0, 2)]
    assert "The split is random" in text
    assert "No licence is stated" in text


def test_the_snippet_of_a_card_runs_in_the_run_folder(run, text, monkeypatch):
    monkeypatch.chdir(run.folder)
    _, tokens = parts(text)
    (snippet,) = [token.content for token in tokens if token.type == "fence" and token.info == "python"]
    names = {}
    exec(snippet, names)
    assert set(names["probabilities"]) == set(run.genres)
    assert sum(names["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_the_command_writes_the_same_card_with_a_licence(run, text, tmp_path):
    done = CliRunner().invoke(app, ["card", str(run.folder), "--licence", "MIT", "--out", str(tmp_path / "README.md")])
    assert done.exit_code == 0, done.output
    written = (tmp_path / "README.md").read_text("utf-8")
    assert parts(written)[0]["license"] == "mit"
    unlicensed = text.replace('license: "other"\nlicense_name: "not-stated"', 'license: "mit"')
    assert written == re.sub("- No licence is stated.*\n", "", unlicensed)


@pytest.mark.slow
def test_a_card_needs_no_keras(run):
    code = (
        f"import sys, genrezoo; genrezoo.card({str(run.folder)!r}); genrezoo.card('lstm');"
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'jax', 'torch')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def changed(run, *, recipe=None, **songs):
    """The run with other songs, or another recipe, on its card."""
    update = {"songs": {**run.card.songs, **songs}, "recipe": run.card.recipe.model_copy(update=recipe or {})}
    return gz.Run(run.folder, run.card.model_copy(update=update))


def test_what_a_run_rests_on_stands_on_its_card(run):
    member = Member(recipe=gz.get_recipe("lstm"), weights_sha256=("ab" * 32,))
    recipe = {"arguments": {"weights": "vgg_tagger.msd"}, "members": {"judge": member}}
    about = {"features": {"kind": "mfcc", "rate": 22050}}
    made = gz.card(changed(run, recipe=recipe, name="synthetic", splits={"valid": 20}, about=about, lengths=[3, 4, 6]))
    # There are no test songs, so the validation songs stand in.
    for text in ("may hold recordings of GTZAN", "The songs are synthetic", "the results are optimistic"):
        assert text in made
    _, tokens = parts(made)
    assert inline(tokens, "td")[-3:] == ["judge", "lstm (lstm)", "ab" * 8]
    assert "genrezoo predict . song.mp3" in [token.content.strip() for token in tokens if token.type == "fence"]
    assert {"kind", '"mfcc"', "rate", "22050"} <= set(inline(tokens, "td"))
    assert "songs of 3 to 6 segments" in made


@pytest.mark.parametrize("songs", [{"lengths": [1]}, {"splits": {"test": "many"}}, {"about": {"features": 3}}])
def test_a_malformed_description_of_songs_is_refused(run, songs):
    with pytest.raises(gz.DataError, match="card.json: songs: "):
        gz.card(changed(run, **songs))


@pytest.mark.parametrize("name", gz.list_weights())
def test_every_published_weights_have_a_card(name):
    head, tokens = parts(gz.card(name))
    about = gz.weights_info(name)
    assert head["license"] == about["licence"].lower()
    assert head["pipeline_tag"].startswith("audio" if about["genres"] else "image")
    said = " ".join(token.content for token in tokens)
    assert set(about["genres"]) <= set(re.split(r"[:,.] ?", said.replace("\n", " ")))
    for text in about["overlaps"].values():
        assert text in said


@pytest.mark.parametrize("name", gz.list_weights())
def test_the_snippet_of_published_weights_asks_for_what_the_model_takes(name, monkeypatch):
    calls = []
    monkeypatch.setattr(gz, "create_model", lambda *arguments, **options: calls.append((arguments, options)))
    (snippet,) = [token.content for token in parts(gz.card(name))[1] if token.info == "python"]
    exec(snippet, {})
    (((model, shape, number), options),) = calls
    assert (model, shape, number) == (name.partition(".")[0], tuple(gz.weights_info(name)["input_shape"]), 10)
    assert options == {"weights": name}
    assert "weights" in inspect.signature(MODELS.get(model).call).parameters


@pytest.mark.parametrize("entry", [*MODELS.members(), *COMPOSITIONS.members()], ids=lambda entry: entry.name)
def test_every_model_has_a_card_with_its_options_recipes_and_results(entry):
    head, tokens = parts(gz.card(entry.name))
    assert (head["license"], head["library_name"], head["tags"][-1]) == ("mit", "keras", entry.name)
    cells, said = inline(tokens, "td"), " ".join(token.content for token in tokens)
    sections = inline(tokens, "heading")
    assert sections[0] == entry.name
    assert {"What it reads", "How to use it", "Options", "Results", "Limits and cautions", "Source"} <= set(sections)
    for option, parameter in list(inspect.signature(entry.call).parameters.items()):
        if parameter.kind is parameter.KEYWORD_ONLY:
            place = cells.index(f"`{option}`")
            assert cells[place + 1] == f"`{parameter.default!r}`"
            assert (cells[place + 2] != "") == (option in entry.space)
            assert cells[place + 3]
    assert {f"`{recipe.name}`" for recipe in RECIPES.members() if recipe.model == entry.name} <= set(cells)
    for name in (name for name in gz.list_weights() if gz.weights_info(name)["model"] == entry.name):
        assert f"`{name}`" in said
    for value in entry.reported.values():
        assert value in said
    assert ("datasets" in head) == ("Measured on test songs" in said) == ("Accuracy (%)" in inline(tokens, "th"))


def test_the_card_of_a_model_of_ones_own_claims_no_licence():
    @gz.register_model("own_one", summary="one affine map", reference="textbooks", expects="image")
    def build(input_shape, num_classes, *, l2=0.0):
        raise AssertionError("a card builds nothing")

    try:
        head, tokens = parts(gz.card("own_one"))
    finally:
        MODELS.remove("own_one")
    assert (head["license"], head["license_name"]) == ("other", "not-stated")
    assert "`l2`" in inline(tokens, "td")
    (snippet,) = [token.content for token in tokens if token.info == "python"]
    assert 'gz.create_model("own_one", (224, 224, 3), num_classes=10)' in snippet


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("vgg_tager.msd",), gz.UnknownNameError, "Did you mean 'vgg_tagger.msd'"),
        (("ltsm",), gz.UnknownNameError, "unknown model, weights, file or folder 'ltsm'. Did you mean 'lstm'"),
        (("runs/ltsm",), gz.DataError, "runs/ltsm: no such file or folder"),
        (("0",), gz.UnknownNameError, "Known: attention_pool, batch_norm_rnn, "),
        (("lstm", "mit"), gz.SettingsError, "is known"),
        (("vgg_tagger.msd", "mit"), gz.SettingsError, "is known"),
        (("vgg_tagger.msd", "mit\nx: 1"), gz.SettingsError, "short name"),
        ((".",), gz.DataError, "not a run folder"),
    ],
)
def test_what_has_no_card_is_refused(arguments, error, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        gz.card(arguments[0], licence=arguments[1] if arguments[1:] else None)


@pytest.mark.parametrize("value", [EVIL, "", "no", "1e3", "- a", "\ufeff\ufffe\x7f\\", 3, 0.25, [1, "a: b"]])
def test_what_goes_into_a_head_comes_out_of_it(value):
    values = {"a": value, "b": [{"c": value, "d": {"e": value}}], "f": "end"}
    lines = front_matter(values).splitlines()
    assert (lines[0], lines[-1]) == ("---", "---")
    assert yaml.safe_load("\n".join(lines[1:-1])) == values


def test_fractions_stay_numbers_however_small():
    assert yaml.safe_load(front_matter({"a": 1e-7, "b": np.float64(0.5)}).strip("-\n")) == {"a": 0.0, "b": 0.5}
