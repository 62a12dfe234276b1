"""`typica mine sample` and `typica mine bias`: what a model draws, beside what it was shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from ..mining.bias.options import BiasOptions
from .shared import RunFolder

__all__ = ["mine_bias", "mine_sample"]

_Options = Annotated[BiasOptions, OmitArgPrefixes]
_AS_USUAL = BiasOptions()


def mine_sample(
    run: RunFolder,
    /,
    out: Path,
    per_label: int = 200,
    guidance: tuple[float, ...] = (1.0, 3.0, 7.5),
    steps: int = 50,
    batch_size: int = 16,
    bfloat16: bool = False,
    seed: int = 0,
    shard: str = "0/1",
    device: str = "auto",
) -> int:
    """Draw pictures of every label at several strengths of guidance; goes on where it stopped.

    Args:
        run: Run folder with a fine-tuned model; its data is not needed.
        out: Folder of the samples; more may be added to it later.
        per_label: Pictures of each label and guidance.
        guidance: Strengths of classifier-free guidance; 1 is none.
        steps: Steps of DDIM.
        batch_size: Pictures drawn together.
        bfloat16: Compute in bfloat16 where the hardware does.
        seed: Decides, with label, guidance and index, the noise of a picture.
        shard: i/n does the i-th of n parts (from 0), for several processes or machines.
        device: auto, cpu, cuda, ...
    """
    from ..engines.engine import read_shard
    from ..mining.bias.options import SampleOptions
    from ..mining.bias.synthesis import sample_run

    options = SampleOptions(per_label, guidance, steps, batch_size, bfloat16, seed)
    done = sample_run(run, out, options, shard=read_shard(shard), device=device)
    pace = f", {done.seconds / done.drawn:.2f} s each" if done.drawn else ""
    print(f"drew {done.drawn} pictures ({done.kept} were there){pace}: {out}")
    if not done.finished:
        print("interrupted; the same command goes on from there")
        return 130
    return 0


def mine_bias(
    run: RunFolder,
    samples: Annotated[Positional[Path], arg(metavar="SAMPLES")],
    /,
    out: Path,
    data: Path | None = None,
    comparison: _Options = _AS_USUAL,
    device: str = "auto",
) -> int:
    """Compare what a model draws with its pictures: clusters, diversity, precision and recall.

    Args:
        run: Run folder that was mined.
        samples: Folder that `typica mine sample` made from it.
        out: Folder for tables and page; goes on with what is there.
        data: Where the pictures are now, if they were moved.
        comparison: How samples and pictures are compared.
        device: auto, cpu, cuda, ...
    """
    from ..mining.bias.run import bias_run
    from ..mining.opening import open_run

    done = bias_run(open_run(run, data), samples, out, comparison, device=device)
    strengths = sorted({one.guidance for one in done.found})
    for strength in strengths:
        same = [one.representation for one in done.found if one.guidance == strength]
        called = sum(bool(k.verdict) for one in same for k in one.clusters)
        every = sum(len(one.clusters) for one in same)
        print(f"guidance {strength:g}: {called} of {every} clusters too often or too rarely")
    for path in done.tables:
        print(path)
    print(f"open {done.page.resolve()}")
    return 0
