r"""The page of sampling bias: everything it shows comes in, it only lays out.

Real pictures and samples stand side by side, label by label (Fig. 4.11 of the paper), and below
them every real cluster with its share in either set.
"""

from __future__ import annotations

from pathlib import Path

from .bias_plots import whisker_plot
from .bias_values import BiasReport, Cell
from .page import data_uri, render_page, write_page
from .run_values import run_views

__all__ = ["render_bias_report", "write_bias_report"]


def write_bias_report(report: BiasReport, path: Path) -> Path:
    r"""Write the page of a comparison: one file, which fetches nothing.

    Arguments:
        report: What to show.
        path: The file to write, usually `index.html`; written in one step.

    Returns:
        The path.

    Raises:
        DataError: If the file cannot be written there.
    """
    return write_page(render_bias_report(report), path)


def render_bias_report(report: BiasReport) -> str:
    r"""Lay out the page of a comparison.

    Arguments:
        report: What to show.

    Returns:
        The page.
    """
    values = {
        **run_views(report, ()),
        "figures": [
            {"title": one.title, "unit": one.unit, "svg": whisker_plot(one, report.strengths)}
            for one in report.curves
        ],
        "webp": lambda image: data_uri("webp", image) if image else "",
        "report_called": list(zip(report.strengths, report.called, strict=True)),
        "times": times,
        "probability": probability,
    }
    return render_page("bias.html", values)


def times(cell: Cell) -> str:
    r"""How much more or less often a cluster is seen, in words: `×2.1 (1.3 to 3.4)`."""
    ratio = cell.log_ratio
    if ratio.mean is None:
        return "–"
    ends = [None if end is None else f"{2**end:.2g}" for end in (ratio.low, ratio.high)]
    if ends == [None, None]:
        return "–"
    if ends[0] is None:
        return f"none, at most ×{ends[1]}"
    if ends[1] is None:
        return f"new, at least ×{ends[0]}"
    return f"×{2**ratio.mean:.2g} ({ends[0]} to {ends[1]})"


def probability(p: float) -> str:
    r"""A p-value with as many digits as it deserves."""
    return f"{p:.2f}" if p >= 0.1 else f"{p:.2g}"
