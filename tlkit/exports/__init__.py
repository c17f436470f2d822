"""Exports: a trained model is written in another format, compared with the Keras model, and used from its file."""
