"""The comparison with a mining run as a page and a JSON file."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import RunError
from ...files import finite, write_json
from ...images.picture import PictureCollection
from ...mining.folder import MiningAbout, MiningFolder
from ...mining.record import minutes
from ...reports.patch_clusters import (
    MeasureRow,
    PatchClusterRow,
    PatchClustersReport,
    PatchColumn,
    PatchLabel,
    write_patch_clusters,
)
from ...reports.wording import flat, hardware, percent
from .beside import MEASURES, METHODS, BesideOptions, LabelBeside, PatchSet, compare
from .folder import DoerschAbout, DoerschFolder, LabelClusters
from .page import FOUND_BY, Patches, cluster_rows, commands, cut_out, describe_label

__all__ = ["lay_beside"]

_HEADS = ("ours (diffusion)", "Doersch et al. 2012", "random patches", "chance")


def lay_beside(
    folder: DoerschFolder,
    mining: MiningFolder,
    collection: PictureCollection,
    options: BesideOptions | None = None,
    mining_minutes: float | None = None,
    show_progress: bool = True,
) -> tuple[Path, dict[str, Any]]:
    """Write `beside.html` and `beside.json` into the folder of the baseline.

    Arguments:
        folder: A run of the baseline.
        mining: A mining run of the same pictures.
        collection: The pictures.
        options: How they are compared.
        mining_minutes: What the whole mining run took, for all its labels; None for the
            minutes of its training, which is all that a run records.
        show_progress: Show bars on standard error.

    Returns:
        The page, and the values in the JSON file.

    Raises:
        RunError: If the runs are of different pictures, or one has nothing to compare.
    """
    options = options or BesideOptions()
    about, mined = folder.about(), mining.about()
    if about.data["digest"] != mined.data["digest"]:
        raise RunError(
            f"{mining.folder}: is of other pictures than {folder.folder}. Give a mining run of "
            "the same data, read in the same way."
        )
    results = folder.done()
    if not results:
        raise RunError(f"{folder.folder}: no label is done yet. Run it with --label first.")
    sets, measured = compare(results, mining, collection, options, show_progress)
    whole = mining_minutes is not None
    spent = mining_minutes if whole else minutes(mined.record, mining.read_log())
    compared = _Compared(
        about, mined, options, results, spent, whole,
        {(one.label, one.method): one for one in measured},
        {(one.label, one.method): one for one in sets},
    )  # fmt: skip
    values = finite(_values(compared, len(collection)))
    write_json(folder.folder / "beside.json", values)
    wanted = [
        place
        for one in sets
        if one.method != "random"
        for place in zip(one.pictures, one.boxes, strict=True)
    ]
    patches, problems = cut_out(
        wanted, {picture.id: picture for picture in collection}, show_progress
    )
    report = PatchClustersReport(
        title=about.data["name"],
        lead="What two methods find typical of a label: left a diffusion model that was told the "
        "labels, right the detectors of Doersch et al. 2012.",
        labels=tuple(_label(compared, found, patches) for found in results),
        tiles=_tiles(compared),
        reading=(_how_measured(options), *FOUND_BY),
        settings=tuple(flat(about.options.as_dict())),
        problems=(*collection.problems, *problems),
        commands=tuple(
            f"{line} --beside MINING_RUN" for line in commands(folder, results)
        ),
        version=f"typica {__version__}",
        date=time.strftime("%Y-%m-%d"),
    )  # fmt: skip
    return write_patch_clusters(report, folder.folder / "beside.html"), values


@dataclass(frozen=True)
class _Compared:
    """Two runs, and what was measured of them.

    Arguments:
        about: The run of the baseline.
        mined: The mining run.
        options: How they were compared.
        results: The labels that the baseline has done.
        spent: Minutes of the mining run, if known.
        whole: Whether they are of all of it, not of its training only.
        measured: By label and method.
        sets: The patches, likewise.
    """

    about: DoerschAbout
    mined: MiningAbout
    options: BesideOptions
    results: tuple[LabelClusters, ...]
    spent: float | None
    whole: bool
    measured: dict[tuple[str, str], LabelBeside]
    sets: dict[tuple[str, str], PatchSet]

    @property
    def time(self) -> str:
        """What the mining run took, in words."""
        if self.spent is None:
            return ""
        return f"{self.spent:.0f} min {'in all' if self.whole else 'of training'}"


def _values(compared: _Compared, pictures: int) -> dict[str, Any]:
    """What `beside.json` holds."""
    about, mined, measured = compared.about, compared.mined, compared.measured
    return {
        "data": about.data["name"],
        "pictures": pictures,
        "options": {"compared": asdict(compared.options), "doersch": about.options.as_dict()},
        "hardware": {"doersch": about.record.get("hardware"),
                     "mining": mined.record.get("hardware")},
        "mining": {
            "minutes": compared.spent, "whole": compared.whole, "labels": len(mined.labels),
        },
        "labels": {
            found.label: {
                "doersch": {
                    "minutes": round(found.minutes, 2),
                    "processor_minutes": round(found.processor_minutes, 2),
                    "seconds": found.seconds,
                    "processor_seconds": found.processor_seconds,
                    "candidates": found.candidates,
                    "detectors": found.detectors,
                    "shares": [round(one.share, 4) for one in found.clusters],
                    "unseen_shares": [one.unseen_share for one in found.clusters],
                },
                "measures": {
                    method: measured[found.label, method].as_dict()
                    for method in METHODS
                    if (found.label, method) in measured
                },
            }
            for found in compared.results
        },
    }  # fmt: skip


def _label(compared: _Compared, found: LabelClusters, patches: Patches) -> PatchLabel:
    """One label: the clusters of both methods, and the table of the measures."""
    options = compared.options
    measured = {method: compared.measured.get((found.label, method)) for method in METHODS}
    ours = PatchColumn(
        "Ours: typical of the label by a diffusion model",
        f"{compared.time} for all {len(compared.mined.labels)} labels together",
        _mined_rows(compared.sets[found.label, "mining"], patches, _words(measured["mining"])),
    )
    theirs = PatchColumn(
        "Doersch et al. 2012",
        describe_label(found),
        cluster_rows(
            found, patches, options.clusters, options.members, _words(measured["doersch"])
        ),
    )
    rows = tuple(_measure_rows(list(measured.values())))
    return PatchLabel(found.label, found.pictures, (ours, theirs), _HEADS, rows)


def _tiles(compared: _Compared) -> tuple[tuple[str, str, str], ...]:
    """What the head of the page says of both runs."""
    about, mined, results = compared.about, compared.mined, compared.results
    each = sum(found.minutes for found in results) / len(results)
    processor = sum(found.processor_minutes for found in results) / len(results)
    return (
        ("Labels", str(len(results)), f"of {len(about.labels)}"),
        ("Ours", compared.time or "–", f"for all {len(mined.labels)} labels; {mined.base} base"),
        ("Doersch", f"{each:.1f} min", f"for each label; {processor:.1f} of processor time"),
        ("Hardware", hardware(about.record.get("hardware")) or "–", "of the Doersch run"),
    )


def _how_measured(options: BesideOptions) -> str:
    return (
        f"The table asks of the first {options.clusters} clusters of both methods, the first "
        f"{options.members} patches of each, whether the {options.neighbours} nearest patches of "
        "other pictures carry the label; in brackets the 95 % interval over pictures. What is "
        "nearest is decided twice. By gradients and colours: this is close to what the right "
        "column was mined by, so it favours Doersch et al. By the correlation of grey values at "
        "16 x 16: cruder, and used by neither. “Random patches” are random ones of "
        "the label. “Pictures” counts the different pictures shown; “shown twice” is the share "
        "of patches whose place another cluster shows too: always 0 on the left, where an "
        "element belongs to one cluster and elements of a picture do not overlap."
    )


def _words(measured: LabelBeside | None) -> tuple[str, ...]:
    """Of every cluster, what its neighbours say."""
    if measured is None:
        return ()
    columns = [measured.by_cluster[name] for name in MEASURES]
    return tuple(
        f"look-alikes with the label: {percent(first, 0)} by gradients, "
        f"{percent(second, 0)} by pixels"
        for first, second in zip(*columns, strict=True)
    )


def _mined_rows(
    found: PatchSet, patches: Patches, more: tuple[str, ...]
) -> tuple[PatchClusterRow, ...]:
    """Rows of a page for the clusters of a mining run."""
    rows = []
    for number in range(max(found.clusters, default=-1) + 1):
        own = [
            (name, box)
            for name, box, k in zip(found.pictures, found.boxes, found.clusters, strict=True)
            if k == number
        ]
        rows.append(
            PatchClusterRow(
                number + 1,
                more[number] if number < len(more) else "",
                tuple(patches.get(one, b"") for one in own),
                tuple(f"Element {j + 1} in {name}" for j, (name, _) in enumerate(own)),
            )
        )
    return tuple(rows)


def _measure_rows(measured: list[LabelBeside | None]) -> list[MeasureRow]:
    """The table of one label; the columns are those of `_HEADS`."""
    chance = next((one.chance for one in measured if one is not None), float("nan"))

    def share(one: LabelBeside | None, name: str) -> str:
        if one is None:
            return "–"
        value = one.shares[name]
        return f"{percent(value.mean)} ({percent(value.low)} to {percent(value.high)})"

    rows = [
        MeasureRow(
            f"look-alikes with the label, by {name}",
            (*(share(one, name) for one in measured), percent(chance)),
        )
        for name in MEASURES
    ]
    counts = tuple("–" if m is None else f"{m.pictures} in {m.patches} patches" for m in measured)
    twice = tuple("–" if m is None else percent(m.repeated) for m in measured[:2])
    rows.append(MeasureRow("pictures", (*counts, "")))
    rows.append(MeasureRow("shown twice", (*twice, "", "")))
    return rows
