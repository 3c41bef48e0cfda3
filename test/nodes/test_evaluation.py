import pytest

pytest.importorskip("rclpy")
from depth_perception.nodes.evaluation import check_values, evaluation_settings
from depth_perception.nodes.evaluation_parameters import EVALUATION_PARAMETERS
from depth_perception.pipelines.parameters import ParameterError


@pytest.fixture
def values(tmp_path):
    bag = tmp_path / "bag.mcap"
    bag.touch()
    return {**EVALUATION_PARAMETERS.defaults(), "bag": str(bag)}


def test_parameters_become_settings(values, tmp_path):
    file = tmp_path / "completion.yaml"
    file.write_text("/**: {ros__parameters: {depth: {max: 20.0}}}")
    changed = {
        "models": "fast, diffusion",
        "holdout": "rings:8",
        "seed": 3,
        "params_file": str(file),
        "topics.points": "/lidar",
        "truth_folder": str(tmp_path),
        "every": 2,
    }
    settings = evaluation_settings({**values, **changed})
    assert settings.models == ("fast", "diffusion")
    assert (settings.holdout.kind, settings.holdout.every, settings.holdout.seed) == ("rings", 8, 3)
    assert settings.parameters["depth.max"] == 20.0
    assert settings.topics.points == "/lidar"
    assert settings.topics.image is None
    assert settings.truth_folder == tmp_path
    assert settings.every == 2


def test_defaults_leave_the_choice_to_the_evaluator(values):
    settings = evaluation_settings({**values, "seed": 5})
    assert settings.holdout is None
    assert settings.seed == 5  # of the hold-out that the evaluator chooses
    assert settings.models == ()
    assert settings.truth_folder is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"bag": ""}, "give the recording"),
        ({"bag": "/nowhere"}, "/nowhere does not exist"),
        ({"holdout": "half"}, "half"),
        ({"params_file": "/nowhere.yaml"}, "/nowhere.yaml"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(values, change, text):
    with pytest.raises((ParameterError, ValueError), match=text):
        check_values({**values, **change})
