"""What the scripts of a report's page do, in a real browser."""

import re

import pytest

from genrezoo.report import render

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(written, tmp_path_factory):
    return render([written], tmp_path_factory.mktemp("report")).as_uri()


@pytest.fixture
def page(browser, address):
    """The page, open; nothing was asked of anybody else and no script has failed when a test ends."""
    opened, wrong = browser.new_page(viewport={"width": 1280, "height": 900}), []
    opened.on("request", lambda one: wrong.append(one.url) if one.url.split("#")[0] != address else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text))
    opened.goto(address)
    yield opened
    opened.close()
    assert wrong == []


def names(page, table=0):
    """Names in the visible rows of a table of the first board."""
    return page.locator("#board-1 table.sortable").nth(table).locator("tbody tr:visible td.name").all_inner_texts()


def test_what_is_typed_and_the_families_filter_all_tables_of_a_board(page):
    board = page.locator("#board-1")
    every = names(page)
    assert set(every) == {"lstm", "gru", "mlp", "forest", "logistic"}
    other = page.locator("#board-2 table.sortable tbody tr:visible").count()
    board.locator("input[type=search]").fill(" L  m")
    assert names(page) == names(page, 1) == [name for name in every if name in ("lstm", "mlp")]
    assert board.locator("output").inner_text() == "2 of 5 models"
    board.locator("input[type=search]").fill("")
    board.locator("input[value=zoo]").uncheck()
    assert set(names(page)) == {"forest", "logistic"}
    board.locator("input[value=baseline]").uncheck()
    assert names(page) == []
    assert page.locator("#board-2 table.sortable tbody tr:visible").count() == other


def test_a_sorted_table_stays_filtered(page):
    page.locator("#board-1 input[value=baseline]").uncheck()
    page.locator("#board-1 th button", has_text="Model").first.click()
    assert names(page) == sorted(names(page))
    page.locator("#board-1 th button", has_text="Model").first.click()
    assert names(page) == sorted(names(page), reverse=True)
    assert len(names(page)) == 3


def marks_of(page, title):
    """What can be pointed at in a figure of the first board."""
    figure = page.locator("#board-1 figure", has=page.locator("h3", has_text=re.compile(f"^{title}$")))
    return figure.locator("svg g[tabindex]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("title", "number", "words"),
    [
        ("Learning curves", 28, r"epoch \d+(\n(lstm|gru|mlp): \d+\.\d+ %? ?\(training \d+\.\d+( %)?\))+"),
        ("F1 of each genre", 25, r"(lstm|gru|mlp|forest|logistic), \w+\nF1 \d+\.\d %"),
        ("Confusion", 32, r"\w+ predicted as \w+\n\d+ of \d+ songs \(\d+\.\d %\)"),
    ],
)
def test_epochs_and_cells_show_their_values(page, scheme, title, number, words):
    page.emulate_media(color_scheme=scheme)
    marks, tip = marks_of(page, title), page.locator(".tip")
    assert marks.count() == number
    assert all(re.fullmatch(words, mark.get_attribute("aria-label")) for mark in marks.all())
    for place in (0, number - 1):  # inside a mark, wherever, its own values show
        mark = marks.nth(place)
        mark.scroll_into_view_if_needed()
        box = mark.bounding_box()
        page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.9 * box["height"])
        assert tip.inner_text() == mark.get_attribute("aria-label")
    of_tip, of_page = (
        page.locator(one).evaluate("one => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor]")
        for one in (".tip", "body")
    )
    assert of_tip == of_page[::-1]


def test_arrows_lead_from_mark_to_mark_and_tab_out_of_the_figure(page):
    marks, tip = marks_of(page, "Confusion"), page.locator(".tip")
    assert [mark.get_attribute("tabindex") for mark in marks.all()].count("0") == 1
    marks.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert tip.inner_text() == marks.nth(2).get_attribute("aria-label")
    page.keyboard.press("ArrowLeft")
    assert tip.inner_text() == marks.nth(1).get_attribute("aria-label")
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.closest('figure')?.querySelector('h3').textContent == 'Confusion'")


def test_a_mark_shows_its_values_to_mouse_and_keyboard(page):
    marks, tip = marks_of(page, "Accuracy against latency"), page.locator(".tip")
    assert marks.count() == 5
    assert tip.is_hidden()
    for mark in marks.all()[:2]:
        mark.focus()
        words = mark.get_attribute("aria-label")
        assert "accuracy" in words
        assert tip.inner_text() == words
        page.keyboard.press("Escape")
        assert tip.is_hidden()
        mark.scroll_into_view_if_needed()
        box = mark.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2)
        assert tip.inner_text() == words
        page.mouse.move(2, 2)
        assert tip.is_hidden()


def test_a_name_opens_what_is_known_of_the_model(page):
    card = page.locator(".model").nth(1)
    assert card.is_hidden()
    page.evaluate("addEventListener('click', (event) => event.preventDefault())")  # not every browser opens it itself
    page.locator("#board-1 td.name a").nth(1).click()
    assert card.is_visible()
    assert card.locator("h4").inner_text() == names(page)[1]


def test_figures_follow_light_and_dark(page):
    def colours():
        return page.evaluate(
            "[document.body, document.querySelector('figure svg')].map((one) => getComputedStyle(one)).map((style) => "
            "[style.backgroundColor, style.color]).flat()"
        )

    page.emulate_media(color_scheme="light")
    light = colours()
    page.emulate_media(color_scheme="dark")
    dark = colours()
    assert light[0] != dark[0]
    assert light[3] == light[1] != dark[1] == dark[3]
    assert "currentColor" in page.locator("figure svg").first.inner_html()
