"""The table example at a reduced size, and its parts."""

import numpy as np
import pandas
import pytest

import kerata
from kerata.cli.guard import BadInput
from kerata.examples import columns, tables as example

FILES = ["model.keras", "report.html", "test.csv"]


def test_it_predicts_and_compares(tmp_path, monkeypatch, quick):
    monkeypatch.setattr(example, "importance", lambda model, x, truth: dict.fromkeys(x, 0.5))
    scores = example.main(tmp_path, epochs=2, folds=2, say=lambda text: None)
    assert list(scores) == [
        "this network", "boosted trees", "linear regression", "always the median"
    ]  # fmt: skip
    assert scores["boosted trees"] < 3 < 5 < scores["always the median"]
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "fold 2" in page and "95% interval" in page
    model = kerata.models.load_model(tmp_path / "model.keras")
    test = pandas.read_csv(tmp_path / "test.csv")
    raw = {name: test[name].fillna(90).to_numpy()[:, None] for name in model.input_names}
    error = np.abs(model.predict(raw, verbose=0)[:, 0] - test["mpg"]).mean()
    assert error == pytest.approx(scores["this network"], abs=0.1)


def test_rows_of_one_group_stay_together():
    groups = np.repeat(np.arange(20), 3)
    rows = np.arange(5, 60)
    seen = []
    for learn, others in columns.divided(rows, groups, 4):
        assert not set(groups[learn]) & set(groups[others])
        seen += list(others)
    assert sorted(seen) == list(rows)


@pytest.mark.parametrize(
    "values, kind",
    [
        ([1, 1, 1, 1], None),
        ([4, 6, 8, 4], "integer_categorical"),
        (range(20), "float_normalized"),
        ([1.5, 2.5, 1.5, 2.5], "float_normalized"),
        (["a", "b"] * 4, "string_categorical"),
        ([f"name {i}" for i in range(8)], None),
    ],
)
def test_what_columns_are_taken_for(values, kind):
    assert columns.kind_of(pandas.Series(values)) == kind


def test_gaps_are_filled_from_the_rows_to_learn_from():
    column = pandas.Series([1.0, 3.0, np.nan, 100.0])
    filled = columns.prepared(column, "float_normalized", np.array([0, 1, 2]))
    assert filled.ravel().tolist() == [1, 3, 2, 100]
    words = columns.prepared(pandas.Series(["a", None]), "string_categorical", np.array([0]))
    assert words.ravel().tolist() == ["a", ""]


def test_only_what_the_model_uses_is_important():
    class Model:
        def predict(self, x, verbose):
            return x["used"]

    x = {name: np.arange(20.0)[:, None] for name in ("used", "other")}
    found = columns.importance(Model(), x, np.arange(20.0))
    assert found["other"] == 0 and found["used"] > 1


@pytest.mark.parametrize(
    "options, words",
    [
        ({"target": "price"}, "--target: .*own.csv has no column 'price', but size, town"),
        ({"data": "long.csv", "group": "nme"}, "--group must be one of size, town, not 'nme'"),
        ({"target": "town"}, "--target must be a column of numbers; 'town'"),
        ({"target": "size"}, "--data must have 50 rows with a 'size' at least, not 3"),
        ({"data": "none.csv"}, "--data must be a .csv file, and there is none at .*none.csv"),
        ({"data": "empty.csv"}, "--data: .*empty.csv is no table"),
    ],
)
def test_mistakes_get_one_line(tmp_path, options, words):
    (tmp_path / "own.csv").write_text("size,town\n1,Rome\n2,Oslo\n3,Bonn\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "long.csv").write_text("size,town\n" + "1,Rome\n2,Oslo\n" * 30)
    options = {"data": "own.csv", "target": "size"} | options
    options["data"] = tmp_path / options["data"]
    with pytest.raises(BadInput, match=words) as caught:
        example.main(tmp_path, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("folds", [1, 1000])
def test_folds_must_be_possible(tmp_path, folds):
    with pytest.raises(BadInput, match=f"--folds must lie between 2 and .* not {folds}"):
        example.main(tmp_path, folds=folds)
