"""The jobs in pieces: sent to other processes and in any order, they leave the same bytes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from typica.engines import pieces as module
from typica.engines.engine import DEFAULT, Engine
from typica.errors import RunError
from typica.lines.collection import read_lines
from typica.mining import feature_job, surrogate_job
from typica.mining.config import ClusterConfig, ElementConfig, FeatureConfig, TypicalityConfig
from typica.mining.control import Coefficients
from typica.mining.feature_job import element_features, feature_pieces
from typica.mining.maps import missing_pieces
from typica.mining.scoring import score
from typica.mining.selection import select_elements
from typica.typewriter import decompose_job
from typica.typewriter.decompose_job import decompose_into
from typica.typewriter.model import Typewriter
from typica.typewriter.storage import TypewriterAbout, build, save_typewriter

from .engine_helpers import SentPool
from .helpers import never_blank, tiny_config, tiny_lines
from .mining_helpers import tiny_about, tiny_pictures, tiny_small
from .mining_helpers import tiny_config as mining_config
from .test_mining_scoring import tiny_denoiser

TWO = Engine(workers=2)


@pytest.fixture
def sent(monkeypatch):
    """Two workers that get all they know through pickle; the second piece kills its worker."""
    begun = []

    def pool(work, engine, count):
        begun.append(SentPool(work, 2, frozenset({1})))
        return begun[-1]

    monkeypatch.setattr(module, "_pool", pool)
    return begun


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def mining(tmp_path_factory):
    place = tmp_path_factory.mktemp("mining")
    config = replace(
        mining_config(),
        typicality=TypicalityConfig(draws=4, groups=2, piece=5, batch_size=8),
        elements=ElementConfig(per_label=12),
        features=FeatureConfig(ensemble=2),
        clusters=ClusterConfig(starts=2, stability_runs=2),
    )
    pictures = tiny_pictures(place / "data", count=6)
    about = tiny_about(config=config)
    score(tiny_small(), pictures, about, place / "maps", show_progress=False)
    return place, pictures, about


def test_scores_are_the_same_bytes_whoever_computes_them(mining, sent, tmp_path):
    place, pictures, about = mining
    given = {"load": tiny_small, "show_progress": False}
    done = score(tiny_small(), pictures, about, tmp_path / "two", engine=TWO, **given)
    assert tree(tmp_path / "two") == tree(place / "maps")
    assert (done.pieces, done.pictures, done.evaluations) == (4, 18, 18 * 4 * 2)
    assert sent[0].begun == 5
    for number in (1, 0):
        part = Engine(workers=2, shard=(number, 2))
        score(tiny_small(), pictures, about, tmp_path / "parts", engine=part, **given)
        assert missing_pieces(tmp_path / "parts") == ((0, 2) if number else ())
    assert tree(tmp_path / "parts") == tree(place / "maps")
    again = score(tiny_small(), pictures, about, tmp_path / "two", engine=TWO, **given)
    assert (again.pieces, again.kept) == (0, 4)
    assert len(sent) == 3  # nobody was asked


@pytest.mark.parametrize("surrogate", [None, 5])
def test_draws_by_need_are_the_same_bytes_whoever_computes_them(
    mining, sent, tmp_path, surrogate, monkeypatch
):
    followed = Coefficients(0.5, 0.5, 0.5, 0.5)  # one that learnt nothing would not be
    monkeypatch.setattr(surrogate_job, "_tried", lambda *given: followed)
    _, pictures, about = mining
    typicality = replace(
        about.config.typicality, draws=6, adaptive=2, reach=0.0, surrogate=surrogate
    )
    config = replace(about.config, typicality=typicality, elements=ElementConfig(per_label=2))
    about = replace(about, config=config)
    # not the small base, whose last layer is zero before training: all its scores are equal
    here = score(tiny_denoiser(), pictures, about, tmp_path / "one", show_progress=False)
    given = {"engine": TWO, "load": tiny_denoiser, "show_progress": False}
    done = score(tiny_denoiser(), pictures, about, tmp_path / "two", **given)
    assert 2 * 18 < done.draws == here.draws < 6 * 18
    assert len(sent) == 3  # the first pass and two rounds
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_worker_that_finds_another_model_is_told(mining, sent, tmp_path):
    _, pictures, about = mining
    given = {"engine": TWO, "show_progress": False}
    with pytest.raises(RunError, match="another model"):
        score(tiny_small(), pictures, about, tmp_path, load=partial(tiny_small, 1), **given)
    with pytest.raises(TypeError, match="load"):
        score(tiny_small(), pictures, about, tmp_path, **given)


def test_features_are_the_same_bytes_whoever_computes_them(mining, sent, tmp_path, monkeypatch):
    from typica.mining.elements import mine_elements
    from typica.mining.maps import read_maps

    monkeypatch.setattr(feature_job, "PIECE", 4)
    place, pictures, about = mining
    table = mine_elements(read_maps(place / "maps"), pictures, about, False)
    given = (tiny_small(), table, pictures, about, False)
    plain = element_features(*given, pieces=tmp_path / "one")
    found = element_features(*given, pieces=tmp_path / "two", engine=TWO, load=tiny_small)
    assert plain.equal(found)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    for number in (1, 0):
        part = Engine(workers=2, shard=(number, 2))
        feature_pieces(tmp_path / "parts", *given, engine=part, load=tiny_small)
    assert tree(tmp_path / "one") == tree(tmp_path / "parts")
    with pytest.raises(RunError, match="another model"):
        element_features(*given, engine=TWO, load=partial(tiny_small, 1))


def test_a_shard_of_a_selection_leaves_features_for_the_whole(mining, tmp_path):
    from typica.mining.folder import MiningFolder
    from typica.mining.maps import read_maps

    place, pictures, about = mining

    def select(folder, engine):
        maps = read_maps(place / "maps")
        return select_elements(
            folder, "base", maps, tiny_small(), pictures, about, engine=engine, show_progress=False
        )

    parts, whole = MiningFolder(tmp_path / "parts"), MiningFolder(tmp_path / "whole")
    for number in range(2):
        assert select(parts, Engine(shard=(number, 2))) is None
        assert not parts.elements("base").exists()
    assert select(parts, DEFAULT) is not None
    assert select(whole, DEFAULT) is not None
    assert tree(parts.folder) == tree(whole.folder)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Lines, and a typewriter that was never trained: what it reads is of no interest here."""
    place = tmp_path_factory.mktemp("lines")
    collection = tiny_lines(place, 12)
    symbols = ("a", "b", "o")
    colours = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
    about = TypewriterAbout(tiny_config(), symbols, *colours, {}, {}, None, {})
    model: Typewriter = build(about)
    never_blank(model)
    (place / "run").mkdir()
    save_typewriter(place / "run" / "model.safetensors", model.state_dict(), about)
    return place, collection


