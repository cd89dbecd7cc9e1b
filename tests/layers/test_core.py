import keras
import numpy as np
import pytest

import kerata
from kerata import KerasTensor, layers, saving
from kerata.engine.masks import get_mask

ROWS = [
    ("Dense", (4,), {}, (2, 3)),
    ("Dense", (4,), {"activation": "tanh", "use_bias": False}, (2, 5, 3)),
    ("Dense", (4,), {"activation": "relu"}, (2, 2, 2, 3)),
    ("EinsumDense", ("ab,bc->ac", 4), {"bias_axes": "c"}, (2, 3)),
    ("EinsumDense", ("abc,cd->abd", (None, 4), "relu"), {"bias_axes": "d"}, (2, 5, 3)),
    ("EinsumDense", ("abc,cde->abde", (None, 2, 4)), {"bias_axes": "de"}, (2, 5, 3)),
    ("EinsumDense", ("abc,cde->abde", (5, 2, 4)), {"bias_axes": "be"}, (2, 5, 3)),
    ("EinsumDense", ("abcd,cde->abe", (None, 4)), {"bias_axes": "e"}, (2, 3, 2, 3)),
    ("EinsumDense", ("...x,xy->...y", 4), {"bias_axes": "y"}, (2, 2, 5, 3)),
    ("EinsumDense", ("...ab,bc->...ac", (None, 4)), {"bias_axes": "c"}, (2, 3, 5, 3)),
    ("EinsumDense", ("ab...,bc->ac...", 4), {"bias_axes": "c"}, (2, 3, 2, 5)),
    ("EinsumDense", ("abc,bd->adc", (4, 3)), {"bias_axes": "dc"}, (2, 5, 3)),
    ("Identity", (), {}, (2, 3)),
    ("Masking", (), {}, (2, 3, 4)),
]


@pytest.mark.parametrize("name, args, kwargs, shape", ROWS)
def test_same_as_keras(same_as_keras, data, name, args, kwargs, shape):
    same_as_keras(name, *args, inputs=data(*shape), **kwargs)


def test_dense_rules_reach_the_weights():
    layer = layers.Dense(
        2, kernel_regularizer="l2", bias_constraint="non_neg", kernel_initializer="ones"
    )
    layer.build((None, 3))
    assert layer.kernel.regularizer is layer.kernel_regularizer
    assert layer.bias.constraint is layer.bias_constraint
    np.testing.assert_allclose(layer.losses[0], 0.01 * 6, rtol=1e-6)


@pytest.mark.parametrize("units", [0, -1, 2.5, 3.0, "a", None, True])
def test_dense_refuses_units(units):
    with pytest.raises(ValueError, match=r"(?s)Dense.*`units`.*positive integer.*Received"):
        layers.Dense(units, name="x")


def test_dense_without_an_activation():
    layer = layers.Dense(1, kernel_initializer="ones", activation="relu")
    layer.activation = None
    assert layer(np.array([[-1.0, -2.0]])).tolist() == [[-3]]


def test_dense_needs_a_known_width():
    with pytest.raises(ValueError, match=r"(?s)Dense 'x'.*axis -1.*Received.*\(None, None\)"):
        layers.Dense(3, name="x")(KerasTensor((None, None)))
    with pytest.raises(ValueError, match="(?s)rank 2 or more.*batch axis"):
        layers.Dense(3)(np.ones(3))
    layer = layers.Dense(3)
    layer(np.ones((2, 3)))
    with pytest.raises(ValueError, match="3 elements along axis -1"):
        layer(np.ones((2, 4)))


@pytest.mark.parametrize("equation", ["ab,bc-ac", "ab,bc", "...ab,bc->ac", "", None, "ab,b...->a"])
def test_einsum_dense_refuses_equations(equation):
    with pytest.raises(ValueError, match="`equation` must be like"):
        layers.EinsumDense(equation, 4)


