"""Search by example in a run: the features of the example, the nearest elements, page or table."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ...configs import require
from ...errors import RunError
from ...files import write_text
from ...hardware import tune_process
from ...images.decoding import read_header
from ...images.loading import load_pixels
from ...images.picture import Picture
from ...images.prompts import Told, joined
from ...images.sizes import Scaling
from ...reports.readings import write_search_page
from ...reports.readings_values import SearchHit, SearchPage
from ...values import Box
from ..feature_store import load_features
from ..features import cells, picture_features
from ..folder import ModelName
from ..opening import OpenRun
from ..pixels import to_tensor
from ..run import load_model
from ..table import ElementsTable, read_table
from ..thumbnails import DETAILS, photograph
from .blind import blind_features
from .label_maps import readings_folder
from .page_facts import page_facts
from .search import LabelCount, Query, label_counts, nearest, parse_box

__all__ = ["SearchResult", "region_feature", "search_run"]

_DETAIL = DETAILS[4]


@dataclass(frozen=True)
class SearchResult:
    """What was found and written.

    Arguments:
        file: Page or table.
        rows: Of the elements table, the nearest first.
        cosines: Of each.
        lines: What to print.
    """

    file: Path
    rows: tuple[int, ...]
    cosines: tuple[float, ...]
    lines: tuple[str, ...]


def region_feature(
    run: OpenRun, model: ModelName, picture: Picture, label: Told, box: Box, device: str
) -> NDArray[np.float32]:
    """The feature of a part of a picture, as elements have it: mean over its cells, unit length.

    Arguments:
        run: The run.
        model: Whose features.
        picture: Of the collection or not.
        label: What the model is told; None for the null condition.
        box: In pixels of the file.
        device: Where.
    """
    about = run.about
    tune_process()
    denoiser = load_model(run, model, device)
    scaling = Scaling.of(picture, about.config.size, about.factor)
    width, height = scaling.working
    part = scaling.to_working(box)
    pixels = to_tensor([load_pixels(picture, about.config.size, about.factor)])
    with torch.no_grad():
        latents = denoiser.codec.encode(pixels.to(denoiser.device))
        maps = picture_features(
            denoiser, latents, [label], about.config.features, about.config.typicality.bfloat16
        )[0]
    left, top = min(int(part.left), width - 1), min(int(part.top), height - 1)
    wide = max(1, min(round(part.width), width - left))
    tall = max(1, min(round(part.height), height - top))
    down = cells(top, tall, height, maps.shape[1])
    across = cells(left, wide, width, maps.shape[2])
    found: NDArray[np.float32] = (
        F.normalize(maps[:, down, across].mean(dim=(1, 2)), dim=0).cpu().numpy()
    )
    return found


def _example(run: OpenRun, query: Query) -> tuple[Picture, Told]:
    """The picture of a query, and what the model is told about it."""
    name = query.picture or ""
    for picture in run.collection:
        if picture.id == name:
            return picture, picture.told
    path = Path(name)
    if not path.is_file():
        raise RunError(
            f"--picture {name}: neither a picture of {run.collection.root} nor a file. Give an id "
            "such as those in the elements table, or a path."
        )
    labels = run.about.labels
    require(
        query.label is None or query.label in labels,
        f"--label {query.label}: no such label; there are {', '.join(labels)}",
    )
    header = read_header(path)
    own = (query.label,) if query.label else ()
    size = header.width, header.height
    return Picture(path.name, path, joined(own), "test", *size, labels=own), query.label


def search_run(
    run: OpenRun,
    query: Query,
    out: Path | None = None,
    *,
    model: ModelName = "finetuned",
    device: str = "auto",
) -> SearchResult:
    """Find the elements that are nearest to an example and write a page or a table.

    Arguments:
        run: The run, with elements and features.
        query: What is looked for.
        out: `.html` or `.csv`; None for `readings/search.html` of the run.
        model: Whose elements and features.
        device: `auto`, `cpu`, `cuda`, ...

    Raises:
        ConfigError: If the row, box or label cannot be, or `out` ends otherwise.
        RunError: If there are no elements or features, or no such picture.
    """
    out = out or readings_folder(run) / "search.html"
    require(out.suffix in (".html", ".csv"), f"--out {out}: end it in .html or .csv")
    table = read_table(run.folder.elements(model))
    if query.blind:
        features = blind_features(run, model, table, "search", device=device)
    else:
        features = load_features(run.folder.features(model), table).numpy()
    pictures = {picture.id: picture for picture in run.collection}
    if query.row is not None:
        require(
            0 <= query.row < len(table), f"--row {query.row}: there are rows 0 to {len(table) - 1}"
        )
        name, box = str(table.picture[query.row]), table.box(query.row)
        if name not in pictures:
            raise RunError(f"{name}: in the elements table, but not in {run.collection.root}.")
        picture, feature = pictures[name], features[query.row]
        told = None if query.blind else picture.told
    else:
        picture, told = _example(run, query)
        told = None if query.blind else told
        whole = Box(0, 0, picture.width, picture.height)
        box = parse_box(query.box, picture.width, picture.height) if query.box else whole
        feature = region_feature(run, model, picture, told, box, device)
    among = table.rows(kind=query.kind)
    if query.other_pictures:
        among = among[table.picture[among] != picture.id]
    if not len(among):
        raise RunError(f"{run.folder.folder}: there is no element to look among.")
    rows, cosines = nearest(features, feature, among, query.count, query.row)
    counts = label_counts(table.label[rows].tolist(), table.label[among].tolist())
    if out.suffix == ".csv":
        _write_table(out, table, rows, cosines)
    else:
        shown = _page(run, query, table, rows, cosines, counts, picture, box, told)
        write_search_page(shown, out)
    lines = tuple(
        f"{one.label}: {one.count} of {len(rows)}, {one.expected:.0%} of all elements"
        for one in counts
        if one.count
    )
    return SearchResult(out, tuple(rows.tolist()), tuple(map(float, cosines)), lines)


def _write_table(
    path: Path, table: ElementsTable, rows: NDArray[np.int64], cosines: NDArray[np.float32]
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ("picture", "label", "kind", "x", "y", "width", "height", "typicality")
    writer.writerow(["row", "cosine", *names])
    for row, cosine in zip(rows.tolist(), cosines, strict=True):
        writer.writerow([row, f"{cosine:.5f}", *(getattr(table, name)[row] for name in names)])
    write_text(path, out.getvalue())


def _page(
    run: OpenRun,
    query: Query,
    table: ElementsTable,
    rows: NDArray[np.int64],
    cosines: NDArray[np.float32],
    counts: tuple[LabelCount, ...],
    picture: Picture,
    box: Box,
    told: Told,
) -> SearchPage:
    """The values of the page: the example, what was found, whose labels it has."""
    pictures = {one.id: one for one in run.collection}
    boxes: dict[str, list[Box]] = {}
    for row in rows.tolist():
        boxes.setdefault(str(table.picture[row]), []).append(table.box(row))
    shots = {
        name: photograph(pictures[name], found, _DETAIL)[0]
        for name, found in boxes.items()
        if name in pictures
    }
    example, _ = photograph(picture, [box], _DETAIL)
    hits = []
    for row, cosine in zip(rows.tolist(), cosines, strict=True):
        name = str(table.picture[row])
        image = shots[name].patches.get(table.box(row), b"") if name in shots else b""
        hits.append(
            SearchHit(
                row,
                name,
                str(table.label[row]),
                str(table.kind[row]),
                float(cosine),
                float(table.typicality[row]),
                image,
            )
        )
    what = (
        f"--row {query.row}"
        if query.row is not None
        else f"--picture {picture.id}" + (f" --box {query.box}" if query.box else "")
    )
    return SearchPage(
        **page_facts(run, f"typica mine search {run.folder.folder.name} {what}"),
        title=f"{run.about.data.get('name') or run.folder.folder.name}: like this",
        example=example.image,
        box=(
            box.left / picture.width,
            box.top / picture.height,
            box.width / picture.width,
            box.height / picture.height,
        ),
        patch=example.patches.get(box, b""),
        name=picture.id,
        told=joined((told,) if isinstance(told, str) else told or ()),
        among=query.kind or "all",
        blind=query.blind,
        hits=tuple(hits),
        counts=tuple(
            (one.label, one.count, one.share.mean, one.share.low, one.share.high, one.expected)
            for one in counts
            if one.count
        ),
    )
