"""Features of all elements of a table, as a job in pieces (`features.py` says what they are)."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..engines.engine import DEFAULT, Engine
from ..engines.pieces import run_pieces
from ..engines.worker import Function, Piece, Report
from ..errors import RunError
from ..images.loading import load_pixels
from ..images.picture import Picture, PictureCollection
from ..images.sizes import working_size
from ..memory import Room
from ..runs import load_tensors
from .denoiser import Denoiser
from .feature_store import identity, load_features, read_rows, save_features, write_rows
from .features import choose_block, picture_features, pool
from .folder import MiningAbout
from .pixels import to_tensor
from .table import ElementsTable

__all__ = ["PIECE", "element_features", "feature_pieces", "pieces_of", "write_features"]

PIECE = 64
"""Pictures per file of intermediate results: what an interrupted run repeats at most."""


@dataclass(frozen=True)
class _Piece:
    """A file of features.

    Arguments:
        path: The file.
        pictures: All of one shape, each with its rows of the table.
    """

    path: Path
    pictures: list[tuple[Picture, list[int]]]

    @property
    def rows(self) -> Tensor:
        """All rows, in the order of the file."""
        return torch.tensor([row for _, numbers in self.pictures for row in numbers])


def element_features(
    denoiser: Denoiser,
    table: ElementsTable,
    collection: PictureCollection,
    about: MiningAbout,
    show_progress: bool = True,
    *,
    bfloat16: bool = False,
    pieces: Path | None = None,
    engine: Engine = DEFAULT,
    load: Callable[[], Denoiser] | None = None,
) -> Tensor:
    """DIFT features of all elements.

    Arguments:
        denoiser: The model, on its device.
        table: N elements.
        collection: Their pictures.
        about: Configuration of the run.
        show_progress: Show progress and time left on standard error.
        bfloat16: Compute in bfloat16 if the hardware does.
        pieces: Folder for intermediate results, from which an interrupted run goes on; None for
            one that is removed in the end.
        engine: Where; not a shard.
        load: Gives the same model in another process, to be sent there; needed where the engine
            has any.

    Returns:
        `(N, D)`, float32, on the processor, every row of unit length.

    Raises:
        RunError: If an element's picture is not in the collection.
        DataError: If a picture cannot be read, or the model does not know its label.
        ConfigError: If the model has no such block.
    """
    with contextlib.ExitStack() as end:
        place = pieces or Path(end.enter_context(tempfile.TemporaryDirectory()))
        files = feature_pieces(
            place,
            denoiser,
            table,
            collection,
            about,
            show_progress,
            bfloat16=bfloat16,
            engine=engine,
            load=load,
        )
        found: Tensor | None = None
        for path in files:
            tensors, _ = load_tensors(path)
            if found is None:
                found = torch.zeros(len(table), tensors["features"].shape[1])
            found[tensors["rows"]] = tensors["features"]
    return found if found is not None else torch.zeros(len(table), 0)


def feature_pieces(
    folder: Path,
    denoiser: Denoiser,
    table: ElementsTable,
    collection: PictureCollection,
    about: MiningAbout,
    show_progress: bool = True,
    *,
    bfloat16: bool = False,
    engine: Engine = DEFAULT,
    load: Callable[[], Denoiser] | None = None,
) -> list[Path]:
    """Compute the pieces that are not there yet, of all or of one shard.

    Arguments:
        folder: Of the pieces.
        engine: Where, and which shard.
        denoiser, table, collection, about, show_progress, bfloat16, load: See `element_features`.

    Returns:
        The files of all pieces, or of those of the shard.
    """
    denoiser.eval()
    choose_block(denoiser.unet, about.config.features.block)
    if not engine.here and load is None:
        raise TypeError("other processes need a way to load the model")
    made_of = identity(denoiser, table, about, bfloat16)
    own = engine.own(_plan(folder, table, collection, about))
    todo = [one for one in own if read_rows(one.path, made_of, one.rows) is None]
    work = _Describing(
        table, about, bfloat16, made_of, load if load and not engine.here else lambda: denoiser
    )
    for _ in run_pieces(
        work,
        [Piece(one.path.name, len(one.pictures), one) for one in todo],
        engine,
        title="features",
        unit="pictures",
        before=sum(len(one.pictures) for one in own) - sum(len(one.pictures) for one in todo),
        show_progress=show_progress,
    ):
        pass
    return [one.path for one in own]


@dataclass(frozen=True)
class _Describing:
    """Describing elements as the work of any process."""

    table: ElementsTable
    about: MiningAbout
    bfloat16: bool
    made_of: dict[str, Any]
    load: Callable[[], Denoiser]

    def open(self) -> Function:
        """Load the model.

        Raises:
            RunError: If it is another one here.
        """
        denoiser = self.load().eval()
        if identity(denoiser, self.table, self.about, self.bfloat16) != self.made_of:
            raise RunError(
                "a worker finds another model than the process that it works for. Let all "
                "machines see the same run folder."
            )

        def piece(given: _Piece, report: Report) -> None:
            with torch.no_grad():
                found = torch.stack(list(self._features(denoiser, given, report)))
            write_rows(given.path, found, self.made_of, given.rows)

        return piece

    def _features(self, denoiser: Denoiser, piece: _Piece, report: Report) -> Iterator[Tensor]:
        """Of one piece, in the order of its rows."""
        about, config = self.about, self.about.config.features

        def maps_of(part: Sequence[tuple[Picture, list[int]]]) -> Tensor:
            pictures = [picture for picture, _ in part]
            arrays = [load_pixels(one, about.config.size, about.factor) for one in pictures]
            latents = denoiser.codec.encode(to_tensor(arrays).to(denoiser.device))
            labels = [picture.told for picture in pictures]  # as they were trained on
            return picture_features(denoiser, latents, labels, config, self.bfloat16)

        room = Room(max(1, config.batch_size // config.ensemble), "one picture")
        for part, maps in room.parts(piece.pictures, maps_of):
            width, height = _working(part[0][0], about)
            for features, (_, rows) in zip(maps, part, strict=True):
                for row in rows:
                    yield pool(features, self.table, row, height, width).cpu()
            report(len(part))


def _plan(
    folder: Path, table: ElementsTable, collection: PictureCollection, about: MiningAbout
) -> list[_Piece]:
    """All pictures that have elements, in pieces of one shape."""
    places = {picture.id: index for index, picture in enumerate(collection)}
    rows: dict[int, list[int]] = defaultdict(list)
    for row, name in enumerate(table.picture.tolist()):
        if name not in places:
            raise RunError(
                f"{name}: in the elements table, but not in {collection.root}. "
                "Run `typica mine select` again on this collection."
            )
        rows[places[name]].append(row)
    shapes: dict[tuple[int, int], list[tuple[Picture, list[int]]]] = defaultdict(list)
    for index in sorted(rows):
        picture = collection.pictures[index]
        shapes[_working(picture, about)].append((picture, rows[index]))
    parts = [
        shapes[shape][first : first + PIECE]
        for shape in sorted(shapes)
        for first in range(0, len(shapes[shape]), PIECE)
    ]
    return [_Piece(folder / f"piece-{n:05d}.safetensors", part) for n, part in enumerate(parts)]


def _working(picture: Picture, about: MiningAbout) -> tuple[int, int]:
    return working_size(picture.width, picture.height, about.config.size, about.factor)


def pieces_of(path: Path) -> Path:
    """The folder beside a features file that holds its pieces until it is whole."""
    return path.with_suffix(".pieces")


def write_features(
    path: Path,
    denoiser: Denoiser,
    table: ElementsTable,
    collection: PictureCollection,
    about: MiningAbout,
    show_progress: bool = True,
    bfloat16: bool = False,
    *,
    engine: Engine = DEFAULT,
    load: Callable[[], Denoiser] | None = None,
) -> Tensor:
    """Compute and write the features of a table, unless the file already holds them.

    An interrupted computation goes on from the pieces that it left in a folder beside the file.

    Arguments:
        path: The features file.
        denoiser, table, collection, about, show_progress, bfloat16, engine, load: See
            `element_features`.

    Returns:
        As `load_features`.
    """
    made_of = identity(denoiser, table, about, bfloat16)
    pieces = pieces_of(path)
    found: Tensor | None = None
    with contextlib.suppress(RunError):  # missing, damaged, or of other elements: made anew
        if load_tensors(path)[1] == made_of:
            found = load_features(path, table)
    if found is None:
        features = element_features(
            denoiser,
            table,
            collection,
            about,
            show_progress,
            bfloat16=bfloat16,
            pieces=pieces,
            engine=engine,
            load=load,
        )
        save_features(path, features, made_of)
        found = load_features(path, table)
    shutil.rmtree(pieces, ignore_errors=True)  # also those of a process that was killed right here
    return found
