"""Linear SVM detectors, trained in rounds on disjoint subsets of the pictures.

The pictures are dealt into l = 3 subsets. In round i a detector's best k = 5 matches among the
label's pictures of subset i become its positives, and every place of the other labels' pictures
of subset i is a negative, so that what a detector learned in one subset is tested on the next:
that is the original paper (Doersch et al. 2012, section 4). The published re-implementation lets
the subsets grow (1/3, 2/3, 3/3 of the places), so its detectors find their own positives again,
and takes 10 000 to 25 000 random negatives.

All places of all negative pictures are some hundred thousand, and an SVM needs only those inside
its margin. So it is trained on a few, looks for those of the others that are inside the margin
(one matrix product for all detectors), takes them in, and is trained again. Where no
more are found, it is the SVM of all of them, exactly; what is left after the last pass is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ...errors import DataError, DependencyError
from .options import DoerschOptions
from .search import Matches, search
from .store import CellStore

__all__ = ["Detectors", "deal", "fit_svm", "train_round"]

_MARGIN = 1e-3
"""A negative that is inside the margin by less than this changes nothing that matters."""
_GROUP = 64
"""Detectors whose training descriptors are in memory at a time."""


@dataclass(frozen=True)
class Detectors:
    """Linear detectors, and how far their training came.

    Arguments:
        weights: `(N, length)` float32.
        bias: `(N,)` float32; it changes no detector's order of matches.
        positives: Numbers of pictures they were trained on, `(N, k)`; -1 for none.
        negatives: How many they were trained on, `(N,)`.
        inside: Negative pictures with a place that is still inside the margin, `(N,)`; up to
            `options.hard` are counted.
    """

    weights: Tensor
    bias: Tensor
    positives: Tensor
    negatives: Tensor
    inside: Tensor

    def as_tensors(self) -> dict[str, Tensor]:
        """For a file."""
        return dict(vars(self))


def deal(
    inside: NDArray[np.bool_], usable: NDArray[np.bool_], rounds: int, seed: int
) -> NDArray[np.int64]:
    """Deal pictures into disjoint subsets, those of the label and the others evenly each.

    Arguments:
        inside: Whether a picture has the label, `(P,)`.
        usable: Whether it can be searched, `(P,)`.
        rounds: How many subsets.
        seed: Of the order.

    Returns:
        The subset of every picture, `(P,)`; -1 of unusable ones.

    Raises:
        DataError: If a subset would have no picture with, or none without the label.
    """
    subset = np.full(len(inside), -1, np.int64)
    for part in (True, False):
        own = np.flatnonzero(usable & (inside == part))
        if len(own) < rounds:
            which = "with" if part else "without"
            raise DataError(
                f"only {len(own)} usable pictures {which} the label, for {rounds} disjoint "
                "subsets. Give more pictures, or --set rounds=1."
            )
        order = np.random.default_rng([seed, int(part)]).permutation(own)
        subset[order] = np.arange(len(own)) % rounds
    return subset


def fit_svm(
    positives: NDArray[np.float32], negatives: NDArray[np.float32], cost: float
) -> tuple[NDArray[np.float32], float]:
    """The linear SVM of some examples.

    Arguments:
        positives: `(n, D)`.
        negatives: `(m, D)`.
        cost: C, the same for every example.

    Returns:
        Weights `(D,)` and bias: positives should have `x . w + b` of at least 1.

    Raises:
        DependencyError: If scikit-learn is missing.
    """
    try:
        from sklearn.svm import SVC
    except ImportError as error:
        raise DependencyError(
            "detectors need scikit-learn: pip install 'typica[mining]'"
        ) from error
    examples = np.concatenate([positives, negatives]).astype(np.float64)
    signs = np.repeat([1, -1], [len(positives), len(negatives)])
    # there are fewer examples than numbers in each: products once, instead of at every step
    machine = SVC(kernel="precomputed", C=cost, tol=1e-4).fit(examples @ examples.T, signs)
    weights = machine.dual_coef_[0] @ examples[machine.support_]
    return weights.astype(np.float32), float(machine.intercept_[0])


def train_round(
    templates: Tensor,
    store: CellStore,
    own: NDArray[np.int64],
    others: NDArray[np.int64],
    *,
    device: torch.device | None = None,
    title: str = "round",
    show_progress: bool = True,
) -> Detectors:
    """One round: the best matches of every template become the positives of an SVM.

    Arguments:
        templates: `(N, length)`: descriptors, or weights of the round before.
        store: Of the collection.
        own: Numbers of the label's pictures in the subset.
        others: Of the other labels' pictures in the subset.
        device: Where to multiply.
        title: Of the bars.
        show_progress: Show bars on standard error.
    """
    options = store.options

    def look(weights: Tensor, pictures: NDArray[np.int64], top: int, what: str) -> Matches:
        return search(
            weights, store, pictures, top, device=device, title=f"{title}, {what}",
            show_progress=show_progress,
        )  # fmt: skip

    positives = look(templates, own, options.positives, "positives")
    found = look(templates, others, options.hard, "negatives")
    sets = [
        {(p, at) for p, at in zip(*rows, strict=True) if p >= 0}
        for rows in zip(found.picture.tolist(), found.place.tolist(), strict=True)
    ]
    for number in range(options.passes):
        bar = f"{title}, fit {number + 1}"
        weights, bias = _fit_all(positives, sets, store, bar, show_progress)
        found = look(weights, others, options.hard, "negatives")
        within = found.score + bias.numpy()[:, None] > _MARGIN - 1
        inside = []
        for one, flags in enumerate(within):
            new = {
                (p, at)
                for p, at in zip(
                    found.picture[one, flags].tolist(),
                    found.place[one, flags].tolist(),
                    strict=True,
                )
            } - sets[one]
            inside.append(len(new))
            if number + 1 < options.passes:
                sets[one] |= new
        if not any(inside):
            break
    return Detectors(
        weights,
        bias,
        torch.from_numpy(positives.picture),
        torch.tensor([len(one) for one in sets]),
        torch.tensor(inside),
    )


def _fit_all(
    positives: Matches,
    sets: list[set[tuple[int, int]]],
    store: CellStore,
    title: str,
    show_progress: bool,
) -> tuple[Tensor, Tensor]:
    """An SVM for every detector, from its positives and its set of negatives."""
    options: DoerschOptions = store.options
    weights = torch.zeros(len(sets), options.length)
    bias = torch.zeros(len(sets))
    bar = tqdm(total=len(sets), desc=title, unit="detector", disable=not show_progress, leave=False)
    with bar:
        for start in range(0, len(sets), _GROUP):
            group = range(start, min(start + _GROUP, len(sets)))
            places: list[tuple[int, int]] = []
            counts: list[tuple[int, int]] = []
            for one in group:
                there = positives.picture[one] >= 0
                good = zip(
                    positives.picture[one, there].tolist(),
                    positives.place[one, there].tolist(),
                    strict=True,
                )
                places += [*good, *sorted(sets[one])]
                counts.append((int(there.sum()), len(sets[one])))
            columns = np.array(places, np.int64)
            rows = store.descriptors(columns[:, 0], columns[:, 1]).numpy()
            at = 0
            for one, (good_count, bad_count) in zip(group, counts, strict=True):
                middle, end = at + good_count, at + good_count + bad_count
                found, offset = fit_svm(rows[at:middle], rows[middle:end], options.cost)
                weights[one], bias[one] = torch.from_numpy(found), offset
                at = end
                bar.update()
    return weights, bias
