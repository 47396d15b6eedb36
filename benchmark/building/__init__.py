"""Building: what was asked for, to a dataset folder."""
