"""Files that users give: what is read of them, and what is said of those that cannot be."""

import numpy as np
import pytest
from PIL import Image

from kerata.cli import reading
from kerata.cli.guard import BadInput


def test_pairs(tmp_path):
    (tmp_path / "a.tsv").write_text("one\t un \tremark\ntwo\tdeux\n")
    pairs = reading.pairs_of(tmp_path / "a.tsv", "a word", "another")
    assert pairs == [("one", "un"), ("two", "deux")]


def test_images(tmp_path):
    for name, shade in (("dark", 10), ("light", 200)):
        (tmp_path / name).mkdir()
        for number in range(10):
            Image.new("RGB", (8, 4), (shade, 0, number)).save(tmp_path / name / f"{number}.png")
    names, images, labels, files = reading.images_of(tmp_path, (2, 3))
    assert names == ["dark", "light"] and images.shape == (20, 2, 3, 3)
    assert labels.tolist() == [0] * 10 + [1] * 10
    np.testing.assert_allclose(images[:, 0, 0, 0], 10 + 190 * labels)
    assert files[3].endswith("3.png")
    assert reading.images_of(tmp_path, (2, 3), channels=1)[1].shape == (20, 2, 3, 1)


@pytest.mark.parametrize(
    "read, content, message",
    [
        (reading.text_of, None, "--data must be a text file, and there is none at .*given"),
        (reading.text_of, b"\xff\xfe", "--data must be a text file in UTF-8, and is not: .*given"),
        (reading.table_of, None, "--data must be a .csv file, and there is none at .*given"),
        (reading.table_of, b"", "--data: .*given is no table: "),
        (reading.table_of, b"a,b\n1,2\n1,2,3\n", "--data: .*given is no table: .*line 3"),
        (reading.table_of, b"a;b\n1;2\n", "--data: .*given must have commas .* not ';'"),
        (lambda path: reading.pairs_of(path, "a class", "a text"), b"a\tb\nc d",
         "given, line 2: a class, a tab and a text are needed"),
        (lambda path: reading.images_of(path, (2, 2)), None, "--data: There is no folder"),
    ],
    ids=["no text", "binary", "no table", "empty table", "uneven table", "semicolons",
         "no tab", "no folder"],
)  # fmt: skip
def test_what_cannot_be_read_is_said_in_one_line(tmp_path, read, content, message):
    if content is not None:
        (tmp_path / "given").write_bytes(content)
    with pytest.raises(BadInput, match=message) as caught:
        read(tmp_path / "given")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("classes, message", [(1, "has 1 with 3"), (2, "has 2 with 6")])
def test_too_few_images(tmp_path, classes, message):
    for number in range(classes):
        (tmp_path / str(number)).mkdir()
        for place in range(3):
            Image.new("L", (4, 4)).save(tmp_path / str(number) / f"{place}.png")
    with pytest.raises(BadInput, match=f"2 folders or more, .* 20 images in all; .* {message}"):
        reading.images_of(tmp_path, (2, 2))


def test_images_that_lie_in_no_folder(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(
        BadInput, match="--data must hold a folder of images for each class; .* has"
    ):
        reading.images_of(tmp_path, (2, 2))


def test_lines_of_a_complaint_become_sentences_of_one():
    with pytest.raises(BadInput, match=r"^--data: One thing\. Received: another\.$"):
        with reading.one_line("--data"):
            raise ValueError("One thing.\nReceived: another")
