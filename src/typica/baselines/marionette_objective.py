"""How the MarioNette baseline learns: reconstruction, L_Beta and L_sparse."""

from __future__ import annotations

import torch
from torch import Tensor

from ..typewriter.losses import reconstruction_loss
from ..typewriter.model import LineBatch
from .marionette import MarioNette, layer_order

__all__ = ["beta_density", "beta_loss", "objective"]


def beta_density(probabilities: Tensor) -> Tensor:
    """The density of Beta(2, 2), 6 p (1 - p): 0 at 0 and 1, highest (1.5) at one half."""
    return 6 * probabilities * (1 - probabilities)


def beta_loss(weights: Tensor, presence: Tensor, valid: Tensor) -> Tensor:
    """L_Beta: the mean density of the selection probabilities and that of the presences, halved.

    Arguments:
        weights: Probabilities of the entries, `(B, P, K)`.
        presence: `(B, P)`.
        valid: True for the positions within the line, `(B, P)`.
    """
    return (beta_density(weights[valid]).mean() + beta_density(presence[valid]).mean()) / 2


def objective(
    model: MarioNette, batch: LineBatch, step: int, total: int, autocast: bool = False
) -> dict[str, Tensor]:
    """The loss of a step and its terms; the order of the patches is a function of (seed, step).

    Arguments:
        model: In training mode.
        batch: Crops of lines.
        step: From 0.
        total: Planned number of steps (nothing depends on it in this method).
        autocast: Run the encoder in bfloat16.

    Returns:
        Scalars: `loss` and its unweighted terms.
    """
    options = model.options
    generator = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
    positions = batch.images.shape[-1] // model.step
    orders = [
        layer_order(positions, options.random_order, generator) for _ in range(options.layers)
    ]
    taken = model(batch, hard=False, orders=orders, autocast=autocast)
    rec = reconstruction_loss(taken.picture, batch.images, batch.widths).mean()
    probabilities = taken.logits[..., :-1].softmax(-1)  # presence cancels out
    presence = 1 - taken.weights[..., -1]
    beta = beta_loss(probabilities, presence, taken.valid)
    sparse = presence[taken.valid].mean()
    loss = rec + options.beta_weight * beta + options.sparse_weight * sparse
    return {
        "loss": loss,
        "reconstruction": rec.detach(),
        "beta": beta.detach(),
        "presence": sparse.detach(),
    }
