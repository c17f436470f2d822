"""The verbs of the command line, in the sections of ``tlkit --help``. Each is a function in a module of its name."""

from __future__ import annotations

SECTIONS = {
    "Prepare data and recipes": {
        "init": "Write a recipe for a folder of images.",
        "check": "Find damaged, duplicate, odd and leaking files in a data set.",
        "recipes": "List, print and copy the recipes that come with tlkit.",
        "validate": "Check recipes and report every problem with its line.",
        "data": "Write a data set as COCO JSON or as masks.",
        "augment": "Draw training images as a recipe augments them.",
    },
    "Train": {
        "run": "Train and evaluate a recipe, and write a run folder.",
        "resume": "Continue an interrupted run, or extend a finished one.",
        "rank": "Rank backbones for the images of a recipe, without training.",
        "sweep": "Try values of a recipe's keys, and compare the trials.",
        "lr": "Suggest a learning rate for a recipe by a range test.",
    },
    "Use and judge a trained model": {
        "predict": "Classify or segment images with a trained model.",
        "evaluate": "Measure a trained model on its test images or on new data.",
        "export": "Write a trained model as ONNX, LiteRT and others.",
        "explain": "Draw where a trained model looks in images.",
        "compare": "Compare runs: metrics, recipes, learning curves.",
        "labels": "Find images whose labels may be wrong.",
        "inspect": "Show a network: layers, weights, kernels, feature maps.",
        "serve": "Open a page and an API that try a trained model.",
        "report": "Write the report of a run again.",
        "card": "Write a model card for Hugging Face's hub and other readers.",
    },
    "Manage tlkit": {
        "plugins": "List plugins, what they offer, and which failed to load.",
        "cache": "List, limit and clear cached images and features.",
        "cluster": "Check a Ray cluster before work is spread over it.",
    },
}
"""Title of a section → verb → what it does."""

VERBS = {name: text for section in SECTIONS.values() for name, text in section.items()}
"""Verb → what it does."""
