"""`typica mine ...`: from labelled pictures to the typical elements of each label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from ..configs import read_config_file, require, with_changes
from ..images.prompts import PromptTemplate
from .images import AS_PICTURES, PicturesArgument
from .shared import as_json, say_problems

if TYPE_CHECKING:
    from ..mining.run import OpenRun

__all__ = [
    "mine_export",
    "mine_finetune",
    "mine_report",
    "mine_run",
    "mine_score",
    "mine_select",
]

_Model = Literal["finetuned", "base"]
_Preset = Literal["auto", "default", "small", "paper-256", "paper-512"]
_AS_PROMPTED = PromptTemplate()
_Changes = Annotated[tuple[tuple[str, ...], ...], arg(name="set"), UseAppendAction]


def _begin(
    data: Path,
    out: Path,
    base: str,
    prompt: str,
    null: str,
    reading: PicturesArgument,
    preset_name: str,
    config: Path | None,
    changes: tuple[tuple[str, ...], ...],
    device: str,
    print_config: bool,
) -> OpenRun | None:
    from ..configs import from_plain
    from ..mining.config import MiningConfig
    from ..mining.presets import preset

    if preset_name == "auto":
        preset_name = "small" if base == "small" else "default"
    start = preset(preset_name)
    if config is not None:
        start = from_plain(MiningConfig, read_config_file(config))
    resolved = with_changes(start, tuple(change for group in changes for change in group))
    if print_config:
        print(as_json(resolved.as_dict()))
        return None
    from ..mining.run import begin

    run = begin(
        data,
        out,
        base=base,
        prompt=PromptTemplate(prompt, null),
        config=resolved,
        reading=reading,
        device=device,
    )
    say_problems(run.collection.problems, f"typica images check {data}")
    return run


def mine_run(
    data: Positional[Path],
    /,
    out: Path,
    base: str = "small",
    prompt: str = _AS_PROMPTED.label,
    null: str = _AS_PROMPTED.null,
    reading: PicturesArgument = AS_PICTURES,
    preset: _Preset = "auto",
    config: Path | None = None,
    set: _Changes = (),
    max_minutes: float | None = None,
    with_base: bool = False,
    device: str = "auto",
    print_config: bool = False,
) -> int:
    """Fine-tune, score, select, cluster, report; the same command goes on with an unfinished run.

    Args:
        data: Folder of <label>/<file>, or a table with paths and labels.
        out: Run folder to make, or to go on with.
        base: small, or a diffusers pipeline (folder or hub id), such as Stable Diffusion 1.5.
        prompt: Sentence of a label, with {label} in it.
        null: Sentence of no label.
        reading: How the pictures are read.
        preset: Options to start from; auto takes small for the small base, else default.
        config: JSON file with options (as in a run's config.json) instead of a preset.
        set: Options to change, such as finetune.steps=500 typicality.draws=50.
        max_minutes: For everything; fine-tuning gets what scoring leaves.
        with_base: Also score with the model before fine-tuning, to compare.
        device: auto, cpu, cuda, ...
        print_config: Print the resolved options and stop.
    """
    from ..mining.run import mine

    run = _begin(data, out, base, prompt, null, reading, preset, config, set, device, print_config)
    if run is None:
        return 0
    row = ""
    for row in mine(run, max_minutes=max_minutes, with_base=with_base, device=device):
        print(row, flush=True)
    return 130 if row.startswith("interrupted") else 0


def mine_finetune(
    data: Positional[Path],
    /,
    out: Path,
    base: str = "small",
    prompt: str = _AS_PROMPTED.label,
    null: str = _AS_PROMPTED.null,
    reading: PicturesArgument = AS_PICTURES,
    preset: _Preset = "auto",
    config: Path | None = None,
    set: _Changes = (),
    max_minutes: float | None = None,
    device: str = "auto",
    print_config: bool = False,
) -> int:
    """Train a base on labelled pictures (eq. 4.5), or go on training.

    Args:
        data: Folder of <label>/<file>, or a table with paths and labels.
        out: Run folder to make, or to go on with.
        base: small, or a diffusers pipeline (folder or hub id).
        prompt: Sentence of a label, with {label} in it.
        null: Sentence of no label.
        reading: How the pictures are read.
        preset: Options to start from; auto takes small for the small base, else default.
        config: JSON file with options (as in a run's config.json) instead of a preset.
        set: Options to change, such as finetune.steps=500.
        max_minutes: Fit the number of steps to this time.
        device: auto, cpu, cuda, ...
        print_config: Print the resolved options and stop.
    """
    from ..mining.run import finetune_run

    run = _begin(data, out, base, prompt, null, reading, preset, config, set, device, print_config)
    if run is None:
        return 0
    done = finetune_run(run, max_minutes=max_minutes, device=device)
    if not done.finished:
        print(f"interrupted after {done.step} steps; the same command goes on from there")
        return 130
    print(f"fine-tuned {done.step} steps in {done.minutes:.1f} minutes: {run.folder.denoiser}")
    return 0


def mine_score(
    run: Positional[Path],
    /,
    data: Path | None = None,
    model: _Model = "finetuned",
    shard: str = "0/1",
    device: str = "auto",
) -> int:
    """Measure how typical every pixel of every picture is of its label (eqs. 4.8 to 4.11).

    Args:
        run: Run folder.
        data: Where the pictures are now, if they were moved.
        model: The fine-tuned model, or the base before fine-tuning.
        shard: i/n does the i-th of n parts (from 0), for several processes or machines.
        device: auto, cpu, cuda, ...
    """
    from ..mining.run import open_run, score_run

    first, _, second = shard.partition("/")
    require(first.isdigit() and second.isdigit(), f"--shard {shard}: write i/n, such as 0/4 to 3/4")
    opened = open_run(run, data)
    done = score_run(opened, model, shard=(int(first), int(second)), device=device)
    print(
        f"scored {done.pictures} pictures ({done.pieces} pieces, {done.kept} were there) in "
        f"{done.seconds / 60:.1f} minutes: {opened.folder.maps(model)}"
    )
    for one in done.skipped[:10]:
        print(f"skipped: {one.id}: {one.message}")
    return 1 if done.skipped else 0


def mine_select(
    run: Positional[Path],
    /,
    data: Path | None = None,
    model: _Model = "finetuned",
    device: str = "auto",
) -> int:
    """Cut out the typical elements, describe them with features, and cluster them.

    Args:
        run: Run folder that was scored.
        data: Where the pictures are now, if they were moved.
        model: Whose maps.
        device: auto, cpu, cuda, ...
    """
    from ..mining.run import open_run, select_run

    opened = open_run(run, data)
    found = select_run(opened, model, device=device)
    print(f"{found['elements']} elements: {opened.folder.elements(model)}")
    print(f"{found['clusters']} clusters: {opened.folder.clusters(model)}")
    return 0


def mine_report(run: Positional[Path], /, data: Path | None = None) -> int:
    """Write the report page of a run from what its folder holds.

    Args:
        run: Run folder.
        data: Where the pictures are now, if they were moved.
    """
    from ..mining.run import open_run, report_run

    print(report_run(open_run(run, data)))
    return 0


def mine_export(
    run: Positional[Path],
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
    from ..mining.run import export_run, open_run

    print(export_run(open_run(run, data), model, out))
    return 0
