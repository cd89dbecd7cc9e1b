"""Layers that change the size of images: resizing, crops at the centre and at random."""

import jax
import jax.numpy as jnp
from jax import lax

from kerata.engine import dtypes
from kerata.engine.errors import one_of, positive_int
from kerata.engine.rng import SeedGenerator, draw_seed
from kerata.layers.preprocessing.image.base import ImageLayer
from kerata.ops.resampling import INTERPOLATIONS, resize


class _Sized(ImageLayer):
    """Base of layers whose images get one size, `(height, width)`.

    Subclasses write `fit`, for images and masks, and `window`, for boxes.
    """

    always_on = True

    def __init__(self, height, width, **kwargs):
        super().__init__(**kwargs)
        self.height = positive_int("height", height, self)
        self.width = positive_int("width", width, self)

    def fit(self, x, transformation, interpolation):
        """Return images or masks in the layer's size."""
        raise NotImplementedError(f"{type(self).__name__} must have a `fit` method.")

    def window(self, size, transformation):
        """Return (top, left, rows, columns) of the part of the inputs that the result shows."""
        raise NotImplementedError(f"{type(self).__name__} must have a `window` method.")

    def change_images(self, images, transformation):
        return self.fit(images, transformation, "bilinear")

    def change_masks(self, masks, transformation):
        return self.fit(masks, transformation, "nearest")

    def change_boxes(self, bounding_boxes, transformation):
        size = self._size(transformation["input_shape"])
        top, left, rows, columns = self.window(size, transformation)
        scale = jnp.asarray([self.width / columns, self.height / rows] * 2)
        offset = jnp.stack([jnp.asarray(n, "float32") for n in (left, top, left, top)])
        sizes = ((size.height, size.width), (self.height, self.width))
        return self._moved_boxes(bounding_boxes, sizes, lambda x: (x - offset) * scale)

    def _resize(self, x, interpolation, **options):
        size = (self.height, self.width)
        return resize(x, size, interpolation, data_format=self.data_format, **options)

    def _is_larger(self, size) -> bool:
        """Return whether the layer's size can be cut out of images of a size."""
        return size.height >= self.height and size.width >= self.width

    def _cut(self, x, top, left):
        """Return the part of images that begins at (top, left)."""
        x = lax.dynamic_slice_in_dim(x, top, self.height, x.ndim + self.height_axis)
        return lax.dynamic_slice_in_dim(x, left, self.width, x.ndim + self.width_axis)

    def _of_equal_ratio(self, size, choose=min):
        """Return the window with the layer's proportions: the largest inside, or around (max)."""
        rows = choose(size.height, max(int(size.width * self.height / self.width), 1))
        columns = choose(size.width, max(int(size.height * self.width / self.height), 1))
        if choose is min:
            return (size.height - rows) // 2, (size.width - columns) // 2, rows, columns
        return -((rows - size.height) // 2), -((columns - size.width) // 2), rows, columns


class Resizing(_Sized):
    """Changes the height and width of images.

    Args:
        height: height of the result.
        width: width of the result.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5"; masks are
            always resized by "nearest".
        crop_to_aspect_ratio: whether to cut equal margins off first, so that proportions stay.
        pad_to_aspect_ratio: whether to add equal margins first, so that proportions stay.
        fill_mode: must be "constant".
        fill_value: what margins are filled with.
        antialias: whether to blur before shrinking, so that fine patterns do not alias.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.

    Images of an integer dtype keep it.

    Example:
        >>> kerata.layers.Resizing(2, 3)(np.zeros((8, 6, 3), "uint8"))[..., 0]
        Array([[0, 0, 0],
               [0, 0, 0]], dtype=uint8)
    """

    def __init__(
        self,
        height,
        width,
        interpolation="bilinear",
        crop_to_aspect_ratio=False,
        pad_to_aspect_ratio=False,
        fill_mode="constant",
        fill_value=0.0,
        antialias=False,
        data_format=None,
        **kwargs,
    ):
        super().__init__(height, width, data_format=data_format, **kwargs)
        self.interpolation = one_of("interpolation", interpolation, INTERPOLATIONS, self)
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError(
                f"{self._title()} takes one of `crop_to_aspect_ratio` and `pad_to_aspect_ratio`, "
                "not both."
            )
        self.fill_mode = one_of("fill_mode", fill_mode, ("constant",), self)
        self.fill_value = fill_value
        self.antialias = antialias

    def transform_images(self, images, transformation=None, training=True):
        images = jnp.asarray(images)
        if dtypes.is_int(images.dtype):
            return self.fit(images, transformation, self.interpolation)
        return super().transform_images(images, transformation, training)

    def change_images(self, images, transformation):
        return self.fit(images, transformation, self.interpolation)

    def fit(self, x, transformation, interpolation):
        return self._resize(
            x,
            interpolation,
            antialias=self.antialias and interpolation != "nearest",
            crop_to_aspect_ratio=self.crop_to_aspect_ratio,
            pad_to_aspect_ratio=self.pad_to_aspect_ratio,
            fill_value=self.fill_value,
        )

    def window(self, size, transformation):
        if self.crop_to_aspect_ratio or self.pad_to_aspect_ratio:
            return self._of_equal_ratio(size, min if self.crop_to_aspect_ratio else max)
        return 0, 0, size.height, size.width


class CenterCrop(_Sized):
    """Cuts the middle out of images.

    Smaller images are enlarged, and cut to the proportions of the result.

    Args:
        height: height of the result.
        width: width of the result.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.

    Example:
        >>> kerata.layers.CenterCrop(2, 2)(np.arange(16).reshape(4, 4, 1))[..., 0]
        Array([[ 5.,  6.],
               [ 9., 10.]], dtype=float32)
    """

    def __init__(self, height, width, data_format=None, **kwargs):
        super().__init__(height, width, data_format=data_format, **kwargs)

    def fit(self, x, transformation, interpolation):
        size = self._size(x.shape)
        if not self._is_larger(size):
            return self._resize(x, interpolation, crop_to_aspect_ratio=True)
        return self._cut(x, *self.window(size, transformation)[:2])

    def window(self, size, transformation):
        if not self._is_larger(size):
            return self._of_equal_ratio(size)
        top, left = (size.height - self.height) // 2, (size.width - self.width) // 2
        return top, left, self.height, self.width


class RandomCrop(CenterCrop):
    """Cuts a part out of images in training: at a random place, one for all images of a batch.

    In inference, it is the middle. Smaller images are enlarged, and cut to the proportions of the
    result.

    Args:
        height: height of the result.
        width: width of the result.
        seed: integer that fixes the random numbers.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        name: name of the layer.
        **kwargs: `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(self, height, width, seed=None, data_format=None, name=None, **kwargs):
        super().__init__(height, width, data_format=data_format, name=name, **kwargs)
        self.seed = seed
        self.generator = SeedGenerator(seed)

    def get_random_transformation(self, data, training=True, seed=None):
        found = super().get_random_transformation(data, training, seed)
        size = self._size(found["input_shape"])
        if not (training and self._is_larger(size)):
            return found
        first, second = jax.random.split(draw_seed(self.generator if seed is None else seed))
        top = jax.random.randint(first, (), 0, size.height - self.height + 1)
        left = jax.random.randint(second, (), 0, size.width - self.width + 1)
        return {**found, "top": top, "left": left}

    def window(self, size, transformation):
        if "top" not in transformation:
            return super().window(size, transformation)
        return transformation["top"], transformation["left"], self.height, self.width
