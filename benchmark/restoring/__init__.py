"""Photos in, photos out."""
