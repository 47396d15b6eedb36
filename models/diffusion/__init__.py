"""The mean-reverting diffusion: its process, its training objective and its samplers."""
