"""The report on a picture collection: values, and text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..listing import conclusion, cut, problem_sections, section
from ..values import SPLITS, Problem

__all__ = ["USELESS", "CheckReport", "Duplicates", "Spread"]

USELESS = 2
"""With fewer pictures than this nothing can be typical of a label."""


@dataclass(frozen=True)
class Spread:
    """The smallest, the middle and the largest of some numbers."""

    min: float
    median: float
    max: float

    def __str__(self) -> str:
        return f"{self.min:g} / {self.median:g} / {self.max:g}"


@dataclass(frozen=True)
class Duplicates:
    """Pictures whose files are the same, byte for byte.

    Arguments:
        ids: Of the pictures, sorted.
        labels: That they have, sorted: several, if one picture stands under several labels.
        splits: That they are in: several, if what is measured on was trained on.
    """

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    splits: tuple[str, ...]


@dataclass(frozen=True)
class CheckReport:
    """What `check_pictures` found.

    Arguments:
        root: The collection.
        size: Shorter side that pictures are worked on at, in pixels.
        factor: Pixels per cell of the codec.
        least: A label with fewer pictures is called thin.
        labels: For every label its pictures in each split.
        width: Of the files, in pixels.
        height: Of the files, in pixels.
        aspect: Width over height of the files.
        shapes: Pictures of every working size, such as `64x96` (width, height), most first.
        enlarged: Ids of pictures whose shorter side is below the working size.
        plain: Ids of pictures of one colour.
        duplicates: Groups of equal files.
        ignored: Files that are no pictures, by their ending.
        problems: What the readers and the decoding found.
        reasons: Why mining could not run; empty if it could.
        notes: What else is worth knowing.
        pictures: In each split.
        several: Pictures that have several labels; each counts in every one of `labels`.
        unlabelled: Pictures that have none.
    """

    root: Path
    size: int
    factor: int
    least: int
    labels: dict[str, dict[str, int]]
    width: Spread
    height: Spread
    aspect: Spread
    shapes: dict[str, int]
    enlarged: tuple[str, ...]
    plain: tuple[str, ...]
    duplicates: tuple[Duplicates, ...]
    ignored: dict[str, int]
    problems: tuple[Problem, ...]
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    pictures: dict[str, int]
    several: int = 0
    unlabelled: int = 0

    @property
    def usable(self) -> bool:
        """True if mining could run."""
        return not self.reasons

    @property
    def thin(self) -> dict[str, int]:
        """Labels with few training pictures, fewest first."""
        counts = {label: parts["train"] for label, parts in self.labels.items()}
        few = {label: count for label, count in counts.items() if count < self.least}
        return dict(sorted(few.items(), key=lambda item: (item[1], item[0])))

    @property
    def under_several_labels(self) -> tuple[Duplicates, ...]:
        """Equal files that stand under different labels."""
        return tuple(one for one in self.duplicates if len(one.labels) > 1)

    @property
    def across_splits(self) -> tuple[Duplicates, ...]:
        """Equal files of which some are trained on and some are not."""
        return tuple(one for one in self.duplicates if len(one.splits) > 1)

    def as_dict(self) -> dict[str, Any]:
        """The whole report in plain values, for JSON."""
        return {
            "root": str(self.root),
            "size": self.size,
            "factor": self.factor,
            "usable": self.usable,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "pictures": sum(self.pictures.values()),
            "several": self.several,
            "unlabelled": self.unlabelled,
            "labels": self.labels,
            "least": self.least,
            "thin": self.thin,
            "width": asdict(self.width),
            "height": asdict(self.height),
            "aspect": asdict(self.aspect),
            "shapes": self.shapes,
            "enlarged": list(self.enlarged),
            "plain": list(self.plain),
            "duplicates": [
                {"ids": list(one.ids), "labels": list(one.labels), "splits": list(one.splits)}
                for one in self.duplicates
            ],
            "ignored": self.ignored,
            "problems": [one.as_dict() for one in self.problems],
        }

    def lines(self) -> list[str]:
        """The report as lines of text for a terminal; long lists are cut short."""
        out = [f"{self.root}", "", f"{'train':>7}{'val':>7}{'test':>7}  label"]
        out += cut([f"{_row(parts)}  {label}" for label, parts in self.labels.items()], 60)
        out += [f"{_row(self.pictures)}  all {len(self.labels)} labels"]
        if self.several or self.unlabelled:
            out += [f"{self.several} with several labels, {self.unlabelled} with none"]
        out += [
            "",
            "size of the files (smallest / middle / largest)",
            f"  width  {self.width} px",
            f"  height {self.height} px",
            f"  width / height {self.aspect}",
            f"working sizes at {self.size} px: {len(self.shapes)}",
        ]
        out += cut([f"{count:>7}  {shape}" for shape, count in self.shapes.items()], 8)
        out += section(
            f"fewer than {self.least} training pictures",
            [
                f"  {label}: {count}" + (" (useless)" if count < USELESS else "")
                for label, count in self.thin.items()
            ],
        )
        out += section(
            f"shorter side below {self.size} px, would be enlarged", _ids(self.enlarged), 5
        )
        out += section("of one colour", _ids(self.plain))
        several = self.under_several_labels
        out += section(
            "the same picture under several labels (decide for one)",
            [_group(one) for one in several],
        )
        across = [one for one in self.across_splits if one not in several]
        out += section(
            "the same picture in several splits (keep one)", [_group(one) for one in across]
        )
        rest = [one for one in self.duplicates if one not in several and one not in across]
        out += section("the same picture several times (keep one)", [_group(one) for one in rest])
        out += problem_sections(self.problems)
        if self.ignored:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.ignored.items())
            out += ["", f"other files, left alone: {kinds}"]
        return out + conclusion("mining", self.notes, self.reasons)


def _row(parts: dict[Any, int]) -> str:
    return "".join(f"{parts[split]:>7}" for split in SPLITS)


def _ids(ids: Sequence[str]) -> list[str]:
    return [f"  {identity}" for identity in ids]


def _group(one: Duplicates) -> str:
    return "  " + " = ".join(one.ids[:6]) + (" ..." if len(one.ids) > 6 else "")
