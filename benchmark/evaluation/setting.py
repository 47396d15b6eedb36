"""What the numbers of a network depend on besides its weights: its DA-CLIP, its code and where it runs."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.results.parts import Setting
from models.errors import UserError
from models.files import sha256_file, sha256_json
from models.networks.find import SPANDREL, find_network, is_foreign
from models.weights.files import weights_digest, weights_file
from models.weights.metadata import read_metadata

if TYPE_CHECKING:
    from benchmark.evaluation.jobs import EvaluationJob
    from models.inference.restorer import Restorer


def planned_setting(job: EvaluationJob, *, daclip: Path | None, device: str) -> Setting:
    """Return the setting of a network that will be loaded, as far as its files and options tell it.

    Arguments:
        job: The network.
        daclip: DA-CLIP that was given, or None for the one that the weights name.
        device: Where the network will run.
    """
    return Setting(daclip_sha256=_daclip_digest(job, daclip), device=device.partition(":")[0])


def loaded_setting(job: EvaluationJob, planned: Setting, restorer: Restorer) -> Setting:
    """Return the setting of a network that was loaded, once it is seen to be the planned one.

    Raises:
        UserError: Its weights or its DA-CLIP are other ones than those that were found before.
    """
    for what, before, after in (
        ("weights", job.digest, restorer.weights_sha256),
        ("DA-CLIP", planned.daclip_sha256, restorer.daclip_sha256),
    ):
        if before != after:
            raise UserError(
                f"the {what} of {job.name} changed while its evaluation was prepared (sha256 {str(before)[:12]}, "
                f"then {str(after)[:12]} as loaded): run the command again once nothing writes to the file"
            )
    return replace(planned, code_sha256=code_digest(job.network))


def same_setting(found: Setting | None, wanted: Setting) -> bool:
    """Say whether a result was made in a setting; one of before told none, and which DA-CLIP it had is not known."""
    return found == wanted if found is not None else wanted.daclip_sha256 is None


def code_digest(network: str) -> str | None:
    """Return a digest of the code of a network from outside the catalogue; None for one of the catalogue.

    It covers the module of the factory and what is loaded of the same package, or of the same folder where the module
    is a file by itself; for "spandrel" it is that of its version.
    """
    if not is_foreign(network):
        return None
    if network == SPANDREL:
        return sha256_json([SPANDREL, importlib.metadata.version(SPANDREL)])
    module = network.partition(":")[0]
    top = module.partition(".")[0]
    files = {name: found for name, found in ((n, _source(n)) for n in list(sys.modules)) if found is not None}
    own = files.get(module)
    mine = {name: file for name, file in files.items() if name == top or name.startswith(f"{top}.")}
    if own is not None and "." not in module and own.parent.name not in ("site-packages", "dist-packages"):
        mine |= {name: file for name, file in files.items() if file.parent == own.parent}
    return sha256_json([[name, sha256_file(file)] for name, file in sorted(mine.items())])


def _source(name: str) -> Path | None:
    file = getattr(sys.modules.get(name), "__file__", None)
    return Path(file) if isinstance(file, str) and Path(file).is_file() else None


def _daclip_digest(job: EvaluationJob, daclip: Path | None) -> str | None:
    if job.weights is None or find_network(job.network).conditioning == "none":
        return None
    if daclip is not None:
        return weights_digest(weights_file(daclip))
    named = read_metadata(weights_file(job.weights)).get("daclip")
    digest = named.get("sha256") if isinstance(named, dict) else None
    return digest if isinstance(digest, str) else None
