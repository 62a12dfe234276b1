"""Every choice of the few-shot matcher."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..configs import require
from .loop import LoopOptions

__all__ = ["MatcherOptions"]


@dataclass(frozen=True)
class MatcherOptions:
    """What decides a matcher and its training."""

    height: int = 32
    """Height in pixels that every line is resized to, as in the original; a multiple of 8."""
    channels: int = 16
    """Channels of the first convolutions; the later ones have twice and thrice as many."""
    features: int = 64
    """Length of the vector of a column, by whose angle columns are compared."""
    hidden: int = 20
    """Width of the head that turns similarities into scores."""
    longest: int = 31
    """Most columns (two pixels each) of an exemplar that are compared; odd, so that it has a
    middle. What is wider is compared by its middle part."""
    seed: int = 0
    """Of the weights, the sheets and the episodes."""
    loop: LoopOptions = field(default_factory=lambda: LoopOptions(4000, 2e-3, 1e-2))
    """How it is trained."""
    episodes: int = 2
    """Tasks in a step, each of another type: a step in one type alone pulls one way."""
    lines: int = 2
    """Lines to read in a task."""
    sheets: int = 300
    """Sheets that are rendered (when first needed) and then drawn from again and again."""
    sheet_lines: int = 6
    """Lines of random words on a sheet."""
    specimen_lines: int = 2
    """Lines that hold the alphabet of a sheet."""
    line_symbols: int = 34
    """Most symbols in a line of a sheet; the least are half as many."""
    least_symbols: int = 12
    """Smallest alphabet of a sheet."""
    most_symbols: int = 48
    """Largest alphabet of a sheet."""
    unknown_share: float = 0.05
    """Share of the alphabet that has no exemplar in a task: such glyphs are to be left out."""
    core: float = 0.5
    """Share of a glyph's width, in the middle, that no other glyph's may overlap when lines are
    read: types kern and lean over each other, but not so far."""
    space_gap: float = 0.11
    """White between two glyphs, in line heights, from which on it is read as a word space."""
    box_jitter: float = 0.5
    """Standard deviation in pixels of the sides of an exemplar's box: people and models do not
    cut as exactly as a renderer knows."""

    def __post_init__(self) -> None:
        require(
            self.height >= 16 and self.height % 8 == 0,
            f"height is {self.height}: give a multiple of 8 from 16 on",
        )
        require(
            self.longest >= 3 and self.longest % 2 == 1,
            f"longest is {self.longest}: give an odd number from 3 on",
        )
        for name in ("channels", "features", "hidden", "episodes", "lines", "sheets"):
            value = getattr(self, name)
            require(value >= 1, f"{name} is {value}: give at least 1")
        require(
            1 <= self.lines <= self.sheet_lines,
            f"lines is {self.lines}: give 1 to sheet_lines ({self.sheet_lines})",
        )
        require(self.specimen_lines >= 1, "specimen_lines: give at least 1")
        require(
            2 <= self.least_symbols <= self.most_symbols,
            f"least_symbols is {self.least_symbols}: give 2 to most_symbols",
        )
        require(self.line_symbols >= 4, f"line_symbols is {self.line_symbols}: give at least 4")
        require(
            0 <= self.unknown_share < 1,
            f"unknown_share is {self.unknown_share}: give a share from 0 to below 1",
        )
        require(self.box_jitter >= 0, "box_jitter: give at least 0")
        require(0 < self.core <= 1, f"core is {self.core}: give a share above 0, at most 1")
        require(self.space_gap > 0, f"space_gap is {self.space_gap}: give above 0")
