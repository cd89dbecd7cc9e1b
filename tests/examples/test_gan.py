"""The GAN example: its distance, what it is compared with, and a small run."""

import numpy as np
import pytest

import kerata
from kerata.cli.guard import BadInput
from kerata.examples import gan as example, handwriting

layers = kerata.layers


def networks(shape):
    size = int(np.prod(shape))
    generator = [kerata.Input((example.NOISE,)), layers.Dense(size, activation="tanh")]
    discriminator = [
        kerata.Input(shape),
        layers.Flatten(),
        layers.Dense(8, activation="elu"),
        layers.Dense(1),
    ]
    return (
        kerata.Sequential([*generator, layers.Reshape(shape)]),
        kerata.Sequential(discriminator),
    )


def classifier(shape):
    stack = [
        kerata.Input(shape),
        layers.Flatten(),
        layers.Dense(4),
        layers.Dense(10, activation="softmax"),
    ]
    return kerata.Sequential(stack)


def test_the_distance_is_that_of_two_normal_distributions():
    random = np.random.default_rng(0)
    sample = random.normal(size=(200_000, 2))
    assert handwriting.frechet(sample, sample) == pytest.approx(0, abs=1e-6)
    assert handwriting.frechet(sample, sample + [3, 4]) == pytest.approx(25)
    # Widths 1 and 2 along one axis: (1 - 2)² apart.
    assert handwriting.frechet(sample, sample * [1, 2]) == pytest.approx(1, rel=0.02)


def test_what_it_is_compared_with():
    random = np.random.default_rng(0)
    ink = random.uniform(-0.5, 0.5, (500, 1, 1, 1))
    images = np.concatenate([ink, -ink], axis=2)
    drawn = handwriting.gaussian(images, 4000, random)
    assert drawn.shape == (4000, 1, 2, 1) and np.abs(drawn).max() <= 1
    np.testing.assert_allclose(drawn[:, :, 0], -drawn[:, :, 1], atol=1e-6)
    np.testing.assert_allclose(drawn.std(), images.std(), rtol=0.1)
    indices, distances = handwriting.neighbours(images[:3] + 0.001, images)
    assert indices.tolist() == [0, 1, 2]
    np.testing.assert_allclose(distances, 0.001 * np.sqrt(2))


def test_each_step_trains_both(monkeypatch):
    monkeypatch.setattr(example, "BATCH", 16)
    kerata.utils.set_random_seed(0)
    generator, _ = networks((2, 2, 1))
    steep = layers.Dense(1, kernel_initializer="ones")
    discriminator = kerata.Sequential([kerata.Input((2, 2, 1)), layers.Flatten(), steep])
    step = example.adversaries(generator, discriminator)
    losses = [[float(loss) for loss in step(np.full((16, 2, 2, 1), 0.9))] for _ in range(20)]
    assert np.isfinite(losses).all()
    # The expert likes bright images: the forger makes them brighter.
    assert np.all(generator.layers[0].bias.numpy() > 0)
    # The expert is right already, and becomes less steep.
    assert np.all(steep.kernel.numpy() < 1) and losses[-1][0] < losses[0][0]


def test_a_small_run(tmp_path, monkeypatch, quick):
    (x, y), test = handwriting.load("digits")
    monkeypatch.setattr(handwriting, "load", lambda dataset: ((x[:192], y[:192]), test))
    monkeypatch.setattr(example, "networks", networks)
    monkeypatch.setattr(handwriting, "classifier", classifier)
    monkeypatch.setattr(example, "DRAWN", 100)
    said = []
    scores = example.main(tmp_path, epochs=1, say=said.append)
    assert np.isfinite(list(scores["distance"].values())).all()
    assert np.argmin(list(scores["distance"].values())) > 0
    assert 0 <= scores["least share"] <= 0.1
    assert quick == ["samples", "nearest", "curves"]
    assert "the same predictions, bit for bit" in "\n".join(said)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in [*scores["distance"], "Rarest digit"]:
        assert text in page


def test_networks_fit_both_data_sets():
    for side in (8, 28):
        generator, discriminator = example.networks((side, side, 1))
        assert generator.output_shape == (None, side, side, 1)
        assert discriminator.output_shape == (None, 1)
        assert handwriting.classifier((side, side, 1)).layers[-2].units == 32


def test_an_unknown_data_set(tmp_path):
    with pytest.raises(BadInput, match="must be digits or mnist, not 'letters'"):
        example.main(tmp_path, dataset="letters")
