"""Co-typicality: its definition, its sequences, its clusters, and one tiny run of the command."""

from __future__ import annotations

import json
import statistics
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.cli import main
from typica.errors import ConfigError, DependencyError, RunError
from typica.images.options import PictureOptions
from typica.images.prompts import PromptTemplate
from typica.mining.bases import load_base, save_denoiser
from typica.mining.config import ClusterConfig
from typica.mining.opening import begin
from typica.mining.patches import Patch, interpolation
from typica.mining.translation import parallel_scoring, projections
from typica.mining.translation.cotypical_options import CotypicalConfig, ProjectionConfig
from typica.mining.translation.cotypical_run import mine_cotypical, read_clusters
from typica.mining.translation.cotypical_summary import rows_per_cluster, write_cotypical_page
from typica.mining.translation.cotypicality import (
    Candidate,
    best_candidates,
    cotypicality,
    jackknife_error,
    picture_sequences,
)
from typica.mining.translation.parallel import read_parallel
from typica.mining.translation.parallel_scoring import parallel_collection, plan_parts
from typica.mining.translation.projections import choose_method, principal, project
from typica.mining.translation.sequence_clusters import cluster_sequences, mean_distances
from typica.mining.translation.sequences import (
    SequencesTable,
    patch_table,
    read_sequences,
    write_sequences,
)
from typica.mining.typicality import standard_error

from .mining_helpers import tiny_config, tiny_pictures, tiny_pipeline
from .parallel_helpers import fake_parallel
from .translation_helpers import tiny_run


@given(st.integers(1, 6), st.integers(2, 4), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_cotypicality_is_its_definition(labels, cells, side, seed):
    """Eq. 4.12 by a plain loop: the median over labels of each patch's mean typicality."""
    height, width = 10, 12
    maps = np.random.default_rng(seed).normal(size=(labels, cells, cells + 1)).astype(np.float32)
    found = cotypicality(maps, height, width, side)
    assert found.shape == (height - side + 1, width - side + 1)
    down, across = interpolation(height, cells), interpolation(width, cells + 1)
    for i in range(found.shape[0]):
        for j in range(found.shape[1]):
            values = []
            for c in range(labels):
                pixels = down @ maps[c] @ across.T
                values.append(float(pixels[i : i + side, j : j + side].mean()))
            assert found[i, j] == pytest.approx(statistics.median(values), abs=1e-5)


@given(st.integers(0, 99), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_sequences_of_a_picture_do_not_overlap(seed, kinds):
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(3, 8, 8)).astype(np.float32)
    groups = rng.normal(size=(3, 4, 8, 8)).astype(np.float32)
    groups -= groups.mean(1, keepdims=True)
    found = picture_sequences(7, maps, groups, 32, 32, (6, 9, 40)[:kinds], 5)
    assert 1 <= len(found) <= 5
    for one in found:
        assert one.number == 7
        assert one.cotypicality == pytest.approx(np.median(one.typicality), abs=1e-5)
    for one in found:
        for other in found:
            if one is not other:
                a, b = one.patch, other.patch
                rows = a.row + a.side <= b.row or b.row + b.side <= a.row
                columns = a.column + a.side <= b.column or b.column + b.side <= a.column
                assert rows or columns
    values = [one.cotypicality for one in found]
    assert values == sorted(values, reverse=True)
    best = max(cotypicality(maps, 32, 32, side).max() for side in (6, 9, 32)[:kinds])
    assert values[0] == pytest.approx(best)


def test_error_of_one_label_is_the_usual_one():
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(5, 1, 10))
    parts -= parts.mean(2, keepdims=True)
    found = jackknife_error(rng.normal(size=(5, 1)), parts)
    assert found == pytest.approx(standard_error(parts[:, 0]), rel=1e-4)


def test_error_of_a_median_is_that_of_repetitions():
    """Draw the groups anew many times: the median over labels spreads as the error says."""
    rng = np.random.default_rng(1)
    truth = np.array([0.0, 10.0, 20.0, 30.0, 40.0])  # apart, so that the same label stays median
    draws = truth[:, None] + rng.normal(size=(4000, 5, 10))
    values = draws.mean(2)
    errors = jackknife_error(values, draws - values[:, :, None])
    assert np.median(values, axis=1).std() == pytest.approx(errors.mean(), rel=0.06)


