"""`save_model`, `load_model`, `save_weights`, `load_weights`."""

import contextlib
import datetime
import io
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import IO

import h5py

from kerata.engine import rng
from kerata.engine.configurable import custom_object_scope, deserialize, serialize
from kerata.engine.errors import (
    UnbuildableModelError,
    UnsafeModelError,
    argument_error,
    is_from_outside,
    reworded,
    short,
    warn,
)
from kerata.engine.reading import TEXT, Reading, parse, refusal
from kerata.engine.sharing import Sharing
from kerata.saving import archive as zipped_model, atomic, hdf5, safetensors, shards, weights
from kerata.saving.walk import parts

# What Keras wrote the layout that files are written in.
KERAS_VERSION = "3.15.1"
_H5 = (".h5", ".hdf5")


@reworded
def save_model(model, filepath, overwrite=True, zipped=None, **kwargs) -> None:
    """Write a model to a file: architecture, weights, optimizer state and compile arguments.

    The file is written under another name first: if anything fails, an older file at `filepath`
    is as it was.

    Args:
        model: the model.
        filepath: path that ends in `.keras`; in `.h5` or `.hdf5` for the older layout; with
            `zipped=False` that of a folder.
        overwrite: whether to replace a file that is there without asking.
        zipped: whether to write a zip archive, not a folder; True if None.
        **kwargs: `include_optimizer`, for `.h5` files.

    Raises:
        ValueError: if the path ends in something else.
        FileNotFoundError: if the folder of the file does not exist.

    Example:
        >>> model = kerata.Sequential([kerata.Input((2,)), kerata.layers.Dense(1)])
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "model.keras")
        >>> kerata.saving.save_model(model, path)
        >>> twin = kerata.saving.load_model(path)
        >>> bool((twin.predict(np.ones((1, 2)), verbose=0) == model(np.ones((1, 2)))).all())
        True
    """
    path = os.fspath(filepath)
    if not getattr(model, "built", True) and not model.weights:
        warn(
            f"{type(model).__name__} {model.name!r} is saved without weights: it is not built.\n"
            "Call it on data first, or build(input_shape)."
        )
    if path.endswith(_H5):
        from kerata.saving import legacy

        include_optimizer = kwargs.pop("include_optimizer", True)
        _refuse_arguments(kwargs)
        if zipped:
            raise ValueError(f"A `.h5` file is not zipped.\nReceived: {path!r}, zipped={zipped}")
        if not _may_write(path, overwrite):
            return
        legacy.save_model(model, path, include_optimizer)
        return
    kwargs.pop("include_optimizer", None)
    _refuse_arguments(kwargs)
    if zipped is False:
        if path.endswith(".keras"):
            raise ValueError(
                f"A path that ends in `.keras` is a zip archive.\nReceived: {path!r}, zipped=False"
            )
        _save_folder(model, path, overwrite)
        return
    if not path.endswith(".keras"):
        raise ValueError(
            "The path of a model must end in `.keras` (or `.h5`, for the older layout).\n"
            f"Received: {path!r}\nFor the weights alone, use save_weights()."
        )
    atomic.check_place(path)
    if not _may_write(path, overwrite):
        return
    with atomic.replacing(path) as file:
        write_model(model, file, scratch=os.path.dirname(os.path.realpath(path)))


def _refuse_arguments(kwargs) -> None:
    if kwargs:
        raise ValueError(f"Unknown arguments.\nReceived: {sorted(kwargs)}")


def _may_write(path: str, overwrite: bool) -> bool:
    if overwrite or not os.path.exists(path):
        return True
    if not sys.stdin or not sys.stdin.isatty():
        raise FileExistsError(
            f"There is a file already.\nReceived: {path!r}, overwrite={overwrite}\n"
            "Give it another name, or pass overwrite=True."
        )
    return input(f"{path} exists. Replace it? [y/n] ").strip().lower() in ("y", "yes")


