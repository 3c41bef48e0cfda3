import pytest

from depth_perception.pipelines.decomposition_parameters import DECOMPOSITION_PARAMETERS
from depth_perception.pipelines.decomposition_settings import DecompositionSettings, read_categories


def from_parameters(**values):
    named = {name.replace("__", "."): value for name, value in values.items()}
    return DecompositionSettings.from_parameters(DECOMPOSITION_PARAMETERS.resolve(named))


def test_the_command_and_the_node_build_alike_by_default():
    assert from_parameters() == DecompositionSettings()


@pytest.mark.parametrize(
    ("parameter", "value", "field"),
    [
        ("profile", "paper", "profile"),
        ("cell", 0.01, "cell"),
        ("device", "cuda:1", "device"),
        ("image.max_width", 640, "max_width"),
        ("depth.max", 3.0, "max_depth"),
        ("blocks.size", 5.0, "block_size"),
        ("blocks.margin", 0.5, "block_margin"),
        ("blocks.key_frames", 7, "frames_in_block"),
        ("blocks.live", 9, "live_blocks"),
        ("blocks.keep_fitters", False, "keep_fitters"),
        ("blocks.folder", "/tmp/blocks", "folder"),
        ("blocks.parked_megabytes", 1.0, "parked_megabytes"),
        ("optimization.steps", 10, "steps"),
        ("objects.least_size", 0.2, "least_size"),
    ],
)
def test_each_parameter_comes_to_its_field(parameter, value, field):
    made = from_parameters(**{parameter: value})
    assert getattr(made, field) == value != getattr(DecompositionSettings(), field)


def test_settings_of_key_frames_and_tracks_come_along():
    made = from_parameters(key_frames__distance=0.7, objects__cell=0.05, objects__match=0.6)
    assert made.key_frames.distance == 0.7
    assert (made.tracks.cell, made.tracks.match) == (0.05, 0.6)


def test_what_cannot_be_is_named():
    with pytest.raises(ValueError, match="profile 'fast' is not one of live, paper, tiny"):
        DecompositionSettings(profile="fast")
    with pytest.raises(ValueError, match=r"margin 1.5 must be less than half of blocks.size 3"):
        DecompositionSettings(block_margin=1.5)


def test_categories_are_read_from_the_class_file(tmp_path):
    file = tmp_path / "classes.yaml"
    file.write_text("48: cup\n7: 12\n")
    assert from_parameters(labels__class_file=str(file)).categories == {48: "cup", 7: "12"}
    file.write_text("")
    assert read_categories(file) == {}


@pytest.mark.parametrize("content", ["- cup\n", "cup: 48\n", "48: [cup\n", None])
def test_a_class_file_that_cannot_be_read_is_named(tmp_path, content):
    file = tmp_path / "classes.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ValueError, match=r"labels\.class_file .*classes\.yaml"):
        read_categories(file)
