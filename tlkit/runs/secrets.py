"""What a run folder may say about the process that wrote it: reports are sent to others, and secrets must not be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "…"
"""What is written in place of a secret."""
VARIABLES = frozenset(
    """
    CUBLAS_WORKSPACE_CONFIG CUDA_DEVICE_ORDER CUDA_VISIBLE_DEVICES DNNL_DEFAULT_FPMATH_MODE DNNL_MAX_CPU_ISA
    HIP_VISIBLE_DEVICES KERAS_BACKEND KMP_AFFINITY KMP_BLOCKTIME MKL_CBWR MKL_NUM_THREADS NPY_DISABLE_CPU_FEATURES
    NVIDIA_TF32_OVERRIDE NVIDIA_VISIBLE_DEVICES OMP_DYNAMIC OMP_NUM_THREADS OMP_PROC_BIND ONEDNN_DEFAULT_FPMATH_MODE
    ONEDNN_MAX_CPU_ISA OPENBLAS_CORETYPE OPENBLAS_NUM_THREADS PYTHONHASHSEED ROCR_VISIBLE_DEVICES
    TF_CUDNN_DETERMINISTIC TF_CUDNN_USE_AUTOTUNE TF_CUDNN_USE_FRONTEND TF_CUDNN_WORKSPACE_LIMIT_IN_MB
    TF_DETERMINISTIC_OPS TF_DISABLE_DEPTHWISE_CONV_DETERMINISM_EXCEPTIONS
    TF_DISABLE_SEGMENT_REDUCTION_OP_DETERMINISM_EXCEPTIONS TF_ENABLE_AUTO_MIXED_PRECISION
    TF_ENABLE_CUBLAS_TENSOR_OP_MATH_FP32 TF_ENABLE_CUDNN_TENSOR_OP_MATH_FP32 TF_ENABLE_ONEDNN_OPTS
    TF_ENABLE_WINOGRAD_NONFUSED TF_ENABLE_XLA TF_FORCE_GPU_ALLOW_GROWTH TF_FP16_CONV_USE_FP32_COMPUTE
    TF_FP16_MATMUL_USE_FP32_COMPUTE TF_GPU_ALLOCATOR TF_GPU_THREAD_COUNT TF_GPU_THREAD_MODE TF_NUM_INTEROP_THREADS
    TF_NUM_INTRAOP_THREADS TF_USE_CUBLASLT TF_USE_LEGACY_KERAS TF_XLA_FLAGS TLKIT_PLUGINS XLA_FLAGS
    """.split()  # noqa: SIM905
)
"""The environment variables that are written: those on which numbers, devices or plugins depend. A prefix would not do:
``TF_VAR_token`` and ``TF_TOKEN_app_terraform_io`` are Terraform's secrets."""

_LOGIN = re.compile(r"(?<=://)[^/\s@\"']+@")
_SECRET_KEY = (
    r"(?:[\w-]*[_-])?(?:token|password|passwd|passphrase|secret|credentials?|"
    r"(?:api|access|secret|private|auth)[_-]?key)"
)
_SECRET_LINE = re.compile(
    rf"(?i)((?:^|[\s,{{.])[\"']?{_SECRET_KEY}[\"']?\s*=\s*)"
    r"(\"\"\".*?\"\"\"|'''.*?'''|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*')",
    re.DOTALL | re.MULTILINE,
)


def known_variables(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables that may be written, sorted by name, without logins in addresses."""
    return {name: without_logins(str(value)) for name, value in sorted(environ.items()) if name in VARIABLES}


def without_logins(text: str) -> str:
    """Replace ``user:password@`` in the addresses of a text by ``…@``."""
    return _LOGIN.sub(f"{HIDDEN}@", text)


def without_secrets(value: Any, key: str = "") -> Any:
    """Return plain values without logins in addresses, and without the texts under keys such as ``token``.

    Args:
        value: a table, a list or a plain value.
        key: the key that holds it.
    """
    if isinstance(value, Mapping):
        return {name: without_secrets(each, str(name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(each, key) for each in value]
    if isinstance(value, str):
        return HIDDEN if value and re.fullmatch(_SECRET_KEY, key, re.IGNORECASE) else without_logins(value)
    return value


def toml_without_secrets(text: str) -> str:
    """Return the text of a recipe to show, without what ``without_secrets`` hides."""
    return without_logins(_SECRET_LINE.sub(rf'\1"{HIDDEN}"', text))
