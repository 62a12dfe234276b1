"""`typica mine contrast | confusions | timeline | search`: further readings of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from ..configs import require
from .shared import RunFolder

__all__ = ["mine_confusions", "mine_contrast", "mine_search", "mine_timeline"]

_Model = Literal["finetuned", "base"]
_Labels = Annotated[tuple[str, ...], arg(metavar="LABEL")]


def mine_contrast(
    run: RunFolder,
    /,
    between: _Labels = (),
    against_rest: bool = False,
    pictures: int | None = None,
    data: Path | None = None,
    model: _Model = "finetuned",
    device: str = "auto",
) -> int:
    """Mine by what tells a label from another, or from all others, beside the ordinary elements.

    Args:
        run: Run folder with a model; what is not scored under all labels yet, is.
        between: Two labels, each against the other.
        against_rest: Every label against the mean of the others.
        pictures: At most so many of each label are scored under all labels; default all.
        data: Where the pictures are now, if they were moved.
        model: The fine-tuned model, or the base before fine-tuning.
        device: auto, cpu, cuda, ...
    """
    require(bool(between) != against_rest, "give either --between A B or --against-rest")
    from ..mining.opening import open_run
    from ..mining.readings.contrast import Contrast
    from ..mining.readings.contrast_run import contrast_run

    done = contrast_run(
        open_run(run, data), Contrast(tuple(between)), model=model, pictures=pictures, device=device
    )
    print(f"scored {done.scored} pictures under all labels")
    print(f"{done.elements} elements of {done.pictures} pictures, {done.clusters} clusters")
    print(f"{done.folder}")
    print(f"open {done.page.resolve()}")
    return 0


def mine_confusions(
    run: RunFolder,
    /,
    pictures: int | None = None,
    pairs: int = 12,
    data: Path | None = None,
    model: _Model = "finetuned",
    device: str = "auto",
) -> int:
    """Which labels the diffusion classifier takes for one another, and on which pictures.

    Args:
        run: Run folder with a model; what is not scored under all labels yet, is.
        pictures: At most so many of each label are scored under all labels; default all.
        pairs: So many of the most confused pairs are shown.
        data: Where the pictures are now, if they were moved.
        model: The fine-tuned model, or the base before fine-tuning.
        device: auto, cpu, cuda, ...
    """
    from ..mining.opening import open_run
    from ..mining.readings.confusions_run import confusions_run

    done = confusions_run(
        open_run(run, data), model=model, pictures=pictures, pairs=pairs, device=device
    )
    for row in done.lines:
        print(row)
    print(f"{done.file}")
    print(f"open {done.page.resolve()}")
    return 0


def mine_timeline(
    run: RunFolder,
    /,
    order: _Labels = (),
    pictures: int | None = None,
    data: Path | None = None,
    model: _Model = "finetuned",
    device: str = "auto",
) -> int:
    """Elements and clusters whose typicality rises, falls or peaks along ordered labels.

    Args:
        run: Run folder with elements; what is not scored under all labels yet, is.
        order: The labels, first to last; without it, by the number in each.
        pictures: At most so many of each label are scored under all labels; default all.
        data: Where the pictures are now, if they were moved.
        model: The fine-tuned model, or the base before fine-tuning.
        device: auto, cpu, cuda, ...
    """
    from ..mining.opening import open_run
    from ..mining.readings.timeline_run import timeline_run

    done = timeline_run(
        open_run(run, data), tuple(order), model=model, pictures=pictures, device=device
    )
    for row in done.lines:
        print(row)
    print(f"{done.elements}")
    print(f"{done.clusters}")
    print(f"open {done.page.resolve()}")
    return 0


def mine_search(
    run: RunFolder,
    /,
    row: int | None = None,
    picture: str | None = None,
    box: str | None = None,
    label: str | None = None,
    kind: Literal["typical", "random", "least", "all"] = "all",
    count: int = 60,
    other_pictures: bool = False,
    blind: bool = False,
    out: Path | None = None,
    data: Path | None = None,
    model: _Model = "finetuned",
    device: str = "auto",
) -> int:
    """Nearest elements, by their features, to an element, a part of a picture, or any picture.

    Args:
        run: Run folder with elements and features.
        row: Row of the elements table to start from.
        picture: Id of a picture of the collection, or a picture file from anywhere.
        box: Part of it, x,y,w,h in pixels of the file; default the whole.
        label: What the model is told about a picture from elsewhere; default nothing.
        kind: Which elements to look among.
        count: So many are shown.
        other_pictures: Leave out elements of the same picture.
        blind: Compare what the model sees when it is told no label; computed once, then kept.
        out: Page (.html) or table (.csv) to write; default a page in the run folder.
        data: Where the pictures are now, if they were moved.
        model: Whose elements.
        device: auto, cpu, cuda, ...
    """
    from ..mining.opening import open_run
    from ..mining.readings.search import Query
    from ..mining.readings.search_run import search_run

    among = None if kind == "all" else kind
    query = Query(row, picture, box, label, among, count, other_pictures, blind)
    done = search_run(open_run(run, data), query, out, model=model, device=device)
    for line in done.lines:
        print(line)
    print(done.file)
    return 0
