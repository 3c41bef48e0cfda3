"""Floor 1: cameras, rigid transforms, where range points fall in an image, views from other places.

NumPy and OpenCV, but for ``warping``, ``splatting`` and ``virtual_views``, which need torch.
"""
