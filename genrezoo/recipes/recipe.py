"""`Recipe`: one JSON tree that holds everything a run depends on, but the songs and the seed."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.registry import MODELS, PROCEDURES, Registry


class Recipe(BaseModel):
    """A named way to train a model.

    Example:
        >>> recipe = Recipe(name="small", summary="A small one", reference="own", model="lstm", arguments={"units": 8})
        >>> recipe.changed({"units": 16, "epochs": 2}).arguments["units"]
        16
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name to look it up by.")
    summary: str = Field(description="One line.")
    reference: str = Field(description="Document and section, or paper.")
    model: str = Field(description="Name of the model builder.")
    arguments: dict[str, Any] = Field({}, description="Keyword arguments of the builder.")
    procedure: str = Field("supervised", description="Name of the training procedure.")
    settings: dict[str, Any] = Field({}, description="Settings of the procedure; what is left out has its default.")
    standardise: bool = Field(
        True, description="Subtract mean and divide by deviation of the training songs' features."
    )
    clip: float | None = Field(None, gt=0, description="Limit standardised features to this many deviations.")
    reported: dict[str, str] = Field({}, description="Figures that the reference reports; never ours.")

    @field_validator("arguments", "settings")
    @classmethod
    def _plain(cls, value: dict[str, Any]) -> dict[str, Any]:
        _check_plain(value)
        return value

    def procedure_settings(self) -> Any:
        """The procedure's settings object, defaults filled in and ranges checked.

        Raises:
            SettingsError: A setting is unknown or out of range.
        """
        entry = PROCEDURES.get(self.procedure)
        assert entry.settings is not None  # every procedure registers its class of settings
        known = set(entry.settings.model_fields)  # type: ignore[attr-defined]  # it is a pydantic model
        for key in self.settings:
            if key not in known:
                raise UnknownNameError(f"setting of {self.procedure!r}", key, known)
        try:
            return entry.settings(**self.settings)
        except ValidationError as error:
            raise SettingsError(first_problem(error)) from error

    def changed(self, changes: dict[str, Any]) -> Recipe:
        """The recipe with other values.

        Args:
            changes: Names of builder arguments, of settings, or of ``standardise`` and ``clip``, with their new values.
                A name that could mean several is written ``model.NAME`` or ``settings.NAME``.

        Raises:
            UnknownNameError: A name that is none of these.
            SettingsError: A name that is several of these, or a value out of range.
        """
        arguments, settings = dict(self.arguments), dict(self.settings)
        own: dict[str, Any] = {}
        takes = inspect.signature(MODELS.get(self.model).call).parameters
        entry = PROCEDURES.get(self.procedure)
        rooms: dict[str, tuple[dict[str, Any], set[str]]] = {
            "model": (arguments, {name for name, p in takes.items() if p.kind is p.KEYWORD_ONLY}),
            "settings": (settings, set(entry.settings.model_fields)),  # type: ignore[union-attr]  # as above
            "recipe": (own, {"standardise", "clip"}),
        }
        for key, value in changes.items():
            room, _, name = key.rpartition(".")
            found = [place for place, (_, names) in rooms.items() if name in names and room in ("", place)]
            if not found:
                raise UnknownNameError("option", key, set().union(*(names for _, names in rooms.values())))
            if len(found) > 1:
                raise SettingsError(
                    f"{key!r} could be {' or '.join(f'{place}.{name}' for place in found)}; write one of them"
                )
            rooms[found[0]][0][name] = value
        try:
            recipe = Recipe(**{**self.model_dump(), "arguments": arguments, "settings": settings, **own})
        except ValidationError as error:
            raise SettingsError(first_problem(error)) from error
        recipe.procedure_settings()
        return recipe


RECIPES: Registry[Recipe] = Registry("recipe", package="genrezoo.recipes")


def _check_plain(value: Any) -> None:
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                raise ValueError(f"keys must be strings, got {key!r}")
            _check_plain(part)
    elif isinstance(value, list | tuple):
        for part in value:
            _check_plain(part)
    elif value is not None and not isinstance(value, bool | int | float | str):
        raise ValueError(f"values must be plain data (JSON), got {type(value).__name__}")


def first_problem(error: ValidationError) -> str:
    """The first thing that a validation found, as one line: place, problem, value."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}, got {first['input']!r}"
