"""Seeds: random patches of a label with contrast, ranked by their neighbours' labels, no repeats.

As published: 25 000 candidates, the best match of each in every picture, the share of the label
among the first 20; then 1000 are accepted in this order, unless more than 5 of their 50 matches
are also matches (overlap above 0.3) of one accepted before. Unlike the re-implementation no patch
is drawn twice (it marks used positions wrongly), the contrast threshold is an option that works,
and a candidate's own picture is not among its matches, where it would always count as right.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ...errors import DataError
from ...images.loading import load_pixels
from ...mining.artefacts import grey
from .search import Matches
from .store import CellStore, short_side

__all__ = ["contrasts", "draw_candidates", "label_shares", "select_seeds", "shared_area"]


def contrasts(
    values: NDArray[np.int64], side: int, tops: NDArray[np.int64], lefts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The span of grey values of some patches.

    Arguments:
        values: Grey values from 0 to 255, `(H, W)`.
        side: Of the patches, in pixels.
        tops: Their top edges, `(N,)`.
        lefts: Their left edges, `(N,)`.

    Returns:
        `(N,)`: the 99th less the 1st percentile, over 255, from 0 to 1. Below 0.15,
        `skimage.exposure.is_low_contrast(fraction_threshold=0.15)` calls a picture one of low
        contrast.
    """
    views = np.lib.stride_tricks.sliding_window_view(values.astype(np.uint8), (side, side))
    low, high = np.percentile(views[tops, lefts].reshape(len(tops), -1), (1, 99), axis=1)
    spans: NDArray[np.float64] = (high - low) / 255
    return spans


def draw_candidates(
    store: CellStore, pictures: NDArray[np.int64], show_progress: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Random patches with contrast, dealt evenly over pictures.

    Arguments:
        store: Of the collection.
        pictures: Numbers of the label's pictures.
        show_progress: Show a bar on standard error.

    Returns:
        Pictures and places of the candidates, each patch once: at most `options.candidates`,
        fewer where the label has not so many. The places of a picture depend on the seed and its
        number alone.

    Raises:
        DataError: If no patch has enough contrast.
    """
    options = store.options
    usable = pictures[store.shapes[pictures, 0] > 0]
    dealt = np.random.default_rng([options.seed, len(store.pictures)]).permutation(usable).tolist()
    quota = -(-options.candidates // max(1, len(dealt)))
    most = int(store.shapes[usable].prod(1).max(initial=0))
    while True:  # once, unless some pictures have fewer good patches than their share
        queues = [
            _good_places(store, number, quota)
            for number in tqdm(
                dealt, "candidates", unit="picture", disable=not show_progress, leave=False
            )
        ]
        if sum(map(len, queues)) >= options.candidates or quota >= most:
            break
        quota *= 2
    found = [
        (number, queue[turn])
        for turn in range(quota)
        for number, queue in zip(dealt, queues, strict=True)
        if turn < len(queue)
    ][: options.candidates]
    if not found:
        raise DataError(
            f"no patch of {options.side} px has a contrast of {options.contrast}. "
            "Give --set contrast=0."
        )
    chosen = np.array(found, np.int64)
    return chosen[:, 0], chosen[:, 1]


def _good_places(store: CellStore, number: int, count: int) -> list[int]:
    """The first places of a picture with contrast, in a random order of its own."""
    options = store.options
    picture = store.pictures[number]
    rows, columns = store.shapes[number].tolist()
    order = np.random.default_rng([options.seed, number, 1]).permutation(rows * columns)
    values = grey(load_pixels(picture, short_side(picture, options), options.cell))
    found: list[int] = []
    for start in range(0, len(order), 64):  # what is not needed is not looked at
        some = order[start : start + 64]
        tops, lefts = store.corners(np.full(len(some), number), some)
        spans = contrasts(values, options.side, tops, lefts)
        found += some[spans >= options.contrast].tolist()
        if len(found) >= count:
            break
    return found[:count]


def label_shares(matches: Matches, inside: NDArray[np.bool_], top: int) -> NDArray[np.float64]:
    """Of every template, the share of its first matches that are inside the label, `(N,)`.

    Arguments:
        matches: Best first.
        inside: Of every picture, whether it has the label.
        top: How many matches are asked; those that there are, where there are fewer.
    """
    picture = matches.picture[:, :top]
    there = picture >= 0
    shares: NDArray[np.float64] = (inside[picture] & there).sum(1) / np.maximum(1, there.sum(1))
    return shares


def shared_area(
    top: NDArray[np.int64], left: NDArray[np.int64], y: int, x: int, side: int
) -> NDArray[np.float64]:
    """Intersection over union of squares of one side with another, from 0 to 1.

    Arguments:
        top: Of N squares, in pixels, `(N,)`.
        left: Likewise.
        y: Top of the other.
        x: Left of the other.
        side: Of all of them.
    """
    height = np.maximum(0, side - np.abs(top - y))
    width = np.maximum(0, side - np.abs(left - x))
    common = height * width
    areas: NDArray[np.float64] = common / (2 * side**2 - common)
    return areas


def select_seeds(
    matches: Matches, shares: NDArray[np.float64], store: CellStore
) -> NDArray[np.int64]:
    """Candidates to make detectors of: in the order of their shares, repetitions left out.

    Arguments:
        matches: Of N candidates.
        shares: Their ranking, `(N,)`; of equal ones, those come first whose matches are nearer.
        store: Of the collection.

    Returns:
        At most `options.detectors` numbers of candidates, best first.
    """
    options = store.options
    top, left = store.corners(matches.picture, matches.place)
    nearness = np.where(matches.picture >= 0, matches.score, 0)[:, : options.seed_top].mean(1)
    accepted: list[int] = []
    # of every picture: accepted number, top, left of the matches of those accepted
    taken: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for one in np.lexsort((-nearness, -shares)).tolist():
        if len(accepted) >= options.detectors:
            break
        places = [
            (p, y, x)
            for p, y, x in zip(
                matches.picture[one].tolist(), top[one].tolist(), left[one].tolist(), strict=True
            )
            if p >= 0
        ]
        common = np.zeros(len(accepted), np.int64)
        for p, y, x in places:
            if p in taken:
                others = np.array(taken[p], np.int64)
                same = shared_area(others[:, 1], others[:, 2], y, x, options.side)
                common[others[same > options.overlap, 0]] += 1
        if (common > options.most_shared).any():
            continue
        for p, y, x in places:
            taken[p].append((len(accepted), y, x))
        accepted.append(one)
    return np.array(accepted, np.int64)
