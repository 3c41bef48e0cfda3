from __future__ import annotations

from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS


def test_every_parameter_explains_itself():
    for parameter in COMPLETION_PARAMETERS.values():
        assert parameter.description.endswith("."), parameter.name
        assert len(parameter.description) > 20, parameter.name


def test_every_number_has_a_range():
    for parameter in COMPLETION_PARAMETERS.values():
        if type(parameter.default) in (int, float):
            assert parameter.minimum is not None, parameter.name
            assert parameter.maximum is not None, parameter.name
