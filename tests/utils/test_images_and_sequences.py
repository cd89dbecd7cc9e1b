"""Pictures as files and arrays; sequences of different lengths: as Keras does it."""

import io

import keras
import numpy as np
import pytest

import kerata
from kerata.preprocessing.image import smart_resize
from kerata.utils import array_to_img, img_to_array, load_img, pad_sequences, save_img


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype("uint8")


@pytest.mark.parametrize("channels, mode", [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_arrays_and_pictures(channels, mode):
    array = noise(5, 7, channels)
    picture = array_to_img(array, scale=False)
    assert picture.mode == mode and picture.size == (7, 5)
    np.testing.assert_array_equal(img_to_array(picture), array)
    assert img_to_array(picture, "channels_first", "uint8").shape == (channels, 5, 7)
    again = array_to_img(array.transpose(2, 0, 1), "channels_first", scale=False)
    np.testing.assert_array_equal(np.asarray(again), np.asarray(picture))
    stretched = np.asarray(array_to_img(array / 9))
    np.testing.assert_array_equal(stretched, np.asarray(keras.utils.array_to_img(array / 9)))
    assert array_to_img(np.full((2, 2, 1), 300.0), scale=False).mode == "I"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"color_mode": "grayscale"},
        {"color_mode": "rgba", "target_size": (3, 4)},
        {"target_size": (6, 3), "interpolation": "bilinear"},
        {"target_size": (6, 3), "interpolation": "lanczos", "keep_aspect_ratio": True},
    ],
    ids=str,
)
def test_files(tmp_path, options):
    path = tmp_path / "a.png"
    save_img(path, noise(5, 7, 3), scale=False)
    expected = np.asarray(keras.utils.load_img(path, **options))
    for source in (path, str(path), io.BytesIO(path.read_bytes())):
        np.testing.assert_array_equal(np.asarray(load_img(source, **options)), expected)


def test_jpeg_has_no_transparency(tmp_path):
    with pytest.warns(UserWarning, match="transparency"):
        save_img(tmp_path / "a.jpg", noise(4, 4, 4))
    assert load_img(tmp_path / "a.jpg").mode == "RGB"


def test_wrong_pictures(tmp_path):
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(OSError, match=r"a.png"):
        load_img(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError):
        load_img(tmp_path / "b.png")
    with pytest.raises(TypeError, match="path"):
        load_img(5)
    save_img(tmp_path / "c.png", noise(4, 4, 3))
    for arguments in ({"color_mode": "hsv"}, {"target_size": (2, 2), "interpolation": "x"}):
        with pytest.raises(ValueError, match="must be one of"):
            load_img(tmp_path / "c.png", **arguments)
    for shape in ((4, 4), (4, 4, 2)):
        with pytest.raises(ValueError, match="channels"):
            array_to_img(np.ones(shape))
    with pytest.raises(ValueError, match="two or three axes"):
        img_to_array(np.ones(3))
    with pytest.raises(ValueError, match="data_format"):
        img_to_array(np.ones((3, 3)), "channels_middle")


@pytest.mark.parametrize("shape, size", [((9, 4, 3), (3, 3)), ((2, 5, 8, 1), (6, 2))])
def test_smart_resize(shape, size):
    array = noise(*shape).astype("float32")
    expected = keras.preprocessing.image.smart_resize(array, size)
    found = smart_resize(array, size)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    first = smart_resize(np.moveaxis(array, -1, -3), size, data_format="channels_first")
    np.testing.assert_allclose(np.moveaxis(first, -3, -1), found, rtol=1e-4, atol=1e-3)
    assert not isinstance(smart_resize(kerata.ops.array(array), size), np.ndarray)
    for arguments in ((array[0], (1, 1, 1)), (array, (1, 1, 1)), (np.ones(3), (1, 1))):
        with pytest.raises(ValueError, match="must"):
            smart_resize(*arguments)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"maxlen": 2},
        {"maxlen": 4, "padding": "post", "value": -1},
        {"maxlen": 2, "truncating": "post"},
        {"maxlen": 0},
        {"dtype": "float32", "value": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "sequences", [[[1], [1, 2], [1, 2, 3]], [[], [4]], [[[1, 1]], [[2, 1], [2, 2]]]], ids=str
)
def test_pad_sequences(sequences, options):
    if options.get("maxlen") == 0:  # Keras takes 0 from the end for everything
        assert pad_sequences(sequences, **options).shape[:2] == (len(sequences), 0)
        return
    expected = keras.utils.pad_sequences(sequences, **options)
    found = pad_sequences(sequences, **options)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def test_pad_text():
    found = pad_sequences([["a"], ["b", "c"]], dtype=object, value="-")
    assert found.tolist() == [["-", "a"], ["b", "c"]]
    for arguments, message in [
        (([["a"]],), "sequences of numbers"),
        (([["a"]], None, "int32", "pre", "pre", "-"), "object"),
        (([[1]], 2, "int32", "before"), "padding"),
        (([[1]], 2, "int32", "pre", "after"), "truncating"),
        ((5,), "list of sequences"),
        (([1, 2],), "list of sequences"),
        (([[[1]], [[1, 2]]],), "one shape"),
    ]:
        with pytest.raises(ValueError, match=message):
            pad_sequences(*arguments)
