"""How op calls are written into the configs of functional models, and read back.

Keras names them by class, `Mean` in `keras.src.ops.numpy`, and divides their arguments: tensors
belong to a call, what is fixed (`axis=1`) to the operation. Here an op is a function: `mean`.
"""

import functools
import importlib
import inspect
from collections.abc import Callable

from kerata.engine.errors import UnsafeModelError, unknown_name
from kerata.engine.naming import to_snake_case
from kerata.engine.symbolic import FunctionCall, is_symbolic, signature_of

# Class names that do not follow from the function's name.
_CLASSES = {
    "get_item": "GetItem",
    "exponential": "Exp",
    "batch_normalization": "BatchNorm",
    "layer_normalization": "LayerNorm",
    "rms_normalization": "RMSNorm",
    "deg2rad": "Deg2rad",
    "rad2deg": "Rad2deg",
    "log1p": "Log1p",
    "allclose": "AllClose",
    "isin": "IsIn",
    "searchsorted": "SearchSorted",
    "cdist": "CDist",
    "rgb_to_hsv": "RGBToHSV",
    "hsv_to_rgb": "HSVToRGB",
    "rgb_to_grayscale": "RGBToGrayscale",
    **dict.fromkeys(
        "jvp svd fft fft2 ifft2 rfft irfft stft istft psnr ssim".split()
    ),  # in capitals
    "ctc_decode": "CTCDecode",
    "ctc_loss": "CTCLoss",
}
# The ops that are in Keras's modules of these names, and in no namespace here.
_MODULES = {
    "math": """cdist erf erfc erfinv extract_sequences fft fft2 ifft2 irfft istft in_top_k logdet
    logsumexp rfft rsqrt stft segment_max segment_min segment_prod segment_sum top_k
    view_as_complex view_as_real""".split(),
    "numpy": ["slogdet", "exponential"],
    "einops": ["rearrange"],
}
# Arguments that are of a call; the others are of the operation.
_OF_CALLS = frozenset(
    """a abs_ angle array axes_lengths beta bias branches choicelist condition condlist
    constant_values coordinates data default depthwise_kernel elements elems end_points f false_fn
    fun gamma image1 image2 images index indices init init_val inputs kernel key kwargs loop_vars
    mask mean operands output output_length output_shape pattern pointwise_kernel pred predictions
    primals q query scale segment_ids sequence_lengths sorted_sequence start start_indices
    start_points step stop tangents target target_length targets tensor transform translation
    true_fn updates value values variable variance x x1 x2 xs y b""".split()
)
# Ops in which other arguments are of the call, and in which these are of the operation.
_OF_CALLS_TOO = {
    "isclose": {"atol", "rtol"},
    "digitize": {"bins"},
    "full": {"fill_value"},
    "full_like": {"fill_value"},
    "batch_normalization": {"offset"},
    "average": {"weights"},
}
_OF_OPERATIONS = {"squareplus": {"b"}, "trapezoid": {"x"}}


def _class_name(name: str) -> str:
    if name in _CLASSES:
        return _CLASSES[name] or name.upper()
    return "".join(part.title() for part in name.split("_"))


@functools.cache
def _functions() -> dict[str, Callable]:
    """The ops by the names of their classes, in lower case."""
    from kerata import activations, ops

    found = {}
    for place in (activations, ops.image, ops):
        for name in dir(place):
            thing = getattr(place, name)
            if not name.startswith("_") and callable(thing) and hasattr(thing, "__wrapped__"):
                found[_class_name(name).lower()] = thing
    return found


@functools.cache
def _module_of(function: Callable) -> str:
    """Return the module in which Keras has the class of an op."""
    name = function.__name__
    for module, names in _MODULES.items():
        if name in names:
            return f"keras.src.ops.{module}"
    from kerata import activations

    if function in (activations.relu, activations.mish):
        return "keras.src.activations.activations"
    for module in ("nn", "image", "linalg", "numpy"):
        if hasattr(importlib.import_module(f"kerata.ops.{module}"), name):
            return f"keras.src.ops.{module}"
    return "keras.src.ops." + ("numpy" if name == "get_item" else "core")


def _is_of_call(function: str, argument: str) -> bool:
    if argument in _OF_CALLS:
        return argument not in _OF_OPERATIONS.get(function, ())
    return argument in _OF_CALLS_TOO.get(function, ())


def keras_call(call: FunctionCall, args: tuple, kwargs: dict) -> tuple[dict, tuple, dict]:
    """Return how an op call is written: its entry in a config, and the arguments of the call.

    Args:
        call: the operation.
        args: arguments of its node.
        kwargs: likewise, by name.
    """
    function, name = call.function, call.function.__name__
    signature = signature_of(function)
    if call.call_names is None:
        bound = signature.bind(*args, **kwargs).arguments
    else:
        bound = {**dict(zip(call.call_names, args)), **kwargs, **call.arguments}
    config = {"name": call.name}
    of_call: list = []
    named: dict = {}
    for parameter in signature.parameters.values():
        key, value = parameter.name, bound.pop(parameter.name, parameter.default)
        if parameter.kind is parameter.VAR_POSITIONAL:
            of_call.extend(value)
        elif parameter.kind is parameter.VAR_KEYWORD:
            named |= {} if value is parameter.empty else value
        elif _is_of_call(name, key):
            of_call.append(value)
        elif is_symbolic(value):
            named[key] = value
        else:
            config[key] = value
    # What is fixed of further arguments that the function takes by name.
    config |= {key: bound.pop(key) for key in list(bound) if key in call.arguments}
    class_name = _class_name(name)
    if name == "relu" and _module_of(function).endswith("activations"):
        class_name = "ReLU"
    entry = {"module": _module_of(function), "class_name": class_name, "config": config,
             "registered_name": class_name}  # fmt: skip
    return entry, tuple(of_call), named | bound


def operation_from_config(entry: dict):
    """Return the op call that a config entry describes, or None if it describes a layer.

    Raises:
        UnsafeModelError: if there is no such op.
    """
    module = entry.get("module")
    if not isinstance(module, str) or not module.startswith(
        ("keras.src.ops.", "keras.src.activations.")
    ):
        return None
    name = entry["class_name"]
    function = _functions().get(name.lower()) if name.isascii() else None
    if function is not None and module.startswith("keras.src.activations."):
        from kerata import activations

        function = getattr(activations, function.__name__, None)
    if function is None:
        error = unknown_name("op", to_snake_case(name), [to_snake_case(k) for k in _functions()])
        raise UnsafeModelError(str(error))
    config = dict(entry["config"])
    op_name = config.pop("name", None)
    parameters = signature_of(function).parameters
    if any(p.kind is p.VAR_POSITIONAL for p in parameters.values()):
        return FunctionCall(function, config, None, name=op_name)
    return FunctionCall(function, config, tuple(p for p in parameters if p not in config), op_name)


def arguments_of_call(operation, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Return the arguments that are in a config as the operation takes them."""
    if not isinstance(operation, FunctionCall):
        return args, kwargs
    if operation.function.__name__ == "get_item":
        # JSON has no tuples: an index of several axes comes back as a list.
        args = tuple(tuple(a) if type(a) is list else a for a in args)
    elif operation.call_names is None:
        # A function of any number of tensors gets what is fixed anew in each call.
        parameters, fixed = signature_of(operation.function).parameters, operation.arguments
        first = [k for k in fixed if parameters[k].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        args = (*(fixed[k] for k in first), *args)
        kwargs = {**kwargs, **{k: v for k, v in fixed.items() if k not in first}}
    return args, kwargs
