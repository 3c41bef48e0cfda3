import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from depth_perception.models.decomposition.grid import NodeGrid
from depth_perception.models.decomposition.hash_grid import HashGrid


def test_nodes_cover_the_box_and_stay_below_the_limit():
    grid = NodeGrid.cover((0, 0, 0), (1.0, 0.5, 0.3), 0.1, 10_000)
    assert (grid.shape, grid.cell) == ((11, 6, 4), 0.1)
    coarse = NodeGrid.cover((0, 0, 0), (1.0, 0.5, 0.3), 0.1, 100)
    assert coarse.size <= 100
    assert coarse.cell > 0.1
    assert (coarse.cell * (np.array(coarse.shape) - 1) >= np.array([1.0, 0.5, 0.3]) - 1e-9).all()
    wide = grid.coarser(4)
    assert wide.cell == pytest.approx(0.4)
    assert (wide.cell * (np.array(wide.shape) - 1) >= np.array([1.0, 0.5, 0.3]) - 1e-9).all()
    for low, high in [((0, 0, 0), (1, 0, 1)), ((0, 0, 0), (1, np.inf, 1)), ((0, 0), (1, 1))]:
        with pytest.raises(ValueError, match="low"):
            NodeGrid.cover(low, high, 0.1, 100)


def test_interpolation_is_exact_for_linear_functions():
    grid = NodeGrid.cover((-1, 0, 2), (1, 1.5, 3), 0.25, 10_000)
    every = grid.points(torch.arange(grid.size))
    values = every @ torch.tensor([1.0, -2.0, 0.5])
    points = torch.tensor([[-0.9, 0.1, 2.3], [1.0, 1.5, 3.0], [0.33, 0.77, 2.0]], requires_grad=True)
    nodes, weights, inside = grid.corners(points)
    found = (values[nodes] * weights).sum(1)
    np.testing.assert_allclose(
        *(x.detach().numpy() for x in (found, points.detach() @ torch.tensor([1.0, -2.0, 0.5]))), rtol=0, atol=1e-5
    )
    assert inside.all()
    (slope,) = torch.autograd.grad(found.sum(), points)
    np.testing.assert_allclose(
        *(x.detach().numpy() for x in (slope[0], torch.tensor([1.0, -2.0, 0.5]))), rtol=0, atol=1e-4
    )
    assert grid.index(every[::7].numpy()).tolist() == list(range(0, grid.size, 7))


def test_points_outside_are_told():
    grid = NodeGrid.cover((0, 0, 0), (1, 1, 1), 0.5, 1000)
    _, weights, inside = grid.corners(torch.tensor([[2.0, 0.5, 0.5], [float("nan")] * 3, [0.2, 0.2, 0.2]]))
    assert inside.tolist() == [False, False, True]
    assert torch.isfinite(weights).all()


def test_hash_grid_has_gradients_of_gradients_that_are_right():
    torch.manual_seed(0)
    grid = HashGrid(2, 2, 3, 40, 6).double()
    assert [len(table) for table in grid.tables] == [64, 64]
    assert grid.width == 4
    with torch.no_grad():
        for table in grid.tables:
            table.uniform_(-1, 1)
    points = torch.rand(3, 3, dtype=torch.float64) * 1.8 - 0.9
    assert torch.autograd.gradcheck(grid, (points.requires_grad_(True),), eps=1e-7, atol=1e-5)
    (slope,) = torch.autograd.grad(grid(points).sum(), points, create_graph=True)
    (slope**2).sum().backward()
    assert grid.tables[0].grad.abs().sum() > 0


def test_hash_grid_is_continuous_across_its_cells():
    torch.manual_seed(0)
    grid = HashGrid(1, 1, 4, 4, 14).double()
    edge = torch.tensor([[0.5, 0.1, 0.2]], dtype=torch.float64)
    step = torch.tensor([[1e-9, 0.0, 0.0]], dtype=torch.float64)
    np.testing.assert_allclose(
        *(x.detach().numpy() for x in (grid(edge - step), grid(edge + step))), rtol=0, atol=1e-11
    )
