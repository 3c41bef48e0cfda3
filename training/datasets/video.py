"""Video of one moving camera, from wherever: rendered sequences or a folder of pictures, behind one type of frame."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, FloatImage
from depth_perception.geometry.camera import check_camera, rectified, rectify_image
from training.synthetic.sequences import CLASSES

HELD_OUT_SHARE = 20  # of so many rendered sequences one is never trained on
RIGHT_ANGLED = ("indoor", "corridor", "warehouse")  # kinds of worlds whose walls stand along the world's axes
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_MODELS = {"plumb_bob": "plumb_bob", "rational_polynomial": "rational_polynomial", "equidistant": "equidistant"}


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One picture of a video and whatever is known about it besides; unknown things are None.

    ``name``: that of its video and its own, such as 00000003/0012. ``image`` RGB uint8 (H, W, 3), rectified: ``camera``
    is a pinhole. ``depth`` float32 (H, W) in metres, 0 unknown. ``normal`` float32 (H, W, 3) in the camera's frame, 0
    unknown. ``label`` (H, W) class numbers, 0 unknown. ``T_world_camera`` (4, 4). ``directions`` (6, 3): the axes
    along which walls and floors face, in the camera's frame, both signs.
    """

    name: str
    image: NDArray[np.uint8]
    camera: CameraModel
    depth: FloatImage | None = None
    normal: FloatImage | None = None
    label: NDArray[np.uint8] | None = None
    T_world_camera: NDArray[np.float64] | None = None
    directions: NDArray[np.float64] | None = None


class Video(Protocol):
    """Frames in the order they were taken, at a steady pace; reading one reads nothing of the others."""

    name: str

    def __len__(self) -> int:
        """Number of frames."""
        ...

    def __getitem__(self, index: int) -> VideoFrame:
        """Return frame ``index`` from 0 on."""
        ...


class VideoSource(Protocol):
    """Videos from wherever, parted into those to train on and those held out."""

    def videos(self, held_out: bool) -> Sequence[Video]:
        """Return one of the two parts; raises FileNotFoundError or ValueError saying why if there is nothing."""
        ...


class RenderedVideo:
    """A file of training.synthetic.sequences: everything is known. ``classes``: of its labels, with 0."""

    classes = len(CLASSES)

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.name = self.path.stem
        with np.load(self.path) as file:
            self._count = len(file["times"])

    def __len__(self) -> int:
        """Number of frames."""
        return self._count

    def __getitem__(self, index: int) -> VideoFrame:
        """See ``Video``."""
        with np.load(self.path) as file:
            image, pose = file[f"image_{index:04d}"], file["T_world_camera"][index]
            camera = CameraModel(image.shape[1], image.shape[0], file["K"])
            axes = np.concatenate([pose[:3, :3], -pose[:3, :3]])  # rows are the world's axes in the camera's frame
            return VideoFrame(
                f"{self.name}/{index:04d}",
                image,
                camera,
                np.nan_to_num(file[f"depth_{index:04d}"]),
                file[f"normal_{index:04d}"].astype(np.float32) / np.float32(127),
                file[f"label_{index:04d}"],
                pose,
                axes if str(file["world"]) in RIGHT_ANGLED else None,
            )


