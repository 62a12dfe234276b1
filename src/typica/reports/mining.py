r"""The report of a mining run: everything it shows comes in, it only lays out.

The page holds, for every label, what was found typical of it: clusters of patches, each of which
opens on its whole picture with the typicality of every place. Pictures and numbers lie in blocks
of JSON, one per label, and become visible elements only when their label is looked at, so that a
page with thousands of elements opens at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .mining_values import (
    ClusterCard,
    ElementCard,
    LabelCard,
    LabelResult,
    MiningReport,
    PictureCard,
)
from .page import base64_text, data_block, data_uri, render_page, write_page
from .run_values import run_views
from .wording import percent

__all__ = ["render_mining_report", "write_mining_report"]

OVERVIEW_CLUSTERS = 6
"""Clusters of a label in the overview, as in the paper's figures."""
OVERVIEW_MEMBERS = 4
"""Members of each."""
ARTEFACT_SHARE = 0.5
"""A cluster is flagged if at least this share of its elements is."""
UNSTABLE = 0.5
"""A cluster is flagged if it is found again less well than this."""


def write_mining_report(report: MiningReport, path: Path) -> Path:
    r"""Write the page of a mining run: one file, which fetches nothing.

    Arguments:
        report: What to show.
        path: The file to write, usually `index.html`; written in one step.

    Returns:
        The path.

    Raises:
        DataError: If the file cannot be written there.
    """
    return write_page(render_mining_report(report), path)


def render_mining_report(report: MiningReport) -> str:
    r"""Lay out the page of a mining run.

    Arguments:
        report: What to show.

    Returns:
        The page.
    """
    values = {
        **run_views(report, report.panels),
        "rows": overview_rows(report),
        "blocks": [data_block(label_data(label)) for label in report.labels],
        "page_data": data_block(page_data(report)),
        "gradient": ",".join(f"rgb{colour}" for colour in report.colours),
        "samples": [(caption, webp_uri(image)) for caption, image in report.samples],
        "signed": signed,
        "link": link,
    }
    return render_page("mining.html", values, script="mining.js")


def webp_uri(image: bytes) -> str:
    r"""WebP as a data URI; the empty string for no picture."""
    return data_uri("webp", image) if image else ""


def link(label: str, model: str, row: int | None = None, among: str = "") -> str:
    r"""The address, within the page, of a label or of one of its elements."""
    parts = [("label", label)]
    if row is not None:
        parts.append(("element", str(row)))
    if among:
        parts.append(("list", among))
    parts.append(("model", model))
    return "#" + "&".join(f"{key}={quote(text, safe='')}" for key, text in parts)


def signed(value: float | None, digits: int = 3) -> str:
    r"""A number with its sign and so many significant digits, or a dash."""
    if value is None or value != value:
        return "–"
    text = f"{abs(value):#.{digits}g}".rstrip(".") if value else "0"
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa} × 10^{int(exponent)}"
    return ("−" if value < 0 else "+" if value > 0 else "") + text


def most_expected(cluster: ClusterCard) -> float:
    r"""The largest share at the edge that is still no wonder: two standard errors of a share."""
    expected = cluster.border_expected
    return expected + 2 * math.sqrt(expected * (1 - expected) / cluster.size)


def flags(cluster: ClusterCard) -> list[tuple[str, str]]:
    r"""What a reader should beware of in a cluster: (short, in words)."""
    found = []
    if cluster.border_share >= ARTEFACT_SHARE and cluster.border_share > most_expected(cluster):
        share, expected = percent(cluster.border_share, 0), percent(cluster.border_expected, 0)
        found.append(
            (
                "edge",
                f"{share} of it touch the edge of their picture, where {expected} would be "
                "expected: perhaps a frame",
            )
        )
    if cluster.flat_share >= ARTEFACT_SHARE:
        share = percent(cluster.flat_share, 0)
        found.append(("flat", f"{share} of it show hardly any contrast: perhaps empty ground"))
    if cluster.stability is not None and cluster.stability < UNSTABLE:
        share = percent(cluster.stability, 0)
        found.append(("unstable", f"a new start of the clustering finds only {share} of it again"))
    if cluster.merged > 1:
        found.append(("merged", f"{cluster.merged} clusters that were nearly alike, made one"))
    return found


