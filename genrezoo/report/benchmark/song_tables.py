"""The table of the easiest and hardest training songs."""

from __future__ import annotations

from dataclasses import dataclass

from genrezoo.rows import Difficulty


@dataclass(frozen=True)
class SongTable:
    """The easiest and the hardest training songs side by side, the most extreme first.

    Attributes:
        name: Part of its file's name: lower-case letters, digits and hyphens.
        title: Heading.
        caption: Description.
        difficulty: The songs.
        study: Whether it belongs to a study: then it is before the leaderboard.
        texts: Number of its first columns that contain names.
    """

    name: str
    title: str
    caption: str
    difficulty: Difficulty
    study: bool = True
    texts: int = 1

    def grid(self) -> list[list[tuple[str, str]]]:
        """Returns its rows, headings first; each cell is a text and an empty interval."""
        heads = ["Easiest song", "Cross entropy (nats)", "Hardest song", "Cross entropy (nats)"]
        pairs = zip(self.difficulty.easiest, self.difficulty.hardest, strict=False)
        rows = [[text for song in pair for text in (song.id, f"{song.difficulty:.5f}")] for pair in pairs]
        return [[(text, "") for text in row] for row in [heads, *rows]]

    def lines(self) -> list[list[object]]:
        """Returns a row for each song in full precision, headings first."""
        parts = {"easiest": self.difficulty.easiest, "hardest": self.difficulty.hardest}
        rows: list[list[object]] = [[end, song.id, song.difficulty] for end, songs in parts.items() for song in songs]
        return [["end", "id", "difficulty"], *rows]
