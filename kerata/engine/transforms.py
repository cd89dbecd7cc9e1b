"""JAX's transformations for functions that read and assign Variables.

Each is the same idea: run the function in a `Scope`, so that what it assigns is caught there; give
JAX a pure function whose extra outputs are the new values; assign these outside afterwards.
"""

import copy
import functools
import inspect
import sys
import threading
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine import placement, scopes
from kerata.engine.errors import KerataError, StateError, described, reword, short
from kerata.engine.results import Differentiated, check_results, is_dynamic, scalar
from kerata.engine.scopes import Scope
from kerata.engine.variable import Variable

exchanging = threading.RLock()
# The objects that keep programs, and with them variables, in `_programs`.
program_holders: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
# How often a program may be traced again because it met variables that it had not met before.
_MOST_ROUNDS = 20


def _split(tree) -> tuple[list, Callable]:
    """Return the dynamic leaves of `tree`, and a function that puts other ones in their place."""
    leaves, treedef = jax.tree_util.tree_flatten(tree)
    places = [i for i, leaf in enumerate(leaves) if is_dynamic(leaf)]
    # The arrays themselves must not live as long as what is made of them.
    static = [None if is_dynamic(leaf) else leaf for leaf in leaves]

    def rebuild(dynamic):
        full = list(static)
        for i, leaf in zip(places, dynamic, strict=True):
            full[i] = leaf
        return jax.tree_util.tree_unflatten(treedef, full)

    return [leaves[i] for i in places], rebuild


def _values(tree):
    """Return `tree` with the values of Variables in their place."""
    return jax.tree_util.tree_map(lambda x: x.value if isinstance(x, Variable) else x, tree)


