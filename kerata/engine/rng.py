"""Random state: seeds as Variables, so that compiled functions advance them."""

import contextlib
import random as python_random
import threading
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine import naming
from kerata.engine.configurable import Configurable
from kerata.engine.variable import Variable

_global = threading.local()


class _Position(Variable):
    """A generator's position; where `ElementSeeds` is active, the one that it has there.

    So it is for compiled functions, too, which read and replace the arrays of variables.
    """

    generator: "SeedGenerator | None" = None  # none yet while it is made

    @property
    def _array(self):
        element = self.generator and getattr(_global, "element", None)
        return element.position(self) if element else self._own

    @_array.setter
    def _array(self, value):
        element = self.generator and getattr(_global, "element", None)
        if element:
            element.move(self, value)
        else:
            self._own = value

    def __deepcopy__(self, memo):
        twin = super().__deepcopy__(memo)
        twin._own = self._own.copy()
        return twin


class SeedGenerator(Configurable):
    """A stream of random seeds; its position is a Variable.

    Args:
        seed: integer that fixes the stream; drawn from Python's `random` if None.
        name: name of the generator.

    Raises:
        ValueError: if `seed` is not an integer.

    Example:
        >>> seeds = kerata.random.SeedGenerator(7)
        >>> seeds.next(), seeds.next()
        (Array([7, 0], dtype=uint32), Array([7, 1], dtype=uint32))
    """

    is_global = False

    def __init__(self, seed=None, name=None, **kwargs):
        if kwargs:
            raise ValueError(f"Unknown arguments of SeedGenerator: {sorted(kwargs)}")
        if seed is None:
            seed = make_default_seed()
        if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
            raise ValueError(f"`seed` must be an integer or None.\nReceived: seed={seed!r}")
        self.name = name or naming.auto_name("SeedGenerator")
        self.seed = int(seed)
        self.state = _Position(
            np.array([self.seed & 0xFFFFFFFF, 0], "uint32"),
            trainable=False,
            aggregation="none",
            name="seed_generator_state",
        )
        self.state.generator = self

    def next(self, ordered: bool = True) -> jax.Array:
        """Return the next seed, uint32 of shape (2,), and advance."""
        seed = self.state.value
        self.state.assign(seed + jnp.array([0, 1], "uint32"))
        return seed

    def get_config(self) -> dict:
        return {"seed": self.seed}


class ElementSeeds:
    """While the block runs, what this thread draws from generators follows from `key` as well.

    The generators themselves do not advance. So what is drawn for one element of a data set does
    not depend on which elements other threads have made before.

    Args:
        key: integers of at least 0.
        base: integer that stands for the seed of the thread's global generator.
    """

    def __init__(self, key: tuple[int, ...], base: int = 0):
        self.key = key
        self.base = base
        self._positions: dict[int, jax.Array] = {}

    def __enter__(self):
        self._outer = getattr(_global, "element", None)
        _global.element = self
        return self

    def __exit__(self, *exception):
        _global.element = self._outer

    def position(self, state: _Position) -> jax.Array:
        """Return where a generator stands for this key: at first, where the key says."""
        generator = state.generator
        assert generator is not None
        place = self._place(state)
        if place not in self._positions:
            seed = (self.base if generator.is_global else generator.seed) & 0xFFFFFFFF
            mixed = np.random.SeedSequence([seed, *self.key]).generate_state(1)[0]
            with jax.ensure_compile_time_eval():
                self._positions[place] = jnp.array([mixed, 0], "uint32")
        return self._positions[place]

    def move(self, state: _Position, position: jax.Array) -> None:
        """Note where a generator stands from now on."""
        self._positions[self._place(state)] = position

    def _place(self, state: _Position) -> int:
        assert state.generator is not None
        return 0 if state.generator.is_global else id(state)  # the global ones of threads are one


def make_default_seed() -> int:
    """Return a fresh seed from Python's random numbers."""
    return getattr(_global, "source", python_random).randint(1, int(1e9))


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Let this thread draw from streams of its own, so that the program's stand where they stood.

    They follow from the program's, and from how often this was done since it was seeded.
    """
    outer = getattr(_global, "source", None)
    count = _global.asides = getattr(_global, "asides", 0) + 1
    _global.source = python_random.Random(f"{hash(python_random.getstate()[1])} {count}")
    generator = _global.__dict__.pop("generator", None)
    try:
        yield
    finally:
        del _global.source
        _global.__dict__.pop("generator", None)
        if outer is not None:
            _global.source = outer
        if generator is not None:
            _global.generator = generator


def global_seed_generator() -> SeedGenerator:
    """Return the generator behind random functions that are given no seed, one for each thread."""
    if not hasattr(_global, "generator"):
        _global.generator = SeedGenerator(getattr(_global, "seed", None), name="global_seed")
        _global.generator.is_global = True
    return _global.generator


def global_seed() -> int | None:
    """Return the seed last given to `set_random_seed` in this thread, or None."""
    return getattr(_global, "seed", None)


def set_random_seed(seed: int) -> None:
    """Seed Python's, NumPy's and kerata's random numbers, for reproducible runs.

    Args:
        seed: integer in [0, 2**32 - 1].

    Raises:
        ValueError: if it is not.
    """
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise ValueError(
            f"`seed` must be an integer between 0 and 2**32 - 1.\nReceived: seed={seed!r}"
        )
    python_random.seed(int(seed))
    np.random.seed(int(seed))
    _global.seed = int(seed)
    _global.asides = 0
    _restart(int(seed))


def _restart(seed: int) -> None:
    # In place: compiled functions hold the generator's variable.
    if hasattr(_global, "generator"):
        _global.generator.seed = seed
        _global.generator.state.assign(np.array([seed & 0xFFFFFFFF, 0], "uint32"))


def reset() -> None:
    """Forget the seed: the global generator goes on from a fresh one."""
    _global.__dict__.pop("seed", None)
    _restart(make_default_seed())


def draw_seed(seed) -> jax.Array:
    """Return a key for `jax.random`: uint32 of shape (2,).

    Args:
        seed: an integer (the same key each time), a SeedGenerator (the next one), an array of two
            integers, or None for the global generator.

    Raises:
        ValueError: if it is something else.
    """
    if seed is None:
        return global_seed_generator().next(ordered=False)
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        return jnp.array([int(seed) & 0xFFFFFFFF, 0], "uint32")
    if hasattr(seed, "shape") and tuple(seed.shape) == (2,):
        return jnp.asarray(seed).astype("uint32")
    if hasattr(seed, "next") and callable(seed.next):
        return seed.next()
    raise ValueError(
        "`seed` must be an integer, a SeedGenerator, an array of two integers, or None.\n"
        f"Received: seed={seed!r} of type {type(seed).__name__}"
    )
