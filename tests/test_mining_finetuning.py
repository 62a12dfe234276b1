"""Fine-tuning: what a step computes, exact continuation, and what the result is."""

from __future__ import annotations

import json
import math
import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from typica.errors import DataError, RunError
from typica.mining import denoiser as denoising
from typica.mining import finetuning
from typica.mining.bases import load_base, load_denoiser
from typica.mining.config import FinetuneConfig
from typica.mining.denoiser import Denoiser
from typica.mining.finetune_state import FinetuneState, learning_rate, noise_share
from typica.mining.finetuning import finetune, spread
from typica.mining.folder import MiningFolder
from typica.mining.latents import LatentCache
from typica.mining.pixels import to_tensor
from typica.mining.sample_grid import sample_grid
from typica.mining.schedule import NoiseSchedule

from .mining_helpers import (
    LABELS,
    tiny_about,
    tiny_config,
    tiny_parts,
    tiny_pictures,
    tiny_pipeline,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Path:
    return tiny_pipeline(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture
def pictures(tmp_path):
    return tiny_pictures(tmp_path / "data")


def about_of(base: str | Path = "small", factor: int = 2, **finetune_options):
    """Options of a run; float32 unless told, so that formulas can be compared on any processor."""
    finetune_options = {"bfloat16": False} | finetune_options
    return tiny_about(base, tiny_config(**finetune_options), factor=factor)


def run(pictures, folder: Path, about, **options):
    options = {"device": "cpu", "show_progress": False} | options
    return finetune(pictures, MiningFolder(folder), about, **options)


def weights_of(folder: Path, about) -> dict[str, torch.Tensor]:
    return load_denoiser(folder / "denoiser", about).state_dict()


def equal(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def state_of(pictures, folder: Path, about) -> FinetuneState:
    denoiser = load_base(about.base, about)
    cache = LatentCache(
        folder / "latents",
        pictures.pictures,
        denoiser.codec,
        about.config.size,
        about.config.finetune.flip,
        {},
    )
    assert cache.fill(CPU, show_progress=False)
    return FinetuneState(MiningFolder(folder), about, denoiser, cache, CPU)


# the cache


def test_moments_are_the_posterior_of_the_codec(pipeline):
    codec = load_base(str(pipeline), about_of(pipeline, 4)).codec
    pixels, noise = torch.rand(2, 3, 16, 24) * 2 - 1, torch.randn(2, 4, 4, 6)
    mean, deviation = codec.moments(pixels).chunk(2, dim=1)
    with torch.no_grad():
        torch.testing.assert_close(mean, codec.encode(pixels))
        torch.testing.assert_close(mean + deviation * noise, codec.encode(pixels, noise))


@pytest.mark.parametrize("base", ["small", "pipeline"])
@pytest.mark.parametrize("flip", [False, True])
def test_cached_squares_are_those_of_the_pictures(pictures, tmp_path, pipeline, base, flip):
    about = about_of() if base == "small" else about_of(pipeline, 4)
    codec = load_base(about.base, about).codec
    cache = LatentCache(tmp_path / "c", pictures.pictures, codec, 16, flip, {})
    assert cache.fill(CPU, show_progress=False)
    i = next(k for k, p in enumerate(pictures.pictures) if p.width == 20)
    pixels = to_tensor([np.asarray(Image.open(pictures.pictures[i].path))])
    if flip:
        pixels = pixels.flip(-1)
    noise = None if base == "small" else torch.randn(4, 3, 3)
    with torch.no_grad():
        wanted = codec.encode(pixels)[0, :, 1:4, 2:5]
        if noise is not None:
            all_noise = torch.zeros(1, 4, 4, 5)
            all_noise[0, :, 1:4, 2:5] = noise
            wanted = codec.encode(pixels, all_noise)[0, :, 1:4, 2:5]
    found = cache.latent(i, 1, 2, 3, flip, noise)
    torch.testing.assert_close(found, wanted, atol=0 if base == "small" else 2e-3, rtol=2e-3)


def test_a_cache_is_continued_and_not_mixed_up(pictures, tmp_path, monkeypatch):
    codec = load_base("small", about_of()).codec
    read: list[str] = []
    plain = finetuning.LatentCache.fill.__globals__["load_pixels"]
    monkeypatch.setitem(
        finetuning.LatentCache.fill.__globals__,
        "load_pixels",
        lambda p, *rest: (read.append(p.id), plain(p, *rest))[1],
    )

    def cache(key: int = 0) -> LatentCache:
        return LatentCache(tmp_path / "c", pictures.pictures, codec, 16, False, {"key": key})

    class After:
        """Signals that come after some looks."""

        def __init__(self, looks: int) -> None:
            self.looks = looks

        def __len__(self) -> int:
            self.looks -= 1
            return int(self.looks < 0)

    assert not cache().fill(CPU, After(3), show_progress=False)
    before = len(read)
    assert 0 < before < len(pictures)
    assert cache().fill(CPU, show_progress=False)
    assert sorted(read) == sorted(p.id for p in pictures)  # nothing twice
    assert cache().fill(CPU, show_progress=False)
    assert len(read) == len(pictures)
    last = cache()
    for i, picture in enumerate(pictures):
        whole = codec.encode(to_tensor([np.asarray(Image.open(picture.path))]))[0]
        assert torch.equal(last.latent(i, 0, 0, 8, False, None), whole[:, :8, :8])
    assert cache(1).fill(CPU, show_progress=False)
    assert len(read) == 2 * len(pictures)
    size = last.file.stat().st_size
    os.truncate(last.file, size - 100)
    assert cache(1).fill(CPU, show_progress=False)
    assert len(read) == 3 * len(pictures)  # made anew: what was cut off is not known
    assert last.file.stat().st_size == size
    cache(1).delete()
    assert not (tmp_path / "c").exists()


def test_broken_pictures_are_left_out_and_reported(pictures, tmp_path):
    broken = pictures.pictures[3]
    broken.path.write_bytes(broken.path.read_bytes()[:60])
    result = run(pictures, tmp_path / "run", about_of(steps=2))
    assert result.finished
    assert len(result.skipped) == 1
    assert str(broken.path) in result.skipped[0]


def test_nothing_to_train_on(pictures, tmp_path):
    with pytest.raises(DataError, match="no training picture"):
        run(pictures.part("val"), tmp_path / "run", about_of())


# the batches


def test_batches_are_functions_of_the_step(pictures, tmp_path):
    state = state_of(pictures, tmp_path, about_of(batch_size=6))
    maker = state.batches
    one, again, other = maker.training(5), maker.training(5), maker.training(6)
    assert torch.equal(one.latents, again.latents)
    assert torch.equal(one.noise, again.noise)
    assert one.labels == again.labels
    assert not torch.equal(one.noise, other.noise)
    assert one.latents.shape == (6, 12, 8, 8)
    part = one.part(2, 5)
    assert torch.equal(part.fractions, one.fractions[2:5])
    assert part.labels == one.labels[2:5]


def test_every_training_picture_is_seen_once_a_pass(pictures, tmp_path):
    maker = state_of(pictures, tmp_path, about_of(batch_size=5)).batches
    train = [i for i, p in enumerate(pictures) if p.split == "train"]
    seen = [i for step in range(len(train)) for i in maker.chosen(step)]  # five passes
    for k in range(5):
        assert sorted(seen[k * len(train) : (k + 1) * len(train)]) == train
    assert seen[: len(train)] != seen[len(train) : 2 * len(train)]


def test_times_are_stratified_and_labels_dropped(pictures, tmp_path):
    about = about_of(batch_size=50, null_share=0.2)
    maker = state_of(pictures, tmp_path, about).batches
    dropped, firsts = 0, []
    for step in range(20):
        batch = maker.training(step)
        assert sorted((batch.fractions * 50).long().tolist()) == list(range(50))
        firsts.append(float(batch.fractions[0]))
        dropped += sum(label is None for label in batch.labels)
        own = [pictures.pictures[i].label for i in maker.chosen(step)]
        assert all(a in (None, b) for a, b in zip(batch.labels, own, strict=True))
    assert 140 < dropped < 260  # 200 of 1000 are expected, 13 the standard deviation
    assert 0.25 < np.mean(firsts) < 0.75


def test_crops_cover_the_picture_or_are_central(pictures, tmp_path, monkeypatch):
    places: dict[bool, Counter] = {True: Counter(), False: Counter()}
    for random_crop in (True, False):
        state = state_of(pictures, tmp_path / str(random_crop), about_of(random_crop=random_crop))
        plain = state.cache.latent

        def watched(i, top, left, side, *rest, plain=plain, count=places[random_crop]):
            if pictures.pictures[i].width == 20:
                count[top, left] += 1
            return plain(i, top, left, side, *rest)

        monkeypatch.setattr(state.cache, "latent", watched)
        for step in range(40):
            state.batches.training(step)
    assert set(places[True]) == {(0, 0), (0, 1), (0, 2)}
    assert set(places[False]) == {(0, 1)}


def test_flips_are_as_asked(pictures, tmp_path, monkeypatch):
    for flip in (True, False):
        state = state_of(pictures, tmp_path / str(flip), about_of(flip=flip))
        seen = Counter()
        plain = state.cache.latent
        monkeypatch.setattr(
            state.cache,
            "latent",
            lambda i, t, left, s, f, n, p=plain, c=seen: (c.update([f]), p(i, t, left, s, f, n))[1],
        )
        for step in range(10):
            state.batches.training(step)
        assert set(seen) == ({True, False} if flip else {False})


# one step


def test_a_step_is_the_plain_one(pictures, tmp_path):
    """AdamW on the mean of eq. 4.5, gradient clipped, against the same written out."""
    about = about_of(batch_size=4, null_share=0.5)
    state = state_of(pictures, tmp_path / "a", about)
    plain = load_base("small", about)
    config = about.config.finetune
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-4, weight_decay=1e-2)
    for step in range(2):
        batch = state.batches.training(step)
        times = (batch.fractions * 1000).long()
        a = plain.schedule.signal[times].view(-1, 1, 1, 1)
        noisy = a.sqrt() * batch.latents + (1 - a).sqrt() * batch.noise
        hidden = torch.stack([plain.condition([label])[0] for label in batch.labels])
        guess = plain.unet(noisy, times, encoder_hidden_states=hidden).sample
        # the loss of v, where there is at least a tenth of noise
        error = (guess - batch.latents).square() / (1 - a).clamp(min=0.1)
        optimizer.zero_grad()
        loss = error.mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), config.clip)
        optimizer.step()
        state.one_step()
        assert state.mean_loss() == pytest.approx(float(loss.detach()), rel=1e-4)
    for (name, ours), theirs in zip(
        state.denoiser.named_parameters(), plain.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("change", [{"accumulate": 2}, {"checkpointing": True}])
def test_saving_memory_changes_nothing(pictures, tmp_path, change):
    states = [
        state_of(pictures, tmp_path / str(i), about_of(learning_rate=1e-3, **options))
        for i, options in enumerate(({}, change))
    ]
    gradients = []
    for state in states:
        torch.nn.init.normal_(state.denoiser.unet.conv_out.weight, generator=torch.Generator())
        state.one_step()
        gradients.append([w.grad.clone() for w in state.weights.values()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


def test_the_average_follows_the_weights(pictures, tmp_path):
    state = state_of(pictures, tmp_path, about_of(ema=0.9))
    name = "unet.conv_in.weight"
    wanted = state.weights[name].detach().clone()
    for step in range(1, 4):
        state.one_step()
        decay = min(0.9, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * state.weights[name].detach()
    torch.testing.assert_close(state.average[name], wanted)
    own = state.weights[name].detach().clone()
    with state.kept_weights():
        assert torch.equal(state.weights[name], state.average[name])
    assert torch.equal(state.weights[name], own)


@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_learning_rates(schedule):
    config = replace(FinetuneConfig(), schedule=schedule, learning_rate=2.0)
    rates = [learning_rate(config, step, 100) for step in range(100)]
    if schedule == "constant":
        assert set(rates) == {2.0}
    else:
        assert rates[0] == pytest.approx(0.2)
        assert max(rates) == pytest.approx(2.0)
        assert int(np.argmax(rates)) == 9
        assert rates[-1] == pytest.approx(0.02)
        assert np.all(np.diff(rates[9:]) < 0)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_noise_share_turns_a_training_loss_into_that_of_noise(kind):
    from typica.mining.schedule import NoiseSchedule

    schedule = NoiseSchedule(torch.linspace(0.99, 0.01, 10), kind)
    x, eps, output = torch.randn(3, 4, 3, 5, 5)
    times = torch.tensor([0, 3, 6, 9])
    loss = (output - schedule.target(x, eps, times)).square().mean(dim=(1, 2, 3))
    loss = loss * schedule.loss_weight(times)
    noise = schedule.noise_from(output, schedule.add_noise(x, eps, times), times)
    wanted = (noise - eps).square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(noise_share(schedule, times) * loss, wanted, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("side", "training", "wanted"), [(4, True, False), (8, True, True), (4, False, True)]
)
def test_maps_of_one_cell_are_trained_in_float32(monkeypatch, side, training, wanted):
    """The tiny pipeline halves three times: four cells are one before the last halving."""
    monkeypatch.setattr(denoising, "matrix_bfloat16", lambda device: True)
    parts, seen = tiny_parts(), []
    unet = parts["unet"]
    unet.register_forward_pre_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    denoiser = Denoiser(None, None, unet, NoiseSchedule.from_scheduler(parts["scheduler"]))
    with torch.set_grad_enabled(training):
        x = torch.randn(1, 4, side, side)
        denoiser.output(x, torch.tensor([5]), torch.randn(1, 3, 32), bfloat16=True)
    assert seen == [wanted]


# a whole training


def interrupt_at(monkeypatch, step: int) -> None:
    plain = FinetuneState.one_step

    def watched(self: FinetuneState) -> None:
        plain(self)
        if self.progress.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(FinetuneState, "one_step", watched)


@pytest.mark.parametrize(
    ("base", "options"),
    [
        ("small", {"schedule": "one-cycle", "flip": True}),
        ("small", {"ema": 0.9, "accumulate": 2}),
        ("pipeline", {}),
        ("pipeline", {"lora_rank": 2}),
        ("small", {"bfloat16": True}),
        ("pipeline", {"bfloat16": True}),
    ],
)
def test_an_interrupted_run_ends_with_the_same_bits(
    pictures, tmp_path, pipeline, monkeypatch, base, options
):
    options = {"steps": 3, "learning_rate": 1e-3} | options
    about = about_of(**options) if base == "small" else about_of(pipeline, 4, **options)
    whole = run(pictures, tmp_path / "whole", about)
    assert (whole.step, whole.finished) == (3, True)
    with monkeypatch.context() as patched:
        interrupt_at(patched, 1)
        cut = run(pictures, tmp_path / "cut", about)
    assert (cut.step, cut.finished) == (1, False)
    assert not (tmp_path / "cut" / "denoiser").exists()
    with pytest.raises(RunError, match="resume=True"):
        run(pictures, tmp_path / "cut", about)
    torch.manual_seed(12345)  # the global random state plays no part
    rest = run(pictures, tmp_path / "cut", about, resume=True)
    assert (rest.step, rest.finished) == (3, True)
    assert rest.held_out_loss == whole.held_out_loss
    one, other = (weights_of(tmp_path / name, about) for name in ("whole", "cut"))
    assert equal(one, other)
    start = load_base(about.base, about).state_dict()
    moved = {name for name in one if not torch.equal(one[name], start[name])}
    assert moved
    assert all(name.startswith(("unet.", "conditioner.table")) for name in moved)
    if "lora_rank" in options:
        assert one.keys() == start.keys()  # merged: an ordinary UNet
        assert all(".to_" in name for name in moved)
    rows = MiningFolder(tmp_path / "cut").read_log()
    assert [r["loss"] for r in rows if "loss" in r] == [
        r["loss"] for r in MiningFolder(tmp_path / "whole").read_log() if "loss" in r
    ]
    # a finished one is not done again
    marked = (tmp_path / "cut" / "denoiser" / "unet" / "config.json").stat().st_mtime_ns
    again = run(pictures, tmp_path / "cut", about, resume=True)
    assert (again.step, again.finished, again.held_out_loss) == (3, True, rest.held_out_loss)
    assert (tmp_path / "cut" / "denoiser" / "unet" / "config.json").stat().st_mtime_ns == marked
    assert not (tmp_path / "cut" / "latents").exists()


def test_only_the_unet_of_a_pipeline_learns(pictures, tmp_path, pipeline):
    about = about_of(pipeline, 4, steps=2)
    state = state_of(pictures, tmp_path, about)
    assert all(name.startswith("unet.") for name in state.weights)
    before = {k: v.clone() for k, v in state.denoiser.state_dict().items()}
    state.one_step()
    after = state.denoiser.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("unet.") for name in changed)


def test_the_small_model_learns_what_its_labels_mean(pictures, tmp_path):
    about = about_of(steps=40, batch_size=8, learning_rate=3e-3, evaluations=2, samples=1)
    result = run(pictures, tmp_path, about)
    rows = MiningFolder(tmp_path).read_log()
    losses = [row["loss"] for row in rows if "loss" in row]
    held_out = [row for row in rows if "held_out_loss" in row]
    assert [row["step"] for row in held_out] == [0, 20, 40]
    assert losses[-1] < 0.8 * losses[0]
    assert held_out[-1]["held_out_loss"] < 0.7 * held_out[0]["held_out_loss"]
    assert result.held_out_loss == held_out[-1]["held_out_loss"]
    assert held_out[-1]["held_out_typicality"] > 0.001
    assert abs(held_out[0]["held_out_typicality"]) < 1e-6  # untrained, it says zero to both
    for row in held_out[1:]:
        sheet = Image.open(tmp_path / row["samples"])
        assert sheet.height == len(LABELS) * 18


def test_a_loss_that_is_no_number_is_rolled_back(pictures, tmp_path, monkeypatch):
    about = about_of(steps=12, batch_size=2)
    spoiled: list[int] = []
    plain = FinetuneState.one_step

    def spoil(self: FinetuneState) -> None:
        plain(self)
        if self.progress.step == 7 and not spoiled:
            spoiled.append(7)
            with torch.no_grad():
                self.weights["unet.conv_in.weight"].fill_(math.nan)

    monkeypatch.setattr(FinetuneState, "one_step", spoil)
    result = run(pictures, tmp_path, about)
    assert (result.step, result.finished) == (12, True)
    rows = MiningFolder(tmp_path).read_log()
    assert any("rolled back" in row.get("note", "") for row in rows)
    rates = [row["learning_rate"] for row in rows if "learning_rate" in row]
    assert rates == [0.5e-4, 0.5e-4]
    weights = weights_of(tmp_path, about)
    assert all(w.isfinite().all() for w in weights.values())


def test_a_hopeless_run_says_so(pictures, tmp_path, monkeypatch):
    def spoil(self: FinetuneState) -> None:
        self.progress.step += 1
        self.sum += math.nan

    monkeypatch.setattr(FinetuneState, "one_step", spoil)
    with pytest.raises(RunError, match=r"6 times.*step 5.*kept"):
        run(pictures, tmp_path, about_of(steps=5))


def test_time_is_kept_to(pictures, tmp_path):
    about = about_of(steps=10**6, batch_size=1, evaluations=2)
    result = run(pictures, tmp_path, about, max_minutes=5 / 60)
    assert result.finished
    assert 20 <= result.step < 10**6
    assert weights_of(tmp_path, about)
    again = run(pictures, tmp_path, about, max_minutes=result.minutes, resume=True)
    assert again.step == result.step  # nothing is left of the time
    assert [r for r in MiningFolder(tmp_path).read_log() if "held_out_loss" in r]


def test_an_interrupted_run_can_be_ended_at_once(pictures, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        interrupt_at(patched, 3)
        run(pictures, tmp_path, about_of(steps=100))
    result = run(pictures, tmp_path, about_of(steps=100), resume=True, max_minutes=1e-6)
    assert (result.step, result.finished) == (3, True)
    assert weights_of(tmp_path, about_of())


@pytest.mark.parametrize(
    ("change", "named"),
    [({"learning_rate": 1e-3}, "finetune"), ({"batch_size": 2}, "finetune")],
)
def test_a_run_is_not_continued_otherwise(pictures, tmp_path, change, named):
    run(pictures, tmp_path, about_of(steps=1))
    with pytest.raises(RunError, match=f"another {named}"):
        run(pictures, tmp_path, about_of(steps=1, **change), resume=True)
    more = run(pictures, tmp_path, about_of(steps=2), resume=True)  # but longer, yes
    assert (more.step, more.finished) == (2, True)
    other = replace(about_of(steps=2), data={"name": "test", "digest": "1"})
    with pytest.raises(RunError, match="another data"):
        run(pictures, tmp_path, other, resume=True)


@pytest.mark.parametrize("killed", ["_keep", "LatentCache.delete"])
def test_a_kill_after_the_last_step_leaves_nothing_undone(pictures, tmp_path, monkeypatch, killed):
    """Of an extended run: the denoiser that is there is the one of fewer steps."""

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    run(pictures, tmp_path / "whole", about_of(steps=2))
    run(pictures, tmp_path / "cut", about_of(steps=1))
    with monkeypatch.context() as patched:
        patched.setattr(f"typica.mining.finetuning.{killed}", kill)
        with pytest.raises(KeyboardInterrupt):
            run(pictures, tmp_path / "cut", about_of(steps=2), resume=True)
    assert (tmp_path / "cut" / "latents").exists()
    # time that is just used up leaves nothing to train, whatever the number of steps
    used = MiningFolder(tmp_path / "cut").read_log()[-1]["seconds"] / 60
    rest = run(pictures, tmp_path / "cut", about_of(steps=2), resume=True, max_minutes=used)
    assert (rest.step, rest.finished) == (2, True)
    assert not (tmp_path / "cut" / "latents").exists()
    one, other = (weights_of(tmp_path / name, about_of()) for name in ("whole", "cut"))
    assert equal(one, other)


def test_what_a_kill_while_latents_were_deleted_left_goes(pictures, tmp_path):
    run(pictures, tmp_path, about_of(steps=1))
    before = sorted(tmp_path.rglob("*"))
    (tmp_path / "latents").mkdir()
    (tmp_path / "latents" / "pictures.json").write_text("{}")  # the large file was gone
    done = run(pictures, tmp_path, about_of(steps=1), resume=True)
    assert (done.step, done.finished) == (1, True)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_interrupted_reading_of_an_extended_run_tells_its_steps(pictures, tmp_path, monkeypatch):
    first = run(pictures, tmp_path, about_of(steps=2))
    monkeypatch.setattr(LatentCache, "fill", lambda *_: False)
    cut = run(pictures, tmp_path, about_of(steps=3), resume=True)
    assert (cut.step, cut.finished) == (2, False)
    assert cut.held_out_loss == first.held_out_loss
    assert cut.minutes > 0


def test_a_damaged_checkpoint_is_said(pictures, tmp_path):
    run(pictures, tmp_path, about_of(steps=1))
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(RunError, match="damaged"):
        run(pictures, tmp_path, about_of(steps=2), resume=True)


def test_a_checkpoint_with_another_description_is_said(pictures, tmp_path):
    run(pictures, tmp_path, about_of(steps=1))
    file = tmp_path / "checkpoint.safetensors"
    tensors = load_file(file)
    about = json.dumps({"key": "nothing", "progress": {}})
    save_file(tensors, file, metadata={"typica": about})
    with pytest.raises(RunError, match="damaged"):
        run(pictures, tmp_path, about_of(steps=2), resume=True)


def test_no_held_out_pictures(pictures, tmp_path):
    result = run(pictures.part("train"), tmp_path, about_of(steps=2))
    assert result.finished
    assert result.held_out_loss is None


def test_spread():
    assert spread("abc", 8) == ["a", "b", "c"]
    assert spread("abcdefghi", 3) == ["a", "e", "i"]
    assert spread("abc", 1) == ["a"]


def test_the_sheet_has_a_row_for_every_label():
    pictures = torch.stack([torch.full((3, 6, 5), v) for v in (-1.0, 0.0, 0.5, 1.0)])
    sheet = sample_grid(pictures, ["dark", "светлое"])
    pixels = np.asarray(sheet)
    assert sheet.height == 16
    right = pixels[:, -14:]
    assert right[3, 2].tolist() == [0, 0, 0]
    assert right[3, 9].tolist() == [128, 128, 128]
    assert right[11, 2].tolist() == [191, 191, 191]
    assert right[11, 9].tolist() == [255, 255, 255]


def test_log_rows_are_plain_json(pictures, tmp_path):
    run(pictures, tmp_path, about_of(steps=11))
    rows = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 10, 11, 11]
    assert {"loss", "learning_rate", "pictures_per_second", "seconds"} <= rows[1].keys()
