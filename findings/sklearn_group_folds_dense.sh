#!/bin/sh
# StratifiedGroupKFold counts classes in dense tables of groups times classes, of 8 bytes a cell. With many classes of which each
# group has one, as photos of many species in bursts, its memory grows with the product, not with the rows: a million groups of
# 1,000 classes take 16 GB for the first fold. The documentation names no such limit. GroupKFold and StratifiedKFold do not
# grow so. Seen with scikit-learn 1.9.1.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "scikit-learn==1.9.1"
cd "$folder"
cat > folds.py <<'PYTHON'
import sys
import tracemalloc
import warnings

import numpy as np
import sklearn
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, StratifiedKFold

GROUPS, ROWS_EACH, FOLDS = 4_000, 10, 5
warnings.simplefilter("ignore")  # of classes with fewer rows than folds
group_of = np.repeat(np.arange(GROUPS), ROWS_EACH)


def cost(splitter, classes):
    """Return the peak megabytes of the first fold."""
    class_of = (np.arange(GROUPS) % classes)[group_of]
    tracemalloc.start()
    next(splitter.split(group_of, class_of, group_of))
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return peak


print("scikit-learn", sklearn.__version__)
print(f"expected: {GROUPS * ROWS_EACH:,} rows in {GROUPS:,} groups take about the same memory with 10 and with 2,000 classes")
found = {}
for splitter in (StratifiedGroupKFold(FOLDS), GroupKFold(FOLDS), StratifiedKFold(FOLDS)):
    name = type(splitter).__name__
    found[name] = [cost(splitter, classes) for classes in (10, 2_000)]
    print(f"seen: {name}: {found[name][0]:.0f} MB and {found[name][1]:.0f} MB")
table = GROUPS * 2_000 * 8 / 1e6
dense = found["StratifiedGroupKFold"][1] > table
others = all(found[name][1] < table / 2 for name in ("GroupKFold", "StratifiedKFold"))
sys.exit(0 if dense and others else 1)
PYTHON
venv/bin/python folds.py
