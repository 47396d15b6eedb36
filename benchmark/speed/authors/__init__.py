"""What the authors' code does, to be compared with."""
