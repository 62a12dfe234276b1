"""The demo of mining: what is typical of each of several designers of the same things."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..images.options import PictureOptions
from ..images.prompts import PromptTemplate
from ..mining.bases import SMALL
from ..mining.config import MiningConfig
from ..mining.opening import begin
from ..mining.presets import preset
from ..mining.run import mine
from .designs import make_demo_pictures

__all__ = ["DESIGN_PROMPT", "demo_mining_config", "mining_demo"]

DESIGN_PROMPT = PromptTemplate("A picture drawn by {label}.", "A picture.")
CONCEPTS = 200
"""Pictures per label."""


def demo_mining_config() -> MiningConfig:
    """`small` on pictures of 64 pixels, with as many draws as fit into minutes."""
    start = preset("small")
    return replace(
        start,
        size=64,
        typicality=replace(start.typicality, draws=12, groups=6),
        elements=replace(start.elements, per_label=300),
        clusters=replace(start.clusters, count=16),
    )


def mining_demo(pictures: Path, run: Path, minutes: float) -> Iterator[str]:
    """Mine the demo pictures and say what was done, line by line.

    Arguments:
        pictures: Folder to make for the pictures.
        run: Folder to make for the run.
        minutes: Time for everything after the pictures are drawn.
    """
    made = make_demo_pictures(pictures, concepts=CONCEPTS, size=96)
    yield f"pictures: {made.origin}"
    for reason in made.passed_over:
        yield f"note: {reason}"
    opened = begin(
        made.folder,
        run,
        base=SMALL,
        prompt=DESIGN_PROMPT,
        config=demo_mining_config(),
        reading=PictureOptions(format="folders"),
        credits=[
            f"{one['label']}: {one['name']}, {one['author']}, {one['licence']}"
            for one in made.credits
        ],
    )
    yield from mine(opened, max_minutes=minutes)
