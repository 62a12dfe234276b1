"""Does giving draws by need find a label's best elements with fewer evaluations, honestly?

Takes a finished run and its pictures. Four ways to spend draws (t, noise) are compared at the
mean number that a picture gets:

    plain      every picture as many, times stratified (the default)
    balanced   the same, noise fields that cancel one another (typicality.noise=balanced)
    importance balanced, and more draws at times where they vary more
               (typicality.sampling=importance; the pilot's draws are not counted)
    adaptive   a first pass of few, then rounds for pictures that can still have one of the best
               elements (typicality.adaptive), of draws of either kind, for several values of
               typicality.reach; who gets more is decided by the package's own functions

Losses of single draws are kept in a store and never computed twice, so an interrupted measurement
goes on, and one store serves all ways and shares. Plain draws are taken from a pool, one in each
stratum; repetitions take others, so they are not independent of each other. The reference is the
mean of balanced estimates of 20 draws; one that a way uses is left out of it.

How much there is to win depends on the share of all picked patches (5 per picture) that are kept;
each `share` is judged as if `elements.per_label` had been that. Means over labels and repetitions:

    draws      per picture, mean; a draw is two evaluations of the UNet
    elements   share of the way's best elements that overlap one of the reference's by more than
               half
    order      rank correlation of the best elements' scores with the reference's readings of them
    optimism   mean excess of these scores over the readings, in standard errors
    coverage   share of the best elements whose reading is within 1.96 standard errors (the
               reference's added)
    spearman   rank correlation of the scores of all candidate patches (a half-overlapping grid)
    everywhere coverage, of all candidate patches
    bias       mean excess over the reference of all candidate patches, in standard errors

    python benchmarks/mining_adaptive.py RUN DATA --store FOLDER [--labels A B] [--each 60]
        [--first 10 --most 80 --groups 10] [--shares 0.05 0.2 0.67] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from common import write_result
from mining_draws import Losses, Store, grouped, stratum_draws
from mining_ranking import by_label, correlation, load_latents, overlaps
from typica.hardware import choose_device, tune_process
from typica.images.collection import read_pictures
from typica.images.picture import PictureCollection
from typica.mining.bases import load_denoiser
from typica.mining.config import TypicalityConfig
from typica.mining.elements import Element, label_elements
from typica.mining.estimator import Estimator
from typica.mining.folder import MiningAbout, MiningFolder
from typica.mining.maps import PictureMaps
from typica.mining.patches import patch_means, patch_readings, patch_sides
from typica.mining.pilot import density_of_times
from typica.mining.predictor import DenoiserPredictor
from typica.mining.rounds import bars_of, joined, reaching, standings
from typica.mining.typicality import standard_error

CHUNK = 20
"""Draws of the pool, and of estimates of the reference, that are computed at once."""
GROUPS = 10
"""Of the ways that give every picture as many draws."""


class Judge:
    """The reference, and how far maps agree with it.

    Arguments:
        collection: The pictures.
        about: The run, one side of patches.
        means: Estimates of every picture that the reference is the mean of, `(R, h, w)`.
    """

    def __init__(self, collection: PictureCollection, about: MiningAbout, means: Losses) -> None:
        self.collection, self.about, self.means = collection, about, means
        (self.side,) = patch_sides(about.config.size, about.config.elements)
        self.sizes: dict[str, tuple[int, int]] = {}

    def maps(self, index: int, groups: np.ndarray, draws: int) -> PictureMaps:
        """Group means `(G, h, w)` of a picture as scoring keeps them."""
        picture = self.collection.pictures[index]
        mean = groups.mean(0)
        return PictureMaps(
            index, picture.id, (picture.label,), mean[None], (groups - mean)[None], mean, 1, draws
        )

    def truth(self, rows: Sequence[int]) -> list[PictureMaps]:
        """The reference, of some of the estimates."""
        return [
            self.maps(i, self.means[one.id][list(rows)], CHUNK * len(rows))
            for i, one in enumerate(self.collection)
        ]

    def elements(self, some: Sequence[PictureMaps]) -> dict[str, list[Element]]:
        """All picks of every label, best first."""
        found = defaultdict(list)
        for one in some:
            for label, kinds in label_elements(
                one, self.collection, self.about, ("typical",)
            ).items():
                found[label] += kinds["typical"]
        return {label: sorted(picks) for label, picks in found.items()}

    def candidates(self, some: Sequence[PictureMaps]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Scores and standard errors on the grid of every label."""
        scores, errors = defaultdict(list), defaultdict(list)
        step = max(1, self.side // 2)
        for one in some:
            label, size = one.labels[0], self.sizes[one.id]
            read = [
                patch_means(cells, *size, self.side)[::step, ::step].ravel()
                for cells in (one.typicality[0], *one.groups[0])
            ]
            scores[label].append(read[0])
            errors[label].append(standard_error(np.stack(read[1:]), 0))
        return {k: (np.concatenate(scores[k]), np.concatenate(errors[k])) for k in scores}

    def __call__(
        self, some: Sequence[PictureMaps], rows: Sequence[int], shares: Sequence[float]
    ) -> dict[float, dict[str, float]]:
        """The figures, for every share of elements that are kept."""
        truth = self.truth(rows)
        picks, aims = self.elements(some), self.elements(truth)
        grid, right = self.candidates(some), self.candidates(truth)
        whole = defaultdict(list)
        for label, (score, error) in grid.items():
            target, spread = right[label]
            whole["spearman"].append(correlation(score, target))
            whole["everywhere"].append(
                np.mean(abs(score - target) < 1.96 * np.hypot(error, spread))
            )
            whole["bias"].append(np.mean(score - target) / np.mean(error))
        result = {}
        for share in shares:
            found = defaultdict(list)
            for label, every in picks.items():
                number = round(share * len(aims[label]))
                best = every[:number]
                places = defaultdict(list)
                for aim in aims[label][:number]:
                    places[aim.picture].append(aim.patch)
                found["elements"].append(
                    np.mean(
                        [
                            any(
                                overlaps(
                                    p.row - one.patch.row, p.column - one.patch.column, self.side
                                )
                                for p in places[one.picture]
                            )
                            for one in best
                        ]
                    )
                )
                read, spread = self._readings(best, truth)
                score = np.array([one.typicality for one in best])
                error = np.array([one.error for one in best])
                found["order"].append(correlation(score, read))
                found["optimism"].append(np.mean(score - read) / np.mean(error))
                found["coverage"].append(
                    np.mean(abs(score - read) < 1.96 * np.hypot(error, spread))
                )
            figures = {k: float(np.mean(v)) for k, v in (found | whole).items()}
            result[share] = {"draws": float(np.mean([one.draws for one in some])), **figures}
        return result

    def _readings(self, best: Sequence[Element], truth: Sequence[PictureMaps]):
        """What the reference says of patches, and its standard error."""
        read, spread = [], []
        for one in best:
            maps, size = truth[one.picture], self.sizes[truth[one.picture].id]
            cells = np.concatenate([maps.typicality, maps.groups[0]])
            (values,) = patch_readings(cells, *size, [one.patch])
            read.append(values[0])
            spread.append(standard_error(values[1:], 0))
        return np.array(read), np.array(spread)


def adaptive(
    judge: Judge,
    blocks: Sequence[Losses],
    groups: int,
    per_label: int,
    reach: float,
    balanced: bool,
):
    """Maps as scoring in rounds makes them, from blocks of draws that were computed before."""
    config = judge.about.config
    about = replace(
        judge.about, config=replace(config, typicality=replace(config.typicality, reach=reach))
    )
    parts = [
        [
            judge.maps(
                i, grouped({one.id: block[one.id]}, groups, balanced)[one.id], len(block[one.id])
            )
            for block in blocks
        ]
        for i, one in enumerate(judge.collection)
    ]
    have = [1] * len(parts)
    for _ in blocks[1:]:
        now = [joined(part[:count]) for part, count in zip(parts, have, strict=True)]
        found = [one for maps in now for one in standings(maps, judge.collection, about)]
        for index in reaching(found, bars_of(found, per_label)):
            have[index] = min(have[index] + 1, len(blocks))
    return [joined(part[:count]) for part, count in zip(parts, have, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--store", type=Path, required=True, help="folder of losses, made if needed"
    )
    parser.add_argument("--labels", nargs="+", help="all of the run unless given")
    parser.add_argument("--each", type=int, default=60, help="pictures per label")
    parser.add_argument("--pool", type=int, default=200, help="plain draws, a multiple of 20")
    parser.add_argument("--reference", type=int, default=20, help="balanced estimates of 20 draws")
    parser.add_argument("--first", type=int, default=10, help="typicality.adaptive")
    parser.add_argument("--most", type=int, default=80, help="typicality.draws")
    parser.add_argument("--groups", type=int, default=GROUPS, help="of the draws by need")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.2, 0.67])
    parser.add_argument("--reaches", type=float, nargs="+", default=[0, 0.5, 1, 1.5])
    parser.add_argument("--budgets", type=int, nargs="+", default=[10, 20, 30, 50, 80, 100])
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    tune_process()
    device = choose_device(given.device)
    folder = MiningFolder(given.run)
    about = folder.about()
    denoiser = load_denoiser(folder.denoiser, about, device).eval()
    everything = read_pictures(given.data)
    wanted, available = given.labels or list(about.labels), by_label(everything)
    pictures = tuple(one for label in wanted for one in available[label][: given.each])
    collection = PictureCollection(everything.root, pictures)
    latents, sizes = load_latents(denoiser, list(pictures), about.config.size)
    labels = {one.id: one.label for one in pictures}
    estimator = Estimator(DenoiserPredictor(denoiser, about.labels, given.batch_size), about.labels)
    store = Store(given.store, estimator, latents, labels, about.config.typicality)

    plan = TypicalityConfig(draws=given.most, groups=given.groups, adaptive=given.first).blocks
    if plan.count(CHUNK) > 1:
        parser.error(f"--first {given.first}: no two blocks of {CHUNK}, the reference's own")

    store.density, _ = density_of_times(
        denoiser, collection, about, given.store, {"precision": "float32"}
    )

    def balanced(draws: int, seed: int, sampling: str = "stratified") -> Losses:
        groups = GROUPS if draws % GROUPS == 0 else given.groups
        kind = "balanced" if sampling == "stratified" else sampling
        return store(f"{kind}-{draws:03d}-{seed:03d}", draws=draws, groups=groups,
                     sampling=sampling, noise="balanced", seed=seed)[0]  # fmt: skip

    chunks = [
        store(f"uniform-{CHUNK:03d}-{seed:03d}", draws=CHUNK, groups=GROUPS, sampling="uniform",
              noise="independent", seed=5000 + seed)
        for seed in range(given.pool // CHUNK)
    ]  # fmt: skip
    pool = {name: np.concatenate([found[name] for found, _ in chunks]) for name in latents}
    times = np.concatenate([found for _, found in chunks])
    twenties = [balanced(CHUNK, seed) for seed in range(given.reference)]
    sizes_of_blocks = sorted({10, 40, *plan} - {CHUNK})
    others = {size: [balanced(size, 1000 + seed) for seed in range(4)] for size in sizes_of_blocks}
    emphatic = {
        size: [
            balanced(size, 2000 + seed, "importance") for seed in range(8 if size == CHUNK else 4)
        ]
        for size in sorted({CHUNK, 30, 40, *plan})
    }
    judge = Judge(
        collection, about, {n: np.stack([t[n].mean(0) for t in twenties]) for n in latents}
    )
    judge.sizes = sizes
    every = list(range(given.reference))
    random = np.random.default_rng(0)

    def pooled(count: int, left: np.ndarray, groups: int) -> tuple[Losses, np.ndarray]:
        """A stratified block of the pool, and the draws that are left after it."""
        picked = left[stratum_draws(times[left], count, random, groups)]
        return {n: m[picked] for n, m in pool.items()}, np.setdiff1d(left, picked)

    def plain(block: Losses, calibrate: bool) -> list[PictureMaps]:
        found = grouped(block, GROUPS, calibrate)
        return [judge.maps(i, found[one.id], len(block[one.id])) for i, one in enumerate(pictures)]

    scored: dict[tuple, list[dict[str, float]]] = defaultdict(list)

    def note(way: str, setting: float, maps, rows, shares) -> None:
        for share, figures in judge(maps, rows, shares).items():
            scored[share, way, setting].append(figures)

    for h in range(2):
        half = judge.truth(every[h::2])
        note("half of the reference", 0, half, every[1 - h :: 2], given.shares)
    for budget in given.budgets:
        for _ in range(given.repeats):
            block, _ = pooled(budget, np.arange(given.pool), GROUPS)
            note("plain", budget, plain(block, False), every, given.shares)
    for seed in range(4):
        for size in (10, 40):
            note("balanced", size, plain(others[size][seed], True), every, given.shares)
    for size, found in emphatic.items():
        for block in found:
            note("importance", size, plain(block, True), every, given.shares)
    for seed in every:
        rest = [one for one in every if one != seed]
        note("balanced", CHUNK, plain(twenties[seed], True), rest, given.shares)
    for repeat in range(given.repeats):
        left, blocks = np.arange(given.pool), []
        for size in plan[::-1]:
            block, left = pooled(size, left, given.groups)
            blocks.insert(0, block)
        seed = repeat % given.reference
        rest = [one for one in every if one != seed]
        quiet = [
            twenties[seed] if size == CHUNK else others[size][(repeat + plan[:i].count(size)) % 4]
            for i, size in enumerate(plan)
        ]
        loud = [emphatic[size][(repeat + plan[:i].count(size)) % 4] for i, size in enumerate(plan)]
        for share in given.shares:
            per_label = round(share * about.config.elements.per_picture * given.each)
            for reach in given.reaches:
                found = adaptive(judge, blocks, given.groups, per_label, reach, False)
                note("adaptive", reach, found, every, [share])
                found = adaptive(judge, quiet, given.groups, per_label, reach, True)
                note("adaptive, balanced", reach, found, rest, [share])
                found = adaptive(judge, loud, given.groups, per_label, reach, True)
                note("adaptive, importance", reach, found, every, [share])
    rows = []
    for (share, way, setting), figures in scored.items():
        mean = {k: round(float(np.mean([one[k] for one in figures])), 4) for k in figures[0]}
        rows.append(
            {"share": share, "way": way, "setting": setting, "repeats": len(figures), **mean}
        )
    rows.sort(key=lambda row: (row["share"], row["way"], row["setting"]))
    for row in rows:
        print(row, file=sys.stderr)
    result = {
        "data": about.data.get("name", ""),
        "labels": wanted,
        "size": about.config.size,
        "patch": judge.side,
        "pictures": len(pictures),
        "density": [store.density.slope, store.density.bend],
        "blocks": list(plan),
        "pool": given.pool,
        "reference": CHUNK * given.reference,
        "rows": rows,
    }
    write_result("mining_adaptive", device, result, given.out)


if __name__ == "__main__":
    main()
