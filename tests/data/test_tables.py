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
    with pytest.raises(ValueError, match=r"1 in 'age', 1 in 'city'; the first in row 2"):
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