def test_best_over_all_sources_ties_by_source_then_place():
    def one(index, row, value):
        return Candidate(index, Patch(row, 0, 4), value, 0.0, (value,))

    given_ = [one(2, 0, 1.0), one(1, 8, 1.0), one(1, 0, 1.0), one(0, 0, 0.5), one(3, 0, 2.0)]
    found = best_candidates(given_, 4)
    assert [(o.number, o.patch.row) for o in found] == [(3, 0), (1, 0), (1, 8), (2, 0)]


def sequences_table(values, labels=("a", "b")):
    count = len(values)
    columns = {
        "index": np.arange(count) // 2,
        "picture": [f"a/{k // 2}.png" for k in range(count)],
        "source": ["a"] * count,
        "rank": np.arange(count),
        "work_x": np.arange(count),
        "work_y": np.arange(count) * 2,
        "side": np.full(count, 4),
        "cotypicality": values,
        "error": np.full(count, 0.1),
        "border": np.zeros(count, bool),
        "cluster": np.full(count, -1),
        "distance": np.full(count, np.nan),
        "typicality": np.array([[v - 1, v + 1] for v in values]).reshape(count, 2),
        "files": [[f"{k // 2}/{label}.png" for label in labels] for k in range(count)],
    }
    return SequencesTable.from_columns(columns, labels, {"why": "test"})


def test_members_are_sorted_by_distance_to_the_mean():
    """The nearest to the mean comes first: not the farthest, as in the paper's program."""
    rng = np.random.default_rng(3)
    centres = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    owner = np.arange(60) % 3
    points = (centres[owner] + rng.normal(size=(60, 2))).astype(np.float32)
    table = sequences_table(np.array([3.0, 1.0, 2.0])[owner])
    config = ClusterConfig(count=3, stability_runs=2, merge=None)
    table, clusters, agreement = cluster_sequences(table, points, points, config)
    assert agreement == pytest.approx(1)
    assert [one.median_cotypicality for one in clusters] == [3, 2, 1]
    for one, number in zip(clusters, (0, 2, 1), strict=True):
        members = np.flatnonzero(owner == number)
        mean = points[members].astype(np.float64).mean(0)
        by_hand = sorted(members, key=lambda m: np.linalg.norm(points[m] - mean))
        assert list(one.members) == by_hand
        assert (table.cluster[members] == one.rank).all()
        assert one.medians == pytest.approx(
            (one.median_cotypicality - 1, one.median_cotypicality + 1)
        )
        assert one.pictures == len({int(table.index[m]) for m in members})
    assert (
        mean_distances(points, owner)[clusters[0].members[0]]
        == table.distance[clusters[0].members[0]]
    )


def test_sequences_table_comes_back(tmp_path):
    table = sequences_table([3.0, 2.0, 1.0])
    write_sequences(tmp_path / "s.parquet", table)
    found = read_sequences(tmp_path / "s.parquet")
    assert found.labels == table.labels
    assert found.about == {"why": "test"}
    assert (found.files == table.files).all()
    assert np.array_equal(found.typicality, table.typicality)
    import pyarrow.parquet

    schema = pyarrow.parquet.read_schema(tmp_path / "s.parquet")
    assert all((field.metadata or {}).get(b"description") for field in schema)
    (tmp_path / "s.parquet").write_bytes(b"nonsense")
    with pytest.raises(RunError, match="Run `typica mine cotypical`"):
        read_sequences(tmp_path / "s.parquet")
    with pytest.raises(RunError, match="no such"):
        read_sequences(tmp_path / "other.parquet")


def test_patches_of_a_table_are_row_by_label():
    patches = patch_table(sequences_table([3.0, 2.0]))
    assert patches.label.tolist() == ["a", "b", "a", "b"]
    assert patches.picture.tolist() == ["0/a.png", "0/b.png"] * 2
    assert patches.work_y.tolist() == [0, 0, 2, 2]
    assert patches.typicality.tolist() == [2, 4, 1, 3]


