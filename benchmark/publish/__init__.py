"""What a dataset says about itself, and its way to the Hugging Face hub."""
