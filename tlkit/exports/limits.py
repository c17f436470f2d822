"""How far an exported file may differ from the Keras model, and what to try when it differs more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tlkit.contracts import Quantization

AGREEMENT, DIFFERENCE = 0.999, 1e-3
"""Without a quantization: the least agreement, and the largest difference of a probability."""
QUANTIZED_AGREEMENT = 0.97
"""With one, float16 included; the metric may also not be worse by more than one standard error."""
_SMALLEST = 0.75
"""The least size of a file in float32 over that of the model's kernels, which no converter folds away."""
_NORMAL = 1.959964


def standard_error(metrics: Mapping[str, Any], metric: str) -> float:
    """Return the standard error of a metric: that of its 95 % interval; 0 where it has none.

    Args:
        metrics: the metrics of an evaluation, with their ``intervals``.
        metric: the name of one.
    """
    low, high = metrics["intervals"].get(metric, (0.0, 0.0))
    return float(high - low) / (2 * _NORMAL)


def refusal(
    quantize: Quantization | None,
    agreement: float,
    difference: float,
    metrics: tuple[float | None, float | None, float],
    name: str,
) -> str:
    """Return why a file is refused by how it differs from the Keras model; empty if it is not.

    Args:
        quantize: the quantization that was asked for.
        agreement: the share of equal classes.
        difference: the largest difference of a probability.
        metrics: the metric of the Keras model, of the file, and its standard error.
        name: the name of the metric.
    """
    if quantize is None:
        if agreement < AGREEMENT or not difference <= DIFFERENCE:
            return (
                f"its probabilities differ by up to {difference:.2g} (at most {DIFFERENCE:g} may be), and "
                f"{agreement:.2%} of its classes are the same (at least {AGREEMENT:.1%} must be)"
            )
        return ""
    if agreement < QUANTIZED_AGREEMENT:
        return f"{agreement:.2%} of its classes are the same; expected at least {QUANTIZED_AGREEMENT:.0%}"
    keras, file, error = metrics
    if keras is not None and (file is None or file < keras - error):
        shown = "undefined" if file is None else f"{file:.4f}"
        return f"its {name} is {shown}, worse than {keras:.4f} by more than one standard error ({error:.4f})"
    return ""


def precision_refusal(quantize: Quantization | None, precision: str, size: int, kernels: int) -> str:
    """Return why a file that should be in float32 is not; empty if it is, or need not be.

    Args:
        quantize: the quantization that was asked for.
        precision: the precision in force, as the runtime reports it.
        size: the bytes of the file.
        kernels: the numbers in the model's kernels.
    """
    if quantize is not None:
        return ""
    if precision.lower() not in ("float32", "f32", "fp32"):
        return f"its runtime computes in {precision or 'an unknown precision'} on this processor; expected float32"
    if size < _SMALLEST * 4 * kernels:
        return (
            f"it has {size:,} bytes, but the model's weights take {4 * kernels:,} in float32: they are stored in fewer "
            "bits, or are not all there"
        )
    return ""


def advice(name: str, quantize: Quantization | None, offered: Sequence[Quantization]) -> str:
    """Return what to try after a refusal.

    Args:
        name: the format.
        quantize: the quantization that was refused.
        offered: those that the format has.
    """
    if quantize is None:
        return "try another format; if the format comes with tlkit, please report it"
    others: dict[str, tuple[Quantization, ...]] = {
        "int8": ("int16x8", "dynamic", "float16"),
        "dynamic": ("float16",),
        "int16x8": ("float16",),
        "float16": (),
    }
    better = [f"--quantize {each}" for each in others[quantize] if each in offered]
    what = f"try {' or '.join(better)}" if better else f'try "{name}" without --quantize'
    more = " (int16x8 suits EfficientNet)" if "int16x8" in offered and quantize == "int8" else ""
    return f"{what}{more}"
