import csv
import dataclasses
import sys

import numpy as np
import pytest
from toys import make_songs
from typer.testing import CliRunner

from genrezoo.cli import app, main
from genrezoo.recipes import Recipe, get_recipe
from genrezoo.recipes.recipe import Member
from genrezoo.runs import load_run, train
from genrezoo.songs.storage import save_songs

SMALL = get_recipe("fully_connected").changed({"units": [6], "epochs": 2, "batch_size": 16})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plot")
    songs = make_songs(90)
    save_songs(songs, folder / "songs")
    train(SMALL, songs, seed=1, out=folder / "a")
    train(SMALL, songs, seed=2, out=folder / "b")
    for name, model in (("cascade", ("student", "teacher")), ("correcting", ("original",))):
        recipe = Recipe(
            name="own", summary="s", reference="r", model=name,
            procedure="cascade_threshold" if name == "cascade" else "stagewise",
            settings={} if name == "cascade" else {"epochs": 1},
            members={part: Member(run=str(folder / run)) for part, run in zip(model, "ab", strict=False)},
        )  # fmt: skip
        train(recipe, songs, seed=1, out=folder / name)
    return folder


@pytest.fixture(scope="module")
def grouped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grouped")
    songs = dataclasses.replace(make_songs(90), about={"feature_groups": {"told": [0], "noise": [1, 2, 3]}})
    save_songs(songs, folder / "songs")
    train(SMALL, songs, seed=1, out=folder / "a")
    return folder


def test_importance_of_each_group_and_genre(grouped, tmp_path):
    out = tmp_path / "i.svg"
    answer = run("plot", "importance", grouped / "a", "--data", grouped / "songs", "--repeats", 2, "--out", out)
    assert answer.exit_code == 0, answer.output
    assert out.read_text().startswith("<svg")
    with open(tmp_path / "i.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["group"], row["genre"]) for row in rows[:2]] == [("noise", "all"), ("noise", "genre0")]
    assert len(rows) == 2 * 4
    right = load_run(grouped / "a").evaluate("test")["accuracy"]
    assert float(rows[0]["recall"]) == pytest.approx(right)
    assert f"of {100 * right:.1f} %" in answer.output


def run(*arguments):
    return CliRunner().invoke(app, [str(part) for part in arguments])


@pytest.mark.slow
def test_curves_of_several_runs_in_one_figure(made, tmp_path):
    answer = run("plot", "curves", made / "a", made / "b", "--out", tmp_path / "c.svg")
    assert answer.exit_code == 0, answer.output
    assert (tmp_path / "c.svg").read_text().startswith("<svg")
    history = load_run(made / "a").history()
    assert history["epoch"] == [1, 2]
    assert set(history) >= {"loss", "valid_accuracy"}


def test_difficulty_is_the_cross_entropy_of_each_song(made, tmp_path):
    answer = run("plot", "difficulty", made / "a", "--data", made / "songs", "--most", 3, "--out", tmp_path / "d.svg")
    assert answer.exit_code == 0, answer.output
    with open(tmp_path / "d.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    songs = make_songs(90).split("train")
    posterior = load_run(made / "a").predict(songs.x)
    expected = dict(zip(songs.ids.tolist(), -np.log(posterior[np.arange(len(songs)), songs.y]), strict=True))
    assert {row["id"] for row in rows} == set(expected)
    for row in rows:
        assert float(row["difficulty"]) == pytest.approx(expected[row["id"]], abs=1e-4)
    assert rows[0]["id"] in answer.output
    assert rows[-1]["id"] in answer.output


def test_weights_and_their_zeros(made, tmp_path):
    answer = run("plot", "weights", made / "a", "--out", tmp_path / "w.svg")
    assert answer.exit_code == 0, answer.output
    assert answer.output.count("% of the weights are zero") == 2  # one hidden layer, one readout
    assert (tmp_path / "w.svg").exists()


def test_trade_off_of_a_cascade(made, tmp_path):
    answer = run("plot", "trade-off", made / "cascade", "--out", tmp_path / "t.svg")
    assert answer.exit_code == 0, answer.output
    stored = load_run(made / "cascade").predictions("test")
    accuracy = (stored["logits"].argmax(1) == stored["y"]).mean()
    assert f"test: accuracy {accuracy:.4f}" in answer.output


def test_a_correcting_model_is_taken_apart(made):
    answer = run("evaluate", made / "correcting")
    stored = load_run(made / "correcting").predictions("test")
    alone = (stored["correcting"].argmax(1) == stored["y"]).mean()
    assert f"correcting {alone:.4f}" in " ".join(answer.output.split())
    assert "apart:" not in run("evaluate", made / "a").output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trade-off", "a"], "is not a cascade"),
        (["curves", *"aaaaaaaaa"], "at most eight runs"),
        (["curves", "a", "--show", "heads"], "its history has no heads"),
        (["curves", "a", "--show", "head"], "unknown kind of learning curves 'head'. Did you mean 'heads'"),
        (["weights", "a", "--layers", "conv_*"], "conv_"),
        (["difficulty", "a", "--data", "synthetic"], "the run has"),
    ],
)
def test_what_cannot_be_plotted_is_refused(made, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(made)
    monkeypatch.setattr(sys, "argv", ["genrezoo", "plot", *words, "--out", str(tmp_path / "x.svg")])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x.svg").exists()
