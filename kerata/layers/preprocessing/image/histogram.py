"""Layers that spread the values of pixels over the range, by how often each occurs."""

import jax
import jax.numpy as jnp

from kerata.engine.errors import int_tuple, positive_int
from kerata.layers.preprocessing.image import base


class _Spread(base.ImageLayer):
    """Base of layers that look at the values of each channel of each image, also in inference."""

    always_on = True

    def __init__(self, value_range, **kwargs):
        super().__init__(**kwargs)
        self.value_range = base.check_value_range(value_range, self)

    def change_images(self, images, transformation):
        levels = jnp.clip(base.rescaled(images, self.value_range, 255), 0, 255)
        each_channel = jax.vmap(self.spread, self.channel_axis, self.channel_axis)
        return base.scaled_back(jax.vmap(each_channel)(levels), self.value_range, 255)

    def spread(self, levels):
        """Return new values for those, from 0 to 255, of one channel `(height, width)`."""
        raise NotImplementedError(f"{type(self).__name__} must have a `spread` method.")


class AutoContrast(_Spread):
    """Stretches the values of each channel of an image over the whole range.

    Args:
        value_range: least and greatest value of a pixel.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`, `data_format`.

    Channels of one value stay as they are.

    Example:
        >>> kerata.layers.AutoContrast()(np.array([[[1], [2], [3]]]))[..., 0]
        Array([[  0. , 127.5, 255. ]], dtype=float32)
    """

    def __init__(self, value_range=(0, 255), **kwargs):
        super().__init__(value_range, **kwargs)

    def spread(self, levels):
        low = jnp.min(levels)
        span = jnp.max(levels) - low
        return jnp.where(span > 0, (levels - low) * (255 / jnp.where(span > 0, span, 1)), levels)


class Equalization(_Spread):
    """Changes the values of each channel so that all occur about equally often.

    Args:
        value_range: least and greatest value of a pixel.
        bins: how many values are told apart.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.

    Channels of one value stay as they are.
    """

    def __init__(self, value_range=(0, 255), bins=256, data_format=None, **kwargs):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.bins = positive_int("bins", bins, self)

    def spread(self, levels):
        places = jnp.minimum((levels * (self.bins / 256)).astype("int32"), self.bins - 1)
        counts = jnp.bincount(places.ravel(), length=self.bins)
        first = counts[jnp.argmax(counts > 0)]
        rest = levels.size - first
        table = jnp.round((jnp.cumsum(counts) - first) * (255 / jnp.maximum(rest, 1)))
        return jnp.where(rest > 0, table[places], levels)


class ContrastLimitedAdaptiveHistogramEqualization(_Spread):
    """Equalizes the values of an image tile by tile, but amplifies noise only so much.

    Source: CLAHE (Zuiderveld, 1994). Between the middles of the tiles the results are
    interpolated.

    Args:
        value_range: least and greatest value of a pixel.
        clip_limit: how much more often than on average a value counts at most; 0 for no limit.
        tile_grid_size: number of rows and columns of tiles.
        data_format: "channels_last" or "channels_first"; the global setting if None.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`.
    """

    def __init__(
        self,
        value_range=(0, 255),
        clip_limit=4.0,
        tile_grid_size=(8, 8),
        data_format=None,
        **kwargs,
    ):
        super().__init__(value_range, data_format=data_format, **kwargs)
        self.clip_limit = clip_limit
        self.tile_grid_size = int_tuple("tile_grid_size", tile_grid_size, 2, self)

    def spread(self, levels):
        sizes = [-(-n // tiles) for n, tiles in zip(levels.shape, self.tile_grid_size)]
        (rows, columns), (height, width) = self.tile_grid_size, sizes
        margins = [(0, m * s - n) for m, s, n in zip(self.tile_grid_size, sizes, levels.shape)]
        levels = levels.astype("int32")
        tiles = jnp.pad(levels, margins, "edge").reshape(rows, height, columns, width)
        tiles = jnp.swapaxes(tiles, 1, 2).reshape(rows * columns, height * width)
        counts = jax.vmap(lambda x: jnp.bincount(x, length=256))(tiles).astype("float32")
        if self.clip_limit > 0:
            limit = self.clip_limit * height * width / 256
            excess = jnp.sum(jnp.maximum(counts - limit, 0), axis=-1, keepdims=True)
            counts = jnp.minimum(counts, limit) + excess / 256
        below = jnp.cumsum(counts, axis=-1) - counts[:, :1]
        tables = (255 * below / jnp.maximum(below[:, -1:], 1e-6)).reshape(rows, columns, 256)

        def neighbours(n, size, tiles):
            """Return, for each place, the two nearest tiles and their weights."""
            place = jnp.arange(n) / size - 0.5
            before = jnp.floor(place)
            ends = [jnp.clip(before + i, 0, tiles - 1).astype("int32") for i in (0, 1)]
            return zip(ends, (1 - (place - before), place - before))

        return sum(
            tables[row[:, None], column, levels] * (down[:, None] * across)
            for row, down in neighbours(levels.shape[0], height, rows)
            for column, across in neighbours(levels.shape[1], width, columns)
        )
