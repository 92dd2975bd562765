"""The format of numbers: sensible digits, one unit per column, a dash for missing values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MISSING = "–"


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval.

    Attributes:
        mean: Mean over the seeds.
        low: Lower bound.
        high: Upper bound.
        over: The variation that the interval covers: ``"seeds"`` (Student t: another training run on the same songs),
            ``"songs"`` (bootstrap: the same run on other songs; with one seed or if all seeds agree), ``"both"``, or
            ``"splits"`` (repeated splits).
    """

    mean: float
    low: float
    high: float
    over: str


@dataclass(frozen=True)
class Quantity:
    """The title and format of a kind of number.

    Attributes:
        title: Heading of its panel or row, with the unit.
        scale: Factor from the stored number to the shown one.
        write: Formats the shown number.
    """

    title: str
    scale: float
    write: Callable[[float], str]


def percent(value: float | None) -> str:
    """A fraction as a percentage with one decimal, without the sign: ``0.7234`` is ``72.3``."""
    return MISSING if value is None else f"{100 * value:.1f}"


def points(value: float | None) -> str:
    """A difference of fractions in percentage points, signed: ``-0.0123`` is ``−1.2``, ``-0.0001`` is ``+0.0``."""
    return MISSING if value is None else f"{100 * value:+z.1f}".replace("-", "−")


def nats(value: float | None) -> str:
    """A log loss with three decimals."""
    return MISSING if value is None else f"{value:.3f}"


def tenths(value: float) -> str:
    """A number with one decimal."""
    return f"{value:.1f}"


def plain(value: float | None) -> str:
    """A whole number as it is, another with one decimal."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def several(number: float, noun: str) -> str:
    """A number of things.

    Example:
        >>> several(1, "segment"), several(1292, "segment")
        ('1 segment', '1,292 segments')
    """
    return f"{plain(number)} {noun}{'' if number == 1 else 's'}"


def count(value: float | None) -> str:
    """A count with three significant digits and a metric suffix.

    Example:
        >>> count(950), count(12_345), count(999_999)
        ('950', '12.3 k', '1.00 M')
    """
    if value is None:
        return MISSING
    if abs(value) < 1000:
        return f"{value:.0f}"
    power = min(int(math.log10(float(f"{abs(value):.2e}"))) // 3, 4)
    return f"{significant(value / 1000**power)} {'kMGT'[power - 1]}"


def significant(value: float | None) -> str:
    """Three significant digits, never in powers of ten.

    Example:
        >>> significant(0.04567), significant(3.14159), significant(12345)
        ('0.0457', '3.14', '12,300')
    """
    if value is None:
        return MISSING
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    rounded = float(f"{value:.2e}")
    digits = 2 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(digits, 0)}f}"


def duration(seconds: float | None) -> str:
    """A time in the unit that suits it.

    Example:
        >>> duration(3.21), duration(125), duration(7300)
        ('3.21 s', '2 min 5 s', '2 h 1 min')
    """
    if seconds is None:
        return MISSING
    whole = round(seconds)
    if whole < 60:
        return f"{significant(seconds)} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def p_value(value: float | None) -> str:
    """A p-value with two significant digits; very small ones as a bound."""
    if value is None:
        return MISSING
    if value < 0.0001:
        return "< 0.0001"
    return f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def interval(estimate: Estimate, *, scale: float = 100, digits: int = 1) -> str:
    """An estimate's bounds: ``[70.1, 74.5]``, with a † where it is over songs."""
    mark = "†" if estimate.over == "songs" else ""
    return f"[{scale * estimate.low:z.{digits}f}, {scale * estimate.high:z.{digits}f}]{mark}".replace("-", "−")


def text_of(value: Any) -> str:
    """A value on an axis as text."""
    if isinstance(value, list | tuple):
        return ", ".join(map(text_of, value))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def order_of(value: Any) -> tuple[int, float, str]:
    """Numbers by size, everything else by name."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return (0, float(value), "") if number else (1, 0.0, text_of(value))
