"""What a number carries: results, their parts, their files, their certificates, and statistics over them."""
