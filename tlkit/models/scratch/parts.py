"""What the textbook builders share: layers with the family's regularizer and initializer, and named blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import layers

from tlkit.contracts import BackboneContext, BuiltBackbone
from tlkit.models.graph import feature_maps, named_blocks
from tlkit.models.scratch.options import ScratchOptions

_SCALES = {"symmetric": (1 / 127.5, -1.0), "unit": (1 / 255, 0.0)}


class Graph:
    """Adds layers to a functional graph and records which block each of them belongs to."""

    def __init__(self) -> None:
        self._blocks: dict[str, list[Any]] = {}
        self._block = ""

    @contextmanager
    def block(self, name: str) -> Iterator[None]:
        """Add the layers made inside to the block ``name``; a block can be entered more than once."""
        outer, self._block = self._block, name
        self._blocks.setdefault(name, [])
        try:
            yield
        finally:
            self._block = outer

    def add(self, layer: Any, x: Any) -> Any:
        """Call a layer on a tensor or on a list of tensors."""
        self._blocks.setdefault(self._block, []).append(layer)
        return layer(x)

    def built(self, images: Any, output: Any) -> BuiltBackbone:
        """Return the feature maps by stride and the blocks, in the order in which they were first entered.

        Args:
            images: the tensor that the graph starts from.
            output: the last feature map (N, h, w, channels).
        """
        # The images may be a padded tensor; a model whose input is not a keras.Input would consist of copies.
        model = keras.Model(keras.utils.get_source_inputs(images), output)
        return BuiltBackbone(feature_maps(model), named_blocks(model, self._blocks))


class Net(Graph):
    """A graph of layers that share a family's settings.

    Args:
        options: regularizer, initializer, BatchNorm settings and scaling of all layers.
        ctx: what the network is built for.
    """

    def __init__(self, options: ScratchOptions, ctx: BackboneContext) -> None:
        super().__init__()
        self._options = options
        self._ctx = ctx

    def scaled(self, images: Any) -> Any:
        """Scale RGB in 0-255 as the options say; images that the recipe standardizes are left as they are."""
        if self._options.scaling == "none" or self._ctx.standardized:
            return images
        scale, offset = _SCALES[self._options.scaling]
        return layers.Rescaling(scale, offset=offset, name="preprocessing")(images)

    def conv(self, x: Any, filters: int, kernel: int, stride: int = 1, *, name: str, **more: Any) -> Any:
        """Convolve, with padding ``same`` by default; ``more`` are further arguments of ``Conv2D``."""
        settings: dict[str, Any] = {"padding": "same", **self._weights("kernel"), **more}
        if kernel == 1 and stride > 1:
            # The same numbers; with 8 channels TensorFlow 2.21's gradient of a strided 1x1 convolution corrupts memory.
            x, stride = self.max_pool(x, 1, stride, f"{name}_stride"), 1
        return self.add(layers.Conv2D(filters, kernel, stride, name=name, **settings), x)

    def depthwise(self, x: Any, kernel: int, stride: int = 1, *, name: str, **more: Any) -> Any:
        """Convolve each channel separately, without bias."""
        settings: dict[str, Any] = {"padding": "same", "use_bias": False, **self._weights("depthwise"), **more}
        return self.add(layers.DepthwiseConv2D(kernel, stride, name=name, **settings), x)

    def separable(self, x: Any, filters: int, kernel: int, stride: int = 1, *, name: str, **more: Any) -> Any:
        """Convolve depthwise and then 1x1, without bias (Chollet 2017, arXiv:1610.02357)."""
        settings = {"padding": "same", "use_bias": False, **more}
        settings |= self._weights("depthwise") | self._weights("pointwise")
        return self.add(layers.SeparableConv2D(filters, kernel, stride, name=name, **settings), x)

    def norm(self, x: Any, name: str) -> Any:
        """Apply BatchNormalization with the family's momentum and epsilon."""
        momentum, epsilon = self._options.batch_norm_momentum, self._options.batch_norm_epsilon
        return self.add(layers.BatchNormalization(momentum=momentum, epsilon=epsilon, name=name), x)

    def activate(self, x: Any, name: str, function: str = "relu") -> Any:
        """Apply an activation as a layer of its own."""
        return self.add(layers.Activation(function, name=name), x)

    def pad(self, x: Any, padding: Any, name: str) -> Any:
        """Add zeros at the borders."""
        return self.add(layers.ZeroPadding2D(padding, name=name), x)

    def pad_for_stride(self, x: Any, kernel: int, name: str) -> Any:
        """Pad such that a window of stride 2 and padding ``valid`` starts at the first pixel of an even size."""
        odd = [1 - int(size) % 2 for size in x.shape[1:3]]
        return self.pad(x, tuple((kernel // 2 - each, kernel // 2) for each in odd), name)

    def max_pool(self, x: Any, size: int, stride: int, name: str, padding: str = "valid") -> Any:
        """Take the maximum of each window."""
        return self.add(layers.MaxPooling2D(size, stride, padding=padding, name=name), x)

    def average_pool(self, x: Any, size: int, stride: int, name: str, padding: str = "valid") -> Any:
        """Take the mean of each window."""
        return self.add(layers.AveragePooling2D(size, stride, padding=padding, name=name), x)

    def dropout(self, x: Any, rate: float, name: str, **more: Any) -> Any:
        """Set a share of the values to 0 in training; ``more`` are further arguments of ``Dropout``."""
        return self.add(layers.Dropout(rate, seed=self._ctx.seed, name=name, **more), x)

    def sum(self, tensors: list[Any], name: str) -> Any:
        """Add tensors of the same shape."""
        return self.add(layers.Add(name=name), tensors)

    def concatenate(self, tensors: list[Any], name: str) -> Any:
        """Concatenate the channels of tensors."""
        return self.add(layers.Concatenate(name=name), tensors)

    def _weights(self, which: str) -> dict[str, Any]:
        weight = self._options.l2
        return {
            f"{which}_initializer": self._options.initializer,
            f"{which}_regularizer": keras.regularizers.L2(weight) if weight else None,
        }


def squeeze_excite(net: Net, x: Any, units: int, name: str, activation: str = "relu") -> Any:
    """Weight each channel by a function of all channels' means over the image (Hu et al. 2018, arXiv:1709.01507).

    Args:
        net: the network that the layers are added to.
        x: (N, h, w, channels).
        units: units of the narrow layer.
        name: prefix of the layers' names.
        activation: activation of the narrow layer.
    """
    channels = x.shape[-1]
    weights = net.add(layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze"), x)
    weights = net.conv(weights, units, 1, name=f"{name}_reduce", activation=activation)
    weights = net.conv(weights, channels, 1, name=f"{name}_expand", activation="sigmoid")
    return net.add(layers.Multiply(name=f"{name}_excite"), [x, weights])
