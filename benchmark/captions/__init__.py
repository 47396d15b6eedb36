"""Captions of a dataset folder, and the authors' caption files."""
