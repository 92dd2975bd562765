"""Songs from hidden Markov models, with the accuracy that is attainable on them at all.

Synthetic songs say nothing about music. They say what a family of models can use: because the law of the songs is
known, so is the accuracy of the best possible classifier, and a bound on what can be had without the order of the
segments.

Genres share *pools* of sounds, two genres a pool where possible. How the two differ is the pool's mechanism:

- ``timbre``: what a segment sounds like. The means of the second genre are shifted.
- ``order``: what comes after what. States go round a cycle, in the second genre the other way round.
- ``position``: where in the song things happen. Each part of the song has a favourite state, and the second genre has
  its favourites in the opposite order. Segments of one part come in no order at all.

In the last two the second genre is the first one played backwards. A song and its mirror image hold the same segments,
so the *bag* of segments (their values without their places) has one and the same law in both genres.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, Field, model_validator

from genrezoo.archive import check_memory
from genrezoo.datasets._hmm import SongLaw
from genrezoo.errors import DataError, SettingsError, check_known, checked
from genrezoo.lazy import LazyModule
from genrezoo.registry import DATASETS
from genrezoo.seeds import generator
from genrezoo.songs import SongSet

special = LazyModule("scipy.special")

BLOCK = 512  # songs scored together: 12 MB of float64 at the default size

Mechanism = Literal["timbre", "order", "position"]


class SyntheticSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """All that a synthetic set depends on; the fields are the options of `load_synthetic`.

    Raise ``noise`` to make every mechanism harder, or lower ``order``, ``position`` or ``timbre`` to make one of them
    harder. Were ``loosest`` 1, the best accuracy would be close to 1: over 120 segments the mechanisms are plain, and
    it is the artists of the looser styles who are hard to place.

    Example:
        >>> SyntheticSettings(n_genres=7).pools
        4
    """

    n_genres: int = Field(10, ge=2, le=1000, description="Genres.")
    n_segments: int = Field(120, ge=2, description="Segments of the longest song.")
    n_features: int = Field(25, ge=1, le=10_000, description="Features of a segment.")
    n_pools: int | None = Field(
        None, ge=1, description="Pools of sounds, of one or two genres each; None: as few as hold all genres."
    )
    n_states: int = Field(5, ge=3, le=100, description="Hidden states of a genre; with two, a cycle has no direction.")
    n_styles: int = Field(2, ge=1, le=100, description="Styles of a pool, each with its own order of the states.")
    mechanisms: tuple[Mechanism, ...] = Field(
        ("order", "position", "timbre"),
        min_length=1,
        description="What tells the genres of a pool apart; the pools take them in turn.",
    )
    noise: float = Field(
        0.8, gt=0, le=1e6, description="Deviation of each feature from the mean of its state; the means are N(0, 1)."
    )
    order: float = Field(
        0.95, ge=0, le=0.999, description="Probability that a state goes on in its cycle (order and timbre pools)."
    )
    position: float = Field(0.6, ge=0, le=0.999, description="Share of a part's segments in its favourite state.")
    timbre: float = Field(1.2, ge=0, le=1e6, description="Distance between the means of a timbre pool's two genres.")
    loosest: float = Field(
        0.1,
        ge=0,
        le=1,
        description="The last style has these three strengths times this, the first times 1, those between in between.",
    )
    n_train: int = Field(3000, ge=2, description="Training songs.")
    n_valid: int = Field(500, ge=2, description="Validation songs.")
    n_test: int = Field(1000, ge=2, description="Test songs.")
    songs_per_artist: int = Field(5, ge=1, description="Songs of an artist, all in one style.")
    min_segments: int | None = Field(
        None, ge=1, description="Segments of the shortest song, lengths being uniform; None: all songs have n_segments."
    )
    seed: int = Field(1, ge=0, lt=2**32, description="Seed of the genres and of the songs.")

    @model_validator(mode="after")
    def _agree(self) -> SyntheticSettings:
        if not math.ceil(self.n_genres / 2) <= self.pools <= self.n_genres:
            raise ValueError(
                f"n_pools={self.n_pools} cannot hold {self.n_genres} genres, one or two each; "
                f"pass {math.ceil(self.n_genres / 2)} to {self.n_genres}"
            )
        if self.min_segments is not None and self.min_segments > self.n_segments:
            raise ValueError(f"min_segments={self.min_segments} is above n_segments={self.n_segments}")
        smallest = min(self.n_train, self.n_valid, self.n_test)
        if smallest < self.n_genres:
            raise ValueError(
                f"{smallest} songs of {self.n_genres} genres; each split needs at least one song of each genre"
            )
        return self

    @property
    def pools(self) -> int:
        """Number of pools, worked out where ``n_pools`` is None."""
        return math.ceil(self.n_genres / 2) if self.n_pools is None else self.n_pools


@DATASETS.register(
    "synthetic",
    summary="songs from hidden Markov models whose best attainable accuracy is known; not music",
    reference="L. R. Rabiner, A tutorial on hidden Markov models, Proceedings of the IEEE 77(2), 1989",
    licence="MIT",
)
def load_synthetic(**options: Any) -> SongSet:
    """Draws synthetic songs: the same options give the same bits.

    Choose it to see which family of models can use timbre, order or position, and to test a pipeline without any
    files. Do not choose it to claim anything about music. Genres depend on the seed, not on the number of songs, and
    each split has its own stream, so that a learning curve over ``n_train`` keeps its test songs.

    Args:
        options: Fields of `SyntheticSettings`, e.g. ``n_train=500, seed=2``.

    Returns:
        Songs named ``synthetic`` with artists as ``groups``, genres in equal numbers (up to one song a split), whole
        artists on one side of the split (provenance ``artist-filtered``), padding as NaN, and all settings in
        ``about["synthetic"]``. An artist's songs are all in one style; the artists of a genre take the styles in turn,
        from a random one on, so that every song is equally likely to be in any style.

    Raises:
        UnknownNameError: There is no such option.
        SettingsError: An option is outside its range or at odds with another one.

    Example:
        >>> load_synthetic(n_genres=4, n_segments=9, n_train=40, n_valid=8, n_test=8)
        SongSet('synthetic': 56 songs x 9 segments x 25 features, 4 genres, train 40, valid 8, test 8, artist-filtered)
    """
    settings = _settings(options)
    n_songs = settings.n_train + settings.n_valid + settings.n_test
    check_memory(8 * n_songs * settings.n_segments * settings.n_features, f"{n_songs:,} synthetic songs")
    genres = _genres(settings)
    laws = [law for genre in genres for law in genre.laws]
    sizes = {"train": settings.n_train, "valid": settings.n_valid, "test": settings.n_test}
    x = np.empty((n_songs, settings.n_segments, settings.n_features), np.float32)
    y, lengths = np.empty((2, n_songs), np.int64)
    ids, groups, splits = [], [], {}
    first = 0
    for split, size in sizes.items():
        part = slice(first, first + size)
        song = np.arange(size)
        label = song % settings.n_genres
        artist = song // settings.n_genres // settings.songs_per_artist
        draws = generator(settings.seed, "songs", split)
        shortest = settings.n_segments if settings.min_segments is None else settings.min_segments
        y[part], lengths[part] = label, draws.integers(shortest, settings.n_segments, size, endpoint=True)
        style = (artist + draws.integers(settings.n_styles, size=settings.n_genres)[label]) % settings.n_styles
        _draw_songs(x[part], lengths[part], laws, label * settings.n_styles + style, draws)
        ids += [f"{split}-{number}" for number in song]
        groups += [f"{genres[g].name} {split} artist {a}" for g, a in zip(label, artist, strict=True)]
        splits[split] = first + song
        first += size
    return SongSet(
        x=x,
        y=y,
        genres=tuple(genre.name for genre in genres),
        lengths=lengths,
        ids=np.array(ids),
        groups=np.array(groups),
        splits=splits,
        provenance="artist-filtered",
        name="synthetic",
        about={
            "note": "synthetic songs from hidden Markov models; they say nothing about music",
            "synthetic": settings.model_dump(mode="json"),
        },
    ).validate()


def posterior(songs: SongSet) -> np.ndarray:
    """Probability of each genre given a synthetic song: the answer that no classifier can improve on.

    Genres, and the styles of a genre, are equally likely beforehand, and each song is judged by itself.

    Args:
        songs: Songs from `load_synthetic`, also after saving, loading or `SongSet.take`; features as they were drawn.

    Returns:
        Probabilities, ``(n_songs, n_genres)`` float64; a song's share of each genre sums to one.

    Raises:
        DataError: The songs are not synthetic, or are not those that their settings draw.

    Example:
        >>> songs = load_synthetic(n_genres=2, n_train=2, n_valid=2, n_test=2, mechanisms=("order",), loosest=1)
        >>> posterior(songs).round(3)[:2]
        array([[1., 0.],
               [0., 1.]])
    """
    genres = _genres_of(songs)
    scores = np.empty((songs.n_songs, len(genres)))
    for part, x in songs.blocks(BLOCK):
        lengths = songs.lengths[part]
        for number, genre in enumerate(genres):
            scores[part, number] = special.logsumexp([law.log_likelihood(x, lengths) for law in genre.laws], axis=0)
    return np.asarray(special.softmax(scores, axis=1))


def ceilings(songs: SongSet, split: str | None = "test") -> dict[str, float]:
    """How accurate a classifier of these songs can be at all, and without the order of the segments.

    Both figures are expectations over the labels that songs of this sound can have; the labels themselves are not read.
    An accuracy ``p`` counted on ``n`` songs scatters about its expectation by ``sqrt(p * (1 - p) / n)``.

    ``bayes`` is exact: the mean probability of the likeliest genre. Bayes' rule reaches it, and no other classifier
    that judges each song by itself can be expected to do better.

    ``order_free`` is an upper bound for every classifier that sees only the bag of segments, such as one of features
    averaged over the song, or of convolutions of height 1 pooled over all time. A flattened network is *not*
    order-free: it sees positions. Proof: call genres whose bags have the same law a set; a mirrored pair is one, any
    other genre is one by itself. Given its bag, a song is equally likely to be of any genre in a set ``S``, so the
    best answer is right with probability ``max over S of P(S | bag) / |S|``. Since ``P(S | bag)`` is the mean of
    ``P(S | song)`` over the songs with that bag, and a maximum of means is at most the mean of the maxima, the
    expectation of ``max over S of P(S | song) / |S|``, which is the figure given, is at least as large. The two agree
    where order says nothing about the *set*; with pools that sound different, as by default, they are close.

    Args:
        songs: Songs from `load_synthetic`, also after saving, loading or `SongSet.take`; features as they were drawn.
        split: Split to look at; None for all songs.

    Returns:
        ``bayes`` and ``order_free`` as shares of one, and ``songs``, the number of songs that they are a mean of.

    Raises:
        DataError: The songs are not synthetic, are not those that their settings draw, or have no such split.

    Example:
        >>> songs = load_synthetic(n_genres=2, n_train=2, n_valid=2, n_test=100, mechanisms=("order",), loosest=1)
        >>> {name: round(share, 3) for name, share in ceilings(songs).items()}
        {'bayes': 1.0, 'order_free': 0.5, 'songs': 100}
    """
    if split is not None:
        songs = songs.split(split)
    _, bag, size = np.unique([genre.bag for genre in _genres_of(songs)], return_inverse=True, return_counts=True)
    genre = posterior(songs)
    answer = genre @ (np.eye(len(size)) / size)[bag]  # (songs, sets): P(S | song) / |S|
    return {
        "bayes": float(genre.max(axis=1).mean()),
        "order_free": float(answer.max(axis=1).mean()),
        "songs": songs.n_songs,
    }


@dataclass(frozen=True, eq=False)
class _Genre:
    """A genre: its name, its styles' laws (all equally likely), and a number shared by genres with one law of bags."""

    name: str
    laws: tuple[SongLaw, ...]
    bag: int


