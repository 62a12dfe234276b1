"""Numbers as lines of text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from .evaluation import Evaluation

__all__ = ["evaluation_lines"]


def evaluation_lines(evaluation: Evaluation) -> Iterator[str]:
    """An evaluation in a few lines."""
    e = evaluation
    yield (
        f"{e.split}: {len(e.lines)} lines, {e.symbols} characters; CER {e.cer:.2%} "
        f"(95 % interval {e.cer_low:.2%} to {e.cer_high:.2%}), mean over lines "
        f"{e.cer_line_mean:.2%}, with word spaces {e.cer_with_spaces:.2%}"
    )
    drawn = (
        ""
        if e.reconstruction is None
        else f"reconstruction error {e.reconstruction:.2e} per pixel; "
    )
    yield f"{drawn}{e.placements.corpus:.3f} placements per character"
    if e.localisation is not None:
        yield (
            f"glyphs found with IoU > {e.localisation.threshold:g}: {e.localisation.found:.1%} "
            f"(mean IoU {e.localisation.mean_iou:.2f})"
        )
    if len(e.documents) > 1:
        for document in e.documents:
            yield f"  {document.document}: {document.lines} lines, CER {document.cer:.2%}"
    if e.confusions:
        worst = (f"{c.truth or '∅'}→{c.read or '∅'} {c.count}" for c in e.confusions[:12])
        yield "most frequent errors (truth→read): " + ", ".join(worst)
