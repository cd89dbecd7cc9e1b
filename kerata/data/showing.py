"""Samples of a data set, drawn or printed."""

import itertools
import math

import numpy as np

from kerata.data.elements import leaves_of, rows


def show(dataset, count: int):
    """Draw the first samples: see `Dataset.show`."""
    found = dataset.iterate(0)
    samples = itertools.chain.from_iterable(map(rows, found)) if dataset._batched else found
    shown = []
    for sample in itertools.islice(samples, count):
        parts = sample if isinstance(sample, tuple) else (sample,)
        label = _label(parts[1], dataset.class_names) if len(parts) > 1 else ""
        shown.append((leaves_of(parts[0]), label))
    if not all(len(x) == 1 and np.ndim(x[0]) and _is_number(x[0]) for x, _ in shown):
        for leaves, label in shown:
            print(*([f"{label}:"] if label else []), *map(_short, leaves))
        return None
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Pictures are drawn with matplotlib, which is not installed. "
            "Install it with: pip install 'kerata[plots]'"
        ) from error
    wide = math.ceil(math.sqrt(len(shown)))
    high = math.ceil(len(shown) / wide)
    figure, axes = plt.subplots(
        high, wide, squeeze=False, figsize=(2.2 * wide, 2.3 * high), layout="constrained"
    )
    for axis in axes.flat[len(shown) :]:
        axis.axis("off")
    for axis, ((leaf,), label) in zip(axes.flat, shown):
        draw(axis, np.asarray(leaf))
        axis.set_title(label, fontsize="small")
    return figure


def draw(axis, array: np.ndarray) -> None:
    """Draw a picture `(height, width[, 1, 3 or 4])`, or curves over the first axis."""
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    picture = array.ndim == 3 and array.shape[-1] in (3, 4)
    if picture or (array.ndim == 2 and min(array.shape) > 7):
        low, high = float(array.min()), float(array.max())
        if picture and array.dtype.kind == "f":
            unit = 255 if high > 1 else 1
            array = np.clip((array + (1 if low < 0 else 0)) / (2 if low < 0 else unit), 0, 1)
        axis.imshow(array, cmap=None if picture else "gray")
        axis.axis("off")
    else:
        axis.plot(array.reshape(len(array), -1))


def _is_number(leaf) -> bool:
    return getattr(leaf, "dtype", np.dtype(object)).kind in "fiub"


def _label(label, names) -> str:
    array = np.asarray(label)
    if array.ndim == 1 and array.size > 1 and names:
        array = np.asarray(np.argmax(array))
    if array.size == 1 and names and _is_number(array):
        return str(names[int(array.ravel()[0])])
    return _short(label)


def _short(leaf) -> str:
    text = str(leaf).replace("\n", " ")
    return text if len(text) <= 70 else text[:69] + "…"
