"""``genrezoo data``: what it prints, what it writes, and what a program can read."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from genrezoo.cli.data import app
from genrezoo.datasets.arrays import load_arrays
from genrezoo.datasets.npz import load_npz
from genrezoo.errors import DataError, SettingsError
from genrezoo.registry import DATASETS, Entry


def run(*arguments):
    """Runs a command; what a user causes is raised, as the top-level command expects."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def archive(tmp_path):
    """Forty songs by twenty artists, of which one is in train and again in test."""
    x = np.random.default_rng(0).standard_normal((40, 6))
    x[39] = x[0]
    path = tmp_path / "forty.npz"
    column = np.repeat(["train", "valid", "test", "left out"], [20, 8, 10, 2])
    column[39] = "test"
    artist = np.arange(40) // 2
    np.savez(path, x=x, y=artist % 2, class_names=["blues", "hip [hop]"], split=column, artist=artist)
    return path


def test_describe_shows_genres_by_side_and_duplicates(archive):
    words = run("describe", archive)
    assert "forty: 40 songs x 1 segments x 6 features, 2 genres, 20 groups" in words
    rows = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in words.splitlines() if "│" in line]
    assert ["blues", "10", "4", "6", "20"] in rows
    assert ["hip [hop]", "10", "4", "5", "20"] in rows
    assert "split: official; songs in no side of it: 1" in words
    assert "songs in two splits: 0" in words
    assert "groups in two splits: 0" in words
    assert "exact duplicates in two splits: 1: 0 = 39" in words
    assert load_npz(archive).checksum() in words


def test_describe_for_programs(archive):
    facts = json.loads(run("describe", archive, "--json"))
    assert facts["genres"] == {"blues": 20, "hip [hop]": 20}
    assert facts["splits"] == {"train": 20, "valid": 8, "test": 11}
    assert facts["leaks"] == {"songs": [], "groups": [], "duplicates": [["0", "39"]]}
    assert facts["checksum"] == load_npz(archive).checksum()
    assert facts["in_no_split"] == 1


def test_describe_takes_what_the_file_does_not_say(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((4, 6)), y=[0, 1] * 2, class_names=["a", "b"], split_x=["train"] * 4)
    facts = json.loads(
        run("describe", tmp_path / "a.npz", "--n-segments", 3, "--provenance", "artist-filtered", "--json")
    )
    assert (facts["segments"], facts["features"], facts["provenance"]) == (3, 2, "artist-filtered")


def test_describe_a_named_set_without_a_split(archive):
    def toy():
        return load_npz(archive).take(np.arange(10))

    DATASETS.add(Entry(name="toy_named", call=toy, summary="toy", reference="none"))
    try:
        words = run("describe", "toy_named")
    finally:
        DATASETS.remove("toy_named")
    assert "10 songs" in words
    assert "no split; make one with `genrezoo data split`" in words


@pytest.fixture
def odd_set():
    """A named data set that keeps what it was called with."""
    seen = []

    def toy(path, *, segments=120, labels=None):
        seen.append({"path": path, "segments": segments, "labels": labels})
        return load_npz(path)

    DATASETS.add(Entry(name="toy_odd", call=toy, summary="toy", reference="none"))
    yield seen
    DATASETS.remove("toy_odd")


@pytest.mark.parametrize("command", ["describe", "convert", "split"])
def test_options_of_the_loader(archive, tmp_path, odd_set, command):
    out = {"describe": (), "convert": (tmp_path / "out",), "split": (tmp_path / "out", "--by", "group")}[command]
    changes = (f"path={archive}", "segments=null", "labels=a.csv")
    words = run(command, "toy_odd", *out, *(word for change in changes for word in ("--set", change)))
    assert "40 songs" in words
    assert odd_set == [{"path": str(archive), "segments": None, "labels": "a.csv"}]


def test_options_of_the_loader_of_a_path(archive):
    assert "40 songs x 2 segments x 3 features" in run("describe", archive, "--set", "n_segments=2")
    with pytest.raises(SettingsError, match="npz has no option 'segments'"):
        run("describe", archive, "--set", "segments=2")
    with pytest.raises(SettingsError, match="--set n_segments=… and --n-segments are the same option"):
        run("describe", archive, "--set", "n_segments=2", "--n-segments", 2)
    with pytest.raises(SettingsError, match="--set path=… needs the name of a data set, but '.*npz' is a path"):
        run("describe", archive, "--set", "path=other.npz")