class _Static:
    """Holds an argument out of JAX's sight; equal if the argument is."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return hash(self.value)

    def __eq__(self, other):
        same = type(other) is _Static and self.value == other.value
        return same and _types(self.value) == _types(other.value)


def _types(value):
    """The types in a value: 1, 1.0 and True are equal, but not the same program."""
    return tuple(map(_types, value)) if isinstance(value, tuple) else type(value)


class _MoreVariables(Exception):
    """A retrace met variables that earlier traces had not."""


class _Discovery(Scope):
    """A scope that only watches: what it reads below is not kept by anyone."""

    def read(self, variable):
        if self.outer is None and id(variable) not in self.values:
            self.reads[id(variable)] = variable
            return variable._array
        return super().read(variable)


def _discover(fn: Callable, dynamic: list) -> tuple[list, list]:
    """Trace `fn(dynamic)` abstractly; return the variables it only reads, and those it writes."""
    found: Any = None

    def traced(leaves):
        nonlocal found
        with _Discovery() as found:
            fn(leaves)

    jax.eval_shape(traced, dynamic)
    written = [variable for variable, _ in found.writes.values()]
    read = [v for key, v in found.reads.items() if key not in found.writes]
    return read, written


class _Program:
    """One compiled form of a function: fixed tree, static arguments and variables."""

    def __init__(self, owner, rebuild, dynamic):
        self.owner = owner
        self.rebuild = rebuild
        if owner._likely is None:
            self.read, self.written = _discover(self._call, dynamic)
        else:
            # A good guess saves the trace that finds out; a bad one costs a second.
            read, written = owner._likely()
            self.written = list(written)
            self.read = list(_others(read, written))
        self._compile()

    def _call(self, leaves):
        args, kwargs = self.rebuild(leaves)
        return self.owner._function(*args, **kwargs)

    def _compile(self):
        donate = (0,) if self.owner._donate else ()
        self._jitted = jax.jit(self._pure, donate_argnums=donate)
        self._fresh = True
        self._shared: list = []

    def _pure(self, written_values, read_values, leaves):
        pairs = [*zip(self.written, written_values), *zip(self.read, read_values)]
        with Scope(pairs) as scope:
            outputs = _values(self._call(leaves))
        check_results(outputs, self.owner.__name__)
        reads = list(scope.reads.values())
        writes = list(_others((v for v, _ in scope.writes.values()), self.written))
        if reads or writes:
            self.written += writes
            self.read = list(_others((*self.read, *reads), self.written))
            raise _MoreVariables
        self.owner.compilations += 1
        self._fresh = True
        return outputs, [placement.put(scope.values[id(v)], v._layout) for v in self.written]

    def run(self, leaves):
        # One thread at a time takes the arrays of variables away and puts new ones in their place.
        with exchanging:
            return self._run(leaves)

    def _run(self, leaves):
        for _ in range(_MOST_ROUNDS):
            written = [v._array_to_donate() for v in self.written]
            read = [v._array for v in self.read]
            try:
                outputs, new = self._jitted(written, read, leaves)
            except _MoreVariables:
                self._compile()
                continue
            except Exception as error:
                lost = [v.path for v in self.written if v._array.is_deleted()]
                if lost:
                    error.add_note(
                        f"The program failed while it ran; the values of {', '.join(lost)} are "
                        "lost with it.\nLoad them from a file, or compile with jit(donate=False)."
                    )
                raise
            break
        else:
            raise StateError(
                f"{self.owner.__name__!r} makes new variables each time that it is traced.\n"
                "Make them once: outside, or under `if` on whether they are there; a layer that is "
                "made in `call` belongs in `__init__`."
            )
        for variable, value in zip(self.written, new):
            if isinstance(value, jax.core.Tracer):  # inside a plain JAX transformation
                variable._set(value)  # says so
            variable._array = value
            variable._lent = False
        if self._fresh:
            self._find_shared(leaves, outputs)
        for variable in self._shared:
            variable._lent = True
        return outputs

    def _find_shared(self, leaves, outputs):
        """Note the variables whose buffers somebody else got hold of through this program.

        XLA and JAX may return an input, or one result twice, without a copy. Which ones is fixed
        when a program is compiled.
        """
        self._fresh = False
        held = [_buffer(x) for x in jax.tree_util.tree_leaves((leaves, outputs))]
        buffers = [(v, _buffer(v._array)) for v in (*self.written, *self.read)]
        count: dict = {}
        for key in held + [key for _, key in buffers]:
            count[key] = count.get(key, 0) + 1
        self._shared = [*{id(v): v for v in self._shared + [
            v for v, key in buffers if count[key] > 1]}.values()]  # fmt: skip


def _others(variables, known):
    """Yield those of `variables` that are not among `known` (`in` would compare values)."""
    ids = {id(v) for v in known}
    return (v for v in variables if id(v) not in ids)


def _buffer(x):
    try:
        return x.addressable_data(0).unsafe_buffer_pointer()
    except Exception:  # NumPy arrays, numbers
        return id(x)


class CompiledFunction:
    """What `jit` returns: call it like the function.

    Attributes:
        compilations: how many times a program was compiled for it so far. A number that grows
            with every call says that an argument changes which is part of the program: a shape, a
            string, a bool, a function made anew.
    """

    def __init__(self, function, static_argnames=(), donate=True, likely=None):
        self.__name__ = type(function).__name__  # of what is called but has no name, as a layer
        functools.update_wrapper(self, function)
        self._likely = likely
        self._function = function
        self._donate = donate
        self._static = _names(static_argnames)
        self._signature = inspect.signature(function) if self._static else None
        self._programs: dict = {}
        self.compilations = 0
        program_holders[id(self)] = self

    def __call__(self, *args, **kwargs):
        if scopes.current_scope() is not None:
            return self._function(*args, **kwargs)
        if self._static:
            args, kwargs = self._hide_static(args, kwargs)
        leaves, treedef = jax.tree_util.tree_flatten((args, kwargs))
        dynamic, static = [], []
        for leaf in leaves:
            if is_dynamic(leaf):
                if isinstance(leaf, jax.core.Tracer):
                    return self._function(*_shown(args), **_shown(kwargs))
                dynamic.append(leaf)
                static.append(None)
            else:
                static.append((type(leaf), leaf))
        key = (treedef, tuple(static), scopes.ambient())
        try:
            program = self._programs.get(key)
        except TypeError as error:
            raise TypeError(
                f"An argument of the compiled function {self.__name__!r} that is no array must be "
                f"hashable: it becomes part of the program.\nReceived: {error}"
            ) from error
        try:
            if program is None:
                _, rebuild = _split((args, kwargs))
                program = _Program(self, lambda leaves: _shown(rebuild(leaves)), dynamic)
                self._programs[key] = program
            return program.run(dynamic)
        except Exception as error:
            reword(error)
            raise

    def _hide_static(self, args, kwargs):
        bound = self._signature.bind(*args, **kwargs)
        bound.arguments.update(
            {k: _Static(v) for k, v in bound.arguments.items() if k in self._static}
        )
        return bound.args, bound.kwargs

    def __get__(self, instance, owner=None):
        """Make a method of a compiled function: each instance compiles its own."""
        if instance is None:
            return self
        cache = vars(instance).setdefault("_compiled_methods", {})
        if self not in cache:  # not by name: an overridden method may call its parent's
            bound = self._function.__get__(instance, owner)
            cache[self] = CompiledFunction(bound, self._static, self._donate)
        return cache[self]

    def __deepcopy__(self, memo):
        function = self._function
        if isinstance(function, types.MethodType):
            function = types.MethodType(function.__func__, copy.deepcopy(function.__self__, memo))
        return CompiledFunction(function, self._static, self._donate)

    def __reduce__(self):
        module = sys.modules.get(self.__module__)
        if getattr(module, self.__qualname__, None) is self:
            return self.__qualname__  # the name stands for it, as for a plain function
        return CompiledFunction, (self._function, self._static, self._donate)

    def __repr__(self):
        return f"<compiled {self.__name__}, compilations={self.compilations}>"


def forget_programs() -> None:
    """Drop all programs: they hold variables that have been replaced."""
    for reference in program_holders.valuerefs():
        holder = reference()
        if holder is not None:
            holder._programs.clear()


def _names(names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _shown(tree):
    return jax.tree_util.tree_map(lambda x: x.value if type(x) is _Static else x, tree)


def jit(
    fn: Callable | None = None,
    *,
    static_argnames=(),
    donate: bool = True,
    likely: Callable[[], tuple[Sequence, Sequence]] | None = None,
):
    """Compile a function that may read and assign Variables.

    The function is traced when it is first called, and again when the shape or dtype of an array
    changes, or an argument that is part of the program: a bool, a string, None, any object that is
    no number or array. Variables that it reads and assigns, also inside the layers, optimizers,
    metrics and random generators it uses, become inputs and outputs of the program, and their
    memory is reused for the new values. Inside another transformation it just runs.

    Args:
        fn: the function. It must do its work with arrays; its Python side effects happen only
            while it is traced (at the first call, once or twice).
        static_argnames: names of arguments that are part of the program even if they are numbers.
        donate: whether the memory of assigned variables is reused. Arrays that you hold are never
            lost: a value that was handed out is copied first. Should a program fail while it runs
            (not while it is traced), what it was to replace is lost, and reading it says so.
        likely: function that returns the variables that will probably be read, and those that will
            be assigned, where this is known: it saves tracing the function once to find out.

    Returns:
        A `CompiledFunction`; its `compilations` says how often it was compiled.

    Example:
        >>> counter = kerata.Variable(0)
        >>> @kerata.jit
        ... def count(n):
        ...     return counter.assign_add(n)
        >>> int(count(2)), int(count(3)), counter.numpy().item(), count.compilations
        (2, 5, 5, 1)
    """
    if fn is None:
        return functools.partial(jit, static_argnames=static_argnames, donate=donate, likely=likely)
    if not callable(fn):
        raise TypeError(f"jit() compiles functions.\nReceived: {fn!r}")
    return CompiledFunction(fn, static_argnames, donate, likely)


def value_and_grad(
    fn: Callable,
    variables: Sequence | None = None,
    *,
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
) -> Callable:
    """Return a function that computes `fn` and its gradients.

    Args:
        fn: function that returns a scalar, or (scalar, anything) with `has_aux`. It may read and
            assign Variables.
        variables: nested structure of Variables to differentiate for.
        argnums: positions of arguments to differentiate for, an integer or a sequence. If neither
            is given, it is 0.
        has_aux: whether `fn` returns something besides the scalar.

    Returns:
        A function of `fn`'s arguments that returns (what `fn` returns, gradients). The gradients
        are structured like `variables`, or like the arguments; with both, they are a pair
        (variables', arguments').

    Raises:
        TypeError: if `variables` holds something else than Variables of floating type.

    Example:
        >>> w = kerata.Variable([1.0, 2.0])
        >>> kerata.value_and_grad(lambda x: (w * x).sum(), [w])(jax.numpy.array([3.0, 4.0]))
        (Array(11., dtype=float32), [Array([3., 4.], dtype=float32)])
    """
    if not callable(fn):
        raise TypeError(
            "Only functions have gradients: value_and_grad(lambda: ..., variables)()\n"
            f"Received: {short(fn)}"
            + ("\nThe function comes first, then the variables." if callable(variables) else "")
        )
    if variables is None and argnums is None:
        argnums = 0
    if isinstance(variables, Variable):
        chosen, structure = [variables], None
    else:
        is_leaf = lambda x: isinstance(x, Variable)  # noqa: E731
        chosen, structure = jax.tree_util.tree_flatten(variables, is_leaf=is_leaf)
    distinct = list({id(v): v for v in chosen}.values())
    for v in chosen:
        if not isinstance(v, Variable) or not jnp.issubdtype(v._dtype, jnp.inexact):
            hint = "For arguments of the function give their positions: argnums=0."
            if isinstance(v, Variable) or hasattr(v, "trainable_variables"):
                hint = "Give those that are trained: model.trainable_variables."
            raise TypeError(
                "`variables` must hold Variables of floating type (others have no gradient).\n"
                f"Received: {short(v) if isinstance(v, Variable) else described(v)}\n{hint}"
            )
    positions = (argnums,) if isinstance(argnums, (int, np.integer)) else tuple(argnums or ())

    @functools.wraps(fn)
    def wrapped(*args, **kwargs):
        caught = None
        if not all(-len(args) <= i < len(args) for i in positions):
            raise TypeError(
                "value_and_grad() and grad() must know what to differentiate for.\n"
                f"Received: argnums={argnums}, in a call with {len(args)} arguments by position\n"
                "Give the Variables: value_and_grad(fn, variables)."
            )

        def pure(values, chosen_args):
            nonlocal caught
            full = list(args)
            for i, value in zip(positions, chosen_args, strict=True):
                full[i] = value
            with Scope(zip(distinct, values)) as caught:
                result = _values(fn(*full, **kwargs))
                loss, aux = result if has_aux else (result, None)
                loss = scalar(loss, fn)
            return loss, (aux, [value for _, value in caught.writes.values()])

        try:
            (loss, (aux, new)), (grads, arg_grads) = jax.value_and_grad(
                pure, argnums=(0, 1), has_aux=True
            )([v._uncast() for v in distinct], _values([args[i] for i in positions]))
        except Exception as error:
            reword(error)
            raise
        caught.carry_out(new)
        of = {id(v): g for v, g in zip(distinct, grads)}
        grads = [of[id(v)] for v in chosen]
        by_variable = grads[0] if structure is None and chosen else None
        if structure is not None and variables is not None:
            by_variable = jax.tree_util.tree_unflatten(structure, grads)
        by_argument = arg_grads[0] if isinstance(argnums, (int, np.integer)) else tuple(arg_grads)
        found = (
            by_variable
            if argnums is None
            else by_argument
            if variables is None
            else (by_variable, by_argument)
        )
        return ((loss, aux) if has_aux else loss), found

    return Differentiated(wrapped)


def grad(fn: Callable, variables=None, *, argnums=None, has_aux: bool = False) -> Callable:
    """Return a function that computes the gradients of `fn`: see `value_and_grad`.

    Returns:
        A function that returns the gradients, or (gradients, aux) with `has_aux`.

    Example:
        >>> kerata.grad(lambda x: x**2)(3.0)
        Array(6., dtype=float32, weak_type=True)
    """
    both = value_and_grad(fn, variables, argnums=argnums, has_aux=has_aux)

    @functools.wraps(fn)
    def wrapped(*args, **kwargs):
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return Differentiated(wrapped)


def _carried(transform: Callable) -> Callable:
    """Make a transformation of pure functions of a list of arrays one of stateful functions."""

    def transformed(fn):
        @functools.wraps(fn)
        def wrapped(*args, **kwargs):
            dynamic, rebuild = _split((args, kwargs))
            caught = None

            def pure(leaves):
                nonlocal caught
                inner_args, inner_kwargs = rebuild(leaves)
                with Scope() as caught:
                    outputs = _values(fn(*inner_args, **inner_kwargs))
                return outputs, [value for _, value in caught.writes.values()]

            try:
                outputs, new = transform(pure)(dynamic)
            except Exception as error:
                reword(error)
                raise
            caught.carry_out(new)
            return outputs

        return wrapped

    return transformed


def remat(f: Callable) -> Callable:
    """Return `f` with its intermediate results computed again for the gradient, not kept.

    Saves memory for time (Chen et al., 2016).

    Args:
        f: function that may read and assign Variables.
    """
    return _carried(jax.checkpoint)(f)


def vectorized_map(function: Callable, elements):
    """Apply `function` to each element along the first axis, all at once.

    Args:
        function: function of one element (a structure like `elements`, without the first axis).
            It may read Variables; what it assigns must not depend on the element.
        elements: array or structure of arrays with a common first axis.

    Returns:
        What `function` returns, with the first axis in front.
    """

    def mapped(pure):
        return jax.vmap(pure, out_axes=(0, None))

    try:
        return _carried(mapped)(function)(elements)
    except ValueError as error:
        if "out_axes" not in str(error):
            raise
        raise KerataError(
            "A function given to vectorized_map() assigned values to a variable that differ from "
            "element to element.\nReturn them instead, and assign the result outside."
        ) from error


class Lifted:
    """The variables that some functions read or assign: state to carry through control flow.

    Attributes:
        variables: the variables, those that are assigned first.
        written: the variables that are assigned.
    """

    def __init__(self, functions: Sequence[Callable], args: Sequence):
        read, written = _discover(lambda leaves: [f(*leaves) for f in functions], list(args))
        self.written = written
        self.variables = [*written, *read]

    def values(self) -> list:
        """Return the current values of the assigned variables."""
        return [v._uncast() for v in self.written]

    def pure(self, fn: Callable) -> Callable:
        """Return `pure(values, *args) -> (fn(*args), new values)`."""

        def pure(values, *args):
            with Scope(zip(self.written, values)) as scope:
                outputs = _values(fn(*args))
            return outputs, [scope.values[id(v)] for v in self.written]

        return pure

    def assign(self, values) -> None:
        """Assign new values to the assigned variables."""
        for variable, value in zip(self.written, values, strict=True):
            variable._set(value)


def lift(functions: Callable | Sequence[Callable], *example_args):
    """Find the variables that functions read and assign, for use with `lax` control flow.

    Args:
        functions: a function, or several that take the same arguments.
        *example_args: arguments (arrays or structures of arrays) to trace them with.

    Returns:
        (pure, state): `pure(values, *args)` returns (outputs, new values); `state` is a `Lifted`.
        With several functions `pure` is a list.
    """
    several = not callable(functions)
    chosen: list = [functions] if callable(functions) else list(functions)
    state = Lifted(chosen, example_args)
    pure = [state.pure(f) for f in chosen]
    return (pure if several else pure[0]), state
