"""No module imports itself through others, not even inside a function."""

import ast
import graphlib
from pathlib import Path

import pytest

import genrezoo

TOP = Path(genrezoo.__file__).parent


def modules(top, name):
    """All modules of a package by name, each with its file."""
    found = {}
    for path in top.rglob("*.py"):
        parts = path.relative_to(top).with_suffix("").parts
        found[".".join((name, *(part for part in parts if part != "__init__")))] = path
    return found


def imports(path, known):
    """The known modules that a file imports anywhere, but for type checkers."""
    found = set()

    def visit(node):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found.update(name if name in known else node.module for name in names.values())
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found & set(known)


def cycle(top, name):
    """The first cycle found, as a list of modules; empty if there is none."""
    known = modules(top, name)
    graph = graphlib.TopologicalSorter({module: imports(path, known) for module, path in known.items()})
    try:
        graph.prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_the_package_has_no_import_cycle():
    assert cycle(TOP, "genrezoo") == []


@pytest.mark.parametrize("line", ["from p import one", "def f():\n    from p.one import a", "import p.one"])
def test_a_cycle_is_found_wherever_the_import_is(tmp_path, line):
    (tmp_path / "__init__.py").touch()
    (tmp_path / "one.py").write_text("from p.two import b\na = 1\n")
    (tmp_path / "two.py").write_text(f"b = 1\n{line}\n")
    assert set(cycle(tmp_path, "p")) == {"p.one", "p.two"}
    (tmp_path / "two.py").write_text("if TYPE_CHECKING:\n    from p.one import a\n")
    assert cycle(tmp_path, "p") == []
