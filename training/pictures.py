"""Pictures of held-out frames in TensorBoard while a network trains: what it sees, says, and how far off it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import lightning
import numpy as np
import torch
from numpy.typing import NDArray

from depth_perception.evaluation.sensors import Corners, Corruption, Frame, Sensor, Spinning, TimeOfFlight, Uniform
from depth_perception.frames import FloatImage
from depth_perception.models import families
from depth_perception.models.completer import check_inputs
from depth_perception.models.learned import Array, LearnedCompleter
from depth_perception.models.surface import SurfaceSettings, complete
from depth_perception.visualization.colormap import colorize, colorize_error, colorize_std, depth_range
from depth_perception.visualization.overlay import draw_points, point_colors
from depth_perception.visualization.sheets import number
from training.datasets.rendered import frame_files, load_frame

Picture = NDArray[np.uint8]
SENSORS = {
    "500 random": Sensor(Uniform(500)),
    "64 lines": Sensor(Spinning(64)),
    "8 lines": Sensor(Spinning(8)),
    "150 corners": Sensor(Corners(150)),
    "ToF grid": Sensor(TimeOfFlight(32, 24)),
    "5 %, outliers": Sensor(Uniform(0.05 * 640 * 480), Corruption(outliers=0.05)),
}
"""One row each, by name."""
_BAR = 16  # pixels, for words above a picture


class View(NamedTuple):
    """One held-out frame with its points, and what does not change while the network does."""

    name: str
    frame: Frame
    sparse: FloatImage
    blended: FloatImage
    near_far: tuple[float, float]
    worst: float  # metres, where the colours of errors and deviations end


class Pictures(lightning.Callback):
    """Draws ``count`` held-out frames, each under another sensor, after every ``every`` steps and at the end.

    ``width``: of one picture in pixels. Colours of depth span that of the frame; colours of error and deviation end
    where the error of the surface model's hand-made blend does, so pictures of different steps can be compared.
    """

    def __init__(self, every: int = 250, count: int = 6, width: int = 200):
        self.every = every
        self.count = count
        self.width = width
        self.views: list[View] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Choose the frames."""
        if trainer.is_global_zero and _boards(trainer):
            self.views = choose(trainer.datamodule.folder, self.count)  # type: ignore[attr-defined]

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Draw when it is time."""
        if trainer.global_step % self.every == 0:
            self._show(trainer, pl_module)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Draw what came out."""
        if trainer.global_step % self.every:
            self._show(trainer, pl_module)

    def _show(self, trainer: lightning.Trainer, task: Any) -> None:
        if not self.views:
            return
        picture = draw(self.views, completer_of(task), self.width)
        for board in _boards(trainer):
            board.add_image("held-out", picture, trainer.global_step, dataformats="HWC")


def completer_of(task: Any) -> LearnedCompleter:
    """Return a completer that runs the averaged weights of a ``CompletionTask`` as they are now, on its device."""

    def run(inputs: Sequence[Array]) -> list[Array]:
        training = task.averaged.training
        task.averaged.eval()  # otherwise normalisation would learn from these frames
        with torch.no_grad():
            output = task.averaged(*(torch.from_numpy(x).to(task.device) for x in inputs))
        task.averaged.train(training)
        return [part.float().cpu().numpy() for part in output[:3]]

    return LearnedCompleter(task.family, "", families.method(task.family, task.config), run)


def choose(folder: str, count: int) -> list[View]:
    """Return ``count`` held-out frames, far from each other, seen by one sensor after the other."""
    files = frame_files(folder, held_out=True)
    views = []
    for index, place in enumerate(np.linspace(0, len(files) - 1, count).round().astype(int)):
        name = list(SENSORS)[index % len(SENSORS)]
        frame = load_frame(files[place])
        scan = SENSORS[name].scan(frame, np.random.default_rng(index))
        _, sparse = check_inputs(frame.image, scan.sparse, frame.camera)
        if not sparse.any():  # a view of nothing but sky
            continue
        blended = complete(frame.image, sparse, SurfaceSettings()).depth
        known = frame.depth > 0
        error = np.abs(blended - frame.depth)[known]
        worst = float(np.percentile(error, 98)) if known.any() else 1.0
        views.append(View(name, frame, sparse, blended, depth_range(frame.depth) or (1.0, 10.0), max(worst, 1e-3)))
    return views


def draw(views: Sequence[View], completer: LearnedCompleter, width: int) -> Picture:
    """Return all views below each other, RGB; every row tells the mean absolute errors of blend and prediction."""
    return np.concatenate([_row(view, completer, width) for view in views])


def _row(view: View, completer: LearnedCompleter, width: int) -> Picture:
    frame = view.frame
    truth = np.where(frame.depth > 0, frame.depth, np.float32(np.nan))
    prediction = completer.infer(frame.image, view.sparse, frame.camera)
    error = prediction.depth - truth
    rows, columns = np.nonzero(view.sparse)
    colors = point_colors(view.sparse[rows, columns], *view.near_far)
    pictures = {
        "image": frame.image,
        view.name: draw_points(np.full_like(frame.image, 24), rows, columns, colors),
        f"blend {_mean(view.blended - truth)}": colorize(view.blended, *view.near_far),
        f"prediction {_mean(error)}": colorize(prediction.depth, *view.near_far),
        "truth": colorize(truth, *view.near_far),
        f"error to {number(view.worst)} m": colorize_error(error, view.worst),
        "deviation": colorize_std(prediction.standard_deviation, view.worst),
    }
    return np.concatenate([_titled(picture, title, width) for title, picture in pictures.items()], 1)


def _titled(picture: Picture, title: str, width: int) -> Picture:
    height = round(picture.shape[0] * width / picture.shape[1])
    out = np.full((height + _BAR, width, 3), 255, np.uint8)
    interpolation = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_NEAREST
    out[_BAR:, : width - 1] = cv2.resize(picture, (width - 1, height), interpolation=interpolation)
    cv2.putText(out, title, (2, _BAR - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return out


def _mean(error: FloatImage) -> str:
    known = np.isfinite(error)
    return f"{number(float(np.abs(error[known]).mean()))} m" if known.any() else ""


def _boards(trainer: lightning.Trainer) -> list[Any]:
    """Return the TensorBoard writers among the run's loggers."""
    writers = [getattr(logger, "experiment", None) for logger in trainer.loggers]
    return [writer for writer in writers if hasattr(writer, "add_image")]
