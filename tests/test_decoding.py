"""From a decomposition to letters, boxes and word spaces, against slow plain rules."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from typica.lines.line import Box, Line
from typica.typewriter.config import TypewriterConfig
from typica.typewriter.decoding import (
    apply_spaces,
    collapse,
    fit_space_gap,
    letters,
    readings,
    sprite_names,
)
from typica.typewriter.ink import ink_boxes
from typica.typewriter.loading import make_batch
from typica.typewriter.model import Typewriter
from typica.typewriter.presets import with_changes
from typica.typewriter.reading import LineReading, PlacedGlyph

from .helpers import never_blank

_ROWS = st.lists(st.integers(-1, 2), max_size=12).map(lambda row: np.array(row, np.int64))


@given(_ROWS)
def test_one_to_one_reads_every_position(row):
    groups = collapse(row, repeats=False)
    assert groups == [[t] for t, character in enumerate(row.tolist()) if character >= 0]


@given(_ROWS)
def test_ctc_merges_neighbours_and_only_them(row):
    groups = collapse(row, repeats=True)
    # the rule of Graves et al.: drop repeats, then blanks
    kept = [c for t, c in enumerate(row.tolist()) if t == 0 or c != row[t - 1]]
    assert [int(row[group[0]]) for group in groups] == [c for c in kept if c >= 0]
    assert sorted(t for group in groups for t in group) == np.flatnonzero(row >= 0).tolist()
    for group in groups:
        assert group == list(range(group[0], group[-1] + 1))
        assert len({int(row[t]) for t in group}) == 1


def _plain_box(sprite, least):
    """Pixel by pixel: flood the pieces, drop specks, take the extremes."""
    height, width = sprite.shape
    ink = {(y, x) for y in range(height) for x in range(width) if sprite[y, x] > 0.5 * sprite.max()}
    pieces, left = [], set(ink)
    while left:
        todo, piece = [left.pop()], []
        while todo:
            y, x = todo.pop()
            piece.append((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            todo += near
        pieces.append(piece)
    if not pieces:
        return Box(width / 2, height / 2, width / 2, height / 2)
    most = max(len(piece) for piece in pieces)
    kept = [p for p in pieces if len(p) >= least * len(ink) or len(p) == most]
    ys = [y for piece in kept for y, _ in piece]
    xs = [x for piece in kept for _, x in piece]
    return Box(min(xs), min(ys), max(xs) + 1, max(ys) + 1)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.04, 0.3]))
def test_ink_boxes_are_those_of_a_flood_fill(seed, least):
    generator = np.random.default_rng(seed)
    sprites = generator.random((3, 9, 11)).astype(np.float32)
    sprites[0] = ndimage.gaussian_filter(sprites[0], 1.5)
    sprites[1] *= generator.random((9, 11)) < 0.1
    sprites[2] = (sprites[2] > 0.6) * np.float32(0.9)
    assert ink_boxes(sprites, least) == [_plain_box(sprite, least) for sprite in sprites]


def test_a_speck_does_not_count_and_nothing_is_no_trouble():
    sprites = np.zeros((3, 40, 40), np.float32)
    sprites[0, 10:20, 5:15] = 1
    sprites[0, 39, 39] = 1
    sprites[2, ::2, ::2] = 1  # only specks
    boxes = ink_boxes(sprites)
    assert boxes[0] == Box(5, 10, 15, 20)
    assert boxes[1] == Box(20, 20, 20, 20)
    assert boxes[2].area > 0


def _model(*changes, symbols=("a", "b", "c")):
    """A typewriter with blocks as sprites that places something at every position."""
    config = with_changes(
        TypewriterConfig(),
        [
            "height=32",
            "encoder.step=8",
            "encoder.features=16",
            "sprites.generator=pixels",
            "sprites.border=0",
            "sprites.width=1",
            *changes,
        ],
    )
    torch.manual_seed(0)
    model = Typewriter(config, symbols).eval()
    with torch.no_grad():
        codes = torch.full((len(model.sprites.codes), 32, 32), -12.0)
        for k in range(len(codes)):
            codes[k, 6 + 2 * k : 22 + k, 9 + k : 20 + 2 * k] = 12.0
        model.sprites.codes.copy_(codes.flatten(1))
        # every head answers with something that is not its neutral start
        generator = torch.Generator().manual_seed(5)
        for head in (model.placer.position, model.background):
            head[-1].weight.add_(0.1 * torch.randn(head[-1].weight.shape, generator=generator))
    never_blank(model)
    return model


@pytest.mark.parametrize("changes", [(), ("placement.shift=clamp", "placement.centred=false")])
@torch.no_grad()
def test_boxes_are_where_the_ink_is(changes):
    """The opacity of each window, pasted and thresholded, against the box of its glyph."""
    model = _model(*changes)
    image = np.random.default_rng(0).integers(0, 256, (32, 150, 3), dtype=np.uint8)
    batch = make_batch([image, image[:, :90]], 8, (0.8,) * 3)
    taken = model(batch)
    found = readings(
        model, taken, ["x", "y"], [(300, 64), (180, 64)], ink_boxes(model.sprites().numpy())
    )
    assert float(taken.placement.shift.abs().max()) > 1
    compared = 0
    for row, reading in enumerate(found):
        cells, width = int(taken.cells[row]), int(batch.widths[row])
        drawn = [t for t in range(cells) if taken.weights[row, t].argmax() < 3]
        assert len(drawn) == len(reading.glyphs) > 0
        for t, glyph in zip(drawn, reading.glyphs, strict=True):
            margin = 64
            canvas = np.zeros((32, width + 2 * margin))
            left = margin + t * model.step + model.offset
            canvas[:, left : left + model.config.window_width] = taken.opacity[row, t].numpy()
            # a window shows no more than its own part of a sprite, a line no more than itself
            canvas = canvas[:, margin : margin + width]
            rows, columns = (
                np.flatnonzero((canvas > 0.5).any(1)),
                np.flatnonzero((canvas > 0.5).any(0)),
            )
            lone = left - margin, left - margin + model.config.window_width
            box = glyph.box
            if (
                not len(rows)
                or min(columns) <= max(0, lone[0])
                or max(columns) + 1 >= min(width, lone[1])
            ):
                continue  # cut off by the window or the line
            compared += 1
            truth = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
            got = tuple(v / 2 for v in (box.left, box.top, box.right, box.bottom))
            assert np.abs(np.subtract(got, truth)).max() <= 1.0, (t, got, truth)
            assert glyph.sprite == int(taken.weights[row, t].argmax())
            assert glyph.symbol == "abc"[glyph.sprite]
            assert glyph.scale == pytest.approx(float(taken.placement.scale[row, t]))
            assert glyph.confidence == pytest.approx(
                float(taken.logits[row, t].softmax(-1)[glyph.sprite]), rel=1e-4
            )
    assert compared >= 8


@torch.no_grad()
def test_ctc_gives_one_box_around_its_repeats():
    model = _model("loss.alignment=ctc")
    image = np.random.default_rng(0).integers(0, 256, (32, 80, 3), dtype=np.uint8)
    taken = model(make_batch([image], 8, (0.8,) * 3))
    logits = torch.full((1, 10, 4), -9.0)
    for t, k in enumerate([0, 0, 3, 0, 1, 1, 1, 3, 3, 2]):
        logits[0, t, k] = 9.0 + 0.01 * t
    weights = torch.nn.functional.one_hot(logits.argmax(-1), 4).float()
    taken = replace(taken, logits=logits, weights=weights)
    boxes = ink_boxes(model.sprites().numpy())
    (reading,) = readings(model, taken, ["x"], [(80, 32)], boxes, [0.25])
    assert reading.letters == ("a", "a", "b", "c")
    assert [glyph.placements for glyph in reading.glyphs] == [2, 1, 3, 1]
    assert reading.reconstruction == 0.25
    assert letters(model, taken) == [(0, 0, 1, 2)]
    one = _model()
    (single,) = readings(one, taken, ["x"], [(80, 32)], boxes)
    assert "".join(single.letters) == "aaabbbc"
    merged, parts = reading.glyphs[2].box, [glyph.box for glyph in single.glyphs[3:6]]
    assert merged.left == min(box.left for box in parts)
    assert merged.right == max(box.right for box in parts)
    assert merged.top == min(box.top for box in parts)
    assert merged.bottom == max(box.bottom for box in parts)


@torch.no_grad()
def test_allographs_share_a_letter_but_keep_their_sprites():
    model = _model("sprites.allographs=2")
    image = np.zeros((32, 32, 3), np.uint8)
    taken = model(make_batch([image], 8, (0.8,) * 3))
    logits = torch.full((1, 4, 7), -9.0)
    logits[0, 0, 1] = 9.0  # the second a
    logits[0, 1, 4] = 9.0  # the first c
    logits[0, 2, 6] = 9.0  # nothing
    logits[0, 3, 3] = 9.0  # the second b
    taken = replace(
        taken, logits=logits, weights=torch.nn.functional.one_hot(logits.argmax(-1), 7).float()
    )
    boxes = ink_boxes(model.sprites().numpy())
    (reading,) = readings(model, taken, ["x"], [(32, 32)], boxes)
    assert reading.letters == ("a", "c", "b")
    assert [glyph.sprite for glyph in reading.glyphs] == [1, 4, 3]


def test_sprites_without_symbols_are_numbered_alike():
    model = _model("sprites.count=12", symbols=())
    names = sprite_names(model)
    assert names[0] == "01"
    assert names[-1] == "12"
    assert len(names) == 12
    assert sprite_names(_model()) == ("a", "b", "c")


def _reading(places, letters_read, height=10):
    glyphs = tuple(
        PlacedGlyph(letter, 0, Box(left, 0, right, 5), 1.0, 1.0, (0, 0, 0))
        for (left, right), letter in zip(places, letters_read, strict=True)
    )
    return LineReading("x", 100, height, glyphs)


def _line(text):
    return Line("x", Path("x.png"), tuple(text))


def _errors(pairs, gap):
    return sum((value >= gap) != space for value, space in pairs)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(-2, 12), st.booleans()), min_size=1, max_size=14))
def test_no_threshold_errs_less_than_the_fitted_one(pairs):
    text, places, right = "a", [(0, 4)], 4
    for gap, space in pairs:
        text += " a" if space else "a"
        places.append((right + gap, right + gap + 4))
        right += gap + 4
    fitted = fit_space_gap([_line(text)], [_reading(places, "a" * (len(pairs) + 1))])
    values = [(gap / 10, space) for gap, space in pairs]
    distinct = sorted({value for value, _ in values})
    if len(distinct) < 2 or len({space for _, space in values}) < 2:
        assert fitted is None
        return
    between = [(a + b) / 2 for a, b in pairwise(distinct)]
    assert _errors(values, fitted) == min(_errors(values, gap) for gap in between)


def test_spaces_are_learned_from_what_was_read_right_and_applied():
    lines = [_line("ab cd"), _line("ab")]
    places = [(0, 4), (5, 9), (14, 18), (19, 23)]
    read = [_reading(places, "abcd"), _reading([(0, 4), (80, 84)], "ax")]
    gap = fit_space_gap(lines, read)  # the pair of a wrong letter says nothing
    assert gap == pytest.approx(0.3)
    assert apply_spaces(read[0], gap).text == "ab cd"
    assert apply_spaces(read[0], 0.51).text == "abcd"
    assert apply_spaces(read[0], 0.5).text == "ab cd"
    assert apply_spaces(read[0], None) == read[0]
    assert apply_spaces(_reading([], ""), gap).text == ""
    assert fit_space_gap([replace(lines[0], symbols=None)], read[:1]) is None
    assert fit_space_gap([_line("abcd")], read[:1]) is None
