"""Networks under every degradation, at five levels each."""
