"""A web page and an API that try a trained model."""