def _genres(settings: SyntheticSettings) -> list[_Genre]:
    typical = np.linspace(1, settings.loosest, settings.n_styles)
    states = np.arange(settings.n_states)
    uniform = np.full((1, settings.n_states), 1 / settings.n_states)
    genres = []
    for pool in range(settings.pools):
        draws = generator(settings.seed, "pool", pool)
        means = draws.standard_normal((settings.n_states, settings.n_features))
        way = draws.standard_normal(settings.n_features)
        way /= np.linalg.norm(way)
        orders = [_order(settings.n_states, draws) for _ in typical]
        mechanism = settings.mechanisms[pool % len(settings.mechanisms)]
        for member in range(2 if pool < settings.n_genres - settings.pools else 1):
            laws = []
            for order, share in zip(orders, typical, strict=True):
                if mechanism == "position":
                    favoured = share * settings.position
                    home = favoured * np.eye(settings.n_states)[order] + (1 - favoured) * uniform  # (parts, states)
                    after, follow = states, 0.0
                else:
                    home, follow = uniform, share * settings.order
                    after = np.roll(order, -1)[np.argsort(order)]
                moved = member * share * settings.timbre * way if mechanism == "timbre" else 0.0
                mirrored = member == 1 and mechanism != "timbre"
                laws.append(SongLaw(means + moved, settings.noise, after, follow, home, mirrored))
            name = f"{mechanism}-{pool + 1}{'ab'[member]}"
            genres.append(_Genre(name, tuple(laws), bag=2 * pool + (member if mechanism == "timbre" else 0)))
    return genres


