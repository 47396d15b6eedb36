"""Decoded images in one memory map."""
