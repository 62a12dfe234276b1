"""Trends of translation: differences, intervals, segmenters, and one tiny run of the command."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from typica.cli import main
from typica.errors import DataError, RunError
from typica.mining.translation.segmenters import (
    ColourSegmenter,
    ModelSegmenter,
    class_shares,
    fit_colours,
)
from typica.mining.translation.trends import FEWEST, differences, paired_changes
from typica.mining.translation.trends_run import COLUMNS, TrendConfig, find_trends

from .parallel_helpers import fake_parallel
from .translation_helpers import tiny_run


def test_differences_are_their_definition():
    rng = np.random.default_rng(0)
    shares, again = rng.random((5, 3, 4)), rng.random((5, 4))
    own = np.array([0, 1, 2, 0, 1])
    for against in ("source", "reconstruction", "others"):
        found = differences(shares, own, again, against)
        for s in range(5):
            for c in range(3):
                if c == own[s]:
                    assert np.isnan(found[s, c]).all()
                    continue
                rest = [k for k in range(3) if k not in (c, own[s])]
                base = {
                    "source": shares[s, own[s]],
                    "reconstruction": again[s],
                    "others": shares[s, rest].mean(0),
                }[against]
                assert found[s, c] == pytest.approx(shares[s, c] - base)
    two = differences(shares[:, :2], np.zeros(5, int), again, "others")
    assert np.isnan(two).all()  # there is no other target


def _simulated(rng, count, shift=0.0):
    """Skewed changes of four classes under three labels, as shares are; each label has sources."""
    values = shift + rng.exponential(1.0, (count, 3, 4)) - 1.0
    values[np.arange(count), np.arange(count) % 3] = np.nan
    return values


def test_intervals_cover_the_truth():
    """Of intervals of 95 %, about that many hold the mean that the pictures were drawn from."""
    rng = np.random.default_rng(1)
    held = []
    for seed in range(120):
        found = paired_changes(_simulated(rng, 45, shift=0.3), seed, 500)
        held.append((found.low <= 0.3) & (found.high >= 0.3))
    assert 0.90 < np.mean(held) < 0.98


def test_no_change_stands_by_chance_and_a_real_one_does():
    """Twelve comparisons without any change: rarely does one stand, if often one seems to alone."""
    rng = np.random.default_rng(2)
    false, single = [], []
    for seed in range(120):
        values = rng.normal(size=(30, 3, 4))
        values[np.arange(30), np.arange(30) % 3] = np.nan
        found = paired_changes(values, seed, 500)
        false.append(found.stands.any())
        single.append(((found.low > 0) | (found.high < 0)).any())
        assert found.factor > 2.3
        assert found.comparisons == 12
    assert np.mean(false) < 0.12
    assert np.mean(single) > 0.3
    values[:, 1, 2] += 2
    found = paired_changes(values, 0, 500)
    assert found.stands[1, 2]
    assert found.mean[1, 2] == pytest.approx(np.nanmean(values[:, 1, 2]))
    assert found.pictures.tolist() == [20, 20, 20]


def test_few_pictures_say_nothing():
    few = np.ones((FEWEST - 1, 2, 1)) + np.arange(FEWEST - 1)[:, None, None] * 1e-3
    found = paired_changes(few)
    assert not found.stands.any()
    assert (found.low > 0).all()
    many = np.ones((FEWEST, 2, 1)) + np.arange(FEWEST)[:, None, None] * 1e-3
    assert paired_changes(many).stands.all()
    one = paired_changes(np.ones((1, 2, 1)))
    assert np.isnan(one.low).all()
    assert not one.stands.any()
    none = np.ones((4, 2, 1))
    none[:, 0] = np.nan
    assert np.isnan(paired_changes(none).mean[0]).all()


def test_shares_count_what_is_in_a_class():
    found = class_shares(np.array([[0, 1, 1], [255, -1, 1]]), 3)
    assert found == pytest.approx([1 / 6, 3 / 6, 0])


def test_colours_are_found_again():
    colours = np.array([[250, 250, 250], [200, 30, 30], [20, 20, 60]], np.uint8)
    rng = np.random.default_rng(0)
    owner = rng.integers(3, size=600)
    noise = rng.integers(-4, 5, (600, 3))
    samples = (colours[owner] + noise).clip(0, 255).astype(np.uint8)
    eye = fit_colours(samples, 3, 0)
    # from dark to light
    assert eye(colours[None]).tolist() == [[2, 1, 0]]
    assert (eye(samples[None])[0] == 2 - owner).all()
    for swatch, colour in zip(eye.swatches, colours[::-1], strict=True):
        assert (
            np.abs([int(swatch[k : k + 2], 16) for k in (1, 3, 5)] - colour.astype(int)).max() < 3
        )
    again = ColourSegmenter.from_identity(json.loads(json.dumps(eye.identity())))
    assert (again(samples[None]) == eye(samples[None])).all()
    assert len(fit_colours(np.zeros((9, 3), np.uint8), 5, 0).classes) == 1


@pytest.fixture(scope="module")
def segformer(tmp_path_factory):
    """A random segmentation model of three classes, saved as such models are."""
    from transformers import (
        SegformerConfig,
        SegformerForSemanticSegmentation,
        SegformerImageProcessor,
    )

    folder = tmp_path_factory.mktemp("model") / "tiny-seg"
    names = {0: "road", 1: "plant", 2: "sky"}
    config = SegformerConfig(
        depths=[1, 1],
        num_encoder_blocks=2,
        sr_ratios=[2, 1],
        hidden_sizes=[8, 16],
        patch_sizes=[3, 3],
        strides=[2, 2],
        num_attention_heads=[1, 2],
        mlp_ratios=[2, 2],
        decoder_hidden_size=16,
        id2label=names,
        label2id={name: k for k, name in names.items()},
    )
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = SegformerForSemanticSegmentation(config).eval()
    with torch.no_grad():  # classes by opposite signs, so that all pictures have two of them
        weight = model.decode_head.classifier.weight
        weight[1], weight[2] = -weight[0], 0
        model.decode_head.classifier.bias.zero_()
        logits = model(torch.randn(2, 3, 32, 32)).logits[:, 0]
        model.decode_head.classifier.bias[:2] = logits.median() * torch.tensor([-1.0, 1.0])
    model.save_pretrained(folder)
    SegformerImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("run"), count=6)


def test_command_with_a_model(run, segformer, tmp_path, capsys):
    par = fake_parallel(run, tmp_path / "par", [0, 1, 7, 13])
    command = ["mine", "trends", str(par), "--segmenter", str(segformer), "--device", "cpu"]
    assert main(command) == 0
    assert "segmented 4 sources" in capsys.readouterr().out
    folder = par / "trends" / "tiny-seg"
    told = json.loads((folder / "trends.json").read_text())
    assert told["classes"] == ["road", "plant", "sky"]
    assert len(told["rows"]) == 3 * 3 * 3  # against, target, class
    kept = json.loads((folder / "shares" / "000007.json").read_text())
    assert np.sum(kept["shares"], axis=1) == pytest.approx(np.ones(3))
    assert max(map(max, kept["shares"])) < 1
    assert main(command) == 0
    assert "segmented 0 sources and their translations (4 were there)" in capsys.readouterr().out
    page = (folder / "index.html").read_text()
    assert "plant" in page
    assert "nothing is said to stand" in page


def test_a_bad_model_is_named(tmp_path, segformer):
    with pytest.raises(DataError, match="no segmentation model"):
        ModelSegmenter(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match="pickles are never read"):
        ModelSegmenter(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be loaded"):
        ModelSegmenter(tmp_path)


def test_colours_find_what_was_added(run, tmp_path, capsys):
    """Translations to one label get a black corner: black stands out there and nowhere else."""
    indices = list(range(len(run.collection)))
    par = fake_parallel(run, tmp_path / "par", indices, stain=1)
    assert main(["mine", "trends", str(par), "--colours", "8"]) == 0
    capsys.readouterr()
    folder = par / "trends" / "colours-8"
    with open(folder / "trends.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert (folder / "index.html").read_text().count('<section id="label-') == 3
    black = [r for r in rows if r["class"] == "colour 1 #000000"]
    target = run.about.labels[1]
    for row in black:
        change = float(row["difference"])
        if row["target"] == target:
            assert change == pytest.approx(1 / 16, abs=0.013)
            assert float(row["low"]) <= change <= float(row["high"])
        elif row["against"] != "others":
            assert abs(change) < 0.01
    found = {(r["against"], r["target"]): r["stands"] for r in black}
    assert len(found) == 9
    assert found["source", target] == "True"
    assert float(black[0]["after"]) - float(black[0]["before"]) == pytest.approx(
        float(black[0]["difference"]), abs=2e-6
    )
    # later pictures are measured with the colours found first; other ones are refused
    eye = json.loads((folder / "config.json").read_text())["segmenter"]
    again = find_trends(par, TrendConfig(colours=8, seed=9), show_progress=False)
    assert again.segmented == 0
    assert again.segmenter.identity() == eye


def test_another_model_of_the_same_name_is_refused(run, segformer, tmp_path):
    par = fake_parallel(run, tmp_path / "par", [0, 7])
    find_trends(par, TrendConfig(), segformer, device="cpu", show_progress=False)
    config = par / "trends" / "tiny-seg" / "config.json"
    values = json.loads(config.read_text())
    values["segmenter"]["digest"] = "0"
    config.write_text(json.dumps(values))
    with pytest.raises(RunError, match="another segmenter of this name"):
        find_trends(par, TrendConfig(), segformer, device="cpu", show_progress=False)
