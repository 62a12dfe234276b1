"""The measures of a learned hand: size, baseline, side bearings, kerning, word space.

Everything is measured on lines that were read. All lengths are pixels of a line at the model's
height, at the size that letters have on the median line.

Size: log scale of an occurrence = size of its line + size of its sprite.
Height: lower edge of its ink = baseline of its line (straight, its own slope) + depth of its
sprite; depths are counted from where the lower edges lie densest, on which the letters without
descenders stand.
Width: white between the ink of two neighbours = right bearing + left bearing + kerning, and the
word space if there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configs import require
from ..lines.line import Box
from .placements import Placements
from .robust import group_lines, group_medians, half_sample_mode, huber_weights, spread_of

__all__ = ["Metrics", "MetricsOptions", "fixed_metrics", "measure"]

_Numbers = NDArray[np.float64]
_LOW_LETTERS = frozenset("acemnorsuvwxz")
_ROUNDS = 12


@dataclass(frozen=True)
class MetricsOptions:
    """How metrics are measured."""

    kern_pairs: int = 5
    """A pair of letters is kerned only if it stood side by side at least so often."""
    kern_least: float = 0.02
    """And only if that moves the letters by at least this share of the em; less is not seen."""
    kern_sure: float = 2.5
    """And by at least so many standard errors of the pair's median."""
    kern_most: float = 0.1
    """By at most so much of the em. Pairs that stand nearer are joined in print (tz) and their
    sprites share ink, so that two whole letters laid as near would blot."""
    few: int = 3
    """Letters that were seen less often do not decide how high and deep the hand reaches."""
    steady_slope: float = 2500.0
    """How strongly baselines are held level, in squared pixels: with scatter of a pixel, slopes
    beyond a fiftieth need evidence. Lines of many letters outweigh it a hundred times."""
    pull: float = 1.0
    """Bearings are pulled towards half of the mean white between letters with the weight of so
    many pairs: letters seen once or never get that."""
    space_weight: float = 0.25
    """Weight of a pair with a word space between for the bearings: set lines stretch spaces."""
    fixed_bearing: float = 0.05
    """Side bearing in em where no placement is known."""
    fixed_space: float = 0.28
    """Word space in em where none is known."""
    least_space: float = 0.05
    """A word space narrower than this, in em, was not measured but missed."""

    def __post_init__(self) -> None:
        require(self.kern_pairs >= 1, "kern_pairs: at least 1")
        require(self.kern_least >= 0, "kern_least: at least 0")
        require(self.kern_sure >= 0, "kern_sure: at least 0")
        require(self.kern_most >= 0, "kern_most: at least 0")
        require(self.few >= 0, "few: at least 0")
        require(self.steady_slope > 0, "steady_slope: above 0")
        require(self.pull > 0, "pull: above 0")
        require(0 <= self.space_weight <= 1, "space_weight: from 0 to 1")
        require(self.fixed_space > 0, "fixed_space: above 0")


@dataclass(frozen=True)
class Metrics:
    """The measures of K sprites; all lengths in pixels of a line at the model's height.

    Arguments:
        scale: Displayed over native size, `(K,)`.
        depth: Lower edge of the ink below the baseline (negative: above), `(K,)`.
        left: White before the ink, `(K,)`; may be negative.
        right: White after the ink, `(K,)`.
        counts: Occurrences that this was measured on, `(K,)`.
        confidence: Their mean confidence, NaN without any, `(K,)`.
        kerning: What is added to the white between two sprites in this order.
        space: Advance of the word space.
        ascender: How far the hand reaches above the baseline.
        descender: How far it reaches below it, positive.
        x_height: Height of the low letters.
        cap_height: Height of the capitals; None if there are none.
        lines: How many lines this was measured on; 0 if bearings and heights are fixed ones.
        measured_space: Whether word spaces were seen.
    """

    scale: _Numbers
    depth: _Numbers
    left: _Numbers
    right: _Numbers
    counts: NDArray[np.int64]
    confidence: _Numbers
    kerning: Mapping[tuple[int, int], float]
    space: float
    ascender: float
    descender: float
    x_height: float
    cap_height: float | None
    lines: int
    measured_space: bool

    @property
    def em(self) -> float:
        """From the lowest to the highest ink."""
        return self.ascender + self.descender

    def width(self, sprite: int, ink: Box) -> float:
        """The advance of a sprite."""
        return float(self.left[sprite] + ink.width * self.scale[sprite] + self.right[sprite])

    def corner(self, sprite: int, ink: Box) -> tuple[float, float]:
        """Where the top left corner of the sprite lies from the pen: right, and below."""
        scale = float(self.scale[sprite])
        return (
            float(self.left[sprite]) - ink.left * scale,
            float(self.depth[sprite]) - ink.bottom * scale,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        plain = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in asdict(self).items()
        }
        plain["kerning"] = [[a, b, value] for (a, b), value in self.kerning.items()]
        return plain


