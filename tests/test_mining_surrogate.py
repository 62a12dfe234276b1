"""The surrogate: its network, its teaching, and what it may and may not change."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.errors import ConfigError, RunError
from typica.memory import Room
from typica.mining.config import TypicalityConfig
from typica.mining.control import MANY, Coefficients, controlled, fitted_coefficients, squares
from typica.mining.distillation import Distillation, Pool, distillation_loss
from typica.mining.estimator import Means
from typica.mining.predictor import SurrogatePredictor
from typica.mining.schedule import NoiseSchedule
from typica.mining.surrogate import Surrogate, levels_of
from typica.mining.surrogate_job import read_surrogate
from typica.runs import load_tensors, save_tensors

SCHEDULE = NoiseSchedule(torch.linspace(0.999, 0.01, 1000), "epsilon")


def seeded(seed: int = 0, **options) -> Surrogate:
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        built = {"channels": 3, "labels": 2, "levels": 1, "width": 8} | options
        surrogate = Surrogate(**built)
        for one in surrogate.parameters():  # blocks are the identity at first
            torch.nn.init.normal_(one, std=0.2)
    return surrogate.eval()


@pytest.mark.parametrize(("side", "levels"), [(1, 0), (8, 0), (15, 0), (16, 1), (32, 2), (64, 3)])
def test_a_grid_is_halved_until_eight_cells_are_left(side, levels):
    assert levels_of(side) == levels


@settings(max_examples=20)
@given(
    levels=st.integers(0, 3),
    height=st.integers(8, 21),
    width=st.integers(8, 21),
    rows=st.lists(st.integers(0, 2), min_size=1, max_size=4),
)
def test_every_condition_is_answered_as_if_it_were_asked_alone(levels, height, width, rows):
    surrogate, random = seeded(levels=levels), torch.Generator().manual_seed(height)
    noisy = torch.randn(2, 3, height, width, generator=random)
    times = torch.tensor([100, 699])
    together = surrogate.predict_noise(noisy, times, torch.tensor([rows, rows[::-1]]), SCHEDULE)
    assert together.shape == (2, len(rows), 3, height, width)
    for picture, told in enumerate((rows, rows[::-1])):
        for place, row in enumerate(told):
            alone = surrogate.predict_noise(
                noisy[picture : picture + 1],
                times[picture : picture + 1],
                torch.tensor([[row]]),
                SCHEDULE,
            )
            size = float(alone.detach().abs().max())
            assert together[picture, place].detach() == pytest.approx(
                alone[0, 0].detach(), abs=1e-5 * size
            )


def test_the_noise_is_that_of_the_predicted_picture():
    surrogate = seeded()
    noisy, times = torch.randn(1, 3, 16, 16), torch.tensor([400])
    rows = torch.tensor([[0, 1]])
    pictures = surrogate(noisy, times, rows)
    noise = surrogate.predict_noise(noisy, times, rows, SCHEDULE)
    for one, eps in zip(pictures[0], noise[0], strict=True):
        mixed = SCHEDULE.add_noise(one[None], eps[None], times)
        assert mixed.detach() == pytest.approx(noisy, abs=1e-5)
    assert not torch.equal(pictures[0, 0], pictures[0, 1])  # it hears the label


def test_memory_that_is_too_small_is_met_by_smaller_batches(monkeypatch):
    surrogate = seeded()
    predict = SurrogatePredictor(surrogate, SCHEDULE, 64)
    many = torch.tensor([[0, 1, 2, 1, 0]] * 2)  # more conditions than fit at a time
    few = SurrogatePredictor(surrogate, SCHEDULE, 2)
    two, at = torch.randn(2, 3, 8, 8), torch.tensor([200, 600])
    assert few(two, at, many).detach() == pytest.approx(predict(two, at, many).detach(), abs=1e-4)
    noisy, times = torch.randn(9, 3, 8, 8), torch.full((9,), 300)
    rows = torch.tensor([[0, 1]] * 9)
    whole, plain, asked = predict(noisy, times, rows), surrogate.predict_noise, []

    def small(some, *given):
        asked.append(len(some))
        if len(some) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return plain(some, *given)

    monkeypatch.setattr(surrogate, "predict_noise", small)
    assert predict(noisy, times, rows).detach() == pytest.approx(whole.detach(), abs=1e-5)
    assert max(asked[-4:]) <= 2


def means(random: np.random.Generator, *, size: int = 1) -> Means:
    def tensor(*shape: int) -> torch.Tensor:
        return torch.from_numpy(random.normal(size=shape))

    return Means(tensor(size, 1, 4, 3, 3), tensor(size, 3, 3), tensor(size, 1, 3, 3))


def test_a_surrogate_that_goes_with_the_model_takes_its_chance_away_and_keeps_the_mean():
    """Known truth 1, noise of which a part is the surrogate's; many draws of it are not off."""
    random = np.random.default_rng(0)
    shared, own, offset = (random.normal(size=(4000, 3, 3)) for _ in range(3))
    zero = torch.zeros(4000, 1, 4, 3, 3, dtype=torch.float64)
    plain = torch.from_numpy(shared + 0.5 * own)[:, None, None].expand_as(zero)
    surrogate = torch.from_numpy(shared + 0.5 * offset)[:, None, None].expand_as(zero)
    of = lambda one: Means(one, one[:, 0, 0], one[:, :, 0])  # noqa: E731
    beta, explained = fitted_coefficients([(plain[:, 0, 0], surrogate[:, 0, 0])])
    assert beta == pytest.approx(1 / 1.25 / 1.1, abs=0.03)
    assert explained == pytest.approx(1 / 1.25**2 / 1.1, abs=0.03)
    # the surrogate's own mean, 5, is another than the model's, 1; a tenth of its variance is left
    rest = np.sqrt(1.25 / MANY) * random.normal(size=(4000, 3, 3))
    many = torch.from_numpy(rest)[:, None, None].expand_as(zero)
    found = controlled(
        of(1 + plain), of(5 + surrogate), of(5 + many), Coefficients(beta, beta, beta, explained)
    )
    for one in (found.typicality, found.null, found.information):
        assert float(one.mean()) == pytest.approx(1, abs=0.02)
        assert float(one.var() / plain.var()) == pytest.approx(1 - explained, abs=0.03)


