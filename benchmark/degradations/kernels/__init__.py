"""Blur kernels: shapes, kinds and measured ones."""
