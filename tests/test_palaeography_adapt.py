"""Adapting to groups: scenes, occurrences, what is kept, and what a resumed job does."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.cli import main
from typica.engines.engine import Engine
from typica.errors import ConfigError, RunError
from typica.lines.cache import LineCache
from typica.palaeography.adapt_run import adapt, load_adapted
from typica.palaeography.adaptation import learning_parameters, rate
from typica.palaeography.occurrences import Occurrences, letter_moments, sample, take_occurrences
from typica.palaeography.options import AdaptOptions
from typica.palaeography.prototypes import load_prototypes
from typica.palaeography.scene_file import (
    load_occurrences,
    load_scenes,
    save_occurrences,
    save_scenes,
)
from typica.palaeography.scenes import join_scenes, paint, take_scenes, windows
from typica.typewriter.compositing import front_to_back
from typica.typewriter.loading import make_batch
from typica.typewriter.placement import warp
from typica.typewriter.storage import load_typewriter, save_typewriter
from typica.typewriter.training import train

from .helpers import never_blank, tiny_config, tiny_lines


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Lines of two documents and a typewriter that was trained on them for a moment."""
    folder = tmp_path_factory.mktemp("palaeography")
    lines = tiny_lines(folder)
    train(lines, folder / "run", tiny_config("training.steps=12"), show_progress=False)
    model, about = load_typewriter(folder / "run")
    never_blank(model)
    save_typewriter(folder / "run/model.safetensors", model.state_dict(), about)
    entries = json.loads((folder / "lines/annotation.json").read_text())
    for number, entry in enumerate(entries.values()):
        entry["script"] = "one" if number % 3 else "two"
        entry["family"] = "all"
    (folder / "lines/annotation.json").write_text(json.dumps(entries))
    return folder


def _lines(place):
    from typica.lines.collection import read_lines

    return read_lines(place / "lines")


HERE, TWO = Engine(workers=1), Engine(workers=2)
QUICK = AdaptOptions(steps=8, batch_size=4)


@pytest.fixture(scope="module")
def adapted(place):
    """A finished job in one process."""
    result = adapt(
        place / "run", _lines(place), place / "job", ("script",), QUICK, engine=HERE, progress=False
    )
    assert result.finished
    return place / "job"


def test_a_scene_painted_with_its_own_sprites_is_the_models_picture(place):
    model, about = load_typewriter(place / "run")
    with LineCache(_lines(place), model.config.height) as cache:
        scenes = take_scenes(model, about, cache, follow_text=False)
        chosen = [0, 3, 5]
        batch = make_batch([np.asarray(cache[i]) for i in chosen], model.step, about.paper)
        with torch.no_grad():
            positions = batch.images.shape[-1] // model.step
            taken = model(batch, order=front_to_back(positions, random=False))
            picture = paint(model, join_scenes([scenes[i] for i in chosen]), model.sprites())
        assert sum(len(scenes[i].sprites) for i in chosen) > 0
        for row, width in enumerate(batch.widths.tolist()):
            torch.testing.assert_close(
                picture[row, ..., :width], taken.picture[row, ..., :width], atol=1e-5, rtol=0
            )


def test_a_transcribed_line_shows_the_letters_of_its_text(place):
    model, about = load_typewriter(place / "run")
    lines = _lines(place)
    blind = replace(lines, lines=(replace(lines.lines[0], symbols=None), *lines.lines[1:]))
    with LineCache(blind, model.config.height) as cache:
        followed = take_scenes(model, about, cache)
        read = take_scenes(model, about, cache, follow_text=False)
    for line, scene in zip(blind, followed, strict=True):
        assert (np.diff(scene.positions) > 0).all()
        if line.letters:
            assert [about.symbols[k] for k in scene.sprites] == list(line.letters)
    np.testing.assert_array_equal(followed[0].sprites, read[0].sprites)


@settings(max_examples=30)
@given(st.floats(0.75, 1.3), st.floats(-4, 4), st.floats(-3, 3), st.integers(0, 1000))
def test_sampling_is_the_inverse_of_drawing(scale, right, down, seed):
    generator = np.random.default_rng(seed)
    rough = torch.from_numpy(generator.random((1, 1, 4, 3))).float()
    smooth = torch.nn.functional.interpolate(rough, (16, 12), mode="bicubic", align_corners=True)
    sprite = smooth[:, 0] * torch.hann_window(16)[:, None] * torch.hann_window(12)
    place = torch.tensor([scale]), torch.tensor([[right, down]])
    drawn = warp(sprite, *place, (40, 40))
    back = sample(drawn[:, None], *place, (16, 12))[:, 0]
    assert (back - sprite).abs().max() < 0.12
    assert (back - sprite).abs().mean() < 0.02