def test_principal_components_keep_distances_and_signs():
    points = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    found = principal(points, 32)
    assert found.shape == (20, 6)
    one, other = points[:, None] - points[None], found[:, None] - found[None]
    assert np.linalg.norm(one, axis=2) == pytest.approx(np.linalg.norm(other, axis=2), abs=1e-4)
    assert (found.var(0)[:-1] >= found.var(0)[1:]).all()
    assert principal(points[::-1], 2)[::-1] == pytest.approx(found[:, :2], abs=1e-4)


def test_umap_is_taken_where_it_can_be_and_said(monkeypatch):
    points = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
    asked = {}

    class Fake:
        def __init__(self, **options):
            asked.update(options)

        def fit_transform(self, features):
            return features[:, : asked["n_components"]].astype(np.float64)

    module = types.ModuleType("umap")
    module.UMAP = Fake
    monkeypatch.setitem(sys.modules, "umap", module)
    monkeypatch.setattr(projections.importlib.util, "find_spec", lambda name: object())
    config = ProjectionConfig(components=4, seed=5)
    assert choose_method(config, 200)[0] == "umap"
    assert project(points, config, "umap").shape == (200, 4)
    assert asked == {"n_components": 4, "n_neighbors": 15, "random_state": 5, "n_jobs": 1}
    method, why = choose_method(config, 100)
    assert method == "pca"
    assert "100 sequences are too few" in why
    with pytest.raises(ConfigError, match="too few"):
        choose_method(ProjectionConfig(method="umap"), 30)
    monkeypatch.setattr(projections.importlib.util, "find_spec", lambda name: None)
    method, why = choose_method(config, 5000)
    assert method == "pca"
    assert "not installed" in why
    with pytest.raises(DependencyError, match=r"typica\[umap\]"):
        choose_method(ProjectionConfig(method="umap"), 5000)


def test_rows_of_a_page_shrink_with_labels():
    assert rows_per_cluster(32, 10) == 6
    assert rows_per_cluster(32, 40) == 2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("run"))


def test_command_end_to_end_and_growing_set(run, tmp_path, capsys, monkeypatch):
    par = fake_parallel(run, tmp_path / "par", [0, 1, 4])
    command = ["mine", "cotypical", str(par), "--device", "cpu"]
    options = ["draws=10", "per_picture=2", "clusters.count=2", "clusters.stability_runs=1"]
    for option in options:
        command += ["--set", option]
    assert main(command) == 0
    assert "scored 9 pictures" in capsys.readouterr().out
    table = read_sequences(par / "cotypical" / "sequences.parquet")
    assert 3 <= len(table) <= 6
    assert table.cotypicality == pytest.approx(np.median(table.typicality, axis=1), abs=1e-6)
    assert sorted(set(table.index.tolist())) == [0, 1, 4]
    for row in range(len(table)):
        real = table.files[row][table.labels.index(table.source[row])]
        assert real.endswith("/real.png")  # the source, not its translation to itself
    clusters = read_clusters(par / "cotypical" / "clusters.json")
    assert sorted(m for one in clusters for m in one.members) == list(range(len(table)))
    config = json.loads((par / "cotypical" / "config.json").read_text())
    assert config["config"]["draws"] == 10
    assert "principal components" in config["record"]["projection"]
    page = (par / "cotypical" / "index.html").read_text()
    assert page.count('class="real"') == page.count('<tr><th scope="row"><span')

    # the same again scores nothing; with more pictures, only those
    before = table
    assert main(command) == 0
    assert "scored 0 pictures" in capsys.readouterr().out
    again = read_sequences(par / "cotypical" / "sequences.parquet")
    assert np.array_equal(again.cotypicality, before.cotypicality)
    fake_parallel(run, par, [2])
    assert main(command) == 0
    assert "scored 3 pictures" in capsys.readouterr().out
    grown = read_sequences(par / "cotypical" / "sequences.parquet")
    assert sorted(set(grown.index.tolist())) == [0, 1, 2, 4]
    assert len(list((par / "cotypical" / "maps").glob("part-*"))) == 2

    # scored in two shards, it is the same
    other = fake_parallel(run, tmp_path / "other", [0, 1, 4])
    monkeypatch.setattr(parallel_scoring, "score", _in_pieces(parallel_scoring.score))
    config = CotypicalConfig(draws=10, per_picture=2, clusters=ClusterConfig(count=2, merge=None))
    for k in range(2):
        done = mine_cotypical(other, config, shard=(k, 2), device="cpu", show_progress=False)
        assert done.sequences is None
        assert 0 < done.pictures < 9
    done = mine_cotypical(other, config, device="cpu", show_progress=False)
    assert done.pictures == 0
    sharded = read_sequences(other / "cotypical" / "sequences.parquet")
    assert sharded.cotypicality == pytest.approx(before.cotypicality, abs=1e-6)


