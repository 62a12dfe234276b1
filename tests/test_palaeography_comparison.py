"""The whole comparison: values, files, criteria, command."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from typica.cli.palaeography import palaeography_compare
from typica.configs import with_changes
from typica.errors import ConfigError, DataError, RunError
from typica.palaeography.comparing import compare, distance_named
from typica.palaeography.comparison import Comparison
from typica.palaeography.comparison_files import write_comparison
from typica.palaeography.comparison_options import ComparisonOptions
from typica.palaeography.criteria import (
    Criterion,
    criteria_of_letter,
    criteria_without_letter,
    read_criteria,
)
from typica.palaeography.prototypes import Prototypes, save_prototypes
from typica.palaeography.similarity import ssim

from .prototype_helpers import make_prototypes

QUICK = ComparisonOptions(permutations=199, draws=50)


@pytest.fixture(scope="module")
def made() -> Prototypes:
    """Two clear families, one planted outlier, some gaps."""
    some = make_prototypes(
        4,
        ("N", "N", "N", "N", "S", "S", "S", "S"),
        "abcdd",
        family_effect=0.08,
        document_effect=0.05,
        like={1: "S"},
    )
    counts, errors = some.counts.copy(), some.errors.copy()
    counts[2, 0], counts[5, 1] = 1, 0
    errors[3, 2] = np.nan
    return replace(some, counts=counts, errors=errors)


@pytest.fixture(scope="module")
def compared(made: Prototypes) -> Comparison:
    return compare(made, QUICK, (Criterion("a", "closed", family="N"), Criterion("z", "none")))


def read(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def same(text: str, value: float) -> bool:
    return text == "" if np.isnan(value) else float(text) == pytest.approx(value, rel=1e-5)


def test_comparison_finds_what_was_planted(compared: Comparison) -> None:
    assert compared.letters == ("a", "b", "c", "d (1)", "d (2)")
    assert np.flatnonzero(compared.by_document.outlier).tolist() == [1]
    assert compared.family_tests.outlier_p[1] < 0.1
    assert compared.overall_q[0, 4] < 0.01
    assert [one.families for one in compared.discriminative] == [("N", "S")]
    assert compared.notes == ("criteria for letters that have no prototype: z",)
    assert [one.letter for one in compared.criteria] == ["a"]
    summary = "\n".join(compared.summary())
    assert "doc1 (N) is nearer to S" in summary
    assert "leave-one-out" in summary


def test_files_say_what_the_comparison_says(compared: Comparison, tmp_path: Path) -> None:
    files = write_comparison(tmp_path / "new", compared)
    assert {f.name for f in files} == {f.name for f in (tmp_path / "new").iterdir()}
    letter = {name: k for k, name in enumerate(compared.letters)}
    group = {name: g for g, name in enumerate(compared.groups)}
    rows = read(tmp_path / "new" / "distances.csv")
    assert len(rows) == 8 * 7 // 2 * 5
    for row in rows:
        a, b, k = group[row["group_a"]], group[row["group_b"]], letter[row["letter"]]
        assert same(row["distance"], compared.distances[k, a, b])
        assert same(row["p"], compared.tests.p[k, a, b])
        assert same(row["z"], compared.tests.z[k, a, b])
        assert same(row["q"], compared.q[k, a, b])
        assert bool(row["note"]) == (row["p"] == "")
        if row["distance"] == "":
            assert "too few occurrences in doc" in row["note"]
        elif row["p"] == "":
            assert row["note"] == "standard errors not known"
    assert sum(row["distance"] == "" for row in rows) == 14
    assert sum(row["note"] == "standard errors not known" for row in rows) == 7
    for row in read(tmp_path / "new" / "pairs.csv"):
        a, b = group[row["group_a"]], group[row["group_b"]]
        assert same(row["distance"], compared.means[a, b])
        assert int(row["letters"]) == compared.shared[a, b]
        assert same(row["q"], compared.overall_q[a, b])
    rows = read(tmp_path / "new" / "graphs.csv")
    assert len(rows) == 8 * 5 * 2
    for row in rows:
        g, k = group[row["group"]], letter[row["letter"]]
        f = ("N", "S").index(row["to"])
        assert same(row["distance"], compared.by_letter.distances[g, k, f])
        assert row["outlier"] == str(bool(compared.by_letter.outlier[g, k])).lower()
        assert bool(row["note"]) == (row["distance"] == "")
    for row in read(tmp_path / "new" / "documents.csv"):
        g = group[row["group"]]
        assert same(row["to S"], compared.by_document.distances[g, 1])
        assert same(row["p"], compared.family_tests.outlier_p[g])
        assert row["nearest"] == ("S" if g == 1 or g > 3 else "N")
    for row in read(tmp_path / "new" / "spread.csv"):
        f, k = ("N", "S").index(row["family"]), letter[row["letter"]]
        assert same(row["spread"], compared.spread.values[f, k])
    rows = read(tmp_path / "new" / "discriminative.csv")
    effects = [float(row["effect"]) for row in rows]
    assert effects == sorted(effects, reverse=True)
    assert len(effects) == 5
    values = json.loads((tmp_path / "new" / "comparison.json").read_text(encoding="utf-8"))
    assert values == json.loads(json.dumps(compared.as_dict()))
    assert values["documents"][1]["nearest"] == "S"
    assert values["confusion"] == [[3, 1], [0, 4]]
    assert values["criteria"] == [{"letter": "a", "text": "closed", "criterion": "", "family": "N"}]
    assert (tmp_path / "new" / "tree.nwk").read_text(encoding="utf-8").startswith("((")


def test_comparison_is_a_function_of_the_seed(made: Prototypes) -> None:
    one = compare(made, replace(QUICK, permutations=30)).as_dict()
    assert compare(made, replace(QUICK, permutations=30)).as_dict() == one
    other = compare(made, replace(QUICK, permutations=30, seed=1)).as_dict()
    other["options"] = one["options"]
    assert other != one


def test_chosen_letters_keep_their_labels(made: Prototypes) -> None:
    some = compare(made, replace(QUICK, letters=("d (2)", "a")))
    assert some.letters == ("a", "d (2)")
    assert compare(made, replace(QUICK, letters=("d",))).letters == ("d (1)", "d (2)")
    with pytest.raises(ConfigError, match=r"'x'; there are a b c d \(1\) d \(2\)"):
        compare(made, replace(QUICK, letters=("x",)))


def test_given_effective_pixels_are_used(made: Prototypes) -> None:
    given = np.array([10.0, np.nan, 30.0, 40.0, 50.0])
    found = compare(made, replace(QUICK, letters=("b", "c")), effective=given)
    guessed = compare(made, replace(QUICK, letters=("b", "c")))
    assert found.effective[1] == 30
    assert found.effective[0] == guessed.effective[0]
    assert found.effective_of != guessed.effective_of
    assert found.tests.p[1, 0, 4] != guessed.tests.p[1, 0, 4]


def test_published_graph_is_an_option(made: Prototypes) -> None:
    published = compare(made, replace(QUICK, leave_one_out=False))
    own = compare(made, QUICK)
    upper = published.by_document.distances[0, 0], own.by_document.distances[0, 0]
    assert upper[0] < 0.8 * upper[1]
    # the tests leave the document out in either case
    assert published.family_tests.outlier == pytest.approx(own.family_tests.outlier)


def test_two_groups_without_families(made: Prototypes) -> None:
    pair = replace(made.some_groups([0, 4]), families=("", ""))
    found = compare(pair, QUICK)
    assert np.isfinite(found.distances[0, 0, 1])
    notes = " / ".join(found.notes)
    assert "too few documents" in notes
    assert "no group has a family" in notes
    assert found.as_dict()["overall_p"] == [[None, None], [None, None]]


def test_notes_say_what_is_missing(made: Prototypes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="only one group"):
        compare(made.some_groups([0]), QUICK)
    lonely = replace(made, families=("N",) * 7 + ("S",), errors=np.full_like(made.errors, np.nan))
    notes = " / ".join(compare(lonely, QUICK).notes)
    assert "family S has one document" in notes
    assert "no standard errors" in notes
    counts = made.counts.copy()
    counts[:, 1], counts[6] = 0, 0
    few = compare(replace(made, counts=counts), QUICK)
    notes = " / ".join(few.notes)
    assert "fewer than two groups have 5 occurrences: b (1 in all)" in notes
    assert "no letter occurs 5 times in doc6" in notes
    assert "not in the tree for want of common letters: doc6" in notes
    many = replace(
        make_prototypes(0, letters="\ue8bf " + "x" * 30), counts=np.zeros((8, 32), np.int64)
    )
    (note, *_) = compare(many, QUICK).notes
    shown = " ".join(f"x ({n})" for n in range(1, 19))
    assert note.endswith(f": U+E8BF U+0020 {shown} ... (32 in all)")
    none = compare(replace(made, counts=np.zeros_like(made.counts)), QUICK)
    write_comparison(tmp_path, none)
    assert {row["distance"] for row in read(tmp_path / "distances.csv")} == {""}


@pytest.mark.parametrize(
    "wrong",
    [
        {"least": 0},
        {"letters": ("a", "")},
        {"distance": "l3"},
        {"linkage": "ward"},
        {"permutations": 5},
        {"draws": -1},
        {"seed": -1},
    ],
)
def test_wrong_options(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ComparisonOptions(**wrong)  # type: ignore[arg-type]


def test_distances_by_name() -> None:
    pictures = np.random.default_rng(0).uniform(size=(2, 3, 15, 14))
    expected = np.linalg.norm((pictures[0] - pictures[1]).reshape(3, -1), axis=1)
    assert distance_named("l2")(*pictures) == pytest.approx(expected)
    assert distance_named("ssim")(*pictures) == pytest.approx(1 - ssim(*pictures))
    empty = np.zeros((1, 40, 40))
    letter = empty.copy()
    letter[0, 18:22, 18:22] = 1
    # empty paper is alike: less so where only windows with ink count
    whole, inked = (distance_named(name)(letter, empty)[0] for name in ("ssim", "ink_ssim"))
    assert 0 < whole < inked
    assert distance_named("ink_ssim")(letter, letter) == pytest.approx([0])


@pytest.mark.parametrize("distance", ["ssim", "ink_ssim"])
def test_any_distance_serves_everything(made: Prototypes, distance: str) -> None:
    found = compare(made, replace(QUICK, distance=distance))  # type: ignore[arg-type]
    assert np.nanmax(found.distances) < 2
    assert np.flatnonzero(found.by_document.outlier).tolist() == [1]
    assert found.family_tests.outlier_p[1] < 0.1


def test_ink_outside_of_the_reference_is_taken_off_and_flagged(made: Prototypes) -> None:
    reference = np.zeros((5, 40, 40), np.float32)
    reference[:, 10:20, 10:20] = 1
    pictures = np.broadcast_to(reference, (8, 5, 40, 40)).copy()
    pictures[3, 0, 10:20, 20:38] = 1  # far beyond
    errors = np.full_like(pictures, 0.01)
    stained = replace(made, reference=reference, pictures=pictures, errors=errors)
    found = compare(stained, QUICK)
    assert found.quality[3, 0] == "red"
    assert (found.quality == "good").sum() == 39
    assert any("flagged red" in note for note in found.notes)
    as_is = compare(stained, replace(QUICK, clean=False))
    assert as_is.distances[0, 3, 1] == pytest.approx(180**0.5)
    assert found.distances[0, 3, 1] < 0.5 * as_is.distances[0, 3, 1]
    assert found.distances[1, 3, 1] == 0


# --- criteria


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_criteria_from_csv_and_json(tmp_path: Path) -> None:
    table = write(
        tmp_path / "derolez.csv",
        '\ufeffLetter, text ,family,page\na,"Closed, like box-a",NT,84\n,,,\ne\u0301,open,,\n',
    )
    expected = (Criterion("a", "Closed, like box-a", family="NT"), Criterion("é", "open"))
    assert read_criteria(table) == expected
    rows = [
        {"letter": "a", "text": "Closed, like box-a", "family": "NT"},
        {"letter": "é", "text": "open", "criterion": None},
    ]
    assert read_criteria(write(tmp_path / "d.JSON", json.dumps(rows))) == expected
    assert criteria_of_letter(expected, "e\u0301") == expected[1:]
    assert criteria_without_letter(expected, ("a", "b")) == ("é",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "letter,family\na,NT\n", "no column 'text'"),
        ("t.csv", "", "no column 'letter'"),
        ("t.csv", "letter,text\na,x\nb,\n", r"t.csv, line 3: no text"),
        ("t.csv", "letter,text\n,x\n", r"t.csv, line 2: no letter"),
        ("t.csv", "letter,text\na,open, flat\n", r"line 2: more cells .* double quotes"),
        ("t.json", "{", r"t.json: cannot be read as JSON"),
        ("t.json", "{}", "expected a list"),
        ("t.json", "[3]", r"t.json, entry 1: expected an object"),
        ("t.json", '[{"letter": "a", "text": 4}]', r"entry 1: text must be text"),
        ("t.txt", "a", r"t.txt: .*\.csv or \.json"),
    ],
)
def test_wrong_criteria(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_criteria(write(tmp_path / name, text))


def test_unreadable_criteria(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("letter,text\na,offen für\n".encode("latin-1"))
    for name in ("missing.csv", "missing.json", "latin.csv"):
        with pytest.raises(DataError, match=f"{name}: cannot be read"):
            read_criteria(tmp_path / name)


# --- the command


def test_command(made: Prototypes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(RunError, match=r"holds no prototypes\.safetensors"):
        palaeography_compare(run, out=tmp_path / "out")
    save_prototypes(run / "prototypes.safetensors", made, {"effective_pixels": [9.0] * 4 + [None]})
    table = write(tmp_path / "criteria.csv", "letter,text\na,open\n")
    choices = (("permutations=99", "draws=20"), ("least=4",))
    status = palaeography_compare(run, out=tmp_path / "out", criteria=table, set=choices)
    assert status == 0
    assert "tables:" in capsys.readouterr().out
    values = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    assert values["options"]["least"] == 4
    assert values["effective_pixels"][:4] == [9.0] * 4
    assert values["effective_pixels"][4] is not None
    assert values["criteria"][0]["text"] == "open"
    # the file itself, and a damaged one
    palaeography_compare(run / "prototypes.safetensors", out=tmp_path / "two", set=choices)
    one, two = (read(tmp_path / folder / "distances.csv") for folder in ("out", "two"))
    assert one == two
    for wrong in ([1.0], ["x"] * 5, 3):
        save_prototypes(run / "prototypes.safetensors", made, {"effective_pixels": wrong})
        with pytest.raises(RunError, match="damaged"):
            palaeography_compare(run, out=tmp_path / "three", set=choices)


def test_command_prints_its_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert palaeography_compare(tmp_path, out=tmp_path, print_config=True) == 0
    assert json.loads(capsys.readouterr().out)["least"] == 5


def test_one_letter_is_a_list_of_letters() -> None:
    changed = with_changes(ComparisonOptions(), ["letters=m"])
    assert changed.letters == ("m",)
    assert with_changes(ComparisonOptions(), ['letters=["m","a"]']).letters == ("m", "a")
    with pytest.raises(ConfigError, match="letters"):
        with_changes(ComparisonOptions(), ["letters=3"])
