"""What a layer accepts: rank, shape and dtype of its inputs."""

from kerata.engine import dtypes, tree
from kerata.engine.symbolic import KerasTensor


class InputSpec:
    """Rank, shape and dtype that an input must have.

    Args:
        dtype: name of the dtype, or None for any.
        shape: tuple with None for any size, or None.
        ndim: exact rank.
        max_ndim: highest rank.
        min_ndim: lowest rank.
        axes: dict from axis to the size it must have.
        allow_last_axis_squeeze: whether an axis of size 1 at the end may be missing or too much.
        name: name that the input has in a dict of inputs.
        optional: whether None will do.
    """

    def __init__(
        self,
        dtype=None,
        shape=None,
        ndim=None,
        max_ndim=None,
        min_ndim=None,
        axes=None,
        allow_last_axis_squeeze=False,
        name=None,
        optional=False,
    ):
        self.dtype = dtypes.standardize_dtype(dtype) if dtype is not None else None
        self.shape = tuple(shape) if shape is not None else None
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        try:
            self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        except (AttributeError, TypeError, ValueError):
            raise TypeError(
                f"`axes` must be a dict from axis to size.\nReceived: axes={axes!r}"
            ) from None
        if self.axes and (self.ndim is not None or self.max_ndim is not None):
            highest = (self.ndim if self.ndim is not None else self.max_ndim) - 1
            if max(self.axes) > highest:
                raise ValueError(
                    f"An axis in `axes` must be at most {highest}.\nReceived: axes={axes!r}"
                )
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name = name
        self.optional = optional

    def get_config(self) -> dict:
        return dict(vars(self))

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __repr__(self):
        given = {k: v for k, v in vars(self).items() if v not in (None, False, {})}
        return f"InputSpec({', '.join(f'{k}={v}' for k, v in given.items())})"


def check_inputs(spec, inputs, owner: str) -> None:
    """Check `inputs` against `spec` (an InputSpec, or a structure of them).

    Args:
        spec: what is accepted; None accepts everything.
        inputs: tensors.
        owner: how to call the layer in the message ("Dense 'dense_1'").

    Raises:
        ValueError: if they do not fit.
    """
    if spec is None:
        return
    specs = tree.flatten(spec)
    if isinstance(inputs, dict) and all(s.name in inputs for s in specs):
        found = [inputs[s.name] for s in specs]
    else:
        found = tree.flatten(inputs)
    if len(found) != len(specs):
        raise ValueError(f"{owner} takes {len(specs)} input tensor(s).\nReceived: {len(found)}")
    for index, (one, x) in enumerate(zip(specs, found, strict=True)):
        if one is None or (x is None and one.optional):
            continue
        if not hasattr(x, "shape"):
            raise ValueError(
                f"{owner} takes tensors as inputs.\n"
                f"Received: {type(x).__name__} {str(x)[:60]!r} as input {index}"
            )
        wrong = _mismatch(one, tuple(x.shape), dtypes.standardize_dtype(x.dtype))
        if wrong:
            must, got, hint = wrong
            place = f", as input {index}" if len(specs) > 1 else ""
            origin = ""
            history = getattr(x, "_keras_history", None)
            if isinstance(x, KerasTensor) and history is not None:
                origin = f", from layer {history.operation.name!r}"
                if getattr(history.operation, "return_sequences", True) is False:
                    hint = "\nMake that layer return every step: return_sequences=True."
            raise ValueError(
                f"{owner} needs inputs {must}.\nReceived: an input {got}{place}{origin}.{hint}"
            )


def _mismatch(spec, shape, dtype):
    """Return None, or (what must hold, what came, what to do) in words."""
    rank = len(shape)
    came = f"of shape {shape} ({rank} {'axis' if rank == 1 else 'axes'})"
    batch = "\nIf this is a single sample, add a batch axis: x[None]."
    if shape[:1] == (None,):
        batch = (
            "\nIf the channel axis is missing, add it: x[..., None], and 1 to the Input's shape."
            if rank > 1
            else "\nIf each sample is one number, add an axis: x[:, None]. If this is a single "
            "sample, add a batch axis: x[None]."
        )
    if spec.ndim is not None and not spec.allow_last_axis_squeeze and rank != spec.ndim:
        hint = batch if rank == spec.ndim - 1 else ""
        return f"of rank {spec.ndim}", came, hint
    if spec.max_ndim is not None and rank > spec.max_ndim:
        return f"of rank {spec.max_ndim} or less", came, ""
    if spec.min_ndim is not None and rank < spec.min_ndim:
        hint = batch if rank == spec.min_ndim - 1 else ""
        return f"of rank {spec.min_ndim} or more", came, hint
    if spec.dtype is not None and dtype != spec.dtype:
        return f"of dtype {spec.dtype}", f"of dtype {dtype}", ""
    for axis, size in spec.axes.items():
        found = shape[axis] if -rank <= axis < rank else None
        if size is not None and found not in (size, None):
            return f"with {size} elements along axis {axis}", f"of shape {shape}", ""
    if spec.shape is not None:
        wanted = spec.shape
        if spec.allow_last_axis_squeeze:
            shape = shape[:-1] if shape and shape[-1] == 1 else shape
            wanted = wanted[:-1] if wanted and wanted[-1] == 1 else wanted
        fits = len(shape) == len(wanted) and all(
            a is None or b is None or a == b for a, b in zip(wanted, shape)
        )
        if not fits:
            return f"of shape {spec.shape}", f"of shape {shape}", ""
    return None
