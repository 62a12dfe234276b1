"""Typicality maps of a run's pictures under every label, whatever the run itself was scored under.

A run that was scored with `typicality.labels=all` has them. For any other, the pictures are scored
once more, into a store of their own beside the run's maps, which are left alone: under all labels,
their own included, with the draws of the run (same seed, so the same times and noises). Scoring
only what is missing would save one evaluation in K + 1, and mix maps whose groups of draws were
rounded on disk with maps whose were not; and a store that is whole serves every reading.

The store may be of a part of the pictures, evenly spread: a reading that compares labels can be
tried before it is paid for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ...configs import require
from ...errors import RunError
from ...hardware import tune_process
from ...images.picture import Picture, PictureCollection
from ..folder import ModelName
from ..maps import PictureMaps, maps_settings, missing_pieces, read_maps
from ..opening import OpenRun
from ..run import load_model
from ..scoring import score

__all__ = ["LabelMaps", "label_maps", "readings_folder", "spread"]


@dataclass(frozen=True)
class LabelMaps:
    """Maps of pictures under all labels.

    Arguments:
        folder: Of the pieces.
        pictures: That were to be scored: all of the run, or a part.
        whole: True if that is all of them.
        own: True if they are the run's own maps.
        scored: How many pictures were scored just now.
    """

    folder: Path
    pictures: PictureCollection
    whole: bool
    own: bool
    scored: int

    def read(self, collection: PictureCollection) -> Iterator[PictureMaps]:
        """The maps, their indices those of the whole collection; one piece is in memory.

        Arguments:
            collection: All pictures of the run.
        """
        places = {picture.id: index for index, picture in enumerate(collection)}
        wanted = {picture.id for picture in self.pictures}
        for one in read_maps(self.folder):
            if one.id in wanted:
                yield replace(one, index=places[one.id])


def readings_folder(run: OpenRun) -> Path:
    """Where the readings of a run are kept: inside its folder."""
    return run.folder.folder / "readings"


def spread(collection: PictureCollection, count: int | None) -> PictureCollection:
    """At most so many pictures of every label, evenly spread over their order.

    A picture of several labels counts for the first of them.

    Arguments:
        collection: All pictures.
        count: Of each label; None takes all.
    """
    if count is None:
        return collection
    by_label: dict[tuple[str, ...], list[Picture]] = defaultdict(list)
    for picture in collection:
        by_label[picture.labels[:1]].append(picture)
    kept = set()
    for found in by_label.values():
        number = min(count, len(found))
        kept |= {found[i * len(found) // number].id for i in range(number)}
    return collection.where(lambda picture: picture.id in kept)


def label_maps(
    run: OpenRun,
    model: ModelName = "finetuned",
    pictures: int | None = None,
    *,
    device: str = "auto",
    show_progress: bool = True,
) -> LabelMaps:
    """The maps of a run under all labels; what is missing is scored, what is there is kept.

    Arguments:
        run: The run.
        model: Whose maps.
        pictures: At most so many of each label; None for all.
        device: Where to score.
        show_progress: Show progress and time left on standard error.

    Raises:
        ConfigError: If `pictures` is below 1.
        RunError: If there is no model, or maps are damaged or of other settings.
    """
    require(pictures is None or pictures >= 1, f"--pictures {pictures}: at least 1")
    chosen = spread(run.collection, pictures)
    whole = len(chosen) == len(run.collection)
    own, every = run.folder.maps(model), readings_folder(run) / "all-labels" / model
    if own.is_dir() and maps_settings(own)["labels"] == "all" and not missing_pieces(own):
        return LabelMaps(own, chosen, whole, True, 0)
    if not whole and every.is_dir() and not missing_pieces(every):  # a part of what is there
        return LabelMaps(every, chosen, whole, False, 0)
    out = every if whole else readings_folder(run) / f"all-labels-{pictures}" / model
    tune_process()
    # readings are of all pictures, not of the best patches: nobody gets fewer draws
    typicality = replace(run.about.config.typicality, labels="all", adaptive=None)
    if not whole:  # teaching a surrogate would take longer than it saves
        typicality = replace(typicality, surrogate=None)
    about = replace(run.about, config=replace(run.about.config, typicality=typicality))
    denoiser = load_model(run, model, device)
    done = score(
        denoiser, chosen, about, out, bfloat16=typicality.bfloat16, show_progress=show_progress
    )
    if len(done.skipped) == len(chosen):
        raise RunError(f"{out}: no picture could be scored. {done.skipped[0].message}")
    return LabelMaps(out, chosen, whole, False, done.pictures)
