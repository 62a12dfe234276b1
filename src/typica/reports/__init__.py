"""Reports: one self-contained page per result. Layout only, no computation and no model."""

from __future__ import annotations

from .typewriter import (
    Confusion,
    Curve,
    DocumentScore,
    LineCard,
    SpriteCard,
    TypewriterReport,
    write_typewriter_report,
)

__all__ = [
    "Confusion",
    "Curve",
    "DocumentScore",
    "LineCard",
    "SpriteCard",
    "TypewriterReport",
    "write_typewriter_report",
]
