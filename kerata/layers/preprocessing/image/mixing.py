"""Layers that mix images of a batch with each other, or rub parts of them out."""

import jax
import jax.numpy as jnp

from kerata.engine.dtypes import as_float
from kerata.engine.errors import argument_error
from kerata.layers.preprocessing.image import base


def _beta(key, alpha, batch):
    """Draw from Beta distributions of equal parameters, `alpha`."""
    # Half the code to compile of what `jax.random.beta` takes.
    gammas = jax.random.loggamma(key, alpha, (2, batch))
    return jax.nn.sigmoid(gammas[0] - gammas[1])


def _patches(key, size, areas, channels_first):
    """Return booleans, True inside one rectangle an image, with the image's proportions.

    Args:
        key: key for random numbers.
        size: size of the images.
        areas: `(batch,)`: the rectangles' part of the image.
        channels_first: whether the mask's channel axis, of size 1, is the second.
    """
    sides = jnp.sqrt(areas)

    def inside(key, length):
        extent = jnp.round(sides * length)
        start = jnp.floor(base.uniform(key, (0.0, 1.0), sides.shape) * (length - extent + 1))
        places = jnp.arange(length)
        begin, end = start[:, None], (start + extent)[:, None]
        return (places >= begin) & (places < end)

    first, second = jax.random.split(key)
    rows, columns = inside(first, size.height), inside(second, size.width)
    return jnp.expand_dims(rows[:, :, None] & columns[:, None], 1 if channels_first else -1)


class RandomErasing(base.RangedLayer):
    """Rubs out a part of images at random in training (Zhong et al., 2017).

    Args:
        factor: probability that an image loses a part: a pair to draw it from, or the end of a
            range from 0.
        scale: how much of the image the part is: a pair in [0, 1] to draw it from, or the end of
            a range from 0.
        fill_value: what is there instead; None for noise.
        value_range: least and greatest value of a pixel.
        seed: integer that fixes the random numbers.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(
        self,
        factor=1.0,
        scale=(0.02, 0.33),
        fill_value=None,
        value_range=(0, 255),
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(value_range, seed, data_format=data_format, **kwargs)
        self.factor = base.factor_range("factor", factor, 0, 1, self)
        self.scale = base.factor_range("scale", scale, 0, 1, self)
        self.fill_value = fill_value

    def draw(self, key, size):
        first, second, third, fourth = jax.random.split(key, 4)
        areas = base.uniform(second, self.scale, (size.batch,))
        fill = self.fill_value
        if fill is None:
            low, high = self.value_range
            shape = size.shape if len(size.shape) == 4 else (1, *size.shape)
            noise = jax.random.normal(fourth, shape)
            fill = jnp.clip(noise * (high - low) + low, low, high)
        return {
            "apply_erasing": base.happens(first, self.factor, size.batch),
            "batch_masks": _patches(third, size, areas, self.channel_axis == -3),
            "fill_value": fill,
        }

    def change_images(self, images, transformation):
        erased = (
            base.for_each_image(transformation["apply_erasing"]) & transformation["batch_masks"]
        )
        return jnp.where(erased, transformation["fill_value"], images)


class _Mixing(base.RandomImageLayer):
    """Base of layers that mix each image with another one of the batch.

    A transformation holds the other image's place, `permutation_order`, and the own image's
    weight, `mix_weight`.
    """

    def _others(self, x, transformation):
        return jnp.take(jnp.asarray(x), jnp.asarray(transformation["permutation_order"]), axis=0)

    def _blend(self, x, transformation):
        x = as_float(x)
        weight = jnp.ravel(jnp.asarray(transformation["mix_weight"], x.dtype))
        weight = weight.reshape(-1, *(1,) * (x.ndim - 1))
        return weight * x + (1 - weight) * self._others(x, transformation)

    def change_labels(self, labels, transformation):
        return self._blend(labels, transformation)


class MixUp(_Mixing):
    """Blends images, and their labels, with those of other samples in training.

    Labels must be one-hot, or numbers of which the mean makes sense. Masks are blended, too, and
    of both images all boxes stay. Sources: Zhang et al., 2017; for boxes, Zhang et al., 2019.

    Args:
        alpha: the smaller, the nearer a blend is to one of its images: both parameters of the
            Beta distribution of the weights. Positive.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        seed: integer that fixes the random numbers.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(self, alpha=0.2, data_format=None, seed=None, **kwargs):
        super().__init__(seed, data_format=data_format, **kwargs)
        if not isinstance(alpha, (int, float)) or alpha <= 0:
            raise argument_error("alpha", "be a positive number", alpha, self)
        self.alpha = alpha

    def draw(self, key, size):
        first, second = jax.random.split(key)
        return {
            "mix_weight": _beta(first, self.alpha, size.batch),
            "permutation_order": jax.random.permutation(second, size.batch),
        }

    def change_images(self, images, transformation):
        weight = base.for_each_image(transformation["mix_weight"])
        return weight * images + (1 - weight) * self._others(images, transformation)

    def change_masks(self, masks, transformation):
        return self._blend(masks, transformation)

    def change_boxes(self, bounding_boxes, transformation):
        def both(x):
            x = jnp.asarray(x)
            return jnp.concatenate([x, self._others(x, transformation)], axis=min(1, x.ndim - 1))

        return jax.tree_util.tree_map(both, bounding_boxes)


class CutMix(_Mixing):
    """Pastes a part of another image into images in training, and mixes the labels accordingly.

    Source: Yun et al., 2019. Labels must be one-hot, or numbers of which the mean makes sense;
    their weights are the parts of the area that each image has in the result. Masks are pasted as
    the images are; bounding boxes cannot be given.

    Args:
        factor: how unequal the parts are, rather (small) or hardly (1): both parameters of the
            Beta distribution of the own image's part; a pair to draw them from, or the end of a
            range from 0.
        seed: integer that fixes the random numbers.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, factor=1.0, seed=None, data_format=None, **kwargs):
        super().__init__(seed, data_format=data_format, **kwargs)
        self.factor = base.factor_range("factor", factor, 0, 1, self)

    def draw(self, key, size):
        first, second, third, fourth = jax.random.split(key, 4)
        alpha = jnp.maximum(base.uniform(first, self.factor, (size.batch,)), 1e-3)
        others = 1 - _beta(second, alpha, size.batch)
        masks = _patches(third, size, others, self.channel_axis == -3)
        # Weights are what was really cut, after rounding to pixels.
        weight = 1 - jnp.mean(masks, axis=(1, 2, 3), keepdims=True, dtype="float32")
        return {
            "permutation_order": jax.random.permutation(fourth, size.batch),
            "batch_masks": masks,
            "mix_weight": weight,
        }

    def change_images(self, images, transformation):
        others = self._others(images, transformation)
        return jnp.where(transformation["batch_masks"], others, images)

    def change_masks(self, masks, transformation):
        return self.change_images(masks, transformation)

    def change_boxes(self, bounding_boxes, transformation):
        raise NotImplementedError(
            f"{self._title()} cannot tell which bounding boxes stay.\n"
            "Give segmentation masks, or use MixUp."
        )
