"""Documents of two families, rendered from fonts with known changes of their outlines.

Family A is a font as it is, family B the same with open bowls, longer ascenders and a little slant.
Every document adds smaller changes of its own, drawn from the seed, to all letters and to a few.
What the documents truly look like, and how far apart their outlines truly are, is written beside
the lines. See `families.py` for the command.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.spatial import cKDTree

from typica.configs import require
from typica.demo.fonts import NpmFont, font_cache, font_from_npm
from typica.demo.texts import SOURCE, plain_text
from typica.errors import DataError
from typica.files import atomic_path, write_json, write_text
from typica.lines.contours import area, flatten, read_contours
from typica.lines.fonts import ink_extent, open_font
from typica.lines.glyphs import GLYPHS_FILE
from typica.lines.outline_changes import OutlineChange, change_font
from typica.lines.render import render_collection
from typica.lines.render_options import RenderOptions
from typica.lines.render_request import wrap_text
from typica.runs import load_tensors, save_tensors

__all__ = ["FamilyOptions", "Truth", "load_truth", "make_family_lines", "make_fonts", "true_shapes"]

FONT = NpmFont(
    package="@expo-google-fonts/grenze-gotisch@0.4.2",
    member="400Regular/GrenzeGotisch_400Regular.ttf",
    digest="6be7dee6c841eb7c42630704212eac9d3cacc776f0be001ac454cb4da5a8bbf9",
    notice="LICENSE_FONT",
    licence="SIL Open Font License 1.1",
)

LETTERS = "abcdefghijklmnoprstuvwzßäöü"
"""What the text holds; q, x and y are too rare in it."""

BOWLS = "bdgopö"
"""Opened in family B; the bowl of this font's a lies between overlapping strokes and cannot be."""

HEIGHT, SIZE, WIDTH = 64, 44, 32  # of a line and of the em in pixels; most characters in a line
RENDER = RenderOptions(height=HEIGHT, baseline_jitter=0.008, uneven_inking=0.2, degradation=1.2)
GRID = 64
OVER = 8  # true pictures are drawn so many times larger

SPLITS = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class FamilyOptions:
    """What is drawn."""

    documents: int = 12
    """Half of them in each family."""
    lines: int = 36
    """Of every document."""
    family: float = 1.0
    """Strength of what sets family B apart; 0 for none."""
    own: float = 1.0
    """Strength of what is a document's own."""
    outlier: bool = False
    """Whether the last document that is called A is drawn as one of B."""
    seed: int = 0
    """Of the documents' changes and of the lines."""

    def __post_init__(self) -> None:
        require(self.documents >= 4 and self.documents % 2 == 0, "documents: even, at least 4")
        require(self.lines >= 1, "lines: at least 1")
        require(0 <= self.family <= 2, "family: from 0 to 2")
        require(0 <= self.own <= 2, "own: from 0 to 2")
        require(self.seed >= 0, "seed: at least 0")


@dataclass(frozen=True)
class Truth:
    """What the documents truly look like; G documents, K letters.

    Arguments:
        letters: The letters.
        documents: Their names.
        families: As they are called.
        drawn: The families they were drawn as.
        pictures: Ink on the grid, baselines on one row, centres of ink on one column,
            `(G, K, h, w)`.
        outline: Mean distance from points of one outline to the other outline, both ways, in
            pixels of the lines, `(K, G, G)`.
        changes: What was done, by document.
    """

    letters: tuple[str, ...]
    documents: tuple[str, ...]
    families: tuple[str, ...]
    drawn: tuple[str, ...]
    pictures: NDArray[np.float32]
    outline: NDArray[np.float64]
    changes: dict[str, list[dict[str, Any]]]


def family_change(strength: float) -> list[OutlineChange]:
    """What sets family B apart."""
    if not strength:
        return []
    return [
        OutlineChange(slant=5 * strength, ascender=1 + 0.25 * strength, letters=LETTERS),
        OutlineChange(gap=0.1 * strength, clock=7.5, letters=BOWLS),
    ]


def own_change(strength: float, rng: np.random.Generator) -> list[OutlineChange]:
    """What is a document's own: a little of everything, and a few letters that are its habit."""

    def up_to(limit: float) -> float:
        return round(float(rng.uniform(-limit, limit)) * strength, 5)

    everywhere = OutlineChange(
        slant=up_to(2),
        stroke=up_to(0.01),
        width=1 + up_to(0.04),
        x_height=1 + up_to(0.03),
        ascender=1 + up_to(0.1),
        descender=1 + up_to(0.15),
        letters=LETTERS,
    )
    habits = [
        OutlineChange(width=1 + up_to(0.12), stroke=up_to(0.015), letters=LETTERS[i])
        for i in sorted(rng.choice(len(LETTERS), 8, replace=False))
    ]
    return [everywhere, *habits]


