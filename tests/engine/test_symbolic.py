"""Symbolic tensors, the graph, abstract evaluation and the @op decorator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import kerata
from kerata.engine.op import op
from kerata.engine.symbolic import KerasTensor, abstract_eval

traces = []


@op
def scaled_mean(x, scale, axis=None):
    """Mean times a scale."""
    traces.append(1)
    return jnp.mean(x, axis=axis) * scale


def test_an_op_takes_arrays_variables_and_symbolic_tensors():
    v = kerata.Variable([[1.0, 3.0]])
    assert scaled_mean(np.array([[1.0, 3.0]]), 2) == 4
    assert scaled_mean(v, kerata.Variable(2.0)) == 4
    out = scaled_mean(KerasTensor((None, 3)), 2.0, axis=1)
    assert isinstance(out, KerasTensor) and out.shape == (None,) and out.dtype == "float32"


def test_equal_calls_are_evaluated_once():
    scaled_mean(KerasTensor((None, 77)), 2.0, axis=1)
    before = len(traces)
    scaled_mean(KerasTensor((None, 77)), 2.0, axis=1)
    assert len(traces) == before


def test_a_call_is_recorded_and_can_be_replayed():
    x = kerata.Input((3,))
    y = scaled_mean(x, 2.0, axis=1)
    call, index, place = y._keras_history
    assert (call.name, index, place) == ("scaled_mean", 0, 0)
    assert call.get_config() == {"name": "scaled_mean", "axis": 1}
    assert call(np.ones((2, 3)), 2.0).tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("shapes", "function", "expected"),
    [
        ([(None, 3)], lambda x: x.reshape(-1), (None,)),
        ([(None, 3)], lambda x: x.T, (3, None)),
        ([(None, None, 4)], lambda x: x.reshape(x.shape[0], -1, 2), (None, None, 2)),
        ([(None, 3), (None, 3)], lambda x, y: jnp.concatenate([x, y]), (None, 3)),
        ([(None, 3), (5, 3)], lambda x, y: x + y, (5, 3)),
        ([(None, 3), (1, 3)], lambda x, y: x + y, (None, 3)),
        ([(None, 3), (2, None)], lambda x, y: x + y, (2, 3)),
        # A table of 100 rows cut to the length of the input.
        ([(None, None, 4)], lambda x: x + jnp.ones((100, 4))[: x.shape[1]], (None, None, 4)),
        # A cut that looks fixed for long inputs.
        ([(None, None, 3)], lambda x: x[:, :100], (None, None, 3)),
        ([(None, 3)], lambda x: x[:5], (None, 3)),
        ([(None, 3)], lambda x: x[-2:], (None, 3)),
        ([(None, 3)], kerata.ops.diag, (None,)),
        ([(None, 2, 3)], lambda x: x.reshape(2, 2, 3), (2, 2, 3)),
        ([(None, 8)], lambda x: jax.lax.top_k(x, 4)[0], (None, 4)),
        # Code that needs room.
        ([(None, None)], lambda x: jax.lax.slice_in_dim(x, 0, 2000, axis=1), (None, 2000)),
        ([(None, None)], lambda x: x[:, 2048:], (None, None)),
        ([(2, 3)], lambda x: x.sum(), ()),
    ],
)
def test_shapes_with_unknown_dimensions(shapes, function, expected):
    assert abstract_eval(function, tuple(KerasTensor(s) for s in shapes)).shape == expected


@given(st.lists(st.one_of(st.none(), st.integers(1, 4)), min_size=1, max_size=4), st.data())
def test_symbolic_shapes_hold_for_every_batch(shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = tuple(data.draw(st.integers(1, 5)) if d is None else d for d in shape)
    symbolic = kerata.ops.cumsum(kerata.ops.flip(KerasTensor(tuple(shape)), axis), axis)
    eager = kerata.ops.cumsum(kerata.ops.flip(np.ones(sizes, "float32"), axis), axis)
    assert len(symbolic.shape) == eager.ndim
    assert all(a in (None, b) for a, b in zip(symbolic.shape, eager.shape))
    assert [d is None for d in symbolic.shape] == [d is None for d in shape]


def test_evaluation_forgets_what_is_assigned():
    v = kerata.Variable(0.0)
    abstract_eval(lambda x: v.assign_add(x.sum()), (KerasTensor((None,)),))
    assert v.numpy() == 0


def test_the_first_error_is_shown():
    with pytest.raises((TypeError, ValueError), match=r"broadcasting.*\(None, 3\), \(4,\)"):
        abstract_eval(lambda x: x + jnp.ones(4), (KerasTensor((None, 3)),))


def test_unknown_sizes_are_none_in_errors():
    class Odd(kerata.layers.Layer):
        def call(self, x):
            raise ValueError(f"12 and {self.name} do not go with {x.shape}, {x.shape[1] // 2}")

    with pytest.raises(ValueError) as caught:
        Odd(name="odd_12")(kerata.Input((None, 12)))
    assert str(caught.value) == "12 and odd_12 do not go with (None, None, 12), None"
    assert "float32[None, None, 12]" in "".join(caught.value.__notes__)


def test_sizes_that_depend_on_values_are_unknown():
    for shape in [(2, 4), (None, 4)]:
        x = KerasTensor(shape, "int32")
        assert [i.shape for i in kerata.ops.nonzero(x)] == [(None,), (None,)]
        values, first, inverse = kerata.ops.unique(x, True, True, True, axis=0)
        assert (values.shape, first.shape, inverse.shape) == ((None, 4), (None,), shape[:1])
        assert kerata.ops.bincount(x).shape == (shape[0], None)
        assert kerata.ops.bincount(x, minlength=5).shape == (shape[0], 5)
        for rows in (2, None):
            assert kerata.ops.segment_sum(x, KerasTensor((rows,), "int32")).shape == (None, 4)
    with pytest.raises(ValueError, match="segment_ids"):
        kerata.ops.segment_sum(KerasTensor((2, 4)), KerasTensor((3,), "int32"))
    inputs = kerata.Input((3,))
    model = kerata.Model(inputs, kerata.ops.nonzero(inputs))
    rows, columns = model(np.eye(3)[:2])
    assert rows.tolist() == columns.tolist() == [0, 1]


def test_a_compiled_program_inside_does_not_keep_a_stand_in_for_such_a_size():
    places = jax.jit(lambda x: kerata.ops.nonzero(x)[0])
    with pytest.raises(ValueError, match="cannot be compiled"):
        abstract_eval(places, (KerasTensor((3,)),))
    with pytest.raises(ValueError, match="cannot be compiled"):
        places(np.ones(3, "float32"))


def test_an_unknown_axis_is_unstacked_by_its_number():
    parts = kerata.ops.unstack(KerasTensor((2, None, None)), num=3, axis=1)
    assert [p.shape for p in parts] == [(2, None)] * 3


@pytest.mark.parametrize(
    ("use", "error", "words"),
    [
        (lambda x: np.asarray(x), ValueError, "no value"),
        (lambda x: jnp.sum(x), ValueError, "kerata.ops"),
        (lambda x: bool(x), TypeError, "cond"),
        (lambda x: iter(x), NotImplementedError, "unstack"),
        (lambda x: float(x), ValueError, "symbolic"),
    ],
)
def test_a_symbolic_tensor_has_no_value(use, error, words):
    with pytest.raises(error, match=words):
        use(KerasTensor((None, 3)))


def test_operators_and_indices():
    x = KerasTensor((None, 3), dtype="int32")
    assert (x + 1).dtype == "int32" and (x / 2).dtype == "float32"
    assert (x > 1).dtype == "bool" and (1 - x).shape == (None, 3)
    assert x[:, 0].shape == (None,) and x[..., None].shape == (None, 3, 1)
    assert (x @ KerasTensor((3, 5), dtype="int32")).shape == (None, 5)


def test_operation_subclasses_need_only_call():
    class Double(kerata.Operation):
        def call(self, x):
            return 2 * x

    double = Double()
    assert double(3) == 6 and double(kerata.Input((4,))).shape == (None, 4)
    assert double.output.shape == (None, 4) and double.input.shape == (None, 4)
    with pytest.raises(AttributeError, match="never called"):
        _ = Double().output


def test_a_quantized_operation_computes_its_own_way():
    class Coarse(kerata.Operation):
        quantization_mode = None

        def call(self, x):
            return x

        def quantized_call(self, x):
            return x // 1

    coarse = Coarse()
    assert coarse(1.5) == 1.5
    coarse.quantization_mode = "int8"
    assert coarse(1.5) == 1.0


@pytest.mark.parametrize("shape", ["ab", (1, "x"), 5, (1.5,)])
def test_shapes_are_checked(shape):
    with pytest.raises(ValueError, match="tuple of integers and None"):
        KerasTensor(shape)
