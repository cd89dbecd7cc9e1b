"""What can be seen to be wrong with data before any of it is trained on."""

import itertools

import numpy as np

from kerata.engine import tree
from kerata.engine.errors import short, warn
from kerata.utils.numerical import unpack_x_y_sample_weight

_NAMES = ("x", "y", "sample_weight")


def leaf_name(name: str, path: tuple) -> str:
    """Return how a user writes a leaf: leaf_name("x", ("a", 0)) is "x['a'][0]"."""
    return name + "".join(f"[{key!r}]" for key in path)


def named_leaves(x, y=None, sample_weight=None) -> list:
    """Return (name, leaf) for each array in the three structures."""
    return [
        (leaf_name(name, path), leaf)
        for name, structure in zip(_NAMES, (x, y, sample_weight), strict=True)
        for path, leaf in tree.flatten_with_path(structure)
        if leaf is not None
    ]


def check_lengths(x, y=None, sample_weight=None) -> int:
    """Return the number of samples in arrays.

    Raises:
        ValueError: if the arrays have different lengths, no samples, or no axis of samples.
    """
    lengths = {}
    for name, leaf in named_leaves(x, y, sample_weight):
        if not leaf.shape:
            whole = name.partition("[")[0]
            mend = "For a single sample, add an axis: np.array([value])."
            if whole != name:
                mend = f"A list is a structure of arrays; for one array: np.array({whole})."
            raise ValueError(
                f"`{name}` must have samples along its first axis.\nReceived: {name}={leaf!r}, "
                f"which has no axes\n{mend}"
            )
        lengths[name] = int(leaf.shape[0])
    if not lengths:
        raise ValueError("There is no data: `x` holds no array.\nReceived: x=None")
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {n}" for name, n in itertools.islice(lengths.items(), 4))
        raise ValueError(
            "All arrays of the data must have the same number of samples (the length of the first "
            f"axis).\nReceived: {listed}{', …' if len(lengths) > 4 else ''}"
            + (_samples_hint("x", x) or _samples_hint("y", y))
        )
    count = next(iter(lengths.values()))
    if count == 0:
        listed = ", ".join(f"{n}.shape={tuple(a.shape)}" for n, a in named_leaves(x, y))
        raise ValueError(f"The data must hold at least one sample.\nReceived: {listed}")
    return count


def _samples_hint(name: str, structure) -> str:
    """Say what to do about a list that may be meant as samples, not as several arrays."""
    shapes = {leaf.shape for leaf in tree.flatten(structure) if hasattr(leaf, "shape")}
    if not isinstance(structure, (list, tuple)) or len(structure) < 4 or len(shapes) > 1:
        return ""
    return (
        f"\n`{name}` is a list of {len(structure)} arrays: several arrays for each sample.\n"
        f"If these are the samples, make one array: np.stack({name})."
    )


def check_leaf(name: str, leaf, text: bool = False) -> None:
    """Check that `leaf` is an array of numbers; with `text`, that of `x` may hold text.

    Raises:
        TypeError: if it is not an array.
        ValueError: if its elements are text or objects.
    """
    if isinstance(leaf, (bool, int, float, str, bytes)):
        raise ValueError(
            f"`{name}` must be an array. Lists are structures of arrays: several inputs, for "
            f"example.\nReceived: {short(leaf)}, of type {type(leaf).__name__}\n"
            + _leaf_hint(name, leaf)
        )
    dtype = getattr(leaf, "dtype", None)
    if dtype is None or not hasattr(leaf, "shape"):
        raise TypeError(
            f"`{name}` must be an array (of NumPy, JAX or pandas, or a tensor).\n"
            f"Received: {short(leaf)}, of type {type(leaf).__name__}"
        )
    kind = getattr(np.dtype(dtype) if _is_numpy_dtype(dtype) else dtype, "kind", "?")
    if kind in "USTO" and not (text and name[0] == "x"):
        text = kind in "UST" or isinstance(np.ravel(leaf)[0] if np.size(leaf) else None, str)
        raise ValueError(
            f"`{name}` must hold numbers, not {'text' if text else 'objects'}.\n"
            f"Received: dtype={dtype}, for example {short(np.ravel(leaf)[:3])}\n"
            + (_text_hint(name) if text else _objects_hint(name, leaf))
        )
    if kind in "mM":
        raise ValueError(
            f"`{name}` must hold numbers, not dates or durations.\nReceived: dtype={dtype}\n"
            "Convert them, for example to seconds since a date."
        )


def _text_hint(name: str) -> str:
    if name[0] == "y":
        return (
            f"Number the classes: classes, y = np.unique({name}, return_inverse=True); in a data "
            "set, StringLookup(num_oov_indices=0) does so."
        )
    return (
        "Turn text into numbers with kerata.layers.TextVectorization, names and categories "
        'with StringLookup; after Input((1,), dtype="string") also in the model.'
    )


def _objects_hint(name: str, leaf) -> str:
    try:
        np.asarray(leaf).astype("float32")
    except (TypeError, ValueError):
        return (
            "Rows of different lengths or mixed types make such an array: pad them "
            "(kerata.utils.pad_sequences), or convert each column."
        )
    return f"All of them can be read as numbers: {name}.astype('float32')."


