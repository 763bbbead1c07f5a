"""Numbers and pictures as text, so that they travel inside a page; ``view.js`` is the other half.

Numbers: byte planes apart, deflated, base64. Slices of a CT: small WebP pictures in sheets.
"""

from __future__ import annotations

import base64
import io
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Slices on one sheet: the browser shows the first sheets while it decodes the others.
SLICES_A_SHEET = 24
#: WebP quality of CT slices, and of small coloured pictures.
SLICE_QUALITY, PICTURE_QUALITY = 45, 80


def pack(values: NDArray, kind: type[np.unsignedinteger]) -> str:
    """Integers modulo the type's range, byte planes apart, deflated, base64."""
    little = values.astype(np.int64).astype(kind).astype(np.dtype(kind).newbyteorder("<"))
    planes = np.frombuffer(little.tobytes(), np.uint8).reshape(-1, np.dtype(kind).itemsize).T
    return base64.b64encode(zlib.compress(planes.tobytes(), 6)).decode()


def pack_labels(labels: NDArray[np.uint8]) -> str:
    """A label volume ``(Z, Y, X)``, one byte a voxel, deflated, base64."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(labels).tobytes(), 9)).decode()


def sheets(grey: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """Slices ``(Z, Y, X)`` as sheets of WebP pictures.

    Returns:
        Sheets ``src`` (data URL), ``first`` (its first slice), ``slices``, ``columns`` (slices
        side by side; rows follow).
    """
    out = []
    for first in range(0, len(grey), SLICES_A_SHEET):
        part = grey[first : first + SLICES_A_SHEET]
        columns = int(np.ceil(np.sqrt(len(part))))
        sheet = np.zeros((-(-len(part) // columns), columns, *part.shape[1:]), np.uint8)
        sheet.reshape(-1, *part.shape[1:])[: len(part)] = part
        rows, _, height, width = sheet.shape
        picture = sheet.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
        src = data_url(webp(picture, SLICE_QUALITY), "image/webp")
        out.append({"src": src, "first": first, "slices": len(part), "columns": columns})
    return out


def webp(picture: NDArray, quality: int = PICTURE_QUALITY) -> bytes:
    """A picture ``(rows, columns)`` or ``(rows, columns, 3)``, uint8 or 0 to 1, as WebP."""
    from PIL import Image

    if picture.dtype != np.uint8:
        picture = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "webp", quality=quality, method=4)
    return buffer.getvalue()


def data_url(content: bytes, kind: str) -> str:
    """Bytes as a URL that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
