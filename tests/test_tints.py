"""Another colour than the ink: what a wash, a rubric or a painted initial is told by."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from typica.configs import with_changes
from typica.errors import ConfigError
from typica.palaeography.comparing import compare
from typica.palaeography.comparison_files import write_comparison
from typica.palaeography.comparison_options import ComparisonOptions
from typica.palaeography.occurrences import Occurrences
from typica.palaeography.prototypes import load_prototypes, save_prototypes
from typica.palaeography.tints import coloured_letters, densities, letter_tints, tint
from typica.reports.palaeography_figures import most_different

from .prototype_helpers import make_prototypes

INK = np.array([1.2, 1.1, 0.9])
PAPER = np.array([225.0, 210.0, 175.0])

ink_vectors = st.lists(st.floats(0.3, 2.0), min_size=3, max_size=3).map(np.array)
any_vectors = st.lists(st.floats(0.0, 2.0), min_size=3, max_size=3).map(np.array)


def _plain_tint(density, ink, weight):
    """Pixel by pixel: what is left when as much ink is taken away as the pixel can hold."""
    rest = whole = 0.0
    for place in np.ndindex(weight.shape):
        amount = min(density[place][c] / ink[c] for c in range(3) if ink[c] >= 0.25 * max(ink))
        rest += weight[place] * sum(max(density[place][c] - amount * ink[c], 0) for c in range(3))
        whole += weight[place] * sum(density[place])
    return rest / whole if whole else math.nan


@given(ink_vectors, st.integers(0, 2**32 - 1))
def test_tint_is_what_pixel_by_pixel_gives(ink, seed):
    draws = np.random.default_rng(seed)
    density = draws.uniform(0, 2, (3, 4, 5, 3)) * draws.integers(0, 2, (3, 4, 5, 1))
    weight = draws.uniform(0, 1, (3, 4, 5)) * draws.integers(0, 2, (3, 4, 5))
    weight[2] = 0
    expected = [_plain_tint(*one) for one in zip(density, [ink] * 3, weight, strict=True)]
    assert tint(density, ink, weight) == pytest.approx(expected, nan_ok=True, abs=1e-12)


@given(ink_vectors, any_vectors, st.floats(0.01, 2), st.floats(0.01, 2), st.floats(1, 4))
def test_ink_of_any_strength_has_no_tint_and_more_wash_has_more(ink, wash, amount, dose, more):
    pixel = amount * ink[None, None]
    weight = np.ones((1, 1))
    assert tint(pixel, ink, weight)[0] == pytest.approx(0, abs=1e-12)
    little = tint(pixel + dose * wash, ink, weight)[0]
    much = tint(pixel + more * dose * wash, ink, weight)[0]
    assert -1e-12 <= little <= much + 1e-12 <= 1 + 1e-9


def test_a_channel_that_the_ink_hardly_darkens_does_not_tell_its_amount():
    red = np.array([0.01, 1.0, 0.9])
    assert tint(np.array([[0.0, 1.0, 0.9]]), red, np.ones(1))[0] == pytest.approx(0, abs=0.01)


@given(st.floats(0.3, 1.0), st.floats(0.0, 2.0))
def test_densities_do_not_depend_on_the_light(light, density):
    """A darker photograph of the same pixel has the same density, to the step of a byte."""
    picture = np.tile(light * PAPER, (1, 8, 8, 1))
    picture[0, 3:5, 3:5] *= np.exp(-density)
    found = densities(np.rint(picture).astype(np.uint8))
    assert found[0, 0, 0] == pytest.approx(np.zeros(3), abs=0.01)
    assert found[0, 3, 3] == pytest.approx(np.full(3, density), abs=0.15)


def _rendered(letters: str, washes: dict[str, np.ndarray], seed: int = 0, each: int = 8):
    """A line of letters in a font of Pillow's, with noise of a camera, and where they stand."""
    from PIL import Image, ImageDraw, ImageFont

    draws = np.random.default_rng(seed)
    high, wide = 32, 32
    font = ImageFont.load_default(26)
    shapes, lines, sprites = [], [], []
    for letter in letters:
        picture = Image.new("L", (wide, high), 0)
        ImageDraw.Draw(picture).text((16, 16), letter, 255, font, anchor="mm")
        shapes.append(np.asarray(picture) / 255)
    pictures = []
    for k, letter in enumerate(letters):
        for _ in range(each):
            density = shapes[k][..., None] * INK * draws.uniform(0.7, 1.2)
            if letter in washes:  # over the letter and what it encloses
                over = ndimage.binary_closing(shapes[k] > 0.3, iterations=6)
                density = density + over[..., None] * washes[letter]
            line = draws.uniform(0.8, 1.1) * PAPER * np.exp(-density)
            line = ndimage.gaussian_filter(line, (0.7, 0.7, 0)) + draws.normal(0, 3, line.shape)
            lines.append(np.clip(np.rint(line), 0, 255).astype(np.uint8))
            sprites.append(k)
        dark = [1 - one.mean(2) / 200 for one in lines[-each:]]
        pictures.append(np.clip(np.mean(dark, axis=0), 0, 1))
    count = len(sprites)
    zero = np.zeros(count, np.float32)
    seen = Occurrences(
        np.zeros((count, high, wide), np.uint8),
        np.full((count, high, wide), 255, np.uint8),
        np.array(sprites, np.int64),
        np.arange(count),
        zero,
        zero,
        np.ones(count, np.float32),
    )
    return lines, seen, np.stack(pictures)


