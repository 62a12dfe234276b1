"""From the JSON of the parts of `bench.py` to the tables of its page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Table", "tables"]

Results = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Table:
    """Rows of text under a title, with a sentence that says what they are."""

    title: str
    about: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(results: Results) -> list[Table]:
    """The tables of those parts that have a result."""
    makers = {
        "typewriter": _typewriter,
        "mining": _mining,
        "forms": _forms,
        "elements": _elements,
        "step": _step,
        "scoring": _scoring,
    }
    return [maker(results[name]) for name, maker in makers.items() if name in results]


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{1e6 * seconds:.0f} µs"
    return f"{1e3 * seconds:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _typewriter(found: dict[str, Any]) -> Table:
    """How the demo's typewriter reads."""
    glyphs = found["localisation"] or {}
    rows = [
        ("training", f"{found['minutes']:.1f} minutes, {found['steps']} steps"),
        (
            "character error rate, test lines",
            f"{_percent(found['cer'])} ({_percent(found['cer_low'])} to "
            f"{_percent(found['cer_high'])})",
        ),
        ("placements per character", f"{found['placements_per_character']:.3f}"),
        ("reconstruction error", f"{found['reconstruction']:.2e}"),
    ]
    if "found" in glyphs:
        rows.append(("glyphs found with IoU > 0.5", _percent(glyphs["found"])))
    return Table(
        "Typewriter: the demo's lines",
        "Rendered lines with exact glyph boxes; trained here.",
        ("what", "measured"),
        tuple(rows),
    )


def _mining(found: dict[str, Any]) -> Table:
    """Whether what looks like a mined element carries its label."""
    overall = found["models"]["finetuned"]["agreement"]["overall"]
    training = found["training"]
    rows = [
        (
            one["kind"],
            f"{one['share']['mean']:.3f} ({one['share']['low']:.3f} to {one['share']['high']:.3f})",
            f"{one['chance']:.3f}",
            str(one["elements"]),
        )
        for one in overall
    ]
    return Table(
        "Mining: the demo's pictures",
        f"{found['pictures']} pictures of {len(found['labels'])} designers, {training['steps']} "
        "steps. Share of the nearest patches of other pictures, by gradients and colours that "
        "the mining did not use, that carry the label of an element.",
        ("elements", "share (95 % interval)", "chance", "number"),
        tuple(rows),
    )


def _forms(found: dict[str, Any]) -> Table:
    """Equations of the typewriter, fast and written out."""
    names = {
        "composite": "eq. 3.1 by blocks; the sum over full canvases",
        "warp": "B.3 as matrix products; grid_sample",
        "one_to_one": "text loss by rows; letter by letter",
    }
    return Table(
        "Equations of the typewriter: ours; the plain form",
        f"Forward and backward, lines of {found['width']} pixels, batch of {found['batch']}.",
        ("what", "ours, per line", "plain, per line", "times", "largest relative difference"),
        tuple(
            (
                names[name],
                _time(one["seconds"]),
                _time(one["plain_seconds"]),
                f"{one['ratio']:.1f}",
                f"{one['largest_relative_difference']:.0e}",
            )
            for name, one in found["forms"].items()
        ),
    )


def _elements(found: dict[str, Any]) -> Table:
    """Patches, features and clusters of mining."""

    def rows() -> Iterator[tuple[str, ...]]:
        measured = [(f"five best patches, {one['picture']}", one) for one in found["patches"]]
        measured += [("features", found["features"]), ("k-means", found["clusters"])]
        for name, one in measured:
            yield (
                f"{name}, per {one['unit']}",
                _time(one["seconds"]),
                _time(one["plain_seconds"]),
                f"{one['ratio']:.1f}",
            )

    return Table(
        "Elements of mining: ours; the plain form",
        "Random pictures; both forms agree, or the measurement stops.",
        ("what", "ours", "plain", "times"),
        tuple(rows()),
    )


def _step(found: dict[str, Any]) -> Table:
    """A training step by width."""
    names = {
        "step": "the paper's typewriter, part of the encoder recomputed",
        "step-kept": "the same, nothing recomputed",
        "encoder-float32": "its encoder alone, float32",
        "encoder-bfloat16": "its encoder alone, bfloat16",
        "default-step": "the default typewriter, same lines",
    }
    return Table(
        "One training step",
        f"Batch of {found['batch']}, lines {found['height']} pixels high, "
        f"{found['characters']} characters; best of a few.",
        ("what", "width", "CPU seconds", "seconds", "peak memory"),
        tuple(
            (
                names[one["kind"]],
                str(one["width"]),
                f"{one['cpu_seconds']:.2f}",
                f"{one['wall_seconds']:.2f}",
                f"{one['peak_gib']:.2f} GiB",
            )
            for one in found["rows"]
        ),
    )


def _scoring(found: dict[str, Any]) -> Table:
    """Scoring pictures, ours and one at a time."""
    return Table(
        "Scoring typicality",
        f"{found['pictures']} pictures of about {found['size']} pixels, {found['draws']} noises, "
        "untrained small model; `plain` keeps the losses of all noises.",
        ("form", "evaluations per CPU second", "memory beyond the model", "disk per picture"),
        tuple(
            (
                name,
                f"{one['evaluations_per_cpu_second']:.1f}",
                f"{one['peak_over_model_mib']:.0f} MiB",
                f"{one['bytes_per_picture'] / 1000:.1f} kB",
            )
            for name, one in found["rows"].items()
        ),
    )
