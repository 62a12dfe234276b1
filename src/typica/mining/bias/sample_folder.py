"""The folder of samples: which pictures it is to hold, what decides them, which are there.

    samples.json                    what decides the pictures, and how many there are to be
    guidance-7.5/metadata.csv       file, label, guidance and index of every picture to be
    guidance-7.5/000-LABEL/00012.png

A folder of one guidance is a labelled collection like any other (`metadata.csv` is what Hugging
Face's image folders have), so it can be looked at, checked and mined without this program.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...configs import require
from ...errors import DAMAGE, DataError, RunError, reason
from ...files import write_json, write_text
from ...images.decoding import read_header
from ...images.picture import Picture, PictureCollection

__all__ = ["SampleFolder", "Samples", "guidance_name", "label_folder"]

FORMAT = 1
"""Version of the folder."""


@dataclass(frozen=True)
class Samples:
    """What a folder of samples is to hold.

    Arguments:
        settings: What decides a picture beside its label, guidance and index; plain values.
        labels: All labels, in the order of the run.
        guidance: All strengths, ascending.
        per_label: Pictures of each label and guidance.
        side: Of a picture, in pixels: height and width.
    """

    settings: dict[str, Any]
    labels: tuple[str, ...]
    guidance: tuple[float, ...]
    per_label: int
    side: tuple[int, int]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "format": FORMAT,
            "settings": self.settings,
            "labels": list(self.labels),
            "guidance": list(self.guidance),
            "per_label": self.per_label,
            "side": list(self.side),
        }


def guidance_name(guidance: float) -> str:
    """A strength as it is written in names and tables: 3, 7.5."""
    return f"{guidance:g}"


def label_folder(labels: tuple[str, ...], label: str) -> str:
    """The folder of a label: its number, which tells it from all others, and what can be read."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")[:40]
    number = f"{labels.index(label):03d}"
    return f"{number}-{readable}" if readable else number


@dataclass(frozen=True)
class SampleFolder:
    """The paths of one folder of samples."""

    folder: Path

    @property
    def about(self) -> Path:
        return self.folder / "samples.json"

    def of_guidance(self, guidance: float) -> Path:
        """The folder of one strength."""
        return self.folder / f"guidance-{guidance_name(guidance)}"

    def picture(self, samples: Samples, label: str, guidance: float, index: int) -> Path:
        """The file of one picture."""
        place = self.of_guidance(guidance) / label_folder(samples.labels, label)
        return place / f"{index:05d}.png"

    def read(self) -> Samples:
        """What the folder is to hold.

        Raises:
            RunError: If it is no folder of samples, damaged, or of a later format.
        """
        try:
            values = json.loads(self.about.read_text(encoding="utf-8"))
            version = int(values["format"])
            found = Samples(
                dict(values["settings"]),
                tuple(map(str, values["labels"])),
                tuple(map(float, values["guidance"])),
                int(values["per_label"]),
                (int(values["side"][0]), int(values["side"][1])),
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunError(
                f"{self.folder}: no samples (no samples.json). Make them with `typica mine sample`."
            ) from error
        except DAMAGE as error:
            raise RunError(
                f"{self.about}: damaged ({reason(error)}). Sample again into another folder."
            ) from error
        if version > FORMAT:
            raise RunError(
                f"{self.about}: written by a later typica (format {version}, this one reads "
                f"{FORMAT}). Update typica."
            )
        return found

    def write(self, samples: Samples) -> None:
        """Write down what the folder is to hold; the lists of pictures first."""
        for guidance in samples.guidance:
            text = io.StringIO()
            rows = csv.writer(text, lineterminator="\n")
            rows.writerow(("file_name", "label", "guidance", "index"))
            for label in samples.labels:
                for index in range(samples.per_label):
                    path = self.picture(samples, label, guidance, index)
                    name = path.relative_to(self.of_guidance(guidance)).as_posix()
                    rows.writerow((name, label, guidance_name(guidance), index))
            write_text(self.of_guidance(guidance) / "metadata.csv", text.getvalue())
        write_json(self.about, samples.as_dict())

    def grown(self, wanted: Samples) -> Samples:
        """What the folder is to hold after this request: what it was to hold, and more.

        Raises:
            RunError: If the folder holds samples that were drawn otherwise, or something else.
        """
        if not self.about.exists():
            ours = {".lock", *(self.of_guidance(g).name for g in wanted.guidance)}
            if self.folder.exists() and (
                not self.folder.is_dir()
                or any(p.name not in ours and p.name[0] != "." for p in self.folder.iterdir())
            ):
                raise RunError(f"{self.folder}: holds something else. Give another --out.")
            return wanted
        old = self.read()
        given = {**wanted.settings, "labels": wanted.labels, "side": wanted.side}
        before = {**old.settings, "labels": old.labels, "side": old.side}
        other = sorted(k for k in {*given, *before} if given.get(k) != before.get(k))
        if other:
            raise RunError(
                f"{self.folder}: holds samples that were drawn otherwise ({', '.join(other)}). "
                "Give the same, or another --out."
            )
        return Samples(
            old.settings,
            old.labels,
            tuple(sorted({*old.guidance, *wanted.guidance})),
            max(old.per_label, wanted.per_label),
            old.side,
        )

    def collection(self, samples: Samples, guidance: float) -> PictureCollection:
        """The samples of one strength, as any other collection.

        Arguments:
            samples: What the folder is to hold.
            guidance: Which strength.

        Raises:
            RunError: If some are missing.
            DataError: If one is not a picture of the size that was drawn.
        """
        require(guidance in samples.guidance, f"no samples of guidance {guidance_name(guidance)}")
        root = self.of_guidance(guidance)
        pictures, missing = [], []
        for label in samples.labels:
            for index in range(samples.per_label):
                path = self.picture(samples, label, guidance, index)
                if not path.is_file():
                    missing.append(path)
                    continue
                header = read_header(path)
                if (header.height, header.width) != samples.side or not header.complete:
                    raise DataError(
                        f"{path}: not as it was drawn. Delete it, and run `typica mine sample` "
                        "again."
                    )
                name = path.relative_to(root).as_posix()
                pictures.append(Picture(name, path, label, "train", header.width, header.height))
        if missing:
            raise RunError(
                f"{root}: {len(missing)} of {len(missing) + len(pictures)} samples are missing "
                f"(the first is {missing[0].relative_to(root)}). Run `typica mine sample` to the "
                "end, in every shard."
            )
        return PictureCollection(root, tuple(sorted(pictures, key=lambda one: one.id)))
