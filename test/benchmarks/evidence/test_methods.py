import pytest

from benchmarks.evidence import methods
from depth_perception.evaluation import peers
from depth_perception.models import zoo


def test_everything_is_all_of_the_zoo_and_all_peers():
    assert methods.everything() == [*zoo.names(), *peers.families()]


@pytest.mark.usefixtures("learned")
def test_a_learned_model_brings_its_version_and_its_95_per_cent():
    entry = methods.load(["completion-small"])[0]
    assert entry.version.startswith("7")
    assert entry.wide == 3.0
    assert methods.load(["fast"])[0].wide == 1.96


def test_families_come_with_all_options_and_single_peers_alone():
    assert [e.variant for e in methods.load(["linear"])] == ["linear:z", "linear:1/z"]
    assert [(e.method, e.variant) for e in methods.load(["linear:z"])] == [("linear", "linear:z")]
    with pytest.raises(ValueError, match="magic"):
        methods.load(["magic"])


def test_ours_are_ours_even_without_their_weights():
    assert methods.ours(["clude", "fast", "linear", "nearest"]) == ["clude", "fast"]
