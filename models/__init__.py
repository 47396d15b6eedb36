"""Networks, how to fit them and how to apply them. Knows tensors; imports neither `captioning` nor `benchmark`."""
