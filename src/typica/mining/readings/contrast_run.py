"""Mine elements by a contrast of labels instead of by typicality, beside the ordinary ones.

A contrast has a folder of its own, inside the run's: `readings/contrast-rest/` or
`readings/contrast-A-B/`. It is laid out as a run is (`folder.py`), with maps, elements, features
and clusters of the contrast under the name of the model, so that `typica mine export` and
whatever reads a run reads it. Where only a part of the pictures was scored under all labels, the
ordinary elements of that part are mined as well (`plain/`), so that both pages compare like with
like; otherwise they are the run's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from ...hardware import tune_process
from ...images.picture import Picture, PictureCollection
from ...images.prompts import joined
from ...reports.mining import write_mining_report
from ..folder import MiningAbout, MiningFolder, ModelName
from ..maps import PictureMaps, check_piece, maps_settings, read_maps, write_piece
from ..opening import OpenRun
from ..run import load_model
from ..selection import select_elements
from ..summary import summarise
from .contrast import Contrast, contrast_maps
from .label_maps import LabelMaps, label_maps, readings_folder

__all__ = ["ContrastResult", "contrast_folder", "contrast_run", "contrasts", "taking_part"]


@dataclass(frozen=True)
class ContrastResult:
    """What a contrast left.

    Arguments:
        folder: Of the contrast.
        page: Contrast and typicality side by side.
        pictures: How many took part.
        scored: How many of these had to be scored under all labels first.
        elements: By contrast.
        clusters: Of typical elements, by contrast.
    """

    folder: Path
    page: Path
    pictures: int
    scored: int
    elements: int
    clusters: int


@dataclass(frozen=True)
class _SideBySide(MiningFolder):
    """A contrast and the ordinary typicality as two models of one page."""

    run: MiningFolder
    plain: MiningFolder
    scorer: ModelName

    def _of(self, name: str) -> MiningFolder:
        return self.plain if name == "plain" else MiningFolder(self.folder)

    @property
    def samples(self) -> Path:
        return self.run.samples

    @property
    def log(self) -> Path:
        return self.run.log

    def maps(self, model: Any) -> Path:
        return self._of(model).maps(self.scorer)

    def elements(self, model: Any) -> Path:
        return self._of(model).elements(self.scorer)

    def clusters(self, model: Any) -> Path:
        return self._of(model).clusters(self.scorer)

    def scored(self) -> tuple[Any, ...]:
        return ("contrast", "plain")


def contrast_folder(run: OpenRun, contrast: Contrast) -> MiningFolder:
    """Where a contrast of a run is kept.

    Arguments:
        run: The run.
        contrast: Which labels.
    """
    words = contrast.between or ("rest",)
    name = "-".join(re.sub(r"[^\w.]+", "_", word).strip("._") or "label" for word in words)
    if name != "-".join(words) or len(name) > 60:  # two labels may be spelt alike after this
        name = f"{name[:60]}-{blake2b(repr(words).encode(), digest_size=4).hexdigest()}"
    return MiningFolder(readings_folder(run) / f"contrast-{name}")


def contrasts(
    maps: Iterable[PictureMaps],
    pictures: dict[str, Picture],
    labels: Sequence[str],
    contrast: Contrast,
) -> Iterator[PictureMaps]:
    """The contrast of every label of every picture with what it is compared with.

    Arguments:
        maps: Under all labels.
        pictures: By id.
        labels: All of them.
        contrast: Which labels; pictures without any that takes part are left out.
    """
    for one in maps:
        own = pictures[one.id].labels
        found = [
            contrast_maps(one, label, others)
            for label in own
            if (others := contrast.others(label, labels, own))
        ]
        if found:
            yield replace(
                found[0],
                labels=tuple(part.labels[0] for part in found),
                typicality=np.concatenate([part.typicality for part in found]),
                groups=np.concatenate([part.groups for part in found]),
            )


def taking_part(run: OpenRun, contrast: Contrast) -> PictureCollection:
    """All pictures of a run, in their places, each with those of its labels that take part."""

    def narrowed(picture: Picture) -> Picture:
        own = picture.labels
        kept = tuple(label for label in own if contrast.others(label, run.about.labels, own))
        return replace(picture, label=joined(kept), labels=kept)

    return replace(run.collection, pictures=tuple(map(narrowed, run.collection)))


def contrast_run(
    run: OpenRun,
    contrast: Contrast,
    *,
    model: ModelName = "finetuned",
    pictures: int | None = None,
    device: str = "auto",
    show_progress: bool = True,
) -> ContrastResult:
    """Mine by a contrast: maps, elements, features, clusters, page; goes on where it stopped.

    Arguments:
        run: The run.
        contrast: Which labels.
        model: The model that scores.
        pictures: At most so many of each label, where all labels are still to be scored.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show progress on standard error.

    Raises:
        ConfigError: If a label does not exist.
        RunError: If the run has no such model, or something is damaged.
    """
    contrast.others(run.about.labels[0], run.about.labels)  # before anything is scored
    found = label_maps(run, model, pictures, device=device, show_progress=show_progress)
    tune_process()
    folder, collection = contrast_folder(run, contrast), taking_part(run, contrast)
    about = _about(run, contrast, found)
    with folder.locked():
        folder.write_config(
            about.as_dict() | {"reading": {"contrast": list(contrast.between), "model": model}}
        )
        _write_maps(folder.maps(model), found, run, contrast)
        denoiser = load_model(run, model, device)
        selected = select_elements(
            folder,
            model,
            read_maps(folder.maps(model)),
            denoiser,
            collection,
            about,
            show_progress=show_progress,
        )
        assert selected is not None  # only a shard selects nothing
        table, clusters = selected
        plain = run.folder
        if not found.whole or not plain.elements(model).exists():
            plain = MiningFolder(folder.folder / "plain")
            part = {picture.id for picture in collection if picture.labels}
            own = (one for one in found.read(collection) if one.id in part)
            select_elements(
                plain, model, own, denoiser, collection, about, show_progress=show_progress
            )
        page = _write_page(folder, plain, run, contrast, model, found, show_progress)
    return ContrastResult(
        folder.folder,
        page,
        len(set(table.picture.tolist())),
        found.scored,
        len(table),
        sum(len(one) for one in clusters.typical.values()),
    )


def _about(run: OpenRun, contrast: Contrast, found: LabelMaps) -> MiningAbout:
    """The options of the run; of a part of the pictures, as large a share is kept as of all."""
    about = run.about
    if not found.whole:
        share = len(found.pictures) / len(run.collection)
        elements = about.config.elements
        fewer = replace(elements, per_label=max(1, round(elements.per_label * share)))
        about = replace(about, config=replace(about.config, elements=fewer))
    labels = contrast.between and tuple(one for one in about.labels if one in contrast.between)
    return replace(about, labels=labels or about.labels)


def _write_maps(out: Path, found: LabelMaps, run: OpenRun, contrast: Contrast) -> None:
    """The maps of the contrast, as pieces of the whole collection; the same give the same bytes."""
    size = run.about.config.typicality.piece
    source = maps_settings(found.folder)
    settings = {
        **source,
        "pictures": len(run.collection),
        "piece": size,
        "labels": "contrast",
        "contrast": list(contrast.between),
        "of": [source["pictures"], source["collection"]],
    }
    if out.is_dir() and any(out.iterdir()) and maps_settings(out) != settings:
        for old in out.glob("piece-*.safetensors"):  # of other pictures: made again in seconds
            old.unlink()
    pictures = {picture.id: picture for picture in run.collection}
    held: list[PictureMaps] = []
    piece = 0

    def close(until: int) -> None:
        nonlocal piece
        while piece < until:
            if check_piece(out, piece, settings) is None:
                write_piece(out, piece, held, (), settings)
            held.clear()
            piece += 1

    for one in contrasts(found.read(run.collection), pictures, run.about.labels, contrast):
        close(one.index // size)
        held.append(one)
    close(-(-len(run.collection) // size))


def _write_page(
    folder: MiningFolder,
    plain: MiningFolder,
    run: OpenRun,
    contrast: Contrast,
    model: ModelName,
    found: LabelMaps,
    show_progress: bool,
) -> Path:
    """The page of the contrast, the ordinary elements beside it."""
    both = _SideBySide(folder.folder, run.folder, plain, model)
    titles: dict[Any, str] = {"contrast": contrast.title, "plain": "against no label"}
    report = summarise(both, run.collection, show_progress, titles=titles)
    rest = "its mean under all others" if not contrast.between else "that under the other"
    counts = found.pictures.counts()
    report = replace(
        report,
        title=f"{report.title}: {contrast.title}",
        labels=tuple(replace(one, count=counts.get(one.name)) for one in report.labels),
        lead="What tells each label from "
        + ("the others" if not contrast.between else "the other")
        + f": patches ranked by the typicality under their own label less {rest}, beside those "
        "ranked by typicality alone.",
        reading=f"in the rows {contrast.title}, what is called typicality is a difference of two: "
        f"under the own label, less {rest}. The model without a label takes no part in it: above "
        "zero, this label explains the place better than the others do. Its ± is that of the "
        "difference, from the same noises for all labels. The rows against no label are the "
        "ordinary typicality of the same pictures.",
        commands=(*report.commands, _command(run, contrast, found)),
    )
    return write_mining_report(report, folder.folder / "report" / "index.html")


def _command(run: OpenRun, contrast: Contrast, found: LabelMaps) -> str:
    import shlex

    which = (
        f"--between {shlex.join(contrast.between)}" if contrast.between else "--against-rest"
    )  # fmt: skip
    most = max(found.pictures.counts().values())
    part = "" if found.whole else f" --pictures {most}"
    return f"typica mine contrast {shlex.quote(run.folder.folder.name)} {which}{part}"
