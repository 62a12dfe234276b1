"""Scoring at fixed draws: pictures and UNet evaluations per second, memory, bytes on disk.

The untrained small model on random pictures of three shapes (the cost does not depend on what
they show). `ours` is `typica mine score`; `plain` is the form of the paper's program: one picture
at a time, the null condition and the label in two calls of at most 10 draws, the losses of every
draw and channel kept in half precision and written, then read, interpolated to the size of the
picture one by one, and averaged. Both see the same pairs (t, noise), so the largest difference of
their maps is reported too. Every measurement runs in a process of its own, so that the peak of
memory is its own.

    python benchmarks/mining_scoring.py [--pictures 12] [--draws 20] [--size 96] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from common import write_result
from typica.hardware import choose_device, matrix_bfloat16, tune_process
from typica.images.loading import load_pixels
from typica.images.picture import Picture, PictureCollection
from typica.images.prompts import PromptTemplate
from typica.mining.config import MiningConfig, TypicalityConfig
from typica.mining.denoiser import Denoiser
from typica.mining.draws import Draws
from typica.mining.folder import MiningAbout
from typica.mining.maps import read_maps
from typica.mining.pixels import to_tensor
from typica.mining.scoring import score
from typica.mining.small import build_small
from typica.mining.typicality import upsample

LABELS = ("one", "two", "three")
KINDS = ("ours", "ours-bfloat16", "ours-channels-last", "plain")
SHAPES = ((1.0, 1.0), (1.0, 1.0), (1.5, 1.0), (1.0, 1.5))  # two squares, one wide, one tall
MICROBATCH = 10


def make_pictures(folder: Path, count: int, size: int) -> PictureCollection:
    """Random pictures as PNG files; made anew if they are there."""
    pictures = []
    for i in range(count):
        width, height = (int(size * side) for side in SHAPES[i % len(SHAPES)])
        path = folder / f"{i:04d}.png"
        noise = np.random.default_rng(i).integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(noise).save(path)
        pictures.append(Picture(path.name, path, LABELS[i % 3], "train", width, height))
    return PictureCollection(folder, tuple(pictures))


@torch.no_grad()
def plain(
    denoiser: Denoiser, collection: PictureCollection, about: MiningAbout, out: Path
) -> dict[str, np.ndarray]:
    """The paper's program's way, with our pairs (t, noise)."""
    out.mkdir()
    draws, device = Draws.of(about.config.typicality), denoiser.device
    times = denoiser.schedule.times(torch.from_numpy(draws.fractions)).to(device)
    results = {}
    for picture in collection:
        pixels = to_tensor([load_pixels(picture, about.config.size, about.factor)]).to(device)
        latent = denoiser.codec.encode(pixels)
        shape = tuple(latent.shape[1:])
        kept = []
        for start in range(0, len(draws), MICROBATCH):
            part = range(start, min(len(draws), start + MICROBATCH))
            noise = torch.stack([draws.noise(s, shape) for s in part]).to(device)
            when = times[part.start : part.stop]
            noisy = denoiser.schedule.add_noise(latent.expand_as(noise), noise, when)
            both = []
            for label in (picture.label, None):
                condition = denoiser.condition([label]).expand(len(part), -1, -1)
                found = denoiser.predict_noise(noisy, when, condition)
                both.append((found - noise).square())
            kept.append(torch.stack(both, 1).half().cpu())
        file = out / f"{picture.id}.npy"
        np.save(file, torch.cat(kept).numpy())  # (S, 2, C, h, w)
        raw = torch.from_numpy(np.load(file, allow_pickle=False)).float().mean(2)
        large = F.interpolate(raw, tuple(pixels.shape[-2:]), mode="bilinear", align_corners=False)
        results[picture.id] = (large[:, 1] - large[:, 0]).mean(0).numpy()
    return results


def measure(kind: str, given: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Seconds, memory and bytes of one way; its maps, at full size, are left in the folder."""
    tune_process()
    device = choose_device(given.device)
    collection = make_pictures(folder / "pictures", given.pictures, given.size)
    groups = min(10, given.draws)
    options = TypicalityConfig(draws=given.draws, groups=groups, batch_size=given.batch_size)
    config = MiningConfig(size=given.size, typicality=options)
    denoiser = build_small(config.small, LABELS, seed=0).to(device).eval()
    with torch.no_grad():
        for parameter in denoiser.parameters():  # an untrained output may be all zeros
            random = torch.Generator().manual_seed(parameter.numel())
            noise = torch.randn(parameter.shape, generator=random)
            parameter += 0.01 * noise.to(device)
    if kind == "ours-channels-last":
        denoiser.unet.to(memory_format=torch.channels_last)
    about = MiningAbout(
        config, "small", PromptTemplate(), LABELS, denoiser.codec.factor, {"name": "random"}, {}
    )
    warm = torch.zeros(2, denoiser.codec.channels, 8, 8, device=device)
    with torch.inference_mode():
        denoiser.output(warm, torch.zeros(2, device=device).long(), denoiser.condition([None] * 2))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    wall, cpu, out = time.perf_counter(), time.process_time(), folder / kind
    if kind == "plain":
        found = plain(denoiser, collection, about, out)
    else:
        half = kind == "ours-bfloat16"
        score(denoiser, collection, about, out, bfloat16=half, show_progress=False)
        found = {}
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    if not found:
        for maps in read_maps(out):
            picture = collection.pictures[maps.index]
            pixels = load_pixels(picture, given.size, about.factor).shape[:2]
            found[maps.id] = upsample(maps.typicality, *pixels)[0]
    np.savez(folder / f"{kind}.npz", **found)
    evaluations = given.pictures * given.draws * 2
    size = sum(file.stat().st_size for file in out.iterdir())
    result = {
        "wall_seconds": round(wall, 3),
        "cpu_seconds": round(cpu, 3),
        "pictures_per_second": round(given.pictures / wall, 3),
        "evaluations_per_second": round(evaluations / wall, 1),
        "evaluations_per_cpu_second": round(evaluations / cpu, 1),
        "peak_mib": round(peak),
        "peak_over_model_mib": round(peak - before),
        "bytes_per_picture": round(size / given.pictures),
    }
    if device.type == "cuda":
        result["peak_device_mib"] = round(torch.cuda.max_memory_allocated(device) / 2**20)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--draws", type=int, default=20, help="below 10, or a multiple of 10")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=1, help="of which the fastest counts")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one[0], given, Path(given.one[1]))))
        return
    device = choose_device(given.device)
    kinds = [k for k in given.kinds if k != "ours-bfloat16" or matrix_bfloat16(device)]
    options = ("pictures", "draws", "size", "batch_size", "device")
    rows, maps = {}, {}
    for kind in kinds:
        for _ in range(given.repeats):
            with tempfile.TemporaryDirectory() as name:
                (Path(name) / "pictures").mkdir()
                command = [sys.executable, __file__, "--one", kind, name]
                for option in options:
                    command += [f"--{option.replace('_', '-')}", str(getattr(given, option))]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                row = json.loads(done.stdout)
                with np.load(Path(name) / f"{kind}.npz", allow_pickle=False) as found:
                    maps[kind] = {key: found[key] for key in found.files}
            if kind not in rows or row["wall_seconds"] < rows[kind]["wall_seconds"]:
                rows[kind] = row
        print(kind, rows[kind], file=sys.stderr)
    result = {
        **{option: getattr(given, option) for option in options},
        "evaluations_per_picture": 2 * given.draws,
        "rows": rows,
    }
    if "plain" in rows:
        reference = rows["plain"]
        result["over_plain"] = {
            kind: {
                "speed": round(reference["wall_seconds"] / row["wall_seconds"], 2),
                "speed_cpu": round(reference["cpu_seconds"] / row["cpu_seconds"], 2),
                "disk": round(row["bytes_per_picture"] / reference["bytes_per_picture"], 5),
                "largest_difference": float(
                    max(np.abs(maps[kind][key] - maps["plain"][key]).max() for key in maps[kind])
                ),
                "largest_typicality": float(max(np.abs(m).max() for m in maps["plain"].values())),
            }
            for kind, row in rows.items()
            if kind != "plain"
        }
    write_result("mining_scoring", device, result, given.out)


if __name__ == "__main__":
    main()
