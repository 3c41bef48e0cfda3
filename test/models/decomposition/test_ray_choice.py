import numpy as np
import pytest

from depth_perception.models.decomposition.ray_choice import choose_image, choose_rays


def test_every_label_is_looked_at_however_small():
    groups = np.repeat(np.arange(6), [5000, 3000, 40, 7, 2, 1]).astype(np.int32)
    np.random.default_rng(0).shuffle(groups)
    for seed in range(20):
        rays = choose_rays(groups, 0, 64, np.random.default_rng(seed))
        counts = np.bincount(groups[rays], minlength=6)
        assert (counts >= 1).all()
        assert 64 <= len(rays) <= 64 + 6
        assert counts.tolist() == np.ceil(64 * np.bincount(groups) / len(groups)).astype(int).tolist()


def test_random_rays_alone_miss_small_labels():
    groups = np.repeat(np.arange(2), [100000, 1]).astype(np.int32)
    assert (groups[choose_rays(groups, 64, 0, np.random.default_rng(0))] == 0).all()


def test_rays_of_a_label_are_spread_over_it():
    groups = np.zeros(1000, np.int32)
    rays = choose_rays(groups, 0, 500, np.random.default_rng(0))
    assert rays.min() < 50
    assert rays.max() > 950
    assert len(np.unique(rays)) > 300


def test_nothing_to_choose_from_is_an_error():
    with pytest.raises(ValueError, match="no rays"):
        choose_rays(np.zeros(0, np.int32), 4, 4, np.random.default_rng(0))
    with pytest.raises(ValueError, match="no image"):
        choose_image([], np.random.default_rng(0))


def test_images_with_many_labels_come_more_often_and_empty_ones_never():
    rng = np.random.default_rng(0)
    objects = [0, 1, 1, 9]
    drawn = np.bincount([choose_image(objects, rng, 0.2, 1) for _ in range(2000)], minlength=4)
    assert drawn[0] == 0
    # a quarter by itself, a quarter instead of the empty one, a fifth of the other half
    assert drawn[3] / 2000 == pytest.approx(0.25 + 0.25 + 0.1, abs=0.04)
    assert drawn[1] / 2000 == pytest.approx(0.2, abs=0.04)


def test_images_without_any_object_can_be_chosen_if_there_are_no_others():
    assert choose_image([0, 0], np.random.default_rng(0)) in (0, 1)
