import numpy as np
import pandas as pd
import pytest

import kerata
from kerata import layers
from kerata.utils import FeatureSpace

TABLE = {
    "size": [1.0, 2.0, 3.0, 4.0],
    "age": [10.0, 20.0, 30.0, 40.0],
    "town": ["Rome", "Oslo", "Rome", "Lima"],
    "rooms": [1, 2, 2, 3],
    "code": [7, 8, 9, 7],
}
KINDS = {
    "size": "float",
    "age": "float_normalized",
    "town": "string_categorical",
    "rooms": "integer_categorical",
    "code": "integer_hashed",
}


def space(output_mode="concat", **options):
    return FeatureSpace(
        KINDS, output_mode, crosses=[("town", "rooms")], crossing_dim=6, hashing_dim=5, **options
    )


def test_columns_become_one_vector():
    features = space()
    features.adapt(TABLE)
    vectors = np.array(features(TABLE))
    assert vectors.shape == (4, 1 + 5 + 4 + 1 + 4 + 6)
    np.testing.assert_allclose(vectors[:, 0].mean(), 0, atol=1e-6)  # age, sorted by name
    assert vectors[:, 10].tolist() == TABLE["size"]
    assert (vectors[:, 1:6].sum(1) == 1).all() and (vectors[:, -6:].sum(1) == 1).all()
    single = features({name: column[1] for name, column in TABLE.items()})
    np.testing.assert_allclose(single, vectors[1], rtol=1e-6)


def test_whole_numbers_may_be_floats():
    assert FeatureSpace({"a": "float"})({"a": [1, 2]}).tolist() == [[1.0], [2.0]]


def test_a_layer_of_ones_own_may_get_missing_values():
    class Filled(layers.Layer):
        def call(self, x):
            return kerata.ops.nan_to_num(x, 5.0)

    features = FeatureSpace({"a": FeatureSpace.feature("float32", Filled(), "float")})
    assert features({"a": [1.0, np.nan]}).tolist() == [[1.0], [5.0]]


def test_a_dict_of_features():
    features = FeatureSpace(
        {
            "town": FeatureSpace.string_categorical(output_mode="int"),
            "age": FeatureSpace.float_discretized(num_bins=2),
            "size": FeatureSpace.float_rescaled(scale=2.0),
            "code": FeatureSpace.string_hashed(num_bins=4),
        },
        output_mode="dict",
        crosses=[FeatureSpace.cross(("age", "town"), crossing_dim=3, output_mode="int")],
    )
    table = TABLE | {"code": ["a", "b", "c", "d"]}
    features.adapt(table)
    found = features(table)
    assert found["town"].tolist() == [[1], [2], [1], [3]]
    assert found["age"].argmax(-1).tolist() == [0, 0, 1, 1]
    assert found["size"].ravel().tolist() == [2, 4, 6, 8]
    assert found["code"].shape == (4, 4)
    assert found["age_X_town"].shape == (4, 1)
    assert features({k: v[0] for k, v in table.items()})["town"].tolist() == [1]


def test_rows_and_batches_teach_the_same():
    whole, rows, batches = space(), space(), space()
    whole.adapt(TABLE)
    rows.adapt([{k: v[i] for k, v in TABLE.items()} for i in range(4)])
    batches.adapt(({k: np.array(v[i : i + 2]) for k, v in TABLE.items()}, 0) for i in (0, 2))
    for features in (rows, batches):
        np.testing.assert_allclose(features(TABLE), whole(TABLE), rtol=1e-6)


def test_layers_of_ones_own():
    words = layers.TextVectorization(vocabulary=["big", "old"], output_sequence_length=2)
    scale = layers.Normalization(mean=2.0, variance=4.0)
    features = FeatureSpace(
        {
            "text": FeatureSpace.feature("string", words, "int"),
            "size": FeatureSpace.feature("float32", scale, "float"),
        },
        output_mode="dict",
    )
    found = features({"text": ["big old", "old"], "size": [2.0, 4.0]})  # nothing to learn
    assert found["text"].tolist() == [[2, 3], [3, 0]]
    assert found["size"].ravel().tolist() == [0, 1]


