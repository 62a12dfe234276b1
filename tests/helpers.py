"""What several test modules need: a tiny rendered collection and a tiny typewriter."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import ImageFont

from typica.lines.collection import read_lines
from typica.lines.line import LineCollection
from typica.lines.render import render_collection
from typica.lines.render_options import RenderOptions
from typica.typewriter.config import TypewriterConfig
from typica.typewriter.model import Typewriter
from typica.typewriter.presets import with_changes

WORDS = ("ab", "ba", "aab", "bo", "oba", "abbo", "oo", "bab")
TINY = (
    "height=16",
    "encoder.step=4",
    "encoder.features=16",
    "training.batch_size=6",
    "training.steps=36",
    "training.warm_start=4",
    "training.evaluations=3",
    "training.learning_rate=0.004",
)


def pillow_font(folder: Path) -> Path:
    """The font inside Pillow, as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "some.otf"
    path.write_bytes(ImageFont.load_default(16).path.getvalue())
    return path


def tiny_lines(folder: Path, count: int = 24) -> LineCollection:
    """Short clean lines of three letters, rendered into `folder / "lines"`."""
    texts = [f"{WORDS[i % 8]} {WORDS[(3 * i + 1) % 8]}" for i in range(count)]
    options = RenderOptions(height=24).clean()
    out = render_collection(
        texts, pillow_font(folder), folder / "lines", options, splits=(0.75, 0.125, 0.125)
    )
    return read_lines(out)


def tiny_config(*changes: str) -> TypewriterConfig:
    """A typewriter that takes a step in a few milliseconds."""
    return with_changes(TypewriterConfig(), [*TINY, *changes])


@torch.no_grad()
def never_blank(model: Typewriter) -> None:
    """Let the empty sprite's logit be the mean of all others, so that it is never the best."""
    keys = model.selection.network(model.sprites.codes)
    model.selection.blank.copy_(F.layer_norm(keys, keys.shape[1:]).mean(0, keepdim=True))
