"""The values that the report of a typewriter run shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..typewriter.reading import PlacedGlyph
from .run_values import RunReport

__all__ = [
    "Confusion",
    "Curve",
    "DocumentScore",
    "LineCard",
    "SpriteCard",
    "TypewriterReport",
]


@dataclass(frozen=True)
class SpriteCard:
    """One sprite of the alphabet.

    Arguments:
        symbol: The character that it stands for; empty if nothing is known (unsupervised).
        image: Its opacity, float (h, w), 0 = paper, 1 = ink.
        colour: Its mean red, green, blue as placed, each between 0 and 1.
        train_count: Times the character occurs in the training text; None without a text.
        placed_count: Times it was placed on the lines of this report's evaluation.
        confidence: Mean confidence of its placements, between 0 and 1; None if never placed.
        cer: Share of this letter's occurrences that were misread; None if unknown.
        scale: Mean size at which it was placed (1 = as drawn); None if never placed.
        note: A remark for the reader.
        sprite: The index that `PlacedGlyph.sprite` names it by; None: its place in the report.
    """

    symbol: str
    image: np.ndarray
    colour: tuple[float, float, float]
    train_count: int | None
    placed_count: int
    confidence: float | None
    cer: float | None = None
    scale: float | None = None
    note: str = ""
    sprite: int | None = None


@dataclass(frozen=True)
class LineCard:
    """One line as given and as the typewriter made it.

    Arguments:
        id: The id of the line.
        truth: Its transcription; None if unknown.
        read: What was read.
        cer: Character error rate of this line, a fraction; None if unknown.
        reconstruction: Mean squared error per pixel and channel; None if unknown.
        original: The line, uint8 (h, w, 3).
        reconstruction_image: Its reconstruction, the same shape.
        segmentation: Its sprites, each in a colour of its own, the same shape.
        glyphs: What was placed, boxes in pixels of `original`.
        edits: Aligned pairs (truth, read) in reading order, None or an empty string where one
            side has nothing; word spaces may be left out.
    """

    id: str
    truth: str | None
    read: str
    cer: float | None
    reconstruction: float | None
    original: np.ndarray
    reconstruction_image: np.ndarray
    segmentation: np.ndarray
    glyphs: tuple[PlacedGlyph, ...] = ()
    edits: tuple[tuple[str | None, str | None], ...] = ()

    def __post_init__(self) -> None:
        shapes = {self.original.shape, self.reconstruction_image.shape, self.segmentation.shape}
        if len(shapes) > 1:
            raise ValueError(f"line {self.id}: its three pictures differ in size: {shapes}")


@dataclass(frozen=True)
class Confusion:
    """How often one letter was read as another; None or an empty string for nothing."""

    truth: str | None
    read: str | None
    count: int


@dataclass(frozen=True)
class Curve:
    """One measured value over the training.

    Arguments:
        name: What it is called in the legend, such as `train`.
        steps: The training steps at which it was measured.
        values: Its values, as many as `steps`.
        panel: The plot it belongs to, such as `CTC loss`; empty: a plot of its own.
        log: True for a logarithmic axis (if any curve of the panel says so).
        percent: True if the values are fractions to be written as percentages.
    """

    name: str
    steps: tuple[float, ...]
    values: tuple[float, ...]
    panel: str = ""
    log: bool = False
    percent: bool = False


@dataclass(frozen=True)
class DocumentScore:
    """The result on one document: number of lines, error rate and reconstruction error."""

    name: str
    lines: int
    cer: float | None = None
    reconstruction: float | None = None


@dataclass(frozen=True)
class TypewriterReport(RunReport):
    """All that the page of a run shows, beside what any run tells of itself.

    Arguments:
        title: The name of the collection.
        sprites: The alphabet.
        description: A sentence on the collection and the run.
        supervised: True if the typewriter learned from transcriptions.
        split: The part of the collection that was evaluated.
        line_count: How many lines were evaluated.
        cer: Character error rate, a fraction, word spaces ignored; with its interval
            `cer_low` to `cer_high`.
        reconstruction: Mean squared error per pixel and channel, images in [0, 1].
        placements: Sprites placed per character of the transcription (1 is right).
        localisation: Share of glyphs found with IoU > 0.5, where true boxes are known.
        lines: Sample lines.
        worst: The worst lines, the worst first.
        confusions: Confusions, in the order to be shown.
        curves: What was measured during training.
        documents: Results by document.
    """

    title: str
    sprites: tuple[SpriteCard, ...]
    description: str = ""
    supervised: bool = True
    split: str = "test"
    line_count: int = 0
    cer: float | None = None
    cer_low: float | None = None
    cer_high: float | None = None
    reconstruction: float | None = None
    placements: float | None = None
    localisation: float | None = None
    lines: tuple[LineCard, ...] = ()
    worst: tuple[LineCard, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    curves: tuple[Curve, ...] = ()
    documents: tuple[DocumentScore, ...] = ()
