import pytest
import torch

from training.losses.affine import FITS, STANDARDS, fit, masked_mean, standardise


def row(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)


ALL = row(1, 1, 1, 1, 1) > 0


def test_mean_and_mean_absolute_deviation_by_hand():
    values, valid = row(0, 2, 4, 6, 99), row(1, 1, 1, 1, 0) > 0
    found = fit(values, valid, "mean")  # mean 3, deviations 3 1 1 3: mean 2
    assert found.scale.item() == pytest.approx(0.5)
    assert found.shift.item() == pytest.approx(-1.5)
    assert torch.allclose(found.apply(values)[valid], torch.tensor([-1.5, -0.5, 0.5, 1.5]))


def test_median_by_hand():
    found = fit(row(1, 2, 3, 4, 100), ALL, "median")  # median 3, deviations 2 1 0 1 97: mean 20.2
    assert found.scale.item() == pytest.approx(1 / 20.2)
    assert found.shift.item() == pytest.approx(-3 / 20.2)


def test_trimmed_leaves_out_both_ends():
    values = torch.arange(21, dtype=torch.float32).view(1, 1, 3, 7).clone()
    values[..., -1, -1], values[..., 0, 0] = 1e6, -1e6
    found = fit(values, values == values, "trimmed")  # 2 .. 18 stay: mean 10, variance (17^2 - 1) / 12
    assert found.scale.item() == pytest.approx((288 / 12) ** -0.5)
    assert (-found.shift / found.scale).item() == pytest.approx(10)


def test_least_squares_finds_scale_and_shift():
    values, valid = row(1, 2, 3, 4, 50), row(1, 1, 1, 1, 0) > 0
    found = fit(values, valid, "least_squares", target=3 * values - 2)
    assert (found.scale.item(), found.shift.item()) == pytest.approx((3, -2), abs=1e-5)


def test_scale_alone_by_hand():
    found = fit(row(1, 2), row(1, 1) > 0, "scale", target=row(3, 4))  # (1*3 + 2*4) / (1 + 4)
    assert (found.scale.item(), found.shift.item()) == pytest.approx((2.2, 0))


@pytest.mark.parametrize("kind", STANDARDS)
def test_standards_are_blind_to_scale_and_shift(kind):
    torch.manual_seed(0)
    values, valid = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8) > 0.3
    assert torch.allclose(standardise(5 * values + 7, valid, kind), standardise(values, valid, kind), atol=1e-3)


@pytest.mark.parametrize("kind", STANDARDS + FITS)
def test_each_map_of_a_batch_is_its_own(kind):
    torch.manual_seed(0)
    values, target, valid = torch.rand(3, 1, 6, 6), torch.rand(3, 1, 6, 6), torch.rand(3, 1, 6, 6) > 0.5
    together = fit(values, valid, kind, target)
    alone = [fit(values[i : i + 1], valid[i : i + 1], kind, target[i : i + 1]) for i in range(3)]
    for k in range(2):
        assert together[k].shape == (3, 1, 1, 1)
        assert torch.allclose(together[k], torch.cat([a[k] for a in alone]))


@pytest.mark.parametrize("kind", STANDARDS + FITS)
@pytest.mark.parametrize("case", ["nothing valid", "constant"])
def test_degenerate_maps_stay_finite_with_finite_gradients(kind, case):
    values = torch.full((1, 1, 4, 4), 2.0, requires_grad=True)
    valid = torch.full((1, 1, 4, 4), case == "constant")
    found = fit(values, valid, kind, torch.ones(1, 1, 4, 4))
    assert all(x.isfinite().all() for x in found)
    found.apply(values).sum().backward()
    assert values.grad.isfinite().all()
    if case == "nothing valid":
        assert (found.scale.item(), found.shift.item()) == (1, 0)


def test_gradients_flow_through_the_statistics():
    values = row(0, 2, 4, 6, 9).requires_grad_()
    standardise(values, ALL)[..., 0].sum().backward()
    assert (values.grad != 0).all()


def test_sums_do_not_overflow_in_half_precision():
    values = torch.linspace(0, 500, 128 * 128).view(1, 1, 128, 128)
    with torch.autocast("cpu", torch.bfloat16):
        out = standardise(values, values > -1)
        half = standardise(values.half(), values > -1)
    assert out.dtype == half.dtype == torch.float32
    assert out.mean().item() == pytest.approx(0, abs=1e-3)
    assert half.abs().mean().item() == pytest.approx(1, abs=1e-3)


def test_mean_over_nothing_is_zero():
    assert masked_mean(row(3, 4), row(0, 0) > 0).item() == 0
    assert masked_mean(row(3, float("nan")), row(1, 0) > 0).item() == 3


def test_it_says_what_it_knows():
    with pytest.raises(ValueError, match="least_squares"):
        fit(row(1), row(1) > 0, "mode")
    with pytest.raises(ValueError, match="target"):
        fit(row(1), row(1) > 0, "scale")
