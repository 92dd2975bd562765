"""CSV tables: every cell as it stands, or one clear refusal."""

import os

import numpy as np
import pytest

from genrezoo.datasets._table import read_table, to_numbers
from genrezoo.errors import DataError


def written(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_cells_are_the_text_that_stands_there(tmp_path):
    text = (
        '\ufeffid,genre,artist\r\n007,NA,"Simon, Garfunkel"\r\n9007199254740993,null,\r\n\r\n1e3,None," two\nlines"\r\n'
    )
    table = read_table(written(tmp_path, text), required=("id",))
    assert table.to_dict("list") == {
        "id": ["007", "9007199254740993", "1e3"],
        "genre": ["NA", "null", "None"],
        "artist": ["Simon, Garfunkel", "", " two\nlines"],
    }


def test_headers_of_several_lines(tmp_path):
    text = ",track,track,album\n,title,genre_top,title\ntrack_id,,,\n2,Food,Hip-Hop,AWOL\n"
    table = read_table(written(tmp_path, text), header=3)
    assert list(table.columns) == ["track_id", "track.title", "track.genre_top", "album.title"]
    assert table.iloc[0].tolist() == ["2", "Food", "Hip-Hop", "AWOL"]


def test_columns_that_are_wanted_alone(tmp_path):
    path = written(tmp_path, "a,b,c\n1,2,3\n4,5,6\n")
    assert read_table(path, columns=("c", "a")).to_dict("list") == {"c": ["3", "6"], "a": ["1", "4"]}
    with pytest.raises(DataError, match="no column 'd'"):
        read_table(path, columns=("a", "d"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ("path,genre\n", "has a header but no rows"),
        ("path,genre\na,b\nc,d,e\n", "line 3: 3 cells, but the header has 2"),
        ("path,genre\na\n", "line 2: 1 cells, but the header has 2"),
        ('path,genre\na,"b\n', "line 2: is not a CSV table"),
        ("path,path\na,b\n", "header, column 1: column 'path' occurs 2 times"),
        ("path,,\na,b,c\n", "header, column 2: 2 columns have no name"),
        ("path;genre\na;b\n", "no column 'path'; .*use commas as separators"),
        ("path,artist\na,b\n", "no column 'genre'; it has path, artist"),
        ("path,genre\na,\0\n", "line 2: a zero byte"),
        ("path,genre\nä,b\n".encode("latin-1"), "line 2: is not UTF-8"),
        ("path,genre\na,b\n".encode("utf-16"), "is not UTF-8"),
        (b"\x1f\x8b\x08\x00packed", "is not UTF-8"),
        (",".join(map(str, range(6000))) + "\n", "has 6,000 columns"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_table(written(tmp_path, content), required=("path", "genre"))


def test_no_other_than_a_regular_file_of_moderate_size_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path, tmp_path / "pipe.csv", tmp_path / "missing.csv", "http://localhost/table.csv"):
        with pytest.raises(DataError, match=r"not a file|cannot be read"):
            read_table(path)
    with pytest.raises(DataError, match="has 8 bytes, the limit is 7"):
        read_table(written(tmp_path, "a,b\n1,2\n"), max_bytes=7)


def test_numbers_name_the_cell_that_is_none(tmp_path):
    path = written(tmp_path, "name,a,b\nx,1,-2.5e3\ny, 3 ,4\n")
    np.testing.assert_array_equal(to_numbers(read_table(path), ["b", "a"], path=path), [[-2500, 1], [4, 3]])
    for cell in ("", "one", "1e400", "nan", "1;2"):
        path = written(tmp_path, f"name,a\nx,1\ny,{cell}\n")
        with pytest.raises(DataError, match=f"row 3, column 'a': '{cell}' is not a finite number"):
            to_numbers(read_table(path), ["a"], path=path)
