"""The playground's network and training as a program that a learner can run, change and keep."""

from __future__ import annotations

import inspect
import re
from typing import Any, Literal

from ..errors import ArgumentError
from .playground_data import DATA, FEATURES
from .playground_settings import ACTIVATIONS, OPTIMIZERS
from .playground_trial import POINTS, Trial

KINDS = ("torch", "keras")
STEPS = 1000  # of a trial that has not begun


def code(trial: Trial, kind: Literal["torch", "keras"], mode: str, steps: int | None = None) -> str:
    """A program that does what the trial did: as many steps from the same seed, with the same
    changes on the way. In PyTorch's words it gives the trial's numbers.

    Raises:
        ArgumentError: another kind.
    """
    if kind not in KINDS:
        raise ArgumentError(f"code(kind): kind is {kind!r}\n  expected 'torch' or 'keras'")
    count = steps if steps is not None else trial.count or STEPS
    parts = torch_parts(trial, mode, count) if kind == "torch" else keras_parts(trial, count)
    return "\n".join(parts) + "\n"


def torch_parts(trial: Trial, mode: str, steps: int) -> list[str]:
    """The program in PyTorch's words."""
    settings = trial.settings
    known, batch, tested = trial.known, trial.batch, trial.known < len(trial.points)
    loss = "CrossEntropyLoss" if trial.classes else "MSELoss"
    layers = [_torch_layer(module) for module in trial.model]
    _, more = OPTIMIZERS[settings.optimizer]
    kind = type(trial.optimizer).__name__
    rate = _arguments(settings.lr, "lr", more)
    last = known - batch + 1 if known % batch else known
    lines = [
        "import minitorch_lab as lab",
        "",
        *_data_function(trial),
        f"lab.manual_seed({settings.seed})",
        *_data_lines(trial),
        f"known = {known}  # points to learn from" + ("; the others are for the test" * tested),
        "",
        "model = lab.nn.Sequential(",
        *(f"    {layer}," for layer in layers),
        ")",
        f"loss = lab.nn.{loss}()",
        f"optimizer = lab.optim.{kind}(model.parameters(), {rate})",
        "",
        "",
        "def batches():",
        "    while True:",
        "        order = lab.randperm(known)",
        f"        for i in range(0, {last if last != known else 'known'}, {batch}):",
        f"            yield order[i : i + {batch}]",
        "",
        "",
        *(["@lab.compile"] if mode == "graph" else []),
        "def learn(x, y):",
        f"    value = loss(model(x), y){_penalty(trial)}",
        "    optimizer.zero_grad()",
        "    value.backward()",
        "    optimizer.step()",
        "",
        "",
        f"for step, rows in zip(range({steps}), batches()):",
        *_changes(trial, steps),
        "    learn(x[rows], y[rows])",
        *(line for step, change in trial.changes if step == steps for line in _change(change, "")),
        "",
        "with lab.no_grad():",
        "    output = model(x)",
        "train_loss = loss(output[:known], y[:known]).item()",
    ]
    told = ['f"train loss {train_loss:.4g}"']
    if tested:
        lines.append("test_loss = loss(output[known:], y[known:]).item()")
        told.append('f"test loss {test_loss:.4g}"')
        if trial.classes:
            lines.append(
                "test_accuracy = (output[known:].argmax(1) == y[known:]).float().mean().item()"
            )
            told.append('f"test accuracy {test_accuracy:.3f}"')
    return [*lines, f"print({', '.join(told)})"]


def keras_parts(trial: Trial, steps: int) -> list[str]:
    """The program in Keras's words. Its first weights are others, so its numbers are, too."""
    settings = trial.settings
    known, tested = trial.known, trial.known < len(trial.points)
    _, more = OPTIMIZERS[settings.optimizer]
    kind = type(trial.optimizer).__name__
    if kind == "RMSprop":
        more = {"rho": 0.99, "epsilon": 1e-8}
    elif kind == "Adam":
        more = {"epsilon": 1e-8}
    rates = _rates(trial, steps)
    fits = []
    for i, (rate, epochs) in enumerate(rates):
        if i:
            fits.append(f"model.optimizer.learning_rate = {rate}")
        fits.append(
            f"model.fit(x[:known], y[:known], batch_size={trial.batch}, epochs={epochs}, verbose=0)"
        )
    return [
        "import minitorch_lab as lab",
        "from minitorch_lab import tf",
        "",
        *_data_function(trial),
        f"tf.random.set_seed({settings.seed})  # other first weights than in PyTorch's words",
        *_data_lines(trial),
        "x, y = x.numpy(), y.numpy()",
        f"known = {known}  # points to learn from" + ("; the others are for the test" * tested),
        "",
        "model = tf.keras.Sequential([",
        *(f"    {layer}," for layer in _keras_layers(trial)),
        "])",
        _keras_loss(trial),
        "model.compile(",
        f"    optimizer=tf.keras.optimizers.{kind}("
        f"{_arguments(rates[0][0], 'learning_rate', more)}),",
        "    loss=loss,",
        ")",
        *fits,
        "",
        "output = model.predict(x, verbose=0)",
        "train_loss = float(loss(y[:known], output[:known]))",
        *_keras_results(trial, tested),
    ]


