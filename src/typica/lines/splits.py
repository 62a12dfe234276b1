"""Which part of a collection a line belongs to, and which document it comes from."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from ..values import SPLIT_NAMES

__all__ = ["document_of", "split_documents", "split_lines"]


def document_of(
    identity: str, root: str, given: str | None = None, pattern: re.Pattern[str] | None = None
) -> str:
    """The document that a line comes from.

    With a pattern: its first group (else all that it matches) in the id, if it matches. Else
    what the file says, if it does. Else the folder of the line below the data folder (leaving
    out folders named after a split), if there is one. Else the id without its last two fields
    between `_`, which usually count page and line (`FRAD021_15_H_183_000213_12_3` is of
    `FRAD021_15_H_183_000213`). If nothing is left, the data folder is one document.

    Arguments:
        identity: The id of the line, without extension.
        root: The name of the data folder.
        given: The document that the file names; None if it does not.
        pattern: A regular expression that finds the document in the id; None for the rule.

    Returns:
        The name of the document.
    """
    if pattern is not None and (match := pattern.search(identity)):
        found = match.group(1) if pattern.groups else match.group()
        if found:
            return found
    if given:
        return given
    *folders, name = identity.split("/")
    folders = [folder for folder in folders if folder.lower() not in SPLIT_NAMES]
    if folders:
        return "/".join(folders)
    return "_".join(name.split("_")[:-2]) or root


def split_documents(
    documents: Sequence[str],
    identities: Sequence[str],
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> list[str]:
    """Deal lines into train, val and test, whole documents at a time.

    The order of the documents is drawn from a hash of their names, so that neither their order
    in the files nor the machine matters. With fewer than three documents single lines are dealt
    instead, because one document cannot be in all three parts.

    Arguments:
        documents: The document of every line.
        identities: The id of every line.
        shares: Wanted shares of train, val and test; they sum to 1.
        seed: Another seed deals differently.

    Returns:
        `train`, `val` or `test` for every line; `train` is never empty.
    """
    sizes = Counter(documents)
    if len(sizes) < 3:
        return split_lines(identities, shares, seed)
    left = sorted(sizes, key=lambda name: _hash(name, seed))
    part_of: dict[str, str] = {}
    for part, share in (("test", shares[2]), ("val", shares[1])):
        if share <= 0:
            continue
        target, count = share * len(documents), 0
        # Train keeps a document, and val as long as its turn is still to come.
        least = 2 if part == "test" and shares[1] > 0 else 1
        for name in list(left):
            # A document may overshoot the target by half of the target at most.
            if len(left) > least and count < target and count + sizes[name] <= 1.5 * target:
                part_of[name] = part
                left.remove(name)
                count += sizes[name]
        # All documents are large: the smallest does.
        if not count and len(left) > least:
            name = min(left, key=lambda other: (sizes[other], _hash(other, seed)))
            part_of[name] = part
            left.remove(name)
    return [part_of.get(document, "train") for document in documents]


def split_lines(
    identities: Sequence[str],
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> list[str]:
    """Deal single lines into train, val and test, by a hash of their ids.

    Arguments:
        identities: The id of every line.
        shares: Wanted shares of train, val and test; they sum to 1.
        seed: Another seed deals differently.

    Returns:
        `train`, `val` or `test` for every line. `train` is never empty; from three lines on,
        every part with a share above 0 has a line.
    """
    total = len(identities)
    least = 1 if total >= 3 else 0
    counts = [max(least, round(share * total)) if share > 0 else 0 for share in shares[1:]]
    while 0 < total <= sum(counts):
        counts[counts.index(max(counts))] -= 1
    order = sorted(range(total), key=lambda index: _hash(identities[index], seed))
    parts = ["train"] * total
    for rank, index in enumerate(order[: sum(counts)]):
        parts[index] = "val" if rank < counts[0] else "test"
    return parts


def _hash(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogatepass")).digest()
