"""The ablation: every variant can be trained, a finished run is kept, the table is right."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest

from typica.errors import RunError
from typica.lines.line import LineCollection
from typica.typewriter.config import TypewriterConfig

from .helpers import tiny_config, tiny_lines

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import ablation

STEPS = ("training.steps=2", "training.evaluations=1", "training.warm_start=1")
GUIDED = ("height=24", "templates.least=3", "templates.alike=0.25")


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> LineCollection:
    return tiny_lines(tmp_path_factory.mktemp("ablation"), 40)


def tiny(setting: str, variant: str, seed: int = 0) -> TypewriterConfig:
    others = (*STEPS, *GUIDED) if setting == "guided" else STEPS
    return ablation.configured(tiny_config(), setting, variant, seed, others)


CASES = [
    *(("supervised", name) for name in ablation.PARTS),
    ("guided", "full"),
    ("guided", "K21"),
    *(("unguided", name) for name in ("full", "no-p", "unet", *(f"K{k}" for k in ablation.COUNTS))),
]


@pytest.mark.parametrize(("setting", "variant"), CASES)
def test_every_variant_takes_steps(
    lines: LineCollection, tmp_path: Path, setting: str, variant: str
) -> None:
    values = ablation.one_run(tmp_path / "run", lines, tiny(setting, variant), None)
    assert values["steps"] == 2
    assert values["cer"] >= 0
    assert 0 < values["reconstruction"] < 1
    if variant.startswith("K"):
        assert values["sprites"] == int(variant[1:])
    elif setting == "supervised":
        assert values["sprites"] == 3  # a, b, o


def test_every_pair_has_a_configuration_of_its_own() -> None:
    pairs = [
        (s, v) for s in ablation.SETTINGS for v in ablation.VARIANTS if ablation.possible(s, v)
    ]
    made = {
        (s, v): json.dumps(ablation.configured(TypewriterConfig(), s, v, 3).as_dict())
        for s, v in pairs
    }
    # without a guide K is 60 whether it is asked for or not
    assert made.pop(("unguided", "K60")) == made["unguided", "full"]
    assert len(set(made.values())) == len(made)
    assert ("supervised", "K83") not in pairs


def test_a_finished_run_is_kept_and_another_is_refused(
    lines: LineCollection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    first = ablation.one_run(folder, lines, tiny("supervised", "full"), None)

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(ablation, "train_and_report", never)
    assert ablation.one_run(folder, lines, tiny("supervised", "full"), None) == first
    (folder / ablation.MEASUREMENT).unlink()  # killed between training and judging
    assert ablation.one_run(folder, lines, tiny("supervised", "full"), None) == first
    with pytest.raises(RunError, match="another configuration"):
        ablation.one_run(folder, lines, tiny("supervised", "full", seed=1), None)
    with pytest.raises(RunError, match="another configuration"):
        ablation.one_run(folder, lines, tiny("supervised", "full"), 3.0)


def test_mean_deviation_and_table() -> None:
    runs = [
        {"cer": c, "reconstruction": r, "minutes": 2.0, "sprites": k}
        for c, r, k in ((0.1, 0.004, 60), (0.2, 0.006, 62), (0.6, 0.005, 61))
    ]
    summary = ablation.summarise(runs)
    assert summary["cer"]["mean"] == pytest.approx(0.3)
    assert summary["cer"]["deviation"] == pytest.approx(statistics.stdev([0.1, 0.2, 0.6]))
    assert ablation.summarise(runs[:1])["cer"] == {"mean": 0.1, "deviation": None}
    rows = [
        {"setting": "guided", "variant": "full", "summary": summary, "runs": runs},
        {
            "setting": "unguided",
            "variant": "K83",
            "summary": ablation.summarise(runs[:1]),
            "runs": runs[:1],
        },
    ]
    table = ablation.as_table(rows).splitlines()
    assert table[2] == (
        "| Typewriter | guided | 60 to 62 | 3 | 5.00 ± 1.00 | 30.0 ± 26.5 | 2.0 ± 0.0 |"
    )
    assert table[3] == "| Typewriter, K = 83 | unguided | 60 | 1 | 4.00 | 10.0 | 2.0 |"
