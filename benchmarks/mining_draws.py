"""How few draws (t, noise) give the ranking that 100 plain ones give, and are the errors honest?

Takes a finished run and its pictures. Three ways to draw are compared at several numbers of draws:

    uniform      independent times and noise (the paper's)
    stratified   one time in each of as many parts of the range (the default)
    balanced     the same, and noise fields that cancel one another (typicality.noise=balanced)

Losses of single draws are kept in a store and never computed twice, so an interrupted measurement
goes on. Of `uniform` there is a pool of draws, of which disjoint parts, or one in each stratum,
are taken. Of `balanced` every estimate has its own seed. The reference is the mean of all balanced
estimates of 20 draws, of which a balanced estimate that is judged is left out; `reference` tells
how well its two halves agree, and whether it agrees with the mean of the pool (`z`, root mean
square difference over its standard error: 1 if both estimate the same).

Per way and number of draws, means over labels and repetitions:

    spearman   rank correlation of the scores of all candidate patches (a half-overlapping grid)
    top        share of the reference's best tenth of the candidates among the way's best tenth
    elements   share of the way's best elements that overlap one of the reference's best by more
               than half; best are as many as the best 1000 of the label in the whole collection
    claimed    reported standard error over actual error
    coverage   share of candidates whose reference is within 1.96 standard errors (the
               reference's added)
    optimism   mean excess of the best elements' scores over the reference, in standard errors
    variance   of a candidate's score, over that of a single plain draw

    python benchmarks/mining_draws.py RUN DATA --store FOLDER [--labels A B C] [--each 6]
        [--pool 200] [--repeats 10] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from common import write_result
from mining_ranking import Patches, by_label, compare, load_latents, read_patches
from typica.files import atomic_path
from typica.hardware import choose_device, tune_process
from typica.images.collection import read_pictures
from typica.mining.balance import calibrated
from typica.mining.bases import load_denoiser
from typica.mining.config import TypicalityConfig
from typica.mining.draws import Draws
from typica.mining.estimator import Estimator
from typica.mining.folder import MiningFolder
from typica.mining.patches import patch_means, patch_sides
from typica.mining.predictor import DenoiserPredictor
from typica.mining.time_density import TimeDensity

Losses = dict[str, np.ndarray]
"""T of every draw of a picture, `(S, h, w)`, by its id."""

CHUNK = 20
"""Draws of the pool that are computed at once."""
REFERENCE = 20
"""Draws of the estimates that the reference is the mean of."""


class Store:
    """Losses of single draws of some pictures, computed when first asked for."""

    def __init__(
        self,
        folder: Path,
        estimator: Estimator,
        latents: dict[str, Tensor],
        labels: dict[str, str],
        about: TypicalityConfig,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.estimator, self.about = folder, estimator, about
        self.latents, self.labels = latents, labels
        self.density: TimeDensity | None = None  # of importance-sampled times

    def __call__(self, name: str, **options: object) -> tuple[Losses, np.ndarray]:
        """Losses by picture, and the draws' times as shares of the range."""
        config = replace(self.about, **options)
        density = self.density if config.sampling == "importance" else None
        draws = Draws.of(config, density=density)
        path = self.folder / f"{name}.npz"
        if not path.exists():
            began = time.process_time()
            found = self._losses(draws)
            arrays = [found[key] for key in self.latents]
            with atomic_path(path) as aside, aside.open("wb") as file:
                np.savez(file, *arrays)
            print(f"{name}: {time.process_time() - began:.0f} s of CPU", file=sys.stderr)
        with np.load(path, allow_pickle=False) as file:
            kept = {key: file[f"arr_{i}"] for i, key in enumerate(self.latents)}
        return kept, (draws.fractions - config.t_min) / (config.t_max - config.t_min)

    def _losses(self, draws: Draws) -> Losses:
        shapes = defaultdict(list)
        for name, latent in self.latents.items():
            shapes[tuple(latent.shape)].append(name)
        found = {}
        for names in shapes.values():
            stacked = torch.stack([self.latents[name] for name in names])
            wanted = [[self.labels[name]] for name in names]
            means = self.estimator(stacked, wanted, draws, len(draws))  # a group per draw
            for row, name in enumerate(names):
                found[name] = means.typicality[row, 0].cpu().numpy()
        return found


