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

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "check_probability",
    "conv2d",
    "cross_entropy",
    "dropout",
    "elu",
    "flatten",
    "gelu",
    "glu",
    "hardtanh",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]
