"""The songs that a model finds easiest and hardest, as a table beside those of the suites."""

from __future__ import annotations

from dataclasses import dataclass

from genrezoo.rows import Difficulty


@dataclass(frozen=True)
class SongTable:
    """The easiest and the hardest training songs side by side, the most extreme first.

    Attributes:
        name: Part of its file's name: lower-case letters, digits and hyphens.
        title: Heading.
        caption: What it shows and how to read it.
        difficulty: The songs.
        study: A suite asked for it: it stands before the leaderboard.
        texts: How many of its first columns hold names.
    """

    name: str
    title: str
    caption: str
    difficulty: Difficulty
    study: bool = True
    texts: int = 1

    def grid(self) -> list[list[tuple[str, str]]]:
        """Its cells, headings first: a text, and nothing where another table has an interval."""
        heads = ["Easiest song", "Cross entropy (nats)", "Hardest song", "Cross entropy (nats)"]
        pairs = zip(self.difficulty.easiest, self.difficulty.hardest, strict=False)
        rows = [[text for song in pair for text in (song.id, f"{song.difficulty:.5f}")] for pair in pairs]
        return [[(text, "") for text in row] for row in [heads, *rows]]

    def lines(self) -> list[list[object]]:
        """Its rows in full precision, a song each, headings first."""
        parts = {"easiest": self.difficulty.easiest, "hardest": self.difficulty.hardest}
        rows: list[list[object]] = [[end, song.id, song.difficulty] for end, songs in parts.items() for song in songs]
        return [["end", "id", "difficulty"], *rows]
