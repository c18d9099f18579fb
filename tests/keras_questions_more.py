"""More questions to Keras: functional models, sequences, regularisers, callbacks, weights."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from keras_questions import (
    CLASSES,
    LABELS,
    ONE_HOT,
    POINTS,
    ROWS,
    SHARES,
    ask,
    plain,
    run,
    weights,
)

DRAWN = np.random.default_rng(11)
STEPS = DRAWN.integers(-9, 10, (2, 5, 3)).astype("float32") / 4
WORDS = np.array([[3, 1, 2, 0, 0], [1, 1, 0, 0, 0]])


@ask
def sequences(keras: Any) -> Any:
    """Recurrent layers with the same weights."""
    layers = keras.layers
    made = {}
    for kind, gates in ((layers.SimpleRNN, 1), (layers.LSTM, 4), (layers.GRU, 3)):
        name, bias = kind.__name__, (2, 12) if gates == 3 else (4 * gates,)
        given = weights((3, 4 * gates), (4, 4 * gates), bias)
        made[name] = run(kind(4), STEPS, given)
        made[f"{name} all"] = run(kind(4, return_sequences=True), STEPS, given)
        made[f"{name} states"] = run(kind(4, return_state=True), STEPS, given)
        made[f"{name} back"] = run(kind(4, return_sequences=True, go_backwards=True), STEPS, given)
        made[f"{name} relu"] = run(kind(4, activation="relu"), STEPS, given)
        made[f"{name} no bias"] = run(kind(4, use_bias=False), STEPS, given[:2])
        made[f"{name} first"] = run(
            kind(4), STEPS, given, initial_state=[ROWS[:2]] * (2 if gates == 4 else 1)
        )
        made[f"{name} mask"] = run(
            kind(4, return_sequences=True), STEPS, given, mask=np.array(WORDS != 0)
        )
    before = layers.GRU(4, reset_after=False)
    made["GRU before"] = run(before, STEPS, weights((3, 12), (4, 12), (12,)))
    both = layers.Bidirectional(layers.LSTM(2, return_sequences=True))
    made["both"] = run(both, STEPS, weights(*[(3, 8), (2, 8), (8,)] * 2))
    total = layers.Bidirectional(layers.GRU(2), merge_mode="sum")
    made["both sum"] = run(total, STEPS, weights(*[(3, 6), (2, 6), (2, 6)] * 2))
    each = layers.TimeDistributed(layers.Dense(2))
    made["each"] = run(each, STEPS, weights((3, 2), (2,)))
    fresh = layers.LSTM(2, name="fresh")
    fresh.build((None, 5, 3))
    made["forget"] = fresh.weights[2].numpy()
    made["paths"] = [w.path for w in fresh.weights]
    return made


@ask
def masks(keras: Any) -> Any:
    """Words with zeros behind them."""
    layers = keras.layers
    made = {}
    for kind in (layers.LSTM(3), layers.GlobalAveragePooling1D(), layers.GRU(3)):
        model = keras.Sequential(
            [keras.Input((5,)), layers.Embedding(4, 2, mask_zero=True), layers.Dropout(0.5), kind]
        )
        model.set_weights(weights(*[w.shape for w in model.weights]))
        made[kind.name.rstrip("_0123456789")] = model(WORDS)
    return made


@ask
def attention(keras: Any) -> Any:
    layer = keras.layers.MultiHeadAttention(num_heads=2, key_dim=3, name="mha")
    given = [(3, 2, 3), (2, 3)] * 3 + [(2, 3, 3), (3,)]
    layer.build(STEPS.shape, STEPS.shape)
    layer.set_weights(weights(*given))
    out, scores = layer(STEPS, STEPS, return_attention_scores=True)
    mask = np.tril(np.ones((2, 5, 5), bool))
    return {
        "out": out, "scores": scores, "causal": layer(STEPS, STEPS, use_causal_mask=True),
        "mask": layer(STEPS, STEPS, attention_mask=mask), "paths": [w.path for w in layer.weights],
        "cross": layer(STEPS[:, :2], STEPS[:, 1:]),
    }  # fmt: skip


@ask
def in_one_dimension(keras: Any) -> Any:
    layers = keras.layers
    made = {}
    for padding in ("valid", "same", "causal"):
        for strides, wide in ((1, 1), (2, 1), (1, 2)):
            layer = layers.Conv1D(
                2, 3, strides=strides, padding=padding, dilation_rate=wide, activation="tanh"
            )
            made[f"{padding} {strides} {wide}"] = run(layer, STEPS, weights((3, 3, 2), (2,)))
    for padding in ("valid", "same"):
        for kind in (layers.MaxPooling1D, layers.AveragePooling1D):
            made[f"{kind.__name__} {padding}"] = kind(2, padding=padding)(STEPS)
            made[f"{kind.__name__} {padding} 3"] = kind(3, strides=1, padding=padding)(STEPS)
    made["mean"] = layers.GlobalAveragePooling1D()(STEPS)
    made["max"] = layers.GlobalMaxPooling1D(keepdims=True)(STEPS)
    made["max 2d"] = layers.GlobalMaxPooling2D()(STEPS.reshape(2, 5, 3, 1))
    return made


@ask
def more_layers(keras: Any) -> Any:
    layers = keras.layers
    a, b = STEPS[0], STEPS[1]
    norm = layers.LayerNormalization(axis=[1, 2])
    first = layers.LayerNormalization(axis=1)
    return {
        "layer norm": run(layers.LayerNormalization(), STEPS, weights((3,), (3,))),
        "layer norm both": run(norm, STEPS, weights((5, 3), (5, 3))),
        "layer norm 1": run(first, STEPS, weights((5,), (5,))),
        "permute": layers.Permute((2, 1))(STEPS), "repeat": layers.RepeatVector(2)(ROWS[:2]),
        "pad": layers.ZeroPadding2D(((1, 0), (0, 2)))(STEPS.reshape(2, 5, 3, 1))[0, :, :, 0],
        "up": layers.UpSampling2D((1, 2))(STEPS.reshape(2, 5, 3, 1))[0, :, :, 0],
        "leaky": layers.LeakyReLU()(POINTS), "elu": layers.ELU(0.5)(POINTS),
        "prelu": run(layers.PReLU(), POINTS, weights((7,))),
        "add": layers.Add()([a, b, a]), "subtract": layers.Subtract()([a, b]),
        "multiply": layers.Multiply()([a, b]), "average": layers.Average()([a, b]),
        "maximum": layers.Maximum()([a, b]), "minimum": layers.Minimum()([a, b]),
        "concatenate": layers.Concatenate(axis=0)([a, b]),
        "dot": layers.Dot(axes=1)([a, b]), "dot 3-d": layers.Dot(axes=(1, 2))(
            [STEPS, STEPS.transpose(0, 2, 1)]
        ), "dot unit": layers.Dot(axes=-1, normalize=True)([a, b]),
        "lambda": layers.Lambda(lambda x: x * 2)(POINTS),
        "masking": layers.Masking(0.5)(STEPS),
    }  # fmt: skip


@ask
def more_losses(keras: Any) -> Any:
    L = keras.losses
    signs = np.array([[1.0, -1.0, 1.0]] * 3, "float32")
    made = {}
    for loss in (
        L.MeanAbsolutePercentageError(), L.MeanSquaredLogarithmicError(), L.Huber(), L.Huber(0.1),
        L.LogCosh(), L.KLDivergence(), L.Poisson(), L.CosineSimilarity(), L.CategoricalHinge(),
        L.Hinge(), L.SquaredHinge(),
    ):  # fmt: skip
        made[f"{loss.name} {len(made)}"] = loss(ONE_HOT + 0.25, SHARES)
    made["hinge signs"] = L.Hinge()(signs, SHARES)
    made["hinge 0 and 1"] = L.Hinge()(ONE_HOT, SHARES)
    return made


@ask
def more_metrics(keras: Any) -> Any:
    M = keras.metrics
    yes = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0], "float32")
    sure = np.array([0.2, 0.9, 0.4, 0.6, 0.7, 0.1], "float32")
    made = {}
    for metric, given in [
        (M.RootMeanSquaredError(), (ONE_HOT, SHARES)), (M.CosineSimilarity(), (ONE_HOT, SHARES)),
        (M.Precision(), (yes, sure)), (M.Recall(), (yes, sure)), (M.AUC(), (yes, sure)),
        (M.Precision([0.3, 0.65]), (yes, sure)), (M.TruePositives(), (yes, sure)),
        (M.FalsePositives(), (yes, sure)), (M.TrueNegatives(), (yes, sure)),
        (M.FalseNegatives(), (yes, sure)), (M.Sum(), ([1.0, 2.5],)),
        (M.TopKCategoricalAccuracy(2), (ONE_HOT, SHARES)),
        (M.SparseTopKCategoricalAccuracy(2), (LABELS, SHARES)), (M.F1Score(), (ONE_HOT, SHARES)),
        (M.F1Score("macro"), (ONE_HOT, SHARES)), (M.F1Score("weighted"), (ONE_HOT, SHARES)),
        (M.F1Score("micro", 0.3), (ONE_HOT, SHARES)),
        (M.R2Score(), (ROWS[:6, :2], ROWS[1:7, :2])), (M.BinaryCrossentropy(), (yes, sure)),
        (M.CategoricalCrossentropy(), (ONE_HOT, SHARES)), (M.KLDivergence(), (ONE_HOT, SHARES)),
        (M.SparseCategoricalCrossentropy(), (LABELS, SHARES)), (M.Poisson(), (ONE_HOT, SHARES)),
        (M.MeanAbsolutePercentageError(), (ONE_HOT + 1, SHARES)),
        (M.LogCoshError(), (ONE_HOT, SHARES)),
    ]:  # fmt: skip
        metric.update_state(*given)
        made[f"{metric.name.rstrip('_0123456789')} {len(made)}"] = metric.result()
    return made


def line(keras: Any, **rules: Any) -> Any:
    """One layer from 4 to 3."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, **rules)])
    model.set_weights(weights((4, 3), (3,)))
    return model


