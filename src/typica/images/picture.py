"""One labelled picture, and a collection of them.

These are the values that every reader makes and every later stage takes. They hold no pixels:
a picture is decoded when it is needed (`typica.images.loading`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..values import Problem, Split
from .prompts import Told, joined

__all__ = ["Picture", "PictureCollection"]

_LABEL_ALONE: tuple[str, ...] = ("",)
"""Stands for `(label,)`; told from an equal value by identity."""


@dataclass(frozen=True)
class Picture:
    """One picture: where it is, and what it is labelled with.

    Arguments:
        id: Unique in its collection, with forward slashes, extension kept.
        path: The picture file.
        label: Its label, such as `1920` or `tundra`; binned if binning was asked for. Of a picture
            with several labels, or none, their names in one text, for people.
        split: Which part of the collection it belongs to; mining uses all parts, training
            only `train`.
        width: Of the file, in pixels, as it is shown (EXIF rotation applied).
        height: Of the file, in pixels.
        labels: All its labels, in the order of the collection, such as the findings in an X-ray;
            empty if it has none. Left out, it is `label` alone.
    """

    id: str
    path: Path
    label: str
    split: Split
    width: int
    height: int
    labels: tuple[str, ...] = _LABEL_ALONE

    def __post_init__(self) -> None:
        # of one label, `label` counts: `replace(picture, label=...)` gives it another one
        if self.labels is _LABEL_ALONE or len(self.labels) == 1:
            object.__setattr__(self, "labels", (self.label,))
        elif self.label != joined(self.labels):
            raise ValueError(f"{self.id}: label {self.label!r} is not that of {self.labels}")

    @property
    def told(self) -> Told:
        """What a model is told of the picture: its label, several of them, or None for none."""
        return self.labels[0] if len(self.labels) == 1 else self.labels or None

    @property
    def identity(self) -> str | list[str]:
        """What digests take for its labels: text for one, as ever, else a list."""
        return self.label if len(self.labels) == 1 else list(self.labels)


@dataclass(frozen=True)
class PictureCollection:
    """Pictures that can be used, in the order of their ids, and what was set aside.

    Arguments:
        root: The folder or file that was read; pictures and messages name paths in it.
        pictures: Usable pictures, sorted by id.
        problems: What was wrong; `fatal` ones are not in `pictures`.
    """

    root: Path
    pictures: tuple[Picture, ...]
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[Picture]:
        return iter(self.pictures)

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, sorted."""
        return tuple(sorted({label for picture in self.pictures for label in picture.labels}))

    def counts(self) -> dict[str, int]:
        """Number of pictures per label, in the order of `labels`; one of several counts in each."""
        found = Counter(label for picture in self.pictures for label in picture.labels)
        return {label: found[label] for label in self.labels}

    def where(self, wanted: Callable[[Picture], bool]) -> PictureCollection:
        """The pictures for which `wanted` holds, with all problems."""
        return replace(self, pictures=tuple(p for p in self.pictures if wanted(p)))

    def part(self, split: Split) -> PictureCollection:
        """The pictures of one split."""
        return self.where(lambda picture: picture.split == split)