def overview_rows(report: MiningReport) -> list[dict[str, Any]]:
    r"""Of every label and model, the best members of the first clusters."""
    rows = []
    for label in report.labels:
        for model in report.models:
            result = label.results.get(model.name)
            if result is None:
                continue
            rows.append(
                {
                    "label": label,
                    "model": model,
                    "first": model is report.models[0],
                    "result": result,
                    "clusters": [
                        {
                            "card": one,
                            "flags": flags(one),
                            "members": [member(label, one, result.elements[row]) for row in rows],
                        }
                        for one, rows in overview(result.clusters)
                    ],
                }
            )
    return rows


def overview(clusters: Sequence[ClusterCard]) -> list[tuple[ClusterCard, tuple[int, ...]]]:
    r"""The clusters that stand in the overview, each with the rows that stand for it there."""
    return [(one, one.members[:OVERVIEW_MEMBERS]) for one in clusters[:OVERVIEW_CLUSTERS]]


def member(label: LabelCard, cluster: ClusterCard, one: ElementCard) -> dict[str, Any]:
    r"""One member of a cluster, as the overview shows it."""
    return {
        "row": one.row,
        "uri": webp_uri(one.thumbnail),
        "alt": f"{label.name}, cluster {cluster.rank + 1}: patch of "
        f"{label.pictures[one.picture].id}, typicality {signed(one.typicality)}",
    }


def page_data(report: MiningReport) -> dict[str, Any]:
    r"""What the script knows before any label is looked at."""
    return {
        "labels": [label.name for label in report.labels],
        "models": [
            {
                "name": model.name,
                "title": model.title,
                "patch": model.patch_scale,
                "cell": model.cell_scale,
            }
            for model in report.models
        ],
        "colours": report.colours,
    }


def label_data(label: LabelCard) -> dict[str, Any]:
    r"""One label for the script: pictures once, elements by row, lists of rows."""
    return {
        "name": label.name,
        "prompt": label.prompt,
        "count": label.count,
        "pictures": [picture_data(one) for one in label.pictures],
        "results": {
            name: result_data(result, label.pictures) for name, result in label.results.items()
        },
    }


def result_data(result: LabelResult, pictures: Sequence[PictureCard]) -> Mapping[str, Any]:
    r"""What one model found for a label, for the script."""
    # What stands in the overview has its thumbnail there: it is not embedded a second time.
    above = {row for _, rows in overview(result.clusters) for row in rows}
    return {
        "elements": {
            str(row): element_data(one, pictures[one.picture], row in above)
            for row, one in result.elements.items()
        },
        "clusters": [cluster_data(one) for one in result.clusters],
        "typical": result.typical,
        "random": result.random,
        "least": result.least,
        "total": result.total,
        "hidden": result.hidden_clusters,
    }


def picture_data(picture: PictureCard) -> Mapping[str, Any]:
    r"""One picture for the script."""
    return {
        "id": picture.id,
        "w": picture.width,
        "h": picture.height,
        "image": base64_text(picture.image),
        "maps": {
            name: [one.rows, one.columns, one.unit, base64_text(one.cells)]
            for name, one in picture.maps.items()
        },
    }


def element_data(one: ElementCard, picture: PictureCard, above: bool) -> Mapping[str, Any]:
    r"""One element for the script, its box in fractions of the picture."""
    box = (
        one.box.left / picture.width,
        one.box.top / picture.height,
        one.box.width / picture.width,
        one.box.height / picture.height,
    )
    values: dict[str, Any] = {
        "p": one.picture,
        "b": [round(value, 5) for value in box],
        "t": number(one.typicality),
        "e": number(one.error),
        "k": one.kind,
        "n": one.rank,
    }
    if one.distance is not None:
        values["d"] = number(one.distance)
    if one.border:
        values["edge"] = 1
    if one.flat:
        values["flat"] = 1
    if not above:
        values["i"] = base64_text(one.thumbnail)
    return values


def cluster_data(one: ClusterCard) -> Mapping[str, Any]:
    r"""One cluster for the script."""
    return {
        "rank": one.rank,
        "size": one.size,
        "median": number(one.median),
        "error": number(one.error),
        "stability": number(one.stability),
        "members": one.members,
        "flags": flags(one),
    }


def number(value: float | None) -> float | None:
    r"""A number with few digits, as JSON can hold it; None for none and for NaN."""
    if value is None or value != value or abs(value) == float("inf"):
        return None
    return float(f"{value:.5g}")