@ask
def more_optimizers(keras: Any) -> Any:
    O = keras.optimizers  # noqa: E741
    made = {}
    for name, optimizer in {
        "adamw": O.AdamW(0.1), "adagrad": O.Adagrad(0.1), "adadelta": O.Adadelta(1.0),
        "adamax": O.Adamax(0.1), "nadam": O.Nadam(0.1), "lion": O.Lion(0.01),
        "schedule": O.SGD(O.schedules.ExponentialDecay(0.1, 2, 0.5)),
    }.items():  # fmt: skip
        model = line(keras)
        model.compile(optimizer, "mse", run_eagerly=True)
        for _ in range(4):
            model.train_on_batch(ROWS[:5], ROWS[5:10, :3])
        made[name] = model.get_weights()
    return made


@ask
def schedules(keras: Any) -> Any:
    S = keras.optimizers.schedules
    return {
        f"{type(s).__name__} {i}": [float(s(step)) for step in (0, 1, 5, 10, 14, 25, 60)]
        for i, s in enumerate([
            S.ExponentialDecay(0.5, 10, 0.3), S.ExponentialDecay(0.5, 10, 0.3, staircase=True),
            S.InverseTimeDecay(0.5, 10, 0.3), S.PiecewiseConstantDecay([5, 20], [1.0, 0.5, 0.1]),
            S.PolynomialDecay(0.5, 10), S.PolynomialDecay(0.5, 10, 0.1, 2.0, cycle=True),
            S.CosineDecay(0.5, 20, 0.1),
            S.CosineDecay(0.0, 20, warmup_target=0.5, warmup_steps=10),
            S.CosineDecayRestarts(0.5, 10, 2.0, 0.5, 0.1),
        ])
    }  # fmt: skip


