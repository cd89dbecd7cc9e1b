"""Global defaults: float type, epsilon, image layout, logging and debugging switches.

A setting is process-wide: it is meant to be set once, at the top of a program.
"""

import dataclasses

from kerata.engine.errors import one_of

FLOAT_TYPES = ("float16", "bfloat16", "float32", "float64")
DATA_FORMATS = ("channels_last", "channels_first")


@dataclasses.dataclass
class _Settings:
    floatx: str = "float32"
    epsilon: float = 1e-7
    image_data_format: str = "channels_last"
    interactive_logging: bool = True
    traceback_filtering: bool = True
    flash_attention: bool | None = None
    max_epochs: int | None = None
    max_steps_per_epoch: int | None = None


_current = _Settings()


def snapshot() -> dict:
    """Return all settings as a dict; `restore` takes it back (tests do so)."""
    return dataclasses.asdict(_current)


def restore(saved: dict) -> None:
    """Put back the settings that `snapshot` returned."""
    for name, value in saved.items():
        setattr(_current, name, value)


def floatx() -> str:
    """Return the default float type, as a string ("float32").

    Example:
        >>> kerata.config.floatx()
        'float32'
    """
    return _current.floatx


def set_floatx(value: str) -> None:
    """Set the default float type: "bfloat16", "float16", "float32" or "float64".

    Raises:
        ValueError: if `value` is something else.
    """
    _current.floatx = one_of("value", str(value), FLOAT_TYPES, owner="set_floatx()")


def epsilon() -> float:
    """Return the small number that keeps divisions and logarithms finite."""
    return _current.epsilon


def set_epsilon(value: float) -> None:
    """Set the number that `epsilon()` returns."""
    _current.epsilon = value


def image_data_format() -> str:
    """Return the default layout of images: "channels_last" or "channels_first"."""
    return _current.image_data_format


def set_image_data_format(data_format: str) -> None:
    """Set the default layout of images.

    Raises:
        ValueError: if it is neither "channels_last" nor "channels_first".
    """
    _current.image_data_format = one_of("data_format", data_format, DATA_FORMATS)


def data_format(value: str | None, owner=None) -> str:
    """Return `value` checked and in lower case; the setting, where it is None."""
    if value is None:
        return _current.image_data_format
    known = value.lower() if isinstance(value, str) else value
    return one_of("data_format", known, DATA_FORMATS, owner=owner)


def backend() -> str:
    """Return the name of the engine: always "jax"."""
    return "jax"


def set_backend(backend: str) -> None:
    """Accept "jax", the only engine there is.

    Raises:
        ValueError: for any other name.
    """
    one_of("backend", backend, ("jax",), owner="set_backend()")


def enable_interactive_logging() -> None:
    """Print progress bars and messages to standard output (the default)."""
    _current.interactive_logging = True


def disable_interactive_logging() -> None:
    """Send messages to the `logging` module instead of standard output."""
    _current.interactive_logging = False


def is_interactive_logging_enabled() -> bool:
    """Return whether messages are printed to standard output."""
    return _current.interactive_logging


def enable_traceback_filtering() -> None:
    """Hide kerata's and JAX's own frames in the tracebacks of users' mistakes (the default)."""
    _current.traceback_filtering = True


def disable_traceback_filtering() -> None:
    """Show every frame of a traceback."""
    _current.traceback_filtering = False


def is_traceback_filtering_enabled() -> bool:
    """Return whether inner frames are hidden in tracebacks."""
    return _current.traceback_filtering


def enable_flash_attention() -> None:
    """Use the device's fused attention wherever it can be used."""
    _current.flash_attention = True


def disable_flash_attention() -> None:
    """Never use the device's fused attention."""
    _current.flash_attention = False


def is_flash_attention_enabled() -> bool | None:
    """Return True or False as set; None where the choice is left to the library."""
    return _current.flash_attention


def is_nnx_enabled() -> bool:
    """Return whether variables and layers are those of Flax's NNX: never."""
    return False


def max_epochs() -> int | None:
    """Return the upper limit of epochs of every `fit`, or None."""
    return _current.max_epochs


def set_max_epochs(max_epochs: int | None) -> None:
    """Limit the epochs of every `fit` (for quick runs of long programs); None lifts it."""
    _current.max_epochs = max_epochs


def max_steps_per_epoch() -> int | None:
    """Return the upper limit of steps of every epoch, or None."""
    return _current.max_steps_per_epoch


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Limit the steps of every epoch (for quick runs of long programs); None lifts it."""
    _current.max_steps_per_epoch = max_steps_per_epoch