def test_a_surrogate_that_is_not_followed_changes_nothing():
    random = np.random.default_rng(1)
    model, same, many = (means(random) for _ in range(3))
    found = controlled(model, same, many, Coefficients(0, 0, 0, 0))
    assert torch.equal(found.typicality, model.typicality)
    assert torch.equal(found.null, model.null)
    assert torch.equal(found.information, model.information)


@pytest.mark.parametrize("wrong", [-0.1, 1.5, float("nan")])
def test_coefficients_lie_between_0_and_1(wrong):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Coefficients(wrong, 0.5, 0.5, 0.5)


def test_what_has_nothing_to_do_with_the_model_is_not_followed():
    random = torch.Generator().manual_seed(3)
    model, other = (torch.randn(40, 5, 5, generator=random) for _ in range(2))
    assert fitted_coefficients([(model, -model)]) == (0.0, 0.0)
    assert fitted_coefficients([(model, 0 * model)]) == (0.0, 0.0)
    assert fitted_coefficients([(0 * model, model)]) == (0.0, 0.0)
    assert fitted_coefficients([]) == (0.0, 0.0)
    assert fitted_coefficients([(model, model)]) == pytest.approx((1 / 1.1, 1 / 1.1))
    assert fitted_coefficients([(model, 2 * model)]) == pytest.approx((0.5 / 1.1, 1 / 1.1))
    assert fitted_coefficients([(model, other)])[1] < 0.05


