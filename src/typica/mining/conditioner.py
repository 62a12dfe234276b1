"""Between labels and the condition that the denoiser is told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DataError
from ..images.prompts import PromptTemplate, Told

__all__ = ["Conditioner", "LabelTable", "TextConditioner"]


class Conditioner(nn.Module, ABC):
    """Labels, several at a time, or None for the null condition, to hidden states `(N, L, D)`."""

    trainable: bool
    """Whether it learns together with the UNet."""

    @abstractmethod
    def forward(self, labels: Sequence[Told]) -> Tensor:
        """Hidden states of labels, `(len(labels), L, D)`; a tuple is told as a whole."""


class LabelTable(Conditioner):
    """A learnt embedding for every label, and one for the null condition (the last row).

    Several labels are what each adds to the null condition, added up: e_0 + sum_c (e_c - e_0).
    So none of them is told more faintly because others are told too, as in a mean, and no label
    at all is the null condition.
    """

    trainable = True

    def __init__(self, labels: Sequence[str], features: int) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self.table = nn.Embedding(len(self.labels) + 1, features)
        self._rows: dict[str, int] = {name: i for i, name in enumerate(self.labels)}

    def forward(self, labels: Sequence[Told]) -> Tensor:
        """Hidden states, `(N, 1, D)`.

        Raises:
            DataError: If a label was not there when the table was made.
        """
        told = [(one,) if isinstance(one, str) else one or () for one in labels]
        missing = sorted({name for names in told for name in names} - set(self.labels))
        if missing:
            raise DataError(
                f"label {missing[0]!r} is unknown to this model, which knows "
                f"{', '.join(self.labels)}. Train a new one on these pictures."
            )
        null, device = len(self.labels), self.table.weight.device
        rows = torch.tensor([self._rows[one[0]] if one else null for one in told], device=device)
        hidden: Tensor = self.table(rows)
        more = [(i, self._rows[name]) for i, names in enumerate(told) for name in names[1:]]
        if more:
            places, others = torch.tensor(more, device=device).T
            added = self.table(others) - self.table.weight[null]
            hidden = hidden.index_add(0, places, added)
        return hidden[:, None]


class TextConditioner(Conditioner):
    """A frozen text encoder that reads the prompt of a label; every prompt is encoded once."""

    trainable = False

    def __init__(self, tokenizer: Any, text_encoder: Any, prompt: PromptTemplate) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.text_encoder = text_encoder.eval().requires_grad_(False)
        self.prompt = prompt
        self._known: dict[tuple[str, torch.device], Tensor] = {}

    @torch.no_grad()
    def forward(self, labels: Sequence[Told]) -> Tensor:
        device = next(self.text_encoder.parameters()).device
        hidden = []
        for label in labels:
            text = self.prompt(label)
            if (text, device) not in self._known:
                self._known[text, device] = self._encode(text, device)
            hidden.append(self._known[text, device])
        return torch.stack(hidden)

    def _encode(self, text: str, device: torch.device) -> Tensor:
        """The last hidden state of one prompt, `(L, D)`, float32."""
        length = int(self.tokenizer.model_max_length)
        tokens = self.tokenizer(
            text, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        hidden: Tensor = self.text_encoder(tokens.input_ids.to(device))[0][0]
        return hidden.float()
