"""Layers that move pixels: rotation, shear, translation, zoom, perspective, flips, distortion."""

import jax
import jax.numpy as jnp

from kerata.engine.errors import one_of, probability
from kerata.engine.rng import draw_seed
from kerata.layers.preprocessing.image import base
from kerata.layers.preprocessing.image.filters import gaussian_blur
from kerata.ops.projections import affine_matrices, homography
from kerata.ops.resampling import (
    FILL_MODES,
    ORDERS,
    affine_transform,
    as_batch,
    grid,
    sample_images,
)
from kerata.utils.bounding_boxes import move_boxes


def _both_ways(name, value, owner):
    return base.factor_range(name, value, -1, 1, owner, symmetric=True)


class _Resampled(base.RandomImageLayer):
    """Base of layers whose pixels come from between those of the inputs."""

    def __init__(self, interpolation, fill_mode, fill_value, seed, data_format, **kwargs):
        super().__init__(seed, data_format=data_format, **kwargs)
        self.interpolation = one_of("interpolation", interpolation, tuple(ORDERS), self)
        self.fill_mode = one_of("fill_mode", fill_mode, FILL_MODES, self)
        self.fill_value = fill_value

    def move(self, x, transformation, interpolation):
        """Return images or masks with their pixels moved."""
        raise NotImplementedError(f"{type(self).__name__} must have a `move` method.")

    def change_images(self, images, transformation):
        return self.move(images, transformation, self.interpolation)

    def change_masks(self, masks, transformation):
        return self.move(masks, transformation, "nearest")


class _Projected(_Resampled):
    """Base of layers that move pixels by a 3x3 matrix an image.

    Subclasses write `matrices`; images, masks and boxes follow from it.
    """

    def matrices(self, transformation, height, width):
        """Return what sends the (column, row) of the result's pixels to the inputs' pixels."""
        raise NotImplementedError(f"{type(self).__name__} must have a `matrices` method.")

    def _matrices(self, transformation):
        size = self._size(transformation["input_shape"])
        return self.matrices(transformation, size.height, size.width), (size.height, size.width)

    def move(self, x, transformation, interpolation):
        matrices, _ = self._matrices(transformation)
        numbers = matrices.reshape(-1, 9)[:, :8]
        return affine_transform(
            x, numbers, interpolation, self.fill_mode, self.fill_value, self.data_format
        )

    def change_boxes(self, bounding_boxes, transformation):
        matrices, size = self._matrices(transformation)
        back = jnp.linalg.inv(matrices)
        return self._moved_boxes(bounding_boxes, (size, size), lambda x: move_boxes(x, back))


class RandomRotation(_Projected):
    """Rotates images around their middle at random in training.

    Args:
        factor: angle as part of a full turn, counter-clockwise: a pair to draw it from, or a
            number for the range from its negative to it.
        fill_mode: what comes in from beyond the border: "reflect", "constant", "wrap" or
            "nearest".
        interpolation: "bilinear" or "nearest".
        seed: integer that fixes the random numbers.
        fill_value: the value beyond the border, for "constant".
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.

    Example:
        >>> layer = kerata.layers.RandomRotation((0.25, 0.25))
        >>> layer(np.array([[[1.0], [2.0]], [[3.0], [4.0]]]))[..., 0].round()
        Array([[2., 4.],
               [1., 3.]], dtype=float32)
    """

    def __init__(
        self,
        factor,
        fill_mode="reflect",
        interpolation="bilinear",
        seed=None,
        fill_value=0.0,
        data_format=None,
        **kwargs,
    ):
        super().__init__(
            interpolation, fill_mode, fill_value, seed, data_format=data_format, **kwargs
        )
        self.factor = _both_ways("factor", factor, self)

    def draw(self, key, size):
        angle = 360 * base.uniform(key, self.factor, (size.batch,))
        return {"angle": angle, "input_shape": size.shape}

    def matrices(self, transformation, height, width):
        angle = jnp.deg2rad(jnp.asarray(transformation["angle"]))
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        return affine_matrices(((cos, -sin), (sin, cos)), ((width - 1) / 2, (height - 1) / 2))


