"""Every choice of the search for templates."""

from __future__ import annotations

from dataclasses import dataclass

from ..configs import require

__all__ = ["TemplateOptions"]


@dataclass(frozen=True)
class TemplateOptions:
    """How templates are found and placed. Lengths are shares of the line height H."""

    width: float = 0.8
    """Width of a template's canvas. Wider pieces of ink are not grouped; they are explained by
    the templates of their parts."""
    ink: float = 0.4
    """Darkness from which on a pixel is ink, for cutting a line into pieces."""
    groups: int = 400
    """Groups that pieces of ink are first put into, several times the letters expected: the same
    letter stands higher in one line than in another. Groups that look alike are joined."""
    alike: float = 0.06
    """Two groups are one template if, at the best shift, the squared difference of their pictures
    is below this share of the fainter one's energy. Higher joins `c` and `e`, `f` and `ſ`."""
    same_letter: float = 0.07
    """Two templates show one letter if they differ by less than this at the best size and height:
    lines are cut more or less tightly before they are resized. They stay two templates."""
    price: float = 0.004
    """Squared darkness over H² that a placement must explain to be worth having. Low lets small
    strokes explain anything, and every letter is put together from them."""
    shift: float = 0.0625
    """Largest vertical shift of a placement, up or down."""
    overlap: float = 0.02
    """Width that two neighbours may share."""
    rounds: int = 2
    """How often the lines are explained; after each but the last the templates are drawn anew, as
    the mean of what they were placed on."""
    least: int = 5
    """A template that was placed less often is given up."""
    lines: int = 600
    """Lines looked at in every round but the last, evenly spread."""
    seed: int = 0

    def __post_init__(self) -> None:
        require(0.1 <= self.width <= 2, "templates.width: between 0.1 and 2")
        require(0 < self.ink < 1, "templates.ink: between 0 and 1")
        require(self.groups >= 1, "templates.groups: at least 1")
        require(0 <= self.alike < 1, "templates.alike: at least 0 and below 1")
        require(0 <= self.same_letter < 1, "templates.same_letter: at least 0 and below 1")
        require(self.price >= 0, "templates.price: at least 0")
        require(0 <= self.shift <= 0.5, "templates.shift: between 0 and 0.5")
        require(0 <= self.overlap < 0.2, "templates.overlap: at least 0 and below 0.2")
        require(self.rounds >= 1, "templates.rounds: at least 1")
        require(self.least >= 1, "templates.least: at least 1")
        require(self.lines >= 1, "templates.lines: at least 1")
        require(self.seed >= 0, "templates.seed: at least 0")
