"""Which sprite stands at a position: eqs. 3.2 and 3.3."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import SelectionConfig
from .variants import Variants

__all__ = [
    "Selection",
    "best_sprites",
    "character_log_probabilities",
    "mix_sprites",
    "sprites_of",
    "straight_through",
]


class Selection(nn.Module):
    """pi projects the feature, p the sprite codes; the logits are their scaled products.

    The empty sprite comes last (index K) and has a free code. Its probability is the blank of
    the text loss. Keys and queries are normalised over their D features (section 3.3.3), those
    that are learned without p too; the code of the empty sprite is not, as in the paper's program.

    Arguments:
        count: K, all allographs counted.
        latent: Size of the codes z_k.
        features: D.
        config: With or without p, shared or separate codes.
    """

    def __init__(self, count: int, latent: int, features: int, config: SelectionConfig) -> None:
        super().__init__()
        self.project = nn.Linear(features, features)
        self.blank = nn.Parameter(torch.randn(1, features))
        self.codes: nn.Parameter | None = None
        self.network: nn.Linear | None = None
        if config.probability_network:
            self.network = nn.Linear(latent, features)
            if not config.shared_codes:
                self.codes = nn.Parameter(torch.rand(count, latent))
        else:
            self.codes = nn.Parameter(torch.randn(count, features))

    def forward(self, features: Tensor, codes: Tensor) -> Tensor:
        """Logits of every sprite at every position (the argument of eq. 3.2's softmax).

        Arguments:
            features: f, `(B, T, D)`.
            codes: z of the generator, `(K, latent)`; used only if the codes are shared.

        Returns:
            `(B, T, K + 1)`, the empty sprite last.
        """
        size = (features.shape[-1],)
        keys = codes if self.codes is None else self.codes
        if self.network is not None:
            keys = self.network(keys)
        keys = torch.cat([F.layer_norm(keys, size), self.blank])
        queries = F.layer_norm(self.project(features), size)
        return queries @ keys.T / math.sqrt(size[0])


def mix_sprites(probabilities: Tensor, sprites: Tensor) -> Tensor:
    """The composite sprite of every position, s = sum_k p_k s_k, by one matrix product.

    Arguments:
        probabilities: `(B, T, K + 1)`, the empty sprite last (it adds nothing).
        sprites: Opacities, `(K, h, w)`.

    Returns:
        Opacities `(B, T, h, w)`.
    """
    mixed = probabilities[..., :-1] @ sprites.flatten(1)
    return mixed.unflatten(-1, sprites.shape[1:])


def best_sprites(logits: Tensor, variants: Variants) -> Tensor:
    """The sprite that each position draws: the best one of the character that it reads.

    With several sprites per character this need not be the most probable sprite, because the
    character is chosen by the sum of its sprites.

    Arguments:
        logits: `(B, T, K + 1)`, the empty sprite last.
        variants: Which sprites stand for which character.

    Returns:
        Sprite indices `(B, T)`, K for the empty sprite.
    """
    return sprites_of(character_log_probabilities(logits, variants).argmax(-1), logits, variants)


def sprites_of(characters: Tensor, logits: Tensor, variants: Variants) -> Tensor:
    """The best sprite of a given character at every position.

    Arguments:
        characters: Character indices `(B, T)`, their number for the empty sprite.
        logits: `(B, T, K + 1)`, the empty sprite last.
        variants: Which sprites stand for which character.

    Returns:
        Sprite indices `(B, T)`, K for the empty sprite.
    """
    if variants.single:
        return characters
    first = torch.from_numpy(variants.first).to(logits.device)
    best = first + variants.gathered(logits).argmax(-1)
    best = F.pad(best, (0, 1), value=variants.sprites)  # the empty sprite has no variants
    return best.gather(-1, characters[..., None]).squeeze(-1)


def straight_through(probabilities: Tensor, chosen: Tensor) -> Tensor:
    """One-hot of the chosen sprite, with the gradient of the probabilities.

    Arguments:
        probabilities: `(..., K + 1)`.
        chosen: Sprite indices `(...)`, as `best_sprites` gives them.
    """
    hard = F.one_hot(chosen, probabilities.shape[-1]).to(probabilities.dtype)
    return hard + probabilities - probabilities.detach()


def character_log_probabilities(logits: Tensor, variants: Variants) -> Tensor:
    """Log-probability of every character: that of its sprites together.

    Arguments:
        logits: `(B, T, K + 1)`, the empty sprite last.
        variants: Which sprites stand for which character.

    Returns:
        `(B, T, characters + 1)`, blank last.
    """
    logs = logits.log_softmax(-1)
    if variants.single:
        return logs
    letters = variants.gathered(logs).logsumexp(-1)
    return torch.cat([letters, logs[..., -1:]], dim=-1)
