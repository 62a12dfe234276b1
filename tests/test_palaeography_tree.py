"""The tree of documents."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform
from scipy.stats import binom

from typica.palaeography.differences import l2, letter_distances, mean_distances, usable
from typica.palaeography.tree import Tree, document_tree, newick

from .prototype_helpers import make_prototypes


def tree_of(seed: int, families: tuple[str, ...], **choices: float) -> tuple[Tree, np.ndarray]:
    made = make_prototypes(seed, families, "abcdef", **choices)  # type: ignore[arg-type]
    distances = letter_distances(made.pictures, usable(made, 5), l2)
    return document_tree(distances, made.groups, draws=200), distances


def leaves(tree: Tree, cluster: int) -> set[int]:
    if cluster < len(tree.names):
        return {cluster}
    row = tree.merges[cluster - len(tree.names)]
    return leaves(tree, int(row[0])) | leaves(tree, int(row[1]))


def parse(text: str) -> tuple[dict[str, float], dict[frozenset[str], str]]:
    """The height below the root of every leaf, and the label of every cluster of a Newick text."""
    tokens = re.findall(r"'(?:[^']|'')*'|[(),:;]|[^(),:;\s']+", text)
    clusters: dict[frozenset[str], str] = {}

    def node(place: int) -> tuple[dict[str, float], int]:
        depths: dict[str, float] = {}
        if tokens[place] == "(":
            while tokens[place] in "(,":
                below, place = node(place + 1)
                depths |= below
            assert tokens[place] == ")"
            place += 1
            label = ""
            if tokens[place] not in ":;":
                label = tokens[place]
                place += 1
            clusters[frozenset(depths)] = label
        else:
            name = tokens[place]
            if name.startswith("'"):
                name = name[1:-1].replace("''", "'")
            depths, place = {name: 0.0}, place + 1
        if tokens[place] == ":":
            length = float(tokens[place + 1])
            depths = {name: depth + length for name, depth in depths.items()}
            place += 2
        return depths, place

    depths, place = node(0)
    assert tokens[place:] == [";"]
    return depths, clusters


def test_families_are_branches_with_support() -> None:
    tree, distances = tree_of(0, ("A", "B") * 4, family_effect=0.08, document_effect=0.06)
    clusters = [leaves(tree, 8 + i) for i in range(7)]
    for family in ({0, 2, 4, 6}, {1, 3, 5, 7}):
        assert family in clusters
        assert tree.support[clusters.index(family)] == 1
    assert np.isnan(tree.support[-1])
    assert sorted(tree.order) == list(range(8))
    assert {i % 2 for i in tree.order[:4]} in ({0}, {1})
    means = mean_distances(distances)[0]
    expected = hierarchy.linkage(squareform(means, checks=False), "average")
    assert tree.merges[:, 2] == pytest.approx(expected[:, 2])
    along = squareform(hierarchy.cophenet(expected))
    upper = np.triu_indices(8, 1)
    assert tree.cophenetic == pytest.approx(np.corrcoef(means[upper], along[upper])[0, 1])


def test_chance_splits_have_little_support() -> None:
    support = [tree_of(seed, ("A",) * 8, document_effect=0.1)[0].support for seed in range(5)]
    assert np.nanmean(support) < 0.6


def test_support_is_the_share_of_draws() -> None:
    # letter 0 puts 0 with 1, letter 1 puts 0 with 2; the first shouts louder
    by_letter = np.zeros((2, 3, 3))
    by_letter[0] = [[0, 1, 9], [1, 0, 9], [9, 9, 0]]
    by_letter[1] = [[0, 5, 3], [5, 0, 5], [3, 5, 0]]
    tree = document_tree(by_letter, ("x", "y", "z"), draws=400, seed=5)
    assert leaves(tree, 3) == {0, 1}
    # lost only if the second letter is drawn twice: one time in four
    low, high = binom.ppf([1e-4, 1 - 1e-4], 400, 0.75)
    assert low <= 400 * tree.support[0] <= high
    again = document_tree(by_letter, ("x", "y", "z"), draws=400, seed=5)
    assert again.support[0] == tree.support[0]


def test_one_letter_has_no_support() -> None:
    by_letter = squareform(np.array([1.0, 2, 3]))[None]
    tree = document_tree(by_letter, ("x", "y", "z"))
    assert np.isnan(tree.support).all()
    assert tree.draws == 0
    assert newick(tree) in ("((x:0.5,y:0.5):0.75,z:1.25);\n", "(z:1.25,(x:0.5,y:0.5):0.75);\n")


def test_groups_without_common_letters_are_left_out_and_draws_counted() -> None:
    made = make_prototypes(1, ("A",) * 5, "abc", document_effect=0.1)
    use = np.ones((5, 3), bool)
    use[4] = False
    use[1] = [True, False, False]
    distances = letter_distances(made.pictures, use, l2)
    tree = document_tree(distances, made.groups, draws=300)
    assert tree.left_out == ("doc4",)
    assert tree.names == ("doc0", "doc1", "doc2", "doc3")
    # of the three letters only `a` compares doc1: draws without it cannot be used
    low, high = binom.ppf([1e-4, 1 - 1e-4], 300, 1 - (2 / 3) ** 3)
    assert low <= tree.draws <= high
    assert np.isfinite(tree.support[:-1]).all()


def test_two_groups_and_one() -> None:
    tree = document_tree(np.array([[[0, 2.0], [2, 0]]] * 3), ("x", "y"))
    assert newick(tree) in ("(x:1,y:1);\n", "(y:1,x:1);\n")
    assert np.isnan(tree.cophenetic)
    one = document_tree(np.zeros((2, 1, 1)), ("x",))
    assert newick(one) == "x;\n"
    nothing = np.full((2, 2, 2), np.nan)
    apart = document_tree(nothing, ("x", "y"))
    assert newick(document_tree(nothing[:, :0, :0], ())) == ";\n"
    assert len(apart.names) + len(apart.left_out) == 2


@pytest.mark.parametrize("linkage", ["average", "complete", "single", "weighted"])
def test_newick_holds_the_tree(linkage: str) -> None:
    made = make_prototypes(2, ("A",) * 7, "abcd", document_effect=0.1)
    names = ("plain", "two words", "it's", "a,b", "(c)", "under_score", "Ħ:1")
    distances = letter_distances(made.pictures, usable(made, 5), l2)
    tree = document_tree(distances, names, linkage, draws=50)  # type: ignore[arg-type]
    depths, clusters = parse(newick(tree))
    assert set(depths) == set(names)
    assert list(depths.values()) == pytest.approx([tree.merges[-1, 2] / 2] * 7, rel=1e-4)
    for number, share in enumerate(tree.support):
        found = clusters[frozenset(names[i] for i in leaves(tree, 7 + number))]
        assert found == ("" if np.isnan(share) else f"{100 * share:.0f}")
    assert len(clusters) == 6


@given(st.text(min_size=1, max_size=8).filter(lambda t: not re.search(r"[\r\n\t\x1c-\x1f]", t)))
def test_any_name_survives_newick(name: str) -> None:
    tree = document_tree(np.array([[[0, 2.0], [2, 0]]]), (name, "other one"))
    assert set(parse(newick(tree))[0]) == {name, "other one"}
