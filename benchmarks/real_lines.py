"""Train on a collection, judge its test lines, and keep figures and pictures.

    python benchmarks/real_lines.py DATA --run RUN --minutes 15 --out benchmarks/results/x.json \
        --pictures docs/pictures/x --font FONT.ttf

A run folder that is finished is not trained again, only judged. The JSON holds the test error with
its interval, the validation error over time, and the hardware.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from typica.files import write_json
from typica.lines.collection import ReadingOptions, read_lines
from typica.lines.text import TextOptions
from typica.runs import Run
from typica.typewriter.assessment import evaluate_run
from typica.typewriter.figures import write_figures
from typica.typewriter.presets import preset, with_changes
from typica.typewriter.run import train_and_report
from typica.typewriter.summary import write_report
from typica.typewriter.wording import evaluation_lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--sep", default="")
    parser.add_argument("--split", default="test")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--font", type=Path)
    parser.add_argument("--lines", type=int, default=3)
    given = parser.parse_args()
    options = ReadingOptions(text=TextOptions(sep=given.sep))
    collection = read_lines(given.data, options)
    run = Run(given.run)
    if not run.model.exists():
        config = with_changes(preset(given.preset), given.set)
        train_and_report(collection, given.run, config, max_minutes=given.minutes)
    evaluation = evaluate_run(given.run, collection, given.split, progress=False)
    assert evaluation is not None
    print("\n".join(evaluation_lines(evaluation)))
    print(write_report(given.run, given.split))
    found = evaluation.as_dict(confusions=15, worst=0)
    about = run.read_config()
    training = about["training"]
    keep = ("cer", "cer_low", "cer_high", "cer_line_mean", "cer_with_spaces", "reconstruction")
    result = {
        "benchmark": "real_lines",
        "data": given.data.name,
        "split": given.split,
        "lines": found["lines"],
        **{name: found[name] for name in keep},
        "placements_per_character": found["placements_per_character"],
        "localisation": found["localisation"],
        "documents": found["documents"],
        "confusions": found["confusions"],
        "steps": training["steps"],
        "minutes": training["minutes"],
        "validation": [
            {
                "minutes": round(row["seconds"] / 60, 2),
                "step": row["step"],
                "cer": row["validation_cer"],
            }
            for row in run.read_log()
            if "validation_cer" in row
        ],
        "config": about["config"],
        "hardware": training["hardware"],
        "typica": training["typica"],
    }
    if given.out:
        write_json(given.out, result)
    if given.pictures:
        write_figures(
            [given.run], given.pictures, split=given.split, lines=given.lines, font=given.font
        )


if __name__ == "__main__":
    main()
