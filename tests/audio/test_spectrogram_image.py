import os
import wave

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from genrezoo.audio.images import DEPTH, HEIGHT, LOWEST, WIDTH, SpectrogramImage, _means, write_image_tree
from genrezoo.audio.settings import feature_settings
from genrezoo.audio.spectrum import power, stft
from genrezoo.errors import DataError, SettingsError

pytestmark = pytest.mark.usefixtures("no_children")

RATE = 22050
SCALES = ("log_db", "linear", "log")
MAGMA = np.rint(255 * colormaps["magma"](np.arange(256))[:, :3]).astype(np.int64) @ [65536, 256, 1]
ORDER = np.argsort(MAGMA)


def tone(frequency, seconds=2.0, *, rate=RATE):
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def noise(seconds, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def brightness(image):
    """Place of each pixel in the table of colours, ``(height, width)``; every pixel must be in it."""
    code = image.astype(np.int64) @ [65536, 256, 1]
    place = np.minimum(np.searchsorted(MAGMA[ORDER], code), 255)
    assert (MAGMA[ORDER][place] == code).all()
    return ORDER[place]


def image(sound, scale="log_db", **options):
    return SpectrogramImage(scale=scale, **options).extract([sound]).x[0]


def write_wav(path, samples, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", "none"))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def row_of(frequency, scale):
    """Row of the image, from the top, that a frequency is in."""
    if scale == "linear":
        return HEIGHT - 1 - int(frequency / (RATE / 2) * HEIGHT)
    return HEIGHT - 1 - int(np.log(frequency / LOWEST) / np.log(RATE / 2 / LOWEST) * HEIGHT)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("frequency", [220, 1000, 6000])
def test_a_tone_is_a_line_at_its_frequency(frequency, scale):
    bright = brightness(image(tone(frequency), scale))
    assert bright.shape == (172, 173)
    lines = bright[:, 5:-5].argmax(axis=0)
    assert np.abs(lines - row_of(frequency, scale)).max() <= 2
    assert bright.max() == 255


def test_high_notes_are_above_low_ones_and_late_ones_to_the_right():
    bright = brightness(image(np.concatenate([tone(300), tone(3000)])))
    assert bright[:86, :80].sum() < bright[86:, :80].sum()
    assert bright[:86, 93:].sum() > bright[86:, 93:].sum()


@pytest.mark.parametrize(("scale", "expected"), [("log_db", 1 - 20 / DEPTH), ("linear", 1 - 20 / DEPTH), ("log", 0.1)])
def test_a_tenth_of_the_amplitude_is_this_bright(scale, expected):
    sound = np.concatenate([tone(1000), tone(1000) / 10])
    row = brightness(image(sound, scale)).max(axis=0)
    assert row[40] == pytest.approx(255, abs=2)
    assert row[130] == pytest.approx(255 * expected, abs=2)


def test_loudness_of_the_whole_makes_no_difference():
    sound = noise(3)
    for scale in SCALES:
        assert np.abs(brightness(image(sound, scale)) - brightness(image(sound / 64, scale))).max() <= 1


@pytest.mark.parametrize("scale", SCALES)
def test_silence_is_black(scale):
    assert (brightness(image(np.zeros(RATE, np.float32), scale)) == 0).all()


def test_power_of_a_pixel_is_the_mean_over_its_area():
    sound = noise(8)
    spectrogram = power(stft(sound))[:, :1024]
    frames = len(spectrogram) // WIDTH * WIDTH
    bright = brightness(image(sound[: (frames - 1) * 512], "linear"))
    share = 10 ** ((bright / 255 - 1) * DEPTH / 10)
    rows = _means(np.linspace(0, 1023, 5), 1024)
    coarse = np.stack([part.mean(axis=0) for part in np.array_split(spectrogram[:frames], 4)]) @ rows.T
    ours = share[::-1].reshape(4, 43, WIDTH)
    ours = np.stack([part.mean(axis=(1, 2)) for part in np.array_split(ours, 4, axis=2)])
    np.testing.assert_allclose(ours / ours.sum(), coarse / coarse.sum(), rtol=0.05)


def test_means_over_intervals():
    curve = np.array([0.0, 2.0, 4.0, 0.0])
    weights = _means(np.array([0.0, 1.0, 1.5, 3.0]), 4)
    np.testing.assert_allclose(weights @ curve, [1.0, 2.5, (0.5 * 3.5 + 1 * 2.0) / 1.5])
    np.testing.assert_allclose(_means(np.linspace(0, 3, 50), 4).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("seconds", "edges"),
    [(0.7, [0, 0.7]), (2, [0, 2]), (2.98, [0, 2.98]), (3.02, [0, 2, 3.02]), (6.5, [0, 2, 4, 6.5])],
)
def test_an_image_for_each_window(seconds, edges):
    sound = noise(seconds)
    settings = SpectrogramImage(window_seconds=2)
    features = settings.extract([sound])
    np.testing.assert_allclose(features.edges, edges)
    assert features.x.shape == (len(edges) - 1, HEIGHT, WIDTH, 3)
    assert features.x.dtype == np.uint8
    streamed = settings.extract(np.array_split(sound, 13))
    assert np.array_equal(features.x, streamed.x)


def test_windows_shorter_than_what_is_transformed_at_once():
    features = SpectrogramImage(window_seconds=1).extract([noise(9)])
    np.testing.assert_allclose(features.edges, range(10))
    assert np.array_equal(features.x[6], SpectrogramImage(window_seconds=1).extract([noise(9)[: 8 * RATE]]).x[6])


def test_windows_follow_each_other_without_a_gap():
    sound = np.zeros(4 * RATE, np.float32)
    sound[RATE] = sound[3 * RATE] = 0.5  # a click in the middle of each window
    for bright in map(brightness, SpectrogramImage(window_seconds=2).extract([sound]).x):
        assert abs(bright.sum(axis=0).argmax() - WIDTH // 2) <= 2


def test_images_have_three_colours_at_every_rate():
    settings = feature_settings("spectrogram_image", rate=8000, scale="linear")
    bright = brightness(settings.extract([tone(1000, rate=8000)]).x[0])
    assert np.abs(bright[:, 5:-5].argmax(axis=0) - HEIGHT * 3 // 4).max() <= 2
    assert settings.names == ("red", "green", "blue")
    assert settings.groups == {}


def test_what_is_no_image_is_refused():
    with pytest.raises(DataError, match="'spectrogram_image' needs at least 0.09 s"):
        image(np.zeros(2000, np.float32))
    with pytest.raises(SettingsError, match="scale"):
        feature_settings("spectrogram_image", scale="1ayl")


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "music"
    files = [
        write_wav(folder / genre / f"{genre}.0000{n}.wav", noise(1, n)) for genre in ("jazz", "rock") for n in (0, 1)
    ]
    files.append(folder / "rock" / "page.mp3")
    files[-1].write_text("<html>not found</html>")
    return files


def write(sounds, tmp_path, **options):
    return write_image_tree(sounds, tmp_path / "out", cache=tmp_path / "cache", workers=1, **options)


def test_a_tree_of_images_named_after_their_sounds(sounds, tmp_path):
    seen = []
    tree = write(sounds, tmp_path, scale="linear", on_file=lambda path, reason: seen.append(path))
    assert sorted(seen) == sorted(sounds)
    assert list(tree.rejected) == [sounds[-1]]
    assert list(tree.images) == sounds[:-1]
    assert tree.kept == 0
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png"))
    assert found == [f"linear/{genre}/{genre}.0000{n}.wav.png" for genre in ("jazz", "rock") for n in (0, 1)]
    with Image.open(tmp_path / "out" / found[0]) as opened:
        assert opened.size == (173, 172)
        assert opened.mode == "RGB"
        expected = np.round(noise(1, 0) * 32767 - 0.5) / 32768
        ours = brightness(np.asarray(opened)).astype(int)
        assert np.abs(ours - brightness(image(expected.astype(np.float32), "linear"))).mean() < 1


def test_the_same_again_keeps_what_is_good_and_mends_what_is_not(sounds, tmp_path):
    first = write(sounds[:-1], tmp_path)
    names = [name for names in first.images.values() for name in names]
    good = names[2].read_bytes()
    for name in names:
        os.utime(name, (1, 1))
    names[1].write_bytes(good)  # another sound's image
    names[2].write_bytes(good[: len(good) // 2])  # a torn one
    names[3].unlink()
    again = write(sounds[:-1], tmp_path)
    assert again.kept == 1
    assert names[0].stat().st_mtime == 1
    assert names[2].read_bytes() == good
    assert write(sounds[:-1], tmp_path).kept == 4


def test_a_long_sound_has_several_images_and_no_others_are_left(tmp_path):
    path = tmp_path / "music" / "jazz" / "a.wav"
    beside = tmp_path / "out" / "log_db" / "jazz" / "a.wav.old.png"
    beside.parent.mkdir(parents=True)
    beside.write_bytes(b"")
    long = noise(9, 1)  # 9 x 22,050 samples: 49.6 s at 4,000 Hz
    for sound, expected in ((long, ["#1", "#2"]), (long[:9000], [""]), (long, ["#1", "#2"])):
        write_wav(path, sound, rate=4000)
        (names,) = write([path], tmp_path).images.values()
        assert [name.name for name in names] == [f"a.wav{number}.png" for number in expected]
        assert {*names, beside} == set(beside.parent.iterdir())


def test_genres_can_be_given(sounds, tmp_path):
    tree = write({sounds[0]: "swing", sounds[2]: "beat"}, tmp_path)
    assert [name.parent.name for names in tree.images.values() for name in names] == ["swing", "beat"]
    with pytest.raises(DataError, match=r"genre '\.\./x' cannot be a folder name"):
        write({sounds[0]: "../x"}, tmp_path)


@pytest.mark.parametrize("name", ["jazz/a.wav", "jazz/a.wav#1"])
def test_files_whose_images_would_have_one_name_are_refused(name, tmp_path):
    with pytest.raises(DataError, match="would have the same image"):
        write([tmp_path / "music" / "jazz" / "a.wav", tmp_path / "more" / name], tmp_path)


def test_strict_stops_and_a_file_in_the_way_is_an_error(sounds, tmp_path):
    with pytest.raises(DataError, match=r"page\.mp3"):
        write(sounds[-1:], tmp_path, strict=True)
    (tmp_path / "out").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write(sounds[:1], tmp_path)
