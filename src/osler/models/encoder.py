"""The embedded image encoder: EfficientNet-lite0 by ONNX Runtime, one thread, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import InputError, MissingError

from .efficientnet_onnx import GRID, SIDE, WIDTH, encoder_graph

_MEAN, _STD = 0.498, 0.502
"""127/255 and 128/255: the lite models were trained on (v - 127) / 128, about -1 to 1."""

_BATCH = 16
"""Images computed at once: larger batches gain nothing on one thread and cost memory."""


class Encoder:
    """Features of images.

    Parameters
    ----------
    weights
        The user's own copy of the weights; found by itself when not given.
    threads
        Threads of ONNX Runtime. One by default: on a shared machine more is slower.

    Raises
    ------
    MissingError
        onnxruntime or the weights are not installed.
    """

    def __init__(self, weights: str | Path | None = None, threads: int = 1) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingError(
                'the image encoder needs onnxruntime; install it with: pip install "osler[demo]"'
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            str(encoder_graph(weights)), options, providers=["CPUExecutionProvider"]
        )

    def embed(self, planes: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Features of ``planes``: (n, 1280) float32, the mean over the 7 x 7 grid.

        ``planes`` are uint8, (h, w) or (h, w, 3) RGB; see :func:`preprocess`.
        """
        return self._run("features", planes, (WIDTH,))

    def grids(self, planes: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Features by place: (n, 1280, 7, 7) float32, rows from the top, columns from the left."""
        return self._run("grid", planes, (WIDTH, GRID, GRID))

    def logits(self, planes: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Logits over the 1000 ImageNet classes: (n, 1000) float32."""
        return self._run("logits", planes, (1000,))

    def _run(
        self, output: str, planes: Sequence[NDArray[Any]], shape: tuple[int, ...]
    ) -> NDArray[np.float32]:
        found = [np.zeros((0, *shape), np.float32)]
        for start in range(0, len(planes), _BATCH):
            pixels = np.stack([preprocess(plane) for plane in planes[start : start + _BATCH]])
            found.append(self._session.run([output], {"pixels": pixels})[0])
        return np.concatenate(found)


def preprocess(plane: NDArray[Any]) -> NDArray[np.float32]:
    """A plane as the network's input: (3, 224, 224) float32.

    The longer side becomes 224 px (area averaging when shrinking, bicubic when enlarging), the
    rest is black, so that the aspect ratio stays; grey is repeated; then (v / 255 - 0.498) / 0.502.

    Raises
    ------
    InputError
        The plane is not uint8, or not of shape (h, w) or (h, w, 3).
    """
    import cv2

    if plane.dtype != np.uint8 or plane.ndim not in (2, 3) or 0 in plane.shape:
        raise InputError(f"the encoder takes uint8 planes, not {plane.dtype} of {plane.shape}")
    if plane.ndim == 3 and plane.shape[2] != 3:
        raise InputError(f"the encoder takes 1 or 3 channels, not {plane.shape[2]}")
    height, width = plane.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(plane, size, interpolation=how)
    if small.ndim == 2:
        small = np.repeat(small[..., None], 3, axis=2)
    canvas = np.zeros((SIDE, SIDE, 3), np.float32)
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = small
    return np.ascontiguousarray(((canvas / 255.0 - _MEAN) / _STD).transpose(2, 0, 1))
