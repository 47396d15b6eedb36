"""Folders, zips and tars listed and read without unpacking them."""
