"""jit, grad and their like, on functions that read and assign Variables."""

import copy
import gc
import pickle
import threading
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kerata
from kerata.engine import scopes
from kerata.engine.errors import KerataError, StateError
from kerata.engine.rng import SeedGenerator
from kerata.engine.transforms import lift, vectorized_map


def is_clean(*variables):
    """No variable holds a tracer, no scope is left open."""
    return scopes.current_scope() is None and not any(
        isinstance(v._array, jax.core.Tracer) for v in variables
    )


# jit


def test_state_goes_in_and_out_and_one_program_serves_all_steps():
    v = kerata.Variable([1.0, 2.0])

    @kerata.jit
    def step(x):
        v.assign_add(x)
        return v.value.sum()

    assert [float(step(np.ones(2, "float32"))) for _ in range(3)] == [5.0, 7.0, 9.0]
    assert step.compilations == 1 and is_clean(v)


def test_a_scalar_variable_does_not_make_a_second_program():
    v = kerata.Variable(0)
    step = kerata.jit(lambda: v.assign_add(1))
    assert [int(step()) for _ in range(3)] == [1, 2, 3] and step.compilations == 1


def test_a_variable_that_is_only_assigned():
    v = kerata.Variable(0.0)
    kerata.jit(lambda x: v.assign(x * 2) is None)(4.0)
    assert v.numpy() == 8


def test_variables_made_in_the_first_call():
    made = []

    @kerata.jit
    def step(x):
        if not made:
            made.append(kerata.Variable(np.ones(3, "float32")))
        made[0].assign(made[0].value * x)
        return made[0].value

    assert step(2.0).tolist() == [2.0] * 3
    assert step(2.0).tolist() == [4.0] * 3
    assert len(made) == 1 and is_clean(*made)


def test_variables_made_in_every_call_are_refused():
    with pytest.raises(StateError, match="each time"):
        kerata.jit(lambda x: kerata.Variable(np.ones(2)).assign([x, x]))(1.0)


def test_random_state_is_written_inside():
    seeds = SeedGenerator(3)
    draw = kerata.jit(lambda: jax.random.uniform(seeds.next()))
    first, second = draw(), draw()
    assert first != second and seeds.state.numpy().tolist() == [3, 2]
    assert first == jax.random.uniform(jnp.array([3, 0], "uint32"))


def test_nested_functions_become_one_program():
    v = kerata.Variable(1.0)
    inner = kerata.jit(lambda x: v.assign(v * x))
    outer = kerata.jit(lambda x: inner(x) + inner(x))
    assert outer(2.0) == 2 + 4 and v.numpy() == 4
    assert inner.compilations == 0 and outer.compilations == 1


def test_an_exception_leaves_everything_as_it_was():
    v, w = kerata.Variable(1.0), kerata.Variable(2.0)

    @kerata.jit
    def step(x, fail):
        v.assign(x)
        if fail:
            raise RuntimeError("in the middle")
        return w.assign(x)

    with pytest.raises(RuntimeError, match="in the middle"):
        step(5.0, True)
    assert v.numpy() == 1 and is_clean(v, w)
    assert step(5.0, False) == 5 and v.numpy() == w.numpy() == 5


def test_arguments_that_are_part_of_the_program_make_new_programs():
    step = kerata.jit(lambda x, training, mode="a": x + 1 if training else x)
    for args in ((1.0, True), (2.0, True), (1.0, False), (1.0, False, "b")):
        step(*args)
    assert step.compilations == 3
    step(np.ones(3), True)
    step(np.ones(4), True)
    assert step.compilations == 5


def test_static_argnames_hold_numbers_fixed():
    repeat = kerata.jit(lambda x, times: jnp.tile(x, times), static_argnames="times")
    assert repeat(jnp.ones(2), 3).shape == (6,) and repeat(jnp.ones(2), times=2).shape == (4,)
    assert repeat.compilations == 2


def test_arguments_that_cannot_be_hashed_are_explained():
    with pytest.raises(TypeError, match="hashable"):
        kerata.jit(lambda x, options: x)(1.0, {1, 2})


