from __future__ import annotations

import dataclasses
import sys

import pytest

from depth_perception.models import families


@pytest.mark.parametrize("family", families.names())
def test_every_family_has_a_configuration_and_a_method(family):
    config = families.configuration(family)
    assert dataclasses.is_dataclass(config)
    hash(config)  # frozen, all the way down
    method = families.method(family, config)
    assert method.family == family
    assert method.config == config
    assert len(set(method.input_names)) == len(method.input_names) > 0


@pytest.mark.parametrize("family", families.names())
def test_a_configuration_survives_being_written_as_json(family):
    import json

    config = families.configuration(family)
    values = json.loads(json.dumps(dataclasses.asdict(config)))
    assert families.configuration(family, values) == config


def test_settings_replace_defaults():
    config = families.configuration("refiner", {"widths": [8, 16, 24, 32]})
    assert config.widths == (8, 16, 24, 32)
    assert config.blocks == families.configuration("refiner").blocks


def test_mistakes_are_told():
    with pytest.raises(ValueError, match=r"unknown family .*'guesser'.*refiner"):
        families.configuration("guesser")
    with pytest.raises(ValueError, match=r"refiner has no setting depth, height; it has .*widths"):
        families.configuration("refiner", {"height": 1, "depth": 2, "widths": [1]})


def test_no_torch_is_needed():
    import subprocess

    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from depth_perception.models import families\n"
        "for f in families.names(): families.method(f, families.configuration(f))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
