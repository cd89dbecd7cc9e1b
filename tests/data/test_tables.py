"""Tables as data sets."""

import numpy as np
import pandas
import pytest

from kerata.data import Dataset

CSV = "age,city,fee\n31,Athens,1.5\n40,,2\n,Rome,3\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(CSV)
    return path


def test_rows_of_a_file(path):
    dataset = Dataset.from_csv(path, label="fee", missing={"age": 0, "city": "?"})
    features, fee = next(iter(dataset.batch(3)))
    assert features["age"].tolist() == [31, 40, 0] and features["age"].dtype == "int64"
    assert features["city"].tolist() == ["Athens", "?", "Rome"]
    np.testing.assert_array_equal(fee, np.array([1.5, 2, 3], "float32"))
    assert len(Dataset.from_csv(path, missing="drop")) == 1
    assert list(next(iter(Dataset.from_csv(path, columns=["fee"])))) == ["fee"]


def test_a_pandas_table_gives_the_same(path):
    frame = pandas.read_csv(path)
    for missing in ("drop", {"age": 1, "city": "-"}):
        one = Dataset.from_csv(path, "fee", missing=missing)
        other = Dataset.from_dataframe(frame, "fee", missing=missing)
        for (a, fee), (b, same) in zip(one, other, strict=True):
            assert {k: str(v) for k, v in a.items()} == {
                k: str(v).removesuffix(".0") for k, v in b.items()
            }
            assert float(fee) == float(same)


def test_mistakes(path, tmp_path):
    with pytest.raises(ValueError, match=r"1 in 'age', 1 in 'city'; the first in line 3"):
        Dataset.from_csv(path)
    with pytest.raises(ValueError, match="no column named 'citty'.*\n.*'city'"):
        Dataset.from_csv(path, columns=["citty"])
    with pytest.raises(ValueError, match="no column named 'price'"):
        Dataset.from_csv(path, label="price")
    with pytest.raises(ValueError, match='"drop"'):
        Dataset.from_csv(path, missing="ignore")
    with pytest.raises(TypeError, match="pandas DataFrame"):
        Dataset.from_dataframe([1, 2])
    broken = tmp_path / "broken.csv"
    broken.write_text("a,b\n1,2,3\n")
    with pytest.raises(ValueError, match="2 values.*\n.*line 2"):
        Dataset.from_csv(broken)
    broken.write_text("a, a,b\n1,2,3\n")
    with pytest.raises(ValueError, match="all different"):
        Dataset.from_csv(broken)
    broken.write_text("")
    with pytest.raises(ValueError, match="names for the columns"):
        Dataset.from_csv(broken)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a;b;c\n1;2;3\n", r"Pass delimiter=';'"),
        ("a\tb\n1,5\t2\n", r"Pass delimiter='\\t'"),
        ("a,b\n1,2\n\n1,2,3\n", "3 values in line 4"),
        ('a,b\n"x\ny",2\n1,2,3\n', "3 values in line 4"),
        ("7,0,0,0\n3,0,0,0\n", "If it has no such line, write one"),
    ],
    ids=["semicolons", "tabs", "empty line", "line break in text", "no names"],
)
def test_files_of_other_forms(text, words, tmp_path):
    (path := tmp_path / "table.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        Dataset.from_csv(path)


def test_missing_values_are_found_by_line_or_label(tmp_path):
    (path := tmp_path / "table.csv").write_text("a,b\n1,2\n\n3,\n")
    with pytest.raises(ValueError, match="the first in line 4"):
        Dataset.from_csv(path)
    frame = pandas.DataFrame({"a": [1.0, None]}, index=["x", "y"])
    with pytest.raises(ValueError, match="the first in row 'y'"):
        Dataset.from_dataframe(frame)
    with pytest.raises(ValueError, match="no column named 'B'.*\n.*'b'"):
        Dataset.from_csv(path, missing={"B": 0})


def test_numbers_where_names_must_be(tmp_path):
    path = tmp_path / "table.csv"
    for first in ("5.1,3.5,setosa", "2020,7,1"):
        path.write_text(f"{first}\n4.9,3,0\n")
        with pytest.warns(UserWarning, match="If it is a sample, write a line of names"):
            Dataset.from_csv(path)
    for first in ("0,1,2", "2019,2020,2021", "age,city,fee"):
        path.write_text(f"{first}\n4.9,3,0\n")
        assert len(Dataset.from_csv(path)) == 1


def test_other_encodings_and_arguments(path, tmp_path):
    (latin := tmp_path / "latin.csv").write_bytes("a,b\nä,1\n".encode("latin-1"))
    with pytest.raises(ValueError, match="text in UTF-8"):
        Dataset.from_csv(latin)
    with pytest.raises(ValueError, match="`delimiter` must be one character"):
        Dataset.from_csv(path, delimiter=";;")
    with pytest.raises(ValueError, match="`columns` must be a list"):
        Dataset.from_csv(path, columns="age")


def test_a_file_with_an_open_quotation_mark(tmp_path):
    path = tmp_path / "open.csv"
    path.write_text('a,b\n1,2\n"3,' + "4\n" * 70_000)
    with pytest.raises(ValueError, match=r"in line \d+: .*limit.*\nLook for a quotation mark"):
        Dataset.from_csv(path)
    with pytest.raises(ValueError, match="`delimiter` must be one character"):
        Dataset.from_csv(path, delimiter='"')