def test_lines_are_taken_apart_alike_whoever_does_it(lines, sent, tmp_path, monkeypatch):
    place, collection = lines
    monkeypatch.setattr(decompose_job, "LINES", 4)

    def take(name, engine):
        return decompose_into(
            place / "run", collection, tmp_path / name, "cpu", progress=False, engine=engine
        )

    def files(name):
        return {k: v for k, v in tree(tmp_path / name).items() if not k.endswith(".xml")}

    done = take("one", DEFAULT)
    assert (done.lines, done.pages, done.set_aside) == (12, 12, 0)
    assert done.glyphs > 12
    assert not (tmp_path / "one" / "pieces").exists()
    table = (tmp_path / "one" / "glyphs.tsv").read_text().splitlines()
    assert len(table) == done.glyphs + 1
    assert take("two", TWO).glyphs == done.glyphs
    assert files("two") == files("one")
    for number, missing in ((2, 2), (0, 1), (1, 0)):
        part = take("parts", Engine(shard=(number, 3)))
        assert (part.lines, part.missing) == (4, missing)
        assert not (tmp_path / "parts" / "glyphs.tsv").exists()
    before = (tmp_path / "parts" / "page").stat().st_mtime_ns
    assert take("parts", DEFAULT).glyphs == done.glyphs
    assert (tmp_path / "parts" / "page").stat().st_mtime_ns == before  # nothing was done again
    assert files("parts") == files("one")
    assert {k for k in tree(tmp_path / "parts") if k.endswith("xml")} == {
        k for k in tree(tmp_path / "one") if k.endswith("xml")
    }


def test_parts_of_another_typewriter_are_done_again(lines, tmp_path, monkeypatch):
    place, _ = lines
    collection = read_lines(place / "lines")
    part = Engine(shard=(0, 1))
    monkeypatch.setattr(decompose_job, "_gather", lambda *given: None)  # killed before the end
    decompose_into(place / "run", collection, tmp_path, "cpu", progress=False, engine=part)
    file = tmp_path / "pieces" / "piece-00000.json"
    first = file.stat().st_mtime_ns
    decompose_into(place / "run", collection, tmp_path, "cpu", progress=False)
    assert file.stat().st_mtime_ns == first
    monkeypatch.setattr(decompose_job, "reading_mark", lambda *given: "another")
    decompose_into(place / "run", collection, tmp_path, "cpu", progress=False)
    assert file.stat().st_mtime_ns != first
