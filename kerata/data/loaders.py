"""Data sets from folders of pictures, text and sound."""

import numpy as np

from kerata.data import resizing
from kerata.data.elements import pad
from kerata.data.folders import Folder
from kerata.data.sound import read_wav, resample
from kerata.engine import settings
from kerata.engine.errors import int_tuple, one_of, positive_int, reworded
from kerata.utils.images import FORMATS, load_img

IMAGE_FILES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
CHANNELS = {"rgb": 3, "rgba": 4, "grayscale": 1}


@reworded
def image_dataset_from_directory(
    directory, labels="inferred", label_mode="int", class_names=None, color_mode="rgb",
    batch_size=32, image_size=(256, 256), shuffle=True, seed=None, validation_split=None,
    subset=None, interpolation="bilinear", follow_links=False, crop_to_aspect_ratio=False,
    pad_to_aspect_ratio=False, data_format=None, format="tf", verbose=True, on_error="raise",
):  # fmt: skip
    """Return a `Dataset` of the pictures in a folder: BMP, GIF, JPEG and PNG files.

    Args:
        directory: the folder; with labels="inferred", it holds a folder for each class.
        labels: "inferred", from the folders' names; None for no labels; or a list with one label
            for each file, in the order of their sorted paths.
        label_mode: how labels are given: "int" `(batch,)`; "categorical", one-hot
            `(batch, classes)`; "binary" `(batch, 1)`, 0.0 or 1.0; or None for no labels.
        class_names: the folders to use, in the order of their numbers; all of them, sorted, if
            None.
        color_mode: "rgb", "rgba" or "grayscale".
        batch_size: pictures in a batch; None for single pictures.
        image_size: `(height, width)` to which all are resized, in pixels; None leaves them as they
            are.
        shuffle: whether to shuffle them, anew in each pass; or to sort them by path.
        seed: integer that the order follows from.
        validation_split: share of the files, in (0, 1), that is held out.
        subset: "training", "validation", or "both" for a list of the two.
        interpolation: "bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5",
            "gaussian" or "mitchellcubic".
        follow_links: whether to enter folders that are symbolic links.
        crop_to_aspect_ratio: whether to cut off what does not fit the shape of `image_size`.
        pad_to_aspect_ratio: whether to add black borders instead.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        format: "tf"; or "grain": then the order is the same in each pass.
        verbose: whether to say how many files there are.
        on_error: what to do about files that are no pictures: "raise", or "skip": leave them out,
            with a warning, and count them in the data set's `broken_files`.

    Returns:
        A `Dataset` of float32 pictures `(batch, height, width, channels)` with values from 0 to
        255, or of pairs of these and labels. Its `class_names` and `file_paths` tell what it is
        made of.

    Raises:
        ValueError: if there are no such files, or arguments do not fit each other or the files.
        OSError: (in a pass) if a file is no picture; the message names it.
    """
    mode = one_of("color_mode", color_mode, tuple(CHANNELS))
    one_of("interpolation", interpolation, resizing.INTERPOLATIONS)
    layout = one_of("data_format", data_format or settings.image_data_format(), FORMATS)
    size = None if image_size is None else int_tuple("image_size", image_size, 2)
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("Only one of `crop_to_aspect_ratio` and `pad_to_aspect_ratio` may be set.")
    fit = "crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else "squeeze"

    def load(path):
        image = np.asarray(load_img(path, mode))
        image = image[..., None] if image.ndim == 2 else image
        image = image.astype("float32") if size is None else (
            resizing.resize(image, size, interpolation, fit)
        )  # fmt: skip
        return image if layout == "channels_last" else image.transpose(2, 0, 1)

    folder = Folder(
        directory, "image", IMAGE_FILES, labels=labels, label_mode=label_mode,
        class_names=class_names, shuffle=shuffle, seed=seed, validation_split=validation_split,
        subset=subset, follow_links=follow_links, verbose=verbose, format=format,
        on_error=on_error,
    )  # fmt: skip
    return folder.datasets(load, batch_size)


