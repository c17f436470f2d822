"""Cross-validation: splits, one process per fold, and the results of all folds together."""
