"""Gradients as functions: ``grad``, and ``gradcheck`` against finite differences."""

from .check import gradcheck, gradgradcheck
from .functions import grad

__all__ = ["grad", "gradcheck", "gradgradcheck"]