def plan(options: FamilyOptions) -> list[tuple[str, str, str, list[OutlineChange]]]:
    """Of every document its name, the family it is called, the one it is drawn as, its changes."""
    found = []
    half = options.documents // 2
    for number in range(options.documents):
        called = drawn = "A" if number < half else "B"
        if options.outlier and number == half - 1:
            drawn = "B"
        rng = np.random.default_rng([options.seed, number])
        changes = family_change(options.family) if drawn == "B" else []
        name = f"doc{number + 1:02d}"
        found.append((name, called, drawn, [*changes, *own_change(options.own, rng)]))
    return found


def base_font(folder: Path, cache: Path | None = None) -> Path:
    """The font with no more than Latin-1, which is changed in a fraction of the time."""
    path, reason = font_from_npm(FONT, font_cache() if cache is None else cache)
    if path is None:
        raise DataError(f"{reason} Install npm and connect to its registry once.")
    out = folder / "base.ttf"
    with TTFont(path, recalcTimestamp=False) as tables:
        wanted = Options(hinting=False, name_IDs=["*"], layout_features=["kern"])
        small = Subsetter(wanted)
        small.populate(unicodes=[*range(0x20, 0x7F), *range(0xA0, 0x100)])
        small.subset(tables)
        with atomic_path(out) as aside:
            tables.save(aside)
    return out


def make_fonts(
    folder: Path, options: FamilyOptions, base: Path | None = None
) -> list[tuple[str, str, str, list[OutlineChange], Path]]:
    """The rows of `plan`, each with its font file in `folder`."""
    base = base or base_font(folder)
    return [
        (*row, change_font(base, row[3], folder / f"{row[0]}{base.suffix}"))
        for row in plan(options)
    ]


