"""Reading image and mask files into arrays."""
