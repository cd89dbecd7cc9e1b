"""Layers made of other layers: pipelines, colour jitter, RandAugment, AugMix."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from kerata.engine.configurable import deserialize_nested, serialize
from kerata.engine.errors import argument_error, non_negative_int, positive_int
from kerata.layers import calling
from kerata.layers.layer import Layer
from kerata.layers.preprocessing.image import base, colour, filters, geometry, histogram


class Pipeline(Layer):
    """Applies layers one after the other, for preprocessing: with images or dicts of data.

    Args:
        layers: list of layers.
        name: name of the layer.

    Example:
        >>> layer = kerata.layers.Pipeline(
        ...     [kerata.layers.CenterCrop(2, 2), kerata.layers.Rescaling(1 / 255)]
        ... )
        >>> layer(np.full((4, 4, 1), 255))[..., 0]
        Array([[1., 1.],
               [1., 1.]], dtype=float32)
    """

    convert_inputs = False

    def __init__(self, layers, name=None):
        super().__init__(name=name)
        if not isinstance(layers, (list, tuple)) or not all(callable(x) for x in layers):
            raise argument_error("layers", "be a list of layers", layers, self)
        self.layers = list(layers)

    def call(self, inputs, training=True, mask=None):
        for layer in self.layers:
            names = calling.call_signature(type(layer).call).names
            given = {"training": training, "mask": mask}
            given = {k: v for k, v in given.items() if k in names and v is not None}
            outputs = layer(inputs, **given)
            mask = layer.compute_mask(inputs, mask) if mask is not None else None
            inputs = outputs
        return inputs

    def compute_mask(self, inputs, previous_mask):
        return None  # the layers inside attach theirs

    def get_config(self) -> dict:
        return {"layers": [serialize(layer) for layer in self.layers], "name": self.name}

    @classmethod
    def from_config(cls, config: dict):
        return cls(**{**config, "layers": deserialize_nested(config.get("layers"))})


class RandomColorJitter(base.RandomImageLayer):
    """Changes brightness, contrast, saturation and hue at random in training, in this order.

    Args:
        value_range: least and greatest value of a pixel.
        brightness_factor: see `RandomBrightness`; None to leave the brightness as it is.
        contrast_factor: see `RandomContrast`, or None.
        saturation_factor: see `RandomSaturation`, or None.
        hue_factor: see `RandomHue`, or None.
        seed: integer that fixes the random numbers.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(
        self,
        value_range=(0, 255),
        brightness_factor=None,
        contrast_factor=None,
        saturation_factor=None,
        hue_factor=None,
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(seed, data_format=data_format, **kwargs)
        self.value_range = base.check_value_range(value_range, self)
        self.brightness_factor = brightness_factor
        self.contrast_factor = contrast_factor
        self.saturation_factor = saturation_factor
        self.hue_factor = hue_factor
        common = {
            "value_range": value_range,
            "data_format": data_format,
            "dtype": self.dtype_policy,
        }
        factors = {
            colour.RandomBrightness: brightness_factor,
            colour.RandomContrast: contrast_factor,
            colour.RandomSaturation: saturation_factor,
            colour.RandomHue: hue_factor,
        }
        self._steps = [make(f, **common) for make, f in factors.items() if f is not None]

    def draw(self, key, size):
        # The first layer draws as it would alone with the same seed.
        keys = [key, *jax.random.split(key, 3)]
        return [step.draw(k, size) for step, k in zip(self._steps, keys)]

    def change_images(self, images, transformation):
        for step, drawn in zip(self._steps, transformation):
            images = step.change_images(images, drawn)
        return images


class _Policy(base.RandomImageLayer):
    """Base of layers that apply layers of a set, which ones is drawn.

    All images of a batch go through the same layers, each with its own strength.
    """

    def __init__(self, value_range, factor, interpolation, seed, data_format, colours, **kwargs):
        super().__init__(seed, data_format=data_format, **kwargs)
        self.value_range = base.check_value_range(value_range, self)
        self.factor = base.factor_range("factor", factor, 0, 1, self)
        self.interpolation = interpolation
        common = {
            "data_format": data_format,
            "dtype": self.dtype_policy,
            "bounding_box_format": self.bounding_box_format,
        }
        moved = {**common, "interpolation": interpolation}
        coloured = {**common, "value_range": value_range}
        part = self.factor
        self._steps = {
            "random_shear": geometry.RandomShear(part, part, **moved),
            "random_translation": geometry.RandomTranslation(part, part, **moved),
            "random_rotation": geometry.RandomRotation(part, **moved),
            "random_posterization": colour.RandomPosterization((1, 4), **coloured),
            "solarization": colour.Solarization(part, part, **coloured),
            "auto_contrast": histogram.AutoContrast(**coloured),
            "equalization": histogram.Equalization(**coloured),
        }
        if colours:
            self._steps |= {
                "random_brightness": colour.RandomBrightness(part, **coloured),
                "random_color_degeneration": colour.RandomColorDegeneration(part, **coloured),
                "random_contrast": colour.RandomContrast(part, **coloured),
                "random_sharpness": filters.RandomSharpness(part, **coloured),
            }

    def _draw_places(self, key, shape) -> dict:
        """Return, for each place of a chain, the number of a layer, and what it draws from."""
        first, second = jax.random.split(key)
        return {
            "layer_idxes": jax.random.randint(first, shape, 0, len(self._steps)),
            "seeds": jax.random.bits(second, (*shape, 2), "uint32"),
        }

    def _apply(self, kind, x, place, size):
        """Apply the layer at a place to images, boxes or masks."""

        def apply(step, x):
            is_random = isinstance(step, base.RandomImageLayer)
            drawn = step.draw(place["seeds"], size) if is_random else {}
            return getattr(step, f"transform_{kind}")(x, drawn)

        branches = [partial(apply, step) for step in self._steps.values()]
        index = place["layer_idxes"]
        if isinstance(index, jax.core.Tracer):
            return lax.switch(index, branches, x)
        return branches[int(index)](x)


def _repeat(step, carry, steps):
    """Return `step(carry, steps[i])` after each step; compiled once, if in compiled code."""
    leaves = jax.tree_util.tree_leaves((carry, steps))
    if any(isinstance(x, jax.core.Tracer) for x in leaves):
        return lax.scan(lambda carry, x: (step(carry, x), None), carry, steps)[0]
    for i in range(leaves[-1].shape[0]):
        carry = step(carry, jax.tree_util.tree_map(lambda x, i=i: x[i], steps))
    return carry


class RandAugment(_Policy):
    """Applies layers of a set to images in training, which and how strongly is drawn.

    The set is shear, translation, rotation, brightness, colour degeneration, contrast, sharpness,
    posterization, solarization, auto-contrast and equalization (Cubuk et al., 2019). All images
    of a batch go through the same ones.

    Args:
        value_range: least and greatest value of a pixel.
        num_ops: how many layers, one after the other.
        factor: strength: a pair in [0, 1] to draw it from, or the end of a range from 0.
        interpolation: "bilinear" or "nearest".
        seed: integer that fixes the random numbers.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(
        self,
        value_range=(0, 255),
        num_ops=2,
        factor=0.5,
        interpolation="bilinear",
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(value_range, factor, interpolation, seed, data_format, True, **kwargs)
        self.num_ops = non_negative_int("num_ops", num_ops, self)

    def draw(self, key, size):
        places = self._draw_places(key, (self.num_ops,))
        return {"places": places, "input_shape": size.shape}

    def _augment(self, kind, x, transformation):
        size = self._size(transformation["input_shape"])
        step = lambda x, place: self._apply(kind, x, place, size)  # noqa: E731
        return _repeat(step, x, transformation["places"])

    def change_images(self, images, transformation):
        return self._augment("images", images, transformation)

    def change_boxes(self, bounding_boxes, transformation):
        boxes = {
            **bounding_boxes,
            "boxes": jnp.asarray(bounding_boxes["boxes"], "float32"),
            "labels": jnp.asarray(bounding_boxes["labels"]),
        }
        return self._augment("bounding_boxes", boxes, transformation)

    def change_masks(self, masks, transformation):
        return self._augment("segmentation_masks", masks, transformation)


class AugMix(_Policy):
    """Mixes images with variants of them in training (Hendrycks et al., 2019).

    A variant comes out of a chain of layers, drawn from the set of `RandAugment`; the variants'
    weighted mean is blended with the image. Boxes and masks stay, as the image still shows.

    Args:
        value_range: least and greatest value of a pixel.
        num_chains: how many variants.
        chain_depth: how many layers a chain has at most.
        factor: strength: a pair in [0, 1] to draw it from, or the end of a range from 0.
        alpha: parameter of the Dirichlet and Beta distributions of the weights. Positive.
        all_ops: whether brightness, colour degeneration, contrast and sharpness are in the set.
        interpolation: "bilinear" or "nearest".
        seed: integer that fixes the random numbers.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(
        self,
        value_range=(0, 255),
        num_chains=3,
        chain_depth=3,
        factor=0.3,
        alpha=1.0,
        all_ops=True,
        interpolation="bilinear",
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(value_range, factor, interpolation, seed, data_format, all_ops, **kwargs)
        self.num_chains = positive_int("num_chains", num_chains, self)
        self.chain_depth = positive_int("chain_depth", chain_depth, self)
        if not isinstance(alpha, (int, float)) or alpha <= 0:
            raise argument_error("alpha", "be a positive number", alpha, self)
        self.alpha = alpha
        self.all_ops = all_ops

    def draw(self, key, size):
        first, second, third = jax.random.split(key, 3)
        chains, depth = self.num_chains, self.chain_depth
        places = jnp.arange(depth)
        lengths = jax.random.randint(second, (chains, 1), 1, depth + 1)
        # One draw for both the Dirichlet and the Beta distribution: it takes long to compile.
        gammas = jax.random.loggamma(first, self.alpha, (chains + 2,))
        weights = jax.nn.softmax(gammas[2:])
        steps = {
            **self._draw_places(third, (chains, depth)),
            "begins": jnp.broadcast_to(places == 0, (chains, depth)),
            "acts": places < lengths,
            "weights": jnp.where(places == depth - 1, weights[:, None], 0),
        }
        return {
            "steps": jax.tree_util.tree_map(lambda x: x.reshape(-1, *x.shape[2:]), steps),
            "weight_sample": jax.nn.sigmoid(gammas[0] - gammas[1]),
        }

    def change_images(self, images, transformation):
        size = self._size(images.shape)

        def step(carry, place):
            variant, mean = carry
            variant = jnp.where(place["begins"], images, variant)
            changed = self._apply("images", variant, place, size)
            variant = jnp.where(place["acts"], changed, variant)
            return variant, mean + place["weights"] * variant

        start = (images, jnp.zeros_like(images, "float32"))
        mean = _repeat(step, start, transformation["steps"])[1]
        share = transformation["weight_sample"]
        return (1 - share) * images + share * mean
