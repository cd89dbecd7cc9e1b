"""Branches and loops that can be compiled.

The functions given may read and assign Variables: what they assign is carried through the loop or
branch (see `engine.transforms.lift`) and holds afterwards.
"""

import jax
import jax.numpy as jnp
from jax import lax

from kerata.engine import transforms
from kerata.engine.errors import is_int
from kerata.engine.op import op
from kerata.engine.transforms import lift
from kerata.ops.arguments import array, integers


def _known(*values) -> bool:
    """Return whether all values can be looked at: nothing is being compiled."""
    return not any(isinstance(v, jax.core.Tracer) for v in jax.tree.leaves(values))


def _callable(name, function):
    if not callable(function):
        raise TypeError(f"`{name}` must be a function.\nReceived: {name}={function!r}")


def _scalar(name, value):
    value = array(value)
    if value.ndim:
        raise ValueError(f"`{name}` must be a scalar.\nReceived: shape {value.shape}")
    return value


@op
def cond(pred, true_fn, false_fn):
    """Return `true_fn()` or `false_fn()`, as `pred` says.

    Args:
        pred: boolean scalar.
        true_fn: function without arguments.
        false_fn: function without arguments; it returns tensors like those of `true_fn`.

    Example:
        >>> kerata.ops.cond(2 > 1, lambda: "yes", lambda: "no")
        'yes'
    """
    _callable("true_fn", true_fn)
    _callable("false_fn", false_fn)
    pred = _scalar("pred", pred)
    if _known(pred):
        return true_fn() if pred else false_fn()
    pure, state = lift([true_fn, false_fn])
    outputs, values = _same_structure(lax.cond, pred.astype(bool), *pure, state.values())
    state.assign(values)
    return outputs


@op
def switch(index, branches, *operands):
    """Return `branches[index](*operands)`.

    Args:
        index: integer scalar; it is clipped to the existing branches.
        branches: functions that return tensors alike.
        *operands: their arguments.

    Example:
        >>> kerata.ops.switch(1, [kerata.ops.add, kerata.ops.multiply], [3], 4)
        Array([12], dtype=int32)
    """
    if not branches:
        raise ValueError("`branches` must hold at least one function.")
    for branch in branches:
        _callable("branches", branch)
    index = integers(_scalar("index", index))
    if _known(index):
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)
    pure, state = lift(list(branches), *operands)
    outputs, values = _same_structure(lax.switch, index, pure, state.values(), *operands)
    state.assign(values)
    return outputs


def _same_structure(function, *args):
    """Call `lax.cond` or `lax.switch`; say in our words that branches must agree."""
    try:
        return function(*args)
    except TypeError as error:
        if "must have" not in str(error):
            raise
        raise ValueError(
            "Branches must return equal structures of tensors with equal shapes and dtypes.\n"
            f"Received: {str(error).splitlines()[0]}"
        ) from None


@op
def while_loop(cond, body, loop_vars, maximum_iterations=None):
    """Repeat `loop_vars = body(*loop_vars)` while `cond(*loop_vars)` holds.

    Args:
        cond: function of the loop variables that returns a boolean scalar.
        body: function of the loop variables that returns as many, of equal shapes and dtypes.
        loop_vars: tuple or list of tensors or structures of them; or one tensor.
        maximum_iterations: limit of the number of repetitions; None for no limit.

    Returns:
        The loop variables at the end, as they were given.

    Example:
        >>> int(kerata.ops.while_loop(lambda i: i < 10, lambda i: i + 3, 0))
        12
    """
    _callable("cond", cond)
    _callable("body", body)
    is_sequence = isinstance(loop_vars, list | tuple)
    values = jax.tree.map(array, tuple(loop_vars) if is_sequence else (loop_vars,))

    def one_round(*variables):
        found = body(*variables)
        return tuple(found) if isinstance(found, list | tuple) and is_sequence else (found,)

    (goes_on, step), state = lift([cond, one_round], *values)

    def condition(carry):
        count, variables, loop = carry
        (more, _) = goes_on(variables, *loop)
        more = _scalar("cond", jnp.squeeze(more)).astype(bool)
        return more if maximum_iterations is None else more & (count < maximum_iterations)

    def advance(carry):
        count, variables, loop = carry
        loop, variables = step(variables, *loop)
        return count + 1, variables, loop

    _, variables, values = lax.while_loop(condition, advance, (0, state.values(), values))
    state.assign(variables)
    return type(loop_vars)(values) if is_sequence else values[0]


@op
def fori_loop(lower, upper, body_fun, init_val):
    """Return the last `value` of `for i in range(lower, upper): value = body_fun(i, value)`.

    Args:
        lower: first index.
        upper: end of the indices.
        body_fun: function of an index and a value, that returns the next value.
        init_val: first value: a tensor or a structure of tensors.

    Example:
        >>> int(kerata.ops.fori_loop(0, 4, lambda i, total: total + i, 0))
        6
    """
    _callable("body_fun", body_fun)
    init_val = jax.tree.map(array, init_val)
    pure, state = lift(body_fun, array(lower), init_val)

    def advance(i, carry):
        value, variables = carry
        return pure(variables, i, value)

    value, variables = lax.fori_loop(lower, upper, advance, (init_val, state.values()))
    state.assign(variables)
    return value


