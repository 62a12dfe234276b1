"""`typica mine cotypical` and `typica mine trends`: what a parallel set of pictures shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import UseAppendAction, arg

from ..configs import from_file, with_changes
from .shared import ParallelFolder, as_json

__all__ = ["mine_cotypical", "mine_trends"]

_Changes = Annotated[tuple[tuple[str, ...], ...], arg(name="set"), UseAppendAction]


def mine_cotypical(
    par: ParallelFolder,
    /,
    *,
    run: Path | None = None,
    config: Path | None = None,
    set: _Changes = (),
    shard: str = "0/1",
    device: str = "auto",
    print_config: bool = False,
) -> int:
    """Find what is typical of every label at once in a parallel set (eq. 4.12); goes on if there.

    Args:
        par: Folder of the parallel set that `typica mine translate --out` made.
        run: Where its mining run is now, if it was moved.
        config: JSON file with options instead of the defaults.
        set: Options to change, such as draws=50 count=1000 projection.method=pca.
        shard: i/n only scores the i-th of n parts (from 0); run once more without it at the end.
        device: auto, cpu, cuda, ...
        print_config: Print the resolved options and stop.
    """
    from ..engines.engine import read_shard
    from ..mining.translation.cotypical_options import CotypicalConfig

    start = CotypicalConfig()
    if config is not None:
        start = from_file(CotypicalConfig, config)
    chosen = with_changes(start, tuple(change for group in set for change in group))
    if print_config:
        print(as_json(chosen.as_dict()))
        return 0
    from ..mining.translation.cotypical_run import mine_cotypical as mine
    from ..mining.translation.cotypical_summary import write_cotypical_page

    done = mine(par, chosen, run=run, shard=read_shard(shard), device=device)
    print(f"scored {done.pictures} pictures: {par / 'cotypical' / 'maps'}")
    for one in done.skipped[:10]:
        print(f"left out: {one.id}: {one.message}")
    if done.sequences is None:
        print("when all shards are done, run the same command without --shard")
        return 0
    print(
        f"{done.sequences} sequences of {done.sources} pictures: "
        f"{par / 'cotypical' / 'sequences.parquet'}"
    )
    print(f"{done.clusters} clusters, of {done.projection}")
    print(f"open {write_cotypical_page(par).resolve()}")
    return 1 if done.skipped else 0


def mine_trends(
    par: ParallelFolder,
    /,
    *,
    segmenter: Path | None = None,
    colours: int = 12,
    seed: int = 0,
    device: str = "auto",
) -> int:
    """Measure what translations add and remove, class by class; goes on if there.

    Args:
        par: Folder of the parallel set that `typica mine translate --out` made.
        segmenter: Folder of a segmentation model of transformers (safetensors).
        colours: Without one: classes are so many colours, found by k-means in Lab.
        seed: Of the colours and of the intervals.
        device: Of the model: auto, cpu, cuda, ...
    """
    from ..mining.translation.trends_run import TrendConfig, find_trends
    from ..mining.translation.trends_summary import write_trends_page

    config = TrendConfig(colours=colours, seed=seed)
    done = find_trends(par, config, segmenter, device=device)
    print(f"segmented {done.segmented} sources and their translations ({done.kept} were there)")
    for one in done.skipped[:10]:
        print(f"left out: {one.id}: {one.message}")
    if done.trends is None:
        print("interrupted; the same command goes on from there")
        return 130
    print(f"table: {done.folder.folder / 'trends.csv'}")
    print(f"open {write_trends_page(par, done, config).resolve()}")
    return 1 if done.skipped else 0