def test_inside_a_model(tmp_path):
    features = space()
    features.adapt(TABLE)
    outputs = layers.Dense(1)(features.get_encoded_features())
    model = kerata.Model(features.get_inputs(), outputs)
    model.compile("sgd", "mse")
    raw = {name: np.array(column) for name, column in TABLE.items()}
    model.fit(raw, np.arange(4.0), verbose=0)
    encoder = kerata.Model(features.get_inputs(), features.get_encoded_features())
    np.testing.assert_allclose(encoder.predict(raw, verbose=0), features(TABLE), 1e-5, 1e-6)
    model.save(tmp_path / "model.keras")
    twin = kerata.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        twin.predict(raw, verbose=0), model.predict(raw, verbose=0), 1e-5, 1e-6
    )


def test_saved(tmp_path):
    features = space()
    features.adapt(TABLE)
    for path in (tmp_path / "first.keras", tmp_path / "second.keras"):
        features.save(path)
        twin = kerata.saving.load_model(path)
        np.testing.assert_allclose(twin(TABLE), features(TABLE), rtol=1e-6)
        features = twin  # saved again as it was loaded


def test_tables_of_all_kinds(tmp_path):
    frame = pd.DataFrame(TABLE)
    frame.to_csv(tmp_path / "table.csv", index=False)
    expected = space()
    expected.adapt(TABLE)
    rows = kerata.data.Dataset.from_tensor_slices(TABLE)
    for table in (frame, tmp_path / "table.csv", rows, rows.batch(3), [frame[:1], frame[1:]]):
        features = space()
        features.adapt(table)
        np.testing.assert_allclose(features(frame), expected(TABLE), rtol=1e-6)


AGES = FeatureSpace({"a": "float_normalized"})


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: FeatureSpace({}), "at least one feature"),
        (lambda: FeatureSpace({"a": "flaot"}), "(?s)flaot.*Did you mean 'float'"),
        (lambda: FeatureSpace({"a": "float"}, crosses=[("a", "b")]), "feature to cross"),
        (lambda: FeatureSpace({"a": "float"}, crosses=["a"], crossing_dim=None), "crossing_dim"),
        (lambda: FeatureSpace({"a": "float"}, "list"), "output_mode"),
        (lambda: FeatureSpace({"a": "float_normalized"})({"a": [1.0]}), r"Call adapt\(data\)"),
        (lambda: FeatureSpace({"a": "float"})({"b": [1.0]}), "missing: \\['a'\\]"),
        (lambda: FeatureSpace({"a": "float"})([1.0]), "takes a dict"),
        (
            lambda: FeatureSpace({"a": FeatureSpace.integer_hashed(3, "int")})({"a": [1]}),
            "not encoded",
        ),
        (lambda: FeatureSpace.cross(("a", "b"), 3, output_mode="float"), "output_mode"),
        (lambda: FeatureSpace({"a": "float"})({"a": [1.0, np.nan]}), "(?s)1 missing.*row 1"),
        (lambda: AGES.adapt({"a": ["1", "", "3"]}), "(?s)'a' must have.*1 missing.*row 1.*fillna"),
        (lambda: AGES.adapt({"a": [1.0, np.nan]}), "(?s)1 missing.*row 1"),
        (lambda: AGES.adapt([{"a": 1.0}, {"a": " "}]), "(?s)1 missing.*row 1"),
        (lambda: AGES.adapt({"a": ["1", "old"]}), "(?s)must hold numbers.*'old' in row 1"),
        (lambda: AGES.adapt("nowhere.csv"), "nowhere"),
    ],
)
def test_refuses(make, words):
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        make()
