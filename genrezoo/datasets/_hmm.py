"""The distribution of one kind of synthetic song: a hidden Markov model with exact likelihoods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrezoo.lazy import LazyModule

special = LazyModule("scipy.special")


@dataclass(frozen=True, eq=False)
class SongLaw:
    """A hidden Markov model with Gaussian emissions, whose songs may be reversed in time.

    The first state is a new draw. Each later state is the successor of the one before it (``after[s]`` for state ``s``)
    with probability ``follow``, and a new draw otherwise. New states are drawn from the row of ``home`` for the section
    of the song; sections divide a song as evenly as whole segments allow. Every state can follow every other, which
    keeps the scaled forward algorithm exact. A mirrored distribution reverses the finished song in time.

    Attributes:
        means: Mean of a segment in each state, ``(n_states, n_features)``.
        noise: Standard deviation of every feature about that mean, positive.
        after: State that follows each state, a permutation, ``(n_states,)``.
        follow: Probability of the successor, in [0, 1).
        home: Probabilities of a newly drawn state in each section, ``(n_sections, n_states)``, all positive.
        mirrored: Whether songs are reversed in time.

    Example:
        >>> law = SongLaw(np.zeros((2, 3)), 1.0, np.array([1, 0]), 0.5, np.full((1, 2), 0.5), mirrored=False)
        >>> law.log_likelihood(np.zeros((1, 4, 3)), np.array([4])).round(2)  # 12 standard normal densities at 0
        array([-11.03])
    """

    means: np.ndarray
    noise: float
    after: np.ndarray
    follow: float
    home: np.ndarray
    mirrored: bool

    def draw_states(self, lengths: np.ndarray, n_segments: int, draws: np.random.Generator) -> np.ndarray:
        """Draws the hidden states of songs, looping over segments only.

        Args:
            lengths: Segments of each song, ``(n_songs,)``, 1 to ``n_segments``.
            n_segments: Segments of the array.
            draws: Random generator.

        Returns:
            States, ``(n_songs, n_segments)`` int64; arbitrary beyond a song's length.
        """
        states = np.empty((len(lengths), n_segments), np.int64)
        edges = self.home.cumsum(axis=1)[:, :-1]  # without the last, which is 1: rounding could put a draw beyond it
        for segment in range(n_segments):
            edge = edges[self._section(segment, lengths)]  # (songs, states - 1)
            state = (draws.random((len(lengths), 1)) >= edge).sum(axis=1)
            if segment:
                follows = draws.random(len(lengths)) < self.follow
                state = np.where(follows, self.after[states[:, segment - 1]], state)
            states[:, segment] = state
        return np.take_along_axis(states, _backwards(lengths, n_segments), axis=1) if self.mirrored else states

    def log_likelihood(self, x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Computes the log density of songs under this distribution, by the forward algorithm.

        Previous states are summed out segment by segment, so that all ``n_states ** length`` paths are covered in one
        pass. Sums are scaled by the likeliest state and kept as logarithms; the rounding error lies below the
        resolution of float64.

        Args:
            x: Songs, ``(n_songs, n_segments, n_features)``; padding may be NaN.
            lengths: Segments of each song, ``(n_songs,)``; later segments have no influence.

        Returns:
            Natural logarithms, ``(n_songs,)`` float64.

        Reference:
            L. E. Baum, T. Petrie, G. Soules, N. Weiss, A maximization technique occurring in the statistical analysis
            of probabilistic functions of Markov chains, Annals of Mathematical Statistics 41(1), 1970; L. R. Rabiner, A
            tutorial on hidden Markov models and selected applications in speech recognition, Proceedings of the IEEE
            77(2), 1989, section III A.
        """
        n_segments, n_features = x.shape[1:]
        x = np.asarray(x, np.float64)
        distance = (x**2).sum(-1, keepdims=True) - 2 * x @ self.means.T + (self.means**2).sum(-1)
        emission = -0.5 * (distance / self.noise**2 + n_features * np.log(2 * np.pi * self.noise**2))
        if self.mirrored:  # (songs, segments, states)
            emission = np.take_along_axis(emission, _backwards(lengths, n_segments)[:, :, None], axis=1)
        before = np.argsort(self.after)
        forward = np.log(self.home[self._section(0, lengths)]) + emission[:, 0]  # (songs, states)
        for segment in range(1, n_segments):
            top = forward.max(axis=1, keepdims=True)
            past = np.exp(forward - top)
            fresh = self.home[self._section(segment, lengths)] * past.sum(axis=1, keepdims=True)
            present = self.follow * past[:, before] + (1 - self.follow) * fresh
            longer = np.log(present) + top + emission[:, segment]
            forward = np.where(segment < lengths[:, None], longer, forward)
        return np.asarray(special.logsumexp(forward, axis=1))

    def _section(self, segment: int, lengths: np.ndarray) -> np.ndarray:
        return np.asarray(np.minimum(segment, lengths - 1) * len(self.home) // lengths)


def _backwards(lengths: np.ndarray, n_segments: int) -> np.ndarray:
    """Returns indices that reverse each song and keep its padding in place, ``(n_songs, n_segments)``."""
    segment = np.arange(n_segments)
    return np.where(segment < lengths[:, None], lengths[:, None] - 1 - segment, segment)
