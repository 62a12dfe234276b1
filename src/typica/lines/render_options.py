r"""How rendered lines are set and aged: the options of `typica.lines.render`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import ConfigError

__all__ = ["RenderOptions"]


@dataclass(frozen=True)
class RenderOptions:
    """How lines are set and aged.

    Lengths are shares of the image height unless they say otherwise, so that the same options
    give the same look at any height.

    Arguments:
        height: Height of the line image, in pixels, 16 to 512.
        ink_height: From the top of the tallest to the foot of the deepest letter, 0.3 to 0.95.
        margin: Blank paper left and right of the line, 0 to 2.
        tracking: Extra space after every glyph, -0.2 to 1.
        spacing_jitter: Standard deviation of the extra space after a glyph, 0 to 0.2.
        space_jitter: Standard deviation of the width of word spaces, relative, 0 to 0.4.
        baseline_jitter: Standard deviation of a glyph's height on the line, 0 to 0.1.
        baseline_wave: Amplitude of the slow rise and fall of the baseline, 0 to 0.2.
        slant: Lean of the letters to the right, in degrees, -30 to 30.
        size_jitter: Standard deviation of a glyph's size, relative, 0 to 0.2; type has none, a
            hand has. No glyph is drawn further than two of them from its size.
        slant_jitter: Standard deviation of a glyph's lean, in degrees, 0 to 15; bounded likewise.
        ink_spread: Least and most spread of the ink, in quarter pixels, -4 to 6; each line
            draws one, and each impression may differ from it by one.
        uneven_inking: How much an impression's darkness varies, 0 to 0.5.
        degradation: Multiplies all the following strengths, 0 to 2; 0 leaves clean paper.
        paper_texture: Unevenness of the paper, 0 to 0.2.
        illumination: Largest darkening by uneven light, 0 to 0.6.
        fading: Largest loss of ink, 0 to 0.8.
        blur: Most blur, as a standard deviation in pixels, 0 to 3.
        noise: Standard deviation of the noise, in [0, 1] units, 0 to 0.15.
        stains: Mean number of stains per line, 0 to 5.
        stain_strength: Largest darkening by a stain, 0 to 0.6.
        specks: Mean number of specks per square of the height, 0 to 5.
        colour_jitter: How much the paper and ink colours vary between lines, 0 to 0.3.
        paper_colour: Red, green, blue, each 0 to 1.
        ink_colour: Red, green, blue, each 0 to 1.
        seed: Of all random numbers of a collection.
    """

    height: int = 48
    ink_height: float = 0.8
    margin: float = 0.15
    tracking: float = 0.0
    spacing_jitter: float = 0.008
    space_jitter: float = 0.12
    baseline_jitter: float = 0.006
    baseline_wave: float = 0.02
    slant: float = 0.0
    size_jitter: float = 0.0
    slant_jitter: float = 0.0
    ink_spread: tuple[int, int] = (-1, 1)
    uneven_inking: float = 0.12
    degradation: float = 1.0
    paper_texture: float = 0.03
    illumination: float = 0.15
    fading: float = 0.3
    blur: float = 0.6
    noise: float = 0.02
    stains: float = 0.25
    stain_strength: float = 0.25
    specks: float = 0.15
    colour_jitter: float = 0.03
    paper_colour: tuple[float, float, float] = (0.89, 0.83, 0.71)
    ink_colour: tuple[float, float, float] = (0.17, 0.13, 0.10)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} is {value}: give a value from {low} to {high}.")
        low, high = self.ink_spread
        if not -4 <= low <= high <= 6:
            raise ConfigError(
                f"ink_spread is {self.ink_spread}: give the least and the most, from -4 to 6."
            )
        for name in ("paper_colour", "ink_colour"):
            colour = getattr(self, name)
            if len(colour) != 3 or not all(0 <= part <= 1 for part in colour):
                raise ConfigError(f"{name} is {colour}: give red, green and blue from 0 to 1.")

    def clean(self) -> RenderOptions:
        """The same setting on clean paper: no jitter, no ageing, pen positions by the font."""
        return replace(
            self,
            spacing_jitter=0.0,
            space_jitter=0.0,
            baseline_jitter=0.0,
            baseline_wave=0.0,
            size_jitter=0.0,
            slant_jitter=0.0,
            ink_spread=(0, 0),
            uneven_inking=0.0,
            degradation=0.0,
        )


_RANGES: dict[str, tuple[float, float]] = {
    "height": (16, 512),
    "ink_height": (0.3, 0.95),
    "margin": (0, 2),
    "tracking": (-0.2, 1),
    "spacing_jitter": (0, 0.2),
    "space_jitter": (0, 0.4),
    "baseline_jitter": (0, 0.1),
    "baseline_wave": (0, 0.2),
    "slant": (-30, 30),
    "size_jitter": (0, 0.2),
    "slant_jitter": (0, 15),
    "uneven_inking": (0, 0.5),
    "degradation": (0, 2),
    "paper_texture": (0, 0.2),
    "illumination": (0, 0.6),
    "fading": (0, 0.8),
    "blur": (0, 3),
    "noise": (0, 0.15),
    "stains": (0, 5),
    "stain_strength": (0, 0.6),
    "specks": (0, 5),
    "colour_jitter": (0, 0.3),
    "seed": (0, 2**63 - 1),
}