class RandomShear(_Projected):
    """Shears images at random in training.

    Args:
        x_factor: by how many columns a pixel moves for each row: a pair in [0, 1] to draw it
            from, or the end of a range from 0. The direction is drawn, too.
        y_factor: by how many rows a pixel moves for each column, likewise.
        interpolation: "bilinear" or "nearest".
        fill_mode: what comes in from beyond the border: "reflect", "constant", "wrap" or
            "nearest".
        fill_value: the value beyond the border, for "constant".
        data_format: "channels_last" or "channels_first"; the global setting if None.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(
        self,
        x_factor=0.0,
        y_factor=0.0,
        interpolation="bilinear",
        fill_mode="reflect",
        fill_value=0.0,
        data_format=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            interpolation, fill_mode, fill_value, seed, data_format=data_format, **kwargs
        )
        self.x_factor = self._range("x_factor", x_factor)
        self.y_factor = self._range("y_factor", y_factor)

    def _range(self, name, value):
        if isinstance(value, (list, tuple)) and len(value) == 2 and value[0] == -value[1]:
            value = value[1]  # so it is written in Keras's configs
        return base.factor_range(name, value, 0, 1, self)

    def draw(self, key, size):
        keys = jax.random.split(key, 3)
        ranges = zip(keys, (self.x_factor, self.y_factor))
        strengths = jnp.stack([base.uniform(k, r, (size.batch,)) for k, r in ranges], axis=-1)
        signs = jax.random.rademacher(keys[2], strengths.shape, strengths.dtype)
        return {"shear_factor": strengths * signs, "input_shape": size.shape}

    def matrices(self, transformation, height, width):
        factors = jnp.asarray(transformation["shear_factor"])
        return affine_matrices(((1, factors[:, 0]), (factors[:, 1], 1)))


class RandomTranslation(_Projected):
    """Shifts images at random in training.

    Args:
        height_factor: shift downwards as part of the height: a pair in [-1, 1] to draw it from,
            or a number for the range from its negative to it.
        width_factor: shift to the right as part of the width, likewise.
        fill_mode: what comes in from beyond the border: "reflect", "constant", "wrap" or
            "nearest".
        interpolation: "bilinear" or "nearest".
        seed: integer that fixes the random numbers.
        fill_value: the value beyond the border, for "constant".
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(
        self,
        height_factor,
        width_factor,
        fill_mode="reflect",
        interpolation="bilinear",
        seed=None,
        fill_value=0.0,
        data_format=None,
        **kwargs,
    ):
        super().__init__(
            interpolation, fill_mode, fill_value, seed, data_format=data_format, **kwargs
        )
        self.height_factor = height_factor
        self.width_factor = width_factor
        self._height = base.factor_range(
            "height_factor", height_factor, -1, 1, self, symmetric=True
        )
        self._width = _both_ways("width_factor", width_factor, self)

    def draw(self, key, size):
        first, second = jax.random.split(key)
        right = size.width * base.uniform(first, self._width, (size.batch,))
        down = size.height * base.uniform(second, self._height, (size.batch,))
        moves = jnp.stack([right, down], axis=-1)
        return {"translations": moves, "input_shape": size.shape}

    def matrices(self, transformation, height, width):
        moves = jnp.asarray(transformation["translations"])
        return affine_matrices(((1, 0), (0, 1)), shift=(-moves[:, 0], -moves[:, 1]))


