"""The weights of a model in HDF5, in the layout of Keras 3's files.

Each part of the model has a group at its path, and in it a group `vars` with its variables as the
arrays `0`, `1`, …; an attribute of that group holds the part's name.
"""

import contextlib
from collections.abc import Iterable, Iterator

import h5py

from kerata.engine.errors import warn
from kerata.engine.variable import Variable
from kerata.layers.adapting import Adaptable
from kerata.layers.layer import Layer
from kerata.layers.state import State
from kerata.models.model import Model
from kerata.saving import hdf5, safetensors, shards
from kerata.saving.walk import check_complete, parts, variables_of


def write(model, file: h5py.File, skip=()) -> None:
    """Write the weights of a model, and the state of its optimizer.

    Args:
        model: the model.
        file: an open file.
        skip: layers to leave out.

    Raises:
        ValueError: if the model has variables that would not be in the file.
    """
    check_complete(model, skip)
    for path, part in parts(model, skip=skip):
        if not hasattr(part, "save_own_variables"):
            continue
        group = file.require_group(f"{path}/vars" if path else "vars")
        if isinstance(getattr(part, "name", None), str):
            group.attrs["name"] = part.name
        part.save_own_variables(hdf5.Writer(group))


def read(
    model,
    source: hdf5.Source | shards.Source | safetensors.Source,
    skip_mismatch: bool = False,
    name: str = "the file",
    skip=(),
) -> None:
    """Read weights into a model.

    Everything is compared before anything is set: if a part does not fit, or cannot be read, an
    error is raised, and the model is as it was.

    Args:
        model: the model; it must be built.
        source: an open weights file.
        skip_mismatch: whether to leave parts that do not fit as they are, with a warning.
        name: what to call the file in messages.
        skip: layers to leave out.

    Raises:
        ValueError: if parts do not fit.
        UnsafeModelError: if the file holds what no weights file needs.
    """
    kinds = getattr(source, "kinds", object)
    found = [
        (path, part, source.store(path))
        for path, part in parts(model, source.is_there, skip)
        if hasattr(part, "load_own_variables") and isinstance(part, kinds)
    ]
    misfits = [(path, part, why) for path, part, store in found if (why := _misfit(part, store))]
    known = {path for path, _, _ in found}
    left = [path for path in source.parts() if path not in known] if not skip else []
    if misfits and not skip_mismatch:
        raise ValueError(_message(model, misfits, found, left, name))
    skipped = {id(part) for _, part, _ in misfits}
    for path, part, why in misfits:
        warn(f"Skipped {_title(part, path)}: {why}")
    with all_or_none(v for _, part, _ in found for v in variables_of(part, inside=False)):
        for path, part, store in found:
            if id(part) in skipped:
                continue
            try:
                part.load_own_variables(store)
            except (ValueError, KeyError) as error:
                if type(error) not in (ValueError, KeyError):
                    raise
                if not skip_mismatch:
                    title = _title(part, path)
                    raise ValueError(f"{title} does not fit {name}: {error}") from error
                warn(f"Skipped {_title(part, path)}: {error}")
    if left:
        warn(
            f"{name} also holds weights for {_few(left)}, of which {_title(model, '')} has none. "
            "They were not used.",
        )


@contextlib.contextmanager
def all_or_none(variables: Iterable[Variable]) -> Iterator[None]:
    """Give variables their values of before back, if the block fails."""
    before = [(v, v.value) for v in variables]
    try:
        yield
    except BaseException:
        for variable, value in before:
            variable.assign(value)
        raise


def _misfit(part, store) -> str | None:
    """Return why a layer cannot take what the file holds for it, or None if it can.

    Layers that load in a way of their own, and optimizers, are not asked beforehand.
    """
    known = (State.load_own_variables, Adaptable.load_own_variables)
    if not isinstance(part, Layer) or type(part).load_own_variables not in known:
        return None
    mine: list[Variable] = part._in_files()
    if not part.built and not mine and len(store):
        return f"it is not built; the file has {_shapes(store)}."
    if len(mine) != len(store):
        wanted = ", ".join(f"{v.name} {v.shape}" for v in mine) or "none"
        return f"it has the variables {wanted}; the file has {_shapes(store)}."
    for index, variable in enumerate(mine):
        try:
            found = store.dataset(index)
            shape = tuple(found.shape)
        except KeyError:
            return f"{variable.name} {variable.shape} is not in the file."
        if shape != variable.shape:
            return f"{variable.name} has shape {variable.shape}; the file has {shape}."
        if found.dtype.kind == "c" and "complex" not in variable.dtype:
            return f"{variable.name} is of real numbers; the file has complex ones."
    return None


def _shapes(store) -> str:
    return ", ".join(map(str, list(store.shapes().values())[:8])) or "none"


def _message(model, misfits, found, left, name: str) -> str:
    path, part, why = misfits[0]
    message = f"The weights in {name} do not fit {_title(model, '')}: "
    message += f"{len(misfits)} of {len(found)} parts differ."
    message += f"\nReceived: for {_title(part, path)}: {why}"
    if len(misfits) > 1:
        message += f" Likewise {_few([p or 'the model itself' for p, _, _ in misfits[1:]])}."
    if left and not any(len(store) for _, _, store in found):
        message += f"\nThe file holds weights of another model: {_few(left)}."
    if not getattr(model, "built", True):
        return message + "\nBuild the model first: call it on data, or build(input_shape)."
    return message + (
        "\nMake the model as it was when the file was written, or leave such layers as they are "
        "with skip_mismatch=True."
    )


def _few(names: list[str], most: int = 3) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _title(part, path: str) -> str:
    kind = "model" if isinstance(part, Model) else "layer" if isinstance(part, Layer) else "part"
    name = getattr(part, "name", "")
    return f"{kind} {name!r} ({type(part).__name__}{', ' + path if path else ''})"
