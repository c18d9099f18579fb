"""Gradients as functions, gradients of your own, and what helps to look at them."""

from ..legacy import Variable
from ..tensor import (
    enable_grad,
    inference_mode,
    no_grad,
    set_grad_enabled,
)
from . import functional
from .anomaly import AnomalyError, detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from .check import gradcheck, gradgradcheck
from .checkpoint import checkpoint, checkpoint_sequential
from .function import Function, FunctionCtx, once_differentiable
from .functional import hessian, hvp, jacobian, jvp, vhp, vjp
from .functions import backward, grad

__all__ = [
    "AnomalyError",
    "Function",
    "FunctionCtx",
    "Variable",
    "backward",
    "checkpoint",
    "checkpoint_sequential",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hessian",
    "hvp",
    "inference_mode",
    "is_anomaly_enabled",
    "jacobian",
    "jvp",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
    "vhp",
    "vjp",
]
