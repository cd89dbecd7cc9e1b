"""Layers for bounding boxes alone."""

import jax.numpy as jnp

from kerata.engine.errors import positive_int
from kerata.layers.preprocessing.image.base import ImageLayer


class MaxNumBoundingBoxes(ImageLayer):
    """Gives each image the same number of bounding boxes: cuts off what is more, and pads.

    Args:
        max_number: the number of boxes.
        fill_value: what fills the boxes and labels that are added.
        **kwargs: `name`, `dtype`, `trainable`, `bounding_box_format`, `data_format`.

    Example:
        >>> layer = kerata.layers.MaxNumBoundingBoxes(2, bounding_box_format="xyxy")
        >>> boxes = {"boxes": [[0.0, 0.0, 2.0, 2.0]], "labels": [7]}
        >>> layer({"images": np.ones((4, 4, 3)), "bounding_boxes": boxes})["bounding_boxes"]
        {'boxes': Array([[ 0.,  0.,  2.,  2.],
               [-1., -1., -1., -1.]], dtype=float32), 'labels': Array([ 7, -1], dtype=int32)}
    """

    always_on = True

    def __init__(self, max_number, fill_value=-1, **kwargs):
        super().__init__(**kwargs)
        self.max_number = positive_int("max_number", max_number, self)
        self.fill_value = fill_value

    def transform_images(self, images, transformation=None, training=True):
        return images

    def change_boxes(self, bounding_boxes, transformation):
        def fit(x, axis):
            x = jnp.asarray(x)
            axis += x.ndim
            missing = max(self.max_number - x.shape[axis], 0)
            margins = [(0, missing if i == axis else 0) for i in range(x.ndim)]
            x = jnp.pad(x, margins, constant_values=self.fill_value)
            return jnp.take(x, jnp.arange(self.max_number), axis)

        return {
            **bounding_boxes,
            "boxes": fit(bounding_boxes["boxes"], -2),
            "labels": fit(bounding_boxes["labels"], -1),
        }
