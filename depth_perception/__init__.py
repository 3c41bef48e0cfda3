"""Dense metric depth, coloured clouds and object surfaces from a camera and sparse range data.

``colcon build`` generates ``depth_perception.msg`` into the install space, while an editable
checkout holds the Python modules; extending the package path lets both be used side by side.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
__version__ = "0.1.0"
