"""The audit of a dataset folder."""
