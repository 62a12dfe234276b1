"""Templates: pieces of ink, groups of them, and the best row of templates for a line."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typica.errors import ConfigError
from typica.templates.darkness import darkness
from typica.templates.grouping import first_templates, groups_of, seeds
from typica.templates.learning import Explained, explain, learn_templates, redrawn, used_only
from typica.templates.options import TemplateOptions
from typica.templates.placing import PlacedTemplate, best_rows, gains, place
from typica.templates.segments import segments
from typica.templates.templates import (
    Templates,
    centred,
    joined,
    letters_of,
    mismatch,
    trimmed,
)

HEIGHT = 16


def shape(name: str) -> np.ndarray:
    """Three letters that have nothing in common but their ink."""
    picture = np.zeros((HEIGHT, 5), np.float32)
    if name == "ring":
        picture[5:11] = 1
        picture[6:10, 1:4] = 0
    elif name == "bar":
        picture[2:13, 1:3] = 1
        picture = picture[:, 1:3]
    else:
        picture[7:9] = 1
        picture[4:12, 2] = 1
    return picture


def line(names: list[str], gap: int = 3, down: int = 0) -> tuple[np.ndarray, list[int]]:
    """A line of these letters, and where each begins."""
    parts, starts, at = [np.zeros((HEIGHT, gap), np.float32)], [], gap
    for name in names:
        one = np.roll(shape(name), down, axis=0)
        starts.append(at)
        parts += [one, np.zeros((HEIGHT, gap), np.float32)]
        at += one.shape[1] + gap
    return np.concatenate(parts, axis=1), starts


def some_templates() -> Templates:
    pictures = []
    for name in ("ring", "bar", "cross"):
        canvas = np.zeros((HEIGHT, 12), np.float32)
        one = shape(name)
        canvas[:, 4 : 4 + one.shape[1]] = one
        pictures.append(canvas)
    return Templates(np.stack(pictures), np.array([3, 2, 1]))


def test_darkness_is_0_on_paper_and_1_in_ink_whatever_the_colours():
    image = np.array([[[200, 180, 160], [100, 90, 30], [150, 135, 95]]], np.uint8)
    paper, ink = (200 / 255, 180 / 255, 160 / 255), (100 / 255, 90 / 255, 30 / 255)
    found = darkness(image, paper, ink)
    np.testing.assert_allclose(found, [[0, 1, 0.5]], atol=1e-6)
    assert darkness(255 - image, paper, paper).max() == 0
    assert darkness(np.zeros((1, 1, 3), np.uint8), paper, ink)[0, 0] == 1.25


def test_pieces_above_each_other_are_one_and_strays_and_specks_are_none():
    page = np.zeros((20, 30), np.float32)
    page[8:15, 3:5] = 1  # a stem
    page[3:5, 3:5] = 1  # its dot
    page[8:15, 10:14] = 0.9
    page[0:2, 20:26] = 1  # the foot of a letter of the line above
    page[10, 28] = 1
    found = segments(page, 0.4)
    assert [(one.left, one.right) for one in found] == [(3, 5), (10, 14)]
    np.testing.assert_array_equal(found[0].picture, page[:, 3:5])


def test_a_chain_of_pieces_that_overlap_ends_as_one():
    page = np.zeros((20, 12), np.float32)
    page[2:4, 0:4] = 1
    page[6:8, 1:8] = 1
    page[10:12, 5:9] = 1
    assert [(one.left, one.right) for one in segments(page, 0.4)] == [(0, 9)]


def test_a_piece_has_only_its_own_ink():
    page = np.zeros((20, 14), np.float32)
    page[2:10, 0:8] = 1
    page[4:20, 6:8] = 0
    page[14:16, 7:14] = 1  # reaches below the first, by less than half
    first, second = segments(page, 0.4)
    assert first.picture[14:16].max() == 0
    assert second.picture[:4].max() == 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_gains_are_what_the_squared_error_falls_by(seed, shift):
    chance = np.random.default_rng(seed)
    templates = some_templates()
    page = chance.random((2, HEIGHT, 20), np.float32)
    found, down = gains(page, templates, shift)
    assert found.shape == down.shape == (2, 3, 20)
    for b, k, x in itertools.product(range(2), range(3), (0, 7, 19)):
        best = -np.inf
        room = np.pad(page[b], ((shift, shift), (12, 12)))
        left = x - int(templates.columns[k, 0]) + 12
        for move in range(-shift, shift + 1):
            under = room[shift + move : shift + move + HEIGHT, left : left + 12]
            best = max(best, float((under**2).sum() - ((under - templates.pictures[k]) ** 2).sum()))
        assert found[b, k, x] == pytest.approx(best, abs=1e-3)
        move = int(down[b, k, x])
        under = room[shift + move : shift + move + HEIGHT, left : left + 12]
        gain = (under**2).sum() - ((under - templates.pictures[k]) ** 2).sum()
        assert gain == pytest.approx(best, abs=1e-3)


@given(st.integers(0, 2**32 - 1), st.integers(0, 7), st.floats(0, 1))
def test_the_best_row_is_the_best_of_all_rows(seed, width, price):
    chance = np.random.default_rng(seed)
    advance = np.array([1, 3])
    gain = chance.normal(size=(2, 2, width)).astype(np.float32)

    def best(b: int, x: int) -> float:
        if x >= width:
            return 0.0
        values = [best(b, x + 1)]
        for k, columns in enumerate(advance.tolist()):
            if x + columns <= width:
                values.append(float(gain[b, k, x]) - price + best(b, x + columns))
        return max(values)

    for b, row in enumerate(best_rows(gain, advance, price)):
        end = 0
        for k, x in row:
            assert x >= end
            end = x + int(advance[k])
        assert end <= width
        value = sum(float(gain[b, k, x]) - price for k, x in row)
        assert value == pytest.approx(best(b, 0), abs=1e-4)


def test_letters_are_placed_where_they_stand_alone_and_in_batches():
    pages, wanted = [], []
    chance = np.random.default_rng(0)
    names = ["ring", "bar", "cross"]
    for _ in range(30):
        chosen = [names[i] for i in chance.integers(0, 3, chance.integers(1, 6))]
        down = int(chance.integers(-1, 2))
        page, starts = line(chosen, int(chance.integers(1, 4)), down)
        pages.append(page)
        wanted.append([(names.index(n), x, down) for n, x in zip(chosen, starts, strict=True)])
    templates = some_templates()
    found = place(pages, templates, 2.0, 1, 0)
    assert [[(p.template, p.left, p.down) for p in row] for row in found] == wanted
    alone = [place([page], templates, 2.0, 1, 0)[0] for page in pages]
    assert [[(p.template, p.left) for p in r] for r in alone] == [
        [(p.template, p.left) for p in r] for r in found
    ]


def test_a_high_price_places_nothing():
    page, _ = line(["ring", "bar"])
    assert place([page], some_templates(), 1000.0, 1, 0) == [[]]


def test_letters_at_both_ends_of_a_line_are_placed():
    page = np.concatenate([shape("bar"), np.zeros((HEIGHT, 4), np.float32), shape("ring")], 1)
    (row,) = place([page], some_templates(), 2.0, 0, 0)
    assert [(p.template, p.left) for p in row] == [(1, 0), (0, 6)]


def test_mismatch_is_the_least_over_all_shifts():
    chance = np.random.default_rng(1)
    a, others = chance.random((8, 6), np.float32), chance.random((4, 8, 6), np.float32)
    found = mismatch(a, others, 2, 1)
    for b, value in zip(others, found, strict=True):
        tried = []
        for y, x in itertools.product(range(-2, 3), range(-1, 2)):
            moved = np.zeros_like(a)
            moved[max(0, y) : 8 + min(0, y), max(0, x) : 6 + min(0, x)] = a[
                max(0, -y) : 8 + min(0, -y), max(0, -x) : 6 + min(0, -x)
            ]
            energy = min((moved**2).sum(), (b**2).sum())
            tried.append(((moved - b) ** 2).sum() / energy)
        assert value == pytest.approx(min(tried), rel=1e-4)


def test_templates_that_look_alike_are_joined_with_their_uses():
    templates = some_templates()
    twice = Templates(
        np.concatenate([templates.pictures, np.roll(templates.pictures[:1], 2, axis=1)]),
        np.array([3, 2, 1, 9]),
    )
    found = joined(twice, 0.05, 2)
    assert found.uses.tolist() == [12, 2, 1]
    assert len(joined(twice, 0.05, 1)) == 4  # two rows away from each other


def test_one_letter_at_two_sizes_and_heights_is_one_letter():
    yy, xx = np.mgrid[:48, :38]
    ring = np.clip(3 - np.abs(np.hypot(yy - 24, xx - 19) - 9), 0, 1).astype(np.float32)
    large = np.clip(3.2 - np.abs(np.hypot(yy - 28, xx - 19) - 10.2), 0, 1).astype(np.float32)
    bar = np.zeros_like(ring)
    bar[10:40, 16:22] = 1
    templates = Templates(np.stack([ring, bar, large]), np.array([5, 3, 2]))
    assert letters_of(templates, 0.15).tolist() == [0, 1, 0]
    assert letters_of(templates, 0.0).tolist() == [0, 1, 2]


def test_a_picture_that_shows_nothing_has_no_middle():
    assert centred(np.full((4, 6), 0.2, np.float32)) is None
    picture = np.zeros((4, 9), np.float32)
    picture[:, 0:2] = 1
    np.testing.assert_array_equal(np.flatnonzero(centred(picture).max(0)), [3, 4])
    assert trimmed(picture + 0.05, 0, 2)[:, 2:].max() == 0


def test_seeds_are_points_and_differ():
    points = np.repeat(np.arange(4.0)[:, None], 5, axis=0)
    found = seeds(points, 9, np.random.default_rng(0))
    assert sorted(found[:, 0].tolist()) == [0, 1, 2, 3]


def test_groups_gather_what_is_alike():
    templates = some_templates()
    chance = np.random.default_rng(0)
    truth = chance.integers(0, 3, 60)
    pictures = templates.pictures[truth] * chance.uniform(0.9, 1, (60, 1, 1)).astype(np.float32)
    found = groups_of(pictures, 3, 0)
    assert len(set(zip(truth.tolist(), found.tolist(), strict=True))) == 3


def learned_lines() -> tuple[list[np.ndarray], list[list[int]]]:
    chance = np.random.default_rng(3)
    names = ["ring", "bar", "cross"]
    pages, texts = [], []
    for _ in range(40):
        chosen = chance.integers(0, 3, 6)
        page, _ = line([names[i] for i in chosen])
        pages.append(page + chance.normal(0, 0.03, page.shape).astype(np.float32))
        texts.append(chosen.tolist())
    return pages, texts


def test_an_alphabet_is_found_and_every_line_explained_by_it():
    pages, texts = learned_lines()
    found = learn_templates(pages, TemplateOptions(groups=8, price=0.02))
    assert len(found.templates) == 3
    assert found.templates.uses.tolist() == sorted(found.templates.uses.tolist(), reverse=True)
    pairs = {
        (one.template, letter)
        for row, text in zip(found.rows, texts, strict=True)
        for one, letter in zip(row, text, strict=True)
    }
    assert len(pairs) == 3
    again = learn_templates(pages, TemplateOptions(groups=8, price=0.02))
    assert again.rows == found.rows


def test_lines_without_ink_have_no_templates():
    found = learn_templates([np.zeros((HEIGHT, 30), np.float32)] * 3)
    assert len(found.templates) == 0
    assert found.rows == [[], [], []]
    assert learn_templates([]).rows == []
    nothing = first_templates([], HEIGHT, 12, 5, 1, 0)
    assert explain([np.ones((HEIGHT, 9), np.float32)], nothing, TemplateOptions()).rows == [[]]


def test_a_redrawn_template_is_the_mean_of_what_it_was_placed_on():
    templates = some_templates()
    page, starts = line(["ring", "ring"])
    page[:, starts[1] : starts[1] + 5] *= 0.5
    rows = [[PlacedTemplate(0, x, 0, 1.0) for x in starts]]
    found = redrawn(templates, [page], rows, 1)
    assert found.uses.tolist() == [2]
    left = int(found.columns[0, 0])
    np.testing.assert_allclose(
        found.pictures[0][:, left : left + 5], 0.75 * shape("ring"), atol=1e-6
    )
    assert len(redrawn(templates, [page], rows, 3)) == 0


def test_rare_templates_go_and_the_rest_is_numbered_by_use():
    rows = [[PlacedTemplate(k, x, 0, 1.0) for x, k in enumerate([2, 0, 2, 1, 2, 0])]]
    found = used_only(Explained(some_templates(), rows), 2)
    assert [one.template for one in found.rows[0]] == [0, 1, 0, 0, 1]
    assert found.templates.uses.tolist() == [3, 2]
    np.testing.assert_array_equal(found.templates.pictures[0], some_templates().pictures[2])


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"ink": 1}, {"groups": 0}, {"price": -1}, {"rounds": 0}]
)
def test_options_say_what_is_wrong_with_them(wrong):
    with pytest.raises(ConfigError, match=rf"templates\.{next(iter(wrong))}"):
        TemplateOptions(**wrong)
