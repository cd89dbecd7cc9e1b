"""Learning rates as functions of the step."""

import math

import jax.numpy as jnp

from kerata.engine.configurable import (
    Configurable,
    deserialize as _deserialize,
    publish,
    serialize as _serialize,
)
from kerata.engine.errors import argument_error


class LearningRateSchedule(Configurable):
    """Base of schedules: pure functions from the step to the learning rate.

    Subclasses write `__call__(step)`.

    Example:
        >>> class Halving(kerata.optimizers.schedules.LearningRateSchedule):
        ...     def __call__(self, step):
        ...         return 0.1 * 0.5 ** kerata.ops.cast(step, "float32")
        >>> float(kerata.optimizers.SGD(Halving()).learning_rate)
        0.10000000149011612
    """

    def __call__(self, step):
        """Return the learning rate.

        Args:
            step: integer scalar, the number of steps taken before.
        """
        raise NotImplementedError(
            f"Learning rate schedule {type(self).__name__!r} must override `__call__(self, step)`."
        )

    def _start(self, step):
        """Return the initial learning rate as an array, and the step as one of its dtype."""
        rate = jnp.asarray(self.initial_learning_rate, float)  # type: ignore[attr-defined]
        return rate, jnp.asarray(step).astype(rate.dtype)

    def _positive(self, *names) -> None:
        rate = self.initial_learning_rate  # type: ignore[attr-defined]
        if isinstance(rate, str) or rate != rate:
            raise argument_error("initial_learning_rate", "be a number", rate, self)
        for name in names:
            if not getattr(self, name) > 0:
                raise argument_error(name, "be > 0", getattr(self, name), self)


class ExponentialDecay(LearningRateSchedule):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps in which the rate falls by the factor `decay_rate`; positive.
        decay_rate: that factor.
        staircase: whether `step / decay_steps` is rounded down, so that the rate falls in stairs.
        name: name of the schedule.

    Raises:
        ValueError: if `decay_steps` is not positive.

    Example:
        >>> schedule = kerata.optimizers.schedules.ExponentialDecay(1.0, 2, 0.25)
        >>> [float(schedule(step)) for step in range(3)]
        [1.0, 0.5, 0.25]
    """

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        decay_rate,
        staircase=False,
        name="ExponentialDecay",
    ):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name
        self._positive("decay_steps")

    def _periods(self, step):
        return jnp.floor(step / self.decay_steps) if self.staircase else step / self.decay_steps

    def __call__(self, step):
        rate, step = self._start(step)
        return rate * jnp.power(self.decay_rate, self._periods(step))


class InverseTimeDecay(ExponentialDecay):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: the unit of time, in steps; positive.
        decay_rate: how fast the divisor grows.
        staircase: whether `step / decay_steps` is rounded down.
        name: name of the schedule.

    Raises:
        ValueError: if `decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        decay_rate,
        staircase=False,
        name="InverseTimeDecay",
    ):
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)

    def __call__(self, step):
        rate, step = self._start(step)
        return rate / (1 + self.decay_rate * self._periods(step))


class PiecewiseConstantDecay(LearningRateSchedule):
    """One rate up to a first step (inclusive), another up to a second, and so on.

    Args:
        boundaries: steps at which the rate changes, increasing.
        values: the rates, one more than `boundaries`.
        name: name of the schedule.

    Raises:
        ValueError: if the lengths do not fit, or the boundaries do not increase.

    Example:
        >>> schedule = kerata.optimizers.schedules.PiecewiseConstantDecay([1, 3], [1.0, 0.5, 0.25])
        >>> [float(schedule(step)) for step in range(5)]
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, boundaries, values, name="PiecewiseConstant"):
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "PiecewiseConstantDecay needs one value more than boundaries.\n"
                f"Received: boundaries={boundaries} of length {len(boundaries)}, and "
                f"values={values} of length {len(values)}"
            )
        if list(boundaries) != sorted(boundaries):
            raise argument_error("boundaries", "increase", boundaries, self)
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def __call__(self, step):
        place = jnp.searchsorted(jnp.asarray(self.boundaries), jnp.asarray(step), side="left")
        return jnp.asarray(self.values, float)[place]


