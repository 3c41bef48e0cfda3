"""Every configuration in training/configs describes a network that can be built and shipped."""

from __future__ import annotations

import pytest
import yaml

from depth_perception.models import families, networks
from training.make_weights import CONFIGS, SHIPPED, available

MOST_BYTES = 16e6  # of a weight file, in which most values take two bytes


@pytest.fixture(params=available())
def name(request):
    return request.param


def test_its_network_fits_into_a_file_that_ships(name):
    model = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["model"]
    if model.get("family") not in families.names():
        pytest.skip("not a completer")
    network = networks.build(model["family"], families.configuration(model["family"], model.get("config")))
    assert 2 * sum(p.numel() for p in network.parameters()) < MOST_BYTES


def test_it_writes_where_make_weights_looks(name):
    trainer = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["trainer"]
    assert trainer["default_root_dir"] == f".training/{name}"
    assert trainer["callbacks"][-1]["init_args"]["dirpath"] == f".training/{name}"
    assert trainer["callbacks"][-1]["init_args"]["save_last"]


def test_what_ships_has_a_configuration():
    assert set(SHIPPED) <= set(available())
