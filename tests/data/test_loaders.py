"""Folders of pictures, text and sound as data sets, and what helps where they are not in order."""

import os
import struct
import wave

import numpy as np
import pytest

import kerata
from kerata.data import resizing, sound
from kerata.utils import (
    audio_dataset_from_directory,
    image_dataset_from_directory,
    save_img,
    text_dataset_from_directory,
)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype("uint8")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Eight pictures of two classes, of different sizes; each has one colour, its number."""
    root = tmp_path_factory.mktemp("pictures")
    for number in range(8):
        folder = root / ["cats", "dogs"][number % 2] / ("more" if number > 5 else "")
        folder.mkdir(parents=True, exist_ok=True)
        image = np.full((6 + number, 9, 3), 20 * number, "uint8")
        save_img(folder / f"{number}.png", image, scale=False)
    (root / "cats" / "notes.txt").write_text("no picture")
    (root / ".hidden").mkdir()
    return root


def load(root, **kwargs):
    return image_dataset_from_directory(root, image_size=(4, 5), verbose=False, **kwargs)


def numbers(dataset):
    """Return the numbers of the pictures, in the order in which they come."""
    images = (batch[0] if isinstance(batch, tuple) else batch for batch in dataset)
    return [round(float(image.max()) / 20) for batch in images for image in batch]


def test_pictures_and_labels(pictures, capsys):
    dataset = image_dataset_from_directory(pictures, image_size=(4, 5), batch_size=3, shuffle=False)
    assert capsys.readouterr().out == "Found 8 files belonging to 2 classes.\n"
    assert dataset.class_names == ["cats", "dogs"] and len(dataset.file_paths) == 8
    batches = list(dataset)
    assert [x.shape for x, _ in batches] == [(3, 4, 5, 3), (3, 4, 5, 3), (2, 4, 5, 3)]
    assert batches[0][0].dtype == "float32" and batches[0][1].dtype == "int32"
    assert np.concatenate([y for _, y in batches]).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert numbers(dataset) == [0, 2, 4, 6, 1, 3, 5, 7]
    assert len(dataset) == 3


@pytest.mark.parametrize(
    "mode, expected",
    [
        ("int", [0, 0, 0, 0, 1, 1, 1, 1]),
        ("binary", [[0.0]] * 4 + [[1.0]] * 4),
        ("categorical", [[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 4),
    ],
)
def test_label_modes(pictures, mode, expected):
    ((_, labels),) = load(pictures, label_mode=mode, shuffle=False)
    assert labels.tolist() == expected


def test_without_labels(pictures):
    for arguments in ({"labels": None}, {"label_mode": None}):
        dataset = load(pictures, shuffle=False, **arguments)
        assert next(iter(dataset)).shape == (8, 4, 5, 3) and dataset.class_names is None


def test_given_labels_and_classes(pictures):
    ((_, labels),) = load(pictures, labels=[3, 1, 3, 1, 1, 1, 1, 1], shuffle=False)
    assert labels.tolist() == [3, 1, 3, 1, 1, 1, 1, 1]
    ((_, labels),) = load(pictures, labels=[3, 1] * 4, shuffle=False, label_mode="categorical")
    assert labels.tolist() == [[0.0, 1.0], [1.0, 0.0]] * 4
    dataset = load(pictures, labels=list("abaabbbb"), shuffle=False)
    assert dataset.class_names == ["a", "b"]
    assert next(iter(dataset))[1].tolist() == [0, 1, 0, 0, 1, 1, 1, 1]
    ((_, labels),) = load(pictures, class_names=["dogs", "cats"], shuffle=False)
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_orders_and_parts(pictures):
    dataset = load(pictures, seed=3)
    assert sorted(numbers(dataset)) == list(range(8)) != numbers(dataset)
    assert numbers(dataset) != numbers(dataset)
    grain = load(pictures, seed=3, format="grain")
    assert numbers(grain) == numbers(grain)
    split = {"seed": 1, "validation_split": 0.25}
    training, validation = load(pictures, subset="both", **split)
    assert sorted(numbers(training) + numbers(validation)) == list(range(8))
    for subset, expected in (("training", training), ("validation", validation)):
        assert sorted(numbers(load(pictures, subset=subset, **split))) == sorted(numbers(expected))


def test_colours_layouts_and_single_pictures(pictures):
    for mode, channels in (("rgb", 3), ("rgba", 4), ("grayscale", 1)):
        assert next(iter(load(pictures, color_mode=mode)))[0].shape == (8, 4, 5, channels)
    x, y = next(iter(load(pictures, data_format="channels_first", batch_size=None)))
    assert x.shape == (3, 4, 5) and y.shape == ()


def test_the_order_of_files_and_the_split_are_those_of_keras(pictures):
    from keras.src.utils import dataset_utils

    names = dataset_utils.index_directory(
        str(pictures), "inferred", (".png",), seed=5, verbose=False
    )[0]
    dataset = load(pictures, seed=5)
    assert dataset.file_paths == names


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])
@pytest.mark.parametrize("size", [(5, 7), (11, 3)])
def test_resizing(method, size):
    image = noise(9, 8, 3)
    expected = kerata.ops.image.resize(image.astype("float32"), size, interpolation=method)
    found = resizing.resize(image, size, method)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert found.dtype == "float32"


def test_other_ways_to_resize():
    image = noise(8, 6, 1).astype("float32")
    np.testing.assert_allclose(
        resizing.resize(image, (4, 3), "area"), image.reshape(4, 2, 3, 2, 1).mean((1, 3)), rtol=1e-5
    )
    flat = np.full((5, 9, 3), 7.0)
    for method in resizing.INTERPOLATIONS:
        np.testing.assert_allclose(resizing.resize(flat, (8, 4), method), 7, rtol=1e-5)
    tall = resizing.resize(image, (4, 4), "nearest", "pad")
    np.testing.assert_array_equal(tall[:, 3], 0)  # three columns of the picture, then a border
    assert (tall[:, :3] != 0).any()
    np.testing.assert_array_equal(resizing.resize(image, (6, 6), "nearest", "crop"), image[1:7])


def test_broken_pictures_are_named_and_may_be_left_out(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save_img(tmp_path / name / "good.jpg", noise(5, 5, 3))
    (tmp_path / "a" / "torn.jpg").write_bytes((tmp_path / "a" / "good.jpg").read_bytes()[:300])
    (tmp_path / "b" / "text.png").write_text("not a picture")
    with pytest.raises(OSError, match=r"(torn.jpg|text.png)") as caught:
        list(load(tmp_path))
    assert "on_error='skip'" in caught.value.__notes__[0]
    dataset = load(tmp_path, on_error="skip", batch_size=4)
    with pytest.warns(UserWarning, match="Left out"):
        batches = list(dataset)
    assert [x.shape[0] for x, _ in batches] == [2]
    assert sorted(map(os.path.basename, dataset.broken_files)) == ["text.png", "torn.jpg"]


def test_help_for_folders_that_are_not_in_order(tmp_path, pictures):
    with pytest.raises(NotADirectoryError, match="no folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no folders in it, and 0 such files"):
        load(tmp_path)
    save_img(tmp_path / "1.png", noise(5, 5, 3))
    with pytest.raises(ValueError, match="and 1 such files\nMake a folder for each class"):
        load(tmp_path)
    (tmp_path / "train" / "empty").mkdir(parents=True)
    (tmp_path / "train" / "x.tiff").write_text("")
    with pytest.raises(ValueError, match="other files: 1 .tiff"):
        load(tmp_path)
    save_img(tmp_path / "train" / "1.png", noise(5, 6, 3))
    save_img(tmp_path / "train" / "2.png", noise(6, 5, 3))
    with pytest.warns(UserWarning, match=r"one class, 'train'.*\nDid you mean the folder"):
        dataset = image_dataset_from_directory(tmp_path, image_size=None, verbose=False)
    with pytest.raises(ValueError, match="pass `image_size`"):
        list(dataset)
    for arguments, message in [
        ({"labels": [0, 1]}, "2 labels, and 8 files"),
        ({"labels": "other"}, '"inferred"'),
        ({"label_mode": "classes"}, "label_mode"),
        ({"class_names": ["cats", "birds"]}, "'birds'"),
        ({"labels": [0] * 8, "class_names": ["cats"]}, "only be given with"),
        ({"class_names": ["cats", "dogs", "cats"], "label_mode": "binary"}, "exactly two"),
        ({"color_mode": "cmyk"}, "color_mode"),
        ({"validation_split": 2, "subset": "both"}, "between 0 and 1"),
        ({"validation_split": 0.2}, "together"),
        ({"subset": "training"}, "together"),
        ({"validation_split": 0.2, "subset": "training"}, "`seed` must be given"),
        ({"validation_split": 0.01, "subset": "validation", "seed": 1}, "No files are left"),
        ({"interpolation": "cubic"}, "interpolation"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "Only one"),
    ]:
        with pytest.raises(ValueError, match=message):
            load(pictures, **arguments)


def test_texts(tmp_path):
    for name, text in (("bad", "schlimm\r\n"), ("good", "καλό, 很好")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_bytes(text.encode())
    dataset = text_dataset_from_directory(tmp_path, shuffle=False, verbose=False)
    ((texts, labels),) = dataset
    assert texts.tolist() == ["schlimm\r\n", "καλό, 很好"] and labels.tolist() == [0, 1]
    short = text_dataset_from_directory(
        tmp_path, label_mode=None, max_length=4, batch_size=None, shuffle=False, verbose=False
    )
    assert list(short) == ["schl", "καλό"]
    (tmp_path / "bad" / "2.txt").write_bytes("schön".encode("latin-1"))
    with pytest.raises(ValueError, match=r"UTF-8.\n.*2.txt.*0xf6\) at place 3"):
        list(text_dataset_from_directory(tmp_path, verbose=False))


def write_wav(path, kind, bits, channels, data, rate=1000, extensible=False):
    block = channels * bits // 8
    header = struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, bits)
    if extensible:
        header = struct.pack("<HHIIHH", 0xFFFE, *struct.unpack("<HIIHH", header[2:]))
        header += struct.pack("<HHIH14s", 22, bits, 0, kind, b"")
    chunks = b"fmt " + struct.pack("<I", len(header)) + header
    chunks += b"LIST" + struct.pack("<I", 3) + b"abc\0"  # of odd length
    chunks += b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)


WAVES = np.array([[0.5, -0.5], [-1.0, 0.25], [0.0, 0.75]], "float32")


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize(
    "kind, bits", [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)], ids=str
)
def test_wav_files(tmp_path, kind, bits, extensible):
    if kind == 3:
        data = WAVES.astype(f"<f{bits // 8}").tobytes()
    elif bits == 8:
        data = (WAVES * 128 + 128).astype("u1").tobytes()
    elif bits == 24:
        data = b"".join(int(v).to_bytes(3, "little", signed=True) for v in (WAVES * 2**23).flat)
    else:
        data = (WAVES.astype("float64") * 2 ** (bits - 1)).astype(f"<i{bits // 8}").tobytes()
    write_wav(tmp_path / "a.wav", kind, bits, 2, data, extensible=extensible)
    found, rate = sound.read_wav(tmp_path / "a.wav")
    np.testing.assert_array_equal(found, WAVES)
    assert rate == 1000 and found.dtype == "float32"


def test_sounds(tmp_path):
    for number, length in enumerate((4, 6, 8)):
        (tmp_path / "abc"[number]).mkdir()
        with wave.open(str(tmp_path / "abc"[number] / "1.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(100)
            file.writeframes(np.full(length, 2**14, "<i2").tobytes())

    def read(**kwargs):
        return audio_dataset_from_directory(tmp_path, shuffle=False, verbose=False, **kwargs)

    ((x, y),) = read()
    assert x.shape == (3, 8, 1) and y.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(x[0, :, 0], [0.5] * 4 + [0] * 4)
    ((x, _),) = read(output_sequence_length=5)
    assert x.shape == (3, 5, 1) and x.sum() == 7
    ((x, _),) = read(sampling_rate=50)
    assert x.shape == (3, 4, 1)
    (tmp_path / "a" / "2.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match="2.wav"):
        list(read())
    with pytest.raises(ValueError, match="no ragged batches"):
        read(ragged=True)
