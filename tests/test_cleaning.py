"""Cleaning of prototypes: equal to the published form on bytes, pieces, flags at every size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from typica.errors import ConfigError
from typica.palaeography.cleaning import (
    CleaningOptions,
    clean,
    clean_prototypes,
    deviations,
    kept_pieces,
    letter_masks,
    quality,
    reference_masks,
)
from typica.palaeography.prototypes import Prototypes

from .prototype_helpers import smooth

PUBLISHED = CleaningOptions(components="largest")


def largest_piece(mask):
    """The largest 4-connected piece of a mask of 0 and 255, by flood fill."""
    best, todo = [], {(int(y), int(x)) for y, x in np.argwhere(mask)}
    for seed in sorted(todo):
        if seed not in todo:
            continue
        todo.remove(seed)
        piece, border = [seed], [seed]
        while border:
            y, x = border.pop()
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if near in todo:
                    todo.remove(near)
                    piece.append(near)
                    border.append(near)
        if len(piece) > len(best):
            best = piece
    out = np.zeros_like(mask)
    for y, x in best:
        out[y, x] = 255
    return out


def dilated(mask):
    """One dilation by the 3 x 3 cross, written out."""
    out = mask.copy()
    out[1:] |= mask[:-1]
    out[:-1] |= mask[1:]
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    return out


def published(reference, document):
    """Appendix F.2 on bytes, ink black: the filtered prototype and the deviation."""
    mask = np.where(reference < 0.8 * 255, 255, 0)
    mask = largest_piece(dilated(dilated(mask)))
    m = ndimage.gaussian_filter(mask.astype(float), 1)
    filtered = 255 - m + document * m / 255
    ink = largest_piece(np.where(document < 0.65 * 255, 255, 0))
    return filtered, (ink * (255 - m)).sum() / 255**2


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.5, 2.5))
def test_cleaning_is_the_published_form_on_inverted_bytes(seed, sigma):
    rng = np.random.default_rng(seed)
    reference, document = np.clip(128 + 90 * smooth(rng, (2, 17, 14), sigma), 0, 255).astype(int)
    filtered, deviation = published(reference, document)
    for kind in (np.float64, np.float32):  # as prototypes are kept
        before, drawn = ((255 - one).astype(kind) / kind(255) for one in (reference, document))
        masks = reference_masks(before[None], PUBLISHED)
        cleaned = clean(drawn[None], masks)[0]
        np.testing.assert_allclose(255 * (1 - cleaned), filtered, atol=1e-4)
        assert deviations(drawn[None], masks)[0] == pytest.approx(deviation, abs=1e-6)


def test_a_value_on_the_threshold_is_no_ink():
    # 204 of 255 is 0.8: not below it, so no ink
    for kind in (np.float64, np.float32):
        grey = np.full((1, 9, 9), kind(255 - 204) / kind(255))
        assert not reference_masks(grey).any()
        assert reference_masks(grey + kind(0.001)).all()


def letter_i():
    """A stem, its dot, a speck above it and a neighbour's remains."""
    ink = np.zeros((24, 16), bool)
    ink[10:22, 6:9] = True
    ink[2:5, 6:9] = True
    ink[0, 7] = True
    ink[12:20, 14:16] = True
    return ink


def test_the_dot_of_the_i_stays_and_the_neighbour_goes():
    ink = letter_i()
    assert np.array_equal(np.argwhere(kept_pieces(ink, "largest")), np.argwhere(ink[:, :9])[10:])
    reaching = kept_pieces(ink, "reaching")
    assert reaching[2:5, 6:9].all()
    assert not reaching[0].any()  # 1 of 36 pixels
    assert not reaching[:, 14:].any()  # 16 pixels beside a stem of 36
    assert np.array_equal(kept_pieces(ink, "all"), ink)
    ink[8:22, 14:] = True  # as large as half a letter: it cannot be told from a part of it
    assert kept_pieces(ink, "reaching")[:, 14:].any()


def test_two_halves_side_by_side_are_one_letter():
    quotes = np.zeros((10, 12), bool)
    quotes[2:6, 1:4] = True
    quotes[2:6, 7:10] = True
    assert np.array_equal(kept_pieces(quotes, "reaching"), quotes)
    assert kept_pieces(quotes, "largest")[:, 1:4].any()  # of equals the first
    assert not kept_pieces(quotes, "largest")[:, 7:].any()
    assert not kept_pieces(np.zeros((4, 4), bool), "reaching").any()


def test_the_flag_means_the_same_at_every_size():
    ink = np.zeros((1, 48, 48))
    ink[:, 10:40, 10:20] = 1
    more = ink.copy()
    more[:, 10:14, 20:27] = 1  # 28 pixels, of which the mask has about 10
    for factor in (1, 2, 3):
        one, other = (np.kron(x, np.ones((1, factor, factor))) for x in (ink, more))
        options = CleaningOptions(dilations=2 * factor, blur=factor)
        found = deviations(other, reference_masks(one, options), options)
        assert quality(found, (48 * factor, 48 * factor), options).tolist() == ["orange"]
        assert 15.5 * factor**2 < found[0] < 30 * factor**2
    values = [0, 15.4, 15.5, 30, 30.1, np.nan]
    wanted = ["good", "good", "orange", "orange", "red", "unknown"]
    assert quality(np.array(values), (48, 48)).tolist() == wanted
    assert quality(np.array(values) * 0.75, (48, 36)).tolist() == wanted


