"""Publishing a dataset folder on the Hugging Face hub."""
