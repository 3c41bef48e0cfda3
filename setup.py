"""For pip: the Python side alone, without messages. In a ROS 2 workspace colcon builds CMakeLists.txt instead.

Exact versions are in requirements/pins.txt; the ranges here say what the code is meant to run on.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def version() -> str:
    """Return the version of package.xml, the one place where it is written for ROS and for pip."""
    return re.findall(r"<version>([^<]+)</version>", (ROOT / "package.xml").read_text())[0]


def shared(folder: str) -> tuple[str, list[str]]:
    """Return the files of one folder with the place where they are installed, the same as colcon's."""
    files = sorted(str(file.relative_to(ROOT)) for file in (ROOT / folder).glob("*") if file.is_file())
    return f"share/depth_perception/{folder}", files


setup(
    name="depth_perception",
    version=version(),
    description="Dense metric depth and coloured clouds from a camera and sparse range data",
    long_description=(ROOT / "README.md").read_text() if (ROOT / "README.md").is_file() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["depth_perception", "depth_perception.*"]),
    package_data={"": ["templates/*", "weights/*"]},
    data_files=[shared("config"), shared("config/rviz"), shared("launch"), shared("msg"), shared("srv")],
    install_requires=[
        "Jinja2>=3.0",
        "PyYAML>=6.0",
        "matplotlib>=3.6",
        "numpy>=1.26",
        "onnxruntime>=1.17",
        "rosbags>=0.11",
        "safetensors>=0.4",
        "scipy>=1.11",
    ],
    extras_require={
        # only one OpenCV may be installed, and a robot's distribution brings its own
        "opencv": ["opencv-contrib-python-headless>=4.6"],
        "decomposition": ["scikit-image>=0.20", "torch>=2.4", "trimesh>=4.0"],
        "training": ["torch>=2.4", "tqdm>=4.60"],
        "learning": ["jsonargparse[signatures]>=4.27", "lightning>=2.2", "onnx>=1.15", "rich>=13", "tensorboard>=2.14"],
        "view": ["rerun-sdk>=0.24"],
        "dev": [
            "hypothesis>=6.100",
            "mypy>=1.10",
            "pytest>=8",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.5",
            "ruff>=0.5",
            "scikit-learn>=1.3",
        ],
    },
    entry_points={"console_scripts": ["depth_perception=depth_perception.cli:main"]},
)