def test_without_scale_sampling_cuts_out():
    window = torch.rand(1, 2, 10, 10)
    cut = sample(window, torch.ones(1), torch.tensor([[2.0, -1.0]]), (4, 6))
    torch.testing.assert_close(cut, window[:, :, 2:6, 4:10])


def _occurrences(ink, clear, lines) -> Occurrences:
    number = len(ink)
    whole, real = np.zeros(number, np.int64), np.zeros(number, np.float32)
    return Occurrences(ink, clear, whole, np.array(lines), real, real, real)


@given(st.integers(0, 10_000))
def test_moments_are_those_of_the_plain_sums(seed):
    generator = np.random.default_rng(seed)
    number = int(generator.integers(1, 8))
    ink = generator.integers(0, 256, (number, 2, 3)).astype(np.uint8)
    clear = generator.integers(0, 256, (number, 2, 3)).astype(np.uint8)
    lines = generator.integers(0, 3, number)
    mean, error = letter_moments(_occurrences(ink, clear, lines))
    for y in range(2):
        for x in range(3):
            seen = [i for i in range(number) if clear[i, y, x] / 255 >= 0.5]
            total = sum(clear[i, y, x] / 255 for i in seen)
            if not seen:
                assert mean[y, x] == 0
                assert np.isnan(error[y, x])
                continue
            middle = sum(clear[i, y, x] / 255 * ink[i, y, x] / 255 for i in seen) / total
            assert mean[y, x] == pytest.approx(middle, abs=1e-6)
            of_lines = {lines[i] for i in seen}
            if len(of_lines) < 2:
                assert np.isnan(error[y, x])
                continue
            squares = 0.0
            for line in of_lines:
                own = [i for i in seen if lines[i] == line]
                share = sum(clear[i, y, x] / 255 for i in own) / total
                residual = sum(clear[i, y, x] / 255 * (ink[i, y, x] / 255 - middle) for i in own)
                squares += residual**2 / (1 - share)
            expected = squares / total**2
            assert error[y, x] ** 2 == pytest.approx(expected, abs=1e-6)


def test_the_error_of_a_mean_is_that_of_repeated_samples():
    generator = np.random.default_rng(0)
    means, errors = [], []
    for _ in range(200):
        # 20 lines, each with an ink of its own, 3 occurrences each
        own = generator.normal(120, 25, 20).repeat(3)
        ink = np.clip(own + generator.normal(0, 10, 60), 0, 255).astype(np.uint8)[:, None, None]
        lines = np.arange(20).repeat(3)
        mean, error = letter_moments(_occurrences(ink, np.full_like(ink, 255), lines))
        means.append(mean.item())
        errors.append(error.item())
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.15)


def test_an_occurrence_is_the_ink_of_its_line(place):
    """Lines painted from the sprites themselves give the sprites back."""
    model, about = load_typewriter(place / "run")
    with LineCache(_lines(place), model.config.height) as cache:
        scenes = take_scenes(model, about, cache)
        scene = scenes[0]
        alone = replace(
            scene,
            **{
                name: getattr(scene, name)[:1]
                for name in ("sprites", "positions", "scale", "shift", "colour")
            },
        )
        with torch.no_grad():
            picture = paint(model, join_scenes([alone]), model.sprites())[0]
        width = int(cache.widths[0])
        image = (picture[..., :width].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()

        class One:
            def __getitem__(self, index):
                return image

        found = take_occurrences(model, One(), [alone])
        batch = join_scenes([alone])
        with torch.no_grad():
            drawn = windows(model, batch, model.sprites())[:, None]
        expected = sample(drawn, batch.scale, batch.shift, found.ink.shape[1:])[0, 0].numpy()
    inside = found.clear[0] > 250
    assert inside.mean() > 0.3
    assert np.abs(found.ink[0] / 255 - expected)[inside].max() < 0.03
    assert expected[inside].max() > 0.2


def test_scenes_and_occurrences_are_kept_exactly(place, tmp_path):
    model, about = load_typewriter(place / "run")
    with LineCache(_lines(place), model.config.height) as cache:
        scenes = take_scenes(model, about, cache, keep_features=True)
        found = take_occurrences(model, cache, scenes)
        names = [line.id for line in cache.collection]
    save_scenes(tmp_path / "s.safetensors", scenes, "mark")
    again, mark = load_scenes(tmp_path / "s.safetensors")
    assert mark == "mark"
    for one, other in zip(scenes, again, strict=True):
        for name in one.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    save_occurrences(tmp_path / "o.safetensors", found, names)
    kept, ids = load_occurrences(tmp_path / "o.safetensors")
    assert ids == names
    for name in found.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(found, name), getattr(kept, name))
    (tmp_path / "o.safetensors").write_bytes(b"nothing")
    with pytest.raises(RunError, match=r"o\.safetensors"):
        load_occurrences(tmp_path / "o.safetensors")


