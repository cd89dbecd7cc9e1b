"""The transfer example at a reduced size, and its mistakes."""

import pytest

import kerata
from kerata import layers
from kerata.cli.guard import BadInput
from kerata.examples import image_classification, transfer_learning as example

FILES = [
    "classes.txt", "confusion.png", "curves.png", "mistakes.png", "model.keras", "report.html",
    "training.png",
]  # fmt: skip


def small(classes, size):
    return kerata.Sequential(
        [
            kerata.Input((size, size, 3)),
            layers.AveragePooling2D(8),
            layers.Flatten(),
            layers.Dense(classes, activation="softmax"),
        ]
    )


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder of images, and files of a backbone and of what is none."""
    folder = tmp_path_factory.mktemp("given")
    image_classification.write_tiles(
        folder / "images", {"page": "page.png", "coffee": "coffee.png"}, per_class=9
    )
    image = kerata.Input((16, 16, 3))
    pooled = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(image))
    kerata.Model(image, layers.Dense(4)(pooled)).save(folder / "backbone.keras")
    kerata.Model(image, layers.Rescaling(2.0)(image)).save(folder / "images.keras")
    return folder


def test_it_learns_on_top_of_a_saved_backbone(tmp_path, monkeypatch, given):
    monkeypatch.setattr(image_classification, "convnet", small)
    monkeypatch.setattr(example.reloading, "predictions_elsewhere", lambda path, x: 0.0)
    for picture in ("confusion", "mistakes"):  # tested by themselves, and slow
        monkeypatch.setattr(example.pictures, picture, lambda *_: example.pictures.new(1, 1)[0])
    scores = example.main(
        tmp_path, epochs=1, few=3, data=given / "images", backbone=given / "backbone.keras",
        say=lambda text: None,
    )  # fmt: skip
    assert list(scores)[:3] == ["fine-tuned", "frozen backbone", "from nothing"]
    assert all(0 <= score <= 1 for score in scores.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{scores['fine-tuned']:.1%}" in page and "--few 3" in page
    model = kerata.models.load_model(tmp_path / "model.keras")
    assert model.input_shape == (None, 16, 16, 3) and model.output_shape == (None, 2)


def test_training_images_are_not_test_images(given):
    names, (x_train, y_train), (x_test, y_test) = example.load(given / "images", 48, 4)
    assert names == ["coffee", "page"]
    assert y_train.tolist() == [0] * 4 + [1] * 4 and y_test.tolist() == [0] * 5 + [1] * 5
    assert len({image.tobytes() for image in [*x_train, *x_test]}) == 18


@pytest.mark.parametrize(
    "options, words",
    [
        ({"backbone": "none.keras"}, "--backbone: There is no such file"),
        ({"backbone": "images.keras"}, r"--backbone must make vectors .* \(None, 16, 16, 3\)"),
        ({"few": 9}, "--few must be less than 9, the images of coffee; not 9"),
        ({"data": "nowhere"}, "--data: There is no folder"),
    ],
)
def test_mistakes_get_one_line(tmp_path, given, options, words):
    options = {"backbone": "backbone.keras", "data": "images"} | options
    options = {k: given / v if isinstance(v, str) else v for k, v in options.items()}
    with pytest.raises(BadInput, match=words) as caught:
        example.main(tmp_path, say=lambda text: None, **options)
    assert "\n" not in str(caught.value)
