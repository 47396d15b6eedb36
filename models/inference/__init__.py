"""From weights to restored images of any size."""
