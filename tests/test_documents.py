"""The documents are generated or executed: what they show exists and works."""

import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import genrezoo
from genrezoo.benchmarking import Suite, list_suites
from genrezoo.cli import main
from genrezoo.datasets.synthetic_audio import render_audio
from genrezoo.recipes import RECIPES
from genrezoo.registry import COMPOSITIONS, DATASETS, MODELS, PROCEDURES
from genrezoo.tuning import list_search_plans

TOP = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])
COSTLY = {
    "benchmark",
    "ensembles",
    "interfaces",
    "questions",
    "runs",
    "tune",
    "tuning",
}  # their Python trains for long
BLOCK = re.compile(r"(?:^<!-- (?P<mark>[^>\n]*) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)


def name_of(document):
    return str(document.relative_to(TOP))


def load_generator():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOP / "docs")
        return importlib.import_module("generate")


GENERATE = load_generator()
GENERATED = GENERATE.documents()
COMMANDS = {command.path: command for command in GENERATE.commands()}


def blocks(document, language):
    """Text and mark (the comment on the line before it) of each code block of a language."""
    found = BLOCK.finditer(document.read_text(encoding="utf-8"))
    return [(match["text"], match["mark"] or "") for match in found if match["language"] == language]


def runnable(document):
    """The Python blocks that need nothing from elsewhere."""
    return [text for text, mark in blocks(document, "python") if mark != "downloads"]


def marked_runs(document):
    """The command lines of the blocks that are marked as to be run."""
    texts = [text for text, mark in blocks(document, "bash") if mark == "runs"]
    return [line for text in texts for line in text.replace("\\\n", " ").splitlines()]


def command_lines():
    """Every command line of genrezoo that a document shows, with the document's name."""
    shown = {}  # a dict, because a document may show a line twice
    for document in DOCUMENTS:
        for text, _ in blocks(document, "bash"):
            for line in text.replace("\\\n", " ").splitlines():
                if line.startswith("genrezoo"):
                    shown[f"{name_of(document)}: {line}"] = line
    return [pytest.param(line, id=name) for name, line in shown.items()]


def split_command(line):
    """The command that a line calls, and the words after its name."""
    words = shlex.split(line, comments=True)
    path = words.pop(0)
    while words and f"{path} {words[0]}" in COMMANDS:
        path = f"{path} {words.pop(0)}"
    return COMMANDS[path], words


def problems_of(line):
    """What is wrong with a command line: unknown commands and options, missing values, a wrong number of words."""
    command, words = split_command(line)
    if command.is_group and not any(word.startswith("-") for word in words):
        return [f"no command {words[0]!r}" if words else "no command"]
    options = {name: p for p in command.parameters if p.is_option for name in p.names}
    arguments = [p for p in command.parameters if not p.is_option]
    problems, loose, given = [], 0, set()
    while words:
        word = words.pop(0)
        if word == "--help":
            return problems
        if not word.startswith("-"):
            loose += 1
        elif word not in options:
            problems.append(f"no option {word}")
        elif options[word].value:
            value = words.pop(0) if words else "-"
            if value.startswith("-"):
                problems.append(f"{word} takes a value")
            elif options[word].choices and value not in options[word].choices:
                problems.append(f"{word} takes one of {', '.join(options[word].choices)}")
        given.add(word)
    problems += [f"{name} is missing" for name, p in options.items() if p.default == "required" and name not in given]
    if problems:
        return problems  # what follows an unknown option may be its value
    if loose < sum(p.default == "required" for p in arguments):
        problems.append("too few words")
    if loose > len(arguments) and not any(p.several for p in arguments):
        problems.append("too many words")
    return problems


@pytest.mark.parametrize("path", sorted(GENERATED), ids=name_of)
def test_generated_parts_are_up_to_date(path):
    assert path.read_text(encoding="utf-8") == GENERATED[path](), "run: python docs/generate.py"


def costly_ones_slow(documents, costly):
    """Parameters for documents; those that train for long are for the slow tests."""
    return [
        pytest.param(path, id=name_of(path), marks=[pytest.mark.slow] if path.stem in costly else [])
        for path in documents
    ]


@pytest.mark.parametrize(
    "document",
    costly_ones_slow([path for path in DOCUMENTS if runnable(path)], COSTLY),
)
def test_python_blocks_run_one_after_another(document, tmp_path, monkeypatch, no_children):
    monkeypatch.chdir(tmp_path)
    known = {registry: set(registry.names()) for registry in (MODELS, DATASETS)}
    namespace = {"__name__": "document"}
    try:
        for text in runnable(document):
            exec(compile(text, document.name, "exec"), namespace)
    finally:
        for registry, names in known.items():
            for name in set(registry.names()) - names:
                registry.remove(name)


@pytest.mark.parametrize("line", command_lines())
def test_command_lines_name_commands_and_options_that_exist(line):
    assert problems_of(line) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("genrezoo lsit", "no command 'lsit'"),
        ("genrezoo train lstm --data a.npz --out a --sead 1", "no option --sead"),
        ("genrezoo train --data a.npz --out a", "too few words"),
        ("genrezoo list a b", "too many words"),
        ("genrezoo list --kind", "--kind takes a value"),
        (
            "genrezoo list --kind songs",
            "--kind takes one of models, compositions, procedures, recipes, datasets, searches, weights, suites, "
            "baselines",
        ),
        ("genrezoo train lstm --data a.npz", "--out is missing"),
    ],
)
def test_the_check_of_command_lines_finds_mistakes(line, problem):
    assert problems_of(line) == [problem]


