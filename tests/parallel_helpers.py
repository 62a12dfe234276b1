"""A parallel set made of noise, without translating: what its readers need and no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from typica.images.loading import load_pixels
from typica.mining.opening import OpenRun
from typica.mining.run import load_model
from typica.mining.score_settings import model_digest
from typica.mining.translation.options import TranslationConfig
from typica.mining.translation.parallel import ParallelAbout, ParallelFolder, Translation


def fake_parallel(run: OpenRun, out: Path, indices: list[int], stain: int = -1) -> Path:
    """Write, or extend, a parallel set of a run's pictures.

    Arguments:
        run: Its model is taken for the one that translated.
        out: Folder of the set.
        indices: Of source pictures.
        stain: Translations to the label of this number get a black corner, a sixteenth of them.

    Returns:
        The folder.
    """
    about, folder = run.about, ParallelFolder(out)
    where = run.folder.folder.resolve()
    model = load_model(run, "finetuned", "cpu")
    told = ParallelAbout(
        TranslationConfig(),
        {
            "name": where.name,
            "path": str(where),
            "model": "finetuned",
            "digest": model_digest(model),
        },
        dict(about.data),
        about.prompt,
        about.labels,
        about.config.size,
        about.factor,
        {"features": [], "attention": []},
        {"credits": []},
    )
    folder.write_config(told.as_dict())
    for index in indices:
        picture = run.collection.pictures[index]
        place = folder.picture(index)
        place.mkdir(parents=True, exist_ok=True)
        real = load_pixels(picture, about.config.size, about.factor)
        Image.fromarray(real).save(place / "real.png")
        Image.fromarray(real).save(place / "reconstruction.png")
        rows = []
        for k, target in enumerate(about.labels):
            if target == picture.label:
                continue
            rng = np.random.default_rng([index, k])
            made = np.clip(real + rng.normal(0, 12, real.shape), 0, 255).astype(np.uint8)
            if k == stain:
                made[: real.shape[0] // 4, : real.shape[1] // 4] = 0
            file = folder.translation(index, about.labels, target)
            Image.fromarray(made).save(file)
            names = (file, place / "real.png", place / "reconstruction.png")
            rows.append(
                Translation(
                    index,
                    picture.id,
                    picture.label,
                    target,
                    *(path.relative_to(out).as_posix() for path in names),
                    0.0,
                    None,
                    0.0,
                    None,
                )
            )
        folder.write_rows(index, rows)
    return out