def test_a_value_that_is_not_there_yet_is_explained():
    for function, word in (
        (lambda x: x if x > 0 else -x, "cond"),
        (lambda x: range(x), "static_argnames"),
        (lambda x: float(x), "static_argnames"),
        (lambda x: jnp.arange(x), "argument 'stop'.*static_argnames"),
        (lambda x: np.asarray(x), "jax.numpy"),
    ):
        with pytest.raises(TypeError, match=rf"(?s)no value.*Received.*\[\].*{word}") as caught:
            kerata.jit(function)(3)
        assert not getattr(caught.value, "__notes__", None)
        assert len(str(caught.value).splitlines()) == 4
    for function in (
        lambda x, n: kerata.ops.reshape(x, n),
        lambda x, n: kerata.ops.sum(x, axis=n[0]),
        lambda x, n: kerata.random.normal(n),
        lambda x, n: x[: n[0]],
    ):
        with pytest.raises((TypeError, ValueError, IndexError), match="static_argnames") as caught:
            kerata.jit(function)(np.ones(6), (2, 3))
        assert "Tracer" not in str(caught.value) and len(str(caught.value).splitlines()) <= 4
    with pytest.raises(IndexError, match=r"(?s)how many.*bool\[3\].*where"):
        kerata.jit(lambda x: x[x > 0])(np.ones(3))


V = kerata.Variable([1.0, 2.0])
THROUGH_JAX = {
    "jit": lambda fail: kerata.jit(fail)(1.0),
    "gradient": lambda fail: kerata.grad(fail)(1.0),
    "remat": lambda fail: kerata.remat(fail)(1.0),
    "vectorized_map": lambda fail: kerata.ops.vectorized_map(fail, np.ones(2)),
    "abstract": lambda fail: kerata.layers.Lambda(fail)(kerata.Input((2,))),
    "loop": lambda fail: kerata.ops.fori_loop(0, 2, lambda i, x: fail(x), 1.0),
    "nested": lambda fail: kerata.jit(kerata.grad(lambda x: kerata.remat(fail)(x)))(1.0),
    "operation": lambda fail: kerata.ops.matmul(np.ones((2, 3)), np.ones((2, 3))),
    "layer": lambda fail: kerata.layers.Lambda(lambda x: jnp.matmul(x, x))(np.ones((2, 3))),
}


@pytest.mark.parametrize("way", THROUGH_JAX)
def test_errors_carry_no_footnote_of_jax(way):
    def fail(x):
        raise ValueError("mine")

    with pytest.raises((TypeError, ValueError)) as caught:
        THROUGH_JAX[way](fail)
    assert "JAX" not in "".join(getattr(caught.value, "__notes__", ()))