@op
def scan(f, init, xs=None, length=None, reverse=False, unroll=1):
    """Go through the elements of `xs` with a running value, and collect results.

    Args:
        f: function `(carry, x)` that returns `(carry, y)`; the carry keeps its shape and dtype.
        init: first carry: a tensor or a structure of tensors.
        xs: tensor, or structure of tensors, whose first axis is gone through; or None.
        length: number of steps; needed if `xs` is None.
        reverse: whether to go backwards.
        unroll: steps to compile into one round of the loop; True for all.

    Returns:
        `(carry, ys)`: the last carry, and the `y`s stacked along a new first axis.

    Example:
        >>> kerata.ops.scan(lambda total, x: (total + x, total * x), 0, [1, 2, 3])
        (Array(6, dtype=int32), Array([0, 2, 9], dtype=int32))
    """
    _callable("f", f)
    if not isinstance(unroll, bool) and (not is_int(unroll) or unroll < 1):
        raise ValueError(f"`unroll` must be a positive integer or a bool.\nReceived: {unroll=}")
    if xs is None and length is None:
        raise ValueError("One of `xs` and `length` must be given.\nReceived: both None")
    init, xs = jax.tree.map(array, init), _array_leaves(xs)
    lengths = {x.shape[0] if x.ndim else None for x in jax.tree.leaves(xs)} | (
        set() if length is None else {int(length)}
    )
    if len(lengths) != 1 or None in lengths:
        raise ValueError(
            "The tensors of `xs` must have a first axis of equal length, which is also `length`.\n"
            f"Received: lengths {sorted(lengths, key=str)}"
        )
    pure, state = lift(f, init, jax.tree.map(_element, xs))

    def step(carry, x):
        (carry, y), variables = pure(carry[1], carry[0], x)
        return (carry, variables), y

    start = (init, state.values())
    (carry, variables), ys = lax.scan(step, start, xs, length, reverse, unroll)
    state.assign(variables)
    return carry, ys


def _array_leaves(xs):
    """Return a structure with arrays for leaves; a list of plain numbers is one array."""
    if isinstance(xs, list | tuple) and all(isinstance(x, int | float) for x in xs):
        return array(xs)
    return jax.tree.map(array, xs)


def _element(x):
    """Return a description of one element along the first axis."""
    return jax.ShapeDtypeStruct(x.shape[1:], x.dtype)


@op
def associative_scan(f, elems, reverse=False, axis=0):
    """Return the running results of an associative function, computed in parallel.

    Args:
        f: function of two elements (structures like `elems`, of any length along `axis`) with
            `f(f(a, b), c) == f(a, f(b, c))`.
        elems: tensor, or structure of tensors of equal length along `axis`.
        reverse: whether to begin at the end.
        axis: axis to go along.

    Example:
        >>> kerata.ops.associative_scan(kerata.ops.add, [1, 2, 3, 4])
        Array([ 1,  3,  6, 10], dtype=int32)
    """
    _callable("f", f)
    elems = _array_leaves(elems)
    lengths = {x.shape[axis] if x.ndim else None for x in jax.tree.leaves(elems)}
    if len(lengths) != 1 or None in lengths:
        raise ValueError(
            "The tensors of `elems` must have equal lengths along the axis.\n"
            f"Received: lengths {sorted(lengths, key=str)} along axis {axis}"
        )
    return lax.associative_scan(f, elems, reverse, axis)


@op
def map(f, xs):
    """Apply `f` to each element of `xs` along the first axis, one after the other.

    Args:
        f: function of one element (a structure like `xs`, without the first axis).
        xs: tensor, or structure of tensors of equal lengths.

    Returns:
        The results, stacked along a new first axis.

    Example:
        >>> kerata.ops.map(lambda x: x * x, kerata.ops.arange(4))
        Array([0, 1, 4, 9], dtype=int32)
    """
    _callable("f", f)
    return scan(lambda carry, x: (carry, f(x)), (), xs)[1]


@op
def vectorized_map(function, elements):
    """Apply `function` to each element along the first axis, all at once.

    Args:
        function: function of one element (a structure like `elements`, without the first axis).
            It may read Variables; what it assigns must not depend on the element.
        elements: tensor, or structure of tensors of equal lengths.

    Returns:
        The results, stacked along a new first axis.

    Example:
        >>> kerata.ops.vectorized_map(lambda row: row.sum(), kerata.ops.ones((2, 3)))
        Array([3., 3.], dtype=float32)
    """
    _callable("function", function)
    return transforms.vectorized_map(function, _array_leaves(elements))


def vectorize(pyfunc, *, excluded=None, signature=None):
    """Make a function of single numbers (or small tensors) work on tensors, with broadcasting.

    Args:
        pyfunc: traceable function.
        excluded: positions and names of arguments that are passed as they are.
        signature: shapes of what the function takes and returns, as in "(n,m),(m)->(n)"; None for
            scalars.

    Returns:
        The vectorized function.

    Example:
        >>> kerata.ops.vectorize(kerata.ops.subtract)([3, 4], 1)
        Array([2, 3], dtype=int32)
    """
    _callable("pyfunc", pyfunc)
    return op(jnp.vectorize(pyfunc, excluded=excluded or (), signature=signature))