def _keras_loss(trial: Trial) -> str:
    """The loss; what the regulariser adds stands with the layers."""
    kind = (
        "SparseCategoricalCrossentropy(from_logits=True)" if trial.classes else "MeanSquaredError()"
    )
    return f"loss = tf.keras.losses.{kind}"


def _keras_results(trial: Trial, tested: bool) -> list[str]:
    if not tested:
        return ['print(f"train loss {train_loss:.4g}")']
    lines = ["test_loss = float(loss(y[known:], output[known:]))"]
    told = 'f"train loss {train_loss:.4g}", f"test loss {test_loss:.4g}"'
    if trial.classes:
        lines.append("test_accuracy = (output[known:].argmax(1) == y[known:]).mean()")
        told += ', f"test accuracy {test_accuracy:.3f}"'
    return [*lines, f"print({told})"]


def _data_function(trial: Trial) -> list[str]:
    """The data set's own lines, without the types that a learner need not read."""
    if trial.settings.data == "own":
        return ["# x and y are the arrays that you gave to lab.playground(x, y)."]
    text = inspect.getsource(DATA[trial.settings.data])
    text = re.sub(r"\(n: int, noise: float\) -> Points", "(n, noise)", text)
    return ["", *text.rstrip().splitlines(), "", ""]


def _data_lines(trial: Trial) -> list[str]:
    settings = trial.settings
    if settings.data == "own":
        kind = "lab.long" if trial.classes else "lab.float32"
        ends = "" if trial.classes else ".reshape(-1, 1)"
        noise = f" + {settings.noise} * lab.randn(len(x), 2)"
        lines = [
            f"x, y = lab.as_tensor(x, dtype=lab.float32), lab.as_tensor(y, dtype={kind}){ends}",
            "order = lab.randperm(len(x))",
            f"x, y = x[order]{noise}, y[order]",
        ]
    else:
        lines = [f"x, y = {settings.data}({POINTS}, noise={settings.noise})"]
    if settings.features != ("x1", "x2"):
        names = ", ".join(FEATURES[name].code for name in settings.features)
        lines += ["x1, x2 = x[:, 0], x[:, 1]", f"x = lab.stack([{names}], 1)"]
    return lines


def _torch_layer(module: Any) -> str:
    name = f"lab.nn.{type(module).__name__}"
    return (
        f"{name}({module.in_features}, {module.out_features})" if "Linear" in name else f"{name}()"
    )


def _keras_layers(trial: Trial) -> list[str]:
    settings = trial.settings
    hidden = f', activation="{settings.activation}"' if ACTIVATIONS[settings.activation] else ""
    sizes = [(units, hidden) for units in settings.units] + [(trial.classes or 1, "")]
    kind, strength = settings.regulariser, settings.strength
    rule = (
        "" if kind == "none" else f", kernel_regularizer=tf.keras.regularizers.{kind}({strength})"
    )
    return [f"tf.keras.layers.Dense({units}{words}{rule})" for units, words in sizes]


def _arguments(rate: float, name: str, more: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in {name: rate, **more}.items())


def _penalty(trial: Trial) -> str:
    settings = trial.settings
    if settings.regulariser == "none":
        return ""
    size = "abs()" if settings.regulariser == "l1" else "square()"
    weights = "for layer in model if isinstance(layer, lab.nn.Linear)"
    return f" + {settings.strength} * sum(\n        layer.weight.{size}.sum() {weights}\n    )"


def _changes(trial: Trial, steps: int) -> list[str]:
    lines = []
    for step, change in trial.changes:
        if step < steps:
            lines += [f"    if step == {step}:", *_change(change, "        ")]
    return lines


def _change(change: str, indent: str) -> list[str]:
    if change.startswith("optimizer"):
        return [indent + change]
    return [f"{indent}with lab.no_grad():", f"{indent}    {change}"]


def _rates(trial: Trial, steps: int) -> list[tuple[float, int]]:
    """The learning rates in turn, each with the epochs that it was used for."""
    rates = [(0, trial.settings.lr)]
    for step, change in trial.changes:
        if change.startswith("optimizer") and step < steps:
            rates.append((step, float(change.rpartition("= ")[2])))
    ends = [step for step, _ in rates[1:]] + [steps]
    found = [
        (rate, round((end - start) / trial.steps_an_epoch))
        for (start, rate), end in zip(rates, ends, strict=True)
    ]
    return [(rate, epochs) for rate, epochs in found if epochs] or [(rates[-1][1], 1)]
