"""Mistakes with data sets and folders, and what is said of them."""

import numpy as np
import pytest
from PIL import Image

from kerata.data import Dataset, image_dataset_from_directory
from kerata.utils import img_to_array, load_img


def test_functions_that_cannot_be_used():
    with pytest.raises(TypeError, match="`map_func` must be a function"):
        Dataset.range(2).map(3)
    with pytest.raises(TypeError, match="`predicate` must be a function"):
        Dataset.range(2).filter(None)
    pairs = Dataset.from_tensor_slices((np.arange(4), np.arange(4)))
    with pytest.raises(TypeError, match="called with 2 arguments, the parts of a tuple"):
        list(pairs.map(lambda x: x))
    with pytest.raises(ValueError, match=r"Received: None\nIs a `return` missing"):
        list(pairs.map(lambda x, y: None))
    with pytest.raises(ValueError, match=r"unbatch\(\) first"):
        list(pairs.batch(2).filter(lambda x, y: y > 1))


def test_data_sets_are_made_by_class_methods():
    for arguments in ((), (np.ones(3),)):
        with pytest.raises(TypeError, match=r"from_tensor_slices\(\(x, y\)\)"):
            Dataset(*arguments)


def test_folders_of_parts_are_no_classes(tmp_path):
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("L", (2, 2)).save(tmp_path / part / name / "0.png")
    with pytest.warns(
        UserWarning, match=r"\['test', 'train'\].*\n.*by itself: '.*train'"
    ) as caught:
        image_dataset_from_directory(tmp_path, verbose=False)
    assert caught[0].filename == __file__
    found = image_dataset_from_directory(tmp_path / "train", verbose=False)
    assert found.class_names == ["cat", "dog"]
    with pytest.raises(TypeError, match="`directory` must be the path of a folder"):
        image_dataset_from_directory(None)


def test_paths_and_sizes_of_pictures(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    with pytest.raises(TypeError, match=r"img_to_array\(load_img\(path\)\)"):
        img_to_array(tmp_path / "a.png")
    assert load_img(tmp_path / "a.png", target_size=3).size == (3, 3)
    with pytest.raises(ValueError, match="`target_size` must be an integer or a tuple of 2"):
        load_img(tmp_path / "a.png", target_size=(3, 3, 3))
