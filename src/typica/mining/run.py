"""A mining run, step by step: fine-tune, score, select, report; or all of them in order.

Every step takes a run that was opened (`opening.py`), does what is not done yet, and leaves its
result in the folder, so a run that was killed goes on where it was, and each step is a command of
its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..configs import require
from ..engines.engine import DEFAULT, Engine
from ..errors import ConfigError, RunError
from ..hardware import choose_device, tune_process
from ..processes import join
from .bases import load_base, load_denoiser
from .control import MANY
from .denoiser import Denoiser
from .distillation import BATCH
from .exports import write_coco, write_csv
from .finetuning import FinetuneResult, finetune
from .folder import MiningAbout, MiningFolder, ModelName
from .maps import read_maps
from .opening import OpenRun
from .readings.filters import Filter
from .schedule import NoiseSchedule
from .scoring import ScoreResult, score
from .screening import write_screened_report
from .selection import select_elements
from .summary import write_report
from .surrogate import Surrogate, levels_of
from .table import read_table

__all__ = [
    "export_run",
    "finetune_run",
    "load_model",
    "mine",
    "report_run",
    "score_run",
    "select_run",
]


def finetune_run(
    run: OpenRun,
    *,
    max_minutes: float | None = None,
    device: str = "auto",
    show_progress: bool = True,
) -> FinetuneResult:
    """Train, or go on training, or say that it is done (eq. 4.5).

    Arguments:
        run: From `begin`.
        max_minutes: Fit the number of steps to this time, over all sessions.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show bars on standard error.

    Returns:
        How it ended.

    Raises:
        RunError: If another process writes to the folder; otherwise as `finetune`.
    """
    with run.folder.locked() if join(device).leader else nullcontext():
        return finetune(
            run.collection,
            run.folder,
            run.about,
            max_minutes=max_minutes,
            device=device,
            resume=True,
            show_progress=show_progress,
        )


def load_model(run: OpenRun, model: ModelName, device: str = "auto") -> Denoiser:
    """A model of a run, on its device, in evaluation mode.

    Arguments:
        run: From `begin` or `open_run`.
        model: The fine-tuned one, or the base.
        device: `auto`, `cpu`, `cuda`, ...

    Raises:
        RunError: If there is no fine-tuned model.
    """
    return _load(run.folder, run.about, model, device)


def _load(folder: MiningFolder, about: MiningAbout, model: ModelName, device: str) -> Denoiser:
    where = choose_device(device)
    if model == "base":
        return load_base(about.base, about, where)
    return load_denoiser(folder.denoiser, about, where)


def _loading(
    run: OpenRun, model: ModelName, device: str, engine: Engine, decides: bool = False
) -> tuple[Denoiser, Callable[[], Denoiser]]:
    """A model of a run, and how other processes get it.

    Where they do the work this one leaves the device to them, unless something is to be decided
    with the model before.
    """
    load = partial(_load, run.folder, run.about, model)
    denoiser = load(device if engine.here or decides else "cpu")
    return denoiser, partial(load, device)


def score_run(
    run: OpenRun,
    model: ModelName = "finetuned",
    *,
    engine: Engine = DEFAULT,
    compile: bool = False,
    device: str = "auto",
    show_progress: bool = True,
) -> ScoreResult:
    """Typicality maps of all pictures (eqs. 4.9 to 4.11); shards may run at the same time.

    Arguments:
        run: From `begin` or `open_run`.
        model: The fine-tuned model, or the base before fine-tuning.
        engine: Where, and which shard.
        compile: Compile the UNet, for large jobs.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show bars on standard error.

    Returns:
        What was done and what was there already.

    Raises:
        RunError: If there is no such model yet; otherwise as `score`.
    """
    tune_process()
    config = run.about.config.typicality
    decides = config.surrogate is not None or config.sampling == "importance"
    denoiser, load = _loading(run, model, device, engine, decides)
    # shards write different pieces, so only whole jobs hold the folder
    with run.folder.locked() if engine.whole else nullcontext():
        return score(
            denoiser,
            run.collection,
            run.about,
            run.folder.maps(model),
            engine=engine,
            load=load,
            bfloat16=config.bfloat16,
            compile=compile,
            show_progress=show_progress,
        )


def select_run(
    run: OpenRun,
    model: ModelName = "finetuned",
    *,
    without: tuple[Filter, ...] = (),
    engine: Engine = DEFAULT,
    device: str = "auto",
    show_progress: bool = True,
) -> dict[str, int] | None:
    """Elements, features and clusters of a model whose maps are there (section 4.3.3).

    Arguments:
        run: From `begin` or `open_run`.
        model: Whose maps.
        without: Elements of these kinds are left out, and counted (`readings/filters.py`).
        engine: Where features are computed; a shard computes its part of them, and no more.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show bars on standard error.

    Returns:
        Number of elements and of clusters, and of elements that were left out, by reason; None of
        a shard.

    Raises:
        RunError: If pieces of the maps are missing, or the model is.
    """
    tune_process()
    folder = run.folder
    # features of the model that scored: the base can be mined before it is fine-tuned
    denoiser, load = _loading(run, model, device, engine)
    # shards write different pieces, so only whole jobs hold the folder
    with folder.locked() if engine.whole else nullcontext():
        selected = select_elements(
            folder,
            model,
            read_maps(folder.maps(model)),
            denoiser,
            run.collection,
            run.about,
            without=without,
            engine=engine,
            load=load,
            show_progress=show_progress,
        )
    if selected is None:
        return None
    table, clusters = selected
    return {
        "elements": len(table),
        "clusters": sum(len(found) for found in clusters.typical.values()),
        **{
            reason: sum(found.values())
            for reason, found in table.about.get("left_out", {}).get("counts", {}).items()
        },
    }


def report_run(run: OpenRun, show_progress: bool = True, without: tuple[Filter, ...] = ()) -> Path:
    """Write the report page of what the run holds.

    Arguments:
        run: From `begin` or `open_run`.
        show_progress: Show bars on standard error.
        without: Elements of these kinds are not shown, on a page of its own; the run keeps them.

    Returns:
        The page.

    Raises:
        RunError: If there are no elements yet, or something is damaged.
    """
    if without:
        return write_screened_report(run.folder, run.collection, without, show_progress)
    return write_report(run.folder, run.collection, show_progress)


def export_run(run: OpenRun, model: ModelName, out: Path) -> Path:
    """Write the elements as COCO (`.json`) or as CSV (`.csv`).

    Arguments:
        run: From `begin` or `open_run`.
        model: Whose elements.
        out: File to write; its ending decides the format.

    Returns:
        The file.

    Raises:
        ConfigError: If the name ends otherwise.
        RunError: If there are no elements of the model.
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
        max_minutes: For everything; fine-tuning gets what scoring leaves. Unused once that began.
        with_base: Also score and select with the model before fine-tuning, to compare.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show bars on standard error.

    Returns:
        What was done, line by line.

    Raises:
        ConfigError: If scoring alone would take longer than `max_minutes`.
    """
    training = None
    adaptive = run.about.config.typicality.adaptive
    # a model that was scored is not trained further: its maps would be those of another one
    if max_minutes is not None and not run.folder.maps("finetuned").exists():
        scoring = scoring_minutes(run, device) * (2 if with_base else 1)
        training = max_minutes - 1.15 * scoring
        if training < 0.2 * max_minutes:
            given = run.about.config.typicality
            fitting = 0.8 * max_minutes / (1.15 * scoring) * given.draws
            draws = max(1, int(fitting / given.groups)) * given.groups
            raise ConfigError(
                f"--max-minutes {max_minutes:g}: scoring alone takes about {scoring:.1f} minutes "
                f"here. Give more time; or another --out, for a run of fewer draws (--set "
                f"typicality.draws={draws}"
                + ("" if adaptive is None or adaptive < draws else " typicality.adaptive=none")
                + ")"
            )
        yield (
            f"scoring takes {'about' if adaptive is None else 'at most'} {scoring:.1f} minutes "
            f"here; {training:.1f} are left for fine-tuning"
        )
    done = finetune_run(run, max_minutes=training, device=device, show_progress=show_progress)
    if not join(device).leader:
        return  # the rest is work for one process, or for an engine
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
            + (
                f" with {scored.draws / scored.pictures:.1f} draws each on average"
                if adaptive is not None and scored.pictures
                else ""
            )
            + (f", {len(scored.skipped)} could not be read" if scored.skipped else "")
        )
        found = select_run(run, model, device=device, show_progress=show_progress)
        assert found is not None
        yield f"{model}: {found['elements']} elements, {found['clusters']} clusters"
    yield f"open {report_run(run, show_progress).resolve()}"


def scoring_minutes(run: OpenRun, device: str = "auto", batches: int = 3) -> float:
    """How long scoring all pictures will take here, measured on a few batches of noise.

    Where draws are given by need it is the most that it can take.

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
    evaluations = 0.0  # of squares, for one draw
    for one in run.collection:
        labels = len(one.labels if config.labels == "own" else about.labels)
        if labels:
            evaluations += max(one.width, one.height) / min(one.width, one.height) * (1 + labels)
    minutes = evaluations * config.draws / pace / 60
    if config.surrogate is None:
        return minutes
    surrogate = Surrogate(
        denoiser.codec.channels, len(about.labels), levels_of(cells), config.surrogate_width
    ).to(denoiser.device)
    own = _draw_minutes(surrogate, noisy, times, denoiser.schedule)
    # a step back through it takes twice as long as one forward
    teaching = config.surrogate * BATCH * (2 / pace / 60 + 3 * own)
    return minutes + evaluations / 2 * config.draws * (1 + MANY) * own + teaching


@torch.inference_mode()
def _draw_minutes(
    surrogate: Surrogate, noisy: Tensor, times: Tensor, schedule: NoiseSchedule
) -> float:
    """Minutes that a surrogate takes for the two predictions of one draw, the second time.

    Arguments:
        surrogate: On the device.
        noisy: A batch, `(B, C, h, w)`.
        times: t, `(B,)`.
        schedule: Of the denoiser.
    """
    rows = torch.tensor([[0, 1]] * len(noisy), device=noisy.device)
    began = 0.0
    for _ in range(2):  # the first is slower
        began = time.perf_counter()
        surrogate.predict_noise(noisy, times, rows, schedule).sum().item()
    return (time.perf_counter() - began) / len(noisy) / 60
