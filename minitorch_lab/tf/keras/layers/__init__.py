"""Layers, with Keras's names, arguments and defaults. Pictures are ``(N, H, W, C)``."""

from ..layer import Input, Layer
from .core import (
    Activation,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    InputLayer,
    ReLU,
    Rescaling,
    Reshape,
    Softmax,
)
from .norm import BatchNormalization
from .places import AveragePooling2D, Conv2D, GlobalAveragePooling2D, MaxPooling2D

AvgPool2D, GlobalAvgPool2D, MaxPool2D = AveragePooling2D, GlobalAveragePooling2D, MaxPooling2D

__all__ = [
    "Activation",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "Conv2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "Input",
    "InputLayer",
    "Layer",
    "MaxPool2D",
    "MaxPooling2D",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Softmax",
]
