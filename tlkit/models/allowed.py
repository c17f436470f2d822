"""What a model file may name: Keras classes that carry no code of their own, activations and dtypes."""

from __future__ import annotations

LAYERS = frozenset(
    """
    Activation Add AlphaDropout Average AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization
    CenterCrop Concatenate Conv1D Conv2D Conv2DTranspose Conv3D Cropping2D Dense DepthwiseConv2D Dropout ELU
    EinsumDense Flatten GaussianDropout GaussianNoise GlobalAveragePooling2D GlobalMaxPooling2D GroupNormalization
    Identity InputLayer LayerNormalization LeakyReLU MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum
    MultiHeadAttention Multiply Normalization PReLU Permute ReLU RepeatVector Rescaling Reshape Resizing
    SeparableConv2D Softmax SpatialDropout2D Subtract UnitNormalization UpSampling2D ZeroPadding2D
    """.split()  # noqa: SIM905
)
OTHERS = {
    "keras": frozenset({"DTypePolicy", "Sequential", "Functional", "Model"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.ops.numpy": frozenset({"Add", "Multiply", "Subtract", "Divide", "Flip", "TrueDivide"}),
    "keras.src.applications.convnext": frozenset({"LayerScale"}),
    "keras.src.applications.inception_resnet_v2": frozenset({"CustomScaleLayer"}),
    "keras.regularizers": frozenset({"L1", "L2", "L1L2", "OrthogonalRegularizer"}),
    "keras.constraints": frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"}),
}
"""Module → its classes that are allowed besides the layers."""
WITH_REGISTERED_NAME = frozenset("Add CustomScaleLayer Flip Functional LayerScale Multiply Subtract".split())  # noqa: SIM905
"""Classes that Keras saves with a ``registered_name``, which is then the class name itself."""
ACTIVATIONS = frozenset(
    """
    celu elu exponential gelu hard_sigmoid hard_silu hard_swish leaky_relu linear log_sigmoid log_softmax mish relu
    relu6 selu sigmoid silu softmax softplus softsign swish tanh
    """.split()  # noqa: SIM905
)
DTYPES = frozenset(
    """
    float32 float64 float16 bfloat16 mixed_float16 mixed_bfloat16 int8 uint8 int32 uint32 int64 uint64 bool
    """.split()  # noqa: SIM905
)


class NotAllowed(Exception):  # noqa: N818 - safe_load turns it into a NotAllowedError that names the file
    """A model file contains something that is not allowed; the message says what."""
