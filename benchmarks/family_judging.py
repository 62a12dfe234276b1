"""Prototypes of documents against what the documents truly look like.

Functions of `Prototypes` and `Truth`; see `families.py` for the command.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.cluster.hierarchy import fcluster
from scipy.stats import kstest, spearmanr

from family_documents import (
    GRID,
    HEIGHT,
    FamilyOptions,
    Truth,
    base_font,
    make_fonts,
    true_shapes,
)
from typica.lines.glyphs import read_glyphs
from typica.palaeography.cleaning import clean_prototypes
from typica.palaeography.comparing import distance_named
from typica.palaeography.comparison_options import DistanceName
from typica.palaeography.differences import letter_distances, usable
from typica.palaeography.families import family_tests
from typica.palaeography.prototypes import Prototypes
from typica.palaeography.tree import document_tree

__all__ = ["judge", "matched", "null_p_values", "oracle_prototypes", "rank_correlations"]

LEVEL = 0.05
_EVERY = 4  # the paper is looked at in every so many pixels
_ROOM = 3  # pixels around a box that are cut out with it


def matched(prototypes: Prototypes, truth: Truth) -> Prototypes:
    """The prototypes in the order of the truth's documents and letters, its families their own.

    Of a letter with allographs the most frequent one is taken.

    Raises:
        ValueError: If a document or letter of the truth is missing.
    """
    missing = [name for name in truth.documents if name not in prototypes.groups]
    missing += [letter for letter in truth.letters if letter not in prototypes.letters]
    if missing:
        raise ValueError(f"the prototypes lack {' '.join(missing)}")
    groups = [prototypes.groups.index(name) for name in truth.documents]
    often = prototypes.counts.sum(axis=0)
    letters = [
        max(
            (k for k, own in enumerate(prototypes.letters) if own == letter), key=lambda k: often[k]
        )
        for letter in truth.letters
    ]
    found = prototypes.some_groups(groups).some_letters(letters)
    return Prototypes(**{**vars(found), "families": truth.families})


def rank_correlations(
    found: NDArray[np.float64], true: NDArray[np.float64], letters: Sequence[str]
) -> dict[str, Any]:
    """Spearman's rank correlation of two sets of distances, `(K, G, G)` each; NaN is left out.

    Returns:
        `documents`: of the means over letters, over pairs of documents; `pooled`: over all letters
        and pairs; `letters`: of every letter (None with fewer than 10 pairs), and their median.
    """
    upper = np.triu_indices(found.shape[1], 1)
    a, b = found[:, *upper], true[:, *upper]
    known = np.isfinite(a) & np.isfinite(b)
    own: dict[str, float | None] = {}
    for k, letter in enumerate(letters):
        some = known[k]
        own[letter] = _spearman(a[k, some], b[k, some]) if some.sum() >= 10 else None
    values = [value for value in own.values() if value is not None]
    both = np.where(known, 1.0, np.nan).reshape(len(letters), -1)
    pairs = np.isfinite(both).any(axis=0)
    means = [np.nanmean(x[:, pairs] * both[:, pairs], axis=0) for x in (a, b)]
    return {
        "documents": _spearman(*means),
        "pooled": _spearman(a[known], b[known]),
        "letters_median": float(np.median(values)) if values else None,
        "letters": own,
    }


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(spearmanr(a, b).statistic)


def judge(
    prototypes: Prototypes,
    truth: Truth,
    least: int = 5,
    distance: DistanceName = "l2",
    cleaned: bool = True,
) -> dict[str, Any]:
    """Everything that is asked of a comparison, as plain values.

    Arguments:
        prototypes: Of the documents of the truth.
        truth: What they truly look like.
        least: Occurrences that a letter needs in a document.
        distance: Of two pictures.
        cleaned: As `typica palaeography compare` does; else as they were drawn.

    Returns:
        `correlation`: `rank_correlations` with the outlines' distances; `accuracy` and
        `separation` with their p-values by `family_tests`; `tree_recovered`: whether the two top
        branches are the families as drawn; `outliers`: documents said to be of the other family
        with p at most 0.05; `planted`: those that are.
    """
    own = matched(prototypes, truth)
    if cleaned:
        own = clean_prototypes(own, least=least)[0]
    by_letter = letter_distances(own.pictures, usable(own, least), distance_named(distance))
    tests = family_tests(by_letter, truth.families)
    tree = document_tree(by_letter, truth.documents, draws=0)
    branches: list[list[str]] = []
    if len(tree.merges):
        top = fcluster(tree.merges, 2, "maxclust")
        branches = [
            [name for name, n in zip(tree.names, top, strict=True) if n == one] for one in (1, 2)
        ]
    drawn = [
        {n for n, f in zip(truth.documents, truth.drawn, strict=True) if f == one}
        for one in sorted(set(truth.drawn))
    ]
    flagged = (tests.outlier > 0) & (tests.outlier_p <= LEVEL)
    return {
        "correlation": rank_correlations(by_letter, truth.outline, truth.letters),
        "accuracy": tests.accuracy,
        "accuracy_p": tests.accuracy_p,
        "separation_p": tests.separation_p,
        "tree_recovered": {frozenset(b) for b in branches} == {frozenset(d) for d in drawn},
        "branches": branches,
        "outliers": [truth.documents[g] for g in np.flatnonzero(flagged)],
        "outlier_p": dict(zip(truth.documents, tests.outlier_p.tolist(), strict=True)),
        "planted": [
            name
            for name, called, made in zip(truth.documents, truth.families, truth.drawn, strict=True)
            if called != made
        ],
        "letters_used": _used(by_letter),
    }


def _used(by_letter: NDArray[np.float64]) -> int:
    off = ~np.eye(by_letter.shape[1], dtype=bool)
    return int(np.isfinite(by_letter[:, off]).any(axis=1).sum())


def oracle_prototypes(data: Path, truth: Truth) -> Prototypes:
    """The mean of the cut-out glyphs, by their exact boxes: as well as the lines allow.

    Every glyph is moved so that its centre of ink lies where that of the true glyph does, which
    puts the baselines on one row to a fraction of a pixel, and made as dark as its darkest part.

    Arguments:
        data: From `family_documents.make_family_lines`.
        truth: Of the same folder.
    """
    groups, letters = len(truth.documents), len(truth.letters)
    centres = np.array([[_centre(picture) for picture in own] for own in truth.pictures])
    counts = np.zeros((groups, letters), np.int64)
    first, second = np.zeros((2, groups, letters, HEIGHT, GRID))
    table = json.loads((data / "annotation.json").read_text(encoding="utf-8"))
    for name, glyphs in read_glyphs(data).items():
        g = truth.documents.index(table[name]["script"])
        ink = _ink(np.asarray(Image.open(data / "images" / f"{name}.png").convert("L")))
        for glyph in glyphs:
            if glyph.symbol not in truth.letters:
                continue
            k = truth.letters.index(glyph.symbol)
            box = glyph.box
            edges = [int(v) for v in (box.left, box.top, box.right, box.bottom)]
            placed = _placed(ink, edges, centres[g, k])
            counts[g, k] += 1
            first[g, k] += placed
            second[g, k] += placed**2
    size = np.maximum(counts, 1)[..., None, None]
    mean = first / size
    variance = np.maximum(second / size - mean**2, 0) * size / np.maximum(size - 1, 1)
    errors = np.where(counts[..., None, None] > 1, np.sqrt(variance / size), np.nan)
    return Prototypes(
        truth.letters,
        truth.documents,
        truth.families,
        mean.mean(axis=0).astype(np.float32),
        mean.astype(np.float32),
        counts,
        errors.astype(np.float32),
    )


def _centre(picture: NDArray[np.floating]) -> NDArray[np.float64]:
    """The centre of ink of a picture, row and column, the first pixel from 0 to 1."""
    rows, columns = np.indices(picture.shape) + 0.5
    total = max(float(picture.sum()), 1e-9)
    return np.array([(picture * rows).sum(), (picture * columns).sum()]) / total


def _ink(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How much darker than its paper a line is."""
    values = grey.astype(np.float64)
    coarse = ndimage.percentile_filter(values[::_EVERY, ::_EVERY], 75, (9, 9))
    coarse = np.repeat(np.repeat(coarse, _EVERY, 0), _EVERY, 1)[: len(values), : values.shape[1]]
    return np.asarray(np.maximum(ndimage.gaussian_filter(coarse, 8) - values, 0))