class PictureFolder:
    """Pictures of a folder in the order of their names, beside the calibration of the camera that took them.

    ``camera``: a file in the folder or elsewhere, by default camera.yaml, camera.yml, camera.json or K.txt there. YAML
    and JSON as ROS's camera_calibration writes them (image_width, image_height, camera_matrix, distortion_model,
    distortion_coefficients); K.txt holds nine numbers for the size of the first picture. Distorted pictures are
    rectified. Raises FileNotFoundError without pictures or calibration, ValueError for a calibration that is none.
    """

    def __init__(self, folder: Path | str, camera: Path | str | None = None):
        self.folder = Path(folder)
        self.name = self.folder.name
        self.files = sorted(f for f in self.folder.iterdir() if f.suffix.lower() in _PICTURES)
        if not self.files:
            raise FileNotFoundError(f"no pictures in {self.folder}")
        self.camera = read_camera(self._calibration(camera), self._read(0).shape[:2])

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.files)

    def __getitem__(self, index: int) -> VideoFrame:
        """See ``Video``; raises ValueError naming a picture of another size."""
        image = self._read(index)
        if image.shape[:2] != self.camera.shape:
            raise ValueError(f"{self.files[index]} is {image.shape[:2]}, its camera {self.camera.shape}")
        image = np.asarray(rectify_image(self.camera, image), np.uint8)
        return VideoFrame(f"{self.name}/{self.files[index].stem}", image, rectified(self.camera))

    def _calibration(self, camera: Path | str | None) -> Path:
        names = ("camera.yaml", "camera.yml", "camera.json", "K.txt")
        found = [Path(camera)] if camera else [self.folder / name for name in names]
        for file in found:
            if file.is_file():
                return file
        raise FileNotFoundError(f"no calibration of the camera for {self.folder}: put {', '.join(names)} there")

    def _read(self, index: int) -> NDArray[np.uint8]:
        image = cv2.imread(str(self.files[index]), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"{self.files[index]} is no picture")
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def read_camera(file: Path, shape: tuple[int, ...]) -> CameraModel:
    """Return the camera in ``file``, see ``PictureFolder``; ``shape`` (height, width) for a file that says no size."""
    text = file.read_text()
    if file.suffix == ".txt":
        numbers = np.array(text.replace(",", " ").split(), np.float64)
        if numbers.size != 9:
            raise ValueError(f"{file} holds {numbers.size} numbers, not the 9 of a camera matrix")
        camera = CameraModel(int(shape[1]), int(shape[0]), numbers.reshape(3, 3))
    else:
        values = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
        try:
            matrix = np.array(values["camera_matrix"]["data"], np.float64).reshape(3, 3)
            distortion = np.array(values.get("distortion_coefficients", {}).get("data", []), np.float64)
            model = _MODELS[values.get("distortion_model", "plumb_bob")] if distortion.size else "none"
            size = int(values["image_width"]), int(values["image_height"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{file} is no calibration of a camera: {type(error).__name__} {error}") from error
        camera = CameraModel(*size, matrix, distortion, model)
    check_camera(camera)
    return camera


class FolderSource:
    """Rendered sequences (*.npz) of a folder or, where there are none, pictures: see the two functions below."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)

    def videos(self, held_out: bool) -> Sequence[Video]:
        """See ``VideoSource``."""
        if not self.folder.is_dir():
            raise FileNotFoundError(f"no folder {self.folder}")
        if any(self.folder.glob("*.npz")):
            return rendered_videos(self.folder, held_out)
        return picture_videos(self.folder, held_out)


def rendered_videos(folder: Path | str, held_out: bool) -> list[RenderedVideo]:
    """List the rendered sequences of ``folder`` that are for training, or those held out: every 20th from 0 on.

    Raises FileNotFoundError if there are none.
    """
    files = sorted(Path(folder).glob("*.npz"))
    chosen = [f for f in files if (int(f.stem) % HELD_OUT_SHARE == 0) == held_out]
    if not chosen:
        which = "held out (numbers 0, 20, 40, ...)" if held_out else "to train on (numbers 1 to 19, 21 to 39, ...)"
        raise FileNotFoundError(
            f"none of the {len(files)} sequences in {folder} is {which}; render some with python "
            "-m training.synthetic.sequences"
        )
    return [RenderedVideo(f) for f in chosen]


def picture_videos(folder: Path | str, held_out: bool, share: float = 0.15) -> list[Video]:
    """List the videos of ``folder``: its own pictures, or those of its folders; the last ``share`` of each is held out.

    Neighbouring frames show the same, so what is held out is one stretch at the end. Raises FileNotFoundError.
    """
    folder = Path(folder)
    inner = sorted(
        f for f in folder.iterdir() if f.is_dir() and any(p.suffix.lower() in _PICTURES for p in f.iterdir())
    )
    videos = [PictureFolder(f) for f in inner] or [PictureFolder(folder)]
    cut = [math.floor(len(video) * (1 - share)) for video in videos]
    parts = [Stretch(v, c, len(v)) if held_out else Stretch(v, 0, c) for v, c in zip(videos, cut)]
    return [part for part in parts if len(part)]


class Stretch:
    """Frames ``start`` to before ``stop`` of a video."""

    def __init__(self, video: Video, start: int, stop: int):
        self.video, self.start, self.stop = video, start, stop
        self.name = video.name

    def __len__(self) -> int:
        """Number of frames."""
        return self.stop - self.start

    def __getitem__(self, index: int) -> VideoFrame:
        """See ``Video``."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.video[self.start + index]


def spread(videos: Sequence[Video], count: int) -> list[VideoFrame]:
    """Return up to ``count`` frames, evenly spread over all videos; the same each time."""
    places = [(video, index) for video in videos for index in range(len(video))]
    chosen = np.unique(np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int))
    return [places[i][0][places[i][1]] for i in chosen]
