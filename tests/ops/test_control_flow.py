"""Branches and loops: eager, compiled, symbolic, and with Variables that they assign."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kerata
from kerata import ops


def equal(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-6)


def test_cond_chooses_eager_and_compiled():
    def choose(p, x):
        return ops.cond(p, lambda: {"y": x + 1}, lambda: {"y": x * 10})

    for f in (choose, kerata.jit(choose)):
        equal(f(jnp.array(True), 2.0)["y"], 3.0)
        equal(f(jnp.array(False), 2.0)["y"], 20.0)


def test_cond_carries_assignments_of_either_branch():
    v, w = kerata.Variable(1.0), kerata.Variable([1.0, 2.0])

    def branch_values():
        return v.numpy().tolist(), w.numpy().tolist()

    @kerata.jit
    def run(p):
        def yes():
            v.assign_add(1.0)

        def no():
            w.assign(w * 3.0)

        ops.cond(p, yes, no)

    run(jnp.array(True))
    assert branch_values() == (2.0, [1.0, 2.0])
    run(jnp.array(False))
    assert branch_values() == (2.0, [3.0, 6.0])


def test_cond_symbolic():
    out = ops.cond(kerata.KerasTensor((), "bool"), lambda: jnp.ones(3), lambda: jnp.zeros(3))
    assert out.shape == (3,)
    with pytest.raises(ValueError, match="equal shapes"):
        ops.cond(kerata.KerasTensor((), "bool"), lambda: jnp.ones(3), lambda: jnp.zeros(4))


@pytest.mark.parametrize("index, expected", [(0, 7.0), (1, 12.0), (9, 12.0), (-3, 7.0)])
def test_switch_clips_its_index(index, expected):
    branches = [ops.add, ops.multiply]
    equal(ops.switch(index, branches, 3.0, 4.0), expected)
    equal(jax.jit(lambda i: ops.switch(i, branches, 3.0, 4.0))(index), expected)


def test_while_loop_forms():
    equal(ops.while_loop(lambda i: i < 10, lambda i: i + 3, 0), 12)
    i, total = ops.while_loop(lambda i, t: i < 4, lambda i, t: (i + 1, t + i), [0, 0])
    assert (int(i), int(total)) == (4, 6)
    equal(ops.while_loop(lambda i: i < 10, lambda i: i + 3, 0, maximum_iterations=2), 6)
    (x,) = ops.while_loop(lambda x: x < np.array([3]), lambda x: x + 2, (np.array([0]),))
    equal(x, [4])
    with pytest.raises(ValueError, match="must be a scalar.*\n.*\\(2,\\)"):
        ops.while_loop(lambda x: x < np.array([3, 3]), lambda x: x + 2, (np.array([0, 0]),))
    (x,) = ops.while_loop(lambda x: True, lambda x: (x,), (kerata.KerasTensor((None, 2)),))
    assert x.shape == (None, 2)


def test_loops_carry_variables():
    v = kerata.Variable(0.0)

    def count(i, x):
        v.assign_add(1.0)
        return x + v.value

    def loops(x):
        x = ops.fori_loop(0, 3, count, x)  # v: 1, 2, 3
        x = ops.while_loop(lambda y: v.value < 5, lambda y: count(0, y), x)  # v: 4, 5
        return x, ops.map(lambda y: count(0, y), jnp.zeros(2))  # v: 6, 7

    for f in (loops, kerata.jit(loops)):
        v.assign(0.0)
        x, ys = f(0.0)
        equal(x, 15.0)
        equal(ys, [6.0, 7.0])
        equal(v, 7.0)


def test_scan_equals_a_loop():
    xs = np.arange(6.0).reshape(3, 2).astype("float32")

    def step(total, x):
        return total + x, total * x

    carry, ys = ops.scan(step, jnp.zeros(2), xs)
    equal(carry, xs.sum(0))
    equal(ys, [np.zeros(2), xs[0] * xs[1], (xs[0] + xs[1]) * xs[2]])
    carry, ys = ops.scan(step, jnp.zeros(2), xs, reverse=True)
    equal(ys[0], (xs[2] + xs[1]) * xs[0])
    carry, ys = ops.scan(lambda c, _: (c + 1, c), 0, length=3)
    equal(ys, [0, 1, 2])
    carry, ys = ops.scan(step, kerata.KerasTensor((2,)), kerata.KerasTensor((None, 2)))
    assert (carry.shape, ys.shape) == ((2,), (None, 2))


def test_scan_reads_and_assigns_variables():
    scale, last = kerata.Variable(2.0), kerata.Variable(0.0)

    def step(total, x):
        last.assign(x)
        return total + scale * x, last + 1.0

    total, ys = kerata.jit(lambda xs: ops.scan(step, 0.0, xs))(jnp.array([1.0, 2.0]))
    equal(total, 6.0)
    equal(ys, [2.0, 3.0])
    equal(last, 2.0)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((None, 0, [1]), "`f` must be a function"),
        ((lambda c, x: (c, x), 0), "`xs` and `length`"),
        ((lambda c, x: (c, x), 0, [1, 2], 3), "equal length"),
        ((lambda c, x: (c, x), 0, jnp.ones(())), "first axis"),
        ((lambda c, x: (c, x), 0, [1], None, False, 0), "unroll"),
    ],
)
def test_scan_refuses(arguments, words):
    with pytest.raises((ValueError, TypeError), match=words):
        ops.scan(*arguments)


def test_associative_scan():
    equal(ops.associative_scan(ops.add, jnp.arange(4)), [0, 1, 3, 6])
    equal(ops.associative_scan(ops.add, jnp.arange(4), reverse=True), [6, 6, 5, 3])
    out = ops.associative_scan(ops.multiply, kerata.KerasTensor((None, 3)), axis=1)
    assert out.shape == (None, 3)
    with pytest.raises(ValueError, match="equal lengths"):
        ops.associative_scan(lambda a, b: a, (jnp.ones(2), jnp.ones(3)))


def test_maps():
    xs = jnp.arange(6.0).reshape(3, 2)
    for mapped in (ops.map, ops.vectorized_map):
        equal(mapped(lambda row: row.sum(), xs), xs.sum(1))
        equal(mapped(lambda pair: pair[0] * pair[1], (xs, xs)), xs * xs)
        assert mapped(ops.sum, kerata.KerasTensor((None, 4))).shape == (None,)
    scale = kerata.Variable(3.0)
    equal(ops.vectorized_map(lambda row: row * scale, xs), xs * 3)


def test_vectorize():
    equal(ops.vectorize(lambda a, b: a - b)([3.0, 4.0], 1.0), [2.0, 3.0])
    dot = ops.vectorize(jnp.dot, signature="(n,m),(m)->(n)")
    assert dot(jnp.ones((5, 2, 3)), jnp.ones(3)).shape == (5, 2)
    equal(ops.vectorize(lambda a, n: a**n, excluded=(1,))([2.0, 3.0], 2), [4.0, 9.0])


def test_custom_gradient():
    @ops.custom_gradient
    def clipped(x):
        return x * x, lambda upstream: ops.clip(upstream * 2 * x, -1.0, 1.0)

    equal(clipped(3.0), 9.0)
    equal(jax.grad(clipped)(3.0), 1.0)
    assert clipped(kerata.KerasTensor((None, 2))).shape == (None, 2)