@pytest.mark.slow
@pytest.mark.parametrize("document", [path for path in DOCUMENTS if marked_runs(path)], ids=name_of)
def test_marked_commands_run(document, tmp_path, monkeypatch, no_children):
    monkeypatch.chdir(tmp_path)
    render_audio("music", n_genres=2, n_train=6, n_valid=4, n_test=4, seconds=3.0)  # what the documents call so
    for line in marked_runs(document):
        monkeypatch.setattr(sys, "argv", shlex.split(line, comments=True))
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code in (0, None), line


def test_toml_blocks_are_valid_suites():
    texts = [text for document in DOCUMENTS for text, _ in blocks(document, "toml")]
    assert texts
    for text in texts:
        Suite.model_validate(tomllib.loads(text))


def test_every_command_has_help_and_every_option_too():
    assert {"genrezoo list", "genrezoo train", "genrezoo benchmark", "genrezoo data split"} <= set(COMMANDS)
    for path, command in COMMANDS.items():
        assert command.help, path
        assert command.is_group or "Example: genrezoo" in command.help, path
        assert [p.spelling for p in command.parameters if not p.help] == [], path


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\((?!https://)([^)\s]+)\)", document.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        file = document.parent / name if name else document
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings]
            assert anchor in anchors, target


def test_every_public_name_has_its_place_in_the_reference():
    pages = [path.read_text(encoding="utf-8") for path in (TOP / "docs" / "reference").glob("*.md")]
    told = re.findall(r"^::: genrezoo\.(\w+)$", "\n".join(pages), flags=re.MULTILINE)
    assert sorted(told) == sorted(set(genrezoo.__all__) - {"__version__"})


def test_readme_has_the_two_commands():
    found = {mark: text for text, mark in blocks(TOP / "README.md", "bash")}
    assert found["command: run"] == "pip install .\ngenrezoo benchmark\n"
    pytest_line = 'python -m pytest -n auto --maxprocesses 4 --dist worksteal -m "not slow"'
    assert found["command: test"] == f"pip install '.[test]'\n{pytest_line}\n"
    script = (TOP / ".ci" / "run").read_text(encoding="utf-8")
    assert pytest_line.replace("not slow", "slow") in script  # nothing is run by neither


def missing(system):
    """The names in a record of docs/systems.toml that lead nowhere."""
    found = []
    kinds = {"model": {*MODELS.names(), *COMPOSITIONS.names()}, "procedure": PROCEDURES.names()}
    kinds |= {"recipe": RECIPES.names(), "suite": list_suites()}
    for kind, names in kinds.items():
        if system.get(kind) not in (None, *names):
            found.append(f"{kind} {system[kind]}")
    found += [f"search {name}" for name in system.get("searches", ()) if name not in list_search_plans()]
    module, _, name = system.get("function", "genrezoo.files.write_text").rpartition(".")
    if importlib.util.find_spec(module) is None or not hasattr(importlib.import_module(module), name):
        found.append(f"function {system['function']}")
    path, _, test = system["test"].partition("::")
    text = (TOP / path).read_text(encoding="utf-8") if (TOP / path).is_file() else ""
    if not re.search(rf"^def {re.escape(test)}\(", text, flags=re.MULTILINE):
        found.append(f"test {system['test']}")
    if not {"model", "function"} & set(system):
        found.append("neither model nor function")
    if not {"suite", "searches", "function"} & set(system):
        found.append("neither suite, search nor function")
    return found


@pytest.mark.parametrize("system", GENERATE.systems()["system"], ids=lambda system: system["id"])
def test_every_system_is_where_the_table_says(system):
    places = {"id", "system", "document", "model", "procedure", "recipe", "suite", "searches", "function", "test"}
    assert set(system) <= {*places, "source", "differs", "own"}  # the last three are tests/recipes/test_facts.py's
    assert system["id"].startswith(system["document"])
    assert missing(system) == []


def test_the_check_of_systems_finds_what_is_missing():
    record = {"model": "lsmt", "procedure": "guess", "recipe": "r", "suite": "s", "function": "genrezoo.files.nothing"}
    assert missing({**record, "searches": ["q"], "test": "tests/test_documents.py::test_nothing"}) == [
        "model lsmt", "procedure guess", "recipe r", "suite s", "search q", "function genrezoo.files.nothing",
        "test tests/test_documents.py::test_nothing",
    ]  # fmt: skip
    assert missing({"test": "nowhere.py::test_a"}) == [
        "test nowhere.py::test_a", "neither model nor function", "neither suite, search nor function",
    ]  # fmt: skip


def test_ids_of_systems_stand_once_and_in_order():
    content = GENERATE.systems()
    ids = [system["id"] for system in content["system"]]
    assert ids == sorted(set(ids), key=lambda name: (name[0], int(name[1:])))
    assert {system["document"] for system in content["system"]} == set(content["documents"])


def test_changelog_has_a_place_for_the_next_line():
    assert "\n## [Unreleased]\n" in (TOP / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("example", sorted((TOP / "examples").glob("*.py")), ids=name_of)
def test_examples_run(example, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    done = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