def _placed(
    ink: NDArray[np.float64], edges: list[int], target: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One glyph on the grid; what is outside its box and its blurred rim is not its own."""
    left, top, right, bottom = edges
    inside = ink[top:bottom, left:right]
    dark = max(float(np.percentile(inside, 92)), 1.0)
    cut = np.clip(np.pad(ink, _ROOM)[top : bottom + 2 * _ROOM, left : right + 2 * _ROOM], 0, dark)
    cut[:, : _ROOM - 1] = 0
    cut[:, cut.shape[1] - _ROOM + 1 :] = 0
    move = target - _centre(inside) - _ROOM
    whole = np.floor(move).astype(int)
    sheet = np.zeros((HEIGHT + 2 * GRID, 3 * GRID))
    row, column = whole + GRID
    sheet[row : row + cut.shape[0], column : column + cut.shape[1]] = cut / dark
    moved = ndimage.shift(sheet, move - whole, order=1)
    return np.asarray(moved[GRID : GRID + HEIGHT, GRID : 2 * GRID])


def null_p_values(
    folder: Path, sets: int, options: FamilyOptions, noise: float = 0.02, base: Path | None = None
) -> dict[str, Any]:
    """The p-values of sets of documents whose families do not differ.

    Every set has its own documents; their prototypes are what they truly look like, with noise.

    Arguments:
        folder: Where the fonts are made.
        sets: How many sets.
        options: Of the documents; their family change is left out.
        noise: Standard deviation of the error of a pixel.
        base: The font; the pinned one if None.

    Returns:
        `separation_p`, `accuracy_p`, and of the separation the share of sets at or below 0.05
        and the p-value of a test of evenness (Kolmogorov and Smirnov).
    """
    base = base or base_font(folder)
    separation, accuracy, flagged = [], [], 0
    for number in range(sets):
        plain = FamilyOptions(options.documents, 1, 0.0, options.own, False, 1000 + number)
        fonts = make_fonts(folder, plain, base)
        pictures = np.stack([true_shapes(row[4])[0] for row in fonts])
        rng = np.random.default_rng([options.seed, number])
        pictures = pictures + noise * rng.standard_normal(pictures.shape)
        use = np.ones(pictures.shape[:2], bool)
        by_letter = letter_distances(pictures, use, distance_named("l2"))
        tests = family_tests(by_letter, [row[1] for row in fonts])
        separation.append(tests.separation_p)
        accuracy.append(tests.accuracy_p)
        flagged += int(((tests.outlier > 0) & (tests.outlier_p <= LEVEL)).sum())
    return {
        "sets": sets,
        "separation_p": separation,
        "accuracy_p": accuracy,
        "separation_share_below_level": float(np.mean(np.array(separation) <= LEVEL)),
        "accuracy_share_below_level": float(np.mean(np.array(accuracy) <= LEVEL)),
        "outliers_flagged_per_document": flagged / (sets * options.documents),
        "evenness_p": float(kstest(separation, "uniform").pvalue),
    }
