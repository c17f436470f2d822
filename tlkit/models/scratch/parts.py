"""What the builders from scratch share: layers with the family's regulariser and initialiser, named blocks."""

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


class Net:
    """Adds layers to a graph and notes the block that each belongs to.

    Args:
        options: the regulariser, initialiser, BatchNorm settings and scaling of all layers.
        ctx: what the network is built for.
    """

    def __init__(self, options: ScratchOptions, ctx: BackboneContext) -> None:
        self._options = options
        self._ctx = ctx
        self._blocks: dict[str, list[Any]] = {}
        self._block = ""

    @contextmanager
    def block(self, name: str) -> Iterator[None]:
        """The layers that are added inside belong to the block ``name``; a block can be entered again."""
        before, self._block = self._block, name
        self._blocks.setdefault(name, [])
        try:
            yield
        finally:
            self._block = before

    def add(self, layer: Any, x: Any) -> Any:
        """The layer called on a tensor or on a list of tensors."""
        self._blocks.setdefault(self._block, []).append(layer)
        return layer(x)

    def scaled(self, images: Any) -> Any:
        """RGB in 0-255 in the range that the options name; as it is when the recipe standardises images."""
        if self._options.scaling == "none" or self._ctx.standardized:
            return images
        scale, offset = _SCALES[self._options.scaling]
        return layers.Rescaling(scale, offset=offset, name="preprocessing")(images)

    def conv(self, x: Any, filters: int, kernel: int, stride: int = 1, *, name: str, **more: Any) -> Any:
        """A convolution with the family's initialiser and L2 weight, padding ``same`` unless told otherwise."""
        settings: dict[str, Any] = {"padding": "same", **self._weights("kernel"), **more}
        if kernel == 1 and stride > 1:
            # The same numbers; with 8 channels TensorFlow 2.21's gradient of a strided 1x1 convolution corrupts memory.
            x, stride = self.max_pool(x, 1, stride, f"{name}_stride"), 1
        return self.add(layers.Conv2D(filters, kernel, stride, name=name, **settings), x)

    def depthwise(self, x: Any, kernel: int, stride: int = 1, *, name: str, **more: Any) -> Any:
        """A convolution of each channel by itself."""
        settings: dict[str, Any] = {"padding": "same", "use_bias": False, **self._weights("depthwise"), **more}
        return self.add(layers.DepthwiseConv2D(kernel, stride, name=name, **settings), x)

    def separable(self, x: Any, filters: int, kernel: int, stride: int = 1, *, name: str, **more: Any) -> Any:
        """A depthwise and a 1x1 convolution, without bias (Chollet 2017, arXiv:1610.02357)."""
        settings = {"padding": "same", "use_bias": False, **more}
        settings |= self._weights("depthwise") | self._weights("pointwise")
        return self.add(layers.SeparableConv2D(filters, kernel, stride, name=name, **settings), x)

    def norm(self, x: Any, name: str) -> Any:
        """BatchNormalization with the family's momentum and epsilon."""
        momentum, epsilon = self._options.batch_norm_momentum, self._options.batch_norm_epsilon
        return self.add(layers.BatchNormalization(momentum=momentum, epsilon=epsilon, name=name), x)

    def activate(self, x: Any, name: str, function: str = "relu") -> Any:
        """An activation as a layer of its own."""
        return self.add(layers.Activation(function, name=name), x)

    def pad(self, x: Any, padding: Any, name: str) -> Any:
        """Zeros at the border."""
        return self.add(layers.ZeroPadding2D(padding, name=name), x)

    def pad_for_stride(self, x: Any, kernel: int, name: str) -> Any:
        """Zeros such that a window of stride 2 and padding ``valid`` begins at the first pixel of an even size."""
        odd = [1 - int(size) % 2 for size in x.shape[1:3]]
        return self.pad(x, tuple((kernel // 2 - each, kernel // 2) for each in odd), name)

    def max_pool(self, x: Any, size: int, stride: int, name: str, padding: str = "valid") -> Any:
        """The greatest value of each window."""
        return self.add(layers.MaxPooling2D(size, stride, padding=padding, name=name), x)

    def average_pool(self, x: Any, size: int, stride: int, name: str, padding: str = "valid") -> Any:
        """The mean of each window."""
        return self.add(layers.AveragePooling2D(size, stride, padding=padding, name=name), x)

    def dropout(self, x: Any, rate: float, name: str) -> Any:
        """A share of the values set to 0 while training."""
        return self.add(layers.Dropout(rate, seed=self._ctx.seed, name=name), x)

    def join(self, tensors: list[Any], name: str) -> Any:
        """The sum of tensors of one shape."""
        return self.add(layers.Add(name=name), tensors)

    def concatenate(self, tensors: list[Any], name: str) -> Any:
        """The channels of all tensors."""
        return self.add(layers.Concatenate(name=name), tensors)

    def squeeze_excite(self, x: Any, units: int, name: str, activation: str = "relu") -> Any:
        """Channels weighted by what all of the image has in them (Hu et al. 2018, arXiv:1709.01507).

        Args:
            x: (N, h, w, channels).
            units: of the narrow layer.
            name: what the layers' names begin with.
            activation: of the narrow layer.
        """
        channels = x.shape[-1]
        weights = self.add(layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze"), x)
        weights = self.conv(weights, units, 1, name=f"{name}_reduce", activation=activation)
        weights = self.conv(weights, channels, 1, name=f"{name}_expand", activation="sigmoid")
        return self.add(layers.Multiply(name=f"{name}_excite"), [x, weights])

    def drop_path(self, x: Any, rate: float, name: str) -> Any:
        """A branch left out for whole samples (stochastic depth, Huang et al. 2016, arXiv:1603.09382)."""
        if not rate:
            return x
        return self.add(layers.Dropout(rate, noise_shape=(None, 1, 1, 1), seed=self._ctx.seed, name=name), x)

    def built(self, images: Any, output: Any) -> BuiltBackbone:
        """Feature maps by stride and the blocks, in the order in which they were entered.

        Args:
            images: where the graph begins.
            output: its last feature map (N, h, w, channels).
        """
        # The images may be padded; a model of anything but an input would be of copies.
        model = keras.Model(keras.utils.get_source_inputs(images), output)
        return BuiltBackbone(feature_maps(model), named_blocks(model, self._blocks))

    def _weights(self, which: str) -> dict[str, Any]:
        weight = self._options.l2
        return {
            f"{which}_initializer": self._options.initializer,
            f"{which}_regularizer": keras.regularizers.L2(weight) if weight else None,
        }
