"""The equations of the typewriter in their fast form and written out: seconds and agreement.

A batch of lines as the default typewriter sees them, with random layers and probabilities; every
figure is forward and backward together. `composite` is eq. 3.1 by blocks against the sum over full
canvases; `warp` is appendix B.3 as two matrix products against `grid_sample`; `one_to_one` is the
text loss by whole rows with a gradient of its own against the recursion, letter by letter.

    python benchmarks/typewriter_forms.py [--width 440] [--batch 8] [--repeats 3] [--out FILE.json]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from common import row, timed, write_result
from typica.hardware import tune_process
from typica.typewriter.alignment import one_to_one_loss, one_to_one_loss_plain
from typica.typewriter.compositing import composite, composite_plain, front_to_back
from typica.typewriter.config import TypewriterConfig
from typica.typewriter.model import Typewriter
from typica.typewriter.placement import warp

LETTERS = 60


def both_ways(
    fast: Callable[..., Tensor],
    plain: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    repeats: int,
    unit: str,
    per: int,
) -> dict[str, Any]:
    """Forward and backward of both forms, and the largest difference of results and gradients."""
    leaves = [one.requires_grad_() for one in inputs]

    def run(form: Callable[..., Tensor]) -> tuple[Tensor, ...]:
        result = form(*leaves)
        weights = torch.linspace(0.5, 1.5, result.numel()).view_as(result)
        return (result.detach(), *torch.autograd.grad((result * weights).sum(), leaves))

    seconds, found = timed(lambda: run(fast), repeats + 1)  # the first pass is slow
    plain_seconds, wanted = timed(lambda: run(plain), 1)
    apart = max(
        float((a - b).abs().max() / b.abs().max().clamp(min=1e-12))
        for a, b in zip(found, wanted, strict=True)
    )
    return row(seconds, plain_seconds, per, unit=unit, largest_relative_difference=apart)


def sampled(sprites: Tensor, scale: Tensor, shift: Tensor, window: tuple[int, int]) -> Tensor:
    """`warp` by PyTorch's `affine_grid` and `grid_sample`."""
    height, width = sprites.shape[1:]
    zero = torch.zeros_like(scale)
    across, down = window[1] / width / scale, window[0] / height / scale
    theta = torch.stack(
        [
            torch.stack([across, zero, -2 * shift[:, 0] / scale / width], 1),
            torch.stack([zero, down, -2 * shift[:, 1] / scale / height], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [len(sprites), 1, *window], align_corners=False)
    return F.grid_sample(sprites[:, None], grid, align_corners=False)[:, 0]


def measure(width: int, batch: int, repeats: int) -> dict[str, Any]:
    """All three, on lines of a width in pixels."""
    torch.manual_seed(0)
    config = TypewriterConfig()
    model = Typewriter(config, tuple(chr(0x100 + i) for i in range(LETTERS)))
    positions = -(-width // model.step)
    window = (config.height, config.window_width)
    sprite = tuple(model.sprites().shape[1:])
    order = front_to_back(positions, random=True)
    layers = [
        torch.rand(batch, positions, *window),
        torch.rand(batch, positions, 3),
        torch.rand(batch, 3, positions * model.step),
    ]
    drawn = [
        torch.rand(batch * positions, *sprite),
        torch.rand(batch * positions) * 0.4 + 0.8,
        torch.rand(batch * positions, 2) * 6 - 3,
    ]
    letters = max(1, width // 14)
    targets = torch.randint(LETTERS, (batch, letters))
    full = torch.full((batch,), positions), torch.full((batch,), letters)
    scores = torch.randn(batch, positions, LETTERS + 1).log_softmax(-1)
    return {
        "composite": both_ways(
            lambda *x: composite(*x, order, model.step, model.offset),
            lambda *x: composite_plain(*x, order, model.step, model.offset),
            layers,
            repeats,
            "line",
            batch,
        ),
        "warp": both_ways(
            lambda *x: warp(*x, window),
            lambda *x: sampled(*x, window),
            drawn,
            repeats,
            "line",
            batch,
        ),
        "one_to_one": both_ways(
            lambda x: one_to_one_loss(x, targets, *full),
            lambda x: one_to_one_loss_plain(x, targets, *full),
            [scores],
            repeats,
            "line",
            batch,
        ),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--width", type=int, default=440, help="of the lines, in pixels")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    tune_process()
    forms = measure(given.width, given.batch, given.repeats)
    about = {"width": given.width, "batch": given.batch, "letters": LETTERS}
    write_result("typewriter_forms", torch.device("cpu"), about | {"forms": forms}, given.out)


if __name__ == "__main__":
    main()
