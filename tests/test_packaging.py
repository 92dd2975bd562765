"""What is installed: the wheel, its metadata, and the lock that CI installs from."""

import ast
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import genrezoo

TOP = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]


def package_files(folder):
    """Path below the folder to sha256 of every file that belongs to the package."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the sdist, and that from a copy of the checkout.

    Neither an old build folder goes in nor a new one stays in the checkout. It takes some seconds: the build runs
    in processes of its own.
    """
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(TOP / name, source)
    for name in ("genrezoo", "tests"):
        shutil.copytree(TOP / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        str(source / "dist"),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with the wheel unpacked, as it lies in site-packages."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def metadata(installed):
    (folder,) = installed.glob("genrezoo-*.dist-info")
    return HeaderParser().parsestr((folder / "METADATA").read_text(encoding="utf-8"))


def test_every_file_that_is_no_module_is_declared_as_data():
    """The quick form of the next test, without a build."""
    declared = PYPROJECT["tool"]["setuptools"]["package-data"]["genrezoo"]
    data = {str(path) for path in map(Path, package_files(TOP / "genrezoo")) if path.suffix != ".py"}
    assert "py.typed" in data
    assert {path for path in data if not any(Path(path).match(pattern) for pattern in declared)} == set()


@pytest.mark.slow
def test_wheel_holds_the_package_whole_and_nothing_else(installed):
    tops = {path.name for path in installed.iterdir()}
    assert "genrezoo" in tops
    assert len(tops) == 2, tops  # the other one is genrezoo-VERSION.dist-info
    assert package_files(installed / "genrezoo") == package_files(TOP / "genrezoo")


@pytest.mark.slow
def test_wheel_holds_suites_template_and_type_marker(installed):
    package = installed / "genrezoo"
    assert list((package / "benchmarking" / "suites").glob("*.toml"))
    assert list((package / "report").glob("*/*.jinja"))
    assert (package / "py.typed").is_file()


@pytest.mark.slow
def test_installed_package_finds_its_suites_from_any_folder(installed, tmp_path):
    program = (
        "import genrezoo as gz; print(gz.__file__); print([gz.load_suite(name).name for name in gz.list_suites()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    place, suites = done.stdout.splitlines()
    assert Path(place).is_relative_to(installed)
    assert ast.literal_eval(suites) == sorted(p.stem for p in (TOP / "genrezoo/benchmarking/suites").glob("*.toml"))


@pytest.mark.slow
def test_metadata(metadata, installed):
    required = {Requirement(text).name for text in metadata.get_all("Requires-Dist") if "extra ==" not in text}
    assert {"tensorboard", "keras", "tensorflow"} <= required
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra")) == {
        "audio", "cluster", "demo", "dev", "docs", "export", "parquet", "test", "tracking",
    }  # fmt: skip
    assert metadata["Version"] in (installed / "genrezoo" / "__init__.py").read_text(encoding="utf-8")
    (folder,) = installed.glob("genrezoo-*.dist-info")
    assert "genrezoo = genrezoo.cli:main" in (folder / "entry_points.txt").read_text(encoding="utf-8")
    assert (folder / "licenses" / "LICENSE").is_file()


@pytest.mark.slow
def test_an_index_would_take_both_and_show_the_description(wheel):
    built = sorted(wheel.parent.iterdir())
    assert [path.suffix for path in built] == [".whl", ".gz"]
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_citation_has_the_version():
    text = (TOP / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {genrezoo.__version__}\n" in text


def test_what_is_imported_is_declared():
    def names_of(texts):
        return {canonicalize_name(Requirement(text).name) for text in texts}

    declared, extras = names_of(PROJECT["dependencies"]), PROJECT["optional-dependencies"]
    extra_of = {
        "audio": "audio",
        "demo": "demo",
        "exported": "export",
        "exporting": "export",
        "parallel": "cluster",
        "predict": "parquet",
        "runs": "tracking",
    }  # by folder of the package
    owners = importlib.metadata.packages_distributions()
    used = {}
    for path in (TOP / "genrezoo").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            used |= {name.partition(".")[0]: path.relative_to(TOP / "genrezoo") for name in names}
    foreign = {name: file for name, file in used.items() if name not in {*sys.stdlib_module_names, "genrezoo"}}
    assert "keras" in foreign
    allowed = {name: declared | names_of(extras.get(extra_of.get(file.parts[0]), ())) for name, file in foreign.items()}
    missing = {
        name: file
        for name, file in foreign.items()
        if not allowed[name] & set(map(canonicalize_name, owners.get(name, [])))
    }
    assert missing == {}


def test_lock_pins_every_declared_requirement_exactly():
    lines = (TOP / "requirements-ci.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    assert all(len(pin.specifier) == 1 and next(iter(pin.specifier)).operator == "==" and not pin.url for pin in pins)
    versions = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in pins}
    assert len(versions) == len(pins)
    assert "://" not in "".join(lines)
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *(text for extra in extras.values() for text in extra)]:
        wanted = Requirement(text)
        if wanted.name != "genrezoo":
            assert wanted.specifier.contains(versions[canonicalize_name(wanted.name)]), text


def test_no_stale_copy_of_the_package_is_installed():
    """The tests import the checkout, the command ``genrezoo`` the installed copy: they must be the same files.

    If this fails: delete the folder ``build`` and install again (``pip install -e .`` installs no copy).
    """
    copy = Path(sysconfig.get_path("purelib")) / "genrezoo"
    if copy.is_dir() and copy.resolve() != (TOP / "genrezoo").resolve():
        assert package_files(copy) == package_files(TOP / "genrezoo")
