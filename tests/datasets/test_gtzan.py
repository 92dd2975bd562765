"""GTZAN: the published lists, a collection that is only partly there, and tables whose rows are not songs."""

import numpy as np
import pytest
from toys import write_noise

from genrezoo.audio.settings import feature_settings
from genrezoo.datasets import load_songs
from genrezoo.datasets.gtzan import GENRES, gtzan_lists, load_gtzan, load_gtzan_table
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.songs import check_split

pytestmark = pytest.mark.usefixtures("no_children")

MEL = {"kind": "log_mel", "n_mels": 8}
NAMES = feature_settings("feature_table").names


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GENREZOO_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(("split", "sizes"), [("fault_filtered", [443, 197, 290]), ("stratified", [500, 250, 250])])
def test_the_published_lists(split, sizes):
    lists = gtzan_lists(split)
    assert list(lists) == ["train", "valid", "test"]
    assert [len(names) for names in lists.values()] == sizes
    names = [name for side in lists.values() for name in side]
    assert len(set(names)) == len(names)  # no clip twice
    assert set(names) <= {f"{genre}.{number:05}" for genre in GENRES for number in range(100)}
    for side in lists.values():
        assert {name.partition(".")[0] for name in side} == set(GENRES)


def test_the_stratified_lists_are_even_and_the_filtered_ones_leave_out_faults():
    for side, number in zip(gtzan_lists("stratified").values(), (50, 25, 25), strict=True):
        assert [sum(name.startswith(genre) for name in side) for genre in GENRES] == [number] * 10
    listed = {name for side in gtzan_lists("fault_filtered").values() for name in side}
    assert not listed & {"hiphop.00039", "jazz.00033", "pop.00015", "reggae.00086"}  # each repeats another clip
    with pytest.raises(UnknownNameError, match="random"):
        gtzan_lists("random")


@pytest.fixture
def part(tmp_path):
    """Some clips: two on each list of two genres, one on no list, and files that are no clips."""
    root = tmp_path / "gtzan"
    lists = gtzan_lists("fault_filtered")
    number = 0
    for side in lists.values():
        for genre in ("blues", "jazz"):
            for name in [name for name in side if name.startswith(genre)][:2]:
                write_noise(root / "genres" / genre / f"{name}.au", 1, number := number + 1)
    write_noise(root / "genres" / "jazz" / "jazz.00033.au", seed=99)
    (root / "genres" / "jazz" / "jazz.00054.wav").write_bytes(b"damaged in most copies")
    (root / "features_30_sec.csv").touch()
    (root / "genres" / "blues" / "blues.00000.png").touch()
    (root / "genres" / "blues" / "a recording.wav").touch()
    return root


def test_a_part_of_the_collection_gets_its_part_of_the_split(part):
    songs = load_gtzan(part, features=MEL)
    assert songs.genres == ("blues", "jazz")
    assert {side: len(index) for side, index in songs.splits.items()} == {"train": 4, "valid": 4, "test": 4}
    assert songs.provenance == "fault-filtered"
    lists = gtzan_lists("fault_filtered")
    for side, index in songs.splits.items():
        assert set(songs.ids[index].tolist()) <= set(lists[side])
    assert songs.describe()["in_no_split"] == 1
    assert "jazz.00033" in songs.ids
    told = songs.about["lists"]
    assert {side: (facts["listed"], len(facts["missing"])) for side, facts in told.items()} == {
        "train": (443, 439),
        "valid": (197, 193),
        "test": (290, 286),
    }
    assert "jazz.00054" in told["train"]["missing"]  # on the list, but no decoder reads it
    assert list(songs.about["rejected"]) == ["jazz.00054"]
    assert "not a" in songs.about["rejected"]["jazz.00054"]
    assert songs.about["passed_over"] == {".csv": 1, ".png": 1, ".wav": 1}
    check_split(songs)


def test_the_other_splits_are_random_and_say_so(part):
    (part / "genres" / "jazz" / "jazz.00054.wav").unlink()
    stratified = load_gtzan(part, features=MEL, split="stratified")
    assert stratified.provenance == "random"
    assert stratified.describe()["in_no_split"] == 0
    drawn = [load_gtzan(part, features=MEL, split="random", seed=seed) for seed in (1, 1, 2)]
    assert drawn[0].provenance == "random"
    assert drawn[0].checksum() == drawn[1].checksum() != drawn[2].checksum()
    assert sum(map(len, drawn[0].splits.values())) == 13
    with pytest.raises(UnknownNameError, match="fault_filtered"):
        load_gtzan(part, split="fault-filtered")


