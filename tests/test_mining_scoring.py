"""The scoring job against one plain loop, over batches, shards, interruptions and faults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from typica.engines.engine import Engine
from typica.errors import ConfigError, DataError, RunError
from typica.files import atomic_path
from typica.images.loading import load_pixels
from typica.images.picture import Picture, PictureCollection
from typica.images.prompts import PromptTemplate
from typica.mining import score_settings as settings_module
from typica.mining import surrogate_job
from typica.mining.balance import calibrated
from typica.mining.codec import Codec, FoldCodec
from typica.mining.conditioner import LabelTable
from typica.mining.config import MiningConfig, TypicalityConfig
from typica.mining.control import MANY, Coefficients
from typica.mining.denoiser import Denoiser
from typica.mining.distillation import BATCH
from typica.mining.draws import Draws, derived_seed, posterior_noise
from typica.mining.folder import MiningAbout
from typica.mining.maps import (
    holding,
    maps_settings,
    missing_pieces,
    piece_path,
    read_maps,
    skipped_of,
)
from typica.mining.pixels import to_tensor
from typica.mining.schedule import NoiseSchedule
from typica.mining.score_settings import model_digest, score_settings
from typica.mining.scoring import score
from typica.mining.surrogate_job import SURROGATE_FILE, read_surrogate
from typica.mining.time_density import PILOT_DRAWS, TimeDensity, read_density

LABELS = ("a", "b", "c")
SIZES = [(24, 16), (16, 24), (16, 16), (24, 16), (48, 32), (16, 16), (20, 16), (16, 16), (24, 16)]


FOLLOWED = Coefficients(0.75, 0.5, 0.25, 0.125)


class TinyUNet(nn.Module):
    """A convolution that hears the time and the label; counts what it is asked."""

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)
        self.label = nn.Linear(features, channels)
        self.batches: list[int] = []
        self.limit: int | None = None
        self.stop_after: int | None = None

    def forward(self, x, t, encoder_hidden_states, return_dict):
        assert not return_dict
        assert x.shape[0] == len(t) == len(encoder_hidden_states)
        if self.limit is not None and len(x) > self.limit:
            raise torch.OutOfMemoryError("out of memory")
        if self.stop_after is not None and len(self.batches) >= self.stop_after:
            raise KeyboardInterrupt
        self.batches.append(len(x))
        told = self.label(encoder_hidden_states.mean(1))[..., None, None]
        return (torch.tanh(self.convolution(x) + told) + t.view(-1, 1, 1, 1) / 1000,)


class NoisyCodec(Codec):
    """A codec whose posterior is wide."""

    factor, channels = 4, 3

    def encode(self, pixels, noise=None):
        mean = nn.functional.avg_pool2d(pixels, 4)
        return mean if noise is None else mean + 0.5 * noise

    def decode(self, latents):
        raise NotImplementedError


def tiny_denoiser(seed: int = 0, prediction: str = "epsilon", codec: Codec | None = None):
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        codec = codec or FoldCodec(2)
        signal = torch.linspace(0.999, 0.01, 1000)
        return Denoiser(
            codec,
            LabelTable(LABELS, 8),
            TinyUNet(codec.channels, 8),
            NoiseSchedule(signal, prediction),
        )


@pytest.fixture
def collection(tmp_path: Path) -> PictureCollection:
    random = np.random.default_rng(0)
    pictures = []
    for i, (width, height) in enumerate(SIZES):
        label = LABELS[i % 3]
        path = tmp_path / "data" / label / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)).save(path)
        pictures.append(Picture(f"{label}/{i}.png", path, label, "train", width, height))
    return PictureCollection(tmp_path / "data", tuple(pictures))


def about(**options) -> MiningAbout:
    given = {"draws": 6, "groups": 3, "piece": 4, "batch_size": 8} | options
    config = MiningConfig(size=16, typicality=TypicalityConfig(**given))
    return MiningAbout(config, "small", PromptTemplate(), LABELS, 2, {"name": "x"}, {})


def run(denoiser, collection, run_about, out, **options):
    return score(denoiser, collection, run_about, out, show_progress=False, **options)


def where(draws, options):
    return (draws.fractions - options.t_min) / (options.t_max - options.t_min)


def plain(
    denoiser, picture: Picture, labels, config: MiningConfig, density=None, predict=None, draws=None
):
    """The recipe, naively: one draw at a time, null and label in two calls, all maps kept."""
    predict = predict or (
        lambda noisy, time, label: denoiser.predict_noise(noisy, time, denoiser.condition([label]))
    )
    options = config.typicality
    pixels = to_tensor([load_pixels(picture, config.size, denoiser.codec.factor)])
    shape = (
        denoiser.codec.channels,
        pixels.shape[2] // denoiser.codec.factor,
        pixels.shape[3] // denoiser.codec.factor,
    )
    noise = None
    if options.posterior == "sample":
        noise = posterior_noise(options.seed, picture.id, shape)[None]
    latent = denoiser.codec.encode(pixels, noise)
    draws = draws or Draws.of(options, density=density)
    losses, changes = [], []
    with torch.no_grad():
        for s in range(len(draws)):
            eps = draws.noise(s, shape)[None]
            time = torch.tensor([int(draws.fractions[s] * 1000)])
            a = denoiser.schedule.signal[time].double().item()
            noisy = (a**0.5 * latent.double() + (1 - a) ** 0.5 * eps).float()
            row, predictions = [], []
            for label in (None, *labels):
                found = predict(noisy, time, label)
                row.append(((found - eps).double() ** 2)[0].mean(0))
                predictions.append(found[0].double())
            weight = 1 if density is None else 1 / density(where(draws, options))[s]
            losses.append(weight * torch.stack(row))
            change = []
            for k in range(1, len(predictions)):
                rest = [p for i, p in enumerate(predictions) if i not in (0, k)]
                other = sum(rest) / len(rest) if options.labels == "all" else predictions[0]
                change.append(weight * ((predictions[k] - other) ** 2).mean(0))
            changes.append(torch.stack(change))
    every = torch.stack(losses)  # (S, 1 + K, h, w)
    gain = every[:, :1] - every[:, 1:]
    groups = torch.stack(
        [gain[g :: options.groups].mean(0) for g in range(options.groups)], 1
    )  # (K, G, h, w)
    deviations = (groups - gain.mean(0)[:, None]).numpy()
    information = torch.stack(changes).mean(0)
    return gain.mean(0).numpy(), deviations, every[:, 0].mean(0), information.numpy()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"labels": "all"},
        {"sampling": "uniform", "batch_size": 3},
        {"labels": "all", "batch_size": 2},
        {"posterior": "sample"},
        {"noise": "balanced", "draws": 8, "groups": 4},
        {"sampling": "importance"},
        {"sampling": "importance", "labels": "all", "noise": "balanced", "draws": 8, "groups": 4},
        {"surrogate": 3},
        {"surrogate": 3, "labels": "all", "noise": "balanced", "draws": 8, "groups": 4},
        {"surrogate": 2, "sampling": "importance"},
    ],
)
def test_scores_are_those_of_the_plain_loop(collection, tmp_path, options, monkeypatch):
    tried = surrogate_job._tried  # of a surrogate that learnt nothing, which nobody would follow
    monkeypatch.setattr(surrogate_job, "_tried", lambda *given: (tried(*given), FOLLOWED)[1])
    denoiser = tiny_denoiser(codec=NoisyCodec() if "posterior" in options else None)
    run_about = about(**options)
    result = run(denoiser, collection, run_about, tmp_path / "maps")
    branches = 4 if options.get("labels") == "all" else 2
    density, pilot = None, 0
    if options.get("sampling") == "importance":
        about_density = maps_settings(tmp_path / "maps")
        density = read_density(tmp_path / "maps" / "times.json", about_density)
        assert density != TimeDensity()
        pilot = len(SIZES) * PILOT_DRAWS * 2
    surrogate = None
    if "surrogate" in options:
        path, decided = tmp_path / "maps" / SURROGATE_FILE, maps_settings(tmp_path / "maps")
        surrogate, coefficients = read_surrogate(path, decided)
        assert coefficients == FOLLOWED
        assert result.explained == FOLLOWED.explained
        draws = options.get("draws", 6)
        tried = PILOT_DRAWS // draws * draws
        pilot += (options["surrogate"] * BATCH + len(SIZES) * tried) * 2
    assert result.evaluations == pilot + len(SIZES) * options.get("draws", 6) * branches
    assert (result.pieces, result.kept, result.pictures) == (3, 0, len(SIZES))
    assert max(denoiser.unet.batches) <= run_about.config.typicality.batch_size
    found = list(read_maps(tmp_path / "maps"))
    assert [m.id for m in found] == [p.id for p in collection]
    for maps, picture in zip(found, collection, strict=True):
        labels = LABELS if options.get("labels") == "all" else (picture.label,)
        assert maps.labels == labels
        assert maps.channels == denoiser.codec.channels
        typicality, groups, null, information = plain(
            denoiser, picture, labels, run_about.config, density
        )
        if surrogate is not None:
            config = run_about.config
            more = replace(config.typicality, draws=MANY * config.typicality.draws)
            rows = {None: 0, **{label: row for row, label in enumerate(LABELS, 1)}}

            def predict(noisy, time, label, surrogate=surrogate, rows=rows):
                row = torch.tensor([[rows[label]]])
                return surrogate.predict_noise(noisy, time, row, denoiser.schedule)[:, 0]

            seed = derived_seed("surrogate", config.typicality.seed)
            same, many = (
                plain(denoiser, picture, labels, config, density, predict, draws)
                for draws in (None, Draws.of(more, 0, density, seed))
            )
            betas = [getattr(coefficients, name) for name in ("typicality",) * 2]
            others = options.get("labels") == "all"  # information was tried against no label
            betas += [coefficients.null, 0 if others else coefficients.information]
            typicality, groups, null, information = (
                a - beta * (b - c)
                for a, b, c, beta in zip(
                    (typicality, groups, null, information), same, many, betas, strict=True
                )
            )
            information = information.clip(0)
        assert maps.typicality == pytest.approx(typicality, abs=2e-6)
        if "noise" in options:
            groups = calibrated(groups)
        assert maps.groups == pytest.approx(groups, abs=1e-3 * float(np.abs(groups).max()))
        assert maps.null == pytest.approx(null.numpy(), rel=1e-5)
        assert maps.information == pytest.approx(information, rel=1e-4, abs=1e-9)
    assert denoiser.training  # put back


def test_v_prediction_gives_the_same_scores_as_the_noise_that_it_means(collection, tmp_path):
    denoiser = tiny_denoiser(prediction="v_prediction")
    run(denoiser, collection, about(), tmp_path / "maps")
    maps = next(read_maps(tmp_path / "maps"))
    picture = collection.pictures[0]
    typicality, *_ = plain(denoiser, picture, (picture.label,), about().config)
    assert maps.typicality == pytest.approx(typicality, abs=5e-6)


@pytest.mark.parametrize("labels", ["own", "all"])
def test_the_batch_size_changes_nothing(collection, tmp_path, labels):
    """Batches that end amid draws, amid pictures, and hold everything at once."""
    reference = None
    for batch_size in (2, 5, 13, 1000):
        run_about = about(batch_size=batch_size, labels=labels)
        denoiser = tiny_denoiser()
        run(denoiser, collection, run_about, tmp_path / f"{batch_size}")
        assert max(denoiser.unet.batches) <= batch_size
        found = list(read_maps(tmp_path / f"{batch_size}"))
        reference = reference or found
        for one, two in zip(reference, found, strict=True):
            # rounding: a few units in the last place of losses of about 2
            assert one.typicality == pytest.approx(two.typicality, abs=5e-7)
            assert one.null == pytest.approx(two.null, abs=5e-7, rel=5e-7)
            assert one.information == pytest.approx(two.information, abs=5e-7, rel=1e-5)


def test_pictures_of_one_shape_share_batches(collection, tmp_path):
    denoiser = tiny_denoiser()
    run(denoiser, collection, about(batch_size=64, piece=64), tmp_path / "maps")
    # 6 draws, 2 branches; 24 x 16 and 48 x 32 alike (4), 16 x 24 (1), 16 x 16 (3), 20 x 16 (1)
    assert sorted(denoiser.unet.batches) == [12, 12, 36, 48]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"noise": "balanced", "draws": 8, "groups": 2},
        {"sampling": "importance"},
        {"surrogate": 3},
    ],
)
def test_shards_and_piece_files_do_not_depend_on_each_other(collection, tmp_path, options):
    run_about = about(piece=2, **options)
    run(tiny_denoiser(), collection, run_about, tmp_path / "whole")
    for shard in (2, 0, 1):
        run(
            tiny_denoiser(),
            collection,
            run_about,
            tmp_path / "parts",
            engine=Engine(shard=(shard, 3)),
        )
        if shard == 0:
            assert missing_pieces(tmp_path / "parts") == (1, 4)
    names = sorted(p.name for p in (tmp_path / "whole").iterdir())
    assert len(names) == (6 if {"sampling", "surrogate"} & set(options) else 5)
    assert names == sorted(p.name for p in (tmp_path / "parts").iterdir())
    for name in names:
        whole, part = (tmp_path / folder / name for folder in ("whole", "parts"))
        assert whole.read_bytes() == part.read_bytes()


@pytest.mark.parametrize("shard", [(3, 3), (-1, 2), (0, 0)])
def test_impossible_shards_are_told(collection, tmp_path, shard):
    with pytest.raises(ConfigError, match="--shard"):
        run(tiny_denoiser(), collection, about(), tmp_path / "maps", engine=Engine(shard=shard))


def test_an_interrupted_job_goes_on_where_it_was(collection, tmp_path):
    run(tiny_denoiser(), collection, about(), tmp_path / "whole")
    denoiser = tiny_denoiser()
    denoiser.unet.stop_after = 12
    with pytest.raises(KeyboardInterrupt):
        run(denoiser, collection, about(), tmp_path / "maps")
    assert [p.name for p in sorted((tmp_path / "maps").iterdir())] == ["piece-00000.safetensors"]
    before = piece_path(tmp_path / "maps", 0).stat().st_mtime_ns
    result = run(tiny_denoiser(), collection, about(), tmp_path / "maps")
    assert (result.pieces, result.kept, result.pictures) == (2, 1, 5)
    assert piece_path(tmp_path / "maps", 0).stat().st_mtime_ns == before
    for piece in range(3):
        one, two = (piece_path(tmp_path / name, piece) for name in ("whole", "maps"))
        assert one.read_bytes() == two.read_bytes()
    done = tiny_denoiser()
    assert run(done, collection, about(), tmp_path / "maps").evaluations == 0
    assert done.unet.batches == []


def test_a_job_that_goes_on_keeps_its_density_of_times(collection, tmp_path):
    run_about, whole, maps = about(sampling="importance"), tmp_path / "whole", tmp_path / "maps"
    run(tiny_denoiser(), collection, run_about, whole)
    denoiser = tiny_denoiser()
    denoiser.unet.stop_after = len(SIZES) * PILOT_DRAWS * 2 // 8 + 1
    with pytest.raises(KeyboardInterrupt):
        run(denoiser, collection, run_about, maps)
    assert [p.name for p in maps.iterdir()] == ["times.json"]
    result = run(tiny_denoiser(), collection, run_about, maps)
    assert result.evaluations == len(SIZES) * 6 * 2  # no pilot
    for path in whole.iterdir():
        assert path.read_bytes() == (maps / path.name).read_bytes()
    with pytest.raises(RunError, match="other settings"):
        run(tiny_denoiser(), collection, about(sampling="importance", seed=1), maps)


def test_a_job_that_goes_on_goes_on_teaching_its_surrogate(collection, tmp_path, monkeypatch):
    run_about, whole, maps = about(surrogate=6), tmp_path / "whole", tmp_path / "maps"
    run(tiny_denoiser(), collection, run_about, whole)
    monkeypatch.setattr(surrogate_job, "_BETWEEN", 0.0)  # a note after every step
    denoiser = tiny_denoiser()
    denoiser.unet.stop_after = 4 * BATCH * 2 // 8 + 1
    with pytest.raises(KeyboardInterrupt):
        run(denoiser, collection, run_about, maps)
    assert [p.name for p in maps.iterdir()] == ["surrogate-part.safetensors"]
    result = run(tiny_denoiser(), collection, run_about, maps)
    tried = len(SIZES) * 36 * 2  # six times the job's six draws
    assert result.evaluations == 2 * BATCH * 2 + tried + len(SIZES) * 6 * 2  # two steps were left
    assert sorted(p.name for p in maps.iterdir()) == sorted(p.name for p in whole.iterdir())
    for path in whole.iterdir():
        assert path.read_bytes() == (maps / path.name).read_bytes()
    again = run(tiny_denoiser(), collection, run_about, maps)
    assert again.evaluations == 0
    with pytest.raises(RunError, match="other settings"):
        run(tiny_denoiser(), collection, about(surrogate=6, seed=1), maps)


def test_what_a_killed_job_left_half_written_is_removed(collection, tmp_path):
    maps, run_about, half = tmp_path / "maps", about(piece=2), Engine(shard=(0, 2))
    maps.mkdir()
    killed = [atomic_path(piece_path(maps, piece)) for piece in (0, 2, 1)]
    own, done, others = (one.__enter__() for one in killed)  # as they stand when the job is killed
    foreign = maps / ".piece-notes.safetensors"
    foreign.write_bytes(b"not ours")
    with holding(maps, ()):  # another shard is at work: nothing is known to be stale
        run(tiny_denoiser(), collection, run_about, maps, engine=half)
        assert own.exists()
    assert piece_path(maps, 2).exists()
    run(
        tiny_denoiser(), collection, run_about, maps, engine=Engine(shard=(0, 2))
    )  # its pieces are all there
    assert not own.exists()
    assert not done.exists()
    assert others.exists()  # the other shard's to remove, which may run on another machine
    run(tiny_denoiser(), collection, run_about, maps, engine=Engine(shard=(1, 2)))
    assert not others.exists()
    assert foreign.exists()
    assert len(list(read_maps(maps))) == len(SIZES)


def test_a_job_that_ends_before_its_first_piece_leaves_no_folder(collection, tmp_path):
    denoiser = tiny_denoiser()
    denoiser.unet.stop_after = 0
    with pytest.raises(KeyboardInterrupt):
        run(denoiser, collection, about(), tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def test_pieces_of_another_job_are_not_mixed(collection, tmp_path):
    run(tiny_denoiser(), collection, about(), tmp_path / "maps")
    run(tiny_denoiser(), collection, about(batch_size=16), tmp_path / "maps")  # the same numbers
    with pytest.raises(RunError, match=r"\(seed\)"):
        run(tiny_denoiser(), collection, about(seed=1), tmp_path / "maps")
    with pytest.raises(RunError, match=r"\(model\)"):
        run(tiny_denoiser(1), collection, about(), tmp_path / "maps")
    with pytest.raises(RunError, match=r"\(collection, pictures\)"):
        run(tiny_denoiser(), collection.where(lambda p: p.label == "a"), about(), tmp_path / "maps")
    prompted = replace(about(), prompt=PromptTemplate("A {label}."))
    with pytest.raises(RunError, match=r"\(prompt\)"):
        run(tiny_denoiser(), collection, prompted, tmp_path / "maps")


def test_memory_that_runs_out_halves_the_batch(collection, tmp_path):
    run(tiny_denoiser(), collection, about(batch_size=64), tmp_path / "whole")
    denoiser = tiny_denoiser()
    denoiser.unet.limit = 5
    result = run(denoiser, collection, about(batch_size=64), tmp_path / "maps")
    assert result.batch_size == 4
    assert max(denoiser.unet.batches) == 4
    pairs = zip(read_maps(tmp_path / "whole"), read_maps(tmp_path / "maps"), strict=True)
    for one, two in pairs:
        assert one.typicality == pytest.approx(two.typicality, abs=3e-7)
    denoiser.unet.limit = 0
    with pytest.raises(ConfigError, match="too small for one evaluation"):
        run(denoiser, collection, about(batch_size=64), tmp_path / "none")


def test_pictures_that_are_gone_or_broken_are_reported_and_recorded(collection, tmp_path):
    gone, broken, changed = (collection.pictures[i] for i in (1, 4, 5))
    gone.path.unlink()
    broken.path.write_bytes(b"no picture")
    Image.new("RGB", (99, 40)).save(changed.path)
    result = run(tiny_denoiser(), collection, about(), tmp_path / "maps")
    assert [s.id for s in result.skipped] == [gone.id, broken.id, changed.id]
    assert [s.index for s in result.skipped] == [1, 4, 5]
    assert all(collection.pictures[s.index].path.name in s.message for s in result.skipped)
    assert result.pictures == len(SIZES) - 3
    pieces = range(len(list((tmp_path / "maps").glob("*.safetensors"))))
    kept = [one for piece in pieces for one in skipped_of(tmp_path / "maps", piece)]
    assert tuple(kept) == result.skipped
    assert {m.id for m in read_maps(tmp_path / "maps")} == {
        p.id for p in collection if p not in (gone, broken, changed)
    }
    again = run(tiny_denoiser(), collection, about(), tmp_path / "maps")
    assert again.skipped == result.skipped  # told again, not forgotten


def test_a_collection_of_which_nothing_can_be_read_is_an_error(collection, tmp_path):
    for picture in collection:
        picture.path.unlink()
    with pytest.raises(DataError, match=r"none of the pictures"):
        run(tiny_denoiser(), collection, about(), tmp_path / "maps")


def test_unknown_labels_are_told(collection, tmp_path):
    first, *rest = collection.pictures
    other = replace(collection, pictures=(replace(first, label="z"), *rest))
    for sampling in ("stratified", "importance"):
        with pytest.raises(DataError, match="'z' is unknown"):
            run(tiny_denoiser(), other, about(sampling=sampling), tmp_path / "maps")


def test_progress_is_in_pictures_and_goes_to_the_standard_error(collection, tmp_path, capsys):
    score(tiny_denoiser(), collection, about(), tmp_path / "maps")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "9/9 pictures" in captured.err
    assert "100%" in captured.err


def test_the_digest_is_of_everything_that_decides_the_output():
    assert model_digest(tiny_denoiser()) == model_digest(tiny_denoiser())
    assert model_digest(tiny_denoiser()) != model_digest(tiny_denoiser(1))
    other = tiny_denoiser()
    with torch.no_grad():
        other.conditioner.table.weight[2, 3] += 1e-6
    assert model_digest(other) != model_digest(tiny_denoiser())
    assert model_digest(tiny_denoiser(prediction="v_prediction")) != model_digest(tiny_denoiser())


def test_settings_name_reduced_precision_only_where_it_is_computed(collection, monkeypatch):
    for fast, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(settings_module, "matrix_bfloat16", lambda device, fast=fast: fast)
        found = score_settings(tiny_denoiser(), collection, about(), bfloat16=True)
        assert found["precision"] == expected
    assert score_settings(tiny_denoiser(), collection, about())["precision"] == "float32"


def test_a_stable_diffusion_pipeline_is_scored_like_the_plain_loop(collection, tmp_path):
    """The real classes: UNet, VAE (posterior sampled), text encoder."""
    pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    from typica.mining.codec import VaeCodec
    from typica.mining.conditioner import TextConditioner

    from .mining_helpers import tiny_parts

    parts = tiny_parts("v_prediction", factor=2)
    denoiser = Denoiser(
        VaeCodec(parts["vae"]),
        TextConditioner(parts["tokenizer"], parts["text_encoder"], PromptTemplate()),
        parts["unet"],
        NoiseSchedule.from_scheduler(parts["scheduler"]),
    )
    some = replace(collection, pictures=collection.pictures[1:3])  # two shapes
    run_about = about(draws=2, groups=2, posterior="sample")
    run(denoiser, some, run_about, tmp_path / "maps")
    denoiser.eval()
    for maps, picture in zip(read_maps(tmp_path / "maps"), some, strict=True):
        typicality, _, null, _ = plain(denoiser, picture, (picture.label,), run_about.config)
        assert maps.typicality == pytest.approx(typicality, abs=1e-5)
        assert maps.null == pytest.approx(null.numpy(), rel=1e-4)
        assert np.abs(maps.typicality).max() > 1e-4


def test_maps_of_independent_noise_are_those_of_former_versions(collection):
    """Their settings do not name the noise, so pieces that were scored before stay good."""
    denoiser = tiny_denoiser()
    plain = score_settings(denoiser, collection, about())
    assert "noise" not in plain
    other = score_settings(denoiser, collection, about(noise="balanced", groups=2))
    assert {name for name in other if other[name] != plain.get(name)} == {"noise", "groups"}


def test_a_piece_that_skips_nonsense_is_damaged(tmp_path):
    from typica.mining.maps import check_piece, piece_path
    from typica.runs import save_tensors

    about = {"format": 1, "piece": 0, "settings": {}, "pictures": [], "skipped": ["x"]}
    save_tensors(piece_path(tmp_path, 0), {"nothing": torch.zeros(1)}, about)
    with pytest.raises(RunError, match="damaged"):
        check_piece(tmp_path, 0, {})
