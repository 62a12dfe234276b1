r"""The page of a parallel set: everything it shows comes in, it only lays out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .page import data_uri, render_page, write_page
from .run_values import RunReport, run_views

__all__ = [
    "TranslationCell",
    "TranslationReport",
    "TranslationRow",
    "render_translation_report",
    "write_translation_report",
]


@dataclass(frozen=True)
class TranslationCell:
    r"""One picture under one label.

    Arguments:
        label: Which.
        image: WebP; empty if there is none yet.
        real: Whether this is the source picture itself.
    """

    label: str
    image: bytes
    real: bool


@dataclass(frozen=True)
class TranslationRow:
    r"""One source picture under every label.

    Arguments:
        picture: Its id.
        source: Its label.
        cells: One per label of the set, in their order.
        reconstruction: WebP of the picture, inverted and denoised again.
        rmse: Error of that, in grey levels.
        psnr: The same in decibels; None if there is no error.
        codec: Error of encoding and decoding alone, in grey levels.
    """

    picture: str
    source: str
    cells: tuple[TranslationCell, ...]
    reconstruction: bytes
    rmse: float
    psnr: float | None
    codec: float


@dataclass(frozen=True, kw_only=True)
class TranslationReport(RunReport):
    r"""What the page shows.

    Arguments:
        title: Name of the collection.
        labels: Of the set.
        rows: Source pictures that are shown.
        pictures: All finished source pictures.
        translations: All translations.
        error: Mean error of the reconstructions, grey levels.
        error_interval: Its 95 % interval over pictures.
        floor: Mean error of the codec alone.
        residual: Largest relative error left in a step of an exact inversion.
        exact: Whether the inversion is exact.
        guidance: Strength.
        start: Share of the diffusion time that translations begin at.
        steps: Of a translation.
        places: Layers that are injected into.
        prompt: Template of the prompts.
        model: Which one, in words.
    """

    title: str
    labels: tuple[str, ...]
    rows: tuple[TranslationRow, ...]
    pictures: int
    translations: int
    error: float | None
    error_interval: tuple[float, float] | None
    floor: float | None
    residual: float | None
    exact: bool
    guidance: float
    start: float
    steps: int
    places: tuple[str, ...]
    prompt: str
    model: str


def write_translation_report(report: TranslationReport, path: Path) -> Path:
    r"""Write the page of a parallel set: one file, which fetches nothing.

    Arguments:
        report: What to show.
        path: The file to write, usually `index.html`; written in one step.

    Returns:
        The path.

    Raises:
        DataError: If the file cannot be written there.
    """
    return write_page(render_translation_report(report), path)


def render_translation_report(report: TranslationReport) -> str:
    r"""Lay out the page of a parallel set."""
    values = {
        **run_views(report, ()),
        "webp": lambda image: data_uri("webp", image) if image else "",
    }
    return render_page("translation.html", values)
