"""Draws by need: joining against one pass, the choice against plain lists, whole jobs cut short."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_mining_scoring import LABELS, SIZES, plain, run, tiny_denoiser
from tests.test_mining_scoring import collection as collection  # a fixture
from typica.engines.engine import Engine
from typica.errors import ConfigError, RunError
from typica.images.picture import PictureCollection
from typica.images.prompts import PromptTemplate
from typica.mining.config import ElementConfig, MiningConfig, TypicalityConfig
from typica.mining.draws import Draws
from typica.mining.elements import label_elements
from typica.mining.folder import MiningAbout
from typica.mining.localisation_options import LocalisationOptions
from typica.mining.localisation_run import scoring_options
from typica.mining.maps import PictureMaps, missing_pieces, piece_path, read_maps
from typica.mining.rounds import Standing, bars_of, joined, reaching
from typica.mining.typicality import standard_error


def about(per_label: int = 2, **options) -> MiningAbout:
    """Blocks of 4, 4, 8 and 4 draws."""
    given = {"draws": 20, "adaptive": 4, "groups": 4, "piece": 2, "batch_size": 16, "reach": 0.2}
    config = MiningConfig(
        size=16,
        typicality=TypicalityConfig(**given | options),
        elements=ElementConfig(scales=(0.4,), per_label=per_label),
    )
    return MiningAbout(config, "small", PromptTemplate(), LABELS, 2, {"name": "x"}, {})


def files(folder: Path) -> dict[str, bytes]:
    """All files by their path within a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@given(
    first=st.integers(1, 6),
    groups=st.integers(2, 10),
    more=st.integers(1, 40),
)
def test_blocks_double_what_is_there_and_sum_to_the_draws(first, groups, more):
    config = TypicalityConfig(draws=(first + more) * groups, groups=groups, adaptive=first * groups)
    blocks = config.blocks
    assert blocks[0] == config.adaptive
    assert sum(blocks) == config.draws
    assert all(size % groups == 0 for size in blocks)
    for number in range(1, len(blocks) - 1):
        assert blocks[number] == sum(blocks[:number])
    assert 0 < blocks[-1] <= sum(blocks[:-1])
    assert TypicalityConfig(draws=20).blocks == (20,)


@pytest.mark.parametrize("options", [{"adaptive": 100}, {"adaptive": 15}, {"adaptive": 0}])
def test_impossible_first_passes_are_told(options):
    with pytest.raises(ConfigError, match=r"typicality\.adaptive"):
        TypicalityConfig(**options)


def test_blocks_too_small_to_be_balanced_are_told():
    with pytest.raises(ConfigError, match="4 draws in every round, not 4, 4, 2"):
        TypicalityConfig(draws=10, adaptive=4, groups=2, noise="balanced")


