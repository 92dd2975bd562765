import contextlib
import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import warnings

import pytest
from rich.console import Console
from toys import make_songs
from typer.testing import CliRunner

import genrezoo
from genrezoo.cli import app, main, options
from genrezoo.cli.evaluate import _print_confusion
from genrezoo.cli.export import bytes_of
from genrezoo.cli.options import parse_changes
from genrezoo.cli.tune import parse_space
from genrezoo.datasets import load_songs
from genrezoo.errors import GenrezooWarning, SettingsError
from genrezoo.models import list_models
from genrezoo.runs import load_run
from genrezoo.songs.storage import save_songs


def run(*arguments):
    return CliRunner().invoke(app, [str(part) for part in arguments])


def exit_code(monkeypatch, *arguments):
    """What the installed command ends with: `main` turns errors into exit codes."""
    monkeypatch.setattr(sys, "argv", ["genrezoo", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code


@pytest.fixture(scope="module")
def songs_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "toy"
    save_songs(make_songs(), folder)
    return folder


def test_version():
    assert run("--version").output == f"genrezoo {genrezoo.__version__}\n"


def test_ctrl_c_says_that_the_same_command_continues(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("genrezoo.datasets.load_songs", interrupt)
    assert exit_code(monkeypatch, "data", "describe", "songs.npz") == 1
    assert "interrupted; run the same command to continue" in capsys.readouterr().err


def test_ctrl_c_ends_a_command_even_where_its_exception_is_swallowed(monkeypatch):
    monkeypatch.setitem(options._state, "interrupted", False)
    console = Console(stderr=True)
    options.tell(console, "goes on")
    with contextlib.suppress(KeyboardInterrupt):  # as Python does in callbacks of the garbage collector
        options.interrupt(signal.SIGINT, None)
    with pytest.raises(KeyboardInterrupt):
        options.tell(console, "goes on")


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "genrezoo", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"genrezoo {genrezoo.__version__}\n")


def test_list_prints_names_and_json():
    for name in list_models():
        assert name in run("list").output
    listed = json.loads(run("list", "*lstm*", "--json").output)
    assert [entry["name"] for entry in listed] == ["lstm", "snippet_lstm", "stabilised_lstm"]
    assert "synthetic" in run("list", "--kind", "datasets").output
    assert "no models match 'zzz*'" in run("list", "zzz*").output


def test_show_prints_model_and_recipe():
    answer = run("show", "snippet_lstm").output
    assert "Silla" in answer
    assert "snippets" in answer
    facts = json.loads(run("show", "snippet_lstm", "--json").output)
    assert facts["recipe"]["arguments"]["snippets"] == 4
    assert facts["model"]["options"]["rule"] == "'product'"


def test_train_evaluate_and_train_again(songs_folder, tmp_path):
    command = [
        "train",
        "fully_connected",
        "--data",
        songs_folder,
        "--epochs",
        2,
        "--set",
        "units=[4]",
        "--out",
        tmp_path / "a",
    ]
    first = run(*command)
    assert first.exit_code == 0, first.output
    assert "fully_connected: test accuracy" in first.output
    assert "random split, 12 songs" in first.output
    assert load_run(tmp_path / "a").card.recipe.arguments["units"] == [4]
    assert run(*command).output.splitlines()[-1] == first.output.splitlines()[-1]
    table = run("evaluate", tmp_path / "a").output
    assert "genre2" in table
    counts = load_run(tmp_path / "a").evaluate("test")["confusion"]
    lines = [line.split() for line in table.splitlines()]
    for number, row in enumerate(counts):
        assert [str(number + 1), f"genre{number}", *map(str, row)] in lines
    figures = json.loads(run("evaluate", tmp_path / "a", "--data", songs_folder, "--json").output)
    assert figures["provenance"] == "random"
    assert figures["accuracy"] == load_run(tmp_path / "a").evaluate("test")["accuracy"]


def test_train_without_test_songs_and_evaluate_on_others(songs_folder, tmp_path):
    load_songs(songs_folder).with_split({}, None).save(tmp_path / "all")
    options = ["--data", tmp_path / "all", "--no-test", "--epochs", 1, "--out", tmp_path / "run", "--set", "units=[4]"]
    assert "validation accuracy" in run("train", "fully_connected", *options).stdout
    done = run("evaluate", tmp_path / "run", "--data", tmp_path / "all", "--split", "all")
    assert f"on all songs of {tmp_path / 'all'}: accuracy" in done.stdout


@pytest.mark.slow
def test_train_bagged_and_predict(songs_folder, tmp_path):
    options = ["--set", "units=[4]", "--epochs", 1, "--data", songs_folder, "--out", tmp_path / "b"]
    done = run("train", "fully_connected", "--bagged", 2, *options)
    assert done.exit_code == 0, done.output
    assert "out of fold: accuracy" in done.output
    members = load_run(tmp_path / "b").card.recipe.members.values()
    assert {(tuple(each.recipe.arguments["units"]), each.recipe.settings["epochs"]) for each in members} == {((4,), 1)}
    scores = json.loads(run("evaluate", tmp_path / "b", "--split", "out_of_fold", "--json").output)
    assert sum(scores["per_class"]["support"]) == 48
    again = run("train", "fully_connected", "--bagged", 2, "--folds", 2, *options)
    assert "cannot be combined with --folds" in str(again.exception)


OPTION_OF_SONGS = "genrezoo data convert synthetic songs --set n_train=…, then pass --data songs"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "lsmt"], "unknown name 'lsmt'. Did you mean 'lstm'"),
        (["train", "lstm", "--data", "/none.npz", "--out", "OUT"], "/none.npz"),
        (["train", "lstm", "--data", "SONGS", "--out", "OUT", "--set", "units"], "--set must be KEY=VALUE, got"),
        (["train", "lstm", "--data", "SONGS", "--out", "OUT", "--set", "unit=3"], "Did you mean 'units'"),
        (["train", "lstm", "--data", "synthetic", "--out", "OUT", "--set", "n_train=9"], OPTION_OF_SONGS),
        (["tune", "lstm", "--data", "synthetic", "--out", "OUT", "--set", "n_train=9"], OPTION_OF_SONGS),
        (["benchmark", "quick", "--out", "OUT", "--set", "n_train=9"], OPTION_OF_SONGS),
        (["train", "lstm", "--data", "SONGS", "--out", "OUT", "--set", "units=0"], "units"),
        (["train", "snippet_lstm", "--data", "SONGS", "--out", "OUT", "--set", "snippets=50"], "snippets"),
        (["evaluate", "SONGS"], "not a run folder"),
        (["evaluate", "/none.onnx"], "/none.onnx: no such file or folder"),
        (["predict", "/none.onnx", "SONGS"], "/none.onnx: no such file or folder"),
        (["export", "/none", "onnx", "/none.onnx"], "/none: no such file or folder"),
        (["card", "/none"], "/none: no such file or folder"),
        (["report", "/none"], "/none: no such file or folder"),
        (["benchmark", "quik"], "unknown suite 'quik'. Did you mean 'quick'"),
        (["benchmark", "--models", "svm", "--out", "OUT"], "unknown recipe or baseline 'svm'"),
        (["report", "SONGS"], "rows"),
        (["data", "describe", "/none"], "/none"),
    ],
)
def test_mistakes_end_in_one_line_and_exit_code_2(monkeypatch, capsys, songs_folder, tmp_path, arguments, message):
    places = {"SONGS": songs_folder, "OUT": tmp_path / "out"}
    assert exit_code(monkeypatch, *[places.get(part, part) for part in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error.splitlines()[-1]
    assert error.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in error
    assert not list((tmp_path / "out").glob("card.json"))


@pytest.mark.parametrize("option", [("--epochs", "1"), ("--set", "epochs=1")])
def test_epochs_that_do_not_reach_the_members_say_so(option, tmp_path):
    answer = run("train", "linear_combiner", *option, "--data", tmp_path / "none.npz", "--out", tmp_path / "out")
    assert "--epochs does not apply to the members; use --set members.epochs=N" in answer.output


def test_wrong_usage_ends_with_exit_code_2(monkeypatch, capsys):
    assert exit_code(monkeypatch, "train", "lstm") == 2
    assert exit_code(monkeypatch, "benchmark", "--seeds", "0") == 2
    assert exit_code(monkeypatch, "lits") == 2


def test_a_closed_pipe_is_no_error():
    code = "import sys; sys.argv = ['genrezoo', 'show', 'lstm']; from genrezoo.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )  # fmt: skip
    process.stdout.close()
    error = process.stderr.read().decode()
    process.stderr.close()
    process.wait()
    assert "Traceback" not in error
    assert "oneDNN" not in error  # the backend's greetings are kept away


def test_changes_are_read_as_json_where_they_can_be():
    assert parse_changes(["a=1", "b=1.5", "c=[1, 2]", "d=text", "e=true", "f=a=b"]) == {
        "a": 1, "b": 1.5, "c": [1, 2], "d": "text", "e": True, "f": "a=b",
    }  # fmt: skip
    with pytest.raises(SettingsError, match="specifies 'a' twice"):
        parse_changes(["a=1", "a=2"])


def test_suites_and_baselines_are_looked_up_like_everything_else():
    assert "quick" in run("list", "--kind", "suites").output
    assert "svm_rbf_stats" in run("list", "--kind", "baselines", "svm*").output
    assert json.loads(run("show", "svm_rbf_stats", "--json").output)["baseline"]["settings"]["C"] == 3.0
    assert json.loads(run("show", "quick", "--json").output)["suite"]["seeds"] == 3


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OSError(36, "File name too long", "aaa"), 2, "error: aaa: File name too long. Remedy"),
        (OSError(28, "No space left on device", "b"), 1, "error: b: No space left on device. Remedy"),
        (OSError(28, "No space left on device"), 1, "error: No space left on device. Remedy"),
        (MemoryError("9 GiB"), 1, "error: not enough memory (9 GiB). Remedy"),
        (SettingsError("[/x] \ud800"), 2, "error: [/x] \ufffd"),
    ],
)
def test_what_the_system_refuses_is_one_line(monkeypatch, capsys, error, code, message):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("genrezoo.datasets.load_songs", fail)
    assert exit_code(monkeypatch, "data", "describe", "songs.npz") == code
    assert message in capsys.readouterr().err


