"""What a Variable's value is while a function is traced.

A scope holds values for variables: reads find them there, assignments stay there. Scopes nest, a
read that the inner one cannot answer goes to the outer one, and, below all of them, to the
variable itself. Every transformation (`jit`, `grad`, `cond` …) is a scope around a call, whose
assignments it then carries outside. Since traced values live only in scopes, no exception can
leave one in a variable.
"""

import contextlib
import threading

import jax

from kerata.engine import settings


class _State(threading.local):
    def __init__(self):
        self.scopes: list[Scope] = []
        self.names: list[tuple[str, object]] = []  # name, and who opened the scope
        self.compute_dtype: list[str | None] = [None]


_state = _State()


class Scope:
    """Values of variables, by identity, while the `with` block runs in this thread.

    Args:
        values: dict from id to (variable, value), or pairs (variable, value).

    Attributes:
        reads: variables that were read but not held here: id -> Variable.
        writes: what was assigned: id -> (variable, value).
        losses: what layers added with `add_loss`: id of the layer -> list of (layer, tensor).
    """

    def __init__(self, values=()):
        self.values = {id(variable): value for variable, value in values}
        self.reads: dict = {}
        self.writes: dict = {}
        self.losses: dict = {}
        self.outer: Scope | None = None

    def __enter__(self):
        self.outer = current_scope()
        _state.scopes.append(self)
        return self

    def __exit__(self, *exception):
        _state.scopes.pop()

    def read(self, variable):
        """Return the value that `variable` has here."""
        key = id(variable)
        if key in self.values:
            return self.values[key]
        self.reads[key] = variable
        return variable._stored() if self.outer is None else self.outer.read(variable)

    def write(self, variable, value) -> None:
        """Set the value that `variable` has here."""
        key = id(variable)
        self.values[key] = value
        self.writes[key] = (variable, value)

    def carry_out(self, values=None) -> None:
        """Assign to the variables, outside of this scope, what was assigned to them in it.

        Args:
            values: values in the order of `writes`; those that were written if None.
        """
        pairs = list(self.writes.values())
        for (variable, value), new in zip(pairs, values or [v for _, v in pairs], strict=True):
            del value
            variable._set(new)


class StatelessScope(Scope):
    """Runs stateful code as a pure function of given values of variables.

    Args:
        state_mapping: pairs (variable, value) to start from.
        collect_losses: whether to keep what layers add with `add_loss` in `collected`.
        initialize_variables: accepted for compatibility: a variable that is made inside gets its
            initial value at once.

    Example:
        >>> v = kerata.Variable([1.0, 2.0])
        >>> with kerata.StatelessScope([(v, v + 10.0)]) as scope:
        ...     _ = v.assign_add([1.0, 1.0])
        >>> scope.get_current_value(v), v.value
        (Array([12., 13.], dtype=float32), Array([1., 2.], dtype=float32))
    """

    def __init__(self, state_mapping=None, collect_losses=False, initialize_variables=True):
        pairs = list(state_mapping or ())
        for pair in pairs:
            if not hasattr(pair[0], "_stored"):
                raise ValueError(
                    "`state_mapping` must hold pairs (variable, value).\n"
                    f"Received: {pair[0]!r} of type {type(pair[0]).__name__} as a variable"
                )
        super().__init__([(v, v._checked(value)) for v, value in pairs])
        self.collect_losses = collect_losses
        self.initialize_variables = initialize_variables
        self.collected: list = []

    def get_current_value(self, variable):
        """Return the value that `variable` has in this scope; None where it has none."""
        return self.values.get(id(variable))

    def add_update(self, update) -> None:
        """Assign a value: `update` is a pair (variable, value)."""
        self.write(*update)


class SymbolicScope:
    """Marks a block in which tensors are only symbolic; accepted for compatibility.

    kerata knows by the tensors themselves, so nothing depends on it.
    """

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


def current_scope() -> Scope | None:
    """Return the innermost scope of this thread, or None."""
    return _state.scopes[-1] if _state.scopes else None


def in_stateless_scope() -> bool:
    """Return whether this thread runs inside a `StatelessScope`."""
    return any(isinstance(scope, StatelessScope) for scope in _state.scopes)


def get_stateless_scope() -> StatelessScope | None:
    """Return the innermost `StatelessScope` of this thread, or None."""
    found = [scope for scope in _state.scopes if isinstance(scope, StatelessScope)]
    return found[-1] if found else None


@contextlib.contextmanager
def outside():
    """Run the block outside of every scope and trace: with real arrays, now.

    Variables made while a function is traced get their initial values so.
    """
    scopes, _state.scopes = _state.scopes, []
    try:
        with jax.ensure_compile_time_eval():
            yield
    finally:
        _state.scopes = scopes


class name_scope:
    """Puts a name in front of the paths of variables that are made in the `with` block.

    Args:
        name: a name without "/".
        caller: the object whose scope it is; a scope that it is in already is not opened again.
        deduplicate: whether that holds.
        override_parent: path to use in place of the enclosing one.

    Example:
        >>> with kerata.name_scope("encoder"):
        ...     kerata.Variable([0.0], name="scale").path
        'encoder/scale'
    """

    def __init__(self, name, caller=None, deduplicate=True, override_parent=None):
        if not isinstance(name, str) or "/" in name:
            raise ValueError(f"`name` must be a string without '/'.\nReceived: name={name!r}")
        self.name = name
        self.caller = caller
        self.deduplicate = deduplicate
        self.override_parent = override_parent

    def __enter__(self):
        self._outer = names = _state.names
        own = (self.name, self.caller)
        if self.override_parent is not None:
            parts = [p for p in self.override_parent.split("/") if p]
            _state.names = [*((part, None) for part in parts), own]
        elif not (self.deduplicate and self.caller is not None and names and names[-1] == own):
            _state.names = [*names, own]
        return self

    def __exit__(self, *exception):
        _state.names = self._outer


def current_path() -> str:
    """Return the names of the enclosing name scopes, joined by "/"."""
    return "/".join(name for name, _ in _state.names)


class AutocastScope:
    """Variables of floating type are read as `dtype` in the `with` block (None: as they are)."""

    def __init__(self, dtype: str | None):
        self.dtype = dtype

    def __enter__(self):
        _state.compute_dtype.append(self.dtype)
        return self

    def __exit__(self, *exception):
        _state.compute_dtype.pop()


# What else a traced function depends on without being told; rooms above add to it.
ambient_sources: list = [
    lambda: _state.compute_dtype[-1],
    settings.floatx,
    settings.image_data_format,
]


def ambient() -> tuple:
    """Return what a traced function depends on besides its arguments: part of its identity."""
    return tuple(source() for source in ambient_sources)


def innermost_owner():
    """Return the object that opened the innermost name scope, or None."""
    return _state.names[-1][1] if _state.names else None


def compute_dtype() -> str | None:
    """Return the dtype in which variables are read at the moment, or None."""
    return _state.compute_dtype[-1]
