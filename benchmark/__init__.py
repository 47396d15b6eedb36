"""Data in, numbers out: sources, degradations, Parquet, metrics, results, tables and the command line."""

__version__ = "0.1.0"
