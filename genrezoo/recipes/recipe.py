"""`Recipe`: one JSON tree with everything that a run depends on, except the songs and the seed."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, field_validator, model_validator

from genrezoo.environment import versions
from genrezoo.errors import SettingsError, UnknownNameError, check_known, check_type, checked
from genrezoo.evaluation import TEMPERATURES
from genrezoo.registry import PROCEDURES, Registry, find_builder, natural
from genrezoo.songs.chunks import Chunks
from genrezoo.songs.standardise import Transform


class Member(BaseModel, frozen=True, extra="forbid"):
    """A member of a composition, or a model whose logits a procedure needs.

    It is specified in one of three ways: as a recipe, trained first; as a finished run; or, for procedures, as stored
    logits.
    """

    recipe: Recipe | None = Field(None, description="Recipe to train first.")
    run: str | None = Field(None, description="Path of a run folder.")
    logits: str | None = Field(None, description="Path of an npz file with `ids` and `logits`.")
    folds: int = Field(
        0, ge=0, description="Number of folds, at least 2, for out-of-fold logits of the training songs; 0: none."
    )
    held: int | None = Field(
        None,
        ge=1,
        description="For a member of an ensemble: number of the fold (of all songs but test songs) that it holds out.",
    )
    fresh: bool = Field(False, description="Start with new weights, which the composition trains.")
    seed: int | None = Field(None, ge=0, lt=2**32, description="Seed of the member; None: the composition's.")
    weights_sha256: tuple[str, ...] = Field(
        (), description="Checksums of the member's weights; always present on a card."
    )
    temperature: float | None = Field(
        None,
        ge=TEMPERATURES[0],
        le=TEMPERATURES[1],
        description="Temperature that a composition divides the member's logits by; on a card if the member was "
        "calibrated.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Member:
        ways = [self.run or self.recipe, self.logits]  # an opened run has its recipe beside it
        if sum(way is not None for way in ways) != 1:
            raise ValueError("specify one of recipe, run and logits")
        if (self.folds or self.fresh) and (self.recipe is None or self.run):
            raise ValueError("folds and fresh need a recipe")
        if self.folds == 1 or (self.folds and self.fresh):
            raise ValueError("folds must be 0 or at least 2, and not with fresh")
        if self.held is not None and self.held > self.folds:
            raise ValueError(f"held is the number of one of the folds, from 1 to {self.folds}")
        return self

    @property
    def kin(self) -> str:
        """Key shared by members that the same recipe trains without different folds of the songs."""
        if self.recipe is None:
            return json.dumps([self.folds])
        # without its own members, which differ in their digests on a card, and what is lowered to a fold's songs
        bare = self.recipe.model_dump(mode="json", exclude={"members"})
        counts = find_builder(self.recipe.model).counts_songs
        bare["arguments"] = {name: value for name, value in bare["arguments"].items() if name not in counts}
        return json.dumps([self.folds, bare], sort_keys=True)


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """A model, its options, a procedure and its settings under one name.

    Example:
        >>> recipe = Recipe(name="small", summary="Small", reference="genrezoo", model="lstm", arguments={"units": 8})
        >>> recipe.changed({"units": 16, "epochs": 2}).arguments["units"]
        16
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the recipe.")
    summary: str = Field(description="One line.")
    reference: str = Field(description="Document and section, or paper.")
    model: str = Field(description="Name of the model or composition.")
    arguments: dict[str, Any] = Field({}, description="Keyword arguments of the builder.")
    procedure: str = Field("supervised", description="Name of the training procedure.")
    settings: dict[str, Any] = Field({}, description="Settings of the procedure; others keep their defaults.")
    standardise: bool = Field(
        True, description="Standardise features with the mean and standard deviation of the training songs."
    )
    transform: Transform | None = Field(
        None,
        description="Transform of standardised features with long tails: signed_log, smooth_clip or quantile; "
        "'none' in a TOML file switches it off.",
    )
    clip: float | None = Field(None, gt=0, description="Clip standardised features at this many standard deviations.")
    chunks: Chunks | None = Field(None, description="Cut songs into chunks; None: whole songs.")
    calibrate: bool = Field(
        False,
        description="Fit a temperature for the logits on the validation songs after training. Out-of-fold predictions "
        "share it.",
    )
    features: tuple[str, ...] | None = Field(
        None, min_length=1, description="Groups of features to use, e.g. chroma; None: all."
    )
    members: dict[str, Member] = Field(
        {},
        max_length=200,
        description="Members of a composition, or models that the procedure learns from, sorted by name.",
    )
    reported: dict[str, str] = Field({}, description="Results that the reference reports; never genrezoo's.")

    @model_validator(mode="after")
    def _standardised_first(self) -> Recipe:
        for name in ("transform", "clip"):
            if getattr(self, name) is not None and not self.standardise:
                raise ValueError(f"{name} needs standardise")
        return self

    @field_validator("arguments", "settings")
    @classmethod
    def _plain(cls, value: dict[str, Any]) -> dict[str, Any]:
        _check_plain(value)
        return value

    @field_validator("transform", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return None if value == "none" else value  # a TOML file has no other way to switch it off

    @field_validator("members", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        named = {name: {"recipe": RECIPES.get(part)} if isinstance(part, str) else part for name, part in value.items()}
        return {name: named[name] for name in sorted(named, key=natural)}  # files keep no order

    @property
    def depth(self) -> int:
        """Number of successive stages of training before this one."""
        return max((1 + (member.recipe.depth if member.recipe else 0) for member in self.members.values()), default=0)

    @property
    def cross_validated(self) -> bool:
        """Whether a member was trained on validation songs, because another fold of the songs was held out."""
        inside = [member.recipe for member in self.members.values() if member.recipe is not None]
        held = any(member.held is not None for member in self.members.values())
        return held or any(recipe.cross_validated for recipe in inside)

    def digest(self, seed: int, checksum: str) -> str:
        """Digest (16 hex digits) of everything that a training's result depends on: recipe, seed, songs, version."""
        about = _without_words(self.model_dump(mode="json"))
        parts = ["zoo", self.name, about, seed, checksum, versions()["genrezoo"]]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def run_name(self, songs_name: str, seed: int, checksum: str) -> str:
        """Name of the run folder among runs of many recipes; the same training has the same name."""
        return f"{self.name}-{safe_name(songs_name)}-{seed}-{self.digest(seed, checksum)}"

    def procedure_settings(self) -> Any:
        """Returns the procedure's settings object, with defaults filled in and ranges checked.

        Raises:
            SettingsError: A setting is unknown or out of range.
        """
        entry = PROCEDURES.get(self.procedure)
        make: Any = entry.settings  # a pydantic model
        check_known(f"setting of {self.procedure!r}", self.settings, make.model_fields)
        return checked(lambda: make(**self.settings))

    def changed(self, changes: Mapping[str, Any] | None = None, *, everywhere: bool = False, **more: Any) -> Recipe:
        """Returns the recipe with other values.

        Args:
            changes: Names of builder arguments, of settings, or of ``standardise``, ``transform``, ``clip``,
                ``chunks``, ``features`` and ``calibrate``, with their new values. Write ``model.NAME`` or
                ``settings.NAME`` for an ambiguous name, ``MEMBER.NAME`` for one of a member's recipe, and
                ``members.NAME`` for one of all members' recipes.
            everywhere: Whether to apply the changes to the members' recipes too; each recipe then takes those that it
                has.
            **more: Further changes, as keywords.

        Raises:
            UnknownNameError: A name is none of these.
            SettingsError: A name is ambiguous, or a value is out of range.
        """
        check_type("changes", changes or {}, Mapping, "a table of names and values")
        changes = {**(changes or {}), **more}
        arguments, settings = dict(self.arguments), dict(self.settings)
        own: dict[str, Any] = {}
        members: dict[str, Member] = {}
        taken: set[str] = set()  # by members
        for name, member in self.members.items():
            scopes_of_member = (f"{name}.", "members.")
            inner = {key.partition(".")[2]: v for key, v in changes.items() if key.startswith(scopes_of_member)}
            inside = member.recipe if not member.run else None
            if inner and inside is None:
                raise SettingsError(f"member {name!r} is already trained; its settings cannot be changed")
            if inside is not None and everywhere:
                known = {key for key in changes if inside.knows(key)}
                taken |= known
                inner = {key: changes[key] for key in known} | inner
            if inner and inside is not None:
                member = member.model_copy(update={"recipe": inside.changed(inner, everywhere=everywhere)})
            members[name] = member
        scopes_of_members = {*self.members, "members"} if self.members else set()
        changes = {key: value for key, value in changes.items() if key.partition(".")[0] not in scopes_of_members}
        changes = {key: value for key, value in changes.items() if key not in taken or self._has(key)}
        values = {"model": arguments, "settings": settings, "recipe": own}
        for key, value in changes.items():
            name = key.rpartition(".")[2]
            found = self._scopes(key)
            if not found:
                of_members = {f"members.{key}"} if self.knows(key) else set()
                raise UnknownNameError("option", key, of_members.union(*self._options().values()))
            if len(found) > 1:
                raise SettingsError(
                    f"{key!r} could be {' or '.join(f'{place}.{name}' for place in found)}; write one of them"
                )
            values[found[0]][name] = value
        given = {"arguments": arguments, "settings": settings, "members": members, **own}
        recipe = checked(lambda: Recipe(**{**self.model_dump(), **given}))
        recipe.procedure_settings()
        return recipe

    def knows(self, key: str) -> bool:
        """Whether the recipe, or the recipe of a member, has an option of that name."""
        inside = [member.recipe for member in self.members.values() if member.recipe and not member.run]
        return self._has(key) or any(recipe.knows(key) for recipe in inside)

    def _has(self, key: str) -> bool:
        return bool(self._scopes(key))

    def _scopes(self, key: str) -> list[str]:
        """Tells where an option of that name belongs: to the model's arguments, the settings, or the recipe itself."""
        scope, _, name = key.rpartition(".")
        return [place for place, names in self._options().items() if name in names and scope in ("", place)]

    def _options(self) -> dict[str, set[str]]:
        takes = inspect.signature(find_builder(self.model).call).parameters
        entry = PROCEDURES.get(self.procedure)
        return {
            "model": {name for name, p in takes.items() if p.kind is p.KEYWORD_ONLY},
            "settings": set(entry.settings.model_fields),  # type: ignore[union-attr]  # a pydantic model
            "recipe": {"standardise", "transform", "clip", "chunks", "features", "calibrate"},
        }

    def with_runs(self, runs: dict[str, Any]) -> Recipe:
        """Returns the recipe with finished runs in place of the recipes of its members.

        Args:
            runs: Names of members, each with the path of a run folder.

        Raises:
            UnknownNameError: There is no such member.
        """
        check_known(f"member of {self.name!r}", runs, self.members)
        given = {name: Member(run=str(path)) for name, path in runs.items()}
        return self.model_copy(update={"members": {**self.members, **given}})


RECIPES: Registry[Recipe] = Registry("recipe", package="genrezoo.recipes")


def safe_name(name: str) -> str:
    """Replaces characters in a name that some file systems do not allow."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:40].lstrip(".") or "songs"


def _without_words(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe as plain data, its members' included, without what no training depends on."""
    members = {
        name: {**member, "recipe": member["recipe"] and _without_words(member["recipe"])}
        for name, member in recipe["members"].items()
    }
    words = ("summary", "reference", "reported", "members")
    return {**{name: value for name, value in recipe.items() if name not in words}, "members": members}


def _check_plain(value: Any, levels: int = 20) -> None:
    if not levels:
        raise ValueError("values are nested too deeply")
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                raise ValueError(f"keys must be strings, got {key!r}")
            _check_plain(part, levels - 1)
    elif isinstance(value, list | tuple):
        for part in value:
            _check_plain(part, levels - 1)
    elif value is not None and not isinstance(value, bool | int | float | str):
        raise ValueError(f"values must be plain data (JSON), got {type(value).__name__}")