def grouped(losses: Losses, groups: int, balanced: bool = False) -> Losses:
    """Means of the groups of draws, as the package keeps them."""
    result = {}
    for name, every in losses.items():
        mean = every.mean(0)
        parts = np.stack([every[g::groups].mean(0) for g in range(groups)]) - mean
        result[name] = mean + (calibrated(parts[None])[0] if balanced else parts)
    return result


def stratum_draws(
    shares: np.ndarray, count: int, random: np.random.Generator, most: int = 10
) -> np.ndarray:
    """A draw of the pool in each of `count` strata, at random, dealt to `most` groups, or fewer."""
    strata = np.minimum((shares * count).astype(int), count - 1)
    rows = []
    for stratum in range(count):
        inside = np.flatnonzero(strata == stratum)
        if len(inside) == 0:
            inside = np.argsort(abs(shares - (stratum + 0.5) / count))[:1]
        rows.append(random.choice(inside))
    groups = min(most, count)
    dealt = random.permuted(np.array(rows).reshape(-1, groups), axis=1)
    return dealt.ravel()


def optimism(
    found: Patches, maps: Losses, truth: Losses, sizes: dict[str, tuple[int, int]], side: int, share
) -> float:
    """Mean excess of the best elements' scores over the reference, in their standard errors."""
    excess, errors = [], []
    for elements in found.elements.values():
        for negated, name, row, column in elements[: max(1, round(share * len(elements)))]:
            at = (row, column)
            excess.append(-negated - patch_means(truth[name], *sizes[name], side)[at])
            parts = [patch_means(g, *sizes[name], side)[at] for g in maps[name]]
            errors.append(np.std(parts, ddof=1) / np.sqrt(len(parts)))
    return float(np.mean(excess) / np.mean(errors))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--store", type=Path, required=True, help="folder of losses, made if needed"
    )
    parser.add_argument("--labels", nargs="+", help="all of the run unless given")
    parser.add_argument("--each", type=int, default=6, help="pictures per label")
    parser.add_argument("--pool", type=int, default=200, help="plain draws, a multiple of 100")
    parser.add_argument("--repeats", type=int, default=10, help="balanced estimates of 20 draws")
    parser.add_argument("--budgets", type=int, nargs="+", default=[5, 10, 20, 50, 100])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    tune_process()
    device = choose_device(given.device)
    folder = MiningFolder(given.run)
    about = folder.about()
    denoiser = load_denoiser(folder.denoiser, about, device).eval()
    available = by_label(read_pictures(given.data))
    wanted = given.labels or list(about.labels)
    pictures = [picture for label in wanted for picture in available[label][: given.each]]
    labels = {picture.id: picture.label for picture in pictures}
    latents, sizes = load_latents(denoiser, pictures, about.config.size)
    (side, *_) = patch_sides(about.config.size, about.config.elements)
    average = np.mean([len(available[label]) for label in wanted])
    share = min(1.0, 1000 / (about.config.elements.per_picture * average))
    estimator = Estimator(DenoiserPredictor(denoiser, about.labels, given.batch_size), about.labels)
    options = about.config.typicality
    store = Store(given.store, estimator, latents, labels, options)

    def balanced(draws: int, seed: int) -> Losses:
        name = f"balanced-{draws:03d}-{seed:03d}"
        groups = 10 if draws % 10 == 0 else 2
        return store(
            name, draws=draws, groups=groups, sampling="stratified", noise="balanced", seed=seed
        )[0]

    def read(maps: Losses) -> Patches:
        return read_patches(maps, pictures, sizes, side)

    def joined(found: Patches) -> np.ndarray:
        return np.concatenate([found.scores[label] for label in wanted])

    chunks = [
        store(f"uniform-{CHUNK:03d}-{seed:03d}", draws=CHUNK, groups=10, sampling="uniform",
              noise="independent", seed=5000 + seed)
        for seed in range(given.pool // CHUNK)
    ]  # fmt: skip
    pool = {name: np.concatenate([found[name] for found, _ in chunks]) for name in latents}
    shares = np.concatenate([found for _, found in chunks])
    estimates = [balanced(REFERENCE, seed) for seed in range(given.repeats)]
    means = {name: np.stack([one[name].mean(0) for one in estimates]) for name in latents}

    def reference(rows: list[int]) -> Losses:
        return {name: every[rows] for name, every in means.items()}

    everything = list(range(given.repeats))
    single = np.stack(
        [joined(read({n: m[s : s + 1] for n, m in pool.items()})) for s in range(given.pool)]
    )
    plain_variance = single.var(0, ddof=1).mean()
    whole = read(reference(everything))
    spread = np.concatenate([whole.errors[label] for label in wanted])
    gap = joined(whole) - single.mean(0)
    halves = [read(reference(everything[h::2])) for h in range(2)]
    agreement = compare(halves[0], halves[1], side, share)
    z = np.sqrt(np.mean(gap**2) / np.mean(spread**2 + single.var(0, ddof=1) / given.pool))

    def judged(maps: Losses, rows: list[int]) -> tuple[dict[str, float], np.ndarray]:
        truth = reference(rows)
        target, found = read(truth), read(maps)
        row = compare(found, target, side, share)
        inside = [
            abs(found.scores[k] - target.scores[k])
            < 1.96 * np.hypot(found.errors[k], target.errors[k])
            for k in wanted
        ]
        row["coverage"] = float(np.mean([one.mean() for one in inside]))
        mean = {name: every.mean(0) for name, every in truth.items()}
        row["optimism"] = optimism(found, maps, mean, sizes, side, share)
        return row, joined(found)

    rows = []
    random = np.random.default_rng(0)
    plan = [("uniform", b) for b in given.budgets] + [("stratified", b) for b in given.budgets]
    plan += [("balanced", b) for b in given.budgets if 10 <= b <= 50]
    for way, budget in plan:
        scored = []
        if way == "uniform":
            for part in range(min(10, given.pool // budget)):
                rest = {n: m[part * budget : (part + 1) * budget] for n, m in pool.items()}
                scored.append(judged(grouped(rest, min(10, budget)), everything))
        elif way == "stratified":
            for _ in range(5):
                picked = stratum_draws(shares, budget, random)
                scored.append(
                    judged(grouped({n: m[picked] for n, m in pool.items()}, min(10, budget)),
                           everything)
                )  # fmt: skip
        elif budget == REFERENCE:
            for seed in everything:
                others = [other for other in everything if other != seed]
                scored.append(judged(grouped(estimates[seed], 10, True), others))
        else:
            for seed in range(max(2, min(given.repeats, 80 // budget))):
                found = balanced(budget, 1000 + seed)
                scored.append(judged(grouped(found, 10, True), everything))
        row = {
            key: round(float(np.mean([one[key] for one, _ in scored])), 4) for key in scored[0][0]
        }
        if way == "uniform":
            ratio = 1 / budget
        elif len(scored) > 1 and way == "balanced":
            ratio = np.stack([v for _, v in scored]).var(0, ddof=1).mean() / plain_variance
        else:
            ratio = float("nan")
        row["variance"] = None if np.isnan(ratio) else round(float(ratio), 5)
        evaluations = 2 * budget
        rows.append({"way": way, "draws": budget, "evaluations": evaluations,
                     "repeats": len(scored), **row})  # fmt: skip
        print(rows[-1], file=sys.stderr)
    result = {
        "data": about.data.get("name", ""),
        "labels": wanted,
        "size": about.config.size,
        "patch": side,
        "pictures": len(pictures),
        "candidates": int(sum(map(len, whole.scores.values()))),
        "best_share_of_elements": round(float(share), 4),
        "pool": given.pool,
        "reference": {
            "draws": REFERENCE * given.repeats,
            "halves": agreement,
            "z": round(float(z), 3),
        },
        "rows": rows,
    }
    write_result("mining_draws", device, result, given.out)


if __name__ == "__main__":
    main()
