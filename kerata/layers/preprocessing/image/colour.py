"""Layers that change colours, pixel by pixel."""

import math

import jax
import jax.numpy as jnp

from kerata.engine.errors import probability
from kerata.layers.preprocessing.image import base
from kerata.ops.image import hsv_to_rgb, rgb_to_grayscale, rgb_to_hsv


class _InHSV(base.RangedLayer):
    """Base of layers that change hue and saturation. Subclasses write `change_hsv`."""

    def change_hsv(self, hue, saturation, transformation):
        """Return hue and saturation changed."""
        raise NotImplementedError(f"{type(self).__name__} must have a `change_hsv` method.")

    def change_images(self, images, transformation):
        hsv = rgb_to_hsv(base.rescaled(images, self.value_range, 1), data_format=self.data_format)
        hue, saturation, value = jnp.split(hsv, 3, self.channel_axis)
        hue, saturation = self.change_hsv(hue, saturation, transformation)
        hsv = jnp.concatenate([hue, saturation, value], self.channel_axis)
        rgb = hsv_to_rgb(hsv, data_format=self.data_format)
        return base.scaled_back(rgb, self.value_range, 1)


class RandomBrightness(base.RangedLayer):
    """Makes images brighter or darker at random in training.

    Args:
        factor: what is added, as part of the value range: a pair in [-1, 1] to draw it from, or a
            number for the range from its negative to it.
        value_range: least and greatest value of a pixel.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`, `data_format`.

    Example:
        >>> layer = kerata.layers.RandomBrightness((0.1, 0.1), value_range=(0, 1))
        >>> layer(np.array([[[0.5], [0.95]]]))[..., 0]
        Array([[0.6, 1. ]], dtype=float32)
    """

    def __init__(self, factor, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(value_range, seed, **kwargs)
        self.factor = base.factor_range("factor", factor, -1, 1, self, symmetric=True)

    def draw(self, key, size):
        low, high = self.value_range
        return {"rgb_delta": base.uniform(key, self.factor, (size.batch, 1, 1, 1)) * (high - low)}

    def change_images(self, images, transformation):
        delta = jnp.asarray(transformation["rgb_delta"])
        return jnp.clip(images + delta, *self.value_range)


class RandomContrast(base.RangedLayer):
    """Strengthens or weakens the contrast of images at random in training.

    The distance of pixels from the mean of their channel is multiplied by a number from
    `1 - lower` to `1 + upper`.

    Args:
        factor: the pair `(lower, upper)`; a number means `(0, number)`.
        value_range: least and greatest value of a pixel.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`, `data_format`.
    """

    def __init__(self, factor, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(value_range, seed, **kwargs)
        self.factor = base.factor_range("factor", factor, 0, math.inf, self)

    def draw(self, key, size):
        lower, upper = self.factor
        return {"contrast_factor": base.uniform(key, (1 - lower, 1 + upper), (size.batch, 1, 1, 1))}

    def change_images(self, images, transformation):
        factor = jnp.asarray(transformation["contrast_factor"])
        mean = jnp.mean(images, axis=(self.height_axis, self.width_axis), keepdims=True)
        return jnp.clip((images - mean) * factor + mean, *self.value_range)


class RandomColorDegeneration(base.RangedLayer):
    """Takes part of the colour out of images at random in training.

    Args:
        factor: 0 changes nothing, 1 leaves only grey: a pair to draw it from, or a number for the
            range from its negative to it.
        value_range: least and greatest value of a pixel.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(self, factor, value_range=(0, 255), data_format=None, seed=None, **kwargs):
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor = base.factor_range("factor", factor, -1, 1, self, symmetric=True)

    def draw(self, key, size):
        return {"factor": base.uniform(key, self.factor, (size.batch, 1, 1, 1))}

    def change_images(self, images, transformation):
        factor = jnp.asarray(transformation["factor"])
        gray = rgb_to_grayscale(images, data_format=self.data_format)
        return jnp.clip(images + factor * (gray - images), *self.value_range)


class RandomHue(_InHSV):
    """Turns the colours of images around the colour circle at random in training.

    Args:
        factor: 1 is half a turn, to either side: a pair in [0, 1] to draw it from, or the end of
            a range from 0.
        value_range: least and greatest value of a pixel.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(self, factor, value_range=(0, 255), data_format=None, seed=None, **kwargs):
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor = base.factor_range("factor", factor, 0, 1, self)

    def draw(self, key, size):
        first, second = jax.random.split(key)
        turn = base.uniform(first, self.factor, (size.batch,)) / 2
        return {"factor": turn * jax.random.rademacher(second, turn.shape, turn.dtype)}

    def change_hsv(self, hue, saturation, transformation):
        return (hue + base.for_each_image(transformation["factor"])) % 1, saturation


class RandomSaturation(_InHSV):
    """Makes the colours of images paler or stronger at random in training.

    Args:
        factor: 0 leaves only grey, 0.5 changes nothing, 1 gives the strongest colours: a pair to
            draw it from, or a number for the range from its negative to it, where negative
            numbers are as 0.
        value_range: least and greatest value of a pixel.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(self, factor, value_range=(0, 255), data_format=None, seed=None, **kwargs):
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor = base.factor_range("factor", factor, -1, 1, self, symmetric=True)

    def draw(self, key, size):
        factor = base.uniform(key, self.factor, (size.batch,))
        return {"factor": factor / (1 - jnp.minimum(factor, 1 - 1e-6))}

    def change_hsv(self, hue, saturation, transformation):
        return hue, jnp.clip(saturation * base.for_each_image(transformation["factor"]), 0, 1)


class RandomGrayscale(base.RandomImageLayer):
    """Takes the colours out of images at random in training; the channels stay.

    Args:
        factor: probability that an image loses its colours.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(self, factor=0.5, data_format=None, seed=None, **kwargs):
        super().__init__(seed, data_format=data_format, **kwargs)
        self.factor = probability("factor", factor, self)

    def draw(self, key, size):
        return jax.random.bernoulli(key, self.factor, (size.batch, 1, 1, 1))

    def change_images(self, images, transformation):
        gray = rgb_to_grayscale(images, data_format=self.data_format)
        return jnp.where(transformation, gray, images)


class RandomInvert(base.RangedLayer):
    """Turns images into their negatives at random in training.

    Args:
        factor: probability that an image is inverted: a pair to draw it from, or the end of a
            range from 0.
        value_range: least and greatest value of a pixel.
        seed: integer that fixes the random numbers.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(self, factor=1.0, value_range=(0, 255), seed=None, data_format=None, **kwargs):
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor = base.factor_range("factor", factor, 0, 1, self)

    def draw(self, key, size):
        return {"apply_inversion": base.happens(key, self.factor, size.batch)}

    def change_images(self, images, transformation):
        inverted = sum(self.value_range) - images
        return jnp.where(base.for_each_image(transformation["apply_inversion"]), inverted, images)


class RandomPosterization(base.RangedLayer):
    """Reduces the number of colours of images in training, by keeping fewer bits a channel.

    Args:
        factor: how many of 8 bits to keep: a pair in [1, 8] to draw it from, or the end of a
            range from 1.
        value_range: least and greatest value of a pixel.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(self, factor, value_range=(0, 255), data_format=None, seed=None, **kwargs):
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        lower, upper = base.factor_range("factor", factor, 1, 8, self)
        self.factor = (max(lower, 1), upper)

    def draw(self, key, size):
        lower, upper = (int(bits) for bits in self.factor)
        bits = jax.random.randint(key, (size.batch,), lower, upper + 1)
        return {"shift_factor": (8 - bits).astype("uint8")}

    def change_images(self, images, transformation):
        levels = jnp.clip(base.rescaled(images, self.value_range, 255), 0, 255).astype("uint8")
        shift = base.for_each_image(transformation["shift_factor"]).astype("uint8")
        return base.scaled_back((levels >> shift) << shift, self.value_range, 255)


class Solarization(base.RangedLayer):
    """Inverts pixels that are bright, as a film exposed for far too long, in training.

    Args:
        addition_factor: what is added first, as part of the value range: a pair in [0, 1] to
            draw it from, or the end of a range from 0.
        threshold_factor: from which brightness on pixels are inverted, likewise.
        value_range: least and greatest value of a pixel.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`, `data_format`.

    Example:
        >>> kerata.layers.Solarization()(np.array([[[0], [64], [255]]]))[..., 0]
        Array([[255., 191.,   0.]], dtype=float32)
    """

    def __init__(
        self, addition_factor=0.0, threshold_factor=0.0, value_range=(0, 255), seed=None, **kwargs
    ):  # fmt: skip
        super().__init__(value_range, seed, **kwargs)
        self.addition_factor = base.factor_range("addition_factor", addition_factor, 0, 1, self)
        self.threshold_factor = base.factor_range("threshold_factor", threshold_factor, 0, 1, self)

    def draw(self, key, size):
        first, second = jax.random.split(key)
        shape = (size.batch, 1, 1, 1)
        return {
            "additions": 255 * base.uniform(first, self.addition_factor, shape),
            "thresholds": 255 * base.uniform(second, self.threshold_factor, shape),
        }

    def change_images(self, images, transformation):
        additions, thresholds = (
            jnp.asarray(transformation[name]) for name in ("additions", "thresholds")
        )
        levels = jnp.clip(base.rescaled(images, self.value_range, 255) + additions, 0, 255)
        return base.scaled_back(
            jnp.where(levels < thresholds, levels, 255 - levels), self.value_range, 255
        )
