"""A recipe and a dataset to a run, and reading runs."""
