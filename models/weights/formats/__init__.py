"""Readers of the containers that weights come in."""
