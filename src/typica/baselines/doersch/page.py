"""From a run folder to its page, alone or beside a mining run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from ... import __version__
from ...images.picture import Picture, PictureCollection
from ...mining.thumbnails import Detail, photograph
from ...reports.patch_clusters import (
    PatchClusterRow,
    PatchClustersReport,
    PatchColumn,
    PatchLabel,
    write_patch_clusters,
)
from ...reports.wording import flat, hardware
from ...values import Box, Problem
from .folder import DoerschFolder, LabelClusters, Member

__all__ = ["FOUND_BY", "Patches", "cluster_rows", "cut_out", "member_box", "write_page_of_run"]

SHOWN = 10
"""Members of a cluster on a page of its own."""
DETAIL = Detail(64, 20, 20, 96, 72, 32, 20, 8)
"""Thumbnails of 96 px; whole pictures are not shown."""
Patches = Mapping[tuple[str, Box], bytes]

FOUND_BY = (
    "A cluster is what one detector finds: a linear SVM on gradients (HOG) and colours of a "
    "square patch, begun with one random patch of the label and its nearest neighbours, trained in "
    "rounds on disjoint subsets of the pictures against all other labels. Shown are its best "
    "matches within the label, one per picture. Clusters are ranked by the share of their "
    "best 50 matches in the whole collection, one per picture, that have the label; the pictures "
    "it was trained on are among them, so the share without those of the last round is given too.",
    "What departs from the published re-implementation, following the 2012 paper or the text of "
    "the thesis: disjoint subsets instead of growing ones; every place of the negative "
    "pictures as a negative; the best 50 matches instead of 100; colours without a constant "
    "offset; no candidate twice, and none counted as its own neighbour.",
)


def member_box(member: Member) -> Box:
    """The patch of a member, in pixels of the original picture."""
    return Box(member.x, member.y, member.x + member.width, member.y + member.height)


def cut_out(
    wanted: Iterable[tuple[str, Box]],
    pictures: Mapping[str, Picture],
    show_progress: bool = True,
) -> tuple[dict[tuple[str, Box], bytes], tuple[Problem, ...]]:
    """Thumbnails of patches, every picture decoded once.

    Arguments:
        wanted: Ids of pictures, and boxes in pixels of the original.
        pictures: By id.
        show_progress: Show a bar on standard error.

    Returns:
        WebP of each that could be made, and what was wrong with the others' pictures.
    """
    boxes: dict[str, list[Box]] = {}
    for name, box in wanted:
        boxes.setdefault(name, []).append(box)
    patches: dict[tuple[str, Box], bytes] = {}
    problems: list[Problem] = []
    for name in tqdm(
        sorted(boxes), "pictures", unit="picture", disable=not show_progress, leave=False
    ):
        shot, problem = photograph(pictures[name], boxes[name], DETAIL)
        patches |= {(name, box): patch for box, patch in shot.patches.items()}
        if problem is not None:
            problems.append(problem)
    return patches, tuple(problems)


def cluster_rows(
    found: LabelClusters, patches: Patches, clusters: int, shown: int, more: Sequence[str] = ()
) -> tuple[PatchClusterRow, ...]:
    """The rows of a page for one label's clusters.

    Arguments:
        found: The clusters.
        patches: Their thumbnails.
        clusters: How many are shown.
        shown: Members of each.
        more: Words to add to what is said of each.
    """
    rows = []
    for i, one in enumerate(found.clusters[:clusters]):
        facts = f"{100 * one.share:.0f} % of its matches have the label"
        if one.unseen_share is not None:
            facts += f", {100 * one.unseen_share:.0f} % without the pictures it was last trained on"
        members = one.members[:shown]
        rows.append(
            PatchClusterRow(
                one.rank + 1,
                facts + (f"; {more[i]}" if i < len(more) else ""),
                tuple(patches.get((m.picture, member_box(m)), b"") for m in members),
                tuple(f"Match {j + 1} in {m.picture}" for j, m in enumerate(members)),
            )
        )
    return tuple(rows)


def describe_label(found: LabelClusters) -> str:
    """Numbers of a label's run in words."""
    return (
        f"{found.candidates} candidates, {found.detectors} detectors, {found.minutes:.1f} min "
        f"({found.processor_minutes:.1f} of processor time)"
    )


def write_page_of_run(
    folder: DoerschFolder, collection: PictureCollection, show_progress: bool = True
) -> Path:
    """Write `index.html`: all clusters of all labels that were mined.

    Arguments:
        folder: The run.
        collection: Its pictures.
        show_progress: Show a bar on standard error.

    Returns:
        The page.
    """
    about, done = folder.about(), folder.done()
    wanted = [
        (member.picture, member_box(member))
        for found in done
        for cluster in found.clusters
        for member in cluster.members[:SHOWN]
    ]
    pictures = {picture.id: picture for picture in collection}
    patches, problems = cut_out(wanted, pictures, show_progress)
    options = about.options
    labels = tuple(
        PatchLabel(
            found.label,
            found.pictures,
            (
                PatchColumn(
                    "Doersch et al. 2012",
                    describe_label(found),
                    cluster_rows(found, patches, options.keep, SHOWN),
                ),
            ),
        )
        for found in done
    )
    minutes = sum(found.minutes for found in done)
    report = PatchClustersReport(
        title=about.data["name"],
        lead="What tells each label from the others, as found by discriminative patches: the "
        "method of Doersch et al. 2012, with which mining by a diffusion model is compared.",
        labels=labels,
        tiles=(
            ("Labels", str(len(labels)), f"of {len(about.labels)}, each against all others"),
            ("Pictures", str(len(collection)), "one match each"),
            ("Patch", f"{options.side} px", f"{options.cells} x {options.cells} cells"),
            ("Time", f"{minutes:.1f} min", hardware(about.record.get("hardware"))),
        ),
        reading=FOUND_BY,
        settings=tuple(flat(options.as_dict())),
        problems=(*collection.problems, *problems),
        commands=commands(folder, done),
        version=f"typica {__version__}",
        date=time.strftime("%Y-%m-%d"),
    )
    return write_patch_clusters(report, folder.page)


def commands(folder: DoerschFolder, done: Sequence[LabelClusters]) -> tuple[str, ...]:
    """The command that repeats a run; DATA stands for the pictures."""
    import shlex

    labels = " ".join(f"--label {shlex.quote(found.label)}" for found in done)
    plain = dict(flat(DoerschFolder(folder.folder).about().options.as_dict()))
    base = dict(flat(type(folder.about().options)().as_dict()))
    changes = " ".join(f"{k}={v}" for k, v in plain.items() if v != base[k])
    chosen = f" --set {changes}" if changes else ""
    name = shlex.quote(folder.folder.name)
    return (f"typica baseline doersch DATA {labels} --out {name}{chosen}",)
