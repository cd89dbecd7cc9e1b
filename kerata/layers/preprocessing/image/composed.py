"""Layers made of other layers: pipelines, colour jitter, RandAugment, AugMix."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from kerata.engine.configurable import deserialize_nested, serialize
from kerata.engine.errors import argument_error, non_negative_int, positive_int
from kerata.layers import calling
from kerata.layers.layer import Layer
from kerata.layers.preprocessing.image.base import (
    RandomImageLayer,
    check_value_range,
    factor_range,
)
from kerata.layers.preprocessing.image.colour import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RandomHue,
    RandomPosterization,
    RandomSaturation,
    Solarization,
)
from kerata.layers.preprocessing.image.filters import RandomSharpness
from kerata.layers.preprocessing.image.geometry import (
    RandomRotation,
    RandomShear,
    RandomTranslation,
)
from kerata.layers.preprocessing.image.histogram import AutoContrast, Equalization


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
        self._pipeline_layers = list(layers)

    @property
    def layers(self) -> list:
        """The layers, in the order in which they are applied."""
        return self._pipeline_layers

    def call(self, inputs, training=True, mask=None):
        for layer in self.layers:
            names = calling.call_signature(type(layer).call).names
            given = {"training": training, "mask": mask}
            given = {k: v for k, v in given.items() if k in names and v is not None}
            outputs = layer(inputs, **given)
            mask = layer.compute_mask(inputs, mask) if mask is not None else None
            inputs = outputs
        return inputs

    def get_config(self) -> dict:
        return {"layers": [serialize(layer) for layer in self.layers], "name": self.name}

    @classmethod
    def from_config(cls, config: dict):
        if not isinstance(config.get("layers"), (list, tuple)):
            raise argument_error(
                "layers", "be a list of layers' configs", config.get("layers"), cls
            )
        return cls(**{**config, "layers": deserialize_nested(config["layers"])})


class RandomColorJitter(RandomImageLayer):
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
        self.value_range = check_value_range(value_range, self)
        self.brightness_factor = brightness_factor
        self.contrast_factor = contrast_factor
        self.saturation_factor = saturation_factor
        self.hue_factor = hue_factor
        self._steps = [
            make(
                factor,
                value_range=value_range,
                seed=seed,
                data_format=self.data_format,
                dtype=self.dtype_policy,
            )
            for make, factor in (
                (RandomBrightness, brightness_factor),
                (RandomContrast, contrast_factor),
                (RandomSaturation, saturation_factor),
                (RandomHue, hue_factor),
            )
            if factor is not None
        ]

    def draw(self, key, size):
        # The first layer draws as it would alone with the same seed.
        keys = [key, *jax.random.split(key, 3)]
        return [step.draw(k, size) for step, k in zip(self._steps, keys)]

    def change_images(self, images, transformation):
        for step, drawn in zip(self._steps, transformation):
            images = step.change_images(images, drawn)
        return images


class _Policy(RandomImageLayer):
    """Base of layers that apply layers of a set, which ones is drawn.

    All images of a batch go through the same layers, each with its own strength.
    """

    def __init__(self, value_range, factor, interpolation, seed, data_format, colours, **kwargs):
        super().__init__(seed, data_format=data_format, **kwargs)
        self.value_range = check_value_range(value_range, self)
        self.factor = factor_range("factor", factor, 0, 1, self)
        self.interpolation = interpolation
        common = {
            "seed": seed,
            "data_format": self.data_format,
            "dtype": self.dtype_policy,
            "bounding_box_format": self.bounding_box_format,
        }
        moved = {**common, "interpolation": interpolation}
        coloured = {**common, "value_range": value_range}
        always = {k: v for k, v in coloured.items() if k != "seed"}
        part = self.factor
        steps = {
            "random_shear": RandomShear(part, part, **moved),
            "random_translation": RandomTranslation(part, part, **moved),
            "random_rotation": RandomRotation(part, **moved),
            "random_posterization": RandomPosterization((1, 4), **coloured),
            "solarization": Solarization(part, part, **coloured),
            "auto_contrast": AutoContrast(**always),
            "equalization": Equalization(**always),
        }
        if colours:
            steps |= {
                "random_brightness": RandomBrightness(part, **coloured),
                "random_color_degeneration": RandomColorDegeneration(part, **coloured),
                "random_contrast": RandomContrast(part, **coloured),
                "random_sharpness": RandomSharpness(part, **coloured),
            }
        self._steps = steps

    def _draw_steps(self, key, size) -> dict:
        """Return a transformation for each layer of the set."""
        keys = jax.random.split(key, len(self._steps))
        return {
            name: step.draw(k, size) if isinstance(step, RandomImageLayer) else {}
            for (name, step), k in zip(self._steps.items(), keys)
        }

    def _apply(self, kind, index, x, drawn):
        """Apply the layer of a number to images, boxes or masks."""
        branches = [
            partial(getattr(step, f"transform_{kind}"), transformation=drawn[name])
            for name, step in self._steps.items()
        ]
        if isinstance(index, jax.core.Tracer):
            return lax.switch(index, branches, x)
        return branches[int(index)](x)


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
        first, second = jax.random.split(key)
        return {
            "transforms": self._draw_steps(first, size),
            "layer_idxes": jax.random.randint(second, (self.num_ops,), 0, len(self._steps)),
        }

    def _augment(self, kind, x, transformation):
        for index in transformation["layer_idxes"]:
            x = self._apply(kind, index, x, transformation["transforms"])
        return x

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
        keys = jax.random.split(key, 5)
        chains, depth = self.num_chains, self.chain_depth
        return {
            "chain_mixing_weights": jax.random.dirichlet(keys[0], jnp.full(chains, self.alpha)),
            "weight_sample": jax.random.beta(keys[1], self.alpha, self.alpha),
            "depths": jax.random.randint(keys[2], (chains,), 1, depth + 1),
            "layer_idxes": jax.random.randint(keys[3], (chains, depth), 0, len(self._steps)),
            "transforms": [self._draw_steps(k, size) for k in jax.random.split(keys[4], chains)],
        }

    def change_images(self, images, transformation):
        mean = jnp.zeros_like(images)
        for chain, drawn in enumerate(transformation["transforms"]):
            variant = images
            for depth in range(self.chain_depth):
                index = transformation["layer_idxes"][chain, depth]
                changed = self._apply("images", index, variant, drawn)
                goes_on = depth < transformation["depths"][chain]
                variant = jnp.where(goes_on, changed, variant)
            mean = mean + transformation["chain_mixing_weights"][chain] * variant
        share = transformation["weight_sample"]
        return (1 - share) * images + share * mean
