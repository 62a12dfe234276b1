"""Taking a folder of lines apart, as a job in pieces.

A piece is some whole pages. It writes all that belongs to its lines alone, and last a part of what
belongs to all of them (tables, problems), which are put together when all pieces are done.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engines.engine import DEFAULT, Engine
from ..engines.pieces import run_pieces
from ..engines.worker import Function, Piece, Report
from ..errors import DataError, RunError
from ..files import atomic_path, write_json, write_text
from ..hardware import choose_device, tune_process
from ..lines.cache import LineCache
from ..lines.line import Line, LineCollection, Problem
from .exports import (
    escape,
    export_names,
    export_path,
    pages_to_alto,
    pages_to_page,
    tsv_text,
)
from .inference import decompose
from .model import Typewriter
from .naming_file import weights_digest
from .page_reading import PageKey, page_key, page_readings
from .pictures import write_png
from .storage import TypewriterAbout, load_typewriter

__all__ = ["LINES", "PROBLEMS", "DecomposeResult", "decompose_into"]

PROBLEMS = "problems.txt"
"""The file in which everything is named that was set aside."""
LINES = 256
"""Lines of a piece, or those of one page if it has more."""

_MOST_NAMED = 10


@dataclass(frozen=True)
class DecomposeResult:
    """What `decompose_into` made.

    Arguments:
        out: The folder.
        lines: How many were read.
        glyphs: How many were found on them.
        pages: How many PAGE files (and as many ALTO files) were written.
        problems: What was set aside or looked odd, before and during the reading.
        unread: Those of the problems that came up only when the pictures were decoded.
        missing: Of a shard: how many pieces are still to be done by others.
    """

    out: Path
    lines: int
    glyphs: int
    pages: int
    problems: tuple[Problem, ...]
    unread: tuple[Problem, ...] = ()
    missing: int | None = None

    @property
    def set_aside(self) -> int:
        """How many lines or files were set aside."""
        return sum(problem.fatal for problem in self.problems)

    def summary(self) -> Iterator[str]:
        """The result in a few lines."""
        yield from (f"set aside: {problem}" for problem in self.unread[:_MOST_NAMED])
        if len(self.unread) > _MOST_NAMED:
            yield f"... and {len(self.unread) - _MOST_NAMED} more"
        yield f"{self.lines} lines, {self.glyphs} glyphs, {self.pages} pages: {self.out}"
        if self.missing is not None:
            yield (
                f"of all shards {self.missing} pieces are missing; when there is none, the same "
                "command without --shard ends the job"
            )
        elif self.set_aside:
            yield f"{self.set_aside} set aside, all named in {self.out / PROBLEMS}"


@dataclass(frozen=True)
class _Pages:
    """The lines of a piece.

    Arguments:
        part: The file that it writes last.
        lines: Its lines, page by page.
        names: Under which name each is exported.
        pages: Under which name each of its pages is exported.
    """

    part: Path
    lines: tuple[Line, ...]
    names: dict[str, str]
    pages: dict[PageKey, str]


@dataclass(frozen=True)
class _Decomposing:
    """Taking lines apart as the work of any process."""

    run: Path
    device: str
    root: Path
    out: Path
    mark: str

    def open(self) -> Function:
        """Load the typewriter.

        Raises:
            RunError: If it is another one here.
        """
        model, about = load_typewriter(self.run, choose_device(self.device))
        if reading_mark(model, about) != self.mark:
            raise RunError(f"{self.run}: has changed since this job was begun. Begin it again.")

        def piece(given: _Pages, report: Report) -> None:
            values = self._read(model, about, given, report)
            write_json(given.part, {"mark": _piece_mark(self.mark, given), **values})

        return piece

    def _read(
        self, model: Typewriter, about: TypewriterAbout, given: _Pages, report: Report
    ) -> dict[str, Any]:
        """Write all that belongs to the lines of a piece alone, and give the rest."""
        found = {}
        with LineCache(LineCollection(self.root, given.lines), model.config.height) as cache:
            kept = cache.collection
            report(len(given.lines) - len(kept))
            for one in decompose(model, about, cache):
                found[one.line.id] = one.reading
                name = given.names[one.line.id]
                for kind in ("reconstruction", "segmentation"):
                    path = export_path(self.out / "pictures" / kind, name, ".png")
                    write_png(path, getattr(one, kind))
                text = export_path(self.out / "text", name, ".txt")
                write_text(text, one.reading.text + "\n")
                report(1)
        readings = [found[line.id] for line in kept]
        pages = page_readings(kept, found, self.root)
        keys = dict.fromkeys(page_key(line, self.root) for line in kept)
        names = [given.pages[key] for key in keys]
        pages_to_page(pages, self.out / "page", names=names)
        pages_to_alto(pages, self.out / "alto", names=names)
        texts = [f"{escape(reading.line)}\t{escape(reading.text)}\n" for reading in readings]
        return {
            "lines": len(readings),
            "glyphs": sum(len(reading.glyphs) for reading in readings),
            "pages": len(pages),
            "transcription.tsv": "".join(texts),
            "glyphs.tsv": tsv_text(readings).partition("\n")[2],
            "problems": [vars(one) | {"file": str(one.file)} for one in kept.problems],
        }


def reading_mark(model: Typewriter, about: TypewriterAbout) -> str:
    """A digest of what decides a reading: the weights, their description, the names of sprites."""
    told = f"{weights_digest(model.state_dict())} {about!r}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _piece_mark(mark: str, pages: _Pages) -> str:
    """A digest of what decides a part: the typewriter, the lines, their names."""
    told = [mark, [repr(line) for line in pages.lines], list(pages.names.values())]
    told.append([str(name) for name in pages.pages.values()])
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def decompose_into(
    run: Path | str,
    collection: LineCollection,
    out: Path | str,
    device: str = "auto",
    progress: bool = True,
    engine: Engine = DEFAULT,
) -> DecomposeResult:
    """Take lines apart and write what was found.

        transcription.tsv   line and text
        glyphs.tsv          one row per glyph: symbol, box on the line, confidence, scale, colour
        text/               one .txt per line
        page/, alto/        PAGE XML and ALTO with glyphs, one file per page image (or line image)
        pictures/           reconstruction and segmentation at the model's height
        problems.txt        what was set aside or looked odd, if there was anything
        pieces/             until all is done: how far it has come

    A line that cannot be decoded is set aside, the others go on. A job that was stopped or killed
    goes on where it was.

    Arguments:
        run: The run folder.
        collection: Lines, transcribed or not.
        out: The folder to write into.
        device: `auto`, `cpu`, `cuda`, ...
        progress: Show progress and time left on standard error.
        engine: Where; a shard does its part and leaves the tables to the job without one.

    Returns:
        What was written; of a shard, by it.

    Raises:
        DataError: If no line can be decoded, or the folder cannot be written.
    """
    tune_process()
    run, out = Path(run), Path(out)
    mark = reading_mark(*load_typewriter(run))
    plan = _plan(collection, out)
    pieces = engine.own(plan)
    done = [_part(one, mark) is not None for one in pieces]
    todo = [one for one, there in zip(pieces, done, strict=True) if not there]
    for _ in run_pieces(
        _Decomposing(run, device, collection.root, out, mark),
        [Piece(one.part.name, len(one.lines), one) for one in todo],
        engine,
        title="reading",
        unit="lines",
        before=sum(len(one.lines) for one, there in zip(pieces, done, strict=True) if there),
        show_progress=progress,
    ):
        pass
    if engine.whole:
        return _gather(collection, pieces, mark, out)
    missing = sum(not one.part.exists() for one in plan)
    return _result(out, collection, [_part(one, mark) or {} for one in pieces], missing)


def _plan(collection: LineCollection, out: Path) -> list[_Pages]:
    """Whole pages, in the order of their first lines, until a piece is full."""
    root = collection.root
    lines: dict[PageKey, list[Line]] = {}
    for line in collection:
        lines.setdefault(page_key(line, root), []).append(line)
    pages = dict(zip(lines, export_names(key[0] for key in lines), strict=True))
    ids = [line.id for line in collection]
    names = dict(zip(ids, export_names(ids), strict=True))
    together: list[list[PageKey]] = []
    full = LINES
    for key, own in lines.items():
        if full + len(own) > LINES:
            together.append([])
            full = 0
        together[-1].append(key)
        full += len(own)
    return [
        _Pages(
            out / "pieces" / f"piece-{number:05d}.json",
            tuple(line for key in keys for line in lines[key]),
            {line.id: names[line.id] for key in keys for line in lines[key]},
            {key: pages[key] for key in keys},
        )
        for number, keys in enumerate(together)
    ]


def _part(pages: _Pages, mark: str) -> dict[str, Any] | None:
    """What a piece left; None if it is not there, or of another typewriter or other lines."""
    try:
        values = json.loads(pages.part.read_text(encoding="utf-8"))
        return values if values["mark"] == _piece_mark(mark, pages) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _problems(part: dict[str, Any]) -> Iterator[Problem]:
    for values in part.get("problems", ()):
        yield Problem(**(values | {"file": Path(values["file"])}))


def _gather(
    collection: LineCollection, pieces: Sequence[_Pages], mark: str, out: Path
) -> DecomposeResult:
    """Put the parts together, one in memory at a time; they are not needed afterwards."""
    kept = []
    heads = {"transcription.tsv": "line\ttext\n", "glyphs.tsv": tsv_text(())}
    for name, head in heads.items():
        with atomic_path(out / name) as aside, open(aside, "w", encoding="utf-8") as file:
            file.write(head)
            for one in pieces:
                part = _part(one, mark)
                if part is None:
                    raise RunError(f"{one.part}: has vanished. Run the same command again.")
                file.write(part[name])
                if name == "glyphs.tsv":
                    kept.append({k: v for k, v in part.items() if not k.endswith(".tsv")})
    result = _result(out, collection, kept)
    if not result.lines:
        raise DataError(_nothing_read(collection, result.unread))
    _write_problems(result.problems, out / PROBLEMS)
    shutil.rmtree(out / "pieces", ignore_errors=True)
    return result


def _result(
    out: Path,
    collection: LineCollection,
    parts: Sequence[dict[str, Any]],
    missing: int | None = None,
) -> DecomposeResult:
    lines, glyphs, pages = (
        sum(part.get(name, 0) for part in parts) for name in ("lines", "glyphs", "pages")
    )
    unread = tuple(problem for part in parts for problem in _problems(part))
    problems = (*collection.problems, *unread)
    return DecomposeResult(out, lines, glyphs, pages, problems, unread, missing)


def _nothing_read(collection: LineCollection, unread: Sequence[Problem]) -> str:
    if not unread:
        return f"{collection.root}: no line to read. Check that this is the right folder."
    more = f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
    return f"{collection.root}: no line can be read. First problem: {unread[0]}{more}"


def _write_problems(problems: Sequence[Problem], path: Path) -> None:
    """Write what was set aside; a list from an earlier time goes if there is nothing."""
    if not problems:
        path.unlink(missing_ok=True)
        return
    rows = (f"{'set aside' if one.fatal else 'note'}: {one}" for one in problems)
    write_text(path, "".join(escape(row) + "\n" for row in rows))