@ask
def rules(keras: Any) -> Any:
    """Regularisers and constraints in training, and what they give."""
    R, C = keras.regularizers, keras.constraints
    made: dict[str, Any] = {
        "values": [r(ROWS) for r in (R.L1(), R.L2(), R.L1L2(0.1, 0.2), R.get("l2"))],
        "constraints": [
            c(ROWS) for c in (C.NonNeg(), C.MaxNorm(), C.UnitNorm(1), C.MinMaxNorm(0.5, 1.5, 0.7))
        ],
    }
    for name, given in {
        "kernel": {"kernel_regularizer": "l2"}, "bias": {"bias_regularizer": R.L1(0.3)},
        "activity": {"activity_regularizer": "l1"},
        "both": {"kernel_regularizer": R.L1L2(0.1, 0.2), "activity_regularizer": R.L2(0.1)},
        "constraint": {"kernel_constraint": "non_neg", "bias_constraint": C.MaxNorm(0.5)},
    }.items():  # fmt: skip
        model = line(keras, **given)
        model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
        history = model.fit(ROWS, ROWS[:, :3], batch_size=6, shuffle=False, verbose=0).history
        made[name] = [history, model.get_weights(), model.evaluate(ROWS, ROWS[:, :3], verbose=0)]
    model = line(keras, kernel_regularizer="l2", activity_regularizer="l2")
    model(ROWS)
    made["losses"] = [float(loss) for loss in model.losses]
    return made