@pytest.mark.parametrize(
    "equation, output_shape, bias_axes, shape, words",
    [
        ("ab,bc->ac", 4, None, (None, None), "the kernel would be"),
        ("ab,bc->ac", 4, "d", (None, 3), "'d' in bias_axes must be in the result"),
        ("ab,bc->cd", 4, None, (None, 3), "'d' of the result must be in an operand"),
        ("ab,bz->a", (), None, (None, 3), "'z' of the kernel must be in"),
        ("abc,cd->abd", (None, 4), "bd", (None, None, 3), "the bias would be"),
        ("abc,cd->abd", (5, 4), None, (None, 6, 3), "the size of 'b' must be 5"),
        ("abc,cd->abd", 4, None, (None, 6, 3), "must describe the inputs"),
    ],
)
def test_einsum_dense_refuses_inputs(equation, output_shape, bias_axes, shape, words):
    layer = layers.EinsumDense(equation, output_shape, bias_axes=bias_axes)
    with pytest.raises(ValueError, match=words) as caught:
        layer.build(shape)
    assert "Received: equation=" in str(caught.value)


def test_einsum_dense_refuses_another_rank():
    with pytest.raises(ValueError, match="needs inputs of rank 2"):
        layers.EinsumDense("ab,bc->ac", 4)(np.ones((2, 5, 3)))


def test_einsum_dense_knows_its_output_shape():
    layer = layers.EinsumDense("abc,cd->abd", (None, 4))
    layer.build((None, 5, 3))
    assert layer.full_output_shape == (None, 5, 4)
    assert layer(KerasTensor((None, 5, 3))).shape == (None, 5, 4)


@pytest.mark.parametrize("mask_value", [0.0, 2.0, [1.0, 2.0]])
def test_masking_like_keras(mask_value):
    x = np.array([[[2, 2], [1, 2], [0, 0], [2, 1]]], "float32")
    mine, theirs = layers.Masking(mask_value), keras.layers.Masking(mask_value)
    y = mine(x)
    np.testing.assert_array_equal(y, theirs(x))
    np.testing.assert_array_equal(get_mask(y), theirs.compute_mask(x))


def test_mask_goes_through_dense():
    x = layers.Masking()(np.array([[[0.0], [1.0]]]))
    y = layers.Dense(2)(x)
    np.testing.assert_array_equal(get_mask(y), [[False, True]])


def double(x, factor=2):
    return x * factor


class TestLambda:
    def test_computes(self):
        assert layers.Lambda(double, arguments={"factor": 3})(np.ones(2)).tolist() == [3, 3]
        assert layers.Lambda(double)(KerasTensor((None, 3))).shape == (None, 3)

    def test_gets_mask_and_training(self):
        layer = layers.Lambda(lambda x, mask=None, training=None: x + (mask is None) + training)
        assert layer(np.zeros(1), training=True).tolist() == [2]
        assert layer(np.zeros(1), mask=np.ones(1, bool), training=False).tolist() == [0]

    def test_output_shape(self):
        assert layers.Lambda(double, output_shape=(3,)).compute_output_shape((None, 5)) == (None, 3)
        layer = layers.Lambda(double, output_shape=lambda shape: (*shape, 7))
        assert layer.compute_output_shape((2, 5)) == (2, 5, 7)
        assert layers.Lambda(double).compute_output_shape((None, 5)) == (None, 5)
        x = [kerata.Input((4,)), kerata.Input((4, 2))]
        assert layers.Lambda(lambda x: x[0][:, :1], output_shape=(1,))(x).shape == (None, 1)

    def test_mask(self):
        mask = np.array([[True, False]])
        x = np.ones((1, 2, 1))
        assert layers.Lambda(double).compute_mask(x, mask) is None
        assert layers.Lambda(double, mask=mask).compute_mask(x, None) is mask
        layer = layers.Lambda(double, mask=lambda inputs, mask: ~mask)
        assert layer.compute_mask(x, mask).tolist() == [[False, True]]

    def test_named_functions_are_saved(self):
        saving.register_keras_serializable(name="double")(double)
        config = layers.serialize(layers.Lambda(double, arguments={"factor": 3}))
        again = layers.deserialize(config)
        assert again.function is double
        assert again(np.ones(2)).tolist() == [3, 3]

    def test_ops_are_saved_by_name(self):
        layer = layers.Lambda(kerata.ops.square, mask=np.ones((2, 3), bool))
        again = layers.deserialize(layers.serialize(layer))
        assert again.function is kerata.ops.square
        assert again.supports_masking and (again.mask == layer.mask).all()

    def test_code_is_not_saved(self):
        with pytest.raises(NotImplementedError, match="lambda"):
            layers.Lambda(lambda x: x).get_config()
            pytest.fail("a lambda was written into a config")

    def test_refuses_what_cannot_be_called(self):
        with pytest.raises(TypeError, match="`function` must be callable"):
            layers.Lambda(3)
