"""Songs from hidden Markov models, with the best attainable accuracy.

Synthetic songs say nothing about music. They show what a family of models can use: because the distribution of the
songs is known, so are the accuracy of the best possible classifier and an upper bound for classifiers that ignore the
order of the segments.

Genres share *pools* of states, two genres per pool where possible. The pool's mechanism determines how the two differ:

- ``timbre``: the sound of segments. The means of the second genre are shifted.
- ``order``: the order of segments. States follow a cycle, which is reversed in the second genre.
- ``position``: the position in the song. Each part of the song has a preferred state, and the second genre has
  them in the opposite order. Segments within a part have no order.

In the last two the second genre is the first one reversed in time. A song and its reversal hold the same segments, so
the *bag* of segments (their values without their positions) has the same distribution in both genres.
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
    """Settings of a synthetic data set; the fields are the options of `load_synthetic`.

    Raise ``noise`` to make every mechanism harder, or lower ``order``, ``position`` or ``timbre`` to make one of them
    harder. With ``loosest=1`` the best accuracy would be close to 1: over 120 segments the mechanisms are obvious, and
    the difficulty lies in the artists of the looser styles.

    Example:
        >>> SyntheticSettings(n_genres=7).pools
        4
    """

    n_genres: int = Field(10, ge=2, le=1000, description="Genres.")
    n_segments: int = Field(120, ge=2, description="Segments of the longest song.")
    n_features: int = Field(25, ge=1, le=10_000, description="Features per segment.")
    n_pools: int | None = Field(
        None, ge=1, description="Pools of states, with one or two genres each; None: as few as possible."
    )
    n_states: int = Field(
        5, ge=3, le=100, description="Hidden states per genre; at least 3, because a cycle of 2 has no direction."
    )
    n_styles: int = Field(2, ge=1, le=100, description="Styles per pool, each with a different order of the states.")
    mechanisms: tuple[Mechanism, ...] = Field(
        ("order", "position", "timbre"),
        min_length=1,
        description="Difference between the two genres of a pool; the pools take the mechanisms in turn.",
    )
    noise: float = Field(
        0.8,
        gt=0,
        le=1e6,
        description="Standard deviation of each feature around the mean of its state; the means are N(0, 1).",
    )
    order: float = Field(
        0.95,
        ge=0,
        le=0.999,
        description="Probability that a state is followed by the next of its cycle (order and timbre pools).",
    )
    position: float = Field(0.6, ge=0, le=0.999, description="Fraction of a part's segments in its preferred state.")
    timbre: float = Field(1.2, ge=0, le=1e6, description="Distance between the means of a timbre pool's two genres.")
    loosest: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Factor on these three strengths in the last style; it rises to 1 in the first.",
    )
    n_train: int = Field(3000, ge=2, description="Training songs.")
    n_valid: int = Field(500, ge=2, description="Validation songs.")
    n_test: int = Field(1000, ge=2, description="Test songs.")
    songs_per_artist: int = Field(5, ge=1, description="Songs per artist, all in one style.")
    min_segments: int | None = Field(
        None,
        ge=1,
        description="Segments of the shortest song, with uniformly distributed lengths; None: all songs "
        "have n_segments.",
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
        """Number of pools, computed if ``n_pools`` is None."""
        return math.ceil(self.n_genres / 2) if self.n_pools is None else self.n_pools


@DATASETS.register(
    "synthetic",
    summary="Songs from hidden Markov models whose best attainable accuracy is known; not music",
    reference="L. R. Rabiner, A tutorial on hidden Markov models, Proceedings of the IEEE 77(2), 1989",
    licence="MIT",
)
def load_synthetic(**options: Any) -> SongSet:
    """Draws synthetic songs; the same options give bit-identical songs.

    Choose it to see which family of models can use timbre, order or position, and to test a pipeline without any files.
    Do not use it for claims about music. Genres depend on the seed, not on the number of songs, and each split has a
    separate random stream, so that a learning curve over ``n_train`` keeps its test songs.

    Args:
        options: Fields of `SyntheticSettings`, e.g. ``n_train=500, seed=2``.

    Returns:
        Songs named ``synthetic`` with artists as ``groups``, equally many songs per genre (up to one song per split),
        each artist in one split (provenance ``artist-filtered``), padding as NaN, and all settings in
        ``about["synthetic"]``. An artist's songs all have one style; the artists of a genre take the styles in turn,
        starting with a random one, so that every song is equally likely to have any style.

    Raises:
        UnknownNameError: There is no such option.
        SettingsError: An option is out of range or contradicts another one.

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
    """Returns the probability of each genre given a synthetic song, on which no classifier can improve.

    Genres, and the styles of a genre, have equal prior probabilities, and each song is classified independently.

    Args:
        songs: Songs from `load_synthetic`, also after saving, loading or `SongSet.take`; with unchanged features.

    Returns:
        Probabilities, ``(n_songs, n_genres)`` float64; each row sums to 1.

    Raises:
        DataError: The songs are not synthetic, or do not match their settings.

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
    """Returns the best attainable accuracy on these songs, with and without the order of the segments.

    Both values are expectations over the possible labels of these songs; the labels themselves are not used. An
    accuracy ``p`` measured on ``n`` songs has a standard error of ``sqrt(p * (1 - p) / n)`` around its expectation.

    ``bayes`` is exact: the mean probability of the likeliest genre. Bayes' rule attains it, and no other classifier of
    independent songs has a higher expected accuracy.

    ``order_free`` is an upper bound for every classifier that sees only the bag of segments, such as one of features
    averaged over the song, or of convolutions of height 1 pooled over all time. A network on the flattened song is
    *not* order-free, because it depends on positions. Proof: call genres whose bags have the same distribution a set; a
    mirrored pair is one, any other genre forms its own. Given its bag, a song is equally likely to be of any genre in a
    set ``S``, so the best prediction is right with probability ``max over S of P(S | bag) / |S|``. Since ``P(S | bag)``
    is the mean of ``P(S | song)`` over the songs with that bag, and a maximum of means is at most the mean of the
    maxima, the expectation of ``max over S of P(S | song) / |S|``, which is the value returned, is at least as large.
    The two agree if order carries no information about the *set*; with pools of different sounds, as by default, they
    are close.

    Args:
        songs: Songs from `load_synthetic`, also after saving, loading or `SongSet.take`; with unchanged features.
        split: Split to evaluate; None for all songs.

    Returns:
        ``bayes`` and ``order_free`` in [0, 1], and ``songs``, the number of songs over which they are averaged.

    Raises:
        DataError: The songs are not synthetic, do not match their settings, or have no such split.

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
    """A genre: its name, its (equally likely) styles' distributions, and a number shared by genres with equal bags."""

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
    """Draws an order of the states that is never the reverse of another such order.

    Otherwise one style's reversed songs could equal another style's songs, and the genres of a pair would coincide.
    """
    order = np.concatenate([[0], 1 + draws.permutation(n_states - 1)])
    return order if order[1] < order[-1] else np.concatenate([[0], order[:0:-1]])


