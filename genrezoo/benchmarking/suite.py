"""A suite: recipes x data x seeds, as a TOML file of data only."""

from __future__ import annotations

import importlib.resources
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from genrezoo import files
from genrezoo.benchmarking.peers import PEERS
from genrezoo.errors import DataError, UnknownNameError
from genrezoo.recipes import RECIPES, Recipe, get_recipe
from genrezoo.recipes.recipe import first_problem


class Entrant(BaseModel):
    """One line of the leaderboard: a recipe, perhaps with other values and another name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str = Field(description="Name of a recipe.")
    name: str | None = Field(
        None, pattern=r"^[a-z][a-z0-9_]*$", description="Name in tables; the recipe's if left out."
    )
    changes: dict[str, Any] = Field({}, description="Arguments and settings that differ from the recipe's.")

    def build(self, changes: dict[str, Any]) -> Recipe:
        """The recipe as it will be trained; this entrant's own changes win over the suite's."""
        recipe = get_recipe(self.recipe).changed({**changes, **self.changes})
        return recipe.model_copy(update={"name": self.name}) if self.name else recipe


class Suite(BaseModel):
    """What a benchmark runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    summary: str = Field(description="One line: what the suite is for.")
    recipes: tuple[Entrant, ...] = Field((), description="Recipe names, or tables with recipe, name and changes.")
    peers: tuple[str, ...] = Field((), description="Names of scikit-learn peers.")
    data: tuple[dict[str, Any], ...] = Field(min_length=1, description="Tables with `source` and the loader's options.")
    seeds: int = Field(3, ge=1, le=1000, description="Trainings per recipe, with seeds 1, 2, ….")
    changes: dict[str, Any] = Field({}, description="Arguments and settings that all recipes get.")

    @field_validator("recipes", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return [{"recipe": part} if isinstance(part, str) else part for part in value]

    @field_validator("data", mode="before")
    @classmethod
    def _sources(cls, value: Any) -> Any:
        return [{"source": part} if isinstance(part, str) else part for part in value]

    @field_validator("data")
    @classmethod
    def _have_source(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        if any("source" not in part for part in value):
            raise ValueError("each data table needs a source")
        return value

    @field_validator("peers")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in PEERS:
                raise UnknownNameError("peer", name, PEERS)
        return value

    def select(self, names: list[str]) -> Suite:
        """The suite with other entrants: any recipes and peers by name.

        Raises:
            UnknownNameError: Neither a recipe of the suite, a registered recipe, nor a peer.
        """
        own = {entrant.name or entrant.recipe: entrant for entrant in self.recipes}
        recipes, peers = [], []
        for name in names:
            if name in own:
                recipes.append(own[name])
            elif name in PEERS:
                peers.append(name)
            elif name in RECIPES.names():
                recipes.append(Entrant(recipe=name))
            else:
                raise UnknownNameError("recipe or peer", name, {*own, *PEERS, *RECIPES.names()})
        return self.model_copy(update={"recipes": tuple(recipes), "peers": tuple(peers)})


def list_suites() -> list[str]:
    """Names of the suites that come with the package."""
    folder = importlib.resources.files("genrezoo.benchmarking") / "suites"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def load_suite(suite: str | Path) -> Suite:
    """Reads a suite.

    Args:
        suite: Name of a suite that comes with the package, or path of a TOML file; the ``suite.json`` that a benchmark
            left in its folder serves as well.

    Raises:
        UnknownNameError: No such suite.
        DataError: The file is neither TOML nor JSON, or something in it is unknown or out of range.

    Example:
        >>> load_suite("quick").seeds
        3
    """
    path = Path(suite)
    if path.suffix in (".toml", ".json"):
        if not path.is_file():
            raise DataError("no such file", path=path, remedy=f"name one of {', '.join(list_suites())} or a TOML file")
        text = path.read_text(encoding="utf-8")
    elif str(suite) in list_suites():
        text = (importlib.resources.files("genrezoo.benchmarking") / "suites" / f"{suite}.toml").read_text(
            encoding="utf-8"
        )
    else:
        raise UnknownNameError("suite", str(suite), list_suites())
    try:
        return Suite.model_validate(files.read_json(path) if path.suffix == ".json" else tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"not valid TOML ({error})", path=path, remedy="mend the file") from error
    except ValidationError as error:
        raise DataError(
            first_problem(error), path=path, remedy="see docs/benchmark.md for what a suite holds"
        ) from error
