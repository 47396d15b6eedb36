"""Training batches from a dataset: a function of seed and step alone, so a resumed run sees what it would have seen.

Neither the number of processes nor that of the threads that prepare batches changes what is in a batch: every process
draws the plan of the whole batch, which is cheap, and cuts the pixels of its own slots.
"""

from benchmark.training.batches.daclip import daclip_batches
from benchmark.training.batches.restoration import restoration_batches
from benchmark.training.batches.validation import daclip_validation, held_out, validation_batches

__all__ = ["daclip_batches", "daclip_validation", "held_out", "restoration_batches", "validation_batches"]