@settings(max_examples=20)
@given(height=st.integers(1, 6), width=st.integers(1, 6))
def test_squares_are_means_of_three_by_three(height, width):
    maps = torch.randn(2, height, width, dtype=torch.float64)
    found, (a, b) = squares(maps), (min(3, height), min(3, width))
    for row in range(height - a + 1):
        for column in range(width - b + 1):
            expected = maps[:, row : row + a, column : column + b].mean((1, 2))
            assert found[:, row, column] == pytest.approx(expected, abs=1e-12)


def test_the_loss_is_that_of_its_parts_in_float64():
    random = torch.Generator().manual_seed(5)
    model, surrogate = (torch.randn(2, 2, 3, 5, 4, generator=random) for _ in range(2))
    noise = torch.randn(2, 3, 5, 4, generator=random)
    m, s, e = (one.double().numpy() for one in (model, surrogate, noise))

    def typical(eps):
        return ((eps[:, 0] - e) ** 2 - (eps[:, 1] - e) ** 2).mean(1)

    def huber(x):
        return np.where(abs(x) < 3, x**2 / 2, 3 * (abs(x) - 1.5)).mean()

    truth, found = typical(m), typical(s)
    error = (found - truth) / np.sqrt((truth**2).mean((1, 2)))[:, None, None]
    coarse = np.stack(
        [[[x[i : i + 3, j : j + 3].mean() for j in range(2)] for i in range(3)] for x in error]
    )
    expected = huber(error) + 3 * huber(coarse)
    for number in range(2):
        change = m[number, 1] - m[number, 0]
        wrong = s[number, 1] - s[number, 0] - change
        expected += (wrong**2).mean() / (change**2).mean() / 2
        own = m[number, 0] - e[number]
        expected += ((s[number, 0] - m[number, 0]) ** 2).mean() / (own**2).mean() / 2
    assert float(distillation_loss(model, surrogate, noise)) == pytest.approx(expected, rel=1e-4)
    assert float(distillation_loss(model, model, noise)) == 0
    still = torch.stack([model[:, 0], model[:, 0]], 1)  # a model that does not hear the label
    assert torch.isfinite(distillation_loss(still, surrogate, noise))


class Teacher:
    """Pictures that are a smoothed x_t, brighter under label 1: easily learnt."""

    schedule, device = SCHEDULE, torch.device("cpu")
    room = Room(64, "one")

    def __call__(self, noisy, times, rows):
        smooth = torch.nn.functional.avg_pool2d(noisy, 3, 1, 1)
        told = smooth[:, None] * (1 + 0.3 * rows[..., None, None, None])
        branches = rows.shape[1]
        return NoiseSchedule(SCHEDULE.signal, "sample").noise_from(
            told.flatten(0, 1),
            noisy.repeat_interleave(branches, 0),
            times.repeat_interleave(branches),
        ).view_as(told)  # fmt: skip


def teaching(steps: int) -> Distillation:
    random = torch.Generator().manual_seed(0)
    latents = [torch.randn(3, 8 + i % 3, 8, generator=random) for i in range(6)]
    pool = Pool(latents, [(1,), (1, 2), (2,)] * 2, 8)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        surrogate = Surrogate(3, 2, 0, 8)
    return Distillation(Teacher(), surrogate, pool, TypicalityConfig(), steps)


def test_teaching_lowers_the_loss_of_draws_that_it_has_not_met():
    one = teaching(150)

    @torch.no_grad()
    def loss() -> float:
        found = []
        for step in range(1000, 1004):
            latents, noise, fractions, rows = one.batch(step)
            times = SCHEDULE.times(fractions)
            noisy = SCHEDULE.add_noise(latents, noise, times)
            told = one.surrogate.predict_noise(noisy, times, rows, SCHEDULE)
            found.append(distillation_loss(one.model(noisy, times, rows), told, noise))
        return float(torch.stack(found).mean())

    before = loss()
    while one.step < one.steps:
        one.advance()
    assert loss() < before / 2