def two_sided(keras: Any) -> Any:
    """Two inputs, a layer that both use, two outputs."""
    layers = keras.layers
    title, body = keras.Input((4,), name="title"), keras.Input((3,), name="body")
    shared = layers.Dense(3, activation="tanh", name="shared")
    first, second = shared(title), shared(layers.Dense(4, name="wide")(body))
    both = layers.Concatenate(name="both")([first, second])
    outs = [
        layers.Dense(1, name="priority")(both),
        layers.Dense(3, activation="softmax", name="department")(both),
    ]
    model = keras.Model(inputs=[title, body], outputs=outs, name="sides")
    model.set_weights(weights(*[w.shape for w in model.weights]))
    return model


@ask
def functional(keras: Any) -> Any:
    model = two_sided(keras)
    x = {"title": ROWS, "body": ROWS[:, :3]}
    y = {"priority": ROWS[:, :1], "department": CLASSES}
    model.compile(
        keras.optimizers.SGD(0.1),
        loss={"priority": "mse", "department": "sparse_categorical_crossentropy"},
        loss_weights={"priority": 1.0, "department": 0.2},
        metrics={"department": ["accuracy"], "priority": "mae"},
    )
    given = {"batch_size": 6, "epochs": 2, "shuffle": False, "verbose": 0}
    return {
        "names": [layer.name for layer in model.layers],
        "paths": [w.path for w in model.weights],
        "shapes": [str(s) for s in (model.input_shape, model.output_shape, model.output_names)],
        "repr": repr(model),
        "history": model.fit(x, y, validation_split=0.2, **given).history,
        "weights": model.get_weights(),
        "evaluate": model.evaluate([x["title"], x["body"]], [*y.values()], verbose=0),
        "dict": model.evaluate(x, y, verbose=0, return_dict=True),
        "predict": model.predict([ROWS[:2], ROWS[:2, :3]], verbose=0),
    }


@ask
def weighted(keras: Any) -> Any:
    """Classes and examples that count more than others."""
    made = {}
    for name, given in {
        "class": {"class_weight": {0: 1.0, 1: 3.0, 2: 0.5}},
        "sample": {"sample_weight": np.arange(20) / 10},
    }.items():
        model = line(keras)
        model.compile(
            keras.optimizers.SGD(0.1),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"], weighted_metrics=[keras.metrics.SparseCategoricalAccuracy()],
        )  # fmt: skip
        found = model.fit(ROWS, CLASSES, batch_size=6, shuffle=False, verbose=0, **given)
        made[name] = [found.history, model.get_weights()]
    made["evaluate"] = model.evaluate(ROWS, CLASSES, sample_weight=np.arange(20), verbose=0)
    return made


@ask
def nested_tables(keras: Any) -> Any:
    """Tables of models with branches, of nested ones, and what is frozen."""
    layers = keras.layers
    keras.backend.clear_session()
    said: list[str] = []

    def show(model: Any, **how: Any) -> None:
        model.summary(print_fn=lambda text, **_: said.append(text.rstrip("\n")), **how)

    show(two_sided(keras))
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(4)], name="inner")
    inner.trainable = False
    x = keras.Input((8,))
    outer = keras.Model(x, layers.Dense(1)(inner(x)), name="outer")
    show(outer)
    show(outer, expand_nested=True, show_trainable=True)
    y = x + inner(layers.Dense(8)(x))[:, :1]
    show(keras.Model(x, y * 2.0, name="signs"))
    return [*said, *(w.path for w in outer.weights), outer.get_layer("inner").name]


