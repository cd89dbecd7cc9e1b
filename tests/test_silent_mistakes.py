"""What once went wrong in Keras without an error, and must not here."""

import json
import re

import jax
import numpy as np
import pytest

import kerata
from kerata import layers, losses, metrics, ops

RNG = np.random.default_rng(0)
LABELS = np.eye(3, dtype="float32")[[0, 2, 1, 1]]
SCORES = RNG.uniform(0.1, 1, (4, 3)).astype("float32")
REPEATS = np.array([2, 1, 3, 1])


def test_alpha_of_tversky_is_for_false_negatives_and_beta_for_false_positives():
    # One hit, one false negative, two false positives: as Keras computes it, not as it says.
    y_true, y_pred = np.array([[1.0, 1, 0, 0]]), np.array([[1.0, 0, 1, 1]])
    loss = losses.Tversky(alpha=0.2, beta=0.7)(y_true, y_pred)
    np.testing.assert_allclose(loss, 1 - 1 / (1 + 0.2 * 1 + 0.7 * 2), rtol=1e-5)


CONFIGS = [
    (losses.Huber(delta=3.0), {"delta": 3.0}),
    (losses.CosineSimilarity(axis=0), {"axis": 0}),
    (
        losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=2),
        {"from_logits": True, "ignore_class": 2},
    ),
    (losses.Tversky(alpha=0.2, beta=0.7), {"alpha": 0.2, "beta": 0.7}),
    (metrics.CosineSimilarity(axis=0), {"axis": 0}),
    (metrics.SparseCategoricalCrossentropy(axis=0), {"axis": 0}),
    *(
        (
            getattr(layers, f"Conv{rank}DTranspose")(2, 2, strides=2, output_padding=1),
            {"output_padding": (1,) * rank},
        )
        for rank in (1, 2, 3)
    ),
    *(
        (getattr(layers, name)(*args, data_format="channels_first"), {})
        for name, args in [
            ("Conv2D", (2, 2)), ("DepthwiseConv2D", (2,)), ("SeparableConv2D", (2, 2)),
            ("MaxPooling2D", ()), ("GlobalAveragePooling2D", ()), ("UpSampling2D", ()),
            ("ZeroPadding2D", ()), ("Cropping2D", ()), ("SpatialDropout2D", (0.5,)),
            ("ConvLSTM2D", (2, 2)), ("Flatten", ()), ("Resizing", (2, 2)), ("CenterCrop", (2, 2)),
            ("RandomCrop", (2, 2)), ("RandomFlip", ()), ("RandomZoom", (0.5,)), ("MixUp", ()),
            ("RandomRotation", (0.5,)), ("RandomContrast", (0.5,)), ("RandAugment", ()),
            ("AugMix", ()), ("RandomErasing", ()), ("RandomPerspective", ()),
        ]
    ),
]  # fmt: skip


@pytest.mark.parametrize("thing, wanted", CONFIGS, ids=lambda x: type(x).__name__)
def test_configs_come_back_whole(thing, wanted):
    written = json.loads(json.dumps(kerata.saving.serialize_keras_object(thing)))
    config = kerata.saving.deserialize_keras_object(written).get_config()
    assert config == thing.get_config()
    for name, value in (wanted or {"data_format": "channels_first"}).items():
        assert config[name] == value


@pytest.mark.parametrize(
    "make",
    [
        lambda: metrics.FBetaScore(beta=2.0),
        lambda: metrics.FBetaScore(threshold=0.5, average="micro"),
        lambda: metrics.F1Score(average="macro"),
        lambda: metrics.R2Score(),
        lambda: metrics.R2Score(class_aggregation=None),
    ],
)
def test_a_weight_of_two_is_two_samples(make):
    weighted, repeated, batches = make(), make(), make()
    weighted.update_state(LABELS, SCORES, sample_weight=REPEATS)
    for i, count in enumerate(REPEATS):
        batches.update_state(*(np.repeat(a[i : i + 1], count, 0) for a in (LABELS, SCORES)))
    repeated.update_state(np.repeat(LABELS, REPEATS, 0), np.repeat(SCORES, REPEATS, 0))
    for other in (repeated, batches):
        np.testing.assert_allclose(weighted.result(), other.result(), rtol=1e-5)


def test_the_progress_bar_shows_what_history_keeps(capsys):
    model = kerata.Sequential([kerata.Input((1,)), layers.Identity()])
    model.compile("sgd", "mse", metrics=["mae"])
    x = np.array([[1.0], [3.0], [8.0], [0.0]])
    model.evaluate(x, 0 * x, batch_size=1)
    shown = capsys.readouterr().out
    assert re.findall(r"mae: ([\d.]+)", shown)[-1] == "3.0000"
    assert re.findall(r"loss: ([\d.]+)", shown)[-1] == "18.5000"


def test_causal_attention_does_not_see_the_future():
    layer = layers.MultiHeadAttention(2, 3)
    x = RNG.normal(size=(1, 4, 5)).astype("float32")
    later = x.copy()
    later[:, 2:] += 1
    first, scores = layer(x, x, use_causal_mask=True, return_attention_scores=True)
    np.testing.assert_array_equal(np.triu(scores, 1), np.zeros_like(scores))
    second = layer(later, later, use_causal_mask=True)
    np.testing.assert_allclose(first[:, :2], second[:, :2], rtol=1e-5, atol=1e-6)


def test_label_smoothing_counts_the_classes_on_their_axis():
    loss = losses.CategoricalCrossentropy(label_smoothing=0.3, axis=0)
    usual = losses.CategoricalCrossentropy(label_smoothing=0.3)
    np.testing.assert_allclose(loss(LABELS.T, SCORES.T), usual(LABELS, SCORES), rtol=1e-5)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.normalize(x).sum(),
        lambda x: ops.normalize(x, order=1).sum(),
        lambda x: layers.UnitNormalization()(x).sum(),
        lambda x: losses.cosine_similarity(x, x + 0.0).sum(),
    ],
)
def test_gradients_at_zero_are_numbers(function):
    gradient = jax.grad(function)(jax.numpy.zeros((2, 3)))
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("samples, fraction", [(4, 0.9), (1, 0.5)])
def test_a_split_that_leaves_nothing(samples, fraction):
    model = kerata.Sequential([kerata.Input((1,)), layers.Identity()])
    model.compile("sgd", "mse")
    x = np.ones((samples, 1))
    with pytest.raises(ValueError, match="samples"):
        model.fit(x, x, validation_split=fraction, verbose=0)


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "binary_crossentropy", "log_cosh"])
@pytest.mark.parametrize("shapes", [((4, 1), (4, 3)), ((4, 3), (4, 1)), ((4,), (4, 3))])
def test_losses_do_not_spread_one_value_over_several(name, shapes):
    y_true, y_pred = (np.full(shape, 0.5, "float32") for shape in shapes)
    with pytest.raises(ValueError, match=r"\(4,"):
        losses.get(name)(y_true, y_pred)
