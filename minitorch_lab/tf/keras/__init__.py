"""Keras: models from layers, ``compile``, ``fit``, ``evaluate``, ``predict``.

Names, arguments, defaults and printing follow Keras 3; pictures have their channels last. The
engine is the one of the rest of this library: a layer is a ``nn.Module``, a training step runs as
a graph by ``lab.compile``.

>>> from minitorch_lab.tf import keras
>>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="line")])
>>> model.compile(optimizer="sgd", loss="mse")
>>> model.predict([[1.0, 2.0]], verbose=0).shape
(1, 1)
"""

from . import (
    activations,
    backend,
    callbacks,
    constraints,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    utils,
)
from .initializers import Initializer
from .layer import Input, InputSpec, KerasTensor, Layer
from .losses import Loss
from .metrics import Metric
from .model import Model, Sequential
from .optimizers import Optimizer
from .variable import Variable

__all__ = [
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Sequential",
    "Variable",
    "activations",
    "backend",
    "callbacks",
    "constraints",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
    "utils",
]
