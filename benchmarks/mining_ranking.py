"""How well patches are ranked, against UNet evaluations per picture, for several ways to draw.

Takes a finished run and its pictures. The reference is the typicality of many draws (1000) with
another seed. Every way to draw pairs (t, noise) is judged, label by label, by

    spearman   rank correlation of the scores of all candidate patches (a half-overlapping grid)
    top        share of the reference's best tenth of the candidates among the way's best tenth
    elements   share of the way's best elements (5 per picture without overlap, the best fifth of
               a label) that overlap one of the reference's by more than half (IoU)

and by `claimed`, the standard error it reports over its actual error (1: honest). The reference
is itself uncertain: `reliability` is the rank correlation of its two halves.

    uniform      independent times (the paper's)
    stratified   a jittered time per stratum (ours)
    regular      the middle of every stratum, nothing random
    antithetic   stratified, every noise used twice, as eps and -eps, with one time
    importance   stratified in a measure that has more draws where scores vary more, reweighted;
                 learnt on a few pictures (its cost is not counted: it is shared by all pictures)
    independent  stratified, but every picture has noise and times of its own
    bfloat16     stratified, the UNet in bfloat16 (emulated where the hardware has none)

    python benchmarks/mining_ranking.py RUN DATA [--pictures 64] [--budgets 20 40 100 200]
        [--reference 1000] [--repeats 3] [--ways uniform stratified ...] [--out FILE.json]

Costs 2 x pictures x (reference + ways x repeats x sum of the draws) evaluations.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor
from tqdm import tqdm

from common import write_result
from typica.hardware import choose_device, tune_process
from typica.images.collection import read_pictures
from typica.images.loading import load_pixels
from typica.images.picture import Picture, PictureCollection
from typica.mining import denoiser as denoiser_module
from typica.mining.bases import load_base, load_denoiser
from typica.mining.denoiser import Denoiser
from typica.mining.draws import Draws, standard_normal, stratified_times, uniform_times
from typica.mining.estimator import Estimator
from typica.mining.folder import MODELS, MiningFolder
from typica.mining.patches import best_patches, patch_means, patch_sides
from typica.mining.pixels import to_tensor
from typica.mining.predictor import DenoiserPredictor
from typica.mining.time_density import TimeDensity, fitted_density, spread_by_time
from typica.mining.typicality import standard_error

WAYS = (
    "uniform",
    "stratified",
    "regular",
    "antithetic",
    "importance",
    "independent",
    "bfloat16",
)
GROUPS = 10


@dataclass(frozen=True)
class Way(Draws):
    """Pairs (t, noise); `units` numbers the independent unit that one belongs to (a pair of
    antithetic draws)."""

    units: np.ndarray

    def noise(self, draw: int, shape: tuple[int, ...]) -> Tensor:
        unit = int(self.units[draw])
        noise = standard_normal("noise", self.seed, unit, shape)
        repeated = draw > 0 and self.units[draw - 1] == unit
        return torch.from_numpy(-noise if repeated else noise)


def make_way(
    name: str, draws: int, low: float, high: float, seed: int, density: TimeDensity | None
) -> Way:
    """The pairs of one way to draw."""
    units, weights = np.arange(draws), None
    if name == "uniform":
        times = uniform_times(draws, low, high, seed)
    elif name == "regular":
        times = low + (high - low) * (np.arange(draws) + 0.5) / draws
        times = np.random.default_rng(seed).permutation(times)
    elif name == "antithetic":
        pairs = draws // 2
        times = np.repeat(stratified_times(pairs, groups_of(pairs), low, high, seed), 2)
        units = np.repeat(np.arange(pairs), 2)
    elif name == "importance" and density is not None:
        shares = density.quantile(stratified_times(draws, groups_of(draws), 0, 1, seed))
        times, weights = low + (high - low) * shares, 1 / density(shares)
    else:
        times = stratified_times(draws, groups_of(draws), low, high, seed)
    return Way(times, seed, units, weights=weights)


def groups_of(units: int) -> int:
    """The number of groups for so many units: 10, or the largest smaller number that divides."""
    return next(g for g in range(min(GROUPS, units), 0, -1) if units % g == 0)


def estimate(
    estimator: Estimator,
    latents: dict[str, Tensor],
    labels: dict[str, str],
    way: Way,
    own: list[float] | None = None,
) -> dict[str, np.ndarray]:
    """Group means of typicality of every picture by its id, `(G, h, w)`.

    Arguments:
        own: The range of times, if every picture is to have noise and times of its own instead
            of common ones.
    """
    shapes = defaultdict(list)
    for name, latent in latents.items():
        shapes[tuple(latent.shape)].append(name)
    groups = groups_of(int(way.units[-1]) + 1)
    found = {}
    for names in shapes.values():
        count = 1 if own else max(1, estimator.predict.room.size // 2)
        for start in range(0, len(names), count):
            part = names[start : start + count]
            used = way
            if own:
                seed = zlib.crc32(f"{way.seed}/{part[0]}".encode())
                times = stratified_times(len(way), groups, *own, seed)
                used = Way(times, seed, way.units, weights=way.weights)
            stacked = torch.stack([latents[name] for name in part])
            # a group per draw, so that pairs can be kept together afterwards
            means = estimator(stacked, [[labels[name]] for name in part], used, len(used))
            every = means.typicality[:, 0].cpu().numpy()
            for row, name in enumerate(part):
                dealt = used.units % groups
                found[name] = np.stack([every[row, dealt == g].mean(0) for g in range(groups)])
    return found


def learn_density(
    estimator: Estimator, latents: dict[str, Tensor], labels: dict[str, str], limits: list[float]
) -> TimeDensity:
    """The package's density, from 120 regular draws of 16 pictures."""
    way = make_way("regular", 120, *limits, 999, None)
    some = dict(list(latents.items())[:: max(1, len(latents) // 16)][:16])
    draws = [
        estimator(latent[None], [[labels[name]]], way, len(way)).typicality[0, 0].cpu().numpy()
        for name, latent in some.items()
    ]
    shares = (way.fractions - limits[0]) / (limits[1] - limits[0])
    return fitted_density(spread_by_time(draws, shares))


@dataclass(frozen=True)
class Patches:
    """What maps say about the patches of all pictures, label by label."""

    scores: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    elements: dict[str, list[tuple[float, str, int, int]]]


def read_patches(
    maps: dict[str, np.ndarray], pictures: list[Picture], sizes: dict[str, tuple[int, int]], side
) -> Patches:
    """Scores of the candidates, their standard errors, and the picked elements, best first."""
    scores, errors, elements = defaultdict(list), defaultdict(list), defaultdict(list)
    step = max(1, side // 2)
    for picture in pictures:
        groups = maps[picture.id]
        mean = groups.mean(0)
        every = patch_means(mean, *sizes[picture.id], side)
        grids = [
            patch_means(g - mean, *sizes[picture.id], side)[::step, ::step].ravel() for g in groups
        ]
        scores[picture.label].append(every[::step, ::step].ravel())
        if len(groups) > 1:
            errors[picture.label].append(standard_error(np.stack(grids), 0))
        for pick in best_patches([every], [side], 5):
            score = float(every[pick.row, pick.column])
            elements[picture.label].append((-score, picture.id, pick.row, pick.column))
    return Patches(
        {label: np.concatenate(found) for label, found in scores.items()},
        {label: np.concatenate(found) for label, found in errors.items()},
        {label: sorted(found) for label, found in elements.items()},
    )


def correlation(one: np.ndarray, two: np.ndarray) -> float:
    """Spearman's rank correlation."""
    return float(np.corrcoef(rankdata(one), rankdata(two))[0, 1])


def compare(found: Patches, reference: Patches, side: int, share: float = 0.2) -> dict[str, float]:
    """The four figures, means over labels; `share` of the elements are the best ones."""
    rows = []
    for label, wanted in reference.scores.items():
        scores = found.scores[label]
        count = max(1, len(wanted) // 10)
        top = set(np.argsort(-scores, kind="stable")[:count])
        best = set(np.argsort(-wanted, kind="stable")[:count])
        number = max(1, round(share * len(reference.elements[label])))
        aims = reference.elements[label][:number]
        hits = sum(
            any(name == other and overlaps(y - v, x - u, side) for _, other, v, u in aims)
            for _, name, y, x in found.elements[label][:number]
        )
        row = {
            "spearman": correlation(scores, wanted),
            "top": len(top & best) / count,
            "elements": hits / number,
        }
        if label in found.errors:
            actual = np.sqrt(np.mean(np.square(scores - wanted)))
            row["claimed"] = float(np.sqrt(np.mean(np.square(found.errors[label]))) / actual)
        rows.append(row)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def overlaps(down: int, across: int, side: int) -> bool:
    """Whether two squares that are so far apart have an intersection over union above a half."""
    shared = max(0, side - abs(down)) * max(0, side - abs(across))
    return shared / (2 * side * side - shared) > 0.5


def by_label(collection: PictureCollection) -> dict[str, list[Picture]]:
    """The pictures of every label, in an order that depends on their ids alone."""
    found: dict[str, list[Picture]] = defaultdict(list)
    for picture in sorted(collection, key=lambda p: zlib.crc32(p.id.encode())):
        found[picture.label].append(picture)
    return found


def load_latents(
    denoiser: Denoiser, pictures: list[Picture], size: int
) -> tuple[dict[str, Tensor], dict[str, tuple[int, int]]]:
    """Latents (posterior means) and working sizes (height, width) by picture id."""
    latents, sizes = {}, {}
    with torch.inference_mode():
        for picture in pictures:
            array = load_pixels(picture, size, denoiser.codec.factor)
            pixels = to_tensor([array]).to(denoiser.device)
            latents[picture.id] = denoiser.codec.encode(pixels)[0]
            sizes[picture.id] = array.shape[:2]
    return latents, sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", choices=MODELS, default="finetuned")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--budgets", type=int, nargs="+", default=[20, 40, 100, 200])
    parser.add_argument("--reference", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if min(given.budgets) < 8 or any(b % 4 for b in given.budgets) or given.reference % GROUPS:
        parser.error("--budgets: multiples of 4 from 8; --reference: a multiple of 10")
    tune_process()
    device = choose_device(given.device)
    folder = MiningFolder(given.run)
    about = folder.about()
    if given.model == "base":
        denoiser = load_base(about.base, about, device).eval()
    else:
        denoiser = load_denoiser(folder.denoiser, about, device).eval()
    collection = read_pictures(given.data)
    known = {k: found for k, found in by_label(collection).items() if k in about.labels}
    each = max(1, given.pictures // len(known))
    pictures = [picture for found in known.values() for picture in found[:each]]
    labels = {picture.id: picture.label for picture in pictures}
    latents, sizes = load_latents(denoiser, pictures, about.config.size)
    (side, *_) = patch_sides(about.config.size, about.config.elements)
    estimator = Estimator(DenoiserPredictor(denoiser, about.labels, given.batch_size), about.labels)
    limits = [about.config.typicality.t_min, about.config.typicality.t_max]
    began = time.monotonic()

    # In parts of 100 draws, as a group per draw of all of them would need much memory.
    chunks = []
    step = min(100, given.reference)
    for number in tqdm(range(max(1, given.reference // step)), desc="reference"):
        way = make_way("stratified", step, *limits, 10_000 + number, None)
        chunks.append(estimate(estimator, latents, labels, way))
    groups = {name: np.stack([c[name].mean(0) for c in chunks]) for name in latents}
    if len(chunks) == 1:
        groups = chunks[0]
    reference = read_patches(groups, pictures, sizes, side)
    halves = [
        read_patches({n: g[h::2] for n, g in groups.items()}, pictures, sizes, side)
        for h in range(2)
    ]
    reliability = compare(halves[0], halves[1], side)
    density = None
    if "importance" in given.ways:
        density = learn_density(estimator, latents, labels, limits)

    rows = []
    plan = [(way, budget) for way in given.ways for budget in given.budgets]
    real = denoiser_module.matrix_bfloat16
    for name, budget in tqdm(plan, desc="ways"):
        estimator.predict.bfloat16 = name == "bfloat16"
        if name == "bfloat16":  # emulated where need be: the digits count here, not the time
            denoiser_module.matrix_bfloat16 = lambda device: True
        repeats = []
        for seed in range(given.repeats):
            way = make_way(name, budget // 2, *limits, seed, density)
            maps = estimate(
                estimator, latents, labels, way, limits if name == "independent" else None
            )
            repeats.append(compare(read_patches(maps, pictures, sizes, side), reference, side))
        denoiser_module.matrix_bfloat16 = real
        mean = {key: float(np.mean([r[key] for r in repeats])) for key in repeats[0]}
        spread = float(np.std([r["spearman"] for r in repeats]))
        rows.append({"way": name, "evaluations": budget, **mean, "spearman_spread": spread})
        print(rows[-1], file=sys.stderr)
    result = {
        "data": about.data.get("name", ""),
        "base": about.base,
        "model": given.model,
        "size": about.config.size,
        "patch": side,
        "pictures": len(pictures),
        "candidates": int(sum(map(len, reference.scores.values()))),
        "reference_draws": given.reference,
        "repeats": given.repeats,
        "reliability": reliability,
        "density": None if density is None else [density.slope, density.bend],
        "evaluations": estimator.predict.evaluations,
        "seconds": round(time.monotonic() - began, 1),
        "rows": rows,
    }
    write_result("mining_ranking", device, result, given.out)


if __name__ == "__main__":
    main()
