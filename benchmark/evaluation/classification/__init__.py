"""Which degradation a DA-CLIP sees: evaluation of its answers."""
