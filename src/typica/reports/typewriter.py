r"""The report of a typewriter run: everything it shows comes in, it only lays out.

The page holds the alphabet that was learned, sample and worst lines beside what the typewriter
made of them, what it confused, and how the training went.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..lines.line import SPACE
from .page import ink_data_uri, picture_data_uri, render_page, write_page
from .plots import Panel, Series
from .run_values import run_views
from .typewriter_values import Confusion, Curve, LineCard, SpriteCard, TypewriterReport
from .wording import alphabetical, code_points, is_word, names, shown

__all__ = ["render_typewriter_report", "write_typewriter_report"]

RARE = 5
"""A letter seen fewer times than this in the training text is flagged: its sprite is a guess."""
WEAK = 0.6
"""A sprite placed with a lower mean confidence than this is flagged."""
MOST_BYTES = 8_000_000
"""The size that a page should stay under: it goes by mail."""
PICTURE_SIZES = ((128, 84), (96, 78), (64, 65), (48, 50))
"""(greatest height of a line picture in pixels, WebP quality), tried until the page fits."""
LINE_WIDTH, LINE_HEIGHT, LINE_LOWEST, GAP = 1010, 88, 44, 7
"""How large a line is shown, in CSS pixels: to this width, but neither higher nor lower."""


def write_typewriter_report(report: TypewriterReport, path: Path) -> Path:
    r"""Write the page of a typewriter run: one file, which fetches nothing.

    Arguments:
        report: What to show.
        path: The file to write, usually `report.html`; written in one step.

    Returns:
        The path.

    Raises:
        DataError: If the file cannot be written there.
        ValueError: If a picture has the wrong type or shape.
    """
    return write_page(render_typewriter_report(report), path)


def render_typewriter_report(report: TypewriterReport) -> str:
    r"""Lay out the page of a typewriter run.

    Arguments:
        report: What to show.

    Returns:
        The page; line pictures are reduced as far as needed to keep it under `MOST_BYTES`.

    Raises:
        ValueError: If a picture has the wrong type or shape.
    """
    cards = sprite_views(report.sprites)
    fixed = {
        **run_views(report, panels(report.curves)),
        "sprites": cards,
        "flags": flag_counts(cards),
        "confusions": confusion_views(report.confusions, cards),
        "rare": RARE,
        "weak": WEAK,
    }
    text = ""
    for height, quality in PICTURE_SIZES:
        lines = [
            line_view(f"line-{i}", card, height, quality) for i, card in enumerate(report.lines)
        ]
        worst = [
            line_view(f"worst-{i}", card, height, quality) for i, card in enumerate(report.worst)
        ]
        values = {**fixed, "lines": lines, "worst": worst}
        text = render_page("typewriter.html", values, script="typewriter.js")
        if len(text.encode("utf-8")) < MOST_BYTES:
            break
    return text


def sprite_views(sprites: Sequence[SpriteCard]) -> list[dict[str, Any]]:
    r"""What the template shows of each sprite, in alphabetical order."""
    views = []
    for place, card in enumerate(sprites):
        index = place if card.sprite is None else card.sprite
        flags = []
        if card.train_count is not None and card.train_count < RARE:
            flags.append(
                (
                    "rare",
                    "absent from the training text"
                    if card.train_count == 0
                    else f"rare: {card.train_count} in the training text",
                )
            )
        if card.placed_count == 0:
            flags.append(("unused", "never placed"))
        elif card.confidence is not None and card.confidence < WEAK:
            flags.append(("weak", "placed with low confidence"))
        views.append(
            {
                "card": card,
                "index": index,
                "flags": flags,
                "shown": shown(card.symbol) or f"no. {index + 1}",
                "named": bool(card.symbol),
                "word": is_word(card.symbol),
                "codes": "" if is_word(card.symbol) else code_points(card.symbol),
                "name": card.symbol if is_word(card.symbol) else names(card.symbol),
                "frequency": card.placed_count if card.train_count is None else card.train_count,
                "image": ink_data_uri(card.image, enlarge=3),
                "thumb": ink_data_uri(card.image),
                "sure": 100 * min(1.0, max(0.0, card.confidence or 0.0)),
                "width": 2 * card.image.shape[1],
                "height": 2 * card.image.shape[0],
                "colour": "#"
                + "".join(f"{round(255 * min(1, max(0, c))):02x}" for c in card.colour),
            }
        )
    views.sort(key=lambda view: (*alphabetical(view["card"].symbol), view["index"]))
    return views


def flag_counts(cards: Sequence[dict[str, Any]]) -> dict[str, int]:
    r"""How many sprites carry each flag."""
    kinds = [kind for card in cards for kind, _ in card["flags"]]
    return {kind: kinds.count(kind) for kind in ("rare", "weak", "unused")}


def confusion_views(
    confusions: Sequence[Confusion], cards: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    r"""What the template shows of each confusion: both letters, their sprites, a bar."""
    by_symbol: dict[str, str] = {}
    for card in cards:
        by_symbol.setdefault(card["card"].symbol, card["thumb"])
    most = max((one.count for one in confusions), default=1) or 1
    views = []
    for one in confusions:
        both = (one.truth or "", one.read or "")
        views.append(
            {
                "truth": shown(both[0]),
                "read": shown(both[1]),
                "count": one.count,
                "share": 100 * one.count / most,
                "codes": ["" if is_word(symbol) else code_points(symbol) for symbol in both],
                "images": [by_symbol.get(symbol) for symbol in both],
            }
        )
    return views


def panels(curves: Sequence[Curve]) -> Iterator[Panel]:
    r"""The curves by plot, in order of first appearance."""
    groups: dict[str, list[Curve]] = {}
    for one in curves:
        groups.setdefault(one.panel or one.name, []).append(one)
    # The same name has the same colour in every plot.
    styles = {name: style for style, name in enumerate(dict.fromkeys(c.name for c in curves))}
    for title, group in groups.items():
        yield Panel(
            title,
            tuple(Series(one.name, one.steps, one.values, styles[one.name]) for one in group),
            log=any(one.log for one in group),
            percent=any(one.percent for one in group),
        )


def line_view(anchor: str, card: LineCard, height: int, quality: int) -> dict[str, Any]:
    r"""What the template shows of one line: pictures, glyph boxes, texts with differences."""
    high, wide = card.original.shape[:2]
    scale = min(LINE_HEIGHT / high, max(LINE_WIDTH / wide, LINE_LOWEST / high))
    gap = GAP / scale
    pictures = (
        ("original", card.original),
        ("reconstruction", card.reconstruction_image),
        ("segmentation", card.segmentation),
    )
    rows = [
        {
            "name": name,
            "top": round(row * (high + gap), 2),
            "uri": picture_data_uri(picture, max_height=height, quality=quality),
        }
        for row, (name, picture) in enumerate(pictures)
    ]
    edits = [(truth or "", read or "") for truth, read in card.edits]
    pairs = [pair for pair in edits if pair[1] not in ("", SPACE)]
    # Only if the aligned letters are these very glyphs can a glyph be said to be misread.
    same = [read for _, read in pairs] == [glyph.symbol for glyph in card.glyphs]
    glyphs = [
        {
            "glyph": glyph,
            "shown": shown(glyph.symbol) or f"no. {glyph.sprite + 1}",
            "truth": shown(pairs[i][0]) if same else None,
            "wrong": same and pairs[i][0] != pairs[i][1],
        }
        for i, glyph in enumerate(card.glyphs)
    ]
    return {
        "anchor": anchor,
        "card": card,
        "rows": rows,
        "glyphs": glyphs,
        "width": wide,
        "height": high,
        "tall": round(3 * high + 2 * gap, 2),
        "css_width": round(scale * wide),
        "css_gap": GAP,
        "truth": list(marked(card.truth or "", edits, 0)),
        "read": list(marked(card.read, edits, 1)),
    }


def marked(
    text: str, edits: Sequence[tuple[str, str]], side: int
) -> Iterator[tuple[str, str, str]]:
    r"""Cut a text into stretches that agree with the other side and pieces that do not.

    Arguments:
        text: The whole text, with its word spaces.
        edits: Aligned pairs (truth, read); word spaces may be missing from them.
        side: 0 to mark the truth, 1 to mark the reading.

    Yields:
        (kind, piece, other): kind `same`, `differs`, or `gap` (nothing on this side); `other`
        is what the other side has. Without pairs, or where they do not spell the text, the
        whole text is one stretch.
    """
    spelled = "".join(pair[side] for pair in edits).replace(SPACE, "")
    if not edits or spelled != text.replace(SPACE, ""):
        yield "same", text, ""
        return
    position, agreed = 0, ""
    for pair in edits:
        own, other = pair[side], pair[1 - side]
        while own and own != SPACE and text.startswith(SPACE, position):
            agreed, position = agreed + SPACE, position + 1
        if own == SPACE and not text.startswith(SPACE, position):
            continue
        position += len(own)
        if own == other:
            agreed += own
            continue
        if agreed:
            yield "same", agreed, ""
        agreed = ""
        yield ("differs" if own else "gap"), own, shown(other)
    agreed += text[position:]
    if agreed:
        yield "same", agreed, ""
