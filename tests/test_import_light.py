"""`import genrezoo` and what a shell asks often must not wait for TensorFlow."""

import json
import subprocess
import sys

import pytest
from toys import make_songs

import genrezoo
from genrezoo.cli.listing import Kind

HEAVY = ["keras", "tensorflow", "jax", "torch", "keras_tuner", "gradio"]
HEAVY += ["scipy", "sklearn", "matplotlib", "pandas", "statsmodels"]
MEMORY = 120  # MB
WATCH = f"""import atexit, re, sys
def tell():
    with open("/proc/self/status") as status:  # getrusage would count the parent's memory too
        used = int(re.search(r"VmHWM:\\s+(\\d+)", status.read())[1]) // 1024
    print("loaded", used, *(name for name in {HEAVY} if name in sys.modules))
atexit.register(tell)
"""


def loaded_by(program, code=0):
    """Which heavy packages a fresh interpreter has loaded after a program, however that ended; it must stay small."""
    done = subprocess.run([sys.executable, "-c", WATCH + program], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    _, memory, *heavy = done.stdout.splitlines()[-1].split()
    assert heavy or int(memory) < MEMORY
    return heavy


def command_line(line):
    return f"import sys; from genrezoo.cli import main; sys.argv[1:] = {line.split()}; main()"


def test_the_probe_sees_what_is_loaded():
    pretended = "import sys, types; sys.modules['keras'] = types.ModuleType('keras')"
    assert loaded_by(pretended) == ["keras"]


def test_import_and_dir_load_no_backend():
    assert loaded_by("import genrezoo; dir(genrezoo); genrezoo.__version__; genrezoo.SongSet; genrezoo.DataError") == []


@pytest.mark.parametrize(
    "line", ["--version", "--help", "list --help", "train --help", "benchmark --help", "demo --help"]
)
def test_quick_answers_of_the_command_line_load_no_backend(line):
    assert loaded_by(command_line(line)) == []


@pytest.mark.parametrize("kind", list(Kind))
def test_names_are_listed_without_a_backend(kind):
    assert loaded_by(command_line(f"list --kind {kind.value}")) == []


@pytest.mark.parametrize(
    "name", ["lstm", "cascade", "distillation", "synthetic", "bag_of_segments", "rnn_search", "musicnn.msd"]
)
def test_a_name_is_shown_without_a_backend(name):
    assert loaded_by(command_line(f"show {name}")) == []


def test_near_names_are_suggested_without_a_backend():
    assert loaded_by(command_line("show lsmt"), code=2) == []


def test_dir_lists_every_public_name_and_each_one_resolves():
    assert set(genrezoo.__all__) <= set(dir(genrezoo))
    for name in genrezoo.__all__:
        assert getattr(genrezoo, name) is not None, name


def test_the_names_that_scripts_rely_on_are_public():
    promised = """DataError SongSet benchmark create_model get_recipe list_datasets list_models list_recipes load_run
        load_songs model_info register_model train"""
    assert set(promised.split()) <= set(genrezoo.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_thing"):
        genrezoo.no_such_thing  # noqa: B018  # looking it up is the point


STORED = """
import resource, sys
def peak_kilobytes():
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    # ru_maxrss would count the process that this one was forked from
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
from genrezoo.cli import main
sys.argv[1:] = ["evaluate", sys.argv[1], "--json"]
try:
    main()
except SystemExit as end:
    assert not end.code
used = resource.getrusage(resource.RUSAGE_SELF)
print(peak_kilobytes() / 1024, used.ru_utime + used.ru_stime)
"""


def test_evaluating_stored_predictions_loads_nothing_heavy(tmp_path):
    run = genrezoo.train(
        genrezoo.get_recipe("fully_connected").changed({"units": [4], "epochs": 1}), make_songs(), seed=1, out=tmp_path
    )
    heavy = (*HEAVY, "sklearn", "scipy", "pandas", "statsmodels", "matplotlib")
    watch = f"import sys\nimport atexit\natexit.register(lambda: print([m for m in {heavy} if m in sys.modules]))\n"
    call = [sys.executable, "-c", watch + STORED, str(run.folder)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    *answer, used, loaded = done.stdout.splitlines()
    assert json.loads("\n".join(answer))["accuracy"] == run.evaluate("test")["accuracy"]
    assert loaded == "[]"
    memory, seconds = map(float, used.split())
    assert memory < 120
    assert seconds < 1.5  # 0.4 on an idle machine
