"""The VAE example: its costs in nats, its baselines, and a small run."""

import numpy as np
import pytest

import kerata
from kerata.cli.guard import BadInput
from kerata.examples import handwriting, vae as example


def networks(shape):
    images = kerata.Input(shape)
    x = kerata.layers.Flatten()(images / 100)
    encoder = kerata.Model(images, [kerata.layers.Dense(2)(x), kerata.layers.Dense(2)(x)])
    decoder = kerata.Sequential(
        [
            kerata.Input((2,)),
            kerata.layers.Dense(np.prod(shape) * example.LEVELS),
            kerata.layers.Reshape((*shape[:2], example.LEVELS)),
        ]
    )
    return encoder, decoder


def test_what_images_cost():
    images = np.array([[[0, 16], [3, 3]], [[1, 1], [1, 1]]])[..., None]
    level = np.zeros((2, 2, 2, example.LEVELS), "float32")
    np.testing.assert_allclose(example.surprise(images, level), 4 * np.log(17), rtol=1e-6)
    sure = 50 * (images == np.arange(17)).astype("float32")
    np.testing.assert_allclose(example.surprise(images, sure), 0, atol=1e-4)
    np.testing.assert_allclose(example.ink(sure), images[..., 0], atol=1e-5)


def test_the_divergence_is_added():
    encoder, decoder = networks((2, 2, 1))
    for variable in encoder.variables:
        variable.assign(np.zeros(variable.shape))
    encoder.layers[-2].bias.assign([3.0, 0.0])  # the means: 3²/2 nats from the standard normal
    model = example.VAE(encoder, decoder)
    model(np.zeros((5, 2, 2, 1)))
    assert float(model.losses[0]) == pytest.approx(4.5)


def test_tables_of_pixels():
    images = np.array([0, 0, 0, 16]).reshape(4, 1, 1, 1)
    # Of 4 + 17/2 sightings, 3.5 are of level 0 and 1.5 of level 16.
    cost = handwriting.pixel_tables(images, np.zeros(4), np.array([[[[0]]], [[[16]]]]))
    assert cost == pytest.approx(-np.log([3.5 / 12.5, 1.5 / 12.5]).mean())
    # In two groups: three blank ones and one full one.
    known = handwriting.pixel_tables(images, np.array([0, 0, 0, 1]), np.array([[[[0]]]]))
    assert known == pytest.approx(-np.log(3 / 4 * 3.5 / 11.5 + 1 / 4 * 0.5 / 9.5))


def test_a_small_run(tmp_path, monkeypatch, quick):
    (x, y), (x_test, y_test) = handwriting.load("digits")
    few = (x[:200], y[:200]), (x_test[:60], y_test[:60])
    monkeypatch.setattr(handwriting, "load", lambda dataset: few)
    monkeypatch.setattr(example, "networks", networks)
    said = []
    scores = example.main(tmp_path, epochs=2, say=said.append)
    nats = scores["nats"]
    blank = 64 * np.log(17)  # each level of ink alike
    assert nats["this model (at most)"] < blank and nats["independent pixels"] < blank
    assert all(0 < share <= 1 for share in scores["digit told"].values())
    assert quick == ["plane", "reconstructions", "curves"]
    assert "the same predictions, bit for bit" in "\n".join(said)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in [*nats, *scores["digit told"], "Nats to describe a test image"]:
        assert text in page
    decoder = kerata.models.load_model(tmp_path / "decoder.keras")
    assert decoder.predict(np.zeros((1, 2)), verbose=0).shape == (1, 8, 8, 17)


def test_networks_fit_both_data_sets():
    for side in (8, 28):
        encoder, decoder = example.networks((side, side, 1))
        assert [output.shape for output in encoder.outputs] == [(None, 2), (None, 2)]
        assert decoder.output_shape == (None, side, side, 17)


def test_mnist_is_brought_to_the_same_levels(monkeypatch):
    images = np.array([0, 14, 15, 128, 255], "uint8").reshape(5, 1, 1)
    part = images, np.arange(5)
    monkeypatch.setattr(handwriting.mnist, "load_data", lambda: (part, part))
    (x, _), _ = handwriting.load("mnist")
    assert x.ravel().tolist() == [0, 0, 1, 8, 16]


def test_an_unknown_data_set(tmp_path):
    with pytest.raises(BadInput, match="must be digits or mnist, not 'letters'"):
        example.main(tmp_path, dataset="letters")