@pytest.mark.parametrize("noise", ["independent", "balanced"])
def test_a_block_is_a_job_of_its_own(noise):
    config = TypicalityConfig(draws=20, adaptive=4, groups=4, noise=noise, seed=7)
    few = Draws.of(TypicalityConfig(draws=4, groups=4, noise=noise, seed=7))
    first = Draws.of(config, 0)
    assert np.array_equal(first.fractions, few.fractions)
    assert np.array_equal(first.noise(3, (2, 3, 3)), few.noise(3, (2, 3, 3)))
    later = [Draws.of(config, block) for block in range(4)]
    assert [len(one) for one in later] == [4, 4, 8, 4]
    # blocks of one size have other times and noises; those of another total the same
    assert not np.isin(later[1].fractions, later[3].fractions).any()
    assert not np.array_equal(later[1].noise(0, (2, 3, 3)), later[3].noise(0, (2, 3, 3)))
    longer = Draws.of(replace(config, draws=32), 2)
    assert np.array_equal(longer.fractions, later[2].fractions)
    assert np.array_equal(longer.noise(5, (1, 2, 2)), later[2].noise(5, (1, 2, 2)))
    other = Draws.of(replace(config, seed=8), 2)
    assert not np.array_equal(other.fractions, later[2].fractions)


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    groups=st.integers(2, 6),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_joined_blocks_are_one_pass_over_all_draws(sizes, groups, seed):
    random = np.random.default_rng(seed)
    parts, losses, dealt = [], [], []
    for size in sizes:
        draws = size * groups
        every = random.normal(0.3, 1, (draws, 2, 3, 4)).astype(np.float32)  # (S, K, h, w)
        means = np.stack([every[g::groups].mean(0) for g in range(groups)], 1)
        mean = means.mean(1)
        null, change = every[:, 0].mean(0), np.square(every).mean(0)
        parts.append(
            PictureMaps(3, "x", ("a", "b"), mean, means - mean[:, None], null, 4, draws, change)
        )
        losses.append(every)
        dealt.append(np.arange(draws) % groups)
    every, dealt_to = np.concatenate(losses).astype(np.float64), np.concatenate(dealt)
    found = joined(parts)
    assert found.draws == len(every)
    assert found.typicality == pytest.approx(every.mean(0), abs=1e-6)
    assert found.null == pytest.approx(every[:, 0].mean(0), abs=1e-6)
    assert found.information == pytest.approx(np.square(every).mean(0), abs=1e-5)
    former = replace(parts[0], information=None)
    assert joined([*parts, former]).information is None
    for g in range(groups):
        deviation = every[dealt_to == g].mean(0) - every.mean(0)
        assert found.groups[:, g] == pytest.approx(deviation, abs=2e-6)
    assert found.typicality.dtype == found.groups.dtype == np.float32


SCORES = st.lists(st.integers(-3, 6), max_size=4)


@given(
    pictures=st.lists(st.tuples(st.sampled_from("ab"), SCORES, st.integers(0, 2)), max_size=14),
    per_label=st.integers(1, 6),
    seed=st.integers(0, 99),
)
@settings(max_examples=200)
def test_the_choice_is_that_of_plain_sorted_lists(pictures, per_label, seed):
    some = [
        Standing(i, label, tuple(sorted(scores, reverse=True)), max(scores, default=-99) + more)
        for i, (label, scores, more) in enumerate(pictures)
    ]
    mixed = [some[i] for i in np.random.default_rng(seed).permutation(len(some))]
    expected = set()
    for i, (label, scores, more) in enumerate(pictures):
        every = sorted(
            (s for other, own, _ in pictures if other == label for s in own), reverse=True
        )
        if len(every) < per_label or max(scores, default=-99) + more >= every[per_label - 1]:
            expected.add(i)
    assert reaching(mixed, bars_of(mixed, per_label)) == expected


def by_hand(denoiser, collection: PictureCollection, about: MiningAbout) -> list[PictureMaps]:
    """The rounds, naively: every picture by the plain loop, all elements in one sorted list."""
    config = about.config.typicality

    def block(index: int, number: int) -> PictureMaps:
        picture = collection.pictures[index]
        drawn = Draws.of(config, number)
        alone = replace(
            config, draws=len(drawn), adaptive=None, seed=config.seed if number == 0 else drawn.seed
        )
        labels = (picture.label,)
        typicality, groups, null, information = plain(
            denoiser, picture, labels, replace(about.config, typicality=alone)
        )
        found = (typicality, groups, null.numpy(), 12, len(drawn), information)
        return PictureMaps(index, picture.id, labels, *found)

    parts = [[block(i, 0)] for i in range(len(collection))]
    for _ in config.blocks[1:]:
        picks = [
            (one.typicality, one.error, i, label)
            for i, own in enumerate(parts)
            for label, kinds in label_elements(joined(own), collection, about).items()
            for one in kinds["typical"]
        ]
        wanted = set()
        for label in LABELS:
            own_picks = sorted((p for p in picks if p[3] == label), reverse=True)
            bar = own_picks[about.config.elements.per_label - 1][0]
            wanted |= {i for score, error, i, _ in own_picks if score + config.reach * error >= bar}
        for i in wanted:
            if len(parts[i]) < len(config.blocks):
                parts[i].append(block(i, len(parts[i])))
    return [joined(own) for own in parts]


