"""Average precision against boxes: the formulas, the CSV, and the whole on planted maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from typica.errors import DataError
from typica.images.picture import Picture, PictureCollection
from typica.mining.boxes import box_mask, match_boxes, read_boxes
from typica.mining.intervals import grouped_sums, mean_of_labels
from typica.mining.localisation import average_precision, localise, paper_area, pixel_map
from typica.mining.maps import PictureMaps
from typica.values import Box


@given(
    arrays.arrays(np.float32, 40, elements=st.integers(-4, 4).map(float)),
    arrays.arrays(bool, 40),
)
def test_average_precision_is_that_of_scikit_learn(scores: np.ndarray, truth: np.ndarray) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    if truth.any():
        found = average_precision(scores, truth)
        assert found == pytest.approx(metrics.average_precision_score(truth, scores))
    else:
        assert np.isnan(average_precision(scores, truth))


def test_average_precision_of_plain_cases() -> None:
    truth = np.array([True, False, True, False])
    assert average_precision(np.array([4.0, 1, 3, 2]), truth) == 1
    assert average_precision(np.array([4.0, 3, 2, 1]), truth) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.zeros(4), truth) == 0.5  # all reached together: chance


def plain_paper_area(scores: np.ndarray, truth: np.ndarray) -> float:
    """As the paper defines it, threshold by threshold."""
    precisions, recalls = [], []
    for u in np.linspace(2, 7, 1000):
        positive = scores.astype(np.float64) > 2 * 10.0**-u
        right = int((positive & truth).sum())
        precisions.append(right / positive.sum() if positive.any() else 0.0)
        recalls.append(right / truth.sum())
    area = 0.0
    for i in range(1, 1000):
        area += (recalls[i] - recalls[i - 1]) * (precisions[i] + precisions[i - 1]) / 2
    return area


@pytest.mark.parametrize("scale", [1e-5, 1e-3, 3e-2])
def test_the_papers_measure_is_the_plain_one(scale: float) -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((20, 30)) < 0.2
    scores = (rng.normal(size=truth.shape) * scale + truth * scale).astype(np.float32)
    scores[3, 3] = 0.0
    assert paper_area(scores, truth) == pytest.approx(plain_paper_area(scores, truth), abs=1e-12)


def test_the_papers_measure_depends_on_the_scale_and_the_proper_one_does_not() -> None:
    truth = np.zeros((10, 10), dtype=bool)
    truth[:3] = True
    assert paper_area(truth * 1.0, truth) == 0  # right everywhere, but above its thresholds
    assert paper_area(truth * 1e-3, truth) == pytest.approx(0.5)
    assert average_precision(truth * 1.0, truth) == average_precision(truth * 1e-3, truth) == 1


def test_a_map_is_interpolated_as_torch_does() -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(1).normal(size=(6, 9)).astype(np.float32)
    found = pixel_map(values, width=75, height=50)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None], (50, 75), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    smooth = pixel_map(values, width=75, height=50, blur=1 / 16)
    assert smooth.std() < found.std()
    assert smooth.mean() == pytest.approx(found.mean(), abs=0.05)


def test_a_mask_is_the_union_of_boxes_cut_to_the_picture() -> None:
    mask = box_mask([Box(1, 2, 4, 5), Box(3, 4, 99, 6), Box(-9, -9, -1, -1)], 10, 8)
    wanted = np.zeros((8, 10), dtype=bool)
    wanted[2:5, 1:4] = True
    wanted[4:6, 3:10] = True
    assert (mask == wanted).all()
    assert box_mask([Box(0.4, 0.6, 1.6, 2.4)], 3, 3).nonzero()[0].tolist() == [1, 1]


def collection(*names: str, width: int = 64, height: int = 64) -> PictureCollection:
    made = [Picture(n, Path(n), n.split("/")[0], "train", width, height) for n in sorted(names)]
    return PictureCollection(Path("."), tuple(made))


def test_boxes_are_read_united_and_matched(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(
        "file,label,x,y,w,h,by\na/1.jpg,a,1,2,3,4,me\n2.jpg,b,5,5,1,1,me\n./a/1.jpg,a,0,0,1,1,\n"
        "old\\a\\3.jpg,a,0,0,9,9,me\nnone.jpg,a,0,0,1,1,me\n4.jpg,a,0,0,1,1,me\n"
    )
    boxes = read_boxes(path)
    assert boxes["a/1.jpg", "a"] == (Box(1, 2, 4, 6), Box(0, 0, 1, 1))
    pictures = collection("a/1.jpg", "b/2.jpg", "a/3.jpg", "a/4.jpg", "b/4.jpg")
    matched, unmatched = match_boxes(boxes, pictures)
    assert set(matched) == {("a/1.jpg", "a"), ("b/2.jpg", "b"), ("a/3.jpg", "a")}
    assert unmatched == ("4.jpg", "none.jpg")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label,x,y,w\n", "no column 'h'"),
        ("", "no column 'file'"),
        ("file,label,x,y,w,h\na,b,1,2,three,4\n", "line 2: x, y, w and h must be numbers"),
        ("file,label,x,y,w,h\na,b,1,2,3\n", "line 2"),
        ("file,label,x,y,w,h\na,b,1,2,0,3\n", "width and a height above 0"),
        ("file,label,x,y,w,h\na,b,1,2,nan,3\n", "above 0"),
    ],
)
def test_a_bad_csv_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_boxes(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_boxes(tmp_path / "missing.csv")


def planted(pictures: PictureCollection, right: bool) -> list[PictureMaps]:
    """Maps that are high in the upper left quarter, or noise."""
    made = []
    for index, picture in enumerate(pictures):
        rng = np.random.default_rng(index)
        typicality = rng.normal(scale=1e-4, size=(2, 8, 8)).astype(np.float32)
        if right:
            typicality[0, :4, :4] += 1e-2
        other = "a" if picture.label == "b" else "b"
        made.append(
            PictureMaps(
                index,
                picture.id,
                (picture.label, other),
                typicality,
                np.zeros((2, 10, 8, 8), np.float32),
                rng.random((8, 8)).astype(np.float32),
                3,
            )
        )
    return made


def test_localisation_finds_what_was_planted_and_nothing_else() -> None:
    pictures = collection(*(f"{label}/{i}.png" for label in "ab" for i in range(12)))
    quarter = (Box(0, 0, 32, 32),)
    boxes = {(p.id, p.label): quarter for p in pictures if p.id != "a/0.png"}
    boxes["a/0.png", "b"] = quarter  # of another label: not what the picture's label claims
    found = localise(planted(pictures, True), pictures, boxes)
    assert [label.pictures for label in found.labels] == [11, 12]
    assert found.overall.pictures == 23
    assert found.overall.precision.mean > 0.97
    assert found.overall.pooled > 0.97
    assert found.overall.chance == found.overall.pooled_chance == 0.25
    noise = localise(planted(pictures, False), pictures, boxes, seed=1)
    assert noise.overall.precision.low < 0.32
    assert noise.overall.precision.low < noise.overall.precision.mean < noise.overall.precision.high
    each = [p.precision for p in found.pictures if p.label == "a"]
    assert found.labels[0].precision.mean == pytest.approx(np.mean(each))
    centre = localise(planted(pictures, True), pictures, boxes, reading="centre")
    null = localise(planted(pictures, True), pictures, boxes, reading="null")
    assert max(centre.overall.precision.mean, null.overall.precision.mean) < 0.45
    assert found.as_dict()["overall"]["precision"]["mean"] == pytest.approx(
        found.overall.precision.mean, abs=1e-5
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_influence_finds_what_speaks_for_the_label_or_against_it(sign: int) -> None:
    pictures = collection(*(f"{label}/{i}.png" for label in "ab" for i in range(6)))
    boxes = {(p.id, p.label): (Box(0, 0, 32, 32),) for p in pictures}
    maps = [replace(one, typicality=sign * one.typicality) for one in planted(pictures, True)]
    signed = localise(maps, pictures, boxes).overall.precision.mean
    assert signed > 0.97 if sign > 0 else signed < 0.25
    assert localise(maps, pictures, boxes, reading="influence").overall.precision.mean > 0.95


def test_boxes_of_nothing_here_are_an_error() -> None:
    pictures = collection("a/0.png")
    with pytest.raises(DataError, match="none belongs"):
        localise(planted(pictures, True), pictures, {("a/0.png", "b"): (Box(0, 0, 9, 9),)})


def test_intervals_keep_pictures_together() -> None:
    values = np.repeat([0.0, 1.0], 50)
    alone = mean_of_labels([grouped_sums(values, [str(i) for i in range(100)])])
    together = mean_of_labels([grouped_sums(values, [str(i // 25) for i in range(100)])])
    assert alone.mean == together.mean == 0.5
    assert together.high - together.low > 2 * (alone.high - alone.low)
    # two labels: their means are averaged, whatever their sizes
    both = mean_of_labels([grouped_sums(np.ones(3), "abc"), grouped_sums(np.zeros(99), "a" * 99)])
    assert both == mean_of_labels(
        [grouped_sums(np.ones(1), "a"), grouped_sums(np.zeros(9), "b" * 9)]
    )
    assert (both.mean, both.low, both.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_interval_of_a_mean_is_that_of_the_normal_law(share: float) -> None:
    values = (np.arange(400) < 400 * share).astype(float)
    found = mean_of_labels([(values, np.ones(400))])
    error = np.sqrt(share * (1 - share) / 400)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_the_boxes_of_real_data(real_data: Path) -> None:
    folder = real_data / "images" / "neu_det"
    if not folder.is_dir():
        pytest.skip("no neu_det here")
    boxes = read_boxes(folder / "boxes.csv")
    assert sum(len(b) for b in boxes.values()) == 4189
    names = sorted(f"{p.parent.name}/{p.name}" for p in folder.glob("*/*.jpg"))
    pictures = collection(*names, width=200, height=200)
    matched, unmatched = match_boxes(boxes, pictures)
    assert unmatched == ()
    own = [(p, matched.get((p.id, p.label))) for p in pictures]
    assert sum(boxes is not None for _, boxes in own) > 1700
    shares = [box_mask(b, 200, 200).mean() for p, b in own if b and p.label == "pitted_surface"]
    assert 0.75 < np.median(shares) < 0.9  # of the union: single boxes cover half
