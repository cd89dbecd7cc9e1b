"""Pictures (public namespace `kerata.preprocessing.image`)."""

from kerata.utils.images import (
    array_to_img as array_to_img,
    img_to_array as img_to_array,
    load_img as load_img,
    save_img as save_img,
    smart_resize as smart_resize,
)

_GONE = {
    "ImageDataGenerator": "kerata.utils.image_dataset_from_directory, and layers like RandomFlip",
}


def __getattr__(name: str):
    from kerata.engine.errors import absent

    raise absent(__name__, name, _GONE)