@pytest.mark.parametrize(
    "options", [{}, {"sampling": "uniform", "reach": 0.0}, {"posterior": "sample"}]
)
def test_rounds_are_those_of_the_plain_loop(collection, tmp_path, options):
    denoiser, run_about = tiny_denoiser(), about(**options)
    result = run(denoiser, collection, run_about, tmp_path / "maps")
    found = list(read_maps(tmp_path / "maps"))
    expected = by_hand(denoiser, collection, run_about)
    assert [m.draws for m in found] == [m.draws for m in expected]
    assert len({m.draws for m in found}) > 1  # some were given more than others
    for one, other in zip(found, expected, strict=True):
        assert one.typicality == pytest.approx(other.typicality, abs=2e-6)
        assert one.null == pytest.approx(other.null, rel=1e-5)
        assert one.information == pytest.approx(other.information, rel=1e-4, abs=1e-9)
        size = float(np.abs(other.groups).max())
        assert one.groups == pytest.approx(other.groups, abs=3e-3 * size)
    assert result.draws == sum(m.draws for m in found)
    assert result.evaluations == 2 * result.draws
    assert (result.pictures, result.waiting) == (len(SIZES), None)
    names = set(files(tmp_path / "maps"))
    assert names == {piece_path(Path(), piece).name for piece in range(5)} | {
        f"rounds/bars-{number:02d}.json" for number in (1, 2, 3)
    }  # the blocks are gone


@pytest.mark.parametrize(
    "options", [{}, {"noise": "balanced"}, {"sampling": "importance"}, {"surrogate": 3}]
)
def test_shards_give_the_bytes_of_one_job_and_wait_for_each_other(collection, tmp_path, options):
    run_about = about(**options)
    run(tiny_denoiser(), collection, run_about, tmp_path / "whole")
    out, waiting = tmp_path / "parts", {}
    for turn in range(5):
        order = (2, 0, 1) if turn % 2 else (1, 2, 0)
        for shard in order:
            engine = Engine(shard=(shard, 3))
            done = run(tiny_denoiser(), collection, run_about, out, engine=engine)
            waiting[turn, shard] = done.waiting
    assert "others are not: 3 of 5 pieces are missing" in waiting[0, 1]
    assert "round 0 of 3" in waiting[0, 2]
    assert waiting[1, 0] is not None
    assert not any(waiting[4, shard] for shard in range(3))
    assert files(out) == files(tmp_path / "whole")


def test_a_shard_that_is_told_to_go_on_too_early_does_nothing(collection, tmp_path):
    engine = Engine(shard=(0, 2))
    run(tiny_denoiser(), collection, about(), tmp_path / "maps", engine=engine)
    before = files(tmp_path / "maps")
    denoiser = tiny_denoiser()
    done = run(denoiser, collection, about(), tmp_path / "maps", engine=engine)
    assert done.waiting is not None
    assert denoiser.unet.batches == []
    assert files(tmp_path / "maps") == before
    with pytest.raises(RunError, match="no typicality maps"):
        missing_pieces(tmp_path / "maps")


def test_a_job_that_is_interrupted_anywhere_gives_the_same_bytes(collection, tmp_path):
    whole = tiny_denoiser()
    run(whole, collection, about(), tmp_path / "whole")
    batches, expected = len(whole.unet.batches), files(tmp_path / "whole")
    for stop in (7, 12, 16):  # a piece of the first pass takes 4 to 8 batches
        out = tmp_path / f"{stop}"
        sessions, done = 0, None
        while done is None and sessions < 200:
            sessions += 1
            denoiser = tiny_denoiser()
            denoiser.unet.stop_after = stop
            with contextlib.suppress(KeyboardInterrupt):
                done = run(denoiser, collection, about(), out)
        assert done is not None
        assert sessions > batches // stop
        assert files(out) == expected
    again = tiny_denoiser()
    assert run(again, collection, about(), tmp_path / "7").evaluations == 0
    assert again.unet.batches == []


