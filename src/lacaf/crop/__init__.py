"""Crop: the lungs, left and right, and the CT on the working grid around them."""

from lacaf.crop.stage import crop

__all__ = ["crop"]