def test_warnings_are_lines_of_their_own(monkeypatch, capsys):
    def warn(*_, **__):
        for _ in range(2):  # of which one is shown
            warnings.warn("a [/b] genre", GenrezooWarning, stacklevel=1)
        raise SettingsError("no")

    monkeypatch.setattr("genrezoo.datasets.load_songs", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert exit_code(monkeypatch, "data", "describe", "songs.npz") == 2
    assert capsys.readouterr().err.splitlines() == ["warning: a [/b] genre", "error: no"]


def test_no_number_of_a_confusion_matrix_is_cut_off_however_many_genres_there_are():
    console = Console(width=40, file=io.StringIO())
    counts = [[1000 * row + column for column in range(25)] for row in range(25)]
    _print_confusion(console, [f"genre {number}" for number in range(25)], counts)
    lines = [line.split()[3:] for line in console.file.getvalue().splitlines() if "genre" in line]
    assert lines == [[str(count) for count in row] for row in counts]
    assert console.width == 40


def test_names_with_markup_are_printed_as_they_are(tmp_path):
    songs = dataclasses.replace(make_songs(), genres=("[rock]", "[/b]", "[bold]jazz"))
    save_songs(songs, tmp_path / "songs")
    train = ["train", "fully_connected", "--data", tmp_path / "songs", "--epochs", 1, "--out", tmp_path / "run"]
    assert run(*train, "--set", "units=[4]").exit_code == 0
    answer = run("evaluate", tmp_path / "run").output
    assert all(genre in answer for genre in songs.genres)


def test_deep_values_are_refused_with_the_name_of_the_option():
    with pytest.raises(SettingsError, match="--set units: nested more than 100 levels deep"):
        parse_changes(["units=" + "[" * 2000])


def test_the_size_of_an_export_is_that_of_all_its_files(tmp_path):
    for name, size in (("folder/saved_model.pb", 5), ("folder/variables/data", 7), ("one.xml", 2), ("one.bin", 90)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    assert [bytes_of(tmp_path / name) for name in ("folder", "one.xml", "one.bin")] == [12, 92, 90]


def test_ranges_of_a_search_space_are_read_in_every_form():
    texts = ["rate=1e-4..1e-2:log", "dropout=0..0.5", "batch_size=20..200:10", "units=[8],[16,16]", "rule=mean,product"]
    assert parse_space(texts) == {
        "rate": {"min": 1e-4, "max": 1e-2, "sampling": "log"}, "dropout": {"min": 0, "max": 0.5},
        "batch_size": {"min": 20, "max": 200, "step": 10}, "units": [[8], [16, 16]], "rule": ["mean", "product"],
    }  # fmt: skip
