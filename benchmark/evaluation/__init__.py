"""The parts of an evaluation: restore, score, remember, sum up. `benchmark.evaluation.network` joins them."""
