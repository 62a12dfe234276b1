"""The comparison as one job: mine the samples, compare, write tables and page.

    config.json                     options, and which samples and run these are
    guidance-7.5/                   maps, elements, features and clusters of the samples
    pictures/                       whole pictures as vectors
    comparison.json, measures.csv, clusters.csv
    index.html                      the page

Mining and describing pictures takes long and is resumed; comparing is quick and done again, so
options of the comparison may change in the same folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ...errors import DataError, RunError
from ...files import write_json
from ...hardware import choose_device, tune_process
from ...runs import Run, require_outside
from ..bases import load_denoiser
from ..denoiser import Denoiser
from ..independent import descriptors
from ..opening import OpenRun
from ..score_settings import model_digest
from .comparison import Calibration, LabelComparison, Real, calibrate, compare, prepare
from .mined import MinedSet, mine_samples, quotas, read_mined
from .options import BiasOptions
from .sample_folder import SampleFolder, Samples, guidance_name
from .sets import LabelSet, draw_pictures, label_set
from .tables import write_tables
from .vectors import PictureVectors, picture_vectors

__all__ = ["BiasResult", "bias_run"]

FORMAT = 1
"""Version of the folder."""


@dataclass(frozen=True)
class BiasResult:
    """What a comparison wrote.

    Arguments:
        page: The page.
        tables: JSON and CSV.
        found: All labels and strengths.
        calibrations: By label.
    """

    page: Path
    tables: tuple[Path, ...]
    found: tuple[LabelComparison, ...]
    calibrations: dict[str, Calibration]


def bias_run(
    run: OpenRun,
    samples: Path,
    out: Path,
    options: BiasOptions | None = None,
    *,
    device: str = "auto",
    show_progress: bool = True,
) -> BiasResult:
    """Compare samples of a run's model with the run's pictures.

    Arguments:
        run: A run that was mined.
        samples: Folder that `typica mine sample` made.
        out: Folder for what is found; goes on with what is there.
        options: Of the comparison.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show bars on standard error.

    Returns:
        What was found, and where it was written.

    Raises:
        RunError: If the run was not mined, samples are missing or of another model, or `out`
            holds another comparison.
    """
    from .summary import write_page  # the page needs what this module made

    options = options or BiasOptions()
    tune_process()
    folder = SampleFolder(samples)
    wanted = folder.read()
    require_outside(out, samples)
    require_outside(out, run.collection.root)
    real = read_mined(run.folder, run.collection)
    denoiser = load_denoiser(run.folder.denoiser, run.about, choose_device(device))
    if wanted.settings.get("model") != model_digest(denoiser) or wanted.labels != run.about.labels:
        raise RunError(
            f"{samples}: drawn from another model than that of {run.folder.folder}. Give the run "
            "that they were drawn from, or sample again."
        )
    about = _about(run, wanted, options)
    _require_own(out, about)
    with Run(out).locked():
        write_json(out / "config.json", {"format": FORMAT, **about})
        mined: dict[float, MinedSet] = {}
        for guidance in wanted.guidance:
            collection = folder.collection(wanted, guidance)
            place = out / f"guidance-{guidance_name(guidance)}"
            keep = quotas(real, collection)
            mined[guidance] = mine_samples(
                denoiser, run.about, collection, keep, place, show_progress
            )
        labels = [one for one in run.about.labels if len(real.table.rows(one, "typical"))]
        sets, pools = _sets(denoiser, run, real, mined, labels, out, options, show_progress)
        prepared: dict[str, Real] = {}
        calibrations: dict[str, Calibration] = {}
        found: list[LabelComparison] = []
        for label in tqdm(labels, "comparing", unit="label", disable=not show_progress):
            number = run.about.labels.index(label)
            pool, chosen, count = pools[label]
            prepared[label] = prepare(sets[None][label], pool, count, options)
            calibrations[label] = calibrate(
                prepared[label], run.about.config.clusters, options, number
            )
            found += [
                compare(
                    prepared[label],
                    sets[guidance][label],
                    chosen,
                    calibrations[label],
                    options,
                    label=(number, label),
                    guidance=guidance,
                )
                for guidance in mined
            ]
        tables = write_tables(out, found, calibrations, about)
        page = write_page(
            out / "index.html", run, wanted, real, mined, prepared, found, calibrations, options
        )
    return BiasResult(page, tables, tuple(found), calibrations)


def _about(run: OpenRun, samples: Samples, options: BiasOptions) -> dict[str, Any]:
    return {
        "instrument": "mining bias",
        "run": {"name": run.folder.folder.name, "data": run.about.data.get("digest")},
        "samples": samples.as_dict(),
        "options": options.as_dict(),
    }


def _require_own(out: Path, about: dict[str, Any]) -> None:
    """Refuse a folder that holds something else, or the comparison of other samples."""
    if not (out / "config.json").exists():
        names = [p.name for p in out.iterdir() if p.name[0] != "."] if out.is_dir() else []
        if names or (out.exists() and not out.is_dir()):
            raise RunError(f"{out}: holds something else. Give another --out.")
        return
    old = Run(out).read_config()
    ours = {**about["samples"], "guidance": None}
    theirs = {**(old.get("samples") or {}), "guidance": None}
    if old.get("instrument") != about["instrument"] or old.get("run") != about["run"]:
        raise RunError(f"{out}: holds something else. Give another --out.")
    other = sorted(k for k in ours if ours[k] != theirs.get(k))
    if other:
        raise RunError(f"{out}: compares other samples ({', '.join(other)}). Give another --out.")


Sets = dict[float | None, dict[str, LabelSet]]
"""By strength, None for the real pictures, and by label."""
Pool = tuple[NDArray[np.int64], NDArray[np.int64], int]


def _sets(
    denoiser: Denoiser,
    run: OpenRun,
    real: MinedSet,
    mined: dict[float, MinedSet],
    labels: list[str],
    out: Path,
    options: BiasOptions,
    show_progress: bool,
) -> tuple[Sets, dict[str, Pool]]:
    """The elements of every set and label, with the vectors of the pictures that take part."""
    everything: dict[float | None, MinedSet] = {None: real}
    for strength, some in mined.items():
        everything[strength] = some
    pools: dict[str, Pool] = {}
    vectors: dict[tuple[float | None, str], tuple[NDArray[np.int64], PictureVectors]] = {}
    for label in labels:
        number = run.about.labels.index(label)
        counts = {g: one.collection.counts().get(label, 0) for g, one in everything.items()}
        sampled = min(counts[g] for g in mined)
        if min(sampled, counts[None]) < 2:
            raise DataError(f"{label}: fewer than two pictures or samples. Sample more.")
        pools[label] = draw_pictures(counts[None], sampled, options.seed, number)
        for guidance, one in everything.items():
            chosen = np.sort(pools[label][0]) if guidance is None else pools[label][1]
            own = [picture for picture in one.collection if label in picture.labels]
            name = "real" if guidance is None else f"guidance-{guidance_name(guidance)}"
            vectors[guidance, label] = (
                chosen,
                picture_vectors(
                    denoiser,
                    run.about,
                    [own[i] for i in chosen],
                    out / "pictures" / f"{name}-{number:03d}.safetensors",
                    show_progress,
                ),
            )
    # gradients and colours count the same over the real pictures of all labels
    ground = np.concatenate([vectors[None, label][1].small for label in labels])
    sets: Sets = {}
    for guidance, one in everything.items():
        sets[guidance] = {}
        for label in labels:
            chosen, found = vectors[guidance, label]
            spaces = {"dift": found.dift, "appearance": descriptors(found.small, ground)[0]}
            elements = label_set(one, label)
            filled = {}
            for name, values in spaces.items():
                filled[name] = np.full((elements.pictures, values.shape[1]), np.nan, np.float32)
                filled[name][chosen] = values
            sets[guidance][label] = label_set(one, label, filled)
    return sets, pools