def _order(n_states: int, draws: np.random.Generator) -> np.ndarray:
    """A random order of the states, never the reverse of another such order.

    Were it the reverse, one style's backwards songs would be another style's forward songs, and a pair one genre.
    """
    order = np.concatenate([[0], 1 + draws.permutation(n_states - 1)])
    return order if order[1] < order[-1] else np.concatenate([[0], order[:0:-1]])


def _draw_songs(
    x: np.ndarray, lengths: np.ndarray, laws: list[SongLaw], chosen: np.ndarray, draws: np.random.Generator
) -> None:
    """Fills ``x`` in place, all songs of a law at once, so that no second array of its size is ever needed."""
    n_segments = x.shape[1]
    draws.standard_normal(out=x, dtype=np.float32)
    x *= np.float32(laws[0].noise)  # the same in all laws of a set
    for number, law in enumerate(laws):
        songs = np.flatnonzero(chosen == number)
        states = law.draw_states(lengths[songs], n_segments, draws)
        means = law.means.astype(np.float32)
        for segment in range(n_segments):
            x[songs, segment] += means[states[:, segment]]
    for segment in range(lengths.min(), n_segments):
        x[lengths <= segment, segment] = np.nan


def _settings(options: Mapping[str, Any]) -> SyntheticSettings:
    check_known("option of synthetic songs", options, SyntheticSettings.model_fields)
    return checked(lambda: SyntheticSettings(**options), lambda what: SettingsError(f"synthetic songs: {what}"))


