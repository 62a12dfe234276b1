"""The store of typicality maps: one safetensors file per piece of the collection.

    piece-00000.safetensors   pictures 0 .. piece - 1, in the order of the collection
    piece-00001.safetensors   ...

Of every picture it keeps, by its index in the collection:

    typicality.INDEX   (K, h, w) float32      mean over draws, a row per label
    groups.INDEX       (K, G, h, w) float16   group means less typicality, over their `scale`
                                              (of balanced noise: calibrated, see `balance.py`)
    scale.INDEX        (K,) float32           largest deviation of a label
    null.INDEX         (h, w) float32         mean loss under the null condition
    information.INDEX  (K, h, w) float32      mean squared change of the prediction by a label
                                              (not in maps of former versions)

and in the metadata what decides the numbers (`settings`), the ids and labels, the pictures that
were skipped because they could not be decoded, and where pictures were given draws by need
(`rounds.py`, which has files of its own in `rounds/`), how many each had.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from ..errors import DAMAGE, RunError, damage, reason
from ..files import half_written
from ..runs import load_tensors, save_tensors

__all__ = [
    "PictureMaps",
    "Skipped",
    "check_piece",
    "holding",
    "maps_settings",
    "missing_pieces",
    "piece_path",
    "read_maps",
    "read_piece",
    "skipped_of",
    "write_piece",
]

FORMAT = 1
_MOST_PIECES = 10_000_000
"""Of a job: more are no number of pieces, and their list would fill the memory."""
_NAME = re.compile(r"piece-(\d{5,})\.safetensors")


@dataclass(frozen=True)
class PictureMaps:
    """What scoring finds out about one picture.

    Arguments:
        index: Of the picture in its collection.
        id: Of the picture.
        labels: The K labels it was scored under: its own, or all.
        typicality: T of every cell, `(K, h, w)`, float32: mean over draws and channels.
        groups: Means of the G groups of draws less `typicality`, `(K, G, h, w)`, float32
            (half precision on disk). Where the noise was balanced they are scaled, so that the
            standard errors that follow from them are those of the mean.
        null: Mean loss under the null condition, `(h, w)`, float32.
        channels: Of the latent; a cell has this many elements.
        draws: Pairs (t, noise) that the means are over; None if that is not known.
        information: How much the label changes the prediction, `(K, h, w)`, float32, at least 0
            (`information_map`): compared with no label where only its own were asked for, with the
            mean of the others where all were. None in maps of former versions.
    """

    index: int
    id: str
    labels: tuple[str, ...]
    typicality: NDArray[np.float32]
    groups: NDArray[np.float32]
    null: NDArray[np.float32]
    channels: int
    draws: int | None = None
    information: NDArray[np.float32] | None = None

    def of(self, label: str) -> PictureMaps:
        """The maps under one label only, K = 1.

        Raises:
            RunError: If it was not scored under that label.
        """
        if label not in self.labels:
            raise RunError(
                f"{self.id}: was not scored under {label!r}, only under {', '.join(self.labels)}. "
                "Score with typicality.labels=all."
            )
        row = slice(self.labels.index(label), self.labels.index(label) + 1)
        return PictureMaps(
            self.index,
            self.id,
            (label,),
            self.typicality[row],
            self.groups[row],
            self.null,
            self.channels,
            self.draws,
            None if self.information is None else self.information[row],
        )


@dataclass(frozen=True)
class Skipped:
    """A picture that could not be scored.

    Arguments:
        index: In its collection.
        id: Of the picture.
        message: Why, with the remedy.
    """

    index: int
    id: str
    message: str


def piece_path(folder: Path, piece: int) -> Path:
    """The file of one piece."""
    return folder / f"piece-{piece:05d}.safetensors"


@contextlib.contextmanager
def holding(folder: Path, pieces: Container[int]) -> Iterator[None]:
    """Hold a folder while writing pieces of it; jobs that write other pieces may hold it too.

    What a job that was killed left half written of these pieces is removed, but only where no
    other job holds the folder: a file that another is writing looks the same. The hold is a lock
    on the folder itself, so it leaves no file, and vanishes with the process however it ends.

    Arguments:
        folder: Of the pieces; made if needed, and removed again if it stays empty.
        pieces: Numbers of those that this job may write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as end:
        try:
            import fcntl
        except ImportError:  # no advisory locks on this system: nothing can be known to be stale
            pass
        else:
            handle = os.open(folder, os.O_RDONLY)
            end.callback(os.close, handle)
            # an OSError says that another job is at work, or that this file system has no locks
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for path, name in half_written(folder):
                    match = _NAME.fullmatch(name)
                    if match and int(match[1]) in pieces:
                        path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_SH)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # not empty
                folder.rmdir()


def write_piece(
    folder: Path,
    piece: int,
    maps: Sequence[PictureMaps],
    skipped: Sequence[Skipped],
    settings: dict[str, Any],
) -> None:
    """Write one piece in one step; the same maps give the same bytes.

    Arguments:
        folder: Of the pieces.
        piece: Its number.
        maps: Of its pictures, in the order of the collection.
        skipped: Its pictures that have none.
        settings: What decides the numbers; all pieces of a folder must agree.
    """
    tensors: dict[str, torch.Tensor] = {}
    for one in maps:
        scale = np.abs(one.groups).max((1, 2, 3), initial=0).astype(np.float32)
        shares = one.groups / np.where(scale > 0, scale, 1)[:, None, None, None]
        arrays = {
            "typicality": one.typicality.astype(np.float32),
            "groups": shares.astype(np.float16),
            "scale": scale,
            "null": one.null.astype(np.float32),
        }
        if one.information is not None:
            arrays["information"] = one.information.astype(np.float32)
        for name, array in arrays.items():
            tensors[f"{name}.{one.index}"] = torch.from_numpy(np.ascontiguousarray(array))
    about = {
        "format": FORMAT,
        "piece": piece,
        "settings": settings,
        "pictures": [
            {"index": m.index, "id": m.id, "labels": m.labels, "channels": m.channels}
            | ({} if m.draws is None else {"draws": m.draws})
            for m in maps
        ],
        "skipped": [asdict(one) for one in skipped],
    }
    save_tensors(piece_path(folder, piece), tensors, about)


