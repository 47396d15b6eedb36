"""DA-CLIP: a frozen CLIP, a trainable controller, its text, its loss and its classifier."""
