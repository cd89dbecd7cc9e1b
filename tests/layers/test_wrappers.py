import numpy as np
import pytest

from kerata import layers


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "inside, shape",
    [(("Dense", 4), (2, 3)), (("Conv2D", 3, 2), (1, 4, 4, 2))],
    ids=["dense", "conv"],
)
def test_spectral_normalization(same_as_keras, data, inside, shape, training):
    call = {"training": training}
    args = {"inputs": data(*shape), "call": call, "tolerance": 1e-4}
    same_as_keras("SpectralNormalization", inside, power_iterations=2, **args)


def test_spectral_normalization_of_zeros():
    layer = layers.SpectralNormalization(layers.Dense(2, kernel_initializer="zeros"))
    y = layer(np.ones((2, 3)), training=True)
    assert y.tolist() == [[0, 0], [0, 0]]
    assert np.isfinite(layer.vector_u.numpy()).all()


def test_embeddings_have_a_norm_too():
    layer = layers.SpectralNormalization(layers.Embedding(4, 3))
    for _ in range(30):
        layer(np.array([[1, 2]]), training=True)
    table = layer.layer.embeddings.numpy()
    np.testing.assert_allclose(np.linalg.norm(table, 2), 1, rtol=1e-3)


def test_wrapper_builds_what_is_inside():
    class Twice(layers.Wrapper):
        def call(self, inputs):
            return 2 * self.layer(inputs)

    layer = Twice(layers.Dense(2, kernel_initializer="ones"))
    assert layer(np.ones((1, 3))).tolist() == [[6, 6]]
    assert layer.weights == layer.layer.weights


def test_config_holds_the_layer_inside():
    layer = layers.SpectralNormalization(layers.Dense(2, name="inside"), power_iterations=3)
    again = layers.deserialize(layers.serialize(layer))
    assert (again.layer.name, again.power_iterations) == ("inside", 3)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.Wrapper(3), "`layer` must be a layer"),
        (lambda: layers.SpectralNormalization(layers.Dense(2), 0), "`power_iterations` must be"),
        (lambda: layers.SpectralNormalization(layers.ReLU())(np.ones((1, 2))), "has a `kernel`"),
    ],
)
def test_refuses(make, words):
    with pytest.raises(ValueError, match=words):
        make()
