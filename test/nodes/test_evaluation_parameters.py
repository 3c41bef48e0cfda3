from depth_perception.nodes.evaluation_parameters import EVALUATION_PARAMETERS


def test_nothing_changes_once_it_runs():
    assert all(parameter.read_only for parameter in EVALUATION_PARAMETERS.values())


def test_every_parameter_is_described():
    assert all(parameter.description.endswith(".") for parameter in EVALUATION_PARAMETERS.values())
