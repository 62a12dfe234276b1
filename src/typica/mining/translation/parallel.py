"""The parallel set: pictures and their translations to every other label, a folder on the disk.

    config.json                       what decides the set (`ParallelAbout`)
    pictures/000012/real.png          the source picture at its working size
    pictures/000012/reconstruction.png   inverted and denoised again, to look at
    pictures/000012/003-fluent.png    its translation to label 3 of the set
    pictures/000012/rows.jsonl        one row per translation; written last, so a picture with
                                      this file is finished
    manifest.jsonl                    all rows in one file, for other programs
    index.html                        the page

A folder is named after the index of its picture in the collection. All PNG files of a picture
have its working size. The real picture, not its reconstruction, stands for its own label
(section 4.5.1).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...configs import from_plain
from ...errors import DAMAGE, RunError, reason
from ...files import write_text
from ...images.prompts import PromptTemplate
from ...runs import Run
from .options import TranslationConfig

__all__ = [
    "ParallelAbout",
    "ParallelFolder",
    "ParallelSequence",
    "ParallelSet",
    "Translation",
    "read_parallel",
    "read_pixels",
]

_INSTRUMENT = "mining-translation"


@dataclass(frozen=True)
class ParallelAbout:
    """What decides a parallel set; kept in its `config.json`.

    Arguments:
        config: The resolved options.
        run: `name` and `path` of the mining run, `model` (finetuned or base), `digest` of its
            weights.
        data: `name`, `path` and `digest` of the collection.
        prompt: The run's one prompt template.
        labels: Labels of the set, sorted: those of a sequence.
        size: Short side of a working picture, in pixels.
        factor: Pixels per latent cell.
        places: Names of the modules that are injected into: `features` and `attention`.
        record: Hardware, versions, dates, credits: for people.
    """

    config: TranslationConfig
    run: dict[str, str]
    data: dict[str, str]
    prompt: PromptTemplate
    labels: tuple[str, ...]
    size: int
    factor: int
    places: dict[str, list[str]]
    record: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"instrument": _INSTRUMENT, **asdict(self), "labels": list(self.labels)}

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: Path) -> ParallelAbout:
        """Rebuild it.

        Raises:
            RunError: If values are missing or not those of a parallel set.
        """
        if values.get("instrument") != _INSTRUMENT:
            raise RunError(
                f"{where}: no parallel set. Give the folder that `typica mine translate --out` "
                "made."
            )
        try:
            given = {one.name: values[one.name] for one in fields(cls)}
            return cls(
                **given
                | {
                    "config": from_plain(TranslationConfig, given["config"]),
                    "prompt": PromptTemplate(**given["prompt"]),
                    "labels": tuple(given["labels"]),
                }
            )
        except DAMAGE as error:
            raise RunError(
                f"{where}: damaged ({reason(error)}). Translate into a new folder."
            ) from error


@dataclass(frozen=True)
class Translation:
    """One finished translation: a row of the manifest.

    Arguments:
        index: Of the source picture in the collection.
        picture: Its id.
        source: Its label.
        target: Label that it was translated to.
        file: The translation, relative to the folder of the set.
        real: The source picture at its working size, relative to the folder.
        reconstruction: Inverted and denoised again, relative to the folder.
        rmse: Of the reconstruction, root mean squared difference to the real picture in grey
            levels (0 to 255), all channels.
        psnr: Of the reconstruction, in decibels; None where it is perfect.
        codec_rmse: Of encoding and decoding alone, what an exact inversion comes down to.
        residual: Largest relative error left in a step of an exact inversion; None for plain.
    """

    index: int
    picture: str
    source: str
    target: str
    file: str
    real: str
    reconstruction: str
    rmse: float
    psnr: float | None
    codec_rmse: float
    residual: float | None


@dataclass(frozen=True)
class ParallelSequence:
    """One picture under every label of the set.

    Arguments:
        index: Of the source picture in the collection.
        picture: Its id.
        source: Its label.
        files: A PNG per label, in the order of the set's labels, all of one size; of `source`
            the real picture.
    """

    index: int
    picture: str
    source: str
    files: dict[str, Path]


@dataclass(frozen=True)
class ParallelFolder(Run):
    """The paths of a parallel set."""

    WRITTEN_LOCKED: ClassVar[tuple[str, ...]] = ("config.json", "manifest.jsonl", "index.html")

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.jsonl"

    @property
    def page(self) -> Path:
        return self.folder / "index.html"

    def picture(self, index: int) -> Path:
        """Folder of one source picture."""
        return self.folder / "pictures" / f"{index:06d}"

    def rows(self, index: int) -> Path:
        """The rows of one source picture; there if it is finished."""
        return self.picture(index) / "rows.jsonl"

    def translation(self, index: int, labels: Sequence[str], target: str) -> Path:
        """The file of one translation."""
        return self.picture(index) / f"{labels.index(target):03d}-{_slug(target)}.png"

    def about(self) -> ParallelAbout:
        """What decides the set.

        Raises:
            RunError: If there is none, or it is damaged.
        """
        return ParallelAbout.from_dict(self.read_config(), self.config)

    def finished(self) -> list[int]:
        """Indices of the source pictures that are finished, ascending."""
        found = (self.folder / "pictures").glob("*/rows.jsonl")
        return sorted(int(path.parent.name) for path in found if path.parent.name.isdigit())

    def read_rows(self, index: int) -> list[Translation]:
        """The translations of one source picture, [] if it is not finished.

        Raises:
            RunError: If its rows are damaged or lead out of the folder.
        """
        path = self.rows(index)
        if not path.exists():
            return []
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            rows = [Translation(**json.loads(line)) for line in lines]
            for row in rows:
                for name in (row.file, row.real, row.reconstruction):
                    if not (self.folder / name).resolve().is_relative_to(self.folder.resolve()):
                        raise ValueError(f"{name} leads out of the folder")
        except DAMAGE as error:
            raise RunError(
                f"{path}: damaged ({reason(error)}). Remove it and translate again."
            ) from error
        return rows

    def write_rows(self, index: int, rows: Sequence[Translation]) -> None:
        """Write the rows of one source picture, which makes it finished."""
        write_text(self.rows(index), _lines(rows))

    def write_manifest(self) -> int:
        """Write all rows into one file.

        Returns:
            How many there are.
        """
        rows = [row for index in self.finished() for row in self.read_rows(index)]
        write_text(self.manifest, _lines(rows))
        return len(rows)


@dataclass(frozen=True)
class ParallelSet:
    """A parallel set as it is on the disk.

    Arguments:
        folder: Where it is.
        about: What decides it.
        rows: All finished translations, by index of the source picture, then label.
    """

    folder: ParallelFolder
    about: ParallelAbout
    rows: tuple[Translation, ...]

    def by_picture(self) -> dict[int, list[Translation]]:
        """The translations of every source picture, by its index."""
        found: dict[int, list[Translation]] = defaultdict(list)
        for row in self.rows:
            found[row.index].append(row)
        return dict(found)

    def path(self, name: str) -> Path:
        """A file that a row names."""
        return self.folder.folder / name

    def sequences(self) -> Iterator[ParallelSequence]:
        """Every source picture that has all labels of the set, by index.

        A picture of a label outside of the set has no sequence.
        """
        for index, rows in self.by_picture().items():
            files = {row.target: self.path(row.file) for row in rows}
            files[rows[0].source] = self.path(rows[0].real)
            if set(files) == set(self.about.labels):
                ordered = {label: files[label] for label in self.about.labels}
                yield ParallelSequence(index, rows[0].picture, rows[0].source, ordered)


def read_parallel(folder: Path) -> ParallelSet:
    """Open a parallel set, finished or not.

    Arguments:
        folder: What `typica mine translate --out` made.

    Raises:
        RunError: If there is none, or it is damaged.
    """
    where = ParallelFolder(folder)
    about = where.about()
    rows = [row for index in where.finished() for row in where.read_rows(index)]
    order = {label: k for k, label in enumerate(about.labels)}
    rows.sort(key=lambda row: (row.index, order.get(row.target, len(order))))
    return ParallelSet(where, about, tuple(rows))


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """A PNG of the set, `(H, W, 3)`, 0 to 255.

    Raises:
        RunError: If it is missing or damaged.
    """
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise RunError(
            f"{path}: cannot be read ({error}). Remove its folder and translate again."
        ) from error


def _lines(rows: Sequence[Translation]) -> str:
    return "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)


def _slug(label: str) -> str:
    """A label as the readable part of a file name; the number before it makes it unique."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:40].strip("-") or "label"
