import pytest

from depth_perception.models import zoo
from depth_perception.models.completer import Completer


def test_every_name_loads_a_completer_of_that_name():
    assert zoo.names()[0] == "diffusion"
    for name in zoo.names():
        completer = zoo.load(name)
        assert isinstance(completer, Completer)
        assert completer.name == name
        assert completer.version


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'depthnet'.*diffusion, fast"):
        zoo.load("depthnet")
