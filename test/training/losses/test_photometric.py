from __future__ import annotations

import pytest
import torch

from training.losses.photometric import dissimilarity, minimum_reprojection, photometric_error


def picture(seed=0, size=(12, 16)):
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(seed))


def test_equal_images_do_not_differ():
    a = picture()
    assert dissimilarity(a, a).abs().max() < 1e-6
    assert photometric_error(a, a).abs().max() < 1e-6
    assert photometric_error(a, a).shape == (2, 1, 12, 16)


def test_flat_images_give_the_hand_worked_value():
    a, b = torch.full((1, 3, 5, 5), 0.5), torch.full((1, 3, 5, 5), 0.3)
    # no variance: SSIM = (2 * 0.15 + 1e-4) / (0.25 + 0.09 + 1e-4) = 0.882387
    assert dissimilarity(a, b)[0, 0, 2, 2].item() == pytest.approx((1 - 0.882387) / 2, abs=1e-5)
    # 0.85 * 0.0588065 + 0.15 * 0.2
    assert photometric_error(a, b)[0, 0, 0, 0].item() == pytest.approx(0.0799855, abs=1e-5)


def test_a_negative_is_most_dissimilar():
    board = ((torch.arange(8)[:, None] + torch.arange(8)) % 2).float().expand(1, 3, 8, 8)
    assert dissimilarity(board, 1 - board).min() > 0.9


def test_windows_reach_one_pixel():
    a, b = picture(), picture()
    b[..., 6, 8] = 1 - b[..., 6, 8]
    changed = (dissimilarity(a, b).amax((0, 1)) > 1e-6).nonzero()
    assert changed.amin(0).tolist() == [5, 7]
    assert changed.amax(0).tolist() == [7, 9]


def test_the_best_source_counts_at_each_pixel():
    target = picture()
    left, right = target.clone(), target.clone()
    left[..., 8:], right[..., :8] = 0, 0  # each source sees one half
    found = minimum_reprojection(target, [left, right])
    assert found.error[..., :7].max() < 1e-5
    assert found.error[..., 9:].max() < 1e-5
    assert (found.source[..., :7] == 0).all()
    assert (found.source[..., 9:] == 1).all()
    assert found.moving.all()


def test_what_fits_best_unwarped_teaches_nothing():
    target, other = picture(), picture(1)
    warped = other.clone().requires_grad_()
    still = other.clone()
    still[..., :8] = target[..., :8]  # as where something moves with the camera
    found = minimum_reprojection(target, [warped], [still], torch.zeros(2, 1, 12, 16))
    assert not found.moving[..., :7].any()
    found.error.sum().backward()
    assert warped.grad[..., :6].abs().max() == 0
    assert (found.error[..., :7] < 1e-5).all()


def test_a_standing_camera_is_masked_by_noise_alone_in_half_of_the_pixels():
    target = picture(size=(64, 64))
    torch.manual_seed(0)
    found = minimum_reprojection(target, [picture(1, (64, 64))], [picture(1, (64, 64))])
    assert 0.4 < found.moving.float().mean() < 0.6
    assert (found.error - photometric_error(picture(1, (64, 64)), target)).abs().max() < 1e-4