@reworded
def text_dataset_from_directory(
    directory, labels="inferred", label_mode="int", class_names=None, batch_size=32,
    max_length=None, shuffle=True, seed=None, validation_split=None, subset=None,
    follow_links=False, format="tf", verbose=True, on_error="raise",
):  # fmt: skip
    """Return a `Dataset` of the texts in a folder of `.txt` files in UTF-8.

    Args:
        directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split,
            subset, follow_links, format, verbose, on_error: see `image_dataset_from_directory`.
        max_length: characters after which a text is cut off.

    Returns:
        A `Dataset` of strings `(batch,)`, or of pairs of these and labels.

    Raises:
        ValueError: if there are no such files, or arguments do not fit each other or the files;
            (in a pass) if a file is not in UTF-8; the message names it.
    """
    if max_length is not None:
        positive_int("max_length", max_length)

    def load(path):
        with open(path, "rb") as file:
            content = file.read()
        try:
            return content.decode("utf-8-sig")[:max_length]
        except UnicodeDecodeError as error:
            raise ValueError(
                f"Text files must be in UTF-8.\nReceived: {path!r}, with another byte "
                f"(0x{content[error.start]:02x}) at place {error.start}\n"
                "Convert it: open(path, encoding='latin-1'), for example, reads many older files."
            ) from None

    folder = Folder(
        directory, "text", (".txt",), labels=labels, label_mode=label_mode,
        class_names=class_names, shuffle=shuffle, seed=seed, validation_split=validation_split,
        subset=subset, follow_links=follow_links, verbose=verbose, format=format,
        on_error=on_error,
    )  # fmt: skip
    return folder.datasets(load, batch_size)


@reworded
def audio_dataset_from_directory(
    directory, labels="inferred", label_mode="int", class_names=None, batch_size=32,
    sampling_rate=None, output_sequence_length=None, ragged=False, shuffle=True, seed=None,
    validation_split=None, subset=None, follow_links=False, verbose=True, on_error="raise",
):  # fmt: skip
    """Return a `Dataset` of the sounds in a folder of `.wav` files.

    Args:
        directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split,
            subset, follow_links, verbose, on_error: see `image_dataset_from_directory`.
        sampling_rate: samples a second to convert all files to; their own if None.
        output_sequence_length: samples to which all sounds are cut, or extended with silence;
            if None, those of a batch are extended to the longest.
        ragged: must be False: a batch is an array.

    Returns:
        A `Dataset` of float32 sounds `(batch, samples, channels)` with values in [-1, 1], or of
        pairs of these and labels.

    Raises:
        ValueError: if there are no such files, or arguments do not fit each other or the files;
            (in a pass) if a file is no sound; the message names it.
    """
    if ragged:
        raise ValueError(
            "`ragged` must be False: there are no ragged batches.\nReceived: ragged=True\n"
            "Leave it out, and sounds are extended with silence; or pass batch_size=None."
        )
    for name, value in (("sampling_rate", sampling_rate), ("output_sequence_length",
                                                           output_sequence_length)):  # fmt: skip
        if value is not None:
            positive_int(name, value, "audio_dataset_from_directory()")
    length = output_sequence_length

    def load(path):
        sound, rate = read_wav(path)
        if sampling_rate is not None:
            sound = resample(sound, rate, sampling_rate)
        if length is None:
            return sound
        return np.pad(sound[:length], ((0, max(length - len(sound), 0)), (0, 0)))

    folder = Folder(
        directory, "audio", (".wav",), labels=labels, label_mode=label_mode,
        class_names=class_names, shuffle=shuffle, seed=seed, validation_split=validation_split,
        subset=subset, follow_links=follow_links, verbose=verbose, on_error=on_error,
    )  # fmt: skip
    return folder.datasets(load, batch_size, pad if length is None else None)