def test_batches_cover_the_range_of_times_and_only_labels_of_their_pictures():
    one = teaching(10)
    _, _, fractions, rows = one.batch(3)
    strata = torch.sort((fractions - 0.1) / 0.6 * 32)[0]
    assert torch.equal(strata.floor(), torch.arange(32.0))
    assert set(rows[:, 0].tolist()) == {0}
    assert set(rows[:, 1].tolist()) == {1, 2}
    assert torch.equal(one.batch(3)[1], one.batch(3)[1])
    assert not torch.equal(one.batch(3)[1], one.batch(4)[1])


def test_teaching_goes_on_from_a_state_as_if_it_had_not_stopped():
    whole, part, rest = teaching(6), teaching(6), teaching(6)
    while whole.step < 6:
        whole.advance()
    rest.restore(teaching(6).state())  # one that has taken no step yet
    while part.step < 3:
        part.advance()
    rest.restore({name: one.clone() for name, one in part.state().items()})
    while rest.step < 6:
        rest.advance()
    for one, two in zip(whole.surrogate.parameters(), rest.surrogate.parameters(), strict=True):
        assert torch.equal(one, two)
    state = part.state()
    for wrong in (
        state | {"step": torch.tensor(7)},
        state | {"optimiser.0.exp_avg": torch.zeros(1)},
        state | {"optimiser.0.step": torch.tensor([3.0, 3.0])},
        state | {"optimiser.0.step": torch.tensor(-1.0)},
        state | {"optimiser.0.exp_avg_sq": -1 - state["optimiser.0.exp_avg_sq"]},
        state | {"weights.last.bias": torch.full((3,), float("nan"))},
        {name: one for name, one in state.items() if name != "weights.last.bias"},
    ):
        with pytest.raises((ValueError, RuntimeError)):
            teaching(6).restore(wrong)


def test_a_loss_that_is_no_number_ends_the_teaching():
    one = teaching(3)
    broken = replace(one.pool, latents=[x * float("nan") for x in one.pool.latents])
    one.pool = broken
    with pytest.raises(RunError, match="surrogate=none"):
        one.advance()


@pytest.mark.parametrize(
    "wrong", [{"surrogate": one} for one in (0, -3, 10**7)] + [{"surrogate_width": 30}]
)
def test_numbers_that_make_no_sense_are_told(wrong):
    with pytest.raises(ConfigError, match=r"typicality\.surrogate"):
        TypicalityConfig(**wrong)


def test_a_surrogate_is_kept_with_its_settings(tmp_path):
    path, surrogate = tmp_path / "maps" / "surrogate.safetensors", seeded()
    path.parent.mkdir()
    about = {
        "settings": {"seed": 1},
        "built": surrogate.built,
        "coefficients": {"typicality": 0.9, "null": 0.8, "information": 0.7, "explained": 0.6},
    }
    save_tensors(path, surrogate.state_dict(), about)
    found, coefficients = read_surrogate(path, {"seed": 1})
    assert coefficients == Coefficients(0.9, 0.8, 0.7, 0.6)
    noisy, times, rows = torch.randn(1, 3, 8, 8), torch.tensor([5]), torch.tensor([[0, 2]])
    with torch.no_grad():
        assert torch.equal(found(noisy, times, rows), surrogate(noisy, times, rows))
    with pytest.raises(RunError, match="other settings"):
        read_surrogate(path, {"seed": 2})
    tensors, _ = load_tensors(path)
    for wrong in (
        about | {"built": surrogate.built | {"width": 10**9}},
        about | {"built": surrogate.built | {"labels": 5}},
        about | {"built": surrogate.built | {"width": 0}},
        about | {"coefficients": {"typicality": 2}},
        {"settings": {"seed": 1}},
    ):
        save_tensors(path, tensors, wrong)
        with pytest.raises(RunError, match="damaged"):
            read_surrogate(path, {"seed": 1})
    save_tensors(path, {k: v * float("nan") for k, v in tensors.items()}, about)
    with pytest.raises(RunError, match="damaged"):
        read_surrogate(path, {"seed": 1})