def metadata() -> dict:
    """Return what a file says of its making."""
    version = sys.modules["kerata"].__version__
    now = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    return {"keras_version": KERAS_VERSION, "date_saved": now, "kerata_version": version}


def write_model(model, file: IO[bytes], scratch: str | None = None) -> None:
    """Write a model as a `.keras` archive into an open file.

    Args:
        model: the model.
        file: binary file, open for writing.
        scratch: folder for a temporary file of the size of the weights; None to use memory.
    """
    config = _config_text(model)
    with zipfile.ZipFile(file, "w") as archive:
        zipped_model.add(archive, zipped_model.METADATA, json.dumps(metadata()))
        zipped_model.add(archive, zipped_model.CONFIG, config)
        if scratch is None:
            memory = io.BytesIO()
            with h5py.File(memory, "w") as h5:
                weights.write(model, h5)
            zipped_model.add(archive, zipped_model.WEIGHTS, memory.getvalue())
        else:
            with tempfile.NamedTemporaryFile(
                dir=scratch, prefix=".weights.", suffix=".tmp"
            ) as h5_file:
                with h5py.File(h5_file.name, "w") as h5:
                    weights.write(model, h5)
                h5_file.seek(0)
                info = zipfile.ZipInfo(zipped_model.WEIGHTS)
                with archive.open(info, "w", force_zip64=True) as member:
                    while chunk := h5_file.read(2**22):
                        member.write(chunk)
        for name, data in _assets(model):
            zipped_model.add(archive, zipped_model.ASSETS + name, data)


def _config_text(model) -> str:
    try:
        with Sharing() as found:
            config = serialize(model)
        if found.repeated:
            with Sharing(found.repeated):
                config = serialize(model)
        return json.dumps(config)
    except NotImplementedError as error:
        error.add_note("Or save the weights alone, with save_weights().")
        raise