def test_only_the_generator_learns_and_it_explains_its_group_better(place, adapted):
    reference, _ = load_typewriter(place / "run")
    prototypes, about = load_prototypes(adapted / "prototypes.safetensors")
    assert prototypes.groups == ("one", "two")
    assert (np.isfinite(prototypes.tints) <= (prototypes.counts > 0)).all()
    assert np.isfinite(prototypes.tints).any(axis=1).all()
    before = dict(reference.named_parameters())
    for row, group in enumerate(prototypes.groups):
        model = load_adapted(adapted, group)
        for name, parameter in model.named_parameters():
            same = torch.equal(parameter, before[name])
            assert same != name.startswith("sprites.generator"), name
        with torch.no_grad():
            np.testing.assert_array_equal(prototypes.pictures[row], model.sprites().numpy())
    for one in about["groups"]:
        assert one["after"] < one["before"]
    lines = _lines(place).part("train")
    for row, group in enumerate(prototypes.groups):
        text = "".join("".join(x.letters) for x in lines if x.document == group)
        counted = [text.count(letter) for letter in prototypes.letters]
        assert prototypes.counts[row].tolist() == counted


def test_the_same_files_side_by_side_after_a_stop_and_again(place, adapted):
    other = place / "again"
    result = adapt(
        place / "run",
        _lines(place),
        other,
        ("script",),
        QUICK,
        engine=TWO,
        progress=False,
    )
    assert result.finished
    (other / "groups/1.safetensors").unlink()
    (other / "occurrences.safetensors").unlink()
    adapt(
        place / "run",
        _lines(place),
        other,
        ("script",),
        QUICK,
        engine=HERE,
        resume=True,
        progress=False,
    )
    one, _ = load_prototypes(adapted / "prototypes.safetensors")
    two, _ = load_prototypes(other / "prototypes.safetensors")
    np.testing.assert_array_equal(one.errors, two.errors)
    np.testing.assert_array_equal(one.pictures, two.pictures)
    shutil.rmtree(other)


def test_another_job_in_the_same_folder_is_refused(place, adapted):
    given = (place / "run", _lines(place), adapted, ("script",))
    with pytest.raises(RunError, match="--resume"):
        adapt(*given, QUICK, progress=False)
    with pytest.raises(RunError, match="another options"):
        adapt(*given, replace(QUICK, steps=9), resume=True, progress=False)


