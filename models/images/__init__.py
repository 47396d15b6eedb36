"""Images: bytes to pixels and back, and photos with all that their files say."""
