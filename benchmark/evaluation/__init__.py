"""The parts of an evaluation: restore, score, remember what is scored, and sum up. `benchmark.evaluation.network` joins them."""
