"""The most probable text of a line, and where its characters stand.

With one placement per character the probability of a text is a sum over its alignments
(`typica.typewriter.alignment.one_to_one_loss`). Where a character's probability is shared by two
neighbouring positions, the best symbol of each position would give it twice or not at all. So
the text is searched first, by its summed probability, and then laid on the line by its best
alignment: what is drawn is what is read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_alignment", "best_text", "merge_doubles", "place_text"]


def best_text(
    log_probabilities: NDArray[np.float64], width: int = 8, least: float = 1e-3
) -> tuple[int, ...]:
    """The text with the greatest summed probability, by beam search over its beginnings.

    Arguments:
        log_probabilities: `(T, K + 1)`, blank last.
        width: How many beginnings are kept at every position.
        least: Symbols less probable than this at a position are not tried there.

    Returns:
        Character indices.
    """
    blank = log_probabilities.shape[1] - 1
    # the certain end of a beginning is kept apart, so that beginnings stay short
    certain: list[int] = []
    beams: dict[tuple[int, ...], float] = {(): 0.0}
    floor = np.log(least)
    best = log_probabilities.argmax(1)
    top = log_probabilities[np.arange(len(best)), best]
    for row, first, sure in zip(log_probabilities, best.tolist(), top.tolist(), strict=True):
        if sure > np.log1p(-least):
            if first != blank:
                beams = {(*text, first): score + sure for text, score in beams.items()}
            else:
                beams = {text: score + sure for text, score in beams.items()}
        else:
            tried = [int(k) for k in np.flatnonzero(row > floor)] or [first]
            longer: dict[tuple[int, ...], float] = {}
            for text, score in beams.items():
                for k in tried:
                    new = text if k == blank else (*text, k)
                    value = score + float(row[k])
                    old = longer.get(new)
                    longer[new] = value if old is None else float(np.logaddexp(old, value))
            kept = sorted(longer.items(), key=lambda item: -item[1])[:width]
            beams = dict(kept)
        if len(beams) == 1:
            (only,) = beams
            certain += only
            beams = {(): 0.0}
    return (*certain, *max(beams, key=lambda text: beams[text]))


def best_alignment(
    log_probabilities: NDArray[np.float64], text: tuple[int, ...]
) -> NDArray[np.int64]:
    """The most probable positions of the characters of a text (Viterbi).

    Arguments:
        log_probabilities: `(T, K + 1)`, blank last.
        text: Character indices, at most T.

    Returns:
        For every character its position, increasing, `(U,)`.
    """
    positions, size = len(log_probabilities), len(text)
    emit = log_probabilities[:, list(text)]
    rest = log_probabilities[:, -1]
    score = np.full(size + 1, -np.inf)
    score[0] = 0.0
    moved = np.zeros((positions, size + 1), bool)
    for t in range(positions):
        stay = score + rest[t]
        move = score[:-1] + emit[t]
        moved[t, 1:] = move > stay[1:]
        score = stay
        score[1:] = np.where(moved[t, 1:], move, stay[1:])
    places = np.empty(size, np.int64)
    u = size
    for t in range(positions - 1, -1, -1):
        if u and moved[t, u]:
            u -= 1
            places[u] = t
    return places


def place_text(log_probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """The character at every position of a line, -1 for none, so that they spell its best text.

    Arguments:
        log_probabilities: `(T, K + 1)`, blank last.
    """
    text = best_text(log_probabilities)
    characters = np.full(len(log_probabilities), -1, np.int64)
    characters[best_alignment(log_probabilities, text)] = text
    return characters


def merge_doubles(
    characters: NDArray[np.int64],
    centres: NDArray[np.float64],
    widths: NDArray[np.float64],
    sure: NDArray[np.float64],
    least: float = 0.4,
) -> NDArray[np.int64]:
    """Count ink that is drawn twice in the same place once.

    Two neighbours with the same character are one if their middles are nearer than a share of
    their ink's width. On a printed book the wrong doubles (`ii` for `i`) lay within 0.15 of a
    width, and true ones (`ſſ`, `ff`) no nearer than 0.6.

    Arguments:
        characters: The character at every position, `(T,)`, -1 for none.
        centres: Where its ink is drawn, in pixels, `(T,)`.
        widths: The width of its ink in pixels, `(T,)`.
        sure: The probability of the character, `(T,)`; of two the surer one stays.
        least: The share of the width.

    Returns:
        `(T,)`.
    """
    kept = characters.copy()
    before = -1
    for t in np.flatnonzero(characters >= 0).tolist():
        near = (
            before >= 0
            and kept[before] == kept[t]
            and abs(centres[t] - centres[before]) < least * min(widths[t], widths[before])
        )
        if near:
            loser = before if sure[t] > sure[before] else t
            kept[loser] = -1
            before = t if loser == before else before
        else:
            before = t
    return kept
