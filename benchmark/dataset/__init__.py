"""What a dataset folder is: its columns, and how it is read."""