def test_a_job_that_ends_before_its_first_piece_leaves_no_folder(collection, tmp_path):
    denoiser = tiny_denoiser()
    denoiser.unet.stop_after = 0
    with pytest.raises(KeyboardInterrupt):
        run(denoiser, collection, about(), tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def test_batches_change_nothing_but_the_last_digits(collection, tmp_path):
    reference = None
    for batch_size in (5, 64):
        run(tiny_denoiser(), collection, about(batch_size=batch_size), tmp_path / f"{batch_size}")
        found = list(read_maps(tmp_path / f"{batch_size}"))
        reference = reference or found
        for one, other in zip(found, reference, strict=True):
            assert one.draws == other.draws
            assert one.typicality == pytest.approx(other.typicality, abs=5e-7)


def test_a_piece_that_is_lost_later_is_made_again_by_the_bars_that_were_kept(collection, tmp_path):
    out = tmp_path / "maps"
    run(tiny_denoiser(), collection, about(), out)
    expected = files(out)
    piece_path(out, 3).unlink()
    done = run(tiny_denoiser(), collection, about(), out)
    assert (done.pictures, done.draws) == (2, sum(m.draws for m in list(read_maps(out))[6:8]))
    assert files(out) == expected
    piece_path(out, 3).unlink()
    (out / "rounds" / "bars-02.json").unlink()
    with pytest.raises(RunError, match="Delete the folder maps/ to score anew"):
        run(tiny_denoiser(), collection, about(), out)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"bars": {"a": "x"}, "settings": {}}', '{"bars": {}}']
)
def test_damaged_bars_are_told(collection, tmp_path, text):
    out = tmp_path / "maps"
    run(tiny_denoiser(), collection, about(), out)
    piece_path(out, 0).unlink()
    path = out / "rounds" / "bars-01.json"
    path.write_text(text)
    with pytest.raises(RunError, match=r"bars-01\.json: damaged"):
        run(tiny_denoiser(), collection, about(), out)


def test_bars_of_other_settings_are_refused(collection, tmp_path):
    out = tmp_path / "maps"
    run(tiny_denoiser(), collection, about(), out)
    piece_path(out, 0).unlink()
    path = out / "rounds" / "bars-01.json"
    kept = json.loads(path.read_text())
    kept["settings"]["seed"] = 1
    path.write_text(json.dumps(kept))
    with pytest.raises(RunError, match="of other settings"):
        run(tiny_denoiser(), collection, about(), out)


def test_what_decides_who_gets_more_is_among_the_settings(collection, tmp_path):
    run(tiny_denoiser(), collection, about(), tmp_path / "maps")
    for other, named in (
        (about(per_label=3), "elements"),
        (about(reach=2.0), "reach"),
        (about(adaptive=8), "adaptive"),
    ):
        with pytest.raises(RunError, match=rf"\({named}\)"):
            run(tiny_denoiser(), collection, other, tmp_path / "maps")


def test_a_label_with_too_few_patches_gives_all_its_pictures_all_draws(collection, tmp_path):
    run(tiny_denoiser(), collection, about(per_label=1000), tmp_path / "maps")
    assert {m.draws for m in read_maps(tmp_path / "maps")} == {20}


def test_a_picture_that_vanishes_between_rounds_keeps_what_it_has(collection, tmp_path):
    denoiser, out = tiny_denoiser(), tmp_path / "maps"
    # after the first pass over its pieces, 0, 2 and 4, a shard waits for the other
    run(denoiser, collection, about(per_label=1000), out, engine=Engine(shard=(0, 2)))
    collection.pictures[4].path.unlink()
    done = run(denoiser, collection, about(per_label=1000), out)
    found = {m.index: m for m in read_maps(out)}
    assert found[4].draws == 4
    assert {m.draws for i, m in found.items() if i != 4} == {20}
    assert [one.id for one in done.skipped] == [collection.pictures[4].id]