def test_a_named_set_without_its_path_says_what_it_needs(odd_set):
    with pytest.raises(SettingsError, match="toy_odd needs path"):
        run("describe", "toy_odd")
    with pytest.raises(SettingsError, match="path=2023 is not text; write path=./2023"):
        run("describe", "toy_odd", "--set", "path=2023")
    assert odd_set == []


def test_convert_writes_the_same_songs(archive, tmp_path):
    out = tmp_path / "out"
    assert "written to" in run("convert", archive, out, "--n-segments", 2)
    songs = load_arrays(out)
    assert songs.checksum() == load_npz(archive, n_segments=2).checksum()
    assert songs.x.shape == (40, 2, 3)
    with pytest.raises(DataError, match="already contains songs"):
        run("convert", archive, out)
    report = json.loads(run("convert", archive, out, "--overwrite", "--json"))
    assert (report["segments"], report["out"]) == (1, str(out))
    assert load_arrays(out).checksum() == report["checksum"]


def test_split_by_group_keeps_artists_whole(archive, tmp_path):
    report = json.loads(run("split", archive, tmp_path / "out", "--by", "group", "--seed", 3, "--test", 0.2, "--json"))
    songs = load_arrays(tmp_path / "out")
    assert songs.provenance == report["provenance"] == "artist-filtered"
    assert report["leaks"]["groups"] == []
    assert sum(report["splits"].values()) == 40
    assert report["in_no_split"] == 0


def test_split_at_random_is_seeded(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(80.0).reshape(40, 2), y=np.arange(40) % 2, class_names=["a", "b"])
    sums = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        sums[name] = json.loads(run("split", path, tmp_path / name, "--seed", seed, "--json"))["checksum"]
    assert sums["a"] == sums["b"] != sums["c"]
    assert {name: len(index) for name, index in load_arrays(tmp_path / "a").splits.items()} == {
        "train": 28,
        "valid": 6,
        "test": 6,
    }


def test_split_by_lists_of_ids(archive, tmp_path):
    lists = {"train": ["0", "1", "2", "3"], "valid": ["4", "5"], "test": ["8"]}
    (tmp_path / "lists.json").write_text(json.dumps(lists))
    arguments = ("--by", "ids", "--ids", tmp_path / "lists.json", "--provenance", "official")
    words = run("split", archive, tmp_path / "out", *arguments)
    assert "songs in no side of it: 33" in words
    assert load_arrays(tmp_path / "out").split("train").ids.tolist() == lists["train"]


@pytest.mark.parametrize("lists", [[], {"train": "0"}, {"train": [0, 1]}])
def test_lists_of_another_shape_are_refused(archive, tmp_path, lists):
    (tmp_path / "lists.json").write_text(json.dumps(lists))
    with pytest.raises(DataError, match=r"lists\.json: expected lists of ids as text"):
        run(
            "split",
            archive,
            tmp_path / "out",
            "--by",
            "ids",
            "--ids",
            tmp_path / "lists.json",
            "--provenance",
            "random",
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--by", "ids"), "--by ids needs --ids .the lists. and --provenance"),
        (("--by", "ids", "--provenance", "official"), "--by ids needs"),
        (("--by", "group", "--ids", "lists.json"), "not with --by group"),
        (("--provenance", "random"), "not with --by random"),
        (("--valid", "0.6", "--test", "0.6"), "fractions must be in"),
    ],
)
def test_options_at_odds_are_refused(archive, tmp_path, arguments, message):
    with pytest.raises(SettingsError, match=message):
        run("split", archive, tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["describe", "convert", "split"])
def test_help_shows_an_example(command):
    assert f"Example: genrezoo data {command}" in run(command, "--help")


def test_bad_input_is_left_to_the_top_level_command(tmp_path):
    with pytest.raises(DataError, match="neither a file"):
        run("describe", tmp_path / "nowhere.txt")
