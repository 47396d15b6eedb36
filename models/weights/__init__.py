"""Weights files: which file is meant, opened once, read as data alone, fitted to a module, written exactly."""

from models.weights.files import FILE_NAME as FILE_NAME
from models.weights.files import parts_in as parts_in
from models.weights.files import weights_digest as weights_digest
from models.weights.files import weights_file as weights_file
from models.weights.files import weights_size as weights_size
from models.weights.fitting import fitted as fitted
from models.weights.fitting import load_into as load_into
from models.weights.metadata import read_metadata as read_metadata
from models.weights.opened import OpenedWeights as OpenedWeights
from models.weights.opened import load_state as load_state
from models.weights.opened import open_weights as open_weights
from models.weights.opened import read_weights as read_weights
from models.weights.saving import save_weights as save_weights