def measure(
    placed: Placements,
    boxes: Sequence[Box],
    letters: Sequence[Sequence[str]],
    options: MetricsOptions = MetricsOptions(),
) -> Metrics:
    """Measure a hand on placed sprites.

    Arguments:
        placed: Where sprites were placed.
        boxes: `ink_boxes` of the sprites.
        letters: What each sprite stands for, for the heights of low letters and capitals.
        options: How it is measured.

    Returns:
        The metrics. A sprite that was never placed gets the median size, stands where the
        others stand on their pictures, and has the mean white on both sides.
    """
    if not len(placed):
        return fixed_metrics(boxes, letters, options)
    count, lines = len(boxes), int(placed.line.max()) + 1
    counts = np.bincount(placed.sprite, minlength=count)
    scale, size = _sizes(placed, count, lines)
    depth, standing = _depths(placed, size, count, lines, options.steady_slope)
    ink = _sides(boxes)
    # a sprite that was never placed lies on its picture as the others do
    bottoms = ink[:, 3] * scale
    depth = np.where(np.isnan(depth), bottoms + np.nanmedian(depth - bottoms), depth)
    heights = _heights(depth, ink, scale, counts, letters, standing, options)
    gaps = (placed.left[placed.after] - placed.right[placed.before]) / size[
        placed.line[placed.after]
    ]
    em = heights["ascender"] + heights["descender"]
    depth = np.clip(depth, -em, em)
    first, second = placed.sprite[placed.before], placed.sprite[placed.after]
    left, right, space = _bearings(first, second, gaps, placed.space, count, em, options)
    within = ~placed.space
    kerning = _kerning(first[within], second[within], gaps[within], left, right, em, options)
    confidence = np.full(count, np.nan)
    some = counts > 0
    sums = np.bincount(placed.sprite, placed.confidence, count)
    confidence[some] = sums[some] / counts[some]
    return Metrics(
        scale=scale,
        depth=depth,
        left=left,
        right=right,
        counts=counts,
        confidence=confidence,
        kerning=kerning,
        space=options.fixed_space * em if space is None else space,
        lines=placed.lines,
        measured_space=space is not None,
        **heights,
    )


def fixed_metrics(
    boxes: Sequence[Box],
    letters: Sequence[Sequence[str]],
    options: MetricsOptions = MetricsOptions(),
) -> Metrics:
    """Metrics from the sprites alone, as nothing is known of where they were placed.

    Sprites keep their own size and stand on their pictures as they are drawn there.

    Arguments:
        boxes: `ink_boxes` of the sprites.
        letters: What each stands for.
        options: For the fixed bearings and the fixed word space.
    """
    count = len(boxes)
    ink = _sides(boxes)
    inked = ink[:, 3] > ink[:, 1]
    bottoms = ink[:, 3] - half_sample_mode(ink[inked, 3] if inked.any() else ink[:, 3])
    ones = np.ones(count)
    standing = bottoms[inked]
    counts = np.zeros(count, np.int64)
    heights = _heights(bottoms, ink, ones, counts, letters, standing, options)
    em = heights["ascender"] + heights["descender"]
    return Metrics(
        scale=ones,
        depth=bottoms,
        left=ones * options.fixed_bearing * em,
        right=ones * options.fixed_bearing * em,
        counts=counts,
        confidence=np.full(count, np.nan),
        kerning={},
        space=options.fixed_space * em,
        lines=0,
        measured_space=False,
        **heights,
    )


def _sides(boxes: Sequence[Box]) -> _Numbers:
    return np.array([[b.left, b.top, b.right, b.bottom] for b in boxes], np.float64)


def _sizes(placed: Placements, count: int, lines: int) -> tuple[_Numbers, _Numbers]:
    """Size of every sprite, `(count,)`, and of every line beside the median one, `(lines,)`."""
    size, sprite = np.zeros(lines), np.zeros(count)
    logs = np.log(placed.scale)
    for _ in range(_ROUNDS):
        sprite = group_medians(logs - size[placed.line], placed.sprite, count)
        size = np.nan_to_num(group_medians(logs - sprite[placed.sprite], placed.line, lines))
        size -= np.median(size[placed.line])
    middle = float(np.nanmedian(sprite))
    sprite = np.where(np.isnan(sprite), middle, sprite)
    # letters three times as large or small as the others are misread specks
    return np.exp(np.clip(sprite, middle - np.log(3), middle + np.log(3))), np.exp(size)


def _depths(
    placed: Placements, size: _Numbers, count: int, lines: int, steady: float
) -> tuple[_Numbers, _Numbers]:
    """Depth of every sprite below the baseline, NaN without any, and of every occurrence."""
    x = (placed.left + placed.right) / 2
    depth = np.zeros(count)
    rest = placed.bottom
    for _ in range(_ROUNDS):
        flat = placed.bottom - size[placed.line] * depth[placed.sprite]
        middle, height, slope = group_lines(x, flat, placed.line, lines, steady)
        base = height[placed.line] + slope[placed.line] * (x - middle[placed.line])
        rest = (placed.bottom - base) / size[placed.line]
        depth = group_medians(rest, placed.sprite, count)
    zero = half_sample_mode(rest)
    return depth - zero, rest - zero


