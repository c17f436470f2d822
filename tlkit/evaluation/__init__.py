"""Measuring a trained model and predicting with it: metrics, evaluation over a split, prediction of files."""
