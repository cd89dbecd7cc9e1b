"""What the layers for images have in common: their data, random parameters, and boxes."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kerata.engine import dtypes, settings
from kerata.engine.errors import argument_error, one_of
from kerata.engine.rng import SeedGenerator, draw_seed
from kerata.engine.transforms import jit
from kerata.layers.stateless import Stateless
from kerata.ops.resampling import check_rank
from kerata.utils.bounding_boxes import FORMATS, clip_to_image_size, convert_format

# What a layer changes in a dict; other entries go through as they are.
KINDS = ("images", "labels", "bounding_boxes", "segmentation_masks")


class Size(NamedTuple):
    """The size of a batch of images; a single one counts as a batch of one."""

    batch: int
    height: int
    width: int
    channels: int
    shape: tuple  # in the layer's data format


class ImageLayer(Stateless):
    """Base of layers that change images, and labels, boxes and masks along with them.

    A call draws one set of random parameters, then changes everything by it:
    `get_random_transformation`, `transform_images`, `transform_labels`,
    `transform_bounding_boxes` and `transform_segmentation_masks` are the steps, and may be
    overridden. Layers here write `change_images(images, transformation)` and its like, which are
    called where there is something to do.

    Args:
        bounding_box_format: the format of bounding boxes, see `kerata.utils.bounding_boxes`.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    config_exclude = (*Stateless.config_exclude, "bounding_box_format", "data_format")
    convert_inputs = False  # a dict may hold anything besides
    # Whether the layer does the same in inference as in training.
    always_on = False

    def __init__(self, bounding_box_format=None, data_format=None, **kwargs):
        super().__init__(**kwargs)
        if isinstance(bounding_box_format, str):
            one_of("bounding_box_format", bounding_box_format.lower(), FORMATS, self)
        self.bounding_box_format = bounding_box_format
        self.data_format = settings.data_format(data_format, self)
        first = self.data_format == "channels_first"
        self.height_axis, self.width_axis, self.channel_axis = (
            (-2, -1, -3) if first else (-3, -2, -1)
        )

    def __setattr__(self, name, value):
        vars(self).pop("_compiled_methods", None)  # what is compiled holds the attributes' values
        super().__setattr__(name, value)

    def call(self, data, training=True):
        given = data if isinstance(data, dict) else {"images": data}
        if "images" not in given:
            raise ValueError(
                f'{self._title()} takes images, or a dict that has "images".\n'
                f"Received: a dict with {sorted(given)}"
            )
        parts = {k: self._tensors(given[k]) for k in KINDS if given.get(k) is not None}
        check_rank(parts["images"])
        # One program in place of dozens of small ones, unless this is part of a larger one. What
        # users' own classes do may need values, as NumPy does.
        traced = any(isinstance(x, jax.core.Tracer) for x in jax.tree_util.tree_leaves(parts))
        own = type(self).__module__.startswith("kerata.")
        change = self._change_compiled if own and not traced else self._change
        parts = change(parts, isinstance(data, dict), training)
        return {**given, **parts} if isinstance(data, dict) else parts["images"]

    def _change(self, parts, named, training):
        """Return changed parts; `named` says whether they came as a dict."""
        single = parts["images"].ndim == 3
        if single:
            parts = jax.tree_util.tree_map(lambda x: x[None], parts)
        masks = parts.get("segmentation_masks")
        flat = masks is not None and masks.ndim == 3
        if flat:
            parts = {**parts, "segmentation_masks": jnp.expand_dims(masks, self.channel_axis)}
        transformation = self.get_random_transformation(
            parts if named else parts["images"], training=training
        )
        parts = {
            kind: getattr(self, f"transform_{kind}")(value, transformation, training=training)
            for kind, value in parts.items()
        }
        if flat:
            parts["segmentation_masks"] = jnp.squeeze(
                parts["segmentation_masks"], self.channel_axis
            )
        return jax.tree_util.tree_map(lambda x: x[0], parts) if single else parts

    _change_compiled = jit(_change)

    def _tensors(self, value):
        """Return arrays, floats of them in the layer's compute dtype, if that is one of floats."""
        if isinstance(value, dict):
            return {key: self._tensors(x) for key, x in value.items()}
        if isinstance(value, (list, tuple)):
            value = np.asarray(value)
        autocast = self.autocast and dtypes.is_float(self.compute_dtype)
        return self.dtype_policy.convert_input(value, autocast, self.compute_dtype)

    # The steps.

    def get_random_transformation(self, data, training=True, seed=None) -> Any:
        """Draw what one call needs.

        Args:
            data: images, or a dict with "images".
            training: whether the layer is called in training.
            seed: what to draw from; the layer's own generator if None.

        Returns:
            What the other steps get as `transformation`; None for "change nothing".
        """
        return {"input_shape": tuple(self._images_of(data).shape)}

    def transform_images(self, images, transformation=None, training=True):
        """Return changed images.

        Args:
            images: a batch of images.
            transformation: what `get_random_transformation` returned.
            training: whether the layer is called in training.
        """
        images = self._floats(images)
        if self._acts(transformation, training):
            images = self.change_images(images, transformation)
        return self._finished(images)

    def transform_labels(self, labels, transformation=None, training=True):
        """Return the labels of the changed images."""
        acts = self._acts(transformation, training)
        return self.change_labels(labels, transformation) if acts else labels

    def transform_bounding_boxes(self, bounding_boxes, transformation=None, training=True):
        """Return the bounding boxes of the changed images.

        Args:
            bounding_boxes: dict with "boxes", `(batch, boxes, 4)`, and "labels", `(batch, boxes)`.
            transformation: what `get_random_transformation` returned.
            training: whether the layer is called in training.
        """
        acts = self._acts(transformation, training)
        return self.change_boxes(bounding_boxes, transformation) if acts else bounding_boxes

    def transform_segmentation_masks(self, segmentation_masks, transformation=None, training=True):
        """Return the segmentation masks of the changed images."""
        if not self._acts(transformation, training):
            return segmentation_masks
        return self.change_masks(jnp.asarray(segmentation_masks), transformation)

    # What subclasses write; by default, only images change.

    def change_images(self, images, transformation):
        """Return changed images, floats as they are."""
        raise NotImplementedError(f"{type(self).__name__} must have a `change_images` method.")

    def change_labels(self, labels, transformation):
        """Return changed labels."""
        return labels

    def change_boxes(self, bounding_boxes, transformation):
        """Return a changed dict of bounding boxes."""
        return bounding_boxes

    def change_masks(self, masks, transformation):
        """Return changed segmentation masks."""
        return masks

    # Tools.

    def _acts(self, transformation, training) -> bool:
        return self.always_on or (bool(training) and transformation is not None)

    def _images_of(self, data):
        images = data["images"] if isinstance(data, dict) else data
        check_rank(images)
        return images

    def _size(self, shape) -> Size:
        """Return the size of images of a shape."""
        shape = tuple(shape)
        height, width, channels = (
            shape[axis] for axis in (self.height_axis, self.width_axis, self.channel_axis)
        )
        return Size(shape[0] if len(shape) == 4 else 1, height, width, channels, shape)

    def _floats(self, images):
        """Return images in the dtype to compute in."""
        floating = dtypes.is_float(self.compute_dtype)
        return jnp.asarray(images).astype(self.compute_dtype if floating else "float32")

    def _finished(self, images):
        """Return images in the layer's compute dtype: integers rounded and limited."""
        if dtypes.is_int(self.compute_dtype):
            limits = jnp.iinfo(self.compute_dtype)
            images = jnp.clip(jnp.round(images), limits.min, limits.max)
        return images.astype(self.compute_dtype)

    def _moved_boxes(self, bounding_boxes, sizes, function):
        """Apply a function of corners "xyxy" in pixels; clip, and mark what is gone.

        Args:
            bounding_boxes: dict with "boxes" in the layer's format, and "labels".
            sizes: (height, width) of the images before, and after.
            function: gets `(batch, boxes, 4)`.
        """
        if self.bounding_box_format is None:
            raise ValueError(
                f"{self._title()} must know the format of bounding boxes to move them.\n"
                f'Make it with bounding_box_format="xyxy" (or another of {", ".join(FORMATS)}).'
            )
        boxes = jnp.asarray(bounding_boxes["boxes"])
        corners = function(convert_format(boxes, self.bounding_box_format, "xyxy", *sizes[0]))
        moved = {**bounding_boxes, "boxes": corners}
        if boxes.ndim == 2:
            # Boxes of one image; of all images, where there are several.
            if corners.ndim == 3 and corners.shape[0] == 1 and np.ndim(moved.get("labels")) < 2:
                moved["boxes"] = corners[0]
            elif corners.ndim == 3 and "labels" in moved:
                shape = (corners.shape[0], *np.shape(moved["labels"]))
                moved["labels"] = jnp.broadcast_to(moved["labels"], shape)
        moved = clip_to_image_size(moved, *sizes[1])
        return convert_format(moved, "xyxy", self.bounding_box_format, *sizes[1])

    def get_config(self) -> dict:
        config = {**super().get_config(), "data_format": self.data_format}
        if self.bounding_box_format is not None:
            config["bounding_box_format"] = self.bounding_box_format
        return config


