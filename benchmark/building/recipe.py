"""Build recipes: a YAML file that names the sources of a dataset, several custom sets among them if wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmark.sources import SOURCES
from models.errors import UserError, close_match

MAX_BYTES = 1 << 20


class SourceEntry(BaseModel):
    """One source of a recipe. Unknown keys are refused.

    Arguments:
        name: A source of the catalogue.
        path: Its folder or archive, relative to the recipe's own folder.
        paths: The same where there are several.
        degradation: Option of `custom`: the type of its pairs.
        spec: Option of `custom`: what to synthesise on clean images.
        split: Option of `custom`: where its pairs go.
        severity: Option of `custom`: 1 to 5, in place of a spec.
        seed: Seed of what is synthesised.
        label: Option of `custom`: tells sets with equal file names apart.
        subset: Option of `snow100k`: `paper` or `all`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    path: str | None = None
    paths: list[str] = Field(default_factory=list)
    degradation: str | None = None
    spec: str | None = None
    split: Literal["train", "test"] | None = None
    severity: int | None = None
    seed: int | None = None
    label: str | None = None
    subset: str | None = None

    @model_validator(mode="after")
    def _has_files(self) -> SourceEntry:
        card = SOURCES[self.name]
        given = [*([self.path] if self.path is not None else []), *self.paths]
        if card.embedded and given:
            raise UserError(f"source {self.name} is embedded: leave out its path")
        if not card.embedded and not given:
            raise UserError(f"source {self.name} needs path or paths")
        for option in self.options:
            if option not in card.options:
                known = f"it knows {', '.join(card.options)}" if card.options else "it has none"
                raise UserError(f"source {self.name} has no option {option!r}: {known}")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The options that were given."""
        names = ("degradation", "spec", "split", "severity", "seed", "label", "subset")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class BuildRecipe(BaseModel):
    """What a dataset is built from."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sources: list[SourceEntry] = Field(min_length=1)


def read_recipe(file: Path) -> BuildRecipe:
    """Read a recipe.

    Arguments:
        file: YAML with a list `sources`.

    Raises:
        UserError: It cannot be read, is no YAML, or a key or value is wrong; the message names the key.
    """
    try:
        if file.exists() and (not file.is_file() or file.stat().st_size > MAX_BYTES):
            raise UserError(f"recipe {file} is no text file of at most {MAX_BYTES >> 20} MiB: name the YAML file")
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"recipe {file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except (RecursionError, ValueError) as error:  # numbers of thousands of digits, dates that are none
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise UserError(f"recipe {file} is not valid YAML: {reason}") from None
    except yaml.YAMLError as error:
        raise UserError(f"recipe {file} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UserError(f"recipe {file} must be a mapping with the key 'sources', not {type(values).__name__}")
    try:
        return BuildRecipe.model_validate(values)
    except UserError as error:
        raise UserError(f"recipe {file}: {error}") from None
    except ValidationError as error:
        raise UserError(f"recipe {file}: {_explain(error)}") from None


def load_recipe(file: Path) -> list[tuple[str, list[Path], dict[str, Any]]]:
    """Read a recipe as what `benchmark.sources.open.open_source` takes.

    Arguments:
        file: The recipe; its paths are relative to the folder in which it lies.

    Returns:
        Name, folders and archives, and options of each source.

    Raises:
        UserError: As `read_recipe`.
    """
    found: list[tuple[str, list[Path], dict[str, Any]]] = []
    for entry in read_recipe(file).sources:
        paths = [*([entry.path] if entry.path is not None else []), *entry.paths]
        found.append((entry.name, [_resolved(file, path) for path in paths], entry.options))
    return found


def _resolved(file: Path, path: str) -> Path:
    try:
        return (file.parent / Path(path).expanduser()).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # no such user, a loop of links, a NUL byte
        raise UserError(f"recipe {file}: {path!a} cannot be a path: {error}") from None


def _explain(error: ValidationError) -> str:
    """Return the first problem as one sentence that names the key."""
    problem = error.errors()[0]
    where = [*problem["loc"]]
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in where)
    if problem["type"] == "extra_forbidden":
        model = SourceEntry if len(where) > 1 else BuildRecipe
        key = str(where[-1])
        return f"unknown key {place!r}{close_match(key, model.model_fields)} (known: {', '.join(model.model_fields)})"
    return f"{place}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"
