"""The facts about songs on the card of a run, validated, because a run folder may come from anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from genrezoo.errors import DataError, checked

if TYPE_CHECKING:
    from genrezoo.runs import Run


class About(BaseModel, frozen=True, extra="ignore"):
    """The origin of the songs."""

    features: dict[str, Any] = Field({}, description="Settings of the features of audio; empty for other features.")


class SongFacts(BaseModel, frozen=True, extra="ignore"):
    """The description of the songs that a run was trained on, as `SongSet.describe` makes it."""

    name: str = "songs"
    kind: str = "segments"
    segments: int | None = Field(None, ge=1, description="Of the longest song.")
    features: int | None = Field(None, ge=1, description="Of a segment.")
    lengths: tuple[int, int, int] | None = Field(None, description="Segments: least, median, most.")
    splits: dict[str, int] = {}
    provenance: str | None = None
    checksum: str | None = None
    about: About = About()


def song_facts(run: Run) -> SongFacts:
    """Returns the facts about songs on the card of a run.

    Args:
        run: The run.

    Raises:
        DataError: One of the facts is malformed.
    """
    place, remedy = run.folder / "card.json", "restore the card or train again"
    return checked(
        lambda: SongFacts.model_validate(run.card.songs),
        lambda what: DataError(what, path=place, where="songs", remedy=remedy),
    )
