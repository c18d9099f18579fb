"""``nn.parameter.Parameter``: PyTorch's path to it."""

from .module import Parameter

__all__ = ["Parameter"]
