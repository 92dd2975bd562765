import csv
import io
import json
import re

import pytest
from rich.console import Console

from genrezoo.report import leaderboard, print_leaderboard, render
from genrezoo.report.benchmark.columns import EVERY
from genrezoo.report.benchmark.rendering import comma_separated, markdown
from genrezoo.report.style.number_format import count, duration, nats, p_value, percent, plain, points, significant


@pytest.mark.parametrize(
    ("write", "value", "expected"),
    [
        (percent, 0.72345, "72.3"),
        (percent, None, "–"),
        (points, -0.0123, "−1.2"),
        (points, 0.004, "+0.4"),
        (points, -0.0001, "+0.0"),
        (nats, 0.91249, "0.912"),
        (plain, 1376, "1,376"),
        (plain, 12.333, "12.3"),
        (count, 950, "950"),
        (count, 12_345, "12.3 k"),
        (count, 999_999, "1.00 M"),
        (count, 3.2e13, "32.0 T"),
        (significant, 0.045678, "0.0457"),
        (significant, 9.999, "10.0"),
        (significant, 12_345, "12,300"),
        (significant, 0, "0"),
        (duration, 3.21, "3.21 s"),
        (duration, 59.9, "1 min 0 s"),
        (duration, 7300, "2 h 1 min"),
        (p_value, 0.00001, "< 0.0001"),
        (p_value, 0.0123, "0.012"),
        (p_value, 1.0, "1.00"),
    ],
    ids=lambda part: getattr(part, "__name__", None),  # not the address, which differs between processes
)
def test_figures_are_written_with_sensible_digits(write, value, expected):
    assert write(value) == expected


def test_csv_holds_every_line_and_every_blank_cell_in_full_precision(report):
    rows = list(csv.DictReader(io.StringIO(comma_separated(report))))
    assert len(rows) == sum(len(board.entries) + len(board.unmeasured) for board in report.boards) == 12
    line = report.boards[0].entries[0]
    assert rows[0]["model"] == line.name
    assert float(rows[0]["accuracy"]) == line.accuracy.mean
    assert float(rows[0]["accuracy_low"]) == line.accuracy.low
    assert rows[0]["accuracy_over"] == "both"
    assert float(rows[0]["latency_p99_ms"]) == line.speed["p99"]
    assert rows[0]["seed"] == "1 2 3"
    blank = {row["model"]: row for row in rows if row["status"] != "ok"}
    assert blank["cascade"]["status"] == "accuracy failed"
    assert blank["cascade"]["reason"] == "out of memory after 3 epochs"
    assert {column.key for column in EVERY} <= set(rows[0])


def test_csv_holds_no_formulas(results):
    text = (results / "rows.jsonl").read_text("utf-8").replace("out of memory after 3 epochs", "=HYPERLINK(1)")
    (results / "rows.jsonl").write_text(text, encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(comma_separated(leaderboard(results)))))
    assert rows[-1]["reason"] == "'=HYPERLINK(1)"


def test_markdown_shows_every_model_with_provenance_checksum_and_reasons(report):
    text = markdown(report, [[("Accuracy", "figures/a.svg")], []])
    for board in report.boards:
        assert board.checksum in text
        assert board.summary[:40] in text
        for line in board.entries:
            assert text.count(f"| {line.name} |") == 4  # in two tables of each of two boards
    assert "official split" in text
    assert "songs: 800 train, 100 valid, 200 test" in text
    assert "| image_cnn | 1 | accuracy | refused | the songs are tables, an image was expected |" in text
    assert text.count("![Accuracy](figures/a.svg)") == 1
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 5
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table}) == 1


def test_markdown_escapes_what_names_may_hold(results):
    text = (results / "rows.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    for row in rows:
        row["recipe"] = row["recipe"].replace("lstm", "a|b <script>*x*[y](z)`\n# w")
    (results / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    text = markdown(leaderboard(results))
    assert r"a\|b &lt;script&gt;\*x\*\[y\](z)\` # w" in text
    assert "<script>" not in text


def printed(folder, width=100):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    print_leaderboard(folder, console)
    return console.file.getvalue()


def test_the_terminal_table_fits_a_hundred_columns_and_drops_nothing(written, report):
    text = printed(written)
    assert max(map(len, text.splitlines())) <= 100
    for board in report.boards:
        for line in board.entries:
            assert re.search(rf"^ ?{line.name} +{line.group} +{100 * line.accuracy.mean:.1f} \[", text, re.MULTILINE)
    assert "Not measured: cascade, seed 1 (accuracy), failed: out of memory after 3 epochs" in text
    assert "Caution: The split is random" in text
    assert "songs that occur in more than one split: 3" in text


@pytest.mark.slow
def test_tables_show_the_first_line_of_a_reason_the_page_and_the_csv_all_of_it(results):
    text = (
        (results / "rows.jsonl").read_text("utf-8").replace("out of memory after 3 epochs", r"it broke\nTraceback: x")
    )
    (results / "rows.jsonl").write_text(text, encoding="utf-8")
    shown = printed(results)
    assert "failed: it broke" in shown
    assert "Traceback" not in shown
    report = leaderboard(results)
    assert "| failed | it broke |" in markdown(report)
    assert '"it broke\nTraceback: x"' in comma_separated(report)
    page = render(results).read_text("utf-8")
    assert "it broke\nTraceback: x</pre>" in page
    assert "Measured and reported" not in page  # no suite asks for it


def test_long_names_are_folded_not_cut_and_markup_is_shown_as_it_is(results):
    name = "[bold red]a_very_long_name_of_a_recipe_that_somebody_gave[/]"
    text = (results / "rows.jsonl").read_text("utf-8").replace('"recipe": "lstm"', f'"recipe": "{name}"')
    (results / "rows.jsonl").write_text(text, encoding="utf-8")
    lines = printed(results).splitlines()
    assert max(map(len, lines)) <= 100
    first = next(number for number, line in enumerate(lines) if line.startswith(" [bold"))
    folded = "".join(line[1:32].partition("  ")[0].strip() for line in lines[first : first + 4])
    assert folded.startswith(name.replace(" ", ""))