class PolynomialDecay(LearningRateSchedule):
    """From one rate to another along a polynomial, then constant (or in cycles).

    Within `decay_steps` the rate is `(initial_learning_rate - end_learning_rate) *
    (1 - step / decay_steps) ** power + end_learning_rate`.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps to the end rate; positive.
        end_learning_rate: the rate at the end.
        power: exponent; 1 for a straight line.
        cycle: whether to start again from above, over the least multiple of `decay_steps` that
            holds the step, each time the end is reached.
        name: name of the schedule.

    Raises:
        ValueError: if `decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        end_learning_rate=0.0001,
        power=1.0,
        cycle=False,
        name="PolynomialDecay",
    ):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name
        self._positive("decay_steps")

    def __call__(self, step):
        rate, step = self._start(step)
        length = jnp.asarray(self.decay_steps, rate.dtype)
        if self.cycle:
            length = length * jnp.maximum(jnp.ceil(step / length), 1)
        left = 1 - jnp.minimum(step, length) / length
        return (rate - self.end_learning_rate) * left**self.power + self.end_learning_rate


class CosineDecay(LearningRateSchedule):
    """Half a cosine from one rate to a fraction of it, after a linear warm-up if wanted.

    Loshchilov & Hutter, 2016.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps of the decay, after the warm-up; positive.
        alpha: the rate at the end, as a fraction of that at the start of the decay.
        name: name of the schedule.
        warmup_target: the rate that the warm-up leads to; None for no warm-up.
        warmup_steps: steps of the warm-up.

    Raises:
        ValueError: if `decay_steps` is not positive.

    Example:
        >>> schedule = kerata.optimizers.schedules.CosineDecay(
        ...     0.0, 2, warmup_target=1.0, warmup_steps=4)
        >>> [round(float(schedule(step)), 2) for step in range(7)]
        [0.0, 0.25, 0.5, 0.75, 1.0, 0.5, 0.0]
    """

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        alpha=0.0,
        name="CosineDecay",
        warmup_target=None,
        warmup_steps=0,
    ):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps
        self._positive("decay_steps")

    def __call__(self, step):
        start, step = self._start(step)
        warm = self.warmup_steps if self.warmup_target is not None else 0
        top = start if self.warmup_target is None else jnp.asarray(self.warmup_target, float)
        done = jnp.minimum(step - warm, self.decay_steps) / self.decay_steps
        cosine = (1 + jnp.cos(math.pi * done)) / 2
        rate = top * ((1 - self.alpha) * cosine + self.alpha)
        if not warm:
            return rate
        return jnp.where(step < warm, start + (top - start) * step / warm, rate)


class CosineDecayRestarts(LearningRateSchedule):
    """Half a cosine again and again, each one longer and lower (SGDR: Loshchilov & Hutter, 2016).

    Args:
        initial_learning_rate: the rate at step 0.
        first_decay_steps: steps of the first decay; positive.
        t_mul: each decay is this many times as long as the one before.
        m_mul: each decay starts from this many times the rate of the one before.
        alpha: the lowest rate, as a fraction of the initial one.
        name: name of the schedule.

    Raises:
        ValueError: if `first_decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate,
        first_decay_steps,
        t_mul=2.0,
        m_mul=1.0,
        alpha=0.0,
        name="SGDRDecay",
    ):
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name
        self._positive("first_decay_steps")

    def __call__(self, step):
        rate, step = self._start(step)
        time = step / self.first_decay_steps
        if self.t_mul == 1.0:
            restarts = jnp.floor(time)
            done = time - restarts
        else:
            # Before restart number n, (1 - t_mul**n) / (1 - t_mul) first periods have passed.
            restarts = jnp.floor(jnp.log(1 - time * (1 - self.t_mul)) / math.log(self.t_mul))
            growth = self.t_mul**restarts
            done = (time - (1 - growth) / (1 - self.t_mul)) / growth
        cosine = self.m_mul**restarts * (1 + jnp.cos(math.pi * done)) / 2
        return rate * ((1 - self.alpha) * cosine + self.alpha)


def serialize(learning_rate_schedule):
    """Return the config dict of a schedule."""
    return _serialize(learning_rate_schedule)


def deserialize(config, custom_objects=None):
    """Return the schedule that `serialize` wrote as `config`.

    Args:
        config: dict.
        custom_objects: dict from names to classes of yours.
    """
    return _deserialize(config, custom_objects=custom_objects)


publish(globals())
