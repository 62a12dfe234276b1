"""`typica mine ...`: from labelled pictures to the typical elements of each label."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, UseAppendAction, arg

from ..configs import from_file, with_changes
from ..images.prompts import PromptTemplate
from .images import AS_PICTURES, PicturesArgument
from .shared import ON_THIS_MACHINE, DataPath, EngineArgument, RunFolder, as_json, say_problems

if TYPE_CHECKING:
    from ..mining.config import MiningConfig
    from ..mining.opening import OpenRun

__all__ = [
    "mine_export",
    "mine_finetune",
    "mine_report",
    "mine_run",
    "mine_score",
    "mine_select",
]

_Model = Literal["finetuned", "base"]
_AS_PROMPTED = PromptTemplate()
_Changes = Annotated[tuple[tuple[str, ...], ...], arg(name="set"), UseAppendAction]


@dataclass(frozen=True)
class StartOptions:
    """What a run is begun with."""

    out: Path
    """Run folder to make, or to go on with."""
    base: str = "small"
    """small, or a diffusers pipeline (folder or hub id), such as Stable Diffusion 1.5."""
    prompt: str = _AS_PROMPTED.label
    """Sentence of a label, with {label} in it."""
    null: str = _AS_PROMPTED.null
    """Sentence of no label."""
    reading: PicturesArgument = AS_PICTURES
    """How the pictures are read."""
    preset: Literal["auto", "default", "small", "paper-256", "paper-512"] = "auto"
    """Options to start from; auto takes small for the small base, else default."""
    config: Path | None = None
    """JSON file with options (as in a run's config.json) instead of a preset."""
    set: _Changes = ()
    """Options to change, such as finetune.steps=500 typicality.draws=50."""
    device: str = "auto"
    """auto, cpu, cuda, ..."""
    print_config: bool = False
    """Print the resolved options and stop."""

    def resolved(self) -> MiningConfig:
        """The options of every step, changes applied."""
        from ..mining.config import MiningConfig
        from ..mining.presets import preset

        if self.config is not None:
            start = from_file(MiningConfig, self.config)
        elif self.preset == "auto":
            start = preset("small" if self.base == "small" else "default")
        else:
            start = preset(self.preset)
        return with_changes(start, tuple(change for group in self.set for change in group))


_Start = Annotated[StartOptions, OmitArgPrefixes]


def _begin(data: Path, start: StartOptions) -> OpenRun | None:
    """The run, opened; None if only its options were to be printed."""
    config = start.resolved()
    if start.print_config:
        print(as_json(config.as_dict()))
        return None
    from ..mining.opening import begin

    run = begin(
        data,
        start.out,
        base=start.base,
        prompt=PromptTemplate(start.prompt, start.null),
        config=config,
        reading=start.reading,
        device=start.device,
    )
    say_problems(run.collection.problems, f"typica images check {data}")
    return run


def mine_run(
    data: DataPath,
    /,
    start: _Start,
    max_minutes: float | None = None,
    with_base: bool = False,
) -> int:
    """Fine-tune, score, select, cluster, report; the same command goes on with an unfinished run.

    Args:
        data: Folder of <label>/<file>, or a table with paths and labels.
        start: What the run is begun with.
        max_minutes: For everything; fine-tuning gets what scoring leaves.
        with_base: Also score with the model before fine-tuning, to compare.
    """
    from ..mining.run import mine

    run = _begin(data, start)
    if run is None:
        return 0
    row = ""
    for row in mine(run, max_minutes=max_minutes, with_base=with_base, device=start.device):
        print(row, flush=True)
    return 130 if row.startswith("interrupted") else 0


def mine_finetune(data: DataPath, /, start: _Start, max_minutes: float | None = None) -> int:
    """Train a base on labelled pictures (eq. 4.5), or go on training.

    Args:
        data: Folder of <label>/<file>, or a table with paths and labels.
        start: What the run is begun with.
        max_minutes: Fit the number of steps to this time.
    """
    from ..mining.run import finetune_run
    from ..processes import join

    run = _begin(data, start)
    if run is None:
        return 0
    done = finetune_run(run, max_minutes=max_minutes, device=start.device)
    if not join(start.device).leader:
        return 0
    if not done.finished:
        print(f"interrupted after {done.step} steps; the same command goes on from there")
        return 130
    print(f"fine-tuned {done.step} steps in {done.minutes:.1f} minutes: {run.folder.denoiser}")
    return 0


def mine_score(
    run: RunFolder,
    /,
    data: Path | None = None,
    model: _Model = "finetuned",
    where: EngineArgument = ON_THIS_MACHINE,
    compile: bool = False,
    device: str = "auto",
) -> int:
    """Measure how typical every pixel of every picture is of its label (eqs. 4.9 to 4.11).

    Args:
        run: Run folder.
        data: Where the pictures are now, if they were moved.
        model: The fine-tuned model, or the base before fine-tuning.
        where: Where it is worked on, and which part.
        compile: Compile the model first, a minute or less in each process: for large jobs.
        device: auto, cpu, cuda, ...
    """
    from ..mining.opening import open_run
    from ..mining.run import score_run

    opened = open_run(run, data)
    done = score_run(opened, model, engine=where.chosen(), compile=compile, device=device)
    print(
        f"scored {done.pictures} pictures ({done.pieces} pieces, {done.kept} were there) in "
        f"{done.seconds / 60:.1f} minutes: {opened.folder.maps(model)}"
    )
    if opened.about.config.typicality.adaptive is not None and done.pictures:
        print(f"{done.draws / done.pictures:.1f} draws for each of them, on average")
    if done.explained is not None:
        print(f"the surrogate takes {done.explained:.0%} of the variance of an estimate away")
    if done.waiting is not None:
        print(f"not finished: {done.waiting}")
    for one in done.skipped[:10]:
        print(f"skipped: {one.id}: {one.message}")
    return 1 if done.skipped else 0


def mine_select(
    run: RunFolder,
    /,
    without: tuple[Literal["border", "flat", "duplicates"], ...] = (),
    data: Path | None = None,
    model: _Model = "finetuned",
    where: EngineArgument = ON_THIS_MACHINE,
    device: str = "auto",
) -> int:
    """Cut out the typical elements, describe them with features, and cluster them.

    Args:
        run: Run folder that was scored.
        without: Leave out patches at the border, flat ones, or near-duplicates; others follow.
        data: Where the pictures are now, if they were moved.
        model: Whose maps.
        where: Where features are computed; with --shard only a part of them, and nothing else.
        device: auto, cpu, cuda, ...
    """
    from ..mining.opening import open_run
    from ..mining.readings.filters import REASONS, check_filters
    from ..mining.run import select_run

    opened = open_run(run, data)
    engine = where.chosen()
    found = select_run(opened, model, without=check_filters(without), engine=engine, device=device)
    if found is None:
        print("features of this shard are done; the same command without --shard ends the job")
        return 0
    for reason, words in REASONS.items():
        if reason in found:
            print(f"left out: {found[reason]} {words}")
    print(f"{found['elements']} elements: {opened.folder.elements(model)}")
    print(f"{found['clusters']} clusters: {opened.folder.clusters(model)}")
    return 0


def mine_report(
    run: RunFolder,
    /,
    without: tuple[Literal["border", "flat", "duplicates"], ...] = (),
    data: Path | None = None,
) -> int:
    """Write the report page of a run from what its folder holds.

    Args:
        run: Run folder.
        without: Do not show patches at the border, flat ones, or near-duplicates: a second page.
        data: Where the pictures are now, if they were moved.
    """
    from ..mining.opening import open_run
    from ..mining.readings.filters import check_filters
    from ..mining.run import report_run

    print(report_run(open_run(run, data), without=check_filters(without)))
    return 0


def mine_export(
    run: RunFolder,
    /,
    out: Path,
    data: Path | None = None,
    model: _Model = "finetuned",
) -> int:
    """Write the elements with their boxes as COCO (.json) or as a table (.csv).

    Args:
        run: Run folder.
        out: File to write; its ending decides the format.
        data: Where the pictures are now, if they were moved.
        model: Whose elements.
    """
    from ..mining.opening import open_run
    from ..mining.run import export_run

    print(export_run(open_run(run, data), model, out))
    return 0
