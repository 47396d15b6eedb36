"""Whether captions are fit for training: each by itself, against each other, and against its image."""