class RandomImageLayer(ImageLayer):
    """Base of layers that change images at random in training, each image in its own way.

    Subclasses write `draw(key, size)`, whose result is the transformation.

    Args:
        seed: integer that fixes the random numbers.
        **kwargs: see `ImageLayer`.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = SeedGenerator(seed)

    def draw(self, key, size: Size) -> Any:
        """Return random parameters for a batch of images."""
        raise NotImplementedError(f"{type(self).__name__} must have a `draw` method.")

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        size = self._size(self._images_of(data).shape)
        return self.draw(draw_seed(self.generator if seed is None else seed), size)


class RangedLayer(RandomImageLayer):
    """Base of random layers that know between which values the pixels are.

    Args:
        value_range: least and greatest value of a pixel.
        seed: integer that fixes the random numbers.
        **kwargs: see `ImageLayer`.
    """

    def __init__(self, value_range, seed, **kwargs):
        super().__init__(seed, **kwargs)
        self.value_range = check_value_range(value_range, self)


# Arguments, values and random numbers


def factor_range(name, value, low, high, owner, symmetric=False) -> tuple:
    """Return the range `(lower, upper)` that an argument means.

    Args:
        name: name of the argument.
        value: a pair, or a number that stands for the range from 0 to it.
        low: least number allowed.
        high: greatest number allowed.
        owner: the layer.
        symmetric: whether a number stands for the range from its negative to it.

    Raises:
        ValueError: if it is neither, or out of bounds.
    """
    pair = isinstance(value, (list, tuple, np.ndarray)) and len(value) == 2
    numbers = tuple(value) if pair else (value,)
    real = all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in numbers)
    if not real or not all(low <= v <= high for v in numbers):
        end = "" if math.isinf(high) else f" and at most {high}"
        must = f"be a number, or a pair of numbers, of at least {low}{end}"
        raise argument_error(name, must, value, owner)
    if pair:
        return tuple(sorted(numbers))
    return (-abs(value), abs(value)) if symmetric else (0, value)


def check_value_range(value, owner) -> tuple:
    """Return `value_range`, checked: the least and the greatest value of a pixel."""
    real = isinstance(value, (list, tuple)) and len(value) == 2
    if not real or any(isinstance(v, str) for v in value) or value[0] >= value[1]:
        must = "be a pair of numbers: the least and the greatest value of a pixel"
        raise argument_error("value_range", must, value, owner)
    return tuple(value)


def rescaled(images, value_range, top):
    """Return images whose values are from 0 to `top`."""
    low, high = value_range
    return (images - low) * (top / (high - low))


def scaled_back(images, value_range, top):
    """Undo `rescaled`, and limit the values to the range."""
    low, high = value_range
    return jnp.clip(images * ((high - low) / top) + low, low, high)


def uniform(key, bounds, shape):
    """Return numbers drawn evenly from the range `bounds`."""
    return jax.random.uniform(key, shape, "float32", *bounds)


def happens(key, chances, batch: int):
    """Return booleans `(batch,)`, each True with a probability drawn from the range `chances`."""
    first, second = jax.random.split(key)
    return uniform(first, (0.0, 1.0), (batch,)) < uniform(second, chances, (batch,))


def for_each_image(values):
    """Return values `(batch,)` in the shape that broadcasts with images."""
    return jnp.reshape(jnp.asarray(values), (-1, 1, 1, 1))
