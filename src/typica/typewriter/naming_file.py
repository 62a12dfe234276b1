"""The names of a run's sprites on disk: `RUN/naming.json`, beside the weights that they are for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..configs import from_plain
from ..errors import DAMAGE, RunError, reason
from ..files import write_json
from .decipherment import DeciphermentOptions
from .naming import Naming, NamingOptions

__all__ = [
    "NAMING",
    "KeptNaming",
    "LanguageSource",
    "discard_stale_naming",
    "read_naming",
    "weights_digest",
    "write_naming",
]

NAMING = "naming.json"

_VERSION = 2  # 1 knew no names from a language


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """A digest of the weights, whatever is written beside them."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class LanguageSource:
    """The language that names were found by, where no text of the lines was used.

    Arguments:
        text: The name of the file.
        digest: Of its lines.
        symbols: How many symbols it holds, word spaces included.
        options: How names were found from it.
        margins: For every sprite the bits per placement by which its name is better than the next
            best; see `Decipherment`.
    """

    text: str
    digest: str
    symbols: int
    options: DeciphermentOptions
    margins: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "margins": [round(one, 3) for one in self.margins]}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> LanguageSource:
        """The inverse of `as_dict`; raises as `KeptNaming.from_dict` does."""
        return LanguageSource(
            str(values["text"]),
            str(values["digest"]),
            int(values["symbols"]),
            from_plain(DeciphermentOptions, values["options"]),
            tuple(float(one) for one in values["margins"]),
        )


@dataclass(frozen=True)
class KeptNaming:
    """A naming and where it comes from.

    Arguments:
        naming: The names.
        space_gap: White between two named glyphs, in line heights, from which on it is a word
            space; None if the lines had none.
        options: How the names were found, if from transcribed lines.
        data: The name of the collection.
        split: The part of it that the lines are from.
        lines: Ids of the lines that the names were found on.
        placed: How often every sprite was placed on these lines.
        cer: Character error rate on these lines, spaces dropped; None if none is transcribed.
        symbols: True symbols of these lines, spaces dropped.
        other_lines: How many other transcribed lines were read with the names.
        other_cer: Character error rate on those; None if there are none.
        weights: `weights_digest` of the typewriter.
        language: What the names were found by; None for the text of the lines. Where a language
            is given, the text of the lines was only used to judge the names.
    """

    naming: Naming
    space_gap: float | None
    options: NamingOptions
    data: str
    split: str
    lines: tuple[str, ...]
    placed: tuple[int, ...]
    cer: float | None
    symbols: int
    other_lines: int
    other_cer: float | None
    weights: str
    language: LanguageSource | None = None

    @property
    def digest(self) -> str:
        """A digest of all that decides what is read."""
        names = [self.naming.names, self.naming.grams, self.space_gap]
        return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "kind": "naming",
            "version": _VERSION,
            "weights": self.weights,
            "names": [list(name) for name in self.naming.names],
            "n_grams": [
                {"sprites": list(run), "name": list(name)} for run, name in self.naming.grams
            ],
            "space_gap": self.space_gap,
            "options": asdict(self.options),
            "found_on": {
                "data": self.data,
                "split": self.split,
                "lines": list(self.lines),
                "placed": list(self.placed),
                "symbols": self.symbols,
                "cer": self.cer,
            },
            "others": {"lines": self.other_lines, "cer": self.other_cer},
            "language": None if self.language is None else self.language.as_dict(),
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> KeptNaming:
        """The inverse of `as_dict`.

        Raises:
            KeyError, TypeError, ValueError, ConfigError: If something is missing or wrong.
        """
        if values["kind"] != "naming":
            raise ValueError(f"kind is {values['kind']!r}")
        found, others, gap = values["found_on"], values["others"], values["space_gap"]
        language = values.get("language")
        grams = [
            (tuple(int(k) for k in gram["sprites"]), _symbols(gram["name"]))
            for gram in values["n_grams"]
        ]
        kept = KeptNaming(
            Naming(tuple(_symbols(name) for name in values["names"]), tuple(grams)),
            None if gap is None else float(gap),
            from_plain(NamingOptions, values["options"]),
            str(found["data"]),
            str(found["split"]),
            tuple(str(line) for line in found["lines"]),
            tuple(int(times) for times in found["placed"]),
            None if found["cer"] is None else float(found["cer"]),
            int(found["symbols"]),
            int(others["lines"]),
            None if others["cer"] is None else float(others["cer"]),
            str(values["weights"]),
            None if language is None else LanguageSource.from_dict(language),
        )
        if len(kept.placed) != len(kept.naming.names):
            raise ValueError(f"{len(kept.placed)} counts for {len(kept.naming.names)} sprites")
        return kept


def _symbols(name: Any) -> tuple[str, ...]:
    if not isinstance(name, list) or not all(isinstance(one, str) and one for one in name):
        raise ValueError(f"{name!r} is no list of symbols")
    return tuple(name)


def write_naming(folder: Path, kept: KeptNaming) -> Path:
    """Write `naming.json` into a run folder in one step."""
    path = folder / NAMING
    write_json(path, kept.as_dict())
    return path


def read_naming(folder: Path, tensors: Mapping[str, Tensor], count: int) -> KeptNaming | None:
    """The names that a run folder keeps; None if it has none.

    Arguments:
        folder: The run folder.
        tensors: Its weights.
        count: How many sprites it has.

    Raises:
        RunError: If the file is damaged, of a later version, or for other weights.
    """
    path = folder / NAMING
    remedy = "Run `typica typewriter name` again, or remove the file."
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        version = int(values["version"])
        if version > _VERSION:
            raise RunError(
                f"{path}: written by a later typica (version {version}, this one reads "
                f"{_VERSION}). Update typica, or remove the file."
            )
        kept = KeptNaming.from_dict(values)
    except FileNotFoundError:
        return None
    except DAMAGE as error:
        raise RunError(f"{path}: damaged ({reason(error)}). {remedy}") from error
    if len(kept.naming.names) != count or kept.weights != weights_digest(tensors):
        raise RunError(
            f"{path}: these names are for other sprites: the typewriter was trained since. {remedy}"
        )
    return kept


def discard_stale_naming(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Remove the names that a run folder keeps for weights that it no longer has."""
    path = folder / NAMING
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        stale = values["weights"] != weights_digest(tensors)
    except FileNotFoundError:
        return
    except DAMAGE:
        stale = True
    if stale:
        path.unlink(missing_ok=True)
