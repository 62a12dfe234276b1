"""The sentences that a label is told to the model with.

One template serves training, scoring, features and translation; it is kept in the run, so that
they cannot disagree (in the paper's program they do, in four of its five collections).
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from ..configs import require

__all__ = ["PromptTemplate", "Told", "joined", "readable"]

Told = str | tuple[str, ...] | None
"""What a prompt tells: one label, several together, or none (None, or no label in the tuple)."""


@dataclass(frozen=True)
class PromptTemplate:
    """The sentence of a label, and the sentence of no label (section 4.3.3).

    Arguments:
        label: With `{label}` where the label goes, such as `A car from the {label}s.`
        null: The null condition, such as `A car.`; may be empty.
    """

    label: str = "An image of {label}."
    null: str = ""

    def __post_init__(self) -> None:
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(self.label)]
        except ValueError as error:
            raise_for = f"--prompt {self.label!r}: {error}; write {{{{ and }}}} for braces"
            require(False, raise_for)
        fields = [name for name in names if name is not None]
        require(
            bool(fields) and set(fields) == {"label"},
            f"--prompt {self.label!r}: must hold {{label}}, and no other field",
        )
        require(
            "{label}" not in self.null,
            f"--null {self.null!r}: the null prompt names no label; leave {{label}} out",
        )

    def __call__(self, label: Told) -> str:
        """The prompt of a label, or of several, joined; of the null condition for none."""
        if label is None or label == ():
            return self.null
        names = (label,) if isinstance(label, str) else label
        return self.label.format(label=joined([readable(name) for name in names]))

    def all(self, labels: Sequence[str]) -> list[str]:
        """The null prompt, then the prompt of every label."""
        return [self.null, *(self(label) for label in labels)]


def joined(labels: Sequence[str]) -> str:
    """Several labels in one text, as the paper's program writes the findings of an X-ray."""
    return ", ".join(labels)


def readable(label: str) -> str:
    """A label as it is read in a sentence: underscores are spaces."""
    return label.replace("_", " ").strip()
