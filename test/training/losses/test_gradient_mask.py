from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from training.losses.gradient_mask import GradientMask, gradient_aware_mask, gradient_magnitude, keypoints


def photo(size=(48, 64), contrast=1.0, seed=0):
    """Smooth random colours with edges, uint8."""
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.uniform(0, 255, (*size, 3)), (0, 0), 1)
    image[12:30, 20:44] += 90
    return np.clip(128 + contrast * (image - 128), 0, 255).astype(np.uint8)


def as_tensor(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize(("m", "expected"), [(300, 0.1000), (378, 0.1898), (400, 0.55), (422, 0.9102), (500, 1.0)])
def test_the_mask_at_the_numbers_of_the_paper_s_parameters(m, expected):
    # 0.1 + 0.9 / (1 + exp(40 - m / 10)); at 378: exp(2.2) = 9.025
    assert gradient_aware_mask(torch.tensor(float(m))).item() == pytest.approx(expected, abs=1e-3)


def test_ends_of_the_floor():
    m = torch.linspace(0, 1400, 50)
    assert torch.allclose(gradient_aware_mask(m, floor=1.0), torch.ones(50))  # averaging
    assert gradient_aware_mask(m, floor=0.0)[0] < 1e-10  # edges alone


def test_magnitudes_are_those_of_opencv():
    image = photo()
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (5, 5), 0)
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    found = gradient_magnitude(as_tensor(image))[0, 0].numpy()
    # each rounding moves a grey level by one at most, which the kernel's sum of 4 can make 4 of
    assert np.abs(found - np.hypot(dx, dy)).max() <= 6
    assert found.max() > 200


def test_a_step_edge_has_the_hand_worked_magnitude():
    image = torch.zeros(1, 3, 9, 16)
    image[..., 8:] = 1
    found = gradient_magnitude(image)[0, 0, 4]
    # blurred: 16, 80, 175, 239 of 255; Sobel beside the edge: 4 * (175 - 16)
    assert found[7].item() == pytest.approx(4 * (175 - 16), abs=1)
    assert found[2] == 0


def test_edges_count_ten_times_as_much_as_walls():
    image = torch.zeros(1, 3, 9, 16)
    image[..., 8:] = 1
    weights = GradientMask()(image)[0, 0, 4]
    assert weights[7].item() == pytest.approx(10, abs=0.01)
    assert weights[1].item() == pytest.approx(1, abs=0.01)


def test_the_knee_follows_the_camera():
    """Two cameras, one with a third of the other's contrast: the adapted masks are the same, the fixed ones not."""
    masks = [GradientMask(percentile=80) for _ in range(2)]
    strong, faint = as_tensor(photo(contrast=1.0)), as_tensor(photo(contrast=0.33))
    weights = [mask(image) for mask, image in zip(masks, (strong, faint))]
    assert masks[1].knee() == pytest.approx(0.33 * masks[0].knee(), rel=0.05)
    for mask, image in zip(masks, (strong, faint)):
        share = (gradient_magnitude(image) > mask.knee()).float().mean()
        assert share.item() == pytest.approx(0.2, abs=0.02)
    assert torch.corrcoef(torch.stack([w.flatten() for w in weights]))[0, 1] > 0.95
    assert (GradientMask()(faint) < 1.01).all(), "the fixed knee lies beyond anything this camera sees"
    # the slope relative to the knee stays: at 1.055 of it 0.91, as at 422 of 400
    knee = masks[0].knee()
    assert gradient_aware_mask(torch.tensor(1.055 * knee), g1=40 / knee).item() == pytest.approx(0.91, abs=1e-3)


def test_the_knee_is_learned_while_training_alone_and_kept_in_the_state():
    mask = GradientMask(percentile=80)
    assert mask.knee() == pytest.approx(400)  # before anything was seen
    mask.eval()(as_tensor(photo()))
    assert mask.knee() == pytest.approx(400)
    mask.train()(as_tensor(photo()))
    learned = mask.knee()
    assert learned < 390
    again = GradientMask(percentile=80)
    again.load_state_dict(mask.state_dict())
    assert again.knee() == learned


def test_key_points_are_the_strongest_of_their_blocks():
    magnitude = torch.zeros(1, 1, 32, 32)
    magnitude[0, 0, 4, 4], magnitude[0, 0, 6, 6] = 100, 90  # one block
    magnitude[0, 0, 20, 12] = 20  # below the margin
    magnitude[0, 0, 16, 31] = 50
    chosen = keypoints(magnitude)[0, 0]
    assert chosen[3:6, 3:6].all()
    assert chosen.sum() == 9 + 6  # the other one stands at the border
    assert chosen[15:18, 30:].all()


def test_kinds_have_comparable_weights():
    image = as_tensor(photo())
    assert torch.equal(GradientMask("averaging")(image), torch.ones(1, 1, 48, 64))
    found = GradientMask("keypoints")(image)
    assert found.mean().item() == pytest.approx(1, abs=1e-5)
    assert set(found.unique().tolist()) == {0.0, found.max().item()}
    with pytest.raises(ValueError, match=r"unknown kind.*averaging"):
        GradientMask("corners")
    with pytest.raises(ValueError, match="percentile"):
        GradientMask(percentile=120)
