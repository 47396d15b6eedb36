"""Text for images. May import `models`; never imports `benchmark`."""
