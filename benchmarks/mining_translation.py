"""DDIM inversion and translation: the error that comes back, against steps; seconds per picture.

On a mining run: pictures are inverted with their own label, in the plain and in the exact form,
and denoised again without guidance in as many steps as a translation takes. `rmse` is in grey
levels (0 to 255); `evaluations` of the UNet and `seconds` are per picture; `deviation` is the
standard deviation of the noise that the inversion ends at, 1 if it were white noise of the model;
`residual` is what an exact step leaves of its equation. Last, the time of translating a picture to
all other labels.

    python benchmarks/mining_translation.py RUN [--pictures 6] [--steps 50] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from common import write_result
from typica.hardware import tune_process
from typica.images.loading import load_pixels
from typica.images.sizes import working_size
from typica.mining.opening import open_run
from typica.mining.pixels import to_tensor
from typica.mining.run import load_model
from typica.mining.translation.injection import choose_places
from typica.mining.translation.inversion import denoise_along, invert, rmse, translation_times
from typica.mining.translation.job import choose_pictures
from typica.mining.translation.options import translation_preset
from typica.mining.translation.translating import translate

PLAIN = (50, 200, 999)
ITERATIONS = (2, 3, 5, 50)
"""Most evaluations per step of the exact form; the last lets it converge."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--steps", type=int, default=50, help="of the translation")
    parser.add_argument("--plain", type=int, nargs="*", default=PLAIN, help="inversion steps")
    parser.add_argument("--iterations", type=int, nargs="*", default=ITERATIONS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    tune_process()
    run = open_run(given.run)
    denoiser = load_model(run, "finetuned", given.device)
    about = run.about
    count = -(-given.pictures // len(about.labels))
    chosen = choose_pictures(run.collection, about.labels, count, 0)
    pictures = [run.collection.pictures[index] for index in chosen]
    shapes = [working_size(p.width, p.height, about.config.size, about.factor) for p in pictures]
    # inverted together, so of one shape
    pictures = [p for p, shape in zip(pictures, shapes, strict=True) if shape == shapes[0]]
    pictures = pictures[: given.pictures]
    arrays = [load_pixels(p, about.config.size, about.factor) for p in pictures]
    real = to_tensor(arrays).to(denoiser.device)
    latents, labels = denoiser.codec.encode(real), [p.label for p in pictures]
    start = replace(
        translation_preset("small" if about.base == "small" else "default"), steps=given.steps
    )
    times = translation_times(denoiser.schedule.steps, start)
    forms: list[dict[str, Any]] = [
        {"inversion": "plain", "inversion_steps": steps} for steps in given.plain
    ]
    forms += [
        {"inversion": "exact", "inversion_steps": given.steps, "iterations": most}
        for most in given.iterations
    ]
    rows = []
    for form in forms:
        config = replace(start, **form)
        began = time.perf_counter()
        found = invert(denoiser, latents, labels, config)
        again = denoise_along(denoiser, found.at(times[0]), labels, times)
        errors = rmse(real, denoiser.codec.decode(again)).cpu().numpy()
        seconds = (time.perf_counter() - began) / len(pictures)
        rows.append(
            {
                **form,
                "rmse": round(float(errors.mean()), 4),
                "worst_rmse": round(float(errors.max()), 4),
                "evaluations": round(found.evaluations / len(pictures), 1),
                "seconds": round(seconds, 3),
                "deviation": round(float(found.at(times[0]).std()), 3),
                "residual": None if found.residual is None else float(found.residual.max()),
            }
        )
        print(rows[-1], flush=True)
    places = choose_places(denoiser.unet, start.block)
    pairs = [(k, t) for k, own in enumerate(labels) for t in about.labels if t != own]
    began = time.perf_counter()
    translate(denoiser, found, labels, pairs, config, places)
    seconds = (time.perf_counter() - began) / len(pictures)
    floor = rmse(real, denoiser.codec.decode(latents)).cpu().numpy()
    write_result(
        "mining_translation",
        denoiser.device,
        {
            "pictures": len(pictures),
            "size": about.config.size,
            "labels": len(about.labels),
            "steps": given.steps,
            "codec_rmse": round(float(np.mean(floor)), 4),
            "inversion": rows,
            "translation_seconds_per_picture": round(seconds, 3),
            "places": places.as_dict(),
        },
        given.out,
    )


if __name__ == "__main__":
    main()
