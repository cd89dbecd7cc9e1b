"""TensorBoard: writes what the program of that name shows."""

import os
import time
from typing import Any

import jax
import numpy as np

from kerata.engine.errors import argument_error, positive_int
from kerata.training.callbacks import events
from kerata.training.callbacks.callback import Callback
from kerata.training.callbacks.monitor import learning_rates_of


class TensorBoard(Callback):
    """Writes logs for TensorBoard, which `tensorboard --logdir LOG_DIR` shows.

    Scalars are written by epoch (`epoch_loss`, `epoch_learning_rate`, ...) into `train` and
    `validation` in the folder; with `update_freq` also by batch (`batch_loss`), and for validation
    by training step (`evaluation_loss_vs_iterations`). Writing needs no other package; looking at
    it needs the extra `tensorboard`.

    Args:
        log_dir: the folder.
        histogram_freq: write histograms of the weights every so many epochs; 0 for never.
        write_graph: whether to write the graph of the layers.
        write_images: whether to write the weights as pictures too, at most three of each, with the
            histograms.
        write_steps_per_second: whether to write how many steps are done in a second.
        update_freq: "epoch", "batch", or a number of batches after which scalars are written.
        profile_batch: number of a batch (from 1) to profile, or a pair (first, last); 0 for none.
        embeddings_freq: write the tables of `Embedding` layers every so many epochs, for the
            projector; 0 for never.
        embeddings_metadata: name of the file that describes the rows of each table, by the layer's
            name; or one name for all.

    Raises:
        ValueError: if `update_freq` or `profile_batch` is none of these.

    Example:
        >>> import tempfile
        >>> board = kerata.callbacks.TensorBoard(tempfile.mkdtemp(), histogram_freq=1)
    """

    remembers = ("_step",)

    def __init__(
        self,
        log_dir="logs",
        histogram_freq=0,
        write_graph=True,
        write_images=False,
        write_steps_per_second=False,
        update_freq="epoch",
        profile_batch=0,
        embeddings_freq=0,
        embeddings_metadata=None,
    ):
        super().__init__()
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        if update_freq != "epoch":
            self.update_freq = positive_int("update_freq", self.update_freq, self)
        self.profile_batch = _first_and_last(profile_batch, self)
        self.watches_batches = update_freq != "epoch" or self.profile_batch[0] > 0
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self._files: dict[str, events.EventFile] = {}
        self._step = 0  # batches of training so far
        self._last_batch = -1
        self._epoch = 0
        self._is_training = self._is_profiling = False
        self._times: dict[str, tuple[float, int]] = {}

    def _file(self, name: str) -> events.EventFile:
        if name not in self._files:
            self._files[name] = events.EventFile(os.path.join(self.log_dir, name))
        return self._files[name]

    def _write(self, name: str, step: int, values: dict) -> None:
        numbers = {tag: value for tag, value in values.items() if np.ndim(value) == 0}
        if numbers:
            self._file(name).add(step, *(events.scalar(tag, x) for tag, x in numbers.items()))

    def on_train_begin(self, logs=None):
        self._is_training = True
        if self.embeddings_freq:
            self._describe_embeddings()
        if self.write_graph and (nodes := _nodes(self.model)):
            self._file("train").add_graph(events.graph(nodes))

    def on_train_end(self, logs=None):
        self._stop_profile()
        self._is_training = False
        for file in self._files.values():
            file.close()
        self._files = {}

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        self._last_batch = -1
        self._times["epoch"] = time.perf_counter(), self._step

    def on_train_batch_begin(self, batch, logs=None):
        first, _ = self.profile_batch
        self._times["batch"] = time.perf_counter(), self._step
        if first and self._step + 1 == first and not self._is_profiling:
            jax.profiler.start_trace(os.path.join(self.log_dir, "train"))
            self._is_profiling = True

    def on_train_batch_end(self, batch, logs=None):
        before = self._step
        self._step += batch - self._last_batch
        self._last_batch = batch
        if self._is_profiling and self._step >= self.profile_batch[1]:
            jax.block_until_ready([v.value for v in self.model.trainable_variables[:1]])
            self._stop_profile()
        every = self.update_freq
        if every == "epoch" or self._step // every == before // every:
            return
        found = {f"batch_{name}": value for name, value in (logs or {}).items()}
        self._write("train", self._step, found | self._speed("batch"))

    def _stop_profile(self):
        if self._is_profiling:
            jax.profiler.stop_trace()
            self._is_profiling = False

    def _speed(self, what: str) -> dict:
        if not self.write_steps_per_second:
            return {}
        start, step = self._times[what]
        return {f"{what}_steps_per_second": (self._step - step) / (time.perf_counter() - start)}

    def on_epoch_end(self, epoch, logs=None):
        logs = dict(logs or {})
        mine = {f"epoch_{k}": v for k, v in logs.items() if not k.startswith("val_")}
        theirs = {f"epoch_{k[4:]}": v for k, v in logs.items() if k.startswith("val_")}
        if hasattr(self.model.optimizer, "learning_rate"):
            rates = learning_rates_of(self.model.optimizer)
            mine |= {f"epoch_{k}": np.asarray(o.learning_rate) for k, o in rates.items()}
        self._write("train", epoch, mine | self._speed("epoch"))
        self._write("validation", epoch, theirs)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings()
        for file in self._files.values():
            file.flush()

    def on_test_end(self, logs=None):
        found = {f"evaluation_{k}_vs_iterations": v for k, v in dict(logs or {}).items()}
        step = getattr(self.model.optimizer, "iterations", 0)
        self._write("validation", int(step), found)
        if not self._is_training:
            self.on_train_end()

    def _write_weights(self, epoch):
        for layer in self.model._flatten_layers(include_self=False):
            for variable in layer._own_variables:
                values = variable.numpy().astype("float32")
                tag = f"{layer.name}/{variable.name}"
                found = [events.histogram(f"{tag}/histogram", values)]
                if self.write_images and (pixels := _pixels(values)) is not None:
                    found.append(events.image(f"{tag}/image", pixels))
                self._file("train").add(epoch, *found)

    def _embeddings(self) -> dict[str, Any]:
        layers = self.model._flatten_layers(include_self=False)
        return {x.name: x for x in layers if hasattr(x, "embeddings")}

    def _describe_embeddings(self):
        metadata = self.embeddings_metadata or {}
        names = list(self._embeddings())
        if isinstance(metadata, str):
            metadata = dict.fromkeys(names, metadata)
        unknown = sorted(set(metadata) - set(names))
        if unknown:
            must = f"name Embedding layers of the model, which has {names}"
            raise argument_error("embeddings_metadata", must, unknown, self)
        lines = []
        for name in names:
            lines += ["embeddings {", f'  tensor_name: "{name}"', f'  tensor_path: "{name}.tsv"']
            lines += [f'  metadata_path: "{metadata[name]}"'] if name in metadata else []
            lines += ["}"]
        os.makedirs(self.log_dir, exist_ok=True)
        with open(os.path.join(self.log_dir, "projector_config.pbtxt"), "w") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def _write_embeddings(self):
        for name, layer in self._embeddings().items():
            table = np.asarray(layer.embeddings, "float32")
            np.savetxt(os.path.join(self.log_dir, f"{name}.tsv"), table, "%.6g", "\t")