def _in_pieces(score):
    """The scoring job with four pictures in a piece, which cuts through sequences."""
    from dataclasses import replace

    def smaller(denoiser, collection, about, out, **options):
        typicality = replace(about.config.typicality, piece=4)
        about = replace(about, config=replace(about.config, typicality=typicality))
        return score(denoiser, collection, about, out, **options)

    return smaller


def test_a_picture_that_cannot_be_read_is_left_out(run, tmp_path):
    par = fake_parallel(run, tmp_path / "par", [0, 1, 4])
    broken = next(iter(sorted((par / "pictures" / "000001").glob("001-*.png"))))
    broken.write_bytes(b"nothing")
    config = CotypicalConfig(draws=10, clusters=ClusterConfig(count=2, merge=None))
    done = mine_cotypical(par, config, device="cpu", show_progress=False)
    assert [one.index for one in done.skipped] == [1]
    assert done.sources == 2
    table = read_sequences(par / "cotypical" / "sequences.parquet")
    assert set(table.index.tolist()) == {0, 4}


def test_faults_are_named(run, tmp_path):
    par = fake_parallel(run, tmp_path / "par", [0])
    with pytest.raises(ConfigError, match=r"no multiple of the run's typicality\.groups"):
        mine_cotypical(par, CotypicalConfig(draws=7), device="cpu", show_progress=False)
    found = read_parallel(par)
    collection = parallel_collection(par, list(found.sequences()))
    assert [one.label for one in collection] == list(run.about.labels)
    maps = tmp_path / "maps"
    assert len(plan_parts(maps, found)) == 1
    rows = par / "pictures" / "000000" / "rows.jsonl"
    rows.write_text(rows.read_text().replace('"rmse": 0.0', '"rmse": 1.5'))
    with pytest.raises(RunError, match="other translations"):
        plan_parts(maps, read_parallel(par))
    values = json.loads((par / "config.json").read_text())
    values["run"]["digest"] = "0" * 32
    (par / "config.json").write_text(json.dumps(values))
    with pytest.raises(RunError, match="not the one"):
        mine_cotypical(par, CotypicalConfig(), device="cpu", show_progress=False)
    rows.unlink()
    with pytest.raises(RunError, match="no picture is translated"):
        plan_parts(maps, read_parallel(par))


def test_stable_diffusion_works_alike(tmp_path):
    """Latents, codec and text encoder of a tiny pipeline: the same command, the same tables."""
    tiny_pictures(tmp_path / "data", 2, side=32)
    base = tiny_pipeline(tmp_path / "base")
    started = begin(
        tmp_path / "data",
        tmp_path / "run",
        base=str(base),
        prompt=PromptTemplate(),
        config=tiny_config(32),
        reading=PictureOptions(),
        device="cpu",
    )
    save_denoiser(load_base(str(base), started.about), started.folder.denoiser, started.about)
    par = fake_parallel(started, tmp_path / "par", [0, 1, 3])
    config = CotypicalConfig(draws=10, clusters=ClusterConfig(count=2, merge=None))
    done = mine_cotypical(par, config, device="cpu", show_progress=False)
    assert done.pictures == 9
    table = read_sequences(par / "cotypical" / "sequences.parquet")
    assert table.cotypicality == pytest.approx(np.median(table.typicality, axis=1), abs=1e-6)
    assert write_cotypical_page(par).exists()
