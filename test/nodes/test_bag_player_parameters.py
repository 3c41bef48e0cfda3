from depth_perception.nodes.bag_player_parameters import BAG_PLAYER_PARAMETERS


def test_what_may_change_while_playing():
    changeable = {name for name, parameter in BAG_PLAYER_PARAMETERS.items() if not parameter.read_only}
    assert changeable == {"rate", "paused", "wait_timeout", "clock_rate"}


def test_every_parameter_is_described():
    for parameter in BAG_PLAYER_PARAMETERS.values():
        assert parameter.description.endswith(".")
        if isinstance(parameter.default, float):
            assert parameter.minimum is not None