def _heights(
    depth: _Numbers,
    ink: _Numbers,
    scale: _Numbers,
    counts: NDArray[np.int64],
    letters: Sequence[Sequence[str]],
    standing: _Numbers,
    options: MetricsOptions,
) -> dict[str, Any]:
    """Ascender, descender, x-height and height of capitals.

    Arguments:
        depth, scale, counts: Of the sprites.
        ink: Left, top, right, bottom of the sprites' ink, `(K, 4)`.
        letters: What the sprites stand for.
        standing: Depths of all occurrences.
        options: For what is seen too seldom.
    """
    tops = (ink[:, 3] - ink[:, 1]) * scale - depth
    inked = ink[:, 3] > ink[:, 1]
    sure = inked & (counts >= options.few)
    if not sure.any():
        sure = inked if inked.any() else np.ones(len(tops), bool)
    names = [letter[0] if len(letter) == 1 else "" for letter in letters]
    weight = np.maximum(counts, 1)

    def typical(chosen: _Numbers) -> float:
        return float(np.median(np.repeat(tops[chosen], np.minimum(weight[chosen], 50))))

    low = sure & np.array([name in _LOW_LETTERS for name in names], bool)
    capital = sure & np.array([name.isupper() for name in names], bool)
    scatter = max(spread_of(standing), 0.05 * float(tops[sure].max()))
    highest = float(((ink[:, 3] - ink[:, 1]) * scale).max())
    descender = max(float(depth[sure].max()), 0.0)
    on_line = sure & (np.abs(depth) <= 2 * scatter)
    if low.sum() >= 3:
        x_height = typical(low)
    else:  # an unknown script: where the upper edges of what stands on the line lie densest
        chosen = on_line if on_line.any() else sure
        x_height = half_sample_mode(np.repeat(tops[chosen], weight[chosen]))
    return {
        # never less than the tallest letter needs, however it was placed
        "ascender": max(float(tops[sure].max()), highest - descender, 1.0),
        "descender": descender,
        "x_height": max(x_height, 1.0),
        "cap_height": typical(capital) if capital.any() else None,
    }


def _bearings(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    gaps: _Numbers,
    spaces: NDArray[np.bool_],
    count: int,
    em: float,
    options: MetricsOptions,
) -> tuple[_Numbers, _Numbers, float | None]:
    """Left and right bearing of every sprite, and the word space.

    Least squares with Huber's weights on the median gap of every pair of sprites:
    gap(a, b) = right(a) + left(b) (+ word space).
    """
    within = gaps[~spaces]
    half = float(np.median(within)) / 2 if len(within) else options.fixed_bearing * em
    key = (first * count + second) * 2 + spaces
    pairs, number, times = np.unique(key, return_inverse=True, return_counts=True)
    gap = group_medians(gaps, number, len(pairs))
    spaced = pairs % 2 == 1
    a, b = np.divmod(pairs // 2, count)
    rows = np.arange(len(pairs))
    design = np.zeros((len(pairs), 2 * count + 1))
    design[rows, a] = 1.0
    design[rows, count + b] = 1.0
    design[:, -1] = spaced
    start = np.append(np.full(2 * count, half), 0.0)
    target = gap - design @ start
    amount = np.minimum(times, 30) * np.where(spaced, options.space_weight, 1.0)
    pull = np.append(np.full(2 * count, options.pull), 1e-6)
    weights = np.ones(len(pairs))
    change = np.zeros(2 * count + 1)
    for _ in range(_ROUNDS):
        weighted = design * (amount * weights)[:, None]
        change = np.linalg.solve(weighted.T @ design + np.diag(pull), weighted.T @ target)
        rest = target - design @ change
        weights = huber_weights(rest, max(spread_of(rest), 0.01 * em))
    found = np.clip(start + change, -em / 2, em)  # beyond that nothing is a bearing
    space = float(found[-1]) if spaced.any() else 0.0
    known = space >= options.least_space * em
    return found[count : 2 * count], found[:count], space if known else None


def _kerning(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    gaps: _Numbers,
    left: _Numbers,
    right: _Numbers,
    em: float,
    options: MetricsOptions,
) -> dict[tuple[int, int], float]:
    """The pairs that stand nearer or farther than their bearings say, surely and visibly."""
    if not len(first):  # np.split makes one empty part of nothing
        return {}
    found = {}
    count = len(left)
    key = first * count + second
    order = np.argsort(key, kind="stable")
    pairs, starts = np.unique(key[order], return_index=True)
    for pair, rest in zip(pairs.tolist(), np.split(gaps[order], starts[1:]), strict=True):
        a, b = divmod(pair, count)
        value = float(np.median(rest)) - float(right[a] + left[b])
        error = 1.2533 * spread_of(rest) / np.sqrt(len(rest))
        if len(rest) >= options.kern_pairs and abs(value) >= max(
            options.kern_least * em, options.kern_sure * error
        ):
            found[a, b] = float(np.clip(value, -options.kern_most * em, options.kern_most * em))
    return found
