import math

import numpy as np
import pytest

from depth_perception.frames import ScaleKind
from depth_perception.pipelines.metric_scale import MetricScale, ScaleSettings
from depth_perception.pipelines.scale_measurement import ScaleMeasurement

SECOND = 1_000_000_000


def told(scale, deviation=0.05, source="points"):
    return ScaleMeasurement(scale, deviation, source, 100)


@pytest.fixture
def scale():
    return MetricScale(ScaleKind.UP_TO_SCALE)


def test_depth_becomes_metric_with_the_first_measurement(scale):
    before = scale.at(0)
    assert (before.kind, before.factor, before.is_metric, before.source) == (ScaleKind.UP_TO_SCALE, 1.0, False, "")
    assert scale.add(told(2.5), SECOND)
    now = scale.at(SECOND)
    assert now.is_metric
    assert now.factor == pytest.approx(2.5)
    assert now.deviation == pytest.approx(0.05)
    assert (now.source, now.age) == ("points", 0.0)


def test_it_grows_less_sure_until_it_is_not_metric_any_more(scale):
    scale.add(told(2.5, 0.01), 0)
    settings = scale.settings
    after = scale.at(25 * SECOND)
    assert after.factor == pytest.approx(2.5)
    assert after.deviation == pytest.approx(math.hypot(0.01, settings.process_noise * 5))
    assert after.age == 25.0
    late = scale.at(round((settings.widest / settings.process_noise) ** 2 * 1.01) * SECOND)
    assert late.kind is ScaleKind.UP_TO_SCALE
    assert late.factor == 1.0
    scale.add(told(2.6), 300 * SECOND)
    assert scale.at(300 * SECOND).is_metric


def test_noise_averages_out_over_time(scale):
    rng = np.random.default_rng(0)
    for i in range(60):
        scale.add(told(3 * math.exp(rng.normal(0, 0.1)), 0.1), i * 2 * SECOND)
    end = scale.at(120 * SECOND)
    assert abs(math.log(end.factor / 3)) < 0.1
    assert end.deviation < 0.07


def test_a_slow_change_is_followed():
    scale = MetricScale(ScaleKind.UP_TO_SCALE)
    for i in range(200):
        scale.add(told(2 * math.exp(0.01 * i), 0.03), i * SECOND)
    assert scale.at(199 * SECOND).factor == pytest.approx(2 * math.exp(1.99), rel=0.06)


def test_errors_of_one_source_in_quick_succession_count_as_one(scale):
    quick, slow = MetricScale(ScaleKind.UP_TO_SCALE), MetricScale(ScaleKind.UP_TO_SCALE)
    for i in range(11):
        quick.add(told(2, 0.1), i * SECOND // 10)
        slow.add(told(2, 0.1), i * 10 * SECOND)
    assert quick.at(SECOND).deviation > 0.06
    assert slow.at(100 * SECOND).deviation < quick.at(SECOND).deviation
    both = MetricScale(ScaleKind.UP_TO_SCALE)
    both.add(told(2, 0.1), 0)
    both.add(told(2, 0.1, "floor"), 0)
    assert both.at(0).deviation == pytest.approx(0.1 / math.sqrt(2))  # others make errors of their own


def test_an_outlier_is_kept_out_and_counted(scale):
    scale.add(told(2), 0)
    assert not scale.add(told(6), SECOND)
    assert scale.at(SECOND).factor == pytest.approx(2)
    assert scale.rejected == {"points": 1}
    assert scale.add(told(2.05), 2 * SECOND)
    assert scale.accepted == {"points": 2}


def test_a_new_level_is_believed_once_it_persists(scale):
    scale.add(told(2), 0)
    believed = [scale.add(told(6 * (1 + 0.01 * i)), (i + 1) * SECOND) for i in range(5)]
    assert believed == [False] * 4 + [True]
    assert scale.at(5 * SECOND).factor == pytest.approx(6, rel=0.05)


def test_outliers_that_do_not_agree_are_never_believed(scale):
    scale.add(told(2), 0)
    for i, wrong in enumerate((6, 20, 0.3, 60, 0.1, 11, 0.5, 35)):
        assert not scale.add(told(wrong), (i + 1) * SECOND // 10)
    assert scale.at(SECOND).factor == pytest.approx(2)


def test_reset_forgets(scale):
    scale.add(told(2), 0)
    scale.reset("command")
    assert scale.at(0).kind is ScaleKind.UP_TO_SCALE
    assert scale.resets == {"command": 1}
    assert scale.add(told(50), 0)


def test_metres_are_metres_from_the_start_and_can_be_corrected():
    scale = MetricScale(ScaleKind.METRIC)
    assert (scale.at(0).is_metric, scale.at(0).factor, scale.at(0).deviation) == (True, 1.0, 0.0)
    scale.add(told(1.1), 0)
    assert scale.at(0).factor == pytest.approx(1.1)
    much_later = scale.at(10_000 * SECOND)
    assert (much_later.is_metric, much_later.factor) == (True, 1.0)


def test_relative_depth_lacks_a_shift_and_stays_relative():
    scale = MetricScale(ScaleKind.RELATIVE)
    assert not scale.add(told(2), 0)
    assert (scale.at(0).kind, scale.at(0).factor) == (ScaleKind.RELATIVE, 1.0)


def test_settings_without_sense_are_refused():
    for wrong in ({"process_noise": -1.0}, {"memory": -0.1}, {"gate": 0.0}, {"persistence": 0}, {"widest": math.nan}):
        with pytest.raises(ValueError, match=r"scale\."):
            ScaleSettings(**wrong)
