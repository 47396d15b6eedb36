"""Fitting networks: recipe, loop, checkpoint, EMA. Batches are passed in; nothing here looks for data."""