def test_pictures_of_one_clip_stay_on_one_side(tmp_path):
    for number in range(6):
        for genre in ("blues", "jazz"):
            write_noise(tmp_path / f"{genre}.{number:05}.wav", 4, 2 * number + (genre == "jazz"))
    features = {"kind": "spectrogram_image", "window_seconds": 2}
    songs = load_gtzan(tmp_path, features=features, split="random")
    assert songs.n_songs == 24
    assert songs.groups.tolist() == [name.partition("#")[0] for name in songs.ids]
    assert sum(map(len, songs.splits.values())) == 24
    check_split(songs)


def test_a_clip_that_is_there_twice_and_a_folder_without_clips_are_refused(part):
    write_noise(part / "copy" / "jazz.00033.flac")
    with pytest.raises(DataError, match=r"clip jazz\.00033 occurs twice"):
        load_gtzan(part)
    (part.parent / "elsewhere").mkdir()
    with pytest.raises(DataError, match="no file with the name of a GTZAN clip"):
        load_gtzan(part.parent / "elsewhere")


def test_a_folder_of_the_ten_genres_is_recognised(tmp_path):
    for genre in GENRES:
        for name in gtzan_lists("stratified")["train"]:
            if name.startswith(genre) and name.endswith(("0", "1")):
                write_noise(tmp_path / "genres_original" / genre / f"{name}.wav", 1, len(name))
        (tmp_path / "genres_original" / genre / ".DS_Store").write_bytes(b"what a file manager leaves")
    songs = load_songs(tmp_path, features=MEL, split="stratified")
    assert songs.name == "gtzan_log_mel"
    assert len(songs.genres) == 10


# Tables


def table(path, rows, names=NAMES):
    """A table with random numbers, a row a file name."""
    draw = np.random.default_rng(0)
    lines = [",".join(["filename", "length", *names, "label"])]
    for name in rows:
        lines.append(
            ",".join([name, "661794", *map(repr, draw.normal(size=len(names)).tolist()), name.partition(".")[0]])
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def clips(*numbers):
    return [f"{genre}.{number:05}" for genre in ("blues", "jazz") for number in numbers]


def test_the_table_of_clips(tmp_path):
    path = table(tmp_path / "features_30_sec.csv", [f"{clip}.wav" for clip in clips(0, 11, 12)])
    songs = load_songs(path)  # known by its name
    assert (songs.name, songs.x.shape, songs.genres) == ("gtzan_table", (6, 1, 57), ("blues", "jazz"))
    assert songs.ids.tolist() == clips(0, 11, 12)
    text = path.read_text().splitlines()[2].split(",")  # blues.00011
    np.testing.assert_array_equal(songs.x[1, 0], np.array(text[2:-1], float).astype(np.float32))
    assert songs.about["feature_names"] == list(NAMES)
    assert {side: songs.ids[index].tolist() for side, index in songs.splits.items()} == {
        "train": ["jazz.00000", "jazz.00011", "jazz.00012"],
        "valid": ["blues.00000", "blues.00011"],
        "test": ["blues.00012"],
    }
    assert songs.provenance == "fault-filtered"


def test_rows_of_three_seconds_are_the_segments_of_one_song(tmp_path):
    rows = [f"{clip}.{piece}.wav" for clip in clips(*range(8)) for piece in (1, 0, 10, 2)][:-1]
    path = table(tmp_path / "features_3_sec.csv", rows)
    songs = load_gtzan_table(path, split="random")
    assert songs.x.shape == (16, 4, 57)
    assert songs.lengths.tolist() == [4] * 15 + [3]
    lines = [line.split(",") for line in path.read_text().splitlines()[1:]]
    by_name = {line[0]: np.array(line[2:-1], float).astype(np.float32) for line in lines}
    for segment, piece in enumerate((0, 1, 2, 10)):
        np.testing.assert_array_equal(songs.x[0, segment], by_name[f"blues.00000.{piece}.wav"])
    check_split(songs)
    with pytest.raises(SettingsError, match="the rows of one clip between splits"):
        load_gtzan_table(path, songs="rows")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("tempo,", "tempi,"), "no column 'tempo'"),
        (
            lambda text: text.replace("blues.00001.wav", "song.wav"),
            "row 3, column 'filename': 'song.wav' is not a GTZAN clip",
        ),
        (lambda text: text.replace("blues.00001.wav", "blues.00000.wav"), "row 3, .* is also in row 2"),
        (lambda text: text.replace("blues\n", "rock\n", 1), "row 2, column 'label': 'rock', but the clip is blues"),
        (lambda text: text.replace("661794,", "661794,x", 1), "row 2, column 'chroma_stft_mean': 'x"),
    ],
)
def test_a_table_with_a_fault_is_refused(tmp_path, change, message):
    path = table(tmp_path / "t.csv", [f"{clip}.wav" for clip in clips(0, 1)])
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message):
        load_gtzan_table(path)
