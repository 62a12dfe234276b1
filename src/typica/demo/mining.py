"""The demo of mining: what is typical of each of several designers of the same things."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..images.options import PictureOptions
from ..images.prompts import PromptTemplate
from ..mining.bases import SMALL
from ..mining.config import MiningConfig
from ..mining.opening import OpenRun, begin
from ..mining.presets import preset
from ..mining.run import mine, scoring_minutes
from .designs import make_demo_pictures

__all__ = ["DESIGN_PROMPT", "demo_mining_config", "mining_demo"]

DESIGN_PROMPT = PromptTemplate("A picture drawn by {label}.", "A picture.")
CONCEPTS = 200
"""Pictures per label."""
MOST_SCORING = 0.55
"""Share of the time that scoring may take; training gets the rest."""
SLOW_SCORING = 0.4
"""The same on a machine that is slow or busy, whose pace may fall further."""


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
    credits = [_credited(one) for one in made.credits]

    def opened(config: MiningConfig) -> OpenRun:
        return begin(
            made.folder,
            run,
            base=SMALL,
            prompt=DESIGN_PROMPT,
            config=config,
            reading=PictureOptions(format="folders"),
            credits=credits,
        )

    config = demo_mining_config()
    begun = opened(config)
    needed = scoring_minutes(begun, "auto")
    if needed > MOST_SCORING * minutes:
        # A machine that is slow or busy: a demo takes longer there, it does not give up.
        shutil.rmtree(run)
        draws = config.typicality.groups
        few = replace(config.typicality, draws=draws)
        needed *= draws / config.typicality.draws
        minutes = max(minutes, needed / SLOW_SCORING)
        yield (
            f"note: this machine is slow or busy: {draws} draws instead of "
            f"{config.typicality.draws}, about {minutes:.0f} minutes"
        )
        begun = opened(replace(config, typicality=few))
    yield from mine(begun, max_minutes=minutes)


def _credited(label: dict[str, str]) -> str:
    """Name, author where one is named, and licence of a label's pictures, in one line."""
    told = [label[part] for part in ("name", "author", "licence") if label.get(part)]
    return f"{label['label']}: {', '.join(told)}"