GRADIENTS = {
    "neither variables nor arguments": (
        lambda: kerata.grad(lambda: (V * V).sum())(), ["argnums=0", "0 arguments", "variables"],
    ),
    "no such argument": (
        lambda: kerata.grad(lambda x: x, argnums=2)(1.0), ["argnums=2", "1 arguments"],
    ),
    "no function": (lambda: kerata.grad((V * V).sum(), [V]), ["functions", "lambda", "Array"]),
    "other things": (
        lambda: kerata.value_and_grad(lambda: 0.0, [kerata.layers.Dense(1)]), ["Variables"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GRADIENTS)
def test_gradients_need_something_to_differentiate_for(case):
    call, words = GRADIENTS[case]
    with pytest.raises(TypeError, match="(?s)" + ".*".join(words)):
        call()


def test_gradients_of_nothing():
    with pytest.raises(ValueError, match="(?s)scalar.*Received: None"):
        kerata.grad(lambda: None, [V])()


def test_a_new_shape_may_meet_new_variables():
    a, b = kerata.Variable(1.0), kerata.Variable(1.0)

    @kerata.jit
    def step(x):
        return a.assign_add(1.0) if x.shape == (1,) else b.assign_add(a.value)

    step(np.ones(1))
    step(np.ones(2))
    step(np.ones(1))
    assert (a.numpy(), b.numpy()) == (3.0, 3.0)


def test_a_guess_of_the_variables_saves_a_trace_and_may_be_wrong():
    a, b, c = kerata.Variable(1.0), kerata.Variable(2.0), kerata.Variable(5.0)
    traces = []

    def function(x):
        traces.append(1)
        return a.assign_add(b.value * x)

    step = kerata.jit(function, likely=lambda: ([b, c], [a]))
    assert step(2.0) == 5 and step(2.0) == 9 and len(traces) == 1
    wrong = kerata.jit(function, likely=lambda: ([a], [b, c]))
    assert wrong(1.0) == 11 and wrong(1.0) == 13 and len(traces) == 3
    assert [float(v.numpy()) for v in (a, b, c)] == [13.0, 2.0, 5.0]


def test_methods_compile_for_each_instance():
    class Counter:
        def __init__(self):
            self.count = kerata.Variable(0)

        @kerata.jit
        def add(self, n):
            return self.count.assign_add(n)

    one, two = Counter(), Counter()
    one.add(1)
    one.add(1)
    two.add(5)
    assert (one.count.numpy(), two.count.numpy()) == (2, 5)
    assert one.add.compilations == 1


def test_a_variable_as_argument_is_the_variable():
    v = kerata.Variable(1.0)
    bump = kerata.jit(lambda target: target.assign_add(1.0))
    bump(v)
    assert v.numpy() == 2


def test_jit_inside_plain_jax_just_runs():
    v = kerata.Variable(3.0)
    scale = kerata.jit(lambda x: v.value * x)
    assert jax.jit(scale)(2.0) == 6 and jax.grad(scale)(2.0) == 3


def test_jit_inside_plain_jax_cannot_assign():
    v = kerata.Variable(1.0)
    step = kerata.jit(lambda: v.assign_add(1.0))
    with pytest.raises(StateError, match="does not know of variables"):
        jax.jit(lambda x: x + step())(1.0)
    assert v.numpy() == 1 and is_clean(v)


def test_equal_numbers_of_other_types_are_other_programs():
    scale = kerata.jit(lambda x, n: x * n, static_argnames="n")
    x = jnp.arange(3)
    assert scale(x, n=2).dtype == "int32" and scale(x, n=2.0).dtype == "float32"


def test_what_is_set_around_a_call_is_part_of_the_program():
    inner = kerata.layers.Dropout(0.5)
    run = kerata.jit(lambda x: inner(x))

    class Outer(kerata.layers.Layer):
        def call(self, x, training=None):
            return run(x)

    outer, x = Outer(), np.ones((1, 50), "float32")
    assert not (outer(x, training=True) == 1).all() and (outer(x, training=False) == 1).all()


def test_seeding_again_reaches_compiled_functions():
    draw = kerata.jit(lambda: kerata.random.uniform((2,)))
    seen = []
    for seed in (1, 2, 1):
        kerata.utils.set_random_seed(seed)
        seen.append(draw().tolist())
    assert seen[0] == seen[2] != seen[1] and draw.compilations == 1


def test_a_failure_while_running_says_what_is_lost():
    v, calls = kerata.Variable(jnp.zeros(3)), []

    def fails_later(x):
        calls.append(1)
        if len(calls) > 2:
            raise RuntimeError("on the way")
        return x

    @kerata.jit
    def step():
        shape = jax.ShapeDtypeStruct((3,), "float32")
        return v.assign_add(jax.pure_callback(fails_later, shape, jnp.ones(3, "float32")))

    with pytest.raises(Exception, match="on the way"):
        for _ in range(5):
            jax.block_until_ready(step())
    assert is_clean(v)
    if v._array.is_deleted():
        with pytest.raises(StateError, match="is lost"):
            _ = v.value
        v.assign([1.0, 2.0, 3.0])
    assert v.numpy().shape == (3,)


def test_methods_may_call_the_methods_they_override():
    class Base:
        def __init__(self):
            self.count = kerata.Variable(0)

        @kerata.jit
        def step(self):
            return self.count.assign_add(1)

    class Twice(Base):
        @kerata.jit
        def step(self):
            super().step()
            return super().step()

    twice = Twice()
    assert int(twice.step()) == 2 and int(twice.step()) == 4


def test_a_copy_of_an_object_has_compiled_methods_of_its_own():
    class Counter:
        def __init__(self):
            self.count = kerata.Variable(0)

        @kerata.jit
        def add(self):
            return self.count.assign_add(1)

    one = Counter()
    one.add()
    two = copy.deepcopy(one)
    two.add()
    assert (one.count.numpy(), two.count.numpy()) == (1, 2)


@kerata.jit
def doubled(x):
    return 2 * x


def test_compiled_functions_pickle_by_name():
    assert pickle.loads(pickle.dumps(doubled)) is doubled


def test_arguments_are_not_kept():
    x = jnp.ones(5)
    gone = weakref.ref(x)
    doubled(x)
    del x
    gc.collect()
    assert gone() is None


def test_threads_share_variables_safely():
    v = kerata.Variable(0)
    step = kerata.jit(lambda: v.assign_add(1))
    step()
    threads = [threading.Thread(target=lambda: [step() for _ in range(50)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert v.numpy() == 151


def test_threads_have_scopes_of_their_own():
    v = kerata.Variable(1.0)
    seen = []
    with kerata.StatelessScope([(v, jnp.float32(7.0))]):
        thread = threading.Thread(target=lambda: seen.append(float(v.value)))
        thread.start()
        thread.join()
        assert v.value == 7
    assert seen == [1.0]


# Donation never takes an array away from a user.


def test_arrays_that_were_handed_out_stay():
    start = jnp.arange(3.0)
    v = kerata.Variable(start)
    read = v.value
    view = v.numpy()
    step = kerata.jit(lambda: v.assign_add(jnp.ones(3)))
    returned = step()
    step()
    step()
    for array in (start, read, view):
        assert np.asarray(array).tolist() == [0.0, 1.0, 2.0]
    assert returned.tolist() == [1.0, 2.0, 3.0] and v.numpy().tolist() == [3.0, 4.0, 5.0]


def test_an_argument_that_is_assigned_stays():
    v, w = kerata.Variable(jnp.zeros(3)), kerata.Variable(jnp.zeros(3))

    @kerata.jit
    def take(x):
        v.assign(x)
        w.assign(x)
        return x

    mine = jnp.arange(3.0)
    back = take(mine)
    bump = kerata.jit(lambda: (v.assign_add(jnp.ones(3)), w.assign_add(jnp.ones(3))))
    bump()
    bump()
    assert mine.tolist() == back.tolist() == [0.0, 1.0, 2.0]
    assert v.numpy().tolist() == w.numpy().tolist() == [2.0, 3.0, 4.0]


def test_a_value_that_was_returned_stays():
    v = kerata.Variable(jnp.arange(3.0))
    peek = kerata.jit(lambda: v.value)
    swap = kerata.jit(lambda: v.assign_add(jnp.ones(3)))
    first = peek()
    second = swap()
    swap()
    assert first.tolist() == [0.0, 1.0, 2.0] and second.tolist() == [1.0, 2.0, 3.0]


def test_two_variables_may_hold_one_array():
    v = kerata.Variable(jnp.zeros(2))
    w = kerata.Variable(0.0 * v.value)
    w.assign(v.value)
    both = kerata.jit(lambda: (v.assign_add(jnp.ones(2)), w.assign_sub(jnp.ones(2))))
    both()
    both()
    assert v.numpy().tolist() == [2.0, 2.0] and w.numpy().tolist() == [-2.0, -2.0]


# grad


def test_gradients_for_variables_in_their_structure():
    w, b = kerata.Variable([1.0, 2.0]), kerata.Variable(0.5)
    loss = lambda x: (w.value * x).sum() + 3 * b.value  # noqa: E731
    x = jnp.array([3.0, 4.0])
    value, grads = kerata.value_and_grad(loss, {"w": w, "b": [b]})(x)
    assert value == 12.5 and grads["w"].tolist() == [3.0, 4.0] and grads["b"][0] == 3
    assert kerata.grad(loss, w)(x).tolist() == [3.0, 4.0]


def test_gradients_for_arguments_and_for_both():
    w = kerata.Variable(2.0)
    f = lambda x, y: w.value * x * y  # noqa: E731
    assert kerata.grad(f)(3.0, 5.0) == 10
    assert [float(g) for g in kerata.grad(f, argnums=(0, 1))(3.0, 5.0)] == [10.0, 6.0]
    by_variable, by_argument = kerata.grad(f, [w], argnums=1)(3.0, 5.0)
    assert by_variable == [15.0] and by_argument == 6


def test_what_is_assigned_inside_arrives_outside():
    w, seen = kerata.Variable(2.0), kerata.Variable(0.0)

    def loss(x):
        seen.assign(w.value * x)
        return seen.value**2, {"x": x}

    (value, aux), grads = kerata.value_and_grad(loss, [w], has_aux=True)(3.0)
    assert value == 36 and grads[0] == 36 and aux == {"x": 3.0}
    assert seen.numpy() == 6 and is_clean(w, seen)


def test_a_variable_that_is_asked_for_twice():
    v = kerata.Variable(3.0)
    assert kerata.grad(lambda: v.value**2, [v, v])() == [6.0, 6.0]


def test_an_exception_in_a_gradient_leaves_no_tracer():
    w = kerata.Variable(2.0)

    def loss():
        w.assign(w.value * 2)
        raise RuntimeError("here")

    with pytest.raises(RuntimeError, match="here"):
        kerata.grad(loss, [w])()
    assert w.numpy() == 2 and is_clean(w)


def test_second_derivatives():
    w = kerata.Variable(3.0)
    first = kerata.grad(lambda: w.value**3, w)
    assert kerata.grad(lambda: first(), w)() == pytest.approx(18.0)


def test_gradient_penalty_differentiates_a_gradient_by_an_argument():
    w = kerata.Variable(3.0)
    slope = kerata.grad(lambda x: w.value * x**2)
    assert kerata.grad(lambda: slope(2.0) ** 2, w)() == pytest.approx(2 * 12 * 4)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: kerata.grad(lambda: jnp.ones(2), [kerata.Variable(1.0)])(), ValueError, "scalar"),
        (lambda: kerata.grad(lambda: 0.0, [kerata.Variable(1)]), TypeError, "floating type"),
        (lambda: kerata.grad(lambda: 0.0, [3.0]), TypeError, "Variables"),
        (lambda: kerata.grad(lambda: 0.0, jnp.ones((99, 99))), TypeError, r"shape \(99, 99\)"),
        (lambda: kerata.grad(lambda: 0.0, kerata.layers.Dense(1)), TypeError, "trainable_var"),
        (lambda: kerata.grad([], lambda: 0.0), TypeError, "function comes first"),
        (lambda: kerata.grad(lambda: (0.0, 1), [kerata.Variable(1.0)])(), ValueError, "has_aux"),
        (lambda: kerata.grad(lambda: "a", [kerata.Variable(1.0)])(), ValueError, "'a' from"),
        (lambda: kerata.grad(lambda: 1, [kerata.Variable(1.0)])(), ValueError, "dtype int32"),
        (lambda: list(kerata.grad(lambda x: x)), TypeError, "Add parentheses"),
        (lambda: kerata.value_and_grad(lambda x: x)[0], TypeError, "Add parentheses"),
        (lambda: kerata.jit(lambda x: {"a": [x, "b"]})(1.0), TypeError, r"'b'.*\['a'\]\[1\]"),
    ],
)
def test_what_has_no_gradient_is_refused(call, error, words):
    with pytest.raises(error, match=f"(?s){words}"):
        call()


def test_a_training_step_in_plain_sight():
    w = kerata.Variable([0.0, 0.0])
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], "float32")
    y = x @ np.array([2.0, -1.0], "float32")

    @kerata.jit
    def step(x, y):
        loss, (g,) = kerata.value_and_grad(lambda: jnp.mean((x @ w.value - y) ** 2), [w])()
        w.assign_sub(0.5 * g)
        return loss

    losses = [float(step(x, y)) for _ in range(60)]
    assert losses[-1] < 1e-4 < losses[0] and step.compilations == 1
    np.testing.assert_allclose(w.numpy(), [2, -1], atol=0.02)