def read_piece(folder: Path, piece: int) -> Iterator[PictureMaps]:
    """The maps of one piece, in the order of the collection.

    Raises:
        RunError: If it is missing or damaged.
    """
    path = piece_path(folder, piece)
    tensors, about = load_tensors(path)
    try:
        for found in about["pictures"]:
            index = int(found["index"])
            draws = found.get("draws")
            if draws is not None and (not isinstance(draws, int) or draws < 1):
                raise ValueError("a number of draws that is none")
            arrays = {
                name: tensors.pop(f"{name}.{index}").numpy()
                for name in ("typicality", "groups", "scale", "null")
            }
            yield PictureMaps(
                index,
                str(found["id"]),
                tuple(found["labels"]),
                arrays["typicality"],
                arrays["groups"].astype(np.float32) * arrays["scale"][:, None, None, None],
                arrays["null"],
                int(found["channels"]),
                draws,
                tensors.pop(name).numpy() if (name := f"information.{index}") in tensors else None,
            )
    except DAMAGE as error:
        raise RunError(f"{path}: damaged ({reason(error)}). {_AGAIN}") from error


_AGAIN = "Delete it and run `typica mine score` again: only what is missing is computed."


def _about(path: Path) -> dict[str, Any]:
    """The metadata of a piece, without its tensors.

    Raises:
        RunError: If it is damaged, or of a later format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["typica"])
        if not isinstance(about["settings"], dict) or not isinstance(about["skipped"], list):
            raise ValueError("its description is not that of a piece")
        about["skipped"] = [Skipped(**one) for one in about["skipped"]]
        version = int(about["format"])
    except damage(SafetensorError) as error:
        raise RunError(
            f"{path}: damaged, or not written by typica ({reason(error)}). {_AGAIN}"
        ) from error
    if version > FORMAT:
        raise RunError(f"{path}: written by a later typica (format {version}). Update typica.")
    return dict(about)


def check_piece(folder: Path, piece: int, settings: dict[str, Any]) -> tuple[Skipped, ...] | None:
    """Whether a piece is there, and of these settings.

    Returns:
        None if it is not there, else the pictures that it skips.

    Raises:
        RunError: If it is damaged, or of other settings; the message says which differ.
    """
    path = piece_path(folder, piece)
    if not path.exists():
        return None
    about = _about(path)
    _compare(path, about["settings"], settings)
    return tuple(about["skipped"])


def skipped_of(folder: Path, piece: int) -> tuple[Skipped, ...]:
    """The pictures that a piece skips.

    Raises:
        RunError: If it is damaged.
    """
    return tuple(_about(piece_path(folder, piece))["skipped"])


def _compare(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise a RunError that says which settings of a piece are other ones."""
    other = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
    if other:
        inside = path.parents[1].name == "rounds"  # of draws that are given by need
        folder = path.parents[2] if inside else path.parent
        raise RunError(
            f"{path}: was scored with other settings ({', '.join(other)}). Delete the folder "
            f"{folder.name}/ to score anew, give the former settings, or another --out."
        )


def _pieces(folder: Path) -> dict[int, Path]:
    """The pieces that are there, by their number.

    Raises:
        RunError: If there are none.
    """
    names = {path: _NAME.fullmatch(path.name) for path in folder.glob("piece-*.safetensors")}
    found = {int(match[1]): path for path, match in names.items() if match}
    if not found:
        raise RunError(f"{folder}: no typicality maps. Run `typica mine score` first.")
    return dict(sorted(found.items()))


def maps_settings(folder: Path) -> dict[str, Any]:
    """What decides the maps of a folder, the same in all its pieces.

    Raises:
        RunError: If there are none, one is damaged, or they disagree.
    """
    first, *rest = _pieces(folder).values()
    settings: dict[str, Any] = _about(first)["settings"]
    for path in rest:
        _compare(path, _about(path)["settings"], settings)
    return settings


def missing_pieces(folder: Path) -> tuple[int, ...]:
    """Numbers of the pieces that are still to be scored, such as those of other shards.

    Raises:
        RunError: If there are none at all.
    """
    settings, there = maps_settings(folder), _pieces(folder)
    try:
        wanted = -(-int(settings["pictures"]) // int(settings["piece"]))
        if not 0 < wanted <= _MOST_PIECES:
            raise ValueError(f"{wanted} pieces")
    except DAMAGE as error:
        raise RunError(f"{folder}: its settings are damaged ({reason(error)}). {_AGAIN}") from error
    return tuple(sorted(set(range(wanted)) - set(there)))


def read_maps(folder: Path) -> Iterator[PictureMaps]:
    """The maps of all pictures that could be scored, in the order of the collection.

    One piece at a time is in memory.

    Raises:
        RunError: If maps are missing (other shards), damaged, or of different settings.
    """
    missing = missing_pieces(folder)
    if missing:
        raise RunError(
            f"{folder}: {len(missing)} of the pieces are missing (the first is "
            f"{piece_path(folder, missing[0]).name}). Run `typica mine score` to the end, in "
            "every shard."
        )
    for piece in _pieces(folder):
        yield from read_piece(folder, piece)
