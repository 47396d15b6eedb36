"""One image under several protocols, and sets of images."""