def _assets(model) -> Iterator[tuple[str, bytes]]:
    """Yield (path, bytes) of the files that layers such as StringLookup keep."""
    for path, part in parts(model):
        if not hasattr(part, "save_assets"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            part.save_assets(folder)
            for name in sorted(os.listdir(folder)):
                with open(os.path.join(folder, name), "rb") as file:
                    yield f"{path}/{name}" if path else name, file.read()


@reworded
def load_model(filepath, custom_objects=None, compile=True, safe_mode=True):
    """Read a model from a file that `save_model` wrote, of kerata's or of Keras's.

    A file is data: nothing in it is run, imported or written anywhere. Only kerata's own classes,
    and those that the program registered or passes, can be named in it.

    Args:
        filepath: path of a `.keras` file, of an older `.h5` file, or of a folder that
            `save_model(zipped=False)` or `kerata.callbacks.OrbaxCheckpoint` made.
        custom_objects: dict from name to class or function, for those not registered.
        compile: whether to compile the model as it was, with the optimizer's state.
        safe_mode: accepted for compatibility: code in a file is never run.

    Returns:
        The model.

    Raises:
        ValueError: if there is no such file, it is no model, or names an unknown class.
        UnsafeModelError: if the file asks for what a file may not do.
    """
    path = os.fspath(filepath)
    if not isinstance(custom_objects, (Mapping, NoneType)):
        raise argument_error(
            "custom_objects", "be a dict from names to classes or functions", custom_objects,
            "load_model()", TypeError,
        )  # fmt: skip
    with custom_object_scope(custom_objects or {}):
        if os.path.isdir(path):
            from kerata.saving import orbax

            load = orbax.load_model if orbax.is_checkpoint(path) else _load_folder
            return load(path, compile, safe_mode)
        check_file(path)
        if path.endswith(_H5) and not zipfile.is_zipfile(path):
            from kerata.saving import legacy

            return legacy.load_model(path, compile=compile, safe_mode=safe_mode)
        with open(path, "rb") as file:
            return read_model(file, path, compile, safe_mode)


def check_file(path: str) -> None:
    """Raise ValueError if there is no file at `path`; the message names similar ones."""
    if not os.path.exists(path):
        close = _near_files(path)
        hint = f"\nThere is {close}." if close else ""
        raise ValueError(f"There is no such file.\nReceived: {path!r}{hint}")


def _near_files(path: str) -> str:
    from kerata.engine.errors import nearest

    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        return f"no folder {folder!r} either"
    models = [n for n in sorted(os.listdir(folder)) if n.endswith((".keras", *_H5))]
    close = nearest(os.path.basename(path), models) or models[:3]
    return " and ".join(repr(name) for name in close)


def read_model(file: IO[bytes], name: str = "the file", compile=True, safe_mode=True):
    """Read a model from a `.keras` archive in an open file.

    Args:
        file: binary file, open for reading.
        name: what to call it in messages.
        compile: see `load_model`.
        safe_mode: see `load_model`.
    """
    archive = zipped_model.Archive(file, name)
    config = archive.read_json(zipped_model.CONFIG)
    with (
        archive.weights() as member,
        hdf5.opened(member, name) as (h5, saved),
        reading(name, saved),
    ):
        model = model_from_config(config, compile, safe_mode, name)
        weights.read(model, hdf5.Source(h5), name=repr(name))
        _load_assets(model, archive.assets_of)
    return model


@contextlib.contextmanager
def reading(name: str, saved: int) -> Iterator[None]:
    """Bound the memory of the model that is read, and leave the random state as it is.

    Args:
        name: what to call the file.
        saved: bytes of the arrays in it.
    """
    with rng.aside(), Reading(name, saved):
        yield


def model_from_config(config: dict, compile: bool, safe_mode: bool, name: str):
    """Make a model from the config in a file called `name`."""
    if not compile:
        config.pop("compile_config", None)
    try:
        with Sharing():
            model = deserialize(config, safe_mode=safe_mode)
    except RecursionError:
        raise refusal("lists nested without end in the config", name) from None
    except (AttributeError, LookupError, ArithmeticError, TypeError, MemoryError) as error:
        if isinstance(error, ValueError):
            raise
        advice = (
            "\nfrom_config() of a class of yours gets the objects in its config as dicts. Make "
            "them there, with kerata.saving.deserialize_keras_object()."
        )
        raise UnbuildableModelError(
            f"The config in the file makes no model: {type(error).__name__}: {error}\n"
            f"Received: {name!r}{advice if is_from_outside(error) else ''}"
        ) from error
    if not hasattr(model, "load_own_variables"):
        raise ValueError(
            f"The file holds no model.\nReceived: {name!r} with a {type(model).__name__}"
        )
    return model


def _load_assets(model, assets_of) -> None:
    for path, part in parts(model):
        if not hasattr(part, "load_assets"):
            continue
        found = assets_of(path)
        for name in found:
            if not zipped_model.is_plain(name):
                raise UnsafeModelError(
                    "The name of an asset must be that of a file in one folder.\n"
                    f"Received: {short(name)} for {path!r}"
                )
        if found and hasattr(part, "take_assets"):
            part.take_assets(found)
        elif found:  # of a user's layer, which reads files
            with tempfile.TemporaryDirectory() as folder:
                for name, data in found.items():
                    with open(os.path.join(folder, name), "xb") as file:
                        file.write(data)
                part.load_assets(folder)


def save_weights(model, filepath, overwrite=True, max_shard_size=None, **kwargs) -> None:
    """Write the weights of a model, and its optimizer's state, to a file.

    A `.safetensors` file holds the weights alone: no optimizer, and no random state.

    Args:
        model: the model.
        filepath: path that ends in `.weights.h5` or `.safetensors`; in `.weights.json` with
            `max_shard_size`.
        overwrite: whether to replace a file that is there without asking.
        max_shard_size: largest size of one file in gigabytes (2^30 bytes): the weights are spread
            over several files, and a JSON file says which is where. None for a single file.
        **kwargs: `objects_to_skip`, a list of layers to leave out; `names`, for `.safetensors`: a
            dict or function from a weight's name, "layers/dense/kernel" (in a dict also its
            `path`, "fc/kernel"), to the name in the file. In place of a name there may be a pair
            `(name, function of the array)`, or None to leave the weight out.

    Raises:
        ValueError: if the path ends in something else, or the model is not built.
        FileNotFoundError: if the folder of the file does not exist.
    """
    path = os.fspath(filepath)
    suffix = ".weights.h5" if max_shard_size is None else shards.SUFFIX
    named = max_shard_size is None and path.endswith(safetensors.SUFFIX)
    skip = kwargs.pop("objects_to_skip", None) or ()
    names = kwargs.pop("names", None) if named else None
    _refuse_arguments(kwargs)
    if not named and not path.endswith(suffix):
        spread = "" if max_shard_size is None else " that are spread over several files"
        raise ValueError(
            f"The path of weights{spread} must end in `{suffix}`.\nReceived: {path!r}\n"
            "For the whole model, use save() with a path that ends in `.keras`."
        )
    _check_built(model, "save")
    atomic.check_place(path)
    if not _may_write(path, overwrite):
        return
    if max_shard_size is not None:
        shards.write(model, path, int(max_shard_size * 2**30), skip)
        return
    if named:
        with atomic.replacing(path) as file:
            safetensors.write(model, file, names, skip)
        return
    with hdf5.writing(path) as h5:
        weights.write(model, h5, skip)


def _check_built(model, what: str) -> None:
    if not model.built:
        raise ValueError(
            f"Model {model.name!r} is not built, so it has no weights to {what}.\n"
            "Build it first: call it on data, or build(input_shape)."
        )


def load_weights(model, filepath, skip_mismatch=False, **kwargs) -> None:
    """Read the weights of a model from a file.

    Args:
        model: the model; it must be built.
        filepath: path of a `.weights.h5`, `.weights.json`, `.keras` or `.safetensors` file, of an
            older `.h5` file, or of a folder of `kerata.callbacks.OrbaxCheckpoint`.
        skip_mismatch: whether to leave layers whose weights do not fit as they are, with a
            warning.
        **kwargs: `by_name=True`, for older `.h5` files: layers are found by their names;
            `objects_to_skip`, a list of layers to leave as they are; `names`, for `.safetensors`
            files: a dict or function from the name in the file to the weight's name, such as
            "layers/dense/kernel", or its `path`, "fc/kernel". In place of a name there may be a
            pair `(name, function of the array)`, or None to leave the array out.

    Raises:
        ValueError: if there is no such file, or the weights do not fit; the message names the
            first layer, and both shapes. Nothing is changed then.
        UnsafeModelError: if the file holds what no weights file needs.

    Example:
        A file of PyTorch's, where the kernels of linear layers are the other way round:

        >>> import os, tempfile
        >>> model = kerata.Sequential([kerata.Input((3,)), kerata.layers.Dense(2, name="fc")])
        >>> path = os.path.join(tempfile.mkdtemp(), "x.safetensors")
        >>> torch_names = {"fc/kernel": ("fc.weight", np.transpose), "fc/bias": "fc.bias"}
        >>> model.save_weights(path, names=torch_names)
        >>> names = {"fc.weight": ("fc/kernel", np.transpose), "fc.bias": "fc/bias"}
        >>> model.load_weights(path, names=names)
    """
    path = os.fspath(filepath)
    alone = (".weights.h5", shards.SUFFIX, safetensors.SUFFIX)
    if "objects_to_skip" in kwargs and not path.endswith(alone):
        raise ValueError(
            f"objects_to_skip is for files of weights alone, `.weights.h5`.\nReceived: {path!r}"
        )
    by_name = kwargs.pop("by_name", False)
    skip = kwargs.pop("objects_to_skip", None) or ()
    names = kwargs.pop("names", None) if path.endswith(safetensors.SUFFIX) else None
    _refuse_arguments(kwargs)
    if os.path.isdir(path):
        from kerata.saving import orbax

        if orbax.is_checkpoint(path):
            _check_built(model, "load into")
            return orbax.load_weights(model, path)
    if path.endswith((*alone, ".keras")):
        if by_name:
            raise ValueError(
                f"by_name=True is for older `.h5` files.\nReceived: {path!r}, by_name={by_name}"
            )
    elif not path.endswith(_H5):
        raise ValueError(
            "Weights are read from files that end in `.weights.h5`, `.keras`, `.safetensors` or "
            "`.h5`.\n"
            f"Received: {path!r}"
        )
    if not os.path.exists(path):
        close = _near_files(path)
        hint = f"\nThere is {close}." if close else ""
        raise FileNotFoundError(f"There is no such file.\nReceived: {path!r}{hint}")
    _check_built(model, "load into")
    if path.endswith(".keras"):
        with open(path, "rb") as file:
            archive = zipped_model.Archive(file, path)
            with archive.weights() as member, hdf5.opened(member, path) as (h5, _):
                weights.read(model, hdf5.Source(h5), skip_mismatch, repr(path), skip)
            _load_assets(model, archive.assets_of)
        return
    if path.endswith(safetensors.SUFFIX):
        with open(path, "rb") as file:
            arrays = safetensors.Source(file, path, model, names)
            weights.read(model, arrays, skip_mismatch, repr(path), skip)
        return
    if path.endswith(shards.SUFFIX):
        with shards.opened(path) as source:
            weights.read(model, source, skip_mismatch, repr(path), skip)
        return
    with hdf5.opened(path, path) as (h5, _):
        if not path.endswith(".weights.h5") or "layer_names" in h5.attrs:
            from kerata.saving import legacy

            legacy.load_weights(model, h5, by_name, skip_mismatch, repr(path))
        else:
            weights.read(model, hdf5.Source(h5), skip_mismatch, repr(path), skip)


# A model as a folder of the same files.


def _save_folder(model, path: str, overwrite: bool) -> None:
    if os.path.exists(path) and not os.path.isdir(path):
        raise ValueError(f"The path of a folder is taken by a file.\nReceived: {path!r}")
    config = _config_text(model)
    atomic.check_place(os.path.join(path, "x") if os.path.isdir(path) else path)
    if not _may_write(path, overwrite):
        return
    os.makedirs(path, exist_ok=True)
    with hdf5.writing(os.path.join(path, zipped_model.WEIGHTS)) as h5:
        weights.write(model, h5)
    texts = {zipped_model.METADATA: json.dumps(metadata()), zipped_model.CONFIG: config}
    files = {name: text.encode() for name, text in texts.items()}
    files |= {zipped_model.ASSETS + name: data for name, data in _assets(model)}
    for name, data in files.items():
        place = os.path.join(path, *name.split("/"))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with atomic.replacing(place) as file:
            file.write(data)


def _load_folder(path: str, compile: bool, safe_mode: bool):
    config_path = os.path.join(path, zipped_model.CONFIG)
    if not os.path.isfile(config_path):
        raise ValueError(
            f"The folder holds no model: there is no {zipped_model.CONFIG} in it.\n"
            f"Received: {path!r} with {sorted(os.listdir(path))[:5]}"
        )
    with open(config_path, "rb") as file:
        config = parse(file.read(TEXT + 1), zipped_model.CONFIG, path)
    weights_path = os.path.join(path, zipped_model.WEIGHTS)

    def assets_of(part: str) -> dict[str, bytes]:
        folder = os.path.join(path, *zipped_model.ASSETS.split("/"), *part.split("/"))
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        found = {}
        for name in names:
            place = os.path.join(folder, name)
            if os.path.isfile(place) and not os.path.islink(place):
                with open(place, "rb") as file:
                    found[name] = file.read(TEXT + 1)
                if len(found[name]) > TEXT:
                    raise refusal(f"an asset of more than {TEXT:,} bytes", place)
        return found

    with hdf5.opened(weights_path, path) as (h5, saved), reading(path, saved):
        model = model_from_config(config, compile, safe_mode, path)
        weights.read(model, hdf5.Source(h5), name=repr(path))
        _load_assets(model, assets_of)
    return model
