"""`typica mine translate`: pictures under every other label, as a parallel set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import UseAppendAction, arg

from ..configs import from_file, require, with_changes
from .shared import MovedData, RunFolder, as_json

__all__ = ["mine_translate"]

_Changes = Annotated[tuple[tuple[str, ...], ...], arg(name="set"), UseAppendAction]


def mine_translate(
    run: RunFolder,
    data: MovedData = None,
    /,
    *,
    out: Path,
    per_label: int | None = None,
    seed: int = 0,
    model: Literal["finetuned", "base"] = "finetuned",
    preset: Literal["auto", "default", "small"] = "auto",
    config: Path | None = None,
    set: _Changes = (),
    batch_size: int = 64,
    shard: str = "0/1",
    device: str = "auto",
    print_config: bool = False,
) -> int:
    """Translate pictures to every other label (plug-and-play, section 4.5.1); goes on if there.

    Args:
        run: Run folder with a fine-tuned model.
        data: Where its pictures are now, if they were moved.
        out: Folder of the parallel set; more pictures may be added to it later.
        per_label: Translate so many pictures of each label, drawn by the seed; all if left out.
        seed: Decides which pictures are drawn.
        model: The fine-tuned model, or the base before fine-tuning.
        preset: Options to start from; auto takes small for the small base, else default,
            which is the paper's.
        config: JSON file with options (as in a set's config.json) instead of a preset.
        set: Options to change, such as guidance=5 features_share=0.6 labels='["a","b"]'.
        batch_size: Evaluations of the model at a time.
        shard: i/n does the i-th of n parts (from 0), for several processes or machines.
        device: auto, cpu, cuda, ...
        print_config: Print the resolved options and stop.
    """
    from ..engines.engine import read_shard
    from ..mining.opening import open_run
    from ..mining.translation.options import TranslationConfig, translation_preset

    require(per_label is None or per_label >= 1, f"--per-label {per_label}: at least 1")
    require(batch_size >= 1, f"--batch-size {batch_size}: at least 1")
    opened = open_run(run, data)
    if config is not None:
        start = from_file(TranslationConfig, config)
    else:
        small = opened.about.base == "small"
        start = translation_preset(
            ("small" if small else "default") if preset == "auto" else preset
        )
    chosen = with_changes(start, tuple(change for group in set for change in group))
    if print_config:
        print(as_json(chosen.__dict__))
        return 0
    from ..mining.translation.job import translate_run
    from ..mining.translation.summary import write_translation_page

    done = translate_run(
        opened,
        out,
        chosen,
        model=model,
        per_label=per_label,
        seed=seed,
        shard=read_shard(shard),
        batch_size=batch_size,
        device=device,
    )
    pace = f", {done.seconds / done.pictures:.1f} s a picture" if done.pictures else ""
    print(f"translated {done.pictures} pictures ({done.kept} were there){pace}: {out}")
    if done.rmse is not None:
        print(f"they come back from noise with an error of {done.rmse:.2f} grey levels (of 255)")
    for one in done.skipped[:10]:
        print(f"skipped: {one.id}: {one.message}")
    print(f"open {write_translation_page(out).resolve()}")
    if not done.finished:
        print("interrupted; the same command goes on from there")
        return 130
    return 1 if done.skipped else 0