class RandomZoom(_Projected):
    """Zooms out of images, or into them, at random in training.

    Args:
        height_factor: by how much more (or less, if negative) of the height comes into view: a
            pair in [-1, 1] to draw it from, or a number for the range from its negative to it.
        width_factor: the same of the width; None to keep the proportions.
        fill_mode: what comes in from beyond the border: "reflect", "constant", "wrap" or
            "nearest".
        interpolation: "bilinear" or "nearest".
        seed: integer that fixes the random numbers.
        fill_value: the value beyond the border, for "constant".
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(
        self,
        height_factor,
        width_factor=None,
        fill_mode="reflect",
        interpolation="bilinear",
        seed=None,
        fill_value=0.0,
        data_format=None,
        **kwargs,
    ):
        super().__init__(
            interpolation, fill_mode, fill_value, seed, data_format=data_format, **kwargs
        )
        self.height_factor = height_factor
        self.width_factor = width_factor
        self._height = base.factor_range(
            "height_factor", height_factor, -1, 1, self, symmetric=True
        )
        self._width = None
        if width_factor is not None:
            self._width = base.factor_range(
                "width_factor", width_factor, -1, 1, self, symmetric=True
            )

    def draw(self, key, size):
        first, second = jax.random.split(key)
        height = 1 + base.uniform(first, self._height, (size.batch, 1))
        width = height
        if self._width is not None:
            width = 1 + base.uniform(second, self._width, (size.batch, 1))
        return {"height_zoom": height, "width_zoom": width, "input_shape": size.shape}

    def matrices(self, transformation, height, width):
        x, y = (jnp.ravel(transformation[name]) for name in ("width_zoom", "height_zoom"))
        return affine_matrices(((x, 0), (0, y)), ((width - 1) / 2, (height - 1) / 2))


class RandomPerspective(_Projected):
    """Shows images as if from another point of view, at random in training.

    The corners of an image move, each by itself, and the rest follows.

    Args:
        factor: probability that an image changes: a pair to draw it from, or the end of a range
            from 0.
        scale: how far corners move at most, as part of twice the image's sides, in [0, 1].
        interpolation: "bilinear" or "nearest".
        fill_value: the value beyond the border.
        seed: integer that fixes the random numbers.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(
        self,
        factor=1.0,
        scale=1.0,
        interpolation="bilinear",
        fill_value=0.0,
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(
            interpolation, "constant", fill_value, seed, data_format=data_format, **kwargs
        )
        self.factor = base.factor_range("factor", factor, 0, 1, self)
        self.scale = probability("scale", scale, self)

    def draw(self, key, size):
        first, second = jax.random.split(key)
        right, bottom = size.width - 1.0, size.height - 1.0
        start = jnp.asarray([[0, 0], [right, 0], [0, bottom], [right, bottom]])
        start = jnp.broadcast_to(start, (size.batch, 4, 2))
        half = self.scale / 2
        return {
            "apply_perspective": base.happens(first, self.factor, size.batch),
            "start_points": start,
            "end_points": start * (1 + base.uniform(second, (-half, half), start.shape)),
            "input_shape": size.shape,
        }

    def matrices(self, transformation, height, width):
        ends = jnp.asarray(transformation["end_points"], "float32")
        moved = homography(ends, jnp.asarray(transformation["start_points"], "float32"))
        applied = jnp.asarray(transformation["apply_perspective"])[:, None, None]
        return jnp.where(applied, moved, jnp.eye(3))


class RandomElasticTransform(_Resampled):
    """Distorts images like rubber at random in training (Simard et al., 2003).

    Args:
        factor: probability that an image is distorted: a pair to draw it from, or the end of a
            range from 0.
        scale: strength: a pair in [0, 1] to draw it from, or the end of a range from 0. At 1,
            pixels move by some 3% of the image's shorter side.
        interpolation: "bilinear" or "nearest".
        fill_mode: what comes in from beyond the border: "reflect", "constant", "wrap" or
            "nearest".
        fill_value: the value beyond the border, for "constant".
        value_range: least and greatest value of a pixel.
        seed: integer that fixes the random numbers.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`.

    Bounding boxes cannot be given: where distorted objects end is not known.
    """

    def __init__(
        self,
        factor=1.0,
        scale=1.0,
        interpolation="bilinear",
        fill_mode="reflect",
        fill_value=0.0,
        value_range=(0, 255),
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(
            interpolation, fill_mode, fill_value, seed, data_format=data_format, **kwargs
        )
        self.factor = base.factor_range("factor", factor, 0, 1, self)
        self.scale = base.factor_range("scale", scale, 0, 1, self)
        self.value_range = base.check_value_range(value_range, self)

    def draw(self, key, size):
        first, second, third = jax.random.split(key, 3)
        return {
            "apply_transform": base.happens(first, self.factor, size.batch),
            "distortion_factor": base.uniform(second, self.scale, (size.batch,)),
            "seed": jax.random.bits(third, (2,), "uint32"),
        }

    def move(self, x, transformation, interpolation):
        x, restore = as_batch(x, self.data_format)
        batch, height, width, _ = x.shape
        # Both the reach of a distortion and its smoothness grow with the image.
        strength = jnp.asarray(transformation["distortion_factor"], "float32") * min(height, width)
        strength = jnp.broadcast_to(strength, (batch,)) * transformation["apply_transform"]
        key = draw_seed(transformation["seed"])
        noise = jax.random.normal(key, (batch, height, width, 2))
        sigma = jnp.stack([0.05 * strength] * 2, axis=-1)
        smooth = gaussian_blur(noise, sigma, (width, height))
        moves = 0.005 * strength[:, None, None, None] ** 2 * smooth
        rows, columns = grid(x)
        places = rows + moves[..., 0], columns + moves[..., 1]
        return restore(sample_images(x, *places, interpolation, self.fill_mode, self.fill_value))

    def change_images(self, images, transformation):
        return jnp.clip(super().change_images(images, transformation), *self.value_range)

    def change_boxes(self, bounding_boxes, transformation):
        raise NotImplementedError(
            f"{self._title()} cannot move bounding boxes: where a distorted object ends is not "
            "known.\nGive segmentation masks, or leave the layer out."
        )


class RandomFlip(base.RandomImageLayer):
    """Mirrors images at random in training, each with a probability of one half.

    Args:
        mode: "horizontal" (left and right change places), "vertical" (top and bottom do) or
            "horizontal_and_vertical" (both, independently).
        seed: integer that fixes the random numbers.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.

    Example:
        >>> layer = kerata.layers.RandomFlip("horizontal", seed=1)
        >>> images = np.array([[[[1], [2]]], [[[1], [2]]], [[[1], [2]]]])
        >>> layer(images)[:, 0, :, 0]
        Array([[2., 1.],
               [1., 2.],
               [1., 2.]], dtype=float32)
    """

    def __init__(
        self, mode="horizontal_and_vertical", seed=None, data_format=None, **kwargs
    ):  # fmt: skip
        super().__init__(seed, data_format=data_format, **kwargs)
        modes = ("horizontal", "vertical", "horizontal_and_vertical")
        self.mode = one_of("mode", mode, modes, self)

    def draw(self, key, size):
        ways = 2 if self.mode == "horizontal_and_vertical" else 1
        flips = jax.random.bernoulli(key, 0.5, (size.batch, ways))
        return {"flips": flips, "input_shape": size.shape}

    def _flips(self, transformation):
        """Return whether each image is flipped sideways, and whether upside down: `(batch, 1)`."""
        flips = jnp.asarray(transformation["flips"])
        flips = flips.reshape(flips.shape[0], -1)
        never = jnp.zeros_like(flips[:, :1])
        sideways = never if self.mode == "vertical" else flips[:, :1]
        return sideways, never if self.mode == "horizontal" else flips[:, -1:]

    def change_images(self, images, transformation):
        axes = (self.width_axis, self.height_axis)
        for axis, flips in zip(axes, self._flips(transformation)):
            images = jnp.where(flips[..., None, None], jnp.flip(images, axis), images)
        return images

    def change_masks(self, masks, transformation):
        return self.change_images(masks, transformation)

    def change_boxes(self, bounding_boxes, transformation):
        size = self._size(transformation["input_shape"])
        sides = jnp.asarray([size.width, size.height] * 2, "float32")
        flips = jnp.stack(self._flips(transformation) * 2, axis=-1)

        def flip(boxes):
            return jnp.where(flips, (sides - boxes)[..., jnp.asarray([2, 3, 0, 1])], boxes)

        plane = (size.height, size.width)
        return self._moved_boxes(bounding_boxes, (plane, plane), flip)
