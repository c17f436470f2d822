"""Data sets from annotation tools. Importing this package imports nothing heavy."""

from __future__ import annotations

import tlkit

_DATASETS = (
    tlkit.Dataset(
        name="coco",
        summary="COCO JSON, also Roboflow's: polygons, run lengths or boxes, in one file or in one for each split",
        options=tlkit.lazy("tlkit_annotations.options:CocoOptions"),
        open=tlkit.lazy("tlkit_annotations.coco:open_coco"),
        tasks=("classification", "segmentation"),
        detect=tlkit.lazy("tlkit_annotations.coco:detect_coco"),
        relocate=tlkit.lazy("tlkit_annotations.relocate:relocate_coco"),
    ),
    tlkit.Dataset(
        name="labelme",
        summary="LabelMe JSON: a file for each image, with shapes or flags",
        options=tlkit.lazy("tlkit_annotations.options:LabelmeOptions"),
        open=tlkit.lazy("tlkit_annotations.labelme:open_labelme"),
        tasks=("classification", "segmentation"),
        detect=tlkit.lazy("tlkit_annotations.labelme:detect_labelme"),
    ),
    tlkit.Dataset(
        name="voc",
        summary="masks of colours with labelmap.txt (CVAT, Pascal VOC), or VOC's XML files for labels",
        options=tlkit.lazy("tlkit_annotations.tool_options:VocOptions"),
        open=tlkit.lazy("tlkit_annotations.voc:open_voc"),
        tasks=("classification", "segmentation"),
        detect=tlkit.lazy("tlkit_annotations.voc:detect_voc"),
    ),
    tlkit.Dataset(
        name="cvat",
        summary="CVAT for images: XML with polygons, masks, ellipses, boxes and tags",
        options=tlkit.lazy("tlkit_annotations.tool_options:CvatOptions"),
        open=tlkit.lazy("tlkit_annotations.cvat:open_cvat"),
        tasks=("classification", "segmentation"),
        detect=tlkit.lazy("tlkit_annotations.cvat:detect_cvat"),
    ),
    tlkit.Dataset(
        name="roboflow",
        summary="Roboflow exports: masks or labels with _classes.csv, or folders of classes; versions stay together",
        options=tlkit.lazy("tlkit_annotations.tool_options:RoboflowOptions"),
        open=tlkit.lazy("tlkit_annotations.roboflow:open_roboflow"),
        tasks=("classification", "segmentation"),
        detect=tlkit.lazy("tlkit_annotations.roboflow:detect_roboflow"),
    ),
    tlkit.Dataset(
        name="label_studio",
        summary="Label Studio JSON: brushes, polygons, rectangles, ellipses and choices",
        options=tlkit.lazy("tlkit_annotations.tool_options:LabelStudioOptions"),
        open=tlkit.lazy("tlkit_annotations.label_studio:open_label_studio"),
        tasks=("classification", "segmentation"),
        detect=tlkit.lazy("tlkit_annotations.label_studio:detect_label_studio"),
    ),
    tlkit.Dataset(
        name="supervisely",
        summary="Supervisely projects: bitmaps, polygons, rectangles and tags",
        options=tlkit.lazy("tlkit_annotations.tool_options:TaggedOptions"),
        open=tlkit.lazy("tlkit_annotations.supervisely:open_supervisely"),
        tasks=("classification", "segmentation"),
        detect=tlkit.lazy("tlkit_annotations.supervisely:detect_supervisely"),
    ),
    tlkit.Dataset(
        name="imagefolder",
        summary="image folder of Hugging Face: metadata.csv or metadata.jsonl beside the images",
        options=tlkit.lazy("tlkit_annotations.tool_options:ImageFolderOptions"),
        open=tlkit.lazy("tlkit_annotations.image_folder:open_image_folder"),
        tasks=("classification", "segmentation"),
        detect=tlkit.lazy("tlkit_annotations.image_folder:detect_image_folder"),
    ),
)


@tlkit.hookimpl
def tlkit_datasets() -> tuple[tlkit.Dataset, ...]:
    """Offer the data sets of this package."""
    return _DATASETS