def texts_of(options: FamilyOptions) -> list[list[str]]:
    """The lines of every document: other sentences in each, in lower case, letters only."""
    text = "".join(c if c in LETTERS else " " for c in plain_text().lower())
    lines = [line for line in wrap_text(text, WIDTH) if len(line) > WIDTH // 2]
    require(
        options.lines * options.documents <= len(lines),
        f"lines: the text has {len(lines)} lines, {options.lines * options.documents} are wanted",
    )
    return [lines[i * options.lines : (i + 1) * options.lines] for i in range(options.documents)]


def _true_picture(font: Path, letter: str, centre: float) -> NDArray[np.float32]:
    """A letter on the grid: baseline at three quarters of the height, `centre` in the middle."""
    face = ImageFont.truetype(str(font), SIZE * OVER)
    picture = Image.new("L", (GRID * OVER, HEIGHT * OVER), 0)
    place = (GRID * OVER / 2 - centre * SIZE * OVER, 0.75 * HEIGHT * OVER)
    ImageDraw.Draw(picture).text(place, letter, 255, face, anchor="ls")
    ink = np.asarray(picture, np.float32).reshape(HEIGHT, OVER, GRID, OVER)
    return np.asarray(ink.mean((1, 3)) / 255, np.float32)


def true_shapes(
    font: Path, letters: str = LETTERS
) -> tuple[NDArray[np.float32], list[NDArray[np.float64]], NDArray[np.float64]]:
    """What a font's letters truly look like.

    Returns:
        Pictures `(K, h, w)`; points along each outline in pixels from its centre of ink and
        the baseline; and these centres, in em from the pen, `(K,)`.
    """
    with TTFont(font) as tables:
        glyphs, names = tables.getGlyphSet(), tables.getBestCmap()
        em = float(tables["head"].unitsPerEm)
        pictures, outlines, centres = [], [], []
        for letter in letters:
            contours = read_contours(glyphs, names[ord(letter)])
            rings = [flatten(contour, em / 500) / em for contour in contours]
            whole = sum(area(ring) for ring in rings)
            centre = sum(_moment(ring) for ring in rings) / whole
            dense = np.concatenate([_dense(ring, 0.25 / SIZE) for ring in rings])
            outlines.append((dense - [centre, 0]) * SIZE)
            centres.append(centre)
            pictures.append(_true_picture(font, letter, centre))
    return np.stack(pictures), outlines, np.array(centres)


def _moment(ring: NDArray[np.float64]) -> float:
    """First moment in x of the area of a polygon."""
    x, y = ring.T
    after_x, after_y = np.roll(x, -1), np.roll(y, -1)
    return float(((x + after_x) * (x * after_y - after_x * y)).sum() / 6)


def _dense(ring: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Points every `step` along a polygon."""
    following = np.roll(ring, -1, 0)
    count = np.maximum(1, np.rint(np.linalg.norm(following - ring, axis=1) / step)).astype(int)
    edge = np.repeat(np.arange(len(ring)), count)
    share = (np.arange(len(edge)) - (np.cumsum(count) - count)[edge]) / count[edge]
    return np.asarray(ring[edge] + (following - ring)[edge] * share[:, None])


def outline_distances(outlines: list[list[NDArray[np.float64]]]) -> NDArray[np.float64]:
    """The mean distance between every two outlines, both ways, `(K, G, G)`.

    Arguments:
        outlines: Of every document and letter, points evenly along the outline.
    """
    groups, letters = len(outlines), len(outlines[0])
    found = np.zeros((letters, groups, groups))
    for k in range(letters):
        trees = [cKDTree(own[k]) for own in outlines]
        for i, j in combinations(range(groups), 2):
            there = trees[j].query(outlines[i][k])[0].mean()
            back = trees[i].query(outlines[j][k])[0].mean()
            found[k, i, j] = found[k, j, i] = (there + back) / 2
    return found


def truth_of(fonts: list[tuple[str, str, str, list[OutlineChange], Path]]) -> Truth:
    """The truth of a set of documents."""
    shapes = [true_shapes(path) for *_, path in fonts]
    return Truth(
        tuple(LETTERS),
        tuple(row[0] for row in fonts),
        tuple(row[1] for row in fonts),
        tuple(row[2] for row in fonts),
        np.stack([shape[0] for shape in shapes]),
        outline_distances([shape[1] for shape in shapes]),
        {row[0]: [asdict(one) for one in row[3]] for row in fonts},
    )


def save_truth(folder: Path, truth: Truth) -> None:
    """Write `truth.safetensors` and `truth.csv`."""
    about = {
        name: list(getattr(truth, name)) for name in ("letters", "documents", "families", "drawn")
    }
    save_tensors(
        folder / "truth.safetensors",
        {
            "pictures": torch.from_numpy(truth.pictures),
            "outline": torch.from_numpy(truth.outline),
        },
        {"kind": "truth", **about, "changes": truth.changes},
    )
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["letter", "document", "other", "outline_distance", "picture_distance"])
    pictures = truth.pictures.astype(np.float64)
    for k, letter in enumerate(truth.letters):
        for i, j in combinations(range(len(truth.documents)), 2):
            apart = float(np.sqrt(np.square(pictures[i, k] - pictures[j, k]).sum()))
            names = truth.documents[i], truth.documents[j]
            rows.writerow([letter, *names, f"{truth.outline[k, i, j]:.5f}", f"{apart:.5f}"])
    write_text(folder / "truth.csv", text.getvalue())


def load_truth(folder: Path) -> Truth:
    """Read what `save_truth` wrote."""
    tensors, about = load_tensors(folder / "truth.safetensors")
    names = (tuple(about[name]) for name in ("letters", "documents", "families", "drawn"))
    return Truth(*names, tensors["pictures"].numpy(), tensors["outline"].numpy(), about["changes"])


def make_family_lines(out: Path, options: FamilyOptions) -> Path:
    """Make the data folder: lines of all documents, their families, and the truth.

    Arguments:
        out: The folder to make; an earlier one of this kind is replaced.
        options: What is drawn.

    Returns:
        `out`, with `annotation.json` (the document of a line is its `script`), `images/`,
        `glyphs.json`, `families.csv` (document, family, drawn), `fonts/`, `families.json`,
        `truth.safetensors` and `truth.csv`.

    Raises:
        DataError: The font cannot be had, or `out` holds something else.
    """
    out = Path(out)
    if out.exists() and not (out / "families.json").is_file():
        raise DataError(f"{out}: exists and holds something else. Name another folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        (aside / "images").mkdir()
        fonts = make_fonts(aside / "fonts", options)
        entries: dict[str, Any] = {}
        boxes: list[str] = []
        for number, (row, text) in enumerate(zip(fonts, texts_of(options), strict=True)):
            part = _render(row[0], row[4], text, aside / "part", options.seed * 1000 + number)
            entries |= json.loads((part / "annotation.json").read_text(encoding="utf-8"))
            glyphs = json.loads((part / GLYPHS_FILE).read_text(encoding="utf-8"))
            boxes += [
                f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in glyphs.items()
            ]
            for picture in sorted((part / "images").iterdir()):
                os.replace(picture, aside / "images" / picture.name)
            shutil.rmtree(part)
        write_json(aside / "annotation.json", entries)
        write_text(aside / GLYPHS_FILE, "{\n" + ",\n".join(boxes) + "\n}\n")
        rows = ["document,family,drawn", *(",".join(row[:3]) for row in fonts)]
        write_text(aside / "families.csv", "\n".join(rows) + "\n")
        save_truth(aside, truth_of(fonts))
        made = {"options": asdict(options), "font": FONT.package, "licence": FONT.licence}
        write_json(aside / "families.json", made | {"text": SOURCE, "render": asdict(RENDER)})
        os.chmod(aside, 0o755)
        if out.exists():
            shutil.rmtree(out)
        os.replace(aside, out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return out


def _render(name: str, font: Path, texts: list[str], out: Path, seed: int) -> Path:
    """The lines of one document; every document has letters of the same size."""
    opened = open_font(font)
    share = SIZE * sum(ink_extent(opened)) / HEIGHT
    options = {**asdict(RENDER), "ink_height": share, "seed": seed}
    return render_collection(
        texts, opened, out, RenderOptions(**options), splits=SPLITS, document=name
    )