def _draw_songs(
    x: np.ndarray, lengths: np.ndarray, laws: list[SongLaw], chosen: np.ndarray, draws: np.random.Generator
) -> None:
    """Fills ``x`` in place, all songs of a distribution at once, so that no second array of its size is needed."""
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
    """Returns the genres that songs were drawn from, after checking that the songs match their settings."""

    def refuse(what: str) -> DataError:
        return DataError(
            what, where=songs.name, remedy="use unchanged songs from genrezoo.datasets.synthetic.load_synthetic"
        )

    options = songs.about.get("synthetic")
    if not isinstance(options, Mapping):
        raise refuse("these songs are not synthetic, so their best attainable accuracy is unknown")
    settings = checked(
        lambda: SyntheticSettings(**options), lambda what: refuse(f"damaged settings of the generator: {what}")
    )
    if songs.n_features != settings.n_features:
        raise refuse(f"{songs.n_features} features, expected {settings.n_features}")
    if songs.num_classes != settings.n_genres:
        raise refuse(f"{songs.num_classes} genres, expected {settings.n_genres}")
    shortest = settings.n_segments if settings.min_segments is None else settings.min_segments
    if songs.n_songs and not shortest <= songs.lengths.min() <= songs.lengths.max() <= settings.n_segments:
        raise refuse(
            f"songs of {songs.lengths.min()} to {songs.lengths.max()} segments, expected {shortest} to "
            f"{settings.n_segments}"
        )
    genres = _genres(settings)
    names = tuple(genre.name for genre in genres)
    if songs.genres != names:
        raise refuse(f"genres {', '.join(songs.genres)}, expected {', '.join(names)}")
    return genres
