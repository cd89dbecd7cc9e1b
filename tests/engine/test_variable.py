"""Variables: values, assignment, conversions, copies."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kerata
from kerata.engine.errors import StateError


def test_several_elements_are_neither_true_nor_false():
    assert bool(kerata.Variable([[1.0]])) and not bool(kerata.Variable(0))
    with pytest.raises(TypeError, match=r"neither true nor false.*\n.*shape \(2,\)\n.*any"):
        bool(kerata.Variable([1.0, 0.0]))


def test_starts_from_an_array_a_number_or_an_initializer():
    assert kerata.Variable(np.ones((2, 3))).shape == (2, 3)
    assert kerata.Variable(1.5).dtype == "float32"
    assert kerata.Variable([1, 2]).dtype == "int32"
    ones = kerata.Variable(
        lambda shape, dtype: jnp.ones(shape, dtype), shape=(4,), dtype="bfloat16"
    )
    assert ones.shape == (4,) and ones.dtype == "bfloat16"
    assert kerata.Variable("zeros", shape=(2,)).numpy().tolist() == [0.0, 0.0]


def test_a_function_as_initializer_needs_a_known_shape():
    with pytest.raises(ValueError, match="needs a `shape`"):
        kerata.Variable(lambda shape, dtype: jnp.ones(shape, dtype))
    with pytest.raises(ValueError, match="must be known"):
        kerata.Variable(lambda shape, dtype: jnp.ones(shape, dtype), shape=(None, 2))


def test_assignment_keeps_dtype_and_checks_shape():
    v = kerata.Variable([1.0, 2.0], name="v")
    v.assign([3, 4])
    assert v.numpy().tolist() == [3.0, 4.0] and v.dtype == "float32"
    v.assign_add([1.0, 1.0])
    v.assign_sub([0.5, 0.5])
    assert v.numpy().tolist() == [3.5, 4.5]
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        v.assign([1.0, 2.0, 3.0])
    assert v.numpy().tolist() == [3.5, 4.5]


def test_numpy_memory_is_not_shared():
    for size in range(1, 40):
        source = np.zeros(size * 16, "float32")
        v, w = kerata.Variable(source), kerata.Variable(np.ones_like(source))
        w.assign(source)
        source[:] = 7
        assert not v.numpy().any() and not w.numpy().any()


def test_names_and_paths():
    with kerata.name_scope("encoder"), kerata.name_scope("block"):
        assert kerata.Variable(0.0, name="w").path == "encoder/block/w"
    assert kerata.Variable(0.0, name="w").path == "w"
    with pytest.raises(ValueError, match="without '/'"):
        kerata.Variable(0.0, name="a/b")


def test_numpy_and_jax_take_it():
    v = kerata.Variable([1.0, 2.0])
    assert np.asarray(v).tolist() == [1.0, 2.0]
    assert jnp.asarray(v).tolist() == [1.0, 2.0]
    assert len(v) == 2 and [float(x) for x in v] == [1.0, 2.0]
    assert float(kerata.Variable(2.0)) == 2.0 and int(kerata.Variable(2)) == 2


def test_operators_follow_the_ops():
    v = kerata.Variable([1, 2])
    assert (v + 0.5).dtype == jnp.float32
    assert (2 * v).tolist() == [2, 4]
    assert (v / v).tolist() == [1.0, 1.0]
    assert v[1] == 2 and (-v).tolist() == [-1, -2]
    assert (v @ v) == 5 and (v > 1).tolist() == [False, True]


def test_copies_are_apart():
    v = kerata.Variable([1.0], name="v")
    twin, thawed = copy.deepcopy(v), pickle.loads(pickle.dumps(v))
    v.assign([5.0])
    assert twin.numpy() == thawed.numpy() == 1.0
    assert twin.path == thawed.path == "v"


def test_a_traced_value_cannot_start_or_enter_a_variable_under_plain_jax():
    v = kerata.Variable(0.0)
    with pytest.raises(StateError, match="kerata.jit"):
        jax.jit(lambda x: v.assign(x))(1.0)
    with pytest.raises(StateError, match="being traced"):
        jax.jit(lambda x: kerata.Variable(x).value)(1.0)
    assert v.numpy() == 0
    assert issubclass(StateError, ValueError)


def test_what_is_set_on_a_variable_is_checked():
    v = kerata.Variable([1.0], name="v")
    v.overwrite_with_gradient = True
    for name, value, kind in (
        ("overwrite_with_gradient", "true", TypeError),
        ("constraint", 3, ValueError),
        ("regularizer", "no name of a function", ValueError),
    ):
        with pytest.raises(kind, match=f"'v': `{name}` must be"):
            setattr(v, name, value)
    assert v.overwrite_with_gradient is True and v.constraint is None


def test_in_a_scope_the_repr_shows_no_value():
    v = kerata.Variable([1.0], name="v")
    with kerata.StatelessScope():
        assert repr(v) == "<Variable path=v, shape=(1,), dtype=float32>"


def test_reads_are_cast_in_an_autocast_scope():
    from kerata.engine.scopes import AutocastScope

    kept, counted = kerata.Variable(1.0, autocast=False), kerata.Variable(1)
    v = kerata.Variable(1.0)
    with AutocastScope("bfloat16"):
        assert v.value.dtype == "bfloat16" and v.dtype == "bfloat16"
        assert kept.value.dtype == "float32" and counted.value.dtype == "int32"
        v.assign_add(1e-3)
    assert v.numpy() == np.float32(1.001)


@pytest.mark.parametrize("name", ["regularizer", "constraint"])
def test_attributes_must_be_callable(name):
    with pytest.raises(ValueError, match="callable"):
        setattr(kerata.Variable(0.0), name, "l2")