@pytest.mark.parametrize(
    "wash", [(0.1, 0.3, 1.0), (0.25, 0.35, 0.5), (0.1, 1.0, 0.9), (0.9, 0.5, 0.1)]
)
def test_washed_letters_are_flagged_and_no_others(wash):
    letters = "CEDSaemnorstul"
    lines, seen, pictures = _rendered(letters, {"C": np.array(wash), "D": np.array(wash)})
    tints = letter_tints(lines.__getitem__, seen, pictures)
    found = coloured_letters(tints[None], np.ones((1, len(letters)), bool), 1.7, 0.05)[0]
    assert {letters[k] for k in np.flatnonzero(found)} == {"C", "D"}


def test_letters_without_a_wash_are_not_flagged_and_grey_ones_are_known():
    letters = "CEDSaemnorstul"
    lines, seen, pictures = _rendered(letters, {})
    tints = letter_tints(lines.__getitem__, seen, pictures)
    use = np.ones((1, len(letters)), bool)
    assert not coloured_letters(tints[None], use, 1.7, 0.05).any()
    grey = [np.repeat(line[..., :1], 3, axis=2) for line in lines]
    tints = letter_tints(grey.__getitem__, seen, pictures)
    assert tints == pytest.approx(np.zeros(len(letters)), abs=1e-6)
    assert not coloured_letters(tints[None], use, 1.7, 0.05).any()


def test_letters_without_occurrences_or_ink_are_not_known():
    lines, seen, pictures = _rendered("aeo", {})
    pictures[1] = 0
    only = letter_tints(lines.__getitem__, seen.where(seen.sprites != 2), pictures)
    assert np.isfinite(only).tolist() == [True, False, False]
    none = letter_tints(lines.__getitem__, seen.where(seen.sprites > 9), pictures)
    assert np.isnan(none).all()


def test_only_letters_seen_often_enough_are_flagged_and_set_the_median():
    tints = np.array([[0.04, 0.05, 0.06, 0.2, 0.9, np.nan]])
    use = np.array([[True, True, True, True, False, True]])
    assert coloured_letters(tints, use, 1.7, 0.05).tolist() == [
        [False, False, False, True, False, False]
    ]
    assert not coloured_letters(tints, use, 1.7, 0.5).any()
    assert not coloured_letters(None, use, 1.7, 0.05).any()


def _with_a_wash():
    made = make_prototypes(3, letters="abcd", document_effect=0.05)
    pictures = made.pictures.copy()
    pictures[2, 1] = 0.9  # a blot
    tints = np.full(made.counts.shape, 0.04, np.float32)
    tints[2, 1] = 0.1
    return replace(made, pictures=pictures, tints=tints)


def test_a_washed_letter_leads_no_list_and_can_be_left_out(tmp_path):
    prototypes = _with_a_wash()
    made = compare(prototypes, ComparisonOptions(clean=False))
    assert np.argwhere(made.coloured).tolist() == [[2, 1]]
    assert any("b in doc2" in note for note in made.notes)
    assert made.use[2, 1]
    ranked = {(k, g) for k, a, b in most_different(made, 4) for g in (a, b)}
    assert (1, 2) not in ranked
    plain = compare(replace(prototypes, tints=None), ComparisonOptions(clean=False))
    assert most_different(plain, 1)[0][0] == 1
    assert made.means[0, 2] == plain.means[0, 2]

    without = compare(prototypes, ComparisonOptions(clean=False, leave_out=("coloured",)))
    assert np.argwhere(without.left_out).tolist() == [[2, 1]]
    assert np.isnan(without.distances[1, 2, 0])
    assert without.means[0, 2] < made.means[0, 2]
    write_comparison(tmp_path, without)
    rows = [row.split(",") for row in (tmp_path / "distances.csv").read_text().splitlines()]
    notes = {row[-1] for row in rows if row[:3] == ["doc0", "doc2", "b"]}
    assert notes == {"left out for its flag in doc2"}


def test_the_table_of_discriminative_letters_names_washed_ones(tmp_path):
    write_comparison(tmp_path, compare(_with_a_wash(), ComparisonOptions(clean=False)))
    rows = [row.split(",") for row in (tmp_path / "discriminative.csv").read_text().splitlines()]
    place = rows[0].index("coloured")
    assert {row[2]: row[place] for row in rows[1:]} == {"a": "", "b": "doc2", "c": "", "d": ""}


def test_tints_are_kept_and_chosen_with_their_prototypes(tmp_path):
    prototypes = _with_a_wash()
    save_prototypes(tmp_path / "p.safetensors", prototypes, {})
    kept = load_prototypes(tmp_path / "p.safetensors")[0]
    assert np.array_equal(kept.tints, prototypes.tints)
    assert kept.some_groups([2]).some_letters([1, 0]).tints.tolist() == [
        [pytest.approx(0.1), pytest.approx(0.04)]
    ]


def test_a_flag_that_does_not_exist_is_refused():
    assert with_changes(ComparisonOptions(), ["leave_out=coloured"]).leave_out == ("coloured",)
    with pytest.raises(ConfigError, match="no flag 'blue'; there are orange, red, coloured"):
        ComparisonOptions(leave_out=("blue",))
