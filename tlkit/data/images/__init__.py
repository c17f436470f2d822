"""Image and mask files: read, decode and resize them."""
