import pytest

from genrezoo.errors import GenrezooError, UnknownNameError
from genrezoo.registry import DATASETS, MODELS, PROCEDURES, Entry, Registry, natural


def build(input_shape, num_classes, *, units=1):
    """A stand-in."""


@pytest.fixture
def registry(tmp_path, monkeypatch):
    package = tmp_path / "own_members"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("model", package="own_members")
    for name in ("lstm_2", "lstm_10", "mlp"):
        registry.register(name, summary="s", reference="r")(build)
    return registry


def test_names_match_patterns_in_natural_order(registry):
    assert registry.names() == ["lstm_2", "lstm_10", "mlp"]
    assert registry.names("lstm*") == ["lstm_2", "lstm_10"]
    assert [entry.call for entry in registry.members("mlp")] == [build]


def test_natural_order_is_by_value_of_digits():
    assert sorted(["a10b2", "a10b1", "a9", "b"], key=natural) == ["a9", "a10b1", "a10b2", "b"]


def test_unknown_name_suggests_the_nearest(registry):
    with pytest.raises(UnknownNameError, match=r"unknown model 'lstm_3'. Did you mean 'lstm_2'"):
        registry.get("lstm_3")
    with pytest.raises(UnknownNameError, match="Known: lstm_10, lstm_2, mlp"):
        registry.get("zzzzzz")


def test_duplicates_are_refused_and_leave_the_first(registry):
    with pytest.raises(GenrezooError, match="'mlp' is already registered"):
        registry.register("mlp", summary="other", reference="r")(build)
    assert registry.get("mlp").summary == "s"


@pytest.mark.parametrize("name", ["LSTM", "a-b", "", "1a", "a__b", "a/b"])
def test_odd_names_are_refused(registry, name):
    with pytest.raises(GenrezooError, match="lower-case words"):
        registry.add(Entry(name=name, call=build, summary="", reference=""))


def test_removed_members_are_gone(registry):
    registry.remove("mlp")
    assert "mlp" not in registry.names()


def test_public_files_and_entry_points_fill_it_once(tmp_path, monkeypatch):
    package = tmp_path / "filled_members"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from genrezoo.registry import Registry\nALL = Registry('model', package=__name__)\n"
    )
    member = "from filled_members import ALL\n\n@ALL.register({0!r}, summary='', reference='')\ndef build(): pass\n"
    (package / "first.py").write_text(member.format("first"))
    (package / "_hidden.py").write_text(member.format("hidden"))
    (tmp_path / "plugin.py").write_text(
        "from filled_members import ALL\nALL.register('plugged', summary='', reference='')(id)\n"
    )
    meta = tmp_path / "plugin-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text("[own.group]\nplugin = plugin\n")
    monkeypatch.syspath_prepend(tmp_path)
    import filled_members

    filled_members.ALL.group = "own.group"
    assert filled_members.ALL.names() == ["first", "plugged"]
    assert filled_members.ALL.names() == ["first", "plugged"]


def test_a_failing_member_is_not_swallowed(tmp_path, monkeypatch):
    package = tmp_path / "broken_members"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "bad.py").write_text("raise RuntimeError('broken file')")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("model", package="broken_members")
    for _ in range(2):  # not hidden the second time either
        with pytest.raises(RuntimeError, match="broken file"):
            registry.names()


def test_every_registered_member_has_summary_and_reference():
    for registry in (MODELS, PROCEDURES, DATASETS):
        for entry in registry.members():
            assert entry.summary, entry.name
            assert entry.reference, entry.name
            assert entry.describe()["function"].startswith("genrezoo.")
