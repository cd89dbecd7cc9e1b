"""Layers that look at a pixel's neighbours: blurring and sharpening."""

import jax
import jax.numpy as jnp

from kerata.engine.errors import argument_error, int_tuple
from kerata.kernels.depthwise import depthwise_conv
from kerata.layers.preprocessing.image import base
from kerata.ops.resampling import as_batch


def gaussian_blur(x, sigma, reach):
    """Blur each image of `(batch, height, width, channels)` by standard deviations of its own.

    A blur is linear along rows and columns, so two small matrices an image do it, whatever its
    strength. Beyond the border images count as 0.

    Args:
        x: images.
        sigma: `(batch, 2)` or `(1, 2)`: standard deviation in pixels, sideways and downwards.
        reach: how far the weights reach, sideways and downwards, in pixels.
    """

    def weights(size, sigma, reach):
        sigma = jnp.maximum(sigma, 1e-6)[:, None, None]  # with 0, only the pixel itself counts
        taps = jnp.arange(-reach, reach + 1)
        distance = jnp.arange(size)[:, None] - jnp.arange(size)
        found = jnp.where(jnp.abs(distance) <= reach, jnp.exp(-0.5 * (distance / sigma) ** 2), 0)
        total = jnp.sum(jnp.exp(-0.5 * (taps / sigma) ** 2), axis=-1, keepdims=True)
        return (found / total).astype(x.dtype)

    sigma = jnp.broadcast_to(sigma, (x.shape[0], 2))
    across = weights(x.shape[2], sigma[:, 0], reach[0])
    down = weights(x.shape[1], sigma[:, 1], reach[1])
    return jnp.einsum("nij,njkc,nlk->nilc", down, x, across)


class RandomGaussianBlur(base.RangedLayer):
    """Blurs images with a Gaussian window at random in training.

    Args:
        factor: probability that an image is blurred: a pair to draw it from, or the end of a
            range from 0.
        kernel_size: width and height of the window in pixels, odd.
        sigma: standard deviation of the window in pixels: a pair to draw it from, or the end of a
            range from 0, at most 1.
        value_range: least and greatest value of a pixel.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(
        self,
        factor=1.0,
        kernel_size=3,
        sigma=1.0,
        value_range=(0, 255),
        data_format=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor = base.factor_range("factor", factor, 0, 1, self)
        self.kernel_size = int_tuple("kernel_size", kernel_size, 2, self)
        if any(n % 2 == 0 for n in self.kernel_size):
            raise argument_error("kernel_size", "be odd", kernel_size, self)
        self.sigma = base.factor_range("sigma", sigma, 0, 1, self)

    def draw(self, key, size):
        first, second = jax.random.split(key)
        return {
            "should_apply_blur": base.happens(first, self.factor, size.batch),
            "blur_factor": base.uniform(second, self.sigma, (size.batch, 2)),
        }

    def change_images(self, images, transformation):
        x, restore = as_batch(images, self.data_format)
        sigma = jnp.reshape(jnp.asarray(transformation["blur_factor"]), (-1, 2))
        blurred = gaussian_blur(x, sigma, [n // 2 for n in self.kernel_size])
        blurred = restore(jnp.clip(blurred, *self.value_range))
        return jnp.where(base.for_each_image(transformation["should_apply_blur"]), blurred, images)


class RandomSharpness(base.RangedLayer):
    """Blurs or sharpens images at random in training.

    Args:
        factor: 0 blurs, 0.5 changes nothing, 1 sharpens: a pair to draw it from, or the end of a
            range from 0.
        value_range: least and greatest value of a pixel.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(self, factor, value_range=(0, 255), data_format=None, seed=None, **kwargs):
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor = base.factor_range("factor", factor, 0, 1, self)

    def draw(self, key, size):
        return {"factor": base.uniform(key, self.factor, (size.batch,))}

    def change_images(self, images, transformation):
        x, restore = as_batch(images, self.data_format)
        window = jnp.asarray([[1, 1, 1], [1, 5, 1], [1, 1, 1]], x.dtype) / 13
        window = jnp.broadcast_to(window[:, :, None, None], (3, 3, x.shape[-1], 1))
        blurred = restore(depthwise_conv(x, window, padding="same"))
        strength = 2 * base.for_each_image(transformation["factor"])
        return jnp.clip(blurred + strength * (images - blurred), *self.value_range)
