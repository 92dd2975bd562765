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


def loaded_by(program):
    """Which heavy packages a fresh interpreter has loaded after a program, however that ended; it must stay small."""
    done = subprocess.run([sys.executable, "-c", WATCH + program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _, memory, *heavy = done.stdout.splitlines()[-1].split()
    assert heavy or int(memory) < MEMORY
    return heavy


def test_the_probe_sees_what_is_loaded():
    pretended = "import sys, types; sys.modules['keras'] = types.ModuleType('keras')"
    assert loaded_by(pretended) == ["keras"]


def test_import_and_dir_load_no_backend():
    assert loaded_by("import genrezoo; dir(genrezoo); genrezoo.__version__; genrezoo.SongSet; genrezoo.DataError") == []


HELP = ["--version", "--help", "list --help", "train --help", "benchmark --help", "demo --help"]
LISTS = [f"list --kind {kind.value}" for kind in Kind]
NAMES = ["lstm", "cascade", "distillation", "synthetic", "bag_of_segments", "rnn_search", "musicnn.msd"]
LINES = {**dict.fromkeys([*HELP, *LISTS, *(f"show {name}" for name in NAMES)], 0), "show lsmt": 2}
"""Command lines that must be answered without a backend, and how each ends; the last suggests a near name."""


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """How each line ended and which heavy packages it loaded, one after the other in a fresh interpreter."""
    path = tmp_path_factory.mktemp("answers") / "answers.json"
    program = f"""import json
from genrezoo.cli import main
answers, before = {{}}, set()
for line in {list(LINES)}:
    sys.argv[1:] = line.split()
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    heavy = {{name for name in {HEAVY} if name in sys.modules}}
    answers[line] = [code, sorted(heavy - before)]
    before = heavy
with open({str(path)!r}, "w") as file:
    json.dump(answers, file)
"""
    loaded_by(program)
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("line", "code"), LINES.items())
def test_quick_answers_of_the_command_line_load_no_backend(answered, line, code):
    assert answered[line] == [code, []]


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
