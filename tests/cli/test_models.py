"""`kerata summary`, `kerata predict` and `kerata plot`, on models of each kind of input."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import kerata
from kerata import layers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with models and inputs for them."""
    place = tmp_path_factory.mktemp("models")
    kerata.utils.set_random_seed(0)

    def save(name, inputs, outputs):
        kerata.Model(inputs, outputs).save(place / f"{name}.keras")

    image = kerata.Input((4, 6, 3))
    mean = layers.GlobalAveragePooling2D()(image)
    save("images", image, layers.Softmax()(mean))
    save("means", image, mean)
    sketch = kerata.Input((4, 6))
    save("sketches", sketch, layers.Rescaling(2.0)(sketch))
    any_size = kerata.Input((None, None, 1))
    save("sizes", any_size, layers.GlobalAveragePooling2D()(any_size))
    text = kerata.Input((1,), dtype="string")
    words = layers.TextVectorization(vocabulary=["good", "bad"], output_mode="count")(text)
    save("text", text, words)
    row = kerata.Input((2,), name="row")
    save("rows", row, {"sum": row[:, :1] + row[:, 1:], "double": row * 2.0})
    save("pair", row, layers.Rescaling(0.1)(row))
    save("odds", row, layers.Activation("sigmoid")(row[:, :1] - row[:, 1:]))
    space = kerata.utils.FeatureSpace({"age": "float", "town": "string_categorical"})
    space.adapt({"age": [1.0, 2.0], "town": ["Rome", "Oslo"]})
    save("table", space.get_inputs(), space.get_encoded_features())
    with pytest.warns(UserWarning, match="not built"):
        kerata.Sequential([layers.Dense(3)]).save(place / "unbuilt.keras")
    kerata.Sequential([kerata.Input((2,)), layers.Dense(1)]).save_weights(place / "a.weights.h5")

    pixels = np.zeros((4, 6, 3), "uint8") + np.array([30, 10, 20], "uint8")
    Image.fromarray(pixels).save(place / "small.png")
    Image.fromarray(pixels.repeat(2, axis=0)).save(place / "tall.png")
    (place / "broken.png").write_bytes(b"\x89PNG no more")
    (place / "notes.txt").write_text("good good", encoding="utf-8")
    (place / "labels.txt").write_text("red\ngreen\nblue\n", encoding="utf-8")
    (place / "plain.csv").write_text("1,2\n3,4.5\n", encoding="utf-8")
    (place / "headed.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (place / "three.csv").write_text("1,2,3\n", encoding="utf-8")
    (place / "uneven.csv").write_text("1,2\n3\n", encoding="utf-8")
    (place / "words.csv").write_text("a,b\n1,2\n3,many\n", encoding="utf-8")
    (place / "blanks.csv").write_text("a,b\n\n1,2\n\n3\n", encoding="utf-8")
    (place / "semicolons.csv").write_text("a;b\n1;2\n", encoding="utf-8")
    (place / "latin.csv").write_bytes("ä,1\n".encode("latin-1"))
    (place / "empty.csv").touch()
    (place / "people.csv").write_text("town,no,age\nOslo,7,30\nBonn,8,5\n", encoding="utf-8")
    (place / "ages.csv").write_text("age\n30\n", encoding="utf-8")
    np.save(place / "rows.npy", np.array([[1.0, 2.0], [3.0, 4.0]], "float32"))
    np.save(place / "objects.npy", np.array([{}]), allow_pickle=True)
    return place


@pytest.fixture
def run(run, monkeypatch, folder):
    """Run the command in the folder."""
    monkeypatch.chdir(folder)
    return run


@pytest.mark.parametrize(
    "arguments, told",
    [
        ("images small.png", "small.png  class 0 100.0%, class 2 0.0%, class 1 0.0%\n"),
        (
            "images small.png tall.png --classes red,green,blue --divide 10",
            "small.png  red 66.5%, blue 24.5%, green 9.0%\n"
            "tall.png   red 66.5%, blue 24.5%, green 9.0%\n",
        ),
        ("images small.png --classes labels.txt", "small.png  red 100.0%, blue 0.0%, green 0.0%\n"),
        ("means small.png", "small.png  30 10 20\n"),
        ("means small.png --invert", "small.png  225 245 235\n"),
        ("sketches small.png", "small.png  numbers of shape (4, 6) (--out FILE writes them)\n"),
        ("sizes small.png tall.png", "small.png  17\ntall.png   17\n"),
        ("text notes.txt", "good good  0 2 0\n"),
        ("pair plain.csv", "plain.csv, line 1  0.1 0.2\nplain.csv, line 2  0.3 0.45\n"),
        ("pair headed.csv", "headed.csv, line 2  0.1 0.2\n"),
        ("pair rows.npy", "rows.npy [0]  0.1 0.2\nrows.npy [1]  0.3 0.4\n"),
        ("odds plain.csv --classes no,yes", "plain.csv, line 1  no 73.1%, yes 26.9%\n"
                                            "plain.csv, line 2  no 81.8%, yes 18.2%\n"),
        ("rows headed.csv", "headed.csv, line 2  double: 2 4; sum: 3\n"),
        ("table people.csv", "people.csv, line 2  30 0 0 1\npeople.csv, line 3  5 1 0 0\n"),
    ],
)  # fmt: skip
def test_predict(run, arguments, told):
    model, *rest = arguments.split()
    assert run("predict", f"{model}.keras", *rest) == (0, told, "")


def test_predict_for_text_on_the_command_line(run):
    long = "bad " * 20
    status, out, _ = run("predict", "text.keras", "good, bad", long)
    assert status == 0
    names = [line.split("  ")[0] for line in out.splitlines()]
    assert names == ["good, bad", long[:37] + "..."]


@pytest.mark.parametrize("name", ["out.npy", "out.csv"])
def test_predictions_go_to_a_file(run, folder, name):
    assert run("predict", "pair.keras", "plain.csv", "rows.npy", "--out", name)[0] == 0
    path = folder / name
    found = np.load(path) if name == "out.npy" else np.loadtxt(path, delimiter=",")
    np.testing.assert_allclose(found, [[0.1, 0.2], [0.3, 0.45], [0.1, 0.2], [0.3, 0.4]], rtol=1e-6)


def test_a_table_of_predictions_names_its_classes(run, folder):
    assert run("predict", "pair.keras", "plain.csv", "--out", "o.csv", "--classes", "a,b")[0] == 0
    assert (folder / "o.csv").read_text().splitlines()[0] == "a,b"


def test_summary(run):
    status, out, err = run("summary", "table.keras")
    assert (status, err) == (0, "")
    assert "age" in out and "Total params" in out


def test_summary_lists_nested_models(run, folder):
    inner = kerata.Sequential([kerata.Input((2,)), layers.Dense(3, name="deep")], name="inner")
    kerata.Sequential([kerata.Input((2,)), inner]).save(folder / "nested.keras")
    assert "deep" not in run("summary", "nested.keras")[1]
    assert "deep" in run("summary", "nested.keras", "--nested")[1]


def test_plot_without_graphviz_says_what_does_without(run, folder, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    status, out, err = run("plot", "images.keras")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "Graphviz" in err and "--out images.dot" in err
    assert not (folder / "images.dot").exists() and not (folder / "images.png").exists()


def test_plot_to_a_graph_needs_no_graphviz(run, folder, monkeypatch):
    pytest.importorskip("pydot")
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert run("plot", "images.keras", "--out", "graph.dot") == (0, "See graph.dot\n", "")
    assert "(None, 4, 6, 3)" in (folder / "graph.dot").read_text()


def test_the_models_own_classes_come_from_a_module(run, folder):
    (folder / "own_layers.py").write_text(
        "import kerata\n"
        "@kerata.saving.register_keras_serializable('own')\n"
        "class Twice(kerata.layers.Layer):\n"
        "    def call(self, inputs):\n"
        "        return inputs * 2\n"
    )
    make = (
        "import kerata, own_layers\n"
        "kerata.Sequential([kerata.Input((2,)), own_layers.Twice()]).save('own.keras')"
    )
    subprocess.run([sys.executable, "-c", make], cwd=folder, check=True)
    status, _, err = run("predict", "own.keras", "plain.csv")
    assert status == 2 and "Twice" in err and err.count("\n") == 1
    assert "--module NAME" in err and "custom_objects" not in err
    try:
        status, out, _ = run("predict", "own.keras", "plain.csv", "--module", "own_layers")
    finally:
        sys.modules.pop("own_layers", None)
        kerata.saving.get_custom_objects().pop("own>Twice", None)
    assert status == 0 and out.splitlines()[0].endswith("  2 4")


def test_a_module_may_have_classes_that_are_not_registered(run, folder):
    (folder / "plain_layers.py").write_text(
        "import kerata\n"
        "class Thrice(kerata.layers.Layer):\n"
        "    def call(self, inputs):\n"
        "        return inputs * 3\n"
    )
    make = (
        "import kerata, plain_layers\n"
        "kerata.Sequential([kerata.Input((2,)), plain_layers.Thrice()]).save('thrice.keras')"
    )
    subprocess.run([sys.executable, "-c", make], cwd=folder, check=True)
    status, _, err = run("summary", "thrice.keras", "--module", "csv")
    assert status == 2 and "--module NAME, which is not csv" in err
    try:
        status, out, _ = run("predict", "thrice.keras", "plain.csv", "--module", "plain_layers.py")
    finally:
        sys.modules.pop("plain_layers", None)
    assert status == 0 and out.splitlines()[0].endswith("  3 6")


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        ("summary", 2, "FILE"),
        ("summary tabel.keras", 2, "no such file 'table.keras'"),
        ("summary small.png", 2, "small.png"),
        ("summary a.weights.h5", 2, "holds weights only"),
        ("plot images.keras --out a.doc", 2, "--out .png .svg a.doc"),
        ("predict images.keras", 2, "INPUT"),
        ("predict unbuilt.keras rows.npy", 2, "does not say what it takes"),
        ("predict images.keras nothing.png", 2, "no file 'nothing.png'"),
        ("predict images.keras broken.png", 2, "broken.png"),
        ("predict images.keras plain.csv", 2, "plain.csv samples of shape (4, 6, 3)"),
        ("predict images.keras notes.txt", 2, "notes.txt images .npy"),
        ("predict images.keras small.png --classes a,b", 2, "--classes all 3 not 2"),
        ("predict images.keras small.png --classes none.txt", 2, "--classes none.txt"),
        ("predict images.keras small.png --out none/a.npy", 2, "--out no folder 'none'"),
        ("predict images.keras small.png --divde 2", 2, "kerata predict: --divde '--divide'?"),
        ("predict pair.keras blanks.csv", 2, "blanks.csv, line 5 1 cell"),
        ("predict pair.keras semicolons.csv", 2, "semicolons.csv commas not ';'"),
        ("predict pair.keras latin.csv", 2, "latin.csv UTF-8"),
        ("sumary pair.keras", 2, "no command 'sumary' did you mean 'summary'?"),
        ("predict images.keras small.png --divide 0", 2, "--divide 0"),
        ("predict images.keras small.png --divide x", 2, "--divide 'x'"),
        ("predict images.keras small.png --out a.txt", 2, "--out .npy .csv a.txt"),
        ("predict rows.keras plain.csv --out a.npy", 2, "--out one output has 2"),
        ("predict pair.keras small.png", 2, "small.png takes no images (2,)"),
        ("predict pair.keras three.csv", 2, "three.csv (2,) (3,)"),
        ("predict pair.keras uneven.csv", 2, "uneven.csv, line 2 1 cell"),
        ("predict pair.keras words.csv", 2, "words.csv, line 3 'b' 'many'"),
        ("predict pair.keras empty.csv", 2, "empty.csv is empty"),
        ("predict pair.keras objects.npy", 2, "objects.npy"),
        ("predict table.keras ages.csv", 2, "ages.csv no column 'town'"),
        ("predict table.keras small.png", 2, "small.png .csv age, town"),
        ("predict text.keras none.txt", 2, "no file 'none.txt'"),
        ("predict text.keras small.png", 2, "small.png is not a .txt file"),
        ("summary images.keras --module no_such_module", 1, "no_such_module"),
    ],
)
def test_mistakes_get_one_clear_line(run, arguments, status, words):
    got, out, err = run(*arguments.split())
    assert (got, out) == (status, ""), err
    assert err.startswith("kerata") and err.count("\n") == 1, err
    assert all(word in err for word in words.split()), err


@pytest.mark.parametrize("command", ["summary", "predict", "plot"])
def test_help_tells_what_to_give(run, command):
    status, out, err = run(command, "--help")
    assert (status, err) == (0, "")
    assert f"usage: kerata {command}" in out and "model.keras" in out
    assert len(out.splitlines()) < 40