def test_all_prototypes_are_cleaned_by_their_reference():
    rng = np.random.default_rng(0)
    reference = np.zeros((2, 24, 16), np.float32)
    reference[0][letter_i()] = 1
    reference[0, :, 13:] = 0
    pictures = np.stack([reference, reference])
    pictures[1, 0, 14:, 12:] = 0.9  # a stain on one document
    pictures[0, 1] = np.nan
    errors = rng.random(pictures.shape).astype(np.float32)
    given = Prototypes(
        ("i", "o"), ("A", "B"), ("", ""), reference, pictures, np.ones((2, 2), np.int64), errors
    )
    cleaned, found, flags = clean_prototypes(given)
    masks = reference_masks(reference)
    np.testing.assert_allclose(cleaned.pictures[1], pictures[1] * masks, atol=1e-6)
    np.testing.assert_allclose(cleaned.errors, errors * masks, atol=1e-6)
    assert cleaned.pictures.dtype == np.float32
    assert cleaned.pictures[0, 0, 3, 7] == pytest.approx(1, abs=0.02)  # the dot is there
    assert cleaned.pictures[1, 0, :, 13:].max() < 0.01
    assert found.shape == flags.shape == (2, 2)
    # the stain is a piece of 40 pixels, larger than the stem: the published flag sees it
    assert flags.tolist() == [["good", "unknown"], ["red", "good"]]
    assert np.isnan(found[0, 1])
    assert found[1, 0] == pytest.approx((1 - masks[0])[14:, 12:].sum())


def marked_letters(documents=4):
    """A stem that the reference knows; a stroke above it that it does not; neighbours beside it.

    The stroke is in all documents, a neighbour in every one at another place.
    """
    reference = np.zeros((1, 24, 18), np.float32)
    reference[0, 9:22, 7:11] = 1
    pictures = np.repeat(reference[None], documents, axis=0)
    pictures[:, 0, 1:4, 6:12] = 0.4
    for number in range(documents):
        pictures[number, 0, 9 + 2 * number : 12 + 2 * number, 15:18] = 0.9
    counts = np.full((documents, 1), 9, np.int64)
    names = tuple("ABCDEFGH"[:documents])
    errors = np.zeros_like(pictures)
    return Prototypes(("ã",), names, ("",) * documents, reference, pictures, counts, errors)


def test_what_all_documents_have_above_a_letter_belongs_to_it_and_neighbours_do_not():
    given = marked_letters()
    masks = letter_masks(given)
    assert masks[0, 2, 8] > 0.9  # published cleaning takes the stroke off
    assert letter_masks(given, CleaningOptions(letter="reference"))[0, 2, 8] < 0.01
    assert masks[0, :, 15:].max() < 0.01  # 0.225 in the mean, but beside the letter
    everywhere = letter_masks(given, CleaningOptions(documents_ink=0.2, components="all"))
    assert everywhere[0, 10, 16] > 0.9
    # a document that shows the letter too rarely has no say
    rare = replace(given, counts=np.full((4, 1), 4, np.int64))
    published = reference_masks(given.reference)
    np.testing.assert_array_equal(letter_masks(rare, least=5), published)
    # nor has a picture that is not known
    lost = replace(given, pictures=np.full_like(given.pictures, np.nan))
    np.testing.assert_array_equal(letter_masks(lost), published)


def test_a_document_is_judged_by_the_others_not_by_itself():
    given = marked_letters()
    pictures = given.pictures.copy()
    pictures[:, 0, 4:9, 7:11] = 0.9  # joins the stroke to the stem, in all documents
    pictures[:, 0, 1:4, 6:12] = 0.9
    pictures[:, 0, :, 15:] = 0
    pictures[2, 0, 12:20, 11:18] = 0.9  # and a stain, in one
    flags = clean_prototypes(replace(given, pictures=pictures), least=5)[2]
    assert flags[:, 0].tolist() == ["good", "good", "red", "good"]
    published = clean_prototypes(
        replace(given, pictures=pictures), CleaningOptions(letter="reference")
    )[2]
    assert set(published[:, 0].tolist()) <= {"orange", "red"}
    alone = clean_prototypes(replace(given, pictures=pictures).some_groups([2]), least=5)[2]
    assert alone[0, 0] == "red"  # with no other document the reference alone judges


@pytest.mark.parametrize(
    "changes",
    [
        {"reference_ink": 0.0},
        {"document_ink": 1.0},
        {"documents_ink": 0.0},
        {"letter": "all"},
        {"components": "some"},
        {"flagged_components": "none"},
        {"dilations": -1},
        {"blur": -0.1},
        {"orange": 31.0},
        {"orange": 0.0},
    ],
)
def test_options_that_cannot_work_are_named(changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        CleaningOptions(**changes)
