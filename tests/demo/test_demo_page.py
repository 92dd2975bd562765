"""The page in a browser, served by the command."""

import json
import time

import numpy as np
import pytest
from tones import tone, write

import genrezoo as gz

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """Six seconds: low, then high."""
    path = tmp_path_factory.mktemp("song") / "low then high.wav"
    return write(path, np.concatenate([tone(1, 4, 30), tone(0, 2, 31)]))


def drop(page, path):
    """Drops a file on the page."""
    page.set_input_files("#gz-sound input[type=file]", path)


def left(page):
    """Where the marks of the timelines are, in hundredths of their width."""
    return page.eval_on_selector_all(".gz-cursor", "all => all.map(one => parseFloat(one.style.left))")


def uploaded(served):
    return [path for path in served[1].rglob("uploads/*/*") if path.is_file()]


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_file_that_is_dropped_is_answered_by_both_models(page, song, runs, tmp_path):
    drop(page, song)
    page.wait_for_selector(".gz-timeline >> nth=1")
    assert page.locator(".gz-name").inner_text() == "low then high.wav"
    assert [text.split()[0] for text in page.locator(".gz-bars h2").all_inner_texts()] == ["low", "low"]
    assert page.locator(".gz-genres").first.inner_text().split() == ["low", "high"]
    with page.expect_download() as waiting:
        page.locator(".gz-download").first.click()
    waiting.value.save_as(tmp_path / "answer.json")
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert (answer["model"], answer["file"], answer["genre"]) == ("first", "low then high.wav", "low")
    (expected,) = gz.predict_audio(runs[0], song, workers=0)
    assert answer == {"model": "first"} | expected.describe() | {"file": "low then high.wav"}


def test_the_marks_follow_the_player_and_the_player_follows_a_click(page, song):
    drop(page, song)
    page.wait_for_selector(".gz-timeline >> nth=1")
    page.wait_for_function("document.querySelector('.gz-player audio').readyState > 0")
    assert left(page) == [0, 0]
    page.evaluate("document.querySelector('.gz-player audio').play()")
    until(lambda: min(left(page)) > 5)
    page.evaluate("document.querySelector('.gz-player audio').pause()")
    box = page.locator(".gz-plot").last.bounding_box()
    page.locator(".gz-plot").last.click(position={"x": box["width"] * 0.75, "y": 5})
    page.wait_for_function("Math.abs(document.querySelector('.gz-player audio').currentTime - 4.5) < 0.1")
    assert left(page) == pytest.approx([75, 75], abs=1)
    assert page.locator(".gz-now").first.inner_text().split()[0] == "0:04"
    page.keyboard.press("ArrowRight")
    page.wait_for_function("Math.abs(document.querySelector('.gz-player audio').currentTime - 5.5) < 0.1")


def test_another_choice_of_models_answers_the_same_file_again(page, song):
    drop(page, song)
    page.wait_for_selector(".gz-timeline >> nth=1")
    page.get_by_label("Compare with").click()
    page.get_by_role("option", name="no other model").click()
    page.wait_for_function("document.querySelectorAll('.gz-timeline').length == 1")
    assert page.locator(".gz-name").inner_text() == "low then high.wav"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("song.wav", b"no sound", "not a supported audio file (looks like text)"),
        ("empty.mp3", b"", "is empty (0 bytes)"),
        ("<img src=x onerror=\"document.title='taken'\">é.wav", b"<html>", "looks like HTML"),
    ],
)
def test_a_bad_file_is_explained_and_removed(page, served, tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    drop(page, tmp_path / name)
    page.wait_for_selector(".gz-refusal")
    text = page.locator(".gz-refusal").inner_text()
    assert reason in text
    assert str(served[1]) not in page.content().replace("&#x2F;", "/")
    assert page.locator(".gz-refusal img").count() == 0
    assert page.title() == "genrezoo: try a model"
    until(lambda: not uploaded(served))


def test_a_file_that_is_too_large_or_no_audio_by_its_name_is_refused_before_it_is_sent(page, tmp_path):
    (tmp_path / "large.wav").write_bytes(bytes(2**20 + 1))
    (tmp_path / "notes.txt").write_text("no sound")
    drop(page, tmp_path / "large.wav")
    page.get_by_text("exceed the maximum allowed size").wait_for()
    drop(page, tmp_path / "notes.txt")
    page.get_by_text("Invalid file type: notes.txt").wait_for()


def test_two_visitors_are_answered_at_once_and_nothing_is_left_of_who_is_gone(browser, served, song, tmp_path):
    other = write(tmp_path / "high.wav", tone(0, 3, 32))
    contexts = [browser.new_context() for _ in range(2)]
    pages = [context.new_page() for context in contexts]
    for one in pages:
        one.goto(served[0])
        one.wait_for_selector("#gz-answer .gz-empty")
    for one, path in zip(pages, (song, other), strict=True):
        drop(one, path)
    for one, path, genre in zip(pages, (song, other), ("low", "high"), strict=True):
        one.wait_for_selector(".gz-timeline")
        assert one.locator(".gz-name").inner_text() == path.name
        assert one.locator(".gz-genres").first.inner_text().split()[0] == genre
    contexts[0].close()
    until(lambda: [path.name for path in uploaded(served)] == ["high.wav"])
    contexts[1].close()
    until(lambda: not uploaded(served))


def test_a_recording_from_the_microphone_is_answered(page):
    page.get_by_label("Record audio").click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(2500)
    page.get_by_role("button", name="Stop", exact=True).first.click()
    page.wait_for_selector(".gz-timeline")
    assert page.locator(".gz-name").inner_text() == "audio.wav"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_fits_and_is_legible_in_light_and_dark(browser, served, song, scheme, width):
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(served[0])
    page.wait_for_selector("#gz-answer .gz-empty")
    drop(page, song)
    page.wait_for_selector(".gz-timeline")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    colours = page.evaluate("[getComputedStyle(document.querySelector('.gz-now')).color, "
                            "getComputedStyle(document.body).backgroundColor]")  # fmt: skip
    ink, ground = (sum(map(int, colour[colour.index("(") + 1 : -1].split(",")[:3])) / 3 for colour in colours)
    assert (ink < 100 and ground > 200) if scheme == "light" else (ink > 200 and ground < 50)
    context.close()
