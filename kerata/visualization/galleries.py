"""Grids of images, drawn with matplotlib."""

import math

import numpy as np

from kerata.engine.errors import argument_error
from kerata.engine.optional import require
from kerata.visualization.drawing import draw_bounding_boxes, draw_segmentation_masks, scaled


def plot_image_gallery(
    images,
    y_true=None,
    y_pred=None,
    label_map=None,
    rows=None,
    cols=None,
    value_range=(0, 255),
    scale=2,
    path=None,
    show=None,
    transparent=True,
    dpi=60,
    legend_handles=None,
    data_format=None,
):
    """Show images in a grid, with their labels.

    Args:
        images: `(batch, height, width, channels)`.
        y_true: `(batch,)`: class numbers.
        y_pred: `(batch,)`: predicted class numbers.
        label_map: dict from class number to label; needed with `y_true` or `y_pred`.
        rows: rows of the grid; about as many as columns if None.
        cols: columns of the grid; as many as all images need if None.
        value_range: the least and the largest value that images may have.
        scale: inches that an image is wide.
        path: file to write the picture to.
        show: whether to show it on the screen; if None it is shown where there is no `path`.
        transparent: whether the file has a transparent background.
        dpi: dots per inch of the file.
        legend_handles: list of matplotlib's artists, for a legend.
        data_format: "channels_last" or "channels_first"; the setting if None.

    Raises:
        ValueError: if the picture is to be shown and written, labels are missing, or `images` is
            no batch of images.
        ImportError: if matplotlib is not installed.
    """
    owner = "plot_image_gallery()"
    if path is not None and show:
        raise argument_error("show", "not be True with a `path`", show, owner)
    if label_map is None and (y_true is not None or y_pred is not None):
        raise argument_error("label_map", "be given with `y_true` and `y_pred`", label_map, owner)
    plt = require("matplotlib.pyplot", "plots", owner)
    images = scaled(images, data_format, value_range, owner)
    rows = rows or math.ceil(len(images) / cols if cols else math.sqrt(len(images)))
    cols = cols or math.ceil(len(images) / rows)
    size = cols * scale, rows * scale
    figure, axes = plt.subplots(
        rows, cols, figsize=size, frameon=False, layout="tight", squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for index, (axis, picture) in enumerate(zip(axes.flat, images)):
        axis.imshow(np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture)
        labels = [
            f"{name}: {label_map.get(int(np.asarray(values)[index]), 'Unknown')}"
            for name, values in (("Label", y_true), ("Pred", y_pred))
            if values is not None and index < len(values)
        ]
        axis.set_title("  ".join(labels), fontsize=8)
    if legend_handles is not None:
        figure.legend(handles=legend_handles, loc="lower center")
    if path is not None:
        figure.savefig(path, pad_inches=0, bbox_inches="tight", transparent=transparent, dpi=dpi)
        plt.close(figure)
    elif show is None or show:
        plt.show()
        plt.close(figure)


def plot_bounding_box_gallery(
    images,
    bounding_box_format,
    y_true=None,
    y_pred=None,
    value_range=(0, 255),
    true_color=(0, 188, 212),
    pred_color=(255, 235, 59),
    line_thickness=2,
    font_scale=1.0,
    text_thickness=None,
    class_mapping=None,
    ground_truth_mapping=None,
    prediction_mapping=None,
    legend=False,
    legend_handles=None,
    rows=None,
    cols=None,
    data_format=None,
    **kwargs,
):
    """Show images in a grid, with true and predicted boxes.

    Args:
        images: `(batch, height, width, channels)`.
        bounding_box_format: format of the boxes; see `draw_bounding_boxes`.
        y_true: dict of boxes and labels; see `draw_bounding_boxes`.
        y_pred: the same for predictions.
        value_range: the least and the largest value that images may have.
        true_color: red, green and blue of true boxes, each in [0, 255].
        pred_color: the same for predictions.
        line_thickness: pixels.
        font_scale: size of the labels.
        text_thickness: pixels; that of the lines if None.
        class_mapping: dict from class number to label.
        ground_truth_mapping: the same for true boxes only.
        prediction_mapping: the same for predictions only.
        legend: whether to say which color means what.
        legend_handles: list of matplotlib's artists, for a legend of one's own.
        rows: rows of the grid.
        cols: columns of the grid.
        data_format: "channels_last" or "channels_first"; the setting if None.
        **kwargs: arguments of `plot_image_gallery`.

    Raises:
        ValueError: if `legend` and `legend_handles` are given, or `images` is no batch of images.
        ImportError: if matplotlib is not installed.
    """
    owner = "plot_bounding_box_gallery()"
    if legend and legend_handles:
        raise argument_error("legend", "be False with `legend_handles`", legend, owner)
    images = scaled(images, data_format, value_range, owner)
    drawn = (
        ("Ground Truth", y_true, true_color, ground_truth_mapping),
        ("Prediction", y_pred, pred_color, prediction_mapping),
    )
    for _, boxes, color, mapping in drawn:
        if boxes is not None:
            images = draw_bounding_boxes(
                images,
                boxes,
                bounding_box_format,
                class_mapping=mapping or class_mapping,
                color=color,
                line_thickness=line_thickness,
                text_thickness=text_thickness,
                font_scale=font_scale,
                data_format="channels_last",
            )
    if legend:
        patches = require("matplotlib.patches", "plots", owner)
        legend_handles = [
            patches.Patch(color=np.array(color) / 255, label=label) for label, _, color, _ in drawn
        ]
    plot_image_gallery(
        images,
        legend_handles=legend_handles,
        rows=rows,
        cols=cols,
        data_format="channels_last",
        **kwargs,
    )


def plot_segmentation_mask_gallery(
    images,
    num_classes,
    value_range=(0, 255),
    y_true=None,
    y_pred=None,
    color_mapping=None,
    blend=True,
    alpha=0.8,
    ignore_index=-1,
    data_format=None,
    **kwargs,
):
    """Show images beside the same images with true and predicted classes of pixels.

    Args:
        images: `(batch, height, width, channels)`.
        num_classes: the largest class number.
        value_range: the least and the largest value that images may have.
        y_true: true classes of pixels; see `draw_segmentation_masks`.
        y_pred: predicted classes of pixels.
        color_mapping: dict from class number to (red, green, blue).
        blend: whether colors are laid over the images, or replace them.
        alpha: opacity of the colors.
        ignore_index: class that is not drawn.
        data_format: "channels_last" or "channels_first"; the setting if None.
        **kwargs: arguments of `plot_image_gallery`.

    Raises:
        ValueError: if `images` is no batch of images.
        ImportError: if matplotlib is not installed.
    """
    batch = scaled(images, data_format, value_range, "plot_segmentation_mask_gallery()")
    columns = [batch]
    for classes in (y_true, y_pred):
        if classes is not None:
            columns.append(
                draw_segmentation_masks(
                    batch,
                    np.asarray(classes).astype("int32"),
                    num_classes,
                    color_mapping=color_mapping,
                    alpha=alpha,
                    blend=blend,
                    ignore_index=ignore_index,
                    data_format="channels_last",
                )
            )
    cells = np.stack(columns, axis=1).reshape(-1, *batch.shape[1:])
    size = {"rows": len(batch), "cols": len(columns)}
    plot_image_gallery(cells, data_format="channels_last", **{**size, **kwargs})
