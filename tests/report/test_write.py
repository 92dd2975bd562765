import base64
import hashlib
import html.parser
import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

import genrezoo
from genrezoo.errors import DataError
from genrezoo.report import render

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 191 }}{% raw %}</style>&amp;"


class Page(html.parser.HTMLParser):
    """What a browser would see: tags, attributes, text, and whether the tags are balanced."""

    VOID = ("meta", "wbr", "br", "img", "link", "input")

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.text, self.cells = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and set(self.open) & {"td", "th"}:
            self.cells[-1] += data


@pytest.fixture(scope="module")
def rendered(written, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    path = render([written], out)
    assert path == out / "report.html"
    return out


@pytest.fixture(scope="module")
def page(rendered):
    return Page((rendered / "report.html").read_text(encoding="utf-8"))


def test_the_report_is_one_page_two_tables_and_the_figures(rendered):
    files = sorted(str(path.relative_to(rendered)) for path in rendered.rglob("*") if path.is_file())
    assert [name for name in files if not name.startswith("figures/")] == [
        "leaderboard.csv", "leaderboard.md", "report.html"
    ]  # fmt: skip
    assert len(files) == 13
    for path in re.findall(r"\]\((figures/[^)]+)\)", (rendered / "leaderboard.md").read_text(encoding="utf-8")):
        assert (rendered / path).is_file()


def test_rendering_twice_gives_the_same_bytes(written, rendered, tmp_path):
    render([written], tmp_path)
    for path in rendered.rglob("*"):
        if path.is_file():
            assert (tmp_path / path.relative_to(rendered)).read_bytes() == path.read_bytes()


def test_the_page_is_balanced_and_needs_nothing_from_elsewhere(rendered, page):
    assert page.open == []
    text = (rendered / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", text, re.IGNORECASE)
    assert {"link", "img", "iframe", "object", "base", "form"}.isdisjoint(page.tags)
    targets = [value for name, value in page.attributes if name in ("href", "src", "xlink:href")]
    assert all(value.startswith("#") for value in targets)
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in targets} <= set(ids)


def test_the_page_shows_every_line_every_blank_and_every_fact(report, page):
    text = " ".join(" ".join(page.text).split())
    for board in report.boards:
        assert board.summary.replace("\u00a0", " ") in text.replace("\u00a0", " ")
        assert board.checksum in text
        for line in board.entries:
            assert sum(cell.strip() == line.name for cell in page.cells) >= 2
            assert any(cell.startswith(f"{100 * line.accuracy.mean:.1f} [") for cell in page.cells)
        for cell in board.unmeasured:
            assert cell.reason in text
        for pair in board.differences:
            assert pair.lower in page.cells
        for caution in board.cautions:
            assert caution in text
    for source in report.sources:
        assert source.sha256 in text
    for fact in ("Some CPU 3000", "abc1234", "genrezoo 0.1.0, keras 3.15.1", "Seeds 1, 2, 3"):
        assert fact in text
    assert re.search(r"genrezoo benchmark \S+/suite\.json --out \S+-again", text)
    assert page.tags.count("svg") == 10


def test_every_name_in_a_table_leads_to_what_is_known_of_the_model(report, rendered):
    text = (rendered / "report.html").read_text(encoding="utf-8")
    cards = dict(re.findall(r'<article class="model" id="([^"]+)">\n(.*?)</article>', text, re.DOTALL))
    for number, board in enumerate(report.boards, 1):
        for place, entry in enumerate(board.entries, 1):
            anchor = f"model-{number}-{place}"
            assert text.count(f'<a href="#{anchor}">{entry.name}</a>') == 2
            card = cards[anchor]
            assert f"<h4>{entry.name}</h4>" in card
            assert f"&#34;units&#34;: {entry.settings['arguments']['units']}" in card
            rows = re.findall(r'<th class="text" scope="row">(\d)</th>\s*<td class="">([^<]+)</td>', card)
            assert rows == [
                (str(seed), f"{100 * one:.1f}") for seed, one in zip(entry.seeds, entry.accuracies, strict=True)
            ]


def test_marks_of_the_figure_of_latencies_say_their_values(report, rendered):
    (board, *_) = report.boards
    drawn = (rendered / "figures" / "1-mfcc4-speed.svg").read_text(encoding="utf-8")
    tips = re.findall(r"<title>(.*?)</title>", drawn, re.DOTALL)
    assert len(tips) == len(board.entries)
    for entry in board.entries:
        (tip,) = [tip for tip in tips if tip.startswith(f"{entry.name}\n")]
        bounds = f"[{100 * entry.accuracy.low:.1f}, {100 * entry.accuracy.high:.1f}]"
        assert f"accuracy {100 * entry.accuracy.mean:.1f} % {bounds}" in tip
        assert float(re.search(r"latency (\S+) ms", tip)[1]) == pytest.approx(entry.speed["p50"], rel=0.01)


def test_columns_can_be_sorted_by_their_values(page):
    values = [value for name, value in page.attributes if name == "data-sort"]
    kinds = [value for name, value in page.attributes if name == "data-kind"]
    assert len(values) == 5 * len(kinds)
    assert set(kinds) == {"text", "number"}


def test_only_the_pages_own_script_may_run(rendered):
    text = (rendered / "report.html").read_text(encoding="utf-8")
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert text.count("<script") == 1


def test_hostile_names_stay_text(results):
    rows = [json.loads(line) for line in (results / "rows.jsonl").read_text("utf-8").splitlines()]
    for row in rows:
        row["data"] = EVIL
        row["recipe"] = row["recipe"].replace("lstm", EVIL)
        row["checksum"] = EVIL
        if "genres" in row:
            row["genres"] = [f"{EVIL} {number}" for number in range(4)]
        if row["status"] == "failed":
            row["reason"] = EVIL
        row["environment"] = {EVIL: EVIL, "versions": {EVIL: EVIL}}
    (results / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (results / "suite.json").write_text(json.dumps({"name": EVIL, "seeds": 3}), encoding="utf-8")
    text = render(results).read_text(encoding="utf-8")
    page = Page(text)
    assert page.tags.count("script") == page.tags.count("style") == 1
    assert "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "1337" not in "".join(page.text)
    assert EVIL in "".join(page.text)
    assert page.open == []
    for path in (results / "report").rglob("*.svg"):
        parts = list(ElementTree.parse(path).iter())  # names stand in tips, as text
        assert not {part.tag.rpartition("}")[2] for part in parts} & {"script", "style", "img", "foreignObject"}
        assert not [name for part in parts for name in part.attrib if name.startswith("on")]
        assert re.fullmatch(r"[a-z0-9-]+\.svg", path.name)


def test_the_report_goes_into_the_first_folder_and_takes_a_single_one(results):
    assert render(str(results)) == results / "report" / "report.html"


def test_a_report_of_blanks_alone_still_says_why(results, tmp_path):
    lines = (results / "rows.jsonl").read_text("utf-8").splitlines(keepends=True)
    (results / "rows.jsonl").write_text("".join(line for line in lines if '"failed"' in line), encoding="utf-8")
    (results / "suite.json").unlink()
    text = render([results], tmp_path / "out").read_text(encoding="utf-8")
    assert "out of memory after 3 epochs" in text
    assert "No recipe was measured." in text
    assert "<svg" not in text
    assert "suite.json" not in text  # no command that could not run


def test_nothing_is_written_for_a_folder_without_rows(tmp_path):
    with pytest.raises(DataError, match="has no rows.jsonl"):
        render([tmp_path])
    assert list(tmp_path.iterdir()) == []


def test_render_is_a_public_name():
    assert genrezoo.render is render


def test_a_report_needs_no_keras(results):
    code = (
        "import sys; from genrezoo.report import print_leaderboard, render;"
        f"render({str(results)!r}); print_leaderboard({str(results)!r});"
        "sys.exit(any(name.split('.')[0] in ('keras', 'tensorflow', 'jax', 'torch') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "lstm" in done.stdout
