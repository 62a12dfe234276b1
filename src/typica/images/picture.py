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

__all__ = ["Picture", "PictureCollection"]


@dataclass(frozen=True)
class Picture:
    """One picture: where it is, and what it is labelled with.

    Arguments:
        id: Unique in its collection, with forward slashes, extension kept.
        path: The picture file.
        label: Its label, such as `1920` or `tundra`; binned if binning was asked for.
        split: Which part of the collection it belongs to; mining uses all parts, training
            only `train`.
        width: Of the file, in pixels, as it is shown (EXIF rotation applied).
        height: Of the file, in pixels.
    """

    id: str
    path: Path
    label: str
    split: Split
    width: int
    height: int


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
        return tuple(sorted({picture.label for picture in self.pictures}))

    def counts(self) -> dict[str, int]:
        """Number of pictures per label, in the order of `labels`."""
        found = Counter(picture.label for picture in self.pictures)
        return {label: found[label] for label in self.labels}

    def where(self, wanted: Callable[[Picture], bool]) -> PictureCollection:
        """The pictures for which `wanted` holds, with all problems."""
        return replace(self, pictures=tuple(p for p in self.pictures if wanted(p)))

    def part(self, split: Split) -> PictureCollection:
        """The pictures of one split."""
        return self.where(lambda picture: picture.split == split)
