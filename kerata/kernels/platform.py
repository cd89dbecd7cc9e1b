"""Which formulations apply: asked when a function is traced, never when it runs."""

import contextlib
import contextvars
from collections.abc import Iterator

import jax

_forced: contextvars.ContextVar[str | None] = contextvars.ContextVar("platform", default=None)


def platform() -> str:
    """Return what to formulate for: "cpu", or "lax" where XLA's own lowerings are good.

    It follows `jax.default_device` if that is set, else the default backend. (A function placed on
    another device is still right there, only slower than it could be.)
    """
    forced = _forced.get()
    if forced is not None:
        return forced
    device = jax.config.jax_default_device
    if device is None:
        name = jax.default_backend()
    else:
        name = device if isinstance(device, str) else device.platform
    return "cpu" if name == "cpu" else "lax"


@contextlib.contextmanager
def using(name: str) -> Iterator[None]:
    """Force the formulations of "cpu" or of "lax" for what is traced inside; "auto" decides.

    A function that `jax.jit` has already compiled keeps what was chosen then.

    Example:
        >>> from kerata.kernels import platform, using
        >>> with using("lax"):
        ...     platform()
        'lax'
    """
    if name not in ("auto", "cpu", "lax"):
        raise ValueError(f"`name` must be 'auto', 'cpu' or 'lax'.\nReceived: name={name!r}")
    token = _forced.set(None if name == "auto" else name)
    try:
        yield
    finally:
        _forced.reset(token)