def test_an_unknown_group_and_a_changed_reference_are_told(place, adapted, tmp_path):
    with pytest.raises(RunError, match=r"three.*one, two"):
        load_adapted(adapted, "three")
    shutil.copytree(adapted, tmp_path / "job")
    record = json.loads((tmp_path / "job/config.json").read_text())
    record["reference"] = str(tmp_path / "gone.safetensors")
    (tmp_path / "job/config.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="not there"):
        load_adapted(tmp_path / "job", "one")
    save_typewriter(tmp_path / "gone.safetensors", {}, load_typewriter(place / "run")[1])
    with pytest.raises(RunError, match="has changed"):
        load_adapted(tmp_path / "job", "one")


@pytest.mark.parametrize("what", ["generator+background", "sprites", "everything"])
def test_more_can_learn(place, tmp_path, what):
    options = replace(QUICK, what=what, steps=4)
    result = adapt(
        place / "run",
        _lines(place),
        tmp_path / "job",
        ("family", "script"),
        options,
        engine=HERE,
        progress=False,
    )
    assert [g.name for g in result.groups] == ["all", "one", "two"]
    assert load_prototypes(tmp_path / "job/family.safetensors")[0].groups == ("all",)
    model = load_typewriter(place / "run")[0]
    learned = set(learning_parameters(model, what))
    before, after = dict(model.named_parameters()), load_adapted(tmp_path / "job", "two")
    moved = {n for n, p in after.named_parameters() if not torch.equal(p, before[n])}
    assert moved <= learned
    assert any(name.startswith("sprites.") for name in moved)
    if what == "generator+background":
        assert any(name.startswith("background.") for name in moved)
    if what == "everything":
        assert any(name.startswith("encoder.") for name in moved)


def test_a_level_can_start_from_the_one_above(place, tmp_path):
    made = {}
    for start in ("reference", "level-above"):
        options = replace(QUICK, start=start, steps=3)
        adapt(
            place / "run",
            _lines(place),
            tmp_path / start,
            ("family", "script"),
            options,
            engine=HERE,
            progress=False,
        )
        made[start] = [
            load_prototypes(tmp_path / start / f"{name}.safetensors")[0]
            for name in ("family", "prototypes")
        ]
    for one, two in zip(*made.values(), strict=True):
        assert one.families == two.families
    np.testing.assert_array_equal(made["reference"][0].pictures, made["level-above"][0].pictures)
    errors = [
        [
            g["after"]
            for g in load_prototypes(tmp_path / start / "prototypes.safetensors")[1]["groups"]
        ]
        for start in made
    ]
    assert np.mean(errors[1]) < np.mean(errors[0])  # it has learned twice as long


def test_the_command_says_what_is_rare(place, tmp_path, capsys):
    given = ["palaeography", "adapt", str(place / "run"), str(place / "lines")]
    out = ["--out", str(tmp_path / "job"), "--by", "script", "--workers", "1"]
    changes = ["--set", "steps=2", "least=1000"]
    assert main([*given, *out, *changes]) == 0
    told = capsys.readouterr().out
    assert "2 of 2 groups" in told
    assert "few occurrences" in told
    assert main([*given, *out, "--set", "what=nothing"]) == 2
    assert "what" in capsys.readouterr().err


def test_options_are_checked():
    for name, value in {"steps": 0, "learning_rate": 0.0, "least": 0, "what": "x"}.items():
        with pytest.raises(ConfigError, match=name):
            replace(AdaptOptions(), **{name: value})
    rates = [rate(QUICK, step) for step in range(QUICK.steps)]
    assert rates[0] == QUICK.learning_rate
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0


def test_without_learning_the_prototype_is_the_mean_of_its_occurrences(place, tmp_path):
    options = replace(QUICK, what="nothing")
    given = (place / "run", _lines(place), tmp_path / "job", ("script",), options)
    assert adapt(*given, progress=False).finished
    found, about = load_prototypes(tmp_path / "job/prototypes.safetensors")
    kept, _ = load_occurrences(tmp_path / "job/occurrences.safetensors")
    lines = _lines(place).part("train")
    for row, group in enumerate(found.groups):
        own = [number for number, line in enumerate(lines) if line.document == group]
        for sprite in range(len(found.letters)):
            chosen = kept.where(np.isin(kept.lines, own) & (kept.sprites == sprite))
            mean, error = letter_moments(chosen)
            np.testing.assert_array_equal(found.pictures[row, sprite], mean)
            np.testing.assert_array_equal(found.errors[row, sprite], error)
    assert len(about["effective_pixels"]) == len(found.letters)
    assert max(v for v in about["effective_pixels"] if v is not None) > 1
    with pytest.raises(RunError, match="nothing was adapted"):
        load_adapted(tmp_path / "job", "one")


def test_letters_with_two_shapes_are_proposed_from_the_kept_occurrences(adapted, tmp_path, capsys):
    given = ["palaeography", "allographs", str(adapted), "--out", str(tmp_path / "found")]
    assert main([*given, "--set", "least=8", "separation=0.01", "valley=1", "share=0.01"]) == 0
    told = capsys.readouterr().out
    rows = json.loads((tmp_path / "found/allographs.json").read_text())["letters"]
    prototypes, _ = load_prototypes(adapted / "prototypes.safetensors")
    enough = {
        (prototypes.letters[k], prototypes.groups[g])
        for g, k in np.argwhere(prototypes.counts >= 8).tolist()
    }
    assert {(row["letter"], row["group"]) for row in rows} <= enough
    assert rows
    assert f"{len({row['letter'] for row in rows})} letters" in told
    for row in rows:
        assert row["lines"]
        assert f"{row['letter']} in {row['group']}" in told or not row["proposed"]
