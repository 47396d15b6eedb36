"""The catalogue of recipes: named experiments in YAML, one file each."""

from __future__ import annotations

from dataclasses import dataclass

from models.catalogue import Catalogue


@dataclass(frozen=True)
class RecipeCard:
    """What a recipe declares about itself.

    Arguments:
        name: Name on the command line (`bench train NAME`).
        task: `"restoration"`, `"diffusion"` or `"daclip"`.
        title: What it trains, in prose.
        target: "module:function" that makes the task which `models.training.loop.fit` runs.
        needs: Recipe whose run must be given first, or None.
        presets: Names of the presets in the file; the first is the default.
    """

    name: str
    task: str
    title: str
    target: str
    needs: str | None = None
    presets: tuple[str, ...] = ("paper", "demo")

    @property
    def file(self) -> str:
        """Name of its YAML file, beside this module."""
        return f"{self.name}.yaml"


RECIPES = Catalogue[RecipeCard](
    "recipe",
    [
        RecipeCard("daclip", "daclip", "DA-CLIP", "models.training.daclip:daclip_task"),
        RecipeCard("nafnet", "restoration", "NAFNet", "models.training.restoration:restoration_task"),
        RecipeCard(
            "nafnet-degradation",
            "restoration",
            "NAFNet + Degradation",
            "models.training.restoration:restoration_task",
            needs="daclip",
        ),
        RecipeCard(
            "nafnet-daclip",
            "restoration",
            "NAFNet + DA-CLIP",
            "models.training.restoration:restoration_task",
            needs="daclip",
        ),
        RecipeCard("ir-sde", "diffusion", "IR-SDE", "models.training.diffusion:diffusion_task"),
        RecipeCard(
            "ir-sde-daclip",
            "diffusion",
            "IR-SDE + DA-CLIP",
            "models.training.diffusion:diffusion_task",
            needs="daclip",
        ),
        RecipeCard("wild-ir", "diffusion", "Wild-IR", "models.training.diffusion:diffusion_task", needs="daclip"),
    ],
)
