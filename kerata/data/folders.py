"""Folders of files as data sets: what the loaders of pictures, text and sound have in common."""

import os
from collections import Counter
from collections.abc import Callable

import numpy as np

from kerata.data import nodes, steps, streams
from kerata.data.dataset import Dataset
from kerata.data.steps import AUTOTUNE
from kerata.engine.errors import argument_error, one_of, warn

# Names of folders that hold no class.
_PARTS = set("train training test testing val valid validation eval dev".split())
LABEL_MODES = ("int", "categorical", "binary", None)


class Folder:
    """The files of a folder, with their labels.

    Args:
        directory: path of the folder.
        kind: what is in the files, "image" for example, for messages.
        formats: endings of the names of such files.
        labels, label_mode, class_names, shuffle, seed, validation_split, subset, follow_links,
            verbose: see `image_dataset_from_directory`.
        format: "tf" or "grain".
        on_error: "raise" or "skip".
    """

    def __init__(
        self, directory, kind, formats, *, labels, label_mode, class_names, shuffle, seed,
        validation_split, subset, follow_links, verbose, format="tf", on_error="raise",
    ):  # fmt: skip
        if not isinstance(directory, (str, os.PathLike)):
            raise argument_error("directory", "be the path of a folder", directory, kind=TypeError)
        self.directory = os.fspath(directory)
        self.kind = kind
        self.formats = formats
        self.shuffle = shuffle
        self.seed = int(np.random.randint(10**6)) if seed is None else seed
        self.subset = subset
        self.on_error = one_of("on_error", on_error, ("raise", "skip"))
        self.reshuffle = one_of("format", format, ("tf", "grain")) == "tf"
        one_of("label_mode", label_mode, LABEL_MODES)
        if not (labels is None or isinstance(labels, (list, tuple, np.ndarray))
                or (isinstance(labels, str) and labels == "inferred")):  # fmt: skip
            raise argument_error(
                "labels", 'be "inferred" (from the folders\' names), None, or a list of one label '
                "for each file in the order of their paths", labels,
            )  # fmt: skip
        inferred = isinstance(labels, str)
        if class_names is not None and not inferred:
            raise ValueError(
                '`class_names` may only be given with labels="inferred".\n'
                f"Received: class_names={class_names}, labels={labels!r}"
            )
        _check_split(validation_split, subset, shuffle, seed)
        self.label_mode = None if labels is None else label_mode
        self.paths: list[str] = []
        self.labels: np.ndarray | None = None
        self.class_names: list[str] | None = None
        self._index(labels if label_mode else None, inferred, class_names, follow_links)
        if verbose:
            classes = f" belonging to {len(self.class_names)} classes" if self.class_names else ""
            print(f"Found {len(self.paths)} files{classes}.")
        if self.label_mode == "binary" and len(self.class_names or ()) != 2:
            raise ValueError(
                'label_mode="binary" needs exactly two classes.\n'
                f"Received: {self.class_names}\nUse \"int\" or \"categorical\"."
            )  # fmt: skip
        if shuffle:
            order = np.arange(len(self.paths))
            np.random.RandomState(self.seed).shuffle(order)
            self.paths = [self.paths[i] for i in order]
            self.labels = None if self.labels is None else self.labels[order]
        self.held_out = int((validation_split or 0) * len(self.paths))
        if subset and verbose:
            training = len(self.paths) - self.held_out
            if subset != "validation":
                print(f"Using {training} files for training.")
            if subset != "training":
                print(f"Using {self.held_out} files for validation.")

    def _index(self, labels, inferred: bool, class_names, follow_links: bool) -> None:
        """Find the files and their labels."""
        if not os.path.isdir(self.directory):
            raise NotADirectoryError(
                f"There is no folder {self.directory!r}.\nReceived: a path in "
                f"{os.path.abspath(os.path.dirname(self.directory) or os.curdir)!r}"
            )
        by_folder = inferred and labels is not None
        names = [name for name in _folders(self.directory) if not name.startswith(".")]
        if class_names is not None:
            if not set(class_names) <= set(names):
                raise ValueError(
                    "`class_names` must be names of folders.\nReceived: "
                    f"{sorted(set(class_names) - set(names))}\nThere are: {names[:20]}"
                )
            names = list(class_names)
        found: list[int] = []
        others: Counter = Counter()
        for label, name in enumerate(names if by_folder else [""]):
            start = os.path.join(self.directory, name)
            for root, _, files in sorted(os.walk(start, followlinks=follow_links)):
                for file in sorted(files):
                    if file.lower().endswith(self.formats):
                        self.paths.append(os.path.join(root, file))
                        found.append(label)
                    else:
                        others[os.path.splitext(file)[1] or file] += 1
        if not self.paths:
            raise self._empty(names if by_folder else None, others)
        if by_folder:
            self.labels, self.class_names = np.array(found, "int32"), names
            self._check_classes(names, found)
        elif labels is not None:
            if len(labels) != len(self.paths):
                raise ValueError(
                    "`labels` must hold one label for each file, in the order of their paths.\n"
                    f"Received: {len(labels)} labels, and {len(self.paths)} files in "
                    f"{self.directory!r}"
                )
            classes = sorted(set(labels))
            self.class_names = [str(label) for label in classes]
            if isinstance(classes[0], str) or self.label_mode != "int":
                labels = [classes.index(label) for label in labels]
            self.labels = np.array(labels, "int32")

    def _empty(self, names, others) -> ValueError:
        text = f"There are no {self.kind} files ({', '.join(self.formats)}) in {self.directory!r}."
        if names is not None and not names:
            top = sum(name.lower().endswith(self.formats) for name in os.listdir(self.directory))
            text += f"\nReceived: a folder with no folders in it, and {top} such files"
            hint = "Make a folder for each class, or pass labels=None or a list of labels."
        else:
            listed = ", ".join(f"{n} {ending}" for ending, n in others.most_common(4))
            text += f"\nReceived: other files: {listed or 'none'}"
            hint = "Look whether the path is right, and the files' names end so."
        return ValueError(f"{text}\n{hint}")

    def _check_classes(self, names, found) -> None:
        empty = [name for i, name in enumerate(names) if i not in set(found)]
        if len(names) == 1:
            inner = os.path.join(self.directory, names[0])
            warn(
                f"All {self.kind} files belong to one class, {names[0]!r}: there is nothing to "
                "learn.\n"
                + (f"Did you mean the folder {inner!r}?" if _folders(inner)
                   else "Each class needs a folder of its own."),
            )  # fmt: skip
        elif {name.lower() for name in names} <= _PARTS:
            part = os.path.join(self.directory, names[-1])
            warn(
                f"The folders of {self.directory!r} are taken as classes: {names}.\n"
                f"If they are parts of the data, load each by itself: {part!r}."
            )
        elif empty and len(names) > len(empty):
            warn(
                f"There are no {self.kind} files in the folders of the classes {empty[:10]}.",
            )

    def datasets(self, load: Callable, batch_size, join: Callable | None = None):
        """Return the data set, or the pair of them, that `subset` asks for.

        Args:
            load: function from a path to what is in the file.
            batch_size: samples in a batch; no batches if None.
            join: makes a batch of elements, if not by stacking them.
        """
        end = len(self.paths) - self.held_out
        parts = {
            None: [(0, len(self.paths))], "training": [(0, end)],
            "validation": [(end, len(self.paths))], "both": [(0, end), (end, len(self.paths))],
        }[self.subset]  # fmt: skip
        made = []
        for number, (low, high) in enumerate(parts):
            if low == high:
                raise ValueError(
                    f"No files are left for {'validation' if low else 'training'}.\n"
                    f"Received: {len(self.paths)} files, {self.held_out} of them for validation"
                )
            made.append(self._dataset(low, high, load, batch_size, join, number == 0))
        return made if self.subset == "both" else made[0]

    def _dataset(self, low, high, load, batch_size, join, shuffled) -> Dataset:
        paths = np.array(self.paths[low:high], dtype=object)
        files = Dataset.from_tensor_slices((paths, self._targets(low, high)))
        if self.shuffle and shuffled:
            files = files.shuffle(len(paths), self.seed, reshuffle_each_iteration=self.reshuffle)
        broken: list[str] = []

        def read(element, index):
            path, target = element
            try:
                content = load(path)
            except (OSError, ValueError) as error:
                if self.on_error == "raise":
                    error.add_note(f"While reading {path!r}. To go on without: on_error='skip'.")
                    raise
                if path not in broken:
                    broken.append(path)
                    warn(f"Left out {path!r}: {error}")
                return None
            return content if self.label_mode is None else (content, target)

        def make(epoch, parent):
            return nodes.Mapped(parent, read, steps.processors())

        dataset = files._then(make)
        if self.on_error == "skip":  # Grain leaves out None where it goes through the elements
            dataset = dataset._stream(streams.filtered, lambda element, index: True, index=0)
        if batch_size is not None:
            dataset = dataset._grouped(batch_size, False, join)
        dataset = dataset.prefetch(AUTOTUNE)
        dataset.class_names = self.class_names
        dataset.file_paths = self.paths[low:high]
        dataset.broken_files = broken
        return dataset

    def _targets(self, low, high):
        if self.label_mode is None:
            return np.zeros(high - low, "int32")
        labels = self.labels[low:high]
        if self.label_mode == "binary":
            return labels[:, None].astype("float32")
        if self.label_mode == "categorical":
            return np.eye(len(self.class_names), dtype="float32")[labels]
        return labels


def _folders(directory: str) -> list[str]:
    """Return the sorted names of the folders in a folder."""
    names = os.listdir(directory)
    return sorted(name for name in names if os.path.isdir(os.path.join(directory, name)))


def _check_split(validation_split, subset, shuffle, seed) -> None:
    if validation_split and not 0 < validation_split < 1:
        raise argument_error("validation_split", "lie between 0 and 1", validation_split)
    if bool(validation_split) != (subset is not None):
        raise ValueError(
            "`validation_split` and `subset` must be given together.\n"
            f"Received: validation_split={validation_split}, subset={subset!r}"
        )
    one_of("subset", subset, ("training", "validation", "both", None))
    if validation_split and shuffle and seed is None and subset != "both":
        raise ValueError(
            "`seed` must be given beside `subset`, so that both parts are of one shuffling.\n"
            "Received: seed=None\nPass the same seed for both, or shuffle=False, or subset='both'."
        )