@ask
def callbacks(keras: Any) -> Any:
    """What stops, what changes the rate, what is saved."""
    C = keras.callbacks
    made: dict[str, Any] = {}

    def fit(*callbacks: Any, rate: float = 0.5, epochs: int = 8) -> Any:
        model = line(keras)
        model.compile(keras.optimizers.SGD(rate), "mse")
        given = {"epochs": epochs, "verbose": 0, "shuffle": False, "validation_split": 0.3}
        found = model.fit(ROWS, ROWS[:, :3], callbacks=list(callbacks), **given)
        return {"history": found.history, "epoch": found.epoch, "weights": model.get_weights()}

    stop = C.EarlyStopping(patience=1, min_delta=0.05, restore_best_weights=True)
    made["stop"] = fit(stop)
    made["stopped"] = [stop.stopped_epoch, stop.best_epoch]
    made["stop loss"] = fit(C.EarlyStopping("loss", min_delta=0.2))["epoch"]
    made["plateau"] = fit(
        C.ReduceLROnPlateau("loss", 0.5, 1, min_delta=0.3, min_lr=0.1, cooldown=1)
    )
    made["rate"] = fit(C.LearningRateScheduler(lambda epoch, lr: lr * 0.5), epochs=3)
    broken = line(keras)
    broken.compile("sgd", "mse")
    given = {"epochs": 5, "verbose": 0, "callbacks": [C.TerminateOnNaN()]}
    made["nan"] = broken.fit(ROWS, ROWS[:, :3] * np.nan, **given).epoch
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.csv")
        best = Path(folder, "best.weights.h5")
        saved = C.ModelCheckpoint(best, save_best_only=True, save_weights_only=True)
        many = C.ModelCheckpoint(
            Path(folder, "{epoch:02d}-{loss:.1f}.weights.h5"), save_weights_only=True
        )
        made["saved"] = fit(saved, many, C.CSVLogger(log), epochs=3)
        made["files"] = sorted(path.name for path in Path(folder).iterdir())
        rows = [row.split(",") for row in log.read_text().split()]
        made["log"] = [rows[0], [[float(f"{float(n):.4f}") for n in row] for row in rows[1:]]]
        model = line(keras)
        model.load_weights(best)
        made["best"] = model.get_weights()
    return plain(made)


@ask
def batches(keras: Any) -> Any:
    """Generators and PyDatasets in the place of arrays."""

    class Parts(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Any:
            rows = slice(index * 5, index * 5 + 5)
            return ROWS[rows], ROWS[rows, :3]

    def forever() -> Any:
        while True:
            for i in range(4):
                yield Parts.__getitem__(None, i)

    made = {}
    for name, x, given in [
        ("parts", Parts(), {"epochs": 2}),
        ("forever", forever(), {"epochs": 2, "steps_per_epoch": 3}),
        ("checked", Parts(), {"epochs": 2, "validation_data": Parts()}),
    ]:
        model = line(keras)
        model.compile(keras.optimizers.SGD(0.1), "mse")
        made[name] = model.fit(x, shuffle=False, verbose=0, **given).history
    made["evaluate"] = model.evaluate(Parts(), verbose=0)
    made["predict"] = model.predict(Parts(), verbose=0)[:2]
    return made


@ask
def more_signatures(keras: Any) -> Any:
    """Arguments and defaults of what came later."""
    import inspect

    names = """layers.SimpleRNN layers.LSTM layers.GRU layers.Bidirectional layers.TimeDistributed
        layers.MultiHeadAttention layers.Conv1D layers.MaxPooling1D layers.AveragePooling1D
        layers.GlobalAveragePooling1D layers.GlobalMaxPooling1D layers.GlobalMaxPooling2D
        layers.LayerNormalization layers.Permute layers.RepeatVector layers.Concatenate layers.Dot
        layers.Lambda layers.Masking layers.ZeroPadding2D layers.UpSampling2D layers.LeakyReLU
        layers.ELU layers.PReLU layers.GaussianNoise layers.InputSpec
        callbacks.EarlyStopping callbacks.ModelCheckpoint callbacks.ReduceLROnPlateau
        callbacks.LearningRateScheduler callbacks.CSVLogger optimizers.AdamW optimizers.Adagrad
        optimizers.Adadelta optimizers.Adamax optimizers.Nadam optimizers.Lion
        optimizers.schedules.ExponentialDecay optimizers.schedules.InverseTimeDecay
        optimizers.schedules.PiecewiseConstantDecay optimizers.schedules.PolynomialDecay
        optimizers.schedules.CosineDecay optimizers.schedules.CosineDecayRestarts
        losses.Huber losses.CosineSimilarity losses.Hinge losses.KLDivergence losses.LogCosh
        metrics.Precision metrics.AUC metrics.F1Score metrics.R2Score metrics.Recall
        metrics.RootMeanSquaredError metrics.TopKCategoricalAccuracy metrics.BinaryCrossentropy
        regularizers.L1 regularizers.L2 regularizers.L1L2 constraints.MaxNorm constraints.MinMaxNorm
        initializers.Orthogonal Sequential.test_on_batch Sequential.compute_loss
        Sequential.save_weights Sequential.load_weights"""
    found = {}
    for name in names.split():
        thing = keras
        for part in name.split("."):
            thing = getattr(thing, part)
        found[name] = {
            p.name: "required" if p.default is p.empty else repr(p.default)
            for p in inspect.signature(thing).parameters.values()
            if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        }
    return found
