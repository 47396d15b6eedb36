"""Checkpoints of others: read safely, recognised by their keys, converted to our files and back."""