def _first_and_last(batches, owner) -> tuple[int, int]:
    pair = (batches, batches) if isinstance(batches, int) else batches
    if isinstance(pair, (tuple, list)) and len(pair) == 2:
        first, last = pair
        if isinstance(first, int) and isinstance(last, int) and 0 <= first <= last:
            return first, last
    must = "be a number of at least 0, or a pair of numbers (first, last)"
    raise argument_error("profile_batch", must, batches, owner)


def _nodes(model) -> list:
    """Return the layers of a graph: (name, kind, names of the layers before)."""
    found = []
    operations: Any = getattr(model, "operations", None) or getattr(model, "layers", ())
    for operation in operations:
        before = [
            tensor._keras_history.operation.name
            for node in operation._inbound_nodes[:1]
            for tensor in node.input_tensors
        ]
        found.append((operation.name, type(operation).__name__, before))
    return found


def _pixels(values):
    """Return weights as up to 3 pictures `(pictures, height, width, 1)` in [0, 1], or None."""
    values = np.squeeze(values)
    if values.ndim == 0 or values.ndim > 4:
        return None
    values = values.reshape((1,) * max(0, 2 - values.ndim) + values.shape)
    pictures = np.moveaxis(values.reshape(*values.shape[:2], -1)[..., :3], -1, 0)[..., None]
    low, high = pictures.min(), pictures.max()
    return (pictures - low) / (high - low) if high > low else np.zeros_like(pictures)
