"""Beginning a mining run and opening it again: what decides it is written down and compared.

A run is one choice of pictures, base, prompts and options. Who asks for another one in the same
folder is told what differs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..configs import from_plain
from ..errors import DataError, RunError
from ..files import write_json
from ..hardware import choose_device, describe
from ..images.collection import digest, read_pictures
from ..images.options import PictureOptions
from ..images.picture import PictureCollection
from ..images.prompts import PromptTemplate
from ..processes import join
from ..reports.wording import flat
from ..runs import require_outside
from .bases import SMALL, codec_factor
from .config import MiningConfig
from .folder import MiningAbout, MiningFolder

__all__ = ["OpenRun", "begin", "open_run", "plain_options"]

_PROBLEMS = "problems.json"


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
    with join(device).leader_first():
        return _begin(data, out, base, prompt, config, reading, device, credits)


def _begin(
    data: Path,
    out: Path,
    base: str,
    prompt: PromptTemplate,
    config: MiningConfig,
    reading: PictureOptions,
    device: str,
    credits: Sequence[str],
) -> OpenRun:
    folder = MiningFolder(out)
    if base != SMALL and Path(base).is_dir():
        base = str(Path(base).resolve())
    if folder.config.exists():
        _compare(folder, base, prompt, config, reading)
        run = open_run(out, data)
        if not (out / _PROBLEMS).exists():  # a start that was killed between the two files
            with folder.locked():
                _write_problems(out, run.collection)
        return run
    _require_unused(folder)
    collection = read_pictures(data, reading)
    if len(collection.labels) < 2:
        raise DataError(
            f"{data}: mining compares labels, and there is only {list(collection.labels)}. "
            "Give pictures of at least two labels."
        )
    about = MiningAbout(
        config,
        base,
        prompt,
        collection.labels,
        codec_factor(base, config),
        {"name": data.name, "path": str(data.resolve()), "digest": digest(collection)},
        {
            "reading": plain_options(reading),
            "hardware": describe(choose_device(device)),
            "typica": __version__,
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
            "credits": list(credits),
        },
    )
    with folder.locked():
        folder.write_config(about.as_dict())
        _write_problems(out, collection)
    return OpenRun(folder, about, collection)


def _write_problems(out: Path, collection: PictureCollection) -> None:
    """Write down what was set aside."""
    problems = [vars(p) | {"file": str(p.file)} for p in collection.problems]
    write_json(out / _PROBLEMS, problems)


def plain_options(reading: PictureOptions) -> dict[str, Any]:
    """Reading options as plain values, for JSON."""
    values = asdict(reading).items()
    return {k: str(v.resolve()) if isinstance(v, Path) else v for k, v in values}


def _require_unused(folder: MiningFolder) -> None:
    """Refuse a folder that holds anything but what a start that was killed leaves."""
    out = folder.folder
    if out.exists():
        ours = {out / ".lock", *folder.half_written()}
        if not out.is_dir() or any(path not in ours for path in out.iterdir()):
            raise RunError(f"{out}: holds something that is no mining run. Give another --out.")


def _compare(
    folder: MiningFolder,
    base: str,
    prompt: PromptTemplate,
    config: MiningConfig,
    reading: PictureOptions,
) -> None:
    """Raise a RunError that names the choices in which a run differs from what is asked for."""
    old = folder.about()
    given = {
        "--base": (base, old.base),
        "--prompt": (prompt.label, old.prompt.label),
        "--null": (prompt.null, old.prompt.null),
    }
    kept = plain_options(_reading(old))
    for name, value in plain_options(reading).items():
        if name != "cache":  # where pictures are unpacked decides nothing
            given[f"--{name.replace('_', '-')}"] = (value, kept[name])
    for name, (new, before) in given.items():
        if new != before:
            raise RunError(
                f"{folder.folder}: was begun with {name} {before!r}, not {new!r}. Give the same, "
                "or another --out."
            )
    if config != old.config:
        options = dict(flat(old.config.as_dict()))
        asked = flat(config.as_dict())
        differ = ", ".join(f"{k}={options[k]}" for k, v in asked if options[k] != v)
        raise RunError(
            f"{folder.folder}: was begun with other options ({differ}). Give the same, or "
            "another --out."
        )


def _reading(about: MiningAbout) -> PictureOptions:
    """How the pictures of a run were read; unpacked ones are looked for in the usual place."""
    return from_plain(PictureOptions, {**(about.record.get("reading") or {}), "cache": None})


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
    where = Path(about.data["path"]) if data is None else data
    if not where.exists():
        raise RunError(f"{out}: its pictures are not at {where} any more. Give --data.")
    collection = read_pictures(where, _reading(about))
    if digest(collection) != about.data["digest"]:
        raise RunError(
            f"{out}: was begun with other pictures than {where} holds now. Begin a new run, or "
            "bring the pictures back."
        )
    return OpenRun(folder, about, collection)
