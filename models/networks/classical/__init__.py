"""Classical methods as networks without weights: what learning has to beat."""
