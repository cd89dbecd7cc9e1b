"""Pictures of images with what is in them (public namespace `kerata.visualization`)."""

from kerata.engine.registry import publish
from kerata.visualization.drawing import (
    draw_bounding_boxes as draw_bounding_boxes,
    draw_segmentation_masks as draw_segmentation_masks,
)
from kerata.visualization.galleries import (
    plot_bounding_box_gallery as plot_bounding_box_gallery,
    plot_image_gallery as plot_image_gallery,
    plot_segmentation_mask_gallery as plot_segmentation_mask_gallery,
)

publish(globals())