# remat, vectorized_map, lift


def test_remat_keeps_values_gradients_and_assignments():
    w, calls = kerata.Variable(2.0), kerata.Variable(0)

    def f(x, power=2):
        calls.assign_add(1)
        return jnp.sin(w.value * x) ** power

    plain = kerata.value_and_grad(lambda: f(1.5), w)()
    again = kerata.value_and_grad(lambda: kerata.remat(f)(1.5, power=2), w)()
    np.testing.assert_allclose(plain, again)
    assert calls.numpy() == 2 and "remat" in str(jax.make_jaxpr(kerata.remat(jnp.sin))(1.0))


def test_vectorized_map_reads_variables_and_refuses_assignments_that_differ():
    v, seen = kerata.Variable(2.0), kerata.Variable(0.0)
    assert vectorized_map(lambda x: v.value * x, jnp.arange(3.0)).tolist() == [0.0, 2.0, 4.0]
    with pytest.raises(KerataError, match="element to element"):
        vectorized_map(lambda x: seen.assign(x), jnp.arange(3.0))
    assert is_clean(v, seen)


def test_lift_carries_state_through_control_flow():
    v = kerata.Variable(1.0)
    pure, state = lift(lambda x: v.assign_add(x) * 0, 1.0)
    assert state.written == [v]

    def body(carry, x):
        out, new = pure(carry, x)
        return new, out

    new, _ = jax.lax.scan(body, state.values(), jnp.arange(4.0))
    state.assign(new)
    assert v.numpy() == 7


def test_stateless_scope_is_a_pure_function_of_its_mapping():
    v = kerata.Variable([1.0])
    with kerata.StatelessScope([(v, jnp.array([5.0]))]) as scope:
        v.assign_add([1.0])
    assert scope.get_current_value(v).tolist() == [6.0] and v.numpy() == 1
    with pytest.raises(ValueError, match="shape"):
        kerata.StatelessScope([(v, jnp.ones(2))])
