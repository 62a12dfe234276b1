"""The comparison with a mining run as a page and a JSON file."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import RunError
from ...files import finite, write_json
from ...images.picture import PictureCollection
from ...mining.folder import MiningFolder
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
from .folder import DoerschFolder
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
    by_key = {(one.label, one.method): one for one in measured}
    own = {(one.label, one.method): one for one in sets}
    trained = minutes(mined.record, mining.read_log())
    whole = mining_minutes is not None
    spent = mining_minutes if whole else trained
    values: dict[str, Any] = {
        "data": about.data["name"],
        "pictures": len(collection),
        "options": {"compared": asdict(options), "doersch": about.options.as_dict()},
        "hardware": {"doersch": about.record.get("hardware"),
                     "mining": mined.record.get("hardware")},
        "mining": {"minutes": spent, "whole": whole, "labels": len(mined.labels)},
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
                    method: by_key[found.label, method].as_dict()
                    for method in METHODS
                    if (found.label, method) in by_key
                },
            }
            for found in results
        },
    }  # fmt: skip
    values = finite(values)
    write_json(folder.folder / "beside.json", values)
    pictures = {picture.id: picture for picture in collection}
    wanted = [
        place
        for one in sets
        if one.method != "random"
        for place in zip(one.pictures, one.boxes, strict=True)
    ]
    patches, problems = cut_out(wanted, pictures, show_progress)
    time_words = "" if spent is None else f"{spent:.0f} min {'in all' if whole else 'of training'}"
    labels = []
    for found in results:
        ours, theirs = by_key.get((found.label, "mining")), by_key.get((found.label, "doersch"))
        labels.append(
            PatchLabel(
                found.label,
                found.pictures,
                (
                    PatchColumn(
                        "Ours: typical of the label by a diffusion model",
                        f"{time_words} for all {len(mined.labels)} labels together",
                        _mined_rows(own[found.label, "mining"], patches, _words(ours)),
                    ),
                    PatchColumn(
                        "Doersch et al. 2012",
                        describe_label(found),
                        cluster_rows(
                            found, patches, options.clusters, options.members, _words(theirs)
                        ),
                    ),
                ),
                _HEADS,
                tuple(_measure_rows([by_key.get((found.label, one)) for one in METHODS])),
            )
        )
    minutes_each = sum(found.minutes for found in results) / len(results)
    processor_each = sum(found.processor_minutes for found in results) / len(results)
    report = PatchClustersReport(
        title=about.data["name"],
        lead="What two methods find typical of a label: left a diffusion model that was told the "
        "labels, right the detectors of Doersch et al. 2012.",
        labels=tuple(labels),
        tiles=(
            ("Labels", str(len(labels)), f"of {len(about.labels)}"),
            ("Ours", time_words or "–", f"for all {len(mined.labels)} labels; {mined.base} base"),
            ("Doersch", f"{minutes_each:.1f} min",
             f"for each label; {processor_each:.1f} of processor time"),
            ("Hardware", hardware(about.record.get("hardware")) or "–", "of the Doersch run"),
        ),
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
