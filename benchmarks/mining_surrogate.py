"""Does a surrogate order patches as well with a fifth of the evaluations, and what does it cost?

Takes a finished run and its pictures, and the store of draws that `mining_adaptive.py` fills (what
is missing is computed). A surrogate is taught as scoring teaches it (typicality.surrogate), on all
pictures of the data, and kept in the store. Then, with and without it, as many draws of balanced
noise, their times stratified or drawn by importance, are judged against the reference of 400
balanced draws, beside 20, 50 and 100 plain draws (times stratified, noises independent; `uniform`:
times independent as well, the paper's).

    spearman, top      rank correlation of all candidate patches with the reference; share of the
                       reference's best tenth among the way's best tenth
    elements           share of the best elements that overlap one of the reference's by more than
                       half, where a share of all picked patches is kept
    coverage, bias     share of the candidates whose reference is within 1.96 standard errors (the
                       reference's added); mean excess in standard errors
    seconds            of one core: teaching, and what a picture takes under the UNet and under the
                       surrogate

    python benchmarks/mining_surrogate.py RUN DATA --store FOLDER [--labels A B] [--each 60]
        [--steps 1500] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from common import write_result
from mining_adaptive import CHUNK, GROUPS, Judge
from mining_draws import Losses, Store, grouped, stratum_draws
from mining_ranking import by_label, load_latents
from typica.files import write_json
from typica.hardware import choose_device, tune_process
from typica.images.collection import read_pictures
from typica.images.picture import PictureCollection
from typica.mining.balance import calibrated
from typica.mining.bases import load_denoiser
from typica.mining.control import Control
from typica.mining.draws import Draws
from typica.mining.estimator import Estimator, Means
from typica.mining.folder import MiningFolder
from typica.mining.maps import PictureMaps
from typica.mining.pilot import density_of_times
from typica.mining.predictor import DenoiserPredictor, SurrogatePredictor
from typica.mining.surrogate_job import SURROGATE_FILE, read_surrogate, surrogate_of


class Bench:
    """The pictures, the UNet's draws, and the surrogate."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.device = choose_device(given.device)
        folder = MiningFolder(given.run)
        about = folder.about()
        typicality = replace(
            about.config.typicality,
            surrogate=given.steps,
            surrogate_width=given.width,
            noise="balanced",
            groups=GROUPS,
            draws=CHUNK,
            adaptive=None,
        )
        self.about = replace(about, config=replace(about.config, typicality=typicality))
        self.denoiser = load_denoiser(folder.denoiser, about, self.device).eval()
        everything = read_pictures(given.data)
        self.wanted, available = given.labels or list(about.labels), by_label(everything)
        self.pictures = [one for label in self.wanted for one in available[label][: given.each]]
        self.latents, sizes = load_latents(self.denoiser, self.pictures, about.config.size)
        self.labels = {one.id: one.label for one in self.pictures}
        unet = Estimator(
            DenoiserPredictor(self.denoiser, about.labels, given.batch_size), about.labels
        )
        config = about.config.typicality
        self.store = Store(given.store, unet, self.latents, self.labels, config)
        collection = PictureCollection(everything.root, tuple(self.pictures))
        plain = {"precision": "float32"}
        self.store.density, _ = density_of_times(
            self.denoiser, collection, about, given.store, plain
        )
        # taught on all pictures; its rows are those of the labels of the run
        settings = plain | {"steps": given.steps, "width": given.width}
        path = given.store / f"{given.steps}-{given.width}" / SURROGATE_FILE
        path.parent.mkdir(exist_ok=True)
        told, began = path.parent / "teaching.json", time.process_time()
        self.coefficients, evaluations = surrogate_of(
            self.denoiser, everything, self.about, path.parent, settings
        )
        if not told.exists():
            seconds = round(time.process_time() - began, 1)
            write_json(told, {"evaluations": evaluations, "seconds": seconds})
        self.teaching = json.loads(told.read_text())
        surrogate, _ = read_surrogate(path, settings)
        predict = SurrogatePredictor(
            surrogate.to(self.device), self.denoiser.schedule, given.batch_size
        )
        self.small = Estimator(predict, everything.labels)
        self.seconds: dict[str, float] = {}
        reference = range(given.reference)
        self.twenties = [self.draws(CHUNK, "stratified", seed) for seed in reference]
        means = {n: np.stack([t[n].mean(0) for t in self.twenties]) for n in self.latents}
        self.judge = Judge(collection, about, means)
        self.judge.sizes = sizes

    def options(self, count: int, sampling: str, seed: int) -> dict[str, object]:
        return {
            "draws": count,
            "groups": GROUPS,
            "sampling": sampling,
            "noise": "balanced",
            "seed": seed,
        }

    def draws(self, count: int, sampling: str, seed: int) -> Losses:
        kind = "balanced" if sampling == "stratified" else sampling
        name = f"{kind}-{count:03d}-{seed:03d}"
        return self.store(name, **self.options(count, sampling, seed))[0]

    def maps(self, means: Losses, draws: int, balanced: bool) -> list[PictureMaps]:
        """Maps from the group means of every picture."""
        found = []
        for index, picture in enumerate(self.pictures):
            groups = means[picture.id]
            mean = groups.mean(0)
            parts = groups - mean
            made = mean + (calibrated(parts[None])[0] if balanced else parts)
            found.append(self.judge.maps(index, made, draws))
        return found

    def with_surrogate(self, count: int, sampling: str, seed: int) -> list[PictureMaps]:
        """As scoring finds them, from the UNet's draws and the surrogate's."""
        config = replace(self.about.config.typicality, **self.options(count, sampling, seed))
        density = self.store.density if sampling == "importance" else None
        control = Control(self.small, self.coefficients, config, density)
        draws = Draws.of(config, density=density)
        model = grouped(self.draws(count, sampling, seed), GROUPS)
        found: Losses = {}
        began = time.process_time()
        shapes = defaultdict(list)
        for name, latent in self.latents.items():
            shapes[tuple(latent.shape)].append(name)
        for names in shapes.values():
            stacked = torch.stack([self.latents[name] for name in names])
            # the UNet's are of its estimator already, group by group
            typicality = torch.from_numpy(np.stack([model[name] for name in names]))[:, None]
            grid = torch.zeros(len(names), *stacked.shape[-2:])
            wanted = [[self.labels[name]] for name in names]
            means = control(
                Means(typicality, grid, grid[:, None]), stacked, wanted, draws, 0, "null"
            )
            for row, name in enumerate(names):
                found[name] = means.typicality[row, 0].cpu().numpy()
        self.seconds[f"surrogate, {count} draws, a picture"] = (time.process_time() - began) / len(
            self.pictures
        )
        return self.maps(found, count, True)

    def measure_unet(self, count: int = CHUNK, pictures: int = 16) -> None:
        """Seconds of the UNet for a picture."""
        config = replace(self.about.config.typicality, **self.options(count, "stratified", 424_242))
        names = list(self.latents)[:pictures]
        wanted = [[self.labels[name]] for name in names]
        stacked = torch.stack([self.latents[name] for name in names])
        self.store.estimator(stacked, wanted, Draws.of(config), GROUPS)  # the first is slower
        began = time.process_time()
        self.store.estimator(stacked, wanted, Draws.of(config), GROUPS)
        self.seconds[f"UNet, {count} draws, a picture"] = (time.process_time() - began) / len(names)


