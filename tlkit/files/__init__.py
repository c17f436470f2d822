"""Folders of images, listed the same way by every command and every plugin. Imports nothing heavy."""

from __future__ import annotations

from tlkit.files.cells import CellWriter, text_of_cell
from tlkit.files.class_folders import (
    EMPTY_CLASS,
    EXCLUDED,
    NO_IMAGES,
    ClassFolders,
    ClassImage,
    Reading,
    class_name,
    read_class_folders,
)
from tlkit.files.companions import Companion, by_pattern, find_companions
from tlkit.files.listing import (
    SUFFIXES,
    existing_folder,
    expanded,
    images_in,
    is_image,
    is_junk,
    key_of,
    keys_below,
    leads_above,
    own_images,
    shortened,
    similar_path,
    subfolders,
    walk,
)
from tlkit.files.name_lists import find_name_list
from tlkit.files.split_lists import ListedSplits, SplitLists, find_split_lists, missing_note, read_split_lists
from tlkit.files.split_names import is_unlabelled_name, split_folders, split_named, split_of_folder
from tlkit.files.split_sides import Sides, SplitDoubtError, find_sides
from tlkit.files.tree import Tree

__all__ = [
    "EMPTY_CLASS",
    "EXCLUDED",
    "NO_IMAGES",
    "SUFFIXES",
    "CellWriter",
    "ClassFolders",
    "ClassImage",
    "Companion",
    "ListedSplits",
    "Reading",
    "Sides",
    "SplitDoubtError",
    "SplitLists",
    "Tree",
    "by_pattern",
    "class_name",
    "existing_folder",
    "expanded",
    "find_companions",
    "find_name_list",
    "find_sides",
    "find_split_lists",
    "images_in",
    "is_image",
    "is_junk",
    "is_unlabelled_name",
    "key_of",
    "keys_below",
    "leads_above",
    "missing_note",
    "own_images",
    "read_class_folders",
    "read_split_lists",
    "shortened",
    "similar_path",
    "split_folders",
    "split_named",
    "split_of_folder",
    "subfolders",
    "text_of_cell",
    "walk",
]
