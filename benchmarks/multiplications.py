"""How many multiplications is a draw of a UNet, and how many one of its surrogate?

Counted by torch, in convolutions and matrix products; nothing is computed of Stable Diffusion's
UNet, whose weights are not needed. A draw is two predictions, without a label and with one.

    python benchmarks/multiplications.py [--out FILE.json]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from common import write_result
from typica.mining.config import SmallConfig, TypicalityConfig
from typica.mining.small import build_small
from typica.mining.surrogate import Surrogate, levels_of


def millions(work: Callable[[], Any]) -> float:
    """Multiplications of a call, in millions."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return round(counter.get_total_flops() / 2 / 1e6, 1)  # it counts additions, too


def surrogate(channels: int, side: int) -> float:
    """Of one draw of the default surrogate, on latents of so many channels and cells a side."""
    network = Surrogate(channels, 6, levels_of(side), TypicalityConfig().surrogate_width)
    noisy, rows = torch.zeros(1, channels, side, side), torch.tensor([[0, 1]])
    return millions(lambda: network(noisy, torch.zeros(1), rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    from diffusers import UNet2DConditionModel

    # the model of the measurements at 64 px
    config = SmallConfig(fold=4, channels=(64, 64, 128), layers=1, label_features=128)
    small = build_small(config, ["a", "b"], 0)
    condition = small.condition([None, "a"])
    noisy, times = torch.zeros(2, 48, 16, 16), torch.zeros(2, dtype=torch.long)
    with torch.device("meta"):  # Stable Diffusion 1.5 at 512 px
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
        latents, when = torch.empty(2, 4, 64, 64), torch.empty(2, dtype=torch.long)
        text = torch.empty(2, 77, 768)
    result = {
        "millions of multiplications in a draw": {
            "small UNet, 64 px": millions(lambda: small.predict_noise(noisy, times, condition)),
            "its surrogate": surrogate(48, 16),
            "Stable Diffusion, 512 px": millions(
                lambda: unet(latents, when, encoder_hidden_states=text)
            ),
            "its surrogate at 512 px": surrogate(4, 64),
        }
    }
    write_result("multiplications", torch.device("cpu"), result, given.out)


if __name__ == "__main__":
    main()
