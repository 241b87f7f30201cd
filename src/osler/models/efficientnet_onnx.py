"""EfficientNet-lite0 written as an ONNX graph, straight from its arrays.

Architecture: Tan and Le, "EfficientNet" (ICML 2019), in the "lite" form of the TensorFlow TPU
repository: no squeeze-and-excitation, ReLU6, stem and head not scaled. Convolutions pad as
TensorFlow's SAME does (the odd pixel at the end), batch normalisation (epsilon 1e-3) is folded
into weights and biases.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError, MissingError, sha256_hex, write_bytes, write_text
from osler.settings import settings

from .embedded import EFFICIENTNET_LITE0, file_sha256, find_embedded
from .torch_weights import read_torch_weights

SIDE = 224
WIDTH = 1280
GRID = 7

_VERSION = "1"
"""Part of the cached file's name: raise it when the graph changes."""

# (repeats, kernel, stride of the first, expansion, channels in, channels out)
_STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
_EPSILON = 1e-3

Weights = Mapping[str, NDArray[Any]]


def encoder_graph(weights_path: str | Path | None = None) -> Path:
    """The ONNX file of the encoder, written to Osler's cache on first use, its checksum beside it.

    Parameters
    ----------
    weights_path
        The user's own copy of the ``.pth`` file; by default it is found by
        :func:`osler.models.embedded.find_embedded`.

    Raises
    ------
    MissingError
        The weights, or the package onnx on first use, are not installed.
    """
    source = EFFICIENTNET_LITE0
    folder = settings().cache_dir / "models"
    target = folder / f"efficientnet-lite0-{source.sha256[:12]}-v{_VERSION}.onnx"
    stated = target.with_suffix(".sha256")
    located = find_embedded(source, weights_path)
    if not (
        target.is_file()
        and stated.is_file()
        and stated.read_bytes() == file_sha256(target).encode()
    ):
        graph = efficientnet_onnx(read_torch_weights(located.path))
        write_bytes(target, graph)
        write_text(stated, sha256_hex(graph))
    return target


def efficientnet_onnx(weights: Weights) -> bytes:
    """The graph, serialised.

    Input ``pixels``: (n, 3, 224, 224) float32, normalised. Outputs: ``features`` (n, 1280), the
    mean of ``grid`` (n, 1280, 7, 7), and ``logits`` (n, 1000) over ImageNet classes.

    Raises
    ------
    BadFileError
        A tensor is missing or has another shape.
    """
    try:
        from onnx import TensorProto, helper
    except ImportError as error:
        raise MissingError(
            "the image encoder needs the package onnx once, to write its graph; install it with: "
            'pip install "osler[demo]"'
        ) from error

    graph = _Graph(weights)
    x = graph.convolve("pixels", "_conv_stem", "_bn0", (32, 3, 3, 3), stride=2, size=SIDE)
    size, block = SIDE // 2, 0
    for repeats, kernel, first_stride, expansion, entering, out in _STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            inputs = entering if repeat == 0 else out
            x = graph.block(x, block, (inputs, out), kernel, stride, expansion, size)
            size = -(-size // stride)
            block += 1
    grid = graph.convolve(x, "_conv_head", "_bn1", (WIDTH, 320, 1, 1), size=size)
    graph.add("Identity", [grid], "grid")
    graph.add("GlobalAveragePool", [grid], "pooled")
    graph.add("Flatten", ["pooled"], "features")
    fc = graph.constant("fc.weight", graph.take("_fc.weight", (1000, WIDTH)))
    bias = graph.constant("fc.bias", graph.take("_fc.bias", (1000,)))
    graph.add("Gemm", ["features", fc, bias], "logits", transB=1)

    def tensor(name: str, *shape: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])

    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "efficientnet-lite0",
            [tensor("pixels", 3, SIDE, SIDE)],
            [tensor("features", WIDTH), tensor("grid", WIDTH, GRID, GRID), tensor("logits", 1000)],
            graph.constants,
        ),
        producer_name="osler",
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    return bytes(model.SerializeToString())


class _Graph:
    """Nodes and constants as they are added; every method returns the name of its output."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.limits = (
            self.constant("zero", np.float32(0.0)),
            self.constant("six", np.float32(6.0)),
        )

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        found = self.weights.get(name)
        if found is None or found.shape != shape:
            has = "missing" if found is None else f"of shape {found.shape}"
            raise BadFileError(
                "EfficientNet-lite0 weights", f"{name} is {has}, not {shape}", "fetch them again"
            )
        return np.asarray(found, np.float32)

    def constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convolve(
        self,
        x: str,
        conv: str,
        norm: str,
        shape: tuple[int, int, int, int],
        *,
        stride: int = 1,
        size: int,
        activate: bool = True,
    ) -> str:
        """Convolution with folded normalisation; depthwise when each output has one input."""
        outputs, inputs, kernel, _ = shape
        gain = self.take(f"{norm}.weight", (outputs,)) / np.sqrt(
            self.take(f"{norm}.running_var", (outputs,)) + _EPSILON
        )
        bias = self.take(f"{norm}.bias", (outputs,)) - gain * self.take(
            f"{norm}.running_mean", (outputs,)
        )
        weight = self.take(f"{conv}.weight", shape) * gain[:, None, None, None]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        before, after = total // 2, total - total // 2
        y = self.add(
            "Conv",
            [x, self.constant(f"{conv}.w", weight), self.constant(f"{conv}.b", bias)],
            f"{conv}.y",
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=outputs if inputs == 1 else 1,
        )
        return self.add("Clip", [y, *self.limits], f"{conv}.relu6") if activate else y

    def block(
        self,
        x: str,
        index: int,
        channels: tuple[int, int],
        kernel: int,
        stride: int,
        expansion: int,
        size: int,
    ) -> str:
        """Inverted residual: widen, filter each channel, narrow, add the input where it fits."""
        inputs, outputs = channels
        at = f"_blocks.{index}."
        wide = inputs * expansion
        y = x
        if expansion != 1:
            shape = (wide, inputs, 1, 1)
            y = self.convolve(y, f"{at}_expand_conv", f"{at}_bn0", shape, size=size)
        shape = (wide, 1, kernel, kernel)
        y = self.convolve(y, f"{at}_depthwise_conv", f"{at}_bn1", shape, stride=stride, size=size)
        after = -(-size // stride)
        shape = (outputs, wide, 1, 1)
        y = self.convolve(y, f"{at}_project_conv", f"{at}_bn2", shape, size=after, activate=False)
        if stride == 1 and inputs == outputs:
            y = self.add("Add", [y, x], f"{at}sum")
        return y
