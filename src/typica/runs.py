"""A run folder: what a training leaves behind, readable without the data.

    config.json           the resolved configuration, the alphabet, versions, hardware
    model.safetensors     the weights, with the same description in the file's metadata
    log.jsonl             one row of numbers every few steps
    checkpoint.safetensors   everything that an exact continuation needs
    evaluation/, report/   made from the model afterwards

Every file is written aside and renamed, so a kill leaves the old or the new one, never half.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, ClassVar

from safetensors import SafetensorError, safe_open
from torch import Tensor

from .errors import DAMAGE, RunError, damage, reason
from .files import atomic_path, half_written, write_json, write_text, writing
from .tensor_file import write_tensors

__all__ = ["FORMAT", "Run", "load_tensors", "require_outside", "save_tensors"]

FORMAT = 1
"""Version of the run folder; raised when an older program could not read a newer folder."""


def save_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write tensors as safetensors, with `about` as JSON in the metadata, in one step."""
    plain: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        kept = tensor.detach().cpu().contiguous()
        # the format holds no two names for one memory: two equal sums may be one tensor
        place = kept.untyped_storage().data_ptr()
        plain[name] = kept.clone() if place in seen else kept
        seen.add(place)
    with atomic_path(path) as aside:
        write_tensors(aside, plain, {"typica": json.dumps(about, ensure_ascii=False)})


def load_tensors(
    path: Path, remedy: str = "Train again, or take the file from a backup."
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote.

    Arguments:
        path: The file.
        remedy: What to do if it is damaged, for the message.

    Raises:
        RunError: If the file is missing, damaged, or not ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["typica"])
            if not isinstance(about, dict):
                raise ValueError("its description is no JSON object")
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file. Is this a run folder, and did it train?") from error
    except damage(SafetensorError) as error:
        raise RunError(
            f"{path}: damaged, or not written by typica ({reason(error)}). {remedy}"
        ) from error


def require_outside(out: Path, data: Path) -> None:
    """Refuse a run folder inside the data folder, where its pictures would be read as data.

    Raises:
        RunError: If `out` is `data` or below it.
    """
    if data.is_dir() and out.resolve().is_relative_to(data.resolve()):
        raise RunError(
            f"{out}: lies in the data folder {data}, so what is written there would be read as "
            "data. Give an --out elsewhere."
        )


@dataclass(frozen=True)
class Run:
    """The paths and the log of one run folder."""

    WRITTEN_LOCKED: ClassVar[tuple[str, ...]] = (
        "checkpoint.safetensors",
        "config.json",
        "log.jsonl",
        "model.safetensors",
    )
    """Files (patterns) that are written only by a process that holds the folder."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.json"

    @property
    def model(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    @property
    def log(self) -> Path:
        return self.folder / "log.jsonl"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for writing; a second process is told instead of mixing its output.

        The lock belongs to the process, so it vanishes with it however it ends.

        Raises:
            RunError: If another process holds it.
            WriteError: If the folder may not be written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"{self.folder}: cannot be made ({error.strerror}). Give another --out."
            ) from error
        try:
            import fcntl
        except ImportError:  # no advisory locks on this system
            yield
            return
        place = self.folder / ".lock"
        with contextlib.ExitStack() as held:
            with writing(place):
                file = held.enter_context(open(place, "w", encoding="utf-8"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(
                    f"{self.folder}: another process is writing to this run folder. Wait for "
                    "it, or give another --out."
                ) from error
            for aside in self.half_written():  # by a process that was killed: nobody else holds it
                aside.unlink(missing_ok=True)
            yield

    def half_written(self) -> Iterator[Path]:
        """Temporary files that belong to whoever holds the folder; stale if nobody does.

        What is written without holding it, such as pages and maps, is not among them.
        """
        for pattern in self.WRITTEN_LOCKED:
            place = self.folder / pattern
            for path, name in half_written(place.parent):
                if fnmatch(name, place.name):
                    yield path

    def write_config(self, about: dict[str, Any]) -> None:
        """Write `config.json`."""
        write_json(self.config, {"format": FORMAT, **about})

    def read_config(self) -> dict[str, Any]:
        """Read `config.json`.

        Raises:
            RunError: If it is missing, damaged, or of a later format.
        """
        try:
            about: dict[str, Any] = json.loads(self.config.read_text(encoding="utf-8"))
            version = int(about["format"])
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunError(
                f"{self.folder}: not a run folder (no config.json). Give the folder that "
                "`typica typewriter train --out` or `typica mine run --out` made."
            ) from error
        except DAMAGE as error:
            raise RunError(f"{self.config}: damaged ({reason(error)}). Train again.") from error
        if version > FORMAT:
            raise RunError(
                f"{self.folder}: written by a later typica (format {version}, this one reads "
                f"{FORMAT}). Update typica."
            )
        return about

    def append_log(self, row: dict[str, Any]) -> None:
        """Add one row to `log.jsonl`."""
        with writing(self.log), open(self.log, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """All whole rows of `log.jsonl`; a row cut short by a kill is left out."""
        rows = []
        if self.log.exists():
            text = self.log.read_text(encoding="utf-8", errors="replace")
            for part in text.split("\n"):
                with contextlib.suppress(ValueError):
                    rows.append(json.loads(part))
        return [row for row in rows if isinstance(row, dict) and "step" in row]

    def cut_log(self, step: int) -> None:
        """Drop the rows after a step: a resumed run writes them again."""
        rows = [row for row in self.read_log() if row["step"] <= step]
        write_text(self.log, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))
