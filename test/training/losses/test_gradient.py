import pytest
import torch

from training.losses.gradient import gradient_loss, sobel


def ramp(height, width) -> torch.Tensor:
    return torch.arange(width, dtype=torch.float32).expand(1, 1, height, width).clone()


def test_sobel_of_a_ramp():
    x, y = sobel(ramp(4, 5))
    assert x.shape == y.shape == (1, 1, 2, 3)
    assert (x == 1).all()
    assert (y == 0).all()


def test_sobel_is_the_convolution_it_is_named_after():
    torch.manual_seed(0)
    values = torch.rand(2, 1, 6, 7)
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    x, y = sobel(values)
    assert torch.allclose(x, torch.conv2d(values, kernel[None, None]), atol=1e-6)
    assert torch.allclose(y, torch.conv2d(values, kernel.T[None, None]), atol=1e-6)


def test_sobel_keeps_full_precision_under_autocast():
    values = 100 + torch.rand(1, 1, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        x, _ = sobel(values)
    assert torch.equal(x, sobel(values)[0])


def test_one_scale_by_hand():
    residual = ramp(4, 5)  # 2 x 3 places, 1 each, over 20 pixels
    assert gradient_loss(residual, residual > -1, scales=1).item() == pytest.approx(6 / 20)


def test_two_scales_by_hand():
    residual = ramp(6, 6)  # full: 4 x 4 times 1; half: 0 2 4, one place of 2; over 36 pixels
    assert gradient_loss(residual, residual > -1, scales=2).item() == pytest.approx((16 + 2) / 36)


def test_scales_too_small_for_a_kernel_are_left_out():
    residual = ramp(4, 5)
    valid = residual > -1
    assert torch.equal(gradient_loss(residual, valid, 4), gradient_loss(residual, valid, 1))


def test_a_constant_residual_costs_nothing():
    assert gradient_loss(torch.full((2, 1, 16, 16), 3.0), torch.ones(2, 1, 16, 16) > 0).tolist() == [0, 0]


def test_unknown_pixels_count_as_zero_and_pass_no_gradient():
    residual = ramp(8, 8)
    residual[..., 3, 3] = float("nan")
    residual.requires_grad_()
    valid = residual.detach().isfinite()
    loss = gradient_loss(residual, valid)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert residual.grad[..., 3, 3].item() == 0
    assert residual.grad.isfinite().all()


def test_nothing_valid_costs_nothing():
    assert gradient_loss(ramp(8, 8), torch.zeros(1, 1, 8, 8) > 0).item() == 0
