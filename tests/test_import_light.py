"""`import genrezoo` and what a shell asks often must not wait for TensorFlow."""

import subprocess
import sys

import pytest

import genrezoo

HEAVY = ("keras", "tensorflow", "jax", "torch")


def loaded_by(program):
    """Which heavy packages a fresh interpreter has loaded after a program, however that ended."""
    watch = f"import atexit, sys\natexit.register(lambda: print('loaded', *(m for m in {HEAVY} if m in sys.modules)))\n"
    done = subprocess.run([sys.executable, "-c", watch + program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


def test_the_probe_sees_what_is_loaded():
    pretended = "import sys, types; sys.modules['keras'] = types.ModuleType('keras')"
    assert loaded_by(pretended) == ["keras"]


def test_import_and_dir_load_no_backend():
    assert loaded_by("import genrezoo; dir(genrezoo); genrezoo.__version__; genrezoo.SongSet; genrezoo.DataError") == []


@pytest.mark.parametrize("line", ["--version", "--help", "list --help", "train --help", "benchmark --help"])
def test_quick_answers_of_the_command_line_load_no_backend(line):
    assert loaded_by(f"import sys; from genrezoo.cli import main; sys.argv[1:] = {line.split()}; main()") == []


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
