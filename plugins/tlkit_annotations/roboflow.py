"""What Roboflow exports besides COCO JSON: masks with ``_classes.csv``, labels in ``_classes.csv``, class folders."""

from __future__ import annotations

from pathlib import Path

import tlkit
from tlkit_annotations.roboflow_files import TABLE, parts_of
from tlkit_annotations.roboflow_labels import detected_labels, labels_of, with_labels
from tlkit_annotations.roboflow_masks import detected_masks, has_masks, mask_values, with_masks
from tlkit_annotations.tool_options import RoboflowOptions


def open_roboflow(ctx: tlkit.DatasetContext, options: RoboflowOptions) -> tlkit.SampleSet:
    """Read an export with masks, or with labels; versions of one photo are a group.

    Raises:
        DataError: the folder is no such export for the task, or no image can be used.
    """
    root = tlkit.files.existing_folder(options.path, "data.path")
    parts = parts_of(root)
    if ctx.task == "segmentation":
        values = mask_values(parts)
        if values is None:
            raise tlkit.DataError(
                f"data.path: {root.absolute()}: no {TABLE} with the columns Pixel Value and Class; expected an export "
                'of the format "Semantic Segmentation Masks"'
            )
        return with_masks(root, parts, values, options)
    rows = labels_of(root, parts)
    if rows is None:
        raise tlkit.DataError(
            f"data.path: {root.absolute()}: neither a {TABLE} with a column filename nor folders of classes; expected "
            'an export of the format "Multi-Label Classification" or "Folder Structure"'
        )
    return with_labels(root, rows, options)


def detect_roboflow(path: Path, task: tlkit.Task | None) -> tlkit.Detected | None:
    """Recognise an export of Roboflow with masks, a table of labels, or folders of classes.

    Raises:
        DataError: its tables can't be read.
    """
    if not path.is_dir():
        return None
    parts = parts_of(path)
    values = mask_values(parts)
    if values is not None:
        if task == "classification" or not has_masks(parts):
            return None
        return detected_masks(path, parts, values)
    if task == "segmentation":
        return None
    rows = labels_of(path, parts)
    return None if rows is None else detected_labels(path, rows)