def _leaf_hint(name: str, leaf) -> str:
    if isinstance(leaf, (str, bytes)) and name == "x":
        return "A single text goes into a list, [x]; a file must be read into an array first."
    if isinstance(leaf, (str, bytes)) and name[0] == "y" and "[" in name:
        return _text_hint("y")
    if "[" not in name or isinstance(leaf, (str, bytes)):
        return f"`{name}` itself, or what it holds, must be read into one first."
    name = name.partition("[")[0]
    return (
        f"Make one array of a list of numbers: np.array({name}); of lists of different lengths: "
        f"kerata.utils.pad_sequences({name})."
    )


def holds_text(x, allowed: bool) -> bool:
    """Return whether there is an array of text among inputs.

    Raises:
        ValueError: if there is, and it is not `allowed`: programs are not compiled for text.
    """
    found = [
        (name, leaf)
        for name, leaf in named_leaves(x)
        if getattr(getattr(leaf, "dtype", None), "kind", "") in tuple("USTO")
    ]
    if found and not allowed:
        check_leaf(*found[0])
    return bool(found)


def _is_numpy_dtype(dtype) -> bool:
    try:
        np.dtype(dtype)
    except TypeError:
        return False
    return True


def check_targets_are_numbers(data) -> None:
    """Check that targets and weights of a batch hold no text.

    Raises:
        ValueError: if they do.
    """
    _, y, sample_weight = unpack_x_y_sample_weight(data)
    for name, leaf in named_leaves(None, y, sample_weight):
        if getattr(getattr(leaf, "dtype", None), "kind", "") in tuple("USTO"):
            check_leaf(name, leaf)


def check_numbers(data, where: str) -> None:
    """Check that no array of a batch is NaN throughout.

    Raises:
        ValueError: if one is.
    """
    for name, leaf in named_leaves(*unpack_x_y_sample_weight(data)):
        array = np.asarray(leaf)
        # The first element decides nearly always.
        if array.dtype.kind != "f" or not array.size or not np.isnan(array.flat[0]):
            continue
        if np.isnan(array).all():
            raise ValueError(
                f"`{name}` must hold numbers: in the first batch that {where} got, all "
                f"{array.size} are NaN.\nReceived: {name} of shape {array.shape}\n"
                "Look for a failed conversion, a division by zero (a constant column scaled by "
                "its spread), or missing values."
            )


def why_not_finite(layers, data, whole: bool) -> str:
    """Return what a user should know when the loss became NaN or infinite.

    Args:
        layers: the layers of the model.
        data: all samples, or the first batch of the epoch.
        whole: whether these are all samples.
    """
    found = []
    widths = [layer.input_dim for layer in layers if hasattr(layer, "input_dim")]
    for name, leaf in named_leaves(*unpack_x_y_sample_weight(data)):
        array = np.asarray(leaf)
        if array.dtype.kind == "f" and (count := int(np.sum(~np.isfinite(array)))):
            found.append(f"{count} of {array.size} numbers in {name} are NaN or infinite")
        elif array.dtype.kind in "iu" and name[0] == "x" and widths and array.max() >= min(widths):
            found.append(f"{array.max()} in {name}, where an Embedding has input_dim={min(widths)}")
    where = "" if whole else " (first batch)"
    received = f"Received: {'; '.join(found)}{where}\n" if found else ""
    return (
        f"The loss is NaN or infinite: training cannot go on from here.\n{received}"
        f"{'Other' if found else 'Usual'} causes: too large a learning rate, logarithms of 0, "
        "token numbers that an Embedding does not have. The callback TerminateOnNaN stops where it "
        "happens."
    )


def endless(method, argument) -> ValueError:
    """Return the error for data without end where no number of batches is given."""
    return ValueError(
        f"{method}() needs `{argument}` for data without end.\nReceived: {argument}=None\n"
        f"Pass the number of batches: {argument}=100."
    )


class Gone:
    """A method that older versions of Keras had: there is none, and the error says what is.

    Args:
        instead: what does the same.
    """

    def __init__(self, instead: str):
        self.instead = instead

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, model, owner=None):
        kind = (owner or type(model)).__name__
        raise AttributeError(
            f"{kind!r} object has no attribute {self.name!r}. In its place there is {self.instead}."
        )


def note_columns(model, x, error: Exception) -> None:
    """Add to an error that the inputs are columns of a table, where the model asks for none."""
    if isinstance(x, dict) and len(x) > 1 and getattr(model, "_function_graph", None) is None:
        error.add_note(
            f"`x` is a dict of {len(x)} columns: kerata.utils.FeatureSpace makes one vector of "
            "each row."
        )


def warn_of_batch_size(batch_size) -> None:
    """Warn the caller of `fit`, `evaluate` or `predict` that a data set makes its own batches."""
    warn(
        "`batch_size` has no effect: `x`, a Dataset, yields batches itself.\n"
        f"Received: batch_size={batch_size}\n"
        f"Make them so large: x.batch({batch_size}), or x.rebatch({batch_size})."
    )


def warn_ran_out(epoch, epochs, stream) -> None:
    """Warn the caller of `fit` that there were too few batches for all epochs."""
    source = type(getattr(stream.feed, "source", stream.feed)).__name__
    warn(
        f"The data ran out: {epoch} of {epochs} epochs were trained, and then there were no more "
        f"batches.\n`x`, a {source}, can be iterated over only once. Let it go on without end "
        "(`while True:`) and give steps_per_epoch,\nor pass what begins anew in each epoch: "
        "kerata.data.Dataset.from_generator(function).",
    )


def warn_short(done, limit) -> None:
    """Warn the caller of `fit` or `evaluate` that there were fewer batches than steps."""
    warn(
        f"The data ran out: there were {done} batches, where {limit} steps were asked for.",
    )
