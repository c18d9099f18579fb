"""The functions behind the layers, with PyTorch's names: ``F.relu``, ``F.cross_entropy``."""

from ...ops.elementwise import relu, sigmoid, tanh
from ...ops.linalg import linear
from ...ops.movement import flatten
from ...ops.nn import conv2d, max_pool2d
from ...ops.reduce import log_softmax, softmax
from .activations import (
    elu,
    gelu,
    glu,
    hardtanh,
    leaky_relu,
    logsigmoid,
    relu6,
    silu,
    softplus,
)
from .attention import (
    scaled_dot_product_attention,
)
from .bilinear import (
    bilinear,
)
from .drop import check_probability, dropout
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from .norm import (
    batch_norm,
    cosine_similarity,
    group_norm,
    instance_norm,
    layer_norm,
    normalize,
    rms_norm,
)
from .places import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    avg_pool1d,
    avg_pool2d,
    conv1d,
    conv_transpose1d,
    conv_transpose2d,
    interpolate,
    max_pool1d,
    pad,
)
from .sparse import (
    embedding,
    one_hot,
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "check_probability",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "flatten",
    "gelu",
    "glu",
    "group_norm",
    "hardtanh",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool1d",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "relu",
    "relu6",
    "rms_norm",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]
