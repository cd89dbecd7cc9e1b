"""Layers around another layer."""

import jax.numpy as jnp
from jax import lax

from kerata import ops
from kerata.engine.errors import argument_error, positive_int
from kerata.engine.input_spec import InputSpec
from kerata.layers.layer import Layer


class Wrapper(Layer):
    """Base of layers that change what another layer does. Subclasses write `call`.

    Args:
        layer: the layer inside.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if `layer` is not a layer.
    """

    def __init__(self, layer, **kwargs):
        if not isinstance(layer, Layer):
            raise argument_error("layer", "be a layer", layer, type(self))
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape=None):
        if not self.layer.built:
            self.layer.build(input_shape)


class SpectralNormalization(Wrapper):
    """Keeps the largest singular value of a layer's kernel at 1 (Miyato et al., 2018).

    At each step of training, power iteration estimates that value, and the kernel is divided by
    it.

    Args:
        layer: a layer with a `kernel` (such as `Dense` or `Conv2D`) or `embeddings`.
        power_iterations: how many iterations at each step.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: if `power_iterations` is not positive, or (when called) the layer has no kernel.

    Example:
        >>> layer = kerata.layers.SpectralNormalization(kerata.layers.Dense(4))
        >>> for _ in range(20):
        ...     _ = layer(np.ones((2, 3)), training=True)
        >>> float(np.linalg.norm(layer.layer.kernel, ord=2).round(3))
        1.0
    """

    def __init__(self, layer, power_iterations=1, **kwargs):
        super().__init__(layer, **kwargs)
        self.power_iterations = positive_int("power_iterations", power_iterations, self)

    def build(self, input_shape):
        super().build(input_shape)
        self.input_spec = InputSpec(shape=(None, *input_shape[1:]))
        kernels = [getattr(self.layer, name, None) for name in ("kernel", "embeddings")]
        self.kernel = next((k for k in kernels if k is not None), None)
        if self.kernel is None:
            raise ValueError(
                f"SpectralNormalization {self.name!r} needs a layer that has a `kernel` or "
                f"`embeddings`.\nReceived: {type(self.layer).__name__} {self.layer.name!r}"
            )
        self.vector_u = self.add_weight(
            name="vector_u",
            shape=(1, self.kernel.shape[-1]),
            initializer="truncated_normal",
            trainable=False,
            autocast=False,
        )

    def compute_mask(self, inputs, mask=None):
        return self.layer.compute_mask(inputs, mask)

    def call(self, inputs, training=False):
        if training:
            self.normalize_weights()
        return ops.cast(self.layer(inputs), self.compute_dtype)

    def normalize_weights(self) -> None:
        """Divide the kernel by the current estimate of its largest singular value."""
        kernel = self.kernel.value
        matrix = kernel.reshape(-1, kernel.shape[-1]).astype(self.vector_u.dtype)
        u, fixed = self.vector_u.value, lax.stop_gradient(matrix)
        for _ in range(self.power_iterations):
            v = _unit(u @ fixed.T)
            u = _unit(v @ fixed)
        sigma = (v @ matrix @ u.T)[0, 0]
        # A kernel of zeros has no direction: it stays, and so does the vector.
        some = jnp.any(fixed != 0)
        sigma = jnp.where(some, sigma, 1)
        self.vector_u.assign(jnp.where(some, u, self.vector_u.value))
        self.kernel.assign((matrix / sigma).reshape(kernel.shape))


def _unit(x):
    return x * lax.rsqrt(jnp.maximum(jnp.sum(x * x), 1e-12))