def test_progress_says_which_round_it_is(collection, tmp_path, capsys):
    from typica.mining.scoring import score

    score(tiny_denoiser(), collection, about(), tmp_path / "maps")
    told = capsys.readouterr()
    assert told.out == ""
    assert "score, first pass" in told.err
    assert "36/36 draws" in told.err
    assert "before round 1 of 3" in told.err
    assert "score, round 3 of 3" in told.err


def test_comparisons_over_all_pictures_give_all_the_same():
    given = TypicalityConfig(draws=20, groups=10, adaptive=10)
    assert scoring_options(given, LocalisationOptions()).adaptive is None


def test_fewer_draws_find_as_many_of_the_best_and_their_errors_stay_honest():
    """Known scores and noise: of 600 pictures with 25 places each, the best 150 of 3000 picks.

    Noise as large as where 100 draws rank patches by 0.98; at half the draws or fewer the overlap
    is that of all draws for all, and the errors of the winners hold as often.
    """
    random = np.random.default_rng(1)
    count, places, kept, groups = 600, 25, 150, 10
    truth = random.normal(0, 0.7, (count, 1)) + random.normal(0, 0.7, (count, places))
    noise = 2 * np.exp(0.3 * random.normal(size=(count, 1)))
    sizes = TypicalityConfig(draws=80, adaptive=10).blocks

    def block(index: int, draws: int) -> PictureMaps:
        spread = noise[index] * np.sqrt(groups / draws)
        means = truth[index] + spread * random.normal(size=(groups, places))
        mean = means.mean(0)
        shaped = (means - mean).reshape(1, groups, 5, 5)
        return PictureMaps(
            index, "", ("a",), mean.reshape(1, 5, 5), shaped, mean.reshape(5, 5), 1, draws
        )

    def picks(maps: PictureMaps) -> list[tuple[float, float, int, int]]:
        errors = standard_error(maps.groups[0], 0).ravel()
        values = maps.typicality[0].ravel()
        return [(values[i], errors[i], maps.index, i) for i in np.argsort(-values)[:5]]

    def best(some) -> list[tuple[float, float, int, int]]:
        return sorted((one for maps in some for one in picks(maps)), reverse=True)[:kept]

    def judged(some) -> tuple[float, float, float]:
        found = best(some)
        share = len({one[2:] for one in found} & goal) / kept
        excess = np.array([(value - truth[i, j]) / error for value, error, i, j in found])
        return share, float((np.abs(excess) < 1.96).mean()), float(excess.mean())

    exact = np.sort(np.sort(truth, 1)[:, -5:].ravel())[-kept]
    goal = set(map(tuple, np.argwhere(truth >= exact)))
    plain_maps = {n: [block(i, n) for i in range(count)] for n in (20, 80)}
    parts = [[block(i, sizes[0])] for i in range(count)]
    for _ in sizes[1:]:
        some = []
        for maps in map(joined, parts):
            own = picks(maps)
            upper = max(value + error for value, error, *_ in own)  # a reach of one
            some.append(Standing(maps.index, "a", tuple(one[0] for one in own), upper))
        for i in reaching(some, bars_of(some, kept)):
            if len(parts[i]) < len(sizes):
                parts[i].append(block(i, sizes[len(parts[i])]))
    found = [joined(own) for own in parts]
    mean = np.mean([one.draws for one in found])
    share, coverage, optimism = judged(found)
    whole, whole_coverage, whole_optimism = judged(plain_maps[80])
    few, _, few_optimism = judged(plain_maps[20])
    assert mean < 40
    assert share > whole - 0.06
    assert share > few + 0.05
    assert coverage > whole_coverage - 0.06
    assert abs(optimism - whole_optimism) < 0.2
    assert optimism < few_optimism
