"""A mining run, step by step: begin, fine-tune, score, elements, features, clusters, report.

Every step takes the run folder, does what is not done yet, and leaves its result there, so a run
that was killed goes on where it was, and each step is a command of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..configs import from_plain, require
from ..errors import ConfigError, DataError, RunError
from ..files import write_json
from ..hardware import choose_device, describe, tune_process
from ..images.collection import digest, read_pictures
from ..images.options import PictureOptions
from ..images.picture import PictureCollection
from ..images.prompts import PromptTemplate
from ..runs import require_outside
from .bases import codec_factor, load_base, load_denoiser
from .clustering import cluster_elements, write_clusters
from .config import MiningConfig
from .denoiser import Denoiser
from .elements import mine_elements
from .exports import write_coco, write_csv
from .feature_store import load_features
from .features import write_features
from .finetuning import FinetuneResult, finetune
from .folder import MiningAbout, MiningFolder, ModelName
from .maps import missing_pieces, read_maps
from .scoring import ScoreResult, score
from .summary import write_report
from .table import read_table, write_table

__all__ = [
    "begin",
    "export_run",
    "finetune_run",
    "mine",
    "open_run",
    "report_run",
    "score_run",
    "select_run",
]


@dataclass(frozen=True)
class OpenRun:
    """A run that was begun: its folder, what decides it, and its pictures."""

    folder: MiningFolder
    about: MiningAbout
    collection: PictureCollection


def begin(
    data: Path,
    out: Path,
    *,
    base: str,
    prompt: PromptTemplate,
    config: MiningConfig,
    reading: PictureOptions,
    device: str = "auto",
    credits: Sequence[str] = (),
) -> OpenRun:
    """Read a collection and write down what decides the run; an existing run is opened.

    Arguments:
        data: The pictures.
        out: The run folder.
        base: `small`, a diffusers pipeline folder, or a hub id.
        prompt: The sentences of labels and of no label.
        config: All options.
        reading: How the pictures are read.
        device: Recorded.
        credits: Whose pictures these are, for the page.

    Raises:
        RunError: If the folder holds a run of other pictures or choices, or lies in the data.
        DataError: If there are fewer than two labels.
    """
    require_outside(out, data)
    folder = MiningFolder(out)
    if folder.config.exists():
        return _reopen(folder, data, base, prompt, config)
    if out.exists() and (not out.is_dir() or any(p.name != ".lock" for p in out.iterdir())):
        raise RunError(f"{out}: holds something that is no mining run. Give another --out.")
    collection = read_pictures(data, reading)
    if len(collection.labels) < 2:
        raise DataError(
            f"{data}: mining compares labels, and there is only {list(collection.labels)}. "
            "Give pictures of at least two labels."
        )
    where = str(Path(base).resolve()) if Path(base).is_dir() else base
    about = MiningAbout(
        config,
        where,
        prompt,
        collection.labels,
        codec_factor(base, config),
        {"name": data.name, "path": str(data.resolve()), "digest": digest(collection)},
        {
            "reading": _plain(asdict(reading)),
            "hardware": describe(choose_device(device)),
            "typica": __version__,
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
            "credits": list(credits),
        },
    )
    with folder.locked():
        folder.write_config(about.as_dict())
        problems = [vars(p) | {"file": str(p.file)} for p in collection.problems]
        write_json(out / "problems.json", problems)
    return OpenRun(folder, about, collection)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: str(v.resolve()) if isinstance(v, Path) else v for k, v in values.items()}


def _reopen(
    folder: MiningFolder, data: Path, base: str, prompt: PromptTemplate, config: MiningConfig
) -> OpenRun:
    """An existing run, if it is the one that is asked for."""
    run = open_run(folder.folder, data)
    old = run.about
    given = {
        "--base": (str(Path(base).resolve()) if Path(base).is_dir() else base, old.base),
        "--prompt": (prompt.label, old.prompt.label),
        "--null": (prompt.null, old.prompt.null),
    }
    for name, (new, kept) in given.items():
        if new != kept:
            raise RunError(
                f"{folder.folder}: was begun with {name} {kept!r}, not {new!r}. Give the same, "
                "or another --out."
            )
    if config != old.config:
        raise RunError(
            f"{folder.folder}: was begun with other options ({_differences(config, old.config)}). "
            "Give the same, or another --out."
        )
    return run


def _differences(one: MiningConfig, other: MiningConfig) -> str:
    """The options in which two configurations differ."""

    def flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
        for key, value in values.items():
            if isinstance(value, dict):
                yield from flat(value, f"{before}{key}.")
            else:
                yield before + key, value

    kept = dict(flat(other.as_dict()))
    return ", ".join(f"{k}={kept[k]}" for k, v in flat(one.as_dict()) if kept[k] != v)


def open_run(out: Path, data: Path | None = None) -> OpenRun:
    """A run that was begun, with its pictures.

    Arguments:
        out: The run folder.
        data: Where its pictures are now; None for where they were.

    Raises:
        RunError: If it is no mining run, or the pictures are not those it was begun with.
    """
    folder = MiningFolder(out)
    about = folder.about()
    options = dict(about.record.get("reading") or {})
    if options.get("cache"):
        options["cache"] = None
    where = Path(about.data["path"]) if data is None else data
    if not where.exists():
        raise RunError(f"{out}: its pictures are not at {where} any more. Give --data.")
    collection = read_pictures(where, from_plain(PictureOptions, options))
    if digest(collection) != about.data["digest"]:
        raise RunError(
            f"{out}: was begun with other pictures than {where} holds now. Begin a new run, or "
            "bring the pictures back."
        )
    return OpenRun(folder, about, collection)


def finetune_run(
    run: OpenRun,
    *,
    max_minutes: float | None = None,
    device: str = "auto",
    show_progress: bool = True,
) -> FinetuneResult:
    """Train, or go on training, or say that it is done (eq. 4.5)."""
    with run.folder.locked():
        return finetune(
            run.collection,
            run.folder,
            run.about,
            max_minutes=max_minutes,
            device=device,
            resume=True,
            show_progress=show_progress,
        )


def _model(run: OpenRun, model: ModelName, device: str) -> Denoiser:
    where = choose_device(device)
    if model == "base":
        return load_base(run.about.base, run.about, where)
    if not run.folder.denoiser.exists():
        raise RunError(
            f"{run.folder.folder}: not fine-tuned yet. Run `typica mine finetune`, or score the "
            "base with --model base."
        )
    return load_denoiser(run.folder.denoiser, run.about, where)


def score_run(
    run: OpenRun,
    model: ModelName = "finetuned",
    *,
    shard: tuple[int, int] = (0, 1),
    device: str = "auto",
    show_progress: bool = True,
) -> ScoreResult:
    """Typicality maps of all pictures (eqs. 4.8 to 4.11); shards may run at the same time."""
    tune_process()
    denoiser = _model(run, model, device)
    # shards write different pieces, so only whole jobs hold the folder
    with run.folder.locked() if shard[1] == 1 else nullcontext():
        return score(
            denoiser,
            run.collection,
            run.about,
            run.folder.maps(model),
            shard=shard,
            bfloat16=run.about.config.typicality.bfloat16,
            show_progress=show_progress,
        )


def select_run(
    run: OpenRun,
    model: ModelName = "finetuned",
    *,
    device: str = "auto",
    show_progress: bool = True,
) -> dict[str, int]:
    """Elements, features and clusters of a model whose maps are there (section 4.3.3).

    Returns:
        Number of elements and of clusters.
    """
    tune_process()
    folder, about = run.folder, run.about
    missing = missing_pieces(folder.maps(model))
    if missing:
        raise RunError(
            f"{folder.maps(model)}: {len(missing)} pieces are missing, the first {missing[0]}. "
            "Run `typica mine score` (all shards) first."
        )
    with folder.locked():
        maps = read_maps(folder.maps(model))
        table = mine_elements(maps, run.collection, about, show_progress)
        # a feature model that is always the fine-tuned one would need it to be there
        denoiser = _model(run, model, device)
        bfloat16 = about.config.typicality.bfloat16
        write_features(
            folder.features(model), denoiser, table, run.collection, about, show_progress, bfloat16
        )
        features = load_features(folder.features(model), table).float().numpy()
        table, clusters = cluster_elements(table, features, about.config.clusters, show_progress)
        write_table(folder.elements(model), table)
        write_clusters(folder.clusters(model), clusters, table)
    return {
        "elements": len(table),
        "clusters": sum(len(found) for found in clusters.typical.values()),
    }


def report_run(run: OpenRun, show_progress: bool = True) -> Path:
    """The report page of what the run holds."""
    return write_report(run.folder, run.collection, show_progress)


def export_run(run: OpenRun, model: ModelName, out: Path) -> Path:
    """Write the elements as COCO (`.json`) or as CSV (`.csv`).

    Raises:
        ConfigError: If the name ends otherwise.
    """
    require(out.suffix in (".json", ".csv"), f"--out {out}: end it in .json (COCO) or .csv")
    if not run.folder.elements(model).exists():
        raise RunError(
            f"{run.folder.folder}: has no elements of {model}. Run `typica mine select`."
        )
    table = read_table(run.folder.elements(model))
    if out.suffix == ".csv":
        write_csv(out, table)
    else:
        write_coco(out, table, run.collection)
    return out


def mine(
    run: OpenRun,
    *,
    max_minutes: float | None = None,
    with_base: bool = False,
    device: str = "auto",
    show_progress: bool = True,
) -> Iterator[str]:
    """Every step in order; what is done already is not done again.

    Arguments:
        run: From `begin`.
        max_minutes: For everything. Scoring is measured first, fine-tuning gets what is left.
        with_base: Also score and select with the model before fine-tuning, to compare.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show bars on standard error.

    Returns:
        What was done, line by line.

    Raises:
        ConfigError: If scoring alone would take longer than `max_minutes`.
    """
    training = None
    if max_minutes is not None:
        scoring = scoring_minutes(run, device) * (2 if with_base else 1)
        training = max_minutes - 1.15 * scoring
        if training < 0.2 * max_minutes:
            share = 0.8 * max_minutes / (1.15 * scoring)
            draws = max(1, int(share * run.about.config.typicality.draws))
            raise ConfigError(
                f"--max-minutes {max_minutes:g}: scoring alone takes about {scoring:.1f} minutes "
                f"here. Give more time, or fewer draws (--set typicality.draws={draws})"
            )
        yield (
            f"scoring takes about {scoring:.1f} minutes here; {training:.1f} are left for "
            "fine-tuning"
        )
    done = finetune_run(run, max_minutes=training, device=device, show_progress=show_progress)
    if not done.finished:
        yield f"interrupted after {done.step} steps; the same command goes on from there"
        return
    loss = "" if done.held_out_loss is None else f", held-out loss {done.held_out_loss:.4f}"
    yield f"fine-tuned {done.step} steps in {done.minutes:.1f} minutes{loss}"
    models: tuple[ModelName, ...] = ("finetuned", "base") if with_base else ("finetuned",)
    for model in models:
        scored = score_run(run, model, device=device, show_progress=show_progress)
        yield (
            f"{model}: scored {scored.pictures} pictures in {scored.seconds / 60:.1f} minutes"
            + (f", {len(scored.skipped)} could not be read" if scored.skipped else "")
        )
        found = select_run(run, model, device=device, show_progress=show_progress)
        yield f"{model}: {found['elements']} elements, {found['clusters']} clusters"
    yield f"open {report_run(run, show_progress).resolve()}"


def scoring_minutes(run: OpenRun, device: str = "auto", batches: int = 3) -> float:
    """How long scoring all pictures will take here, measured on a few batches of noise.

    Arguments:
        run: The run; its base is loaded.
        device: Where.
        batches: Batches of `typicality.batch_size` evaluations to time, after one to warm up.
    """
    tune_process()
    about = run.about
    denoiser = load_base(about.base, about, choose_device(device))
    config = about.config.typicality
    cells = about.config.size // about.factor
    label = denoiser.condition([about.labels[0]])
    size = config.batch_size
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randn(size, denoiser.codec.channels, cells, cells, generator=generator)
    noisy = noisy.to(denoiser.device)
    times = torch.zeros(size, dtype=torch.long, device=denoiser.device)
    condition = label.expand(size, -1, -1)
    began = 0.0
    with torch.inference_mode():
        for number in range(batches + 1):
            denoiser.predict_noise(noisy, times, condition, config.bfloat16).sum().item()
            if number == 0:
                began = time.perf_counter()
    pace = batches * size / (time.perf_counter() - began)
    labels = 1 if config.labels == "own" else len(about.labels)
    areas = sum(max(p.width, p.height) / min(p.width, p.height) for p in run.collection)
    return areas * config.draws * (1 + labels) / pace / 60
