"""The catalogue of recipes: named experiments in YAML, one file each."""

from __future__ import annotations

from dataclasses import dataclass

from models.catalogue import Catalogue
from models.networks import NETWORKS


@dataclass(frozen=True)
class RecipeCard:
    """What a recipe declares about itself.

    Arguments:
        name: Name on the command line (`bench train NAME`).
        task: `"restoration"` (also with critics, or in stages), `"diffusion"` or `"daclip"`.
        title: What it trains, in prose.
        target: "module:function" that makes the task which `models.training.fit.fit` runs.
        needs: Recipe whose run must be given first, or None.
        presets: Names of the presets in the file; the first is the default.
        shares: Recipe whose file it shares, where all presets are the same; "" for a file of its own.
        second_crop: Whether its batches hold another crop of each degraded image, `degraded_2`.
    """

    name: str
    task: str
    title: str
    target: str
    needs: str | None = None
    presets: tuple[str, ...] = ("paper", "demo")
    shares: str = ""
    second_crop: bool = False

    @property
    def file(self) -> str:
        """Name of its YAML file, beside this module."""
        return f"{self.shares or self.name}.yaml"


RESTORATION = "models.training.tasks.restoration:restoration_task"
ADVERSARIAL = "models.training.tasks.adversarial:adversarial_task"


def _own(
    name: str, *, target: str = RESTORATION, task: str = "restoration", shares: str = "", second_crop: bool = False
) -> RecipeCard:
    """Return the card of a recipe with the values of the network's own paper."""
    presets = ("paper", "unified", "demo")
    title = NETWORKS[name].title
    return RecipeCard(name, task, title, target, presets=presets, shares=shares, second_crop=second_crop)


RECIPES = Catalogue[RecipeCard](
    "recipe",
    [
        RecipeCard("daclip", "daclip", "DA-CLIP", "models.training.tasks.daclip:daclip_task"),
        RecipeCard("nafnet", "restoration", "NAFNet", RESTORATION),
        RecipeCard(
            "nafnet-degradation",
            "restoration",
            "NAFNet + Degradation",
            RESTORATION,
            needs="daclip",
        ),
        RecipeCard(
            "nafnet-daclip",
            "restoration",
            "NAFNet + DA-CLIP",
            RESTORATION,
            needs="daclip",
        ),
        RecipeCard("ir-sde", "diffusion", "IR-SDE", "models.training.tasks.diffusion:diffusion_task"),
        RecipeCard(
            "ir-sde-daclip",
            "diffusion",
            "IR-SDE + DA-CLIP",
            "models.training.tasks.diffusion:diffusion_task",
            needs="daclip",
        ),
        RecipeCard("wild-ir", "diffusion", "Wild-IR", "models.training.tasks.diffusion:diffusion_task", needs="daclip"),
        _own("refusion", target="models.training.tasks.diffusion:diffusion_task", task="diffusion"),
        _own("nafnet-local"),
        _own("restormer"),
        _own("promptir"),
        _own("airnet", target="models.training.tasks.contrastive:contrastive_task", second_crop=True),
        _own("mprnet"),
        _own("mirnet"),
        _own("maxim"),
        _own("deepdeblur"),
        _own("deblurgan", target=ADVERSARIAL),
        _own("deblurganv2-inception", target=ADVERSARIAL),
        _own("deblurganv2-mobilenet", target=ADVERSARIAL),
        _own("gcanet"),
        _own("griddehazenet"),
        _own("dehazeformer-t"),
        _own("dehazeformer-s"),
        _own("dehazeformer-b", shares="dehazeformer-s"),
        _own("enlightengan", target=ADVERSARIAL),
        _own("uretinex", target="models.training.tasks.retinex:retinex_task"),
        _own("jorder"),
        _own("jorder-e", target="models.training.tasks.rain:rain_task"),
        _own("prenet"),
        _own("prenet-r", shares="prenet"),
        _own("prenet-x", shares="prenet"),
        _own("prenet-gru", shares="prenet"),
        _own("prenet-lstm", shares="prenet"),
        _own("prenet-generator", shares="prenet"),
        _own("prn", shares="prenet"),
        _own("prn-r", shares="prenet"),
    ],
)
