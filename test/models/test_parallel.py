import pytest

from depth_perception.models.parallel import bands, parallel_map


def test_order_is_kept():
    assert parallel_map(lambda x: x * x, range(20)) == [x * x for x in range(20)]


def test_an_exception_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        parallel_map(lambda x: 1 // x, [1, 0])


def test_bands_cover_everything_once():
    for size, count in ((10, 3), (2, 8), (0, 4), (7, 1)):
        covered = [i for band in bands(size, count) for i in range(band.start, band.stop)]
        assert covered == list(range(size))
        assert len(bands(size, count)) <= count
