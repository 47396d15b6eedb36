"""Weights: which file is meant, reading it safely, fitting it to a module, writing ours."""
