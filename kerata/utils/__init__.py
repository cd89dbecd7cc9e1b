"""Utilities (public namespace `kerata.utils`)."""

from kerata.engine.configurable import (
    CustomObjectScope as CustomObjectScope,
    custom_object_scope as custom_object_scope,
    deserialize,
    get_custom_objects as get_custom_objects,
    get_registered_name as get_registered_name,
    get_registered_object as get_registered_object,
    publish,
    register_keras_serializable as register_keras_serializable,
    serialize,
)
from kerata.engine.dtypes import standardize_dtype as standardize_dtype
from kerata.engine.rng import set_random_seed as set_random_seed
from kerata.engine.settings import (
    disable_interactive_logging as disable_interactive_logging,
    enable_interactive_logging as enable_interactive_logging,
    is_interactive_logging_enabled as is_interactive_logging_enabled,
)
from kerata.engine.symbolic import get_source_inputs as get_source_inputs
from kerata.utils import bounding_boxes as bounding_boxes, legacy as legacy
from kerata.utils.config import Config as Config
from kerata.utils.download import get_file as get_file
from kerata.utils.feature_space import FeatureSpace as FeatureSpace
from kerata.utils.images import (
    array_to_img as array_to_img,
    img_to_array as img_to_array,
    load_img as load_img,
    save_img as save_img,
)
from kerata.utils.numerical import (
    normalize as normalize,
    pack_x_y_sample_weight as pack_x_y_sample_weight,
    to_categorical as to_categorical,
    unpack_x_y_sample_weight as unpack_x_y_sample_weight,
)
from kerata.utils.plotting import model_to_dot as model_to_dot, plot_model as plot_model
from kerata.utils.progbar import Progbar as Progbar
from kerata.utils.py_dataset import PyDataset as PyDataset
from kerata.utils.sequences import pad_sequences as pad_sequences
from kerata.utils.session import clear_session as clear_session

Sequence = PyDataset
serialize_keras_object = serialize
deserialize_keras_object = deserialize


def is_keras_tensor(x) -> bool:
    """Return whether `x` is a symbolic tensor that a functional model can be made with."""
    from kerata.engine.symbolic import KerasTensor

    return isinstance(x, KerasTensor)


def version() -> str:
    """Return the version of kerata."""
    import kerata

    return kerata.__version__


# Public here, as in Keras, and at home in a room above.
_LOADERS = (
    "image_dataset_from_directory",
    "text_dataset_from_directory",
    "audio_dataset_from_directory",
    "timeseries_dataset_from_array",
    "split_dataset",
)


def __getattr__(name: str):
    if name in _LOADERS:
        from kerata import data

        return getattr(data, name)
    raise AttributeError(f"module 'kerata.utils' has no attribute {name!r}.")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LOADERS])


__all__ = [*(name for name in dir() if name[0] != "_"), *_LOADERS]  # noqa: PLE0604
publish(globals())
