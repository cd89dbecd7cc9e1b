"""What reads and shapes data before a model gets it (public namespace `kerata.preprocessing`)."""

from kerata.data import (
    image_dataset_from_directory as image_dataset_from_directory,
    text_dataset_from_directory as text_dataset_from_directory,
    timeseries_dataset_from_array as timeseries_dataset_from_array,
)
from kerata.preprocessing import image as image, sequence as sequence

_GONE = {
    "text": "kerata.layers.TextVectorization",
}


def __getattr__(name: str):
    from kerata.engine.errors import absent

    raise absent(__name__, name, _GONE)