def top(judge: Judge, some: list[PictureMaps], rows: list[int]) -> float:
    """Share of the reference's best tenth of the candidates among the best tenth found."""
    found, truth = judge.candidates(some), judge.candidates(judge.truth(rows))
    shares = []
    for label, (score, _) in found.items():
        count = len(score) // 10
        best, aims = (set(np.argsort(-one)[:count]) for one in (score, truth[label][0]))
        shares.append(len(best & aims) / count)
    return float(np.mean(shares))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--store", type=Path, required=True, help="made if needed")
    parser.add_argument("--labels", nargs="+", help="all of the run unless given")
    parser.add_argument("--each", type=int, default=60, help="pictures per label")
    parser.add_argument("--steps", type=int, default=1500, help="typicality.surrogate")
    parser.add_argument("--width", type=int, default=32, help="typicality.surrogate_width")
    parser.add_argument("--reference", type=int, default=20, help="balanced estimates of 20 draws")
    parser.add_argument("--pool", type=int, default=200, help="plain draws, a multiple of 20")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.2, 0.67])
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    tune_process()
    given.store.mkdir(parents=True, exist_ok=True)
    bench = Bench(given)
    every = list(range(given.reference))
    scored: dict[tuple[str, int], list[dict[str, float]]] = defaultdict(list)

    def note(way: str, draws: int, maps: list[PictureMaps], rows: list[int]) -> None:
        figures: dict[str, float] = {"top": top(bench.judge, maps, rows)}
        for share, found in bench.judge(maps, rows, given.shares).items():
            figures[f"elements {share}"] = found["elements"]
            figures |= {
                "spearman": found["spearman"],
                "coverage": found["everywhere"],
                "bias": found["bias"],
            }
        scored[way, draws].append(figures)

    pools = [
        bench.store(f"uniform-{CHUNK:03d}-{n:03d}", draws=CHUNK, groups=GROUPS, sampling="uniform",
                    noise="independent", seed=5000 + n)
        for n in range(given.pool // CHUNK)
    ]  # fmt: skip
    pool = {name: np.concatenate([found[name] for found, _ in pools]) for name in bench.latents}
    times = np.concatenate([found for _, found in pools])
    random = np.random.default_rng(0)
    for budget in (20, 50, 100):
        for _ in range(given.repeats):
            for way, rows in (
                ("plain", stratum_draws(times, budget, random, GROUPS)),
                ("uniform", random.choice(len(times), budget, replace=False)),
            ):
                block = grouped({n: m[rows] for n, m in pool.items()}, GROUPS)
                note(way, budget, bench.maps(block, budget, False), every)
    for seed in range(given.repeats):
        rest = [one for one in every if one != seed]
        for count, sampling, first in (
            (20, "stratified", 0),
            (10, "importance", 2000),
            (20, "importance", 2000),
            (40, "importance", 2000),
        ):
            name = "balanced" if sampling == "stratified" else sampling
            plain = grouped(bench.draws(count, sampling, first + seed), GROUPS)
            rows = rest if sampling == "stratified" else every
            note(name, count, bench.maps(plain, count, True), rows)
            maps = bench.with_surrogate(count, sampling, first + seed)
            note(f"{name}, surrogate", count, maps, rows)
    bench.measure_unet()
    rows = []
    for (way, draws), figures in scored.items():
        mean = {k: round(float(np.mean([one[k] for one in figures])), 4) for k in figures[0]}
        rows.append({"way": way, "draws": draws, "repeats": len(figures), **mean})
        print(rows[-1], file=sys.stderr)
    result = {
        "data": bench.about.data.get("name", ""),
        "labels": bench.wanted,
        "size": bench.about.config.size,
        "patch": bench.judge.side,
        "pictures": len(bench.pictures),
        "steps": given.steps,
        "width": given.width,
        "coefficients": {k: round(v, 4) for k, v in asdict(bench.coefficients).items()},
        "teaching": bench.teaching,
        "seconds": {k: round(v, 4) for k, v in bench.seconds.items()},
        "reference": CHUNK * given.reference,
        "rows": rows,
    }
    write_result("mining_surrogate", bench.device, result, given.out)


if __name__ == "__main__":
    main()