def _genres_of(songs: SongSet) -> list[_Genre]:
    """The genres that songs were drawn from, after checking that they can be those songs."""

    def refuse(what: str) -> DataError:
        return DataError(
            what, where=songs.name, remedy="use songs of genrezoo.datasets.synthetic.load_synthetic as they were drawn"
        )

    options = songs.about.get("synthetic")
    if not isinstance(options, Mapping):
        raise refuse("these songs are not synthetic, so that nobody knows what is attainable on them")
    settings = checked(
        lambda: SyntheticSettings(**options), lambda what: refuse(f"damaged settings of the generator: {what}")
    )
    if songs.n_features != settings.n_features:
        raise refuse(f"{songs.n_features} features, drawn were {settings.n_features}")
    if songs.num_classes != settings.n_genres:
        raise refuse(f"{songs.num_classes} genres, drawn were {settings.n_genres}")
    shortest = settings.n_segments if settings.min_segments is None else settings.min_segments
    if songs.n_songs and not shortest <= songs.lengths.min() <= songs.lengths.max() <= settings.n_segments:
        raise refuse(
            f"songs of {songs.lengths.min()} to {songs.lengths.max()} segments, drawn were {shortest} to "
            f"{settings.n_segments}"
        )
    genres = _genres(settings)
    names = tuple(genre.name for genre in genres)
    if songs.genres != names:
        raise refuse(f"genres {', '.join(songs.genres)}, drawn were {', '.join(names)}")
    return genres
