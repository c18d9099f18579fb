"""The doctor: each check on a program with the mistake and on its twin that is right."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doctor_samples import SAMPLES, right, wrong
from double import DeviceArray, make_cupy
from golden import Golden

import minitorch_lab as lab
import minitorch_lab.tf as tf
from minitorch_lab import nn
from minitorch_lab.device import CUDA, register, unregister
from minitorch_lab.lessons.doctor import CHECKS, demos
from minitorch_lab.lessons.doctor.magic import doctor_magic, without_magics
from minitorch_lab.lessons.doctor.reflow import reflow
from minitorch_lab.lessons.doctor.table import markdown
from minitorch_lab.tf import keras
from minitorch_lab.tf.keras import layers, models

ROOT = Path(__file__).parents[1]
WRITTEN = ROOT / "minitorch_lab" / "lessons" / "articles"

# What only the author can decide: there is a finding, and no repair by itself.
BY_HAND = {"L01 keras reshape", "L14 PyTorch", "L17", "L22 a bracket"}

ARTICLES = {
    "C0a": ["L06", "L19", "L22"],
    "C0b": ["L06", "L07", "L19", "L21", "L22"],
    "C1a": ["L14", "L19"],
    "C1b": ["L01", "L15", "L19", "L22"],
    "C2a": ["L22"],
    "C3a": ["L02", "L03", "L04", "L05", "L21", "L22"],
    "C3b": ["L11", "L21", "L22"],
    "C4a": ["L22"],
    "C4b": ["L14", "L19", "L22"],
    "C4c": ["L22"],
    "C4d": ["L22"],
    "C4e": ["L20", "L22", "L25"],
    "C4f": ["L22"],
}
TEXTS = Golden("doctor", [*SAMPLES, *ARTICLES])


def article(name: str) -> str:
    return (WRITTEN / f"{name}.txt").read_text(encoding="utf-8")


# Each check, on a mistake and on its twin ------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_a_mistake_is_found_and_its_twin_is_silent(name: str) -> None:
    found = lab.doctor(wrong(name))
    assert found.checks == [name[:3]]
    assert lab.doctor(right(name)).checks == []
    TEXTS.check(name, found)


@pytest.mark.parametrize("name", [n for n in SAMPLES if n not in BY_HAND])
def test_the_repair_leaves_nothing_to_say(name: str) -> None:
    found = lab.doctor(wrong(name))
    assert found.fix() != wrong(name)
    assert lab.doctor(found.fix()).checks == []


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_what_has_no_repair_is_left_as_it_is(name: str) -> None:
    found = lab.doctor(wrong(name))
    assert found.fix() == wrong(name)
    assert all(not f.diff for f in found)


def test_every_check_has_samples_and_every_sample_a_text() -> None:
    assert list(CHECKS) == [f"L{n:02}" for n in range(1, 26)]
    assert {name[:3] for name in SAMPLES} == set(CHECKS)
    TEXTS.complete()


# The articles' programs -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARTICLES)
def test_an_article_s_program_as_written_and_repaired(name: str) -> None:
    found = lab.doctor(article(name))
    assert found.checks == ARTICLES[name]
    assert lab.doctor(found.fix()).checks == []
    TEXTS.check(name, found)


def test_two_programs_of_one_article_are_compared() -> None:
    sizes = lab.doctor(
        lab.doctor(article("C3a")).reflow() + "\n" + lab.doctor(article("C3b")).reflow()
    )
    said = next(f for f in sizes if f.check == "L17")
    assert said.what == "The two models that are compared have 7,850 and 101,770 weights."
    assert "784 * 10 + 10 = 7,850" in said.why
    assert lab.doctor(sizes.fix()).checks == []
    images = lab.doctor(article("C1a") + lab.doctor(article("C1b")).reflow())
    assert "(0 − 0.5) / 0.5 = −1" in next(f for f in images if f.check == "L18").why
    assert lab.doctor(images.fix()).checks == []


def run(text: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a program prints on this library, where only the imports are changed."""
    text = re.sub(r"^import torch$", "import minitorch_lab as torch", text, flags=re.M)
    text = re.sub(r"^import torch\.", "import minitorch_lab.", text, flags=re.M)
    exec(compile(text, "article", "exec"), {"__name__": "article"})  # noqa: S102  a program of ours
    return capsys.readouterr().out.splitlines()


def test_a_repaired_program_learns(capsys: pytest.CaptureFixture[str]) -> None:
    noisy = lab.doctor(article("C0a")).reflow().replace("range(10)", "range(400)")
    losses = [
        float(line.split()[-1])
        for line in run("import torch\ntorch.manual_seed(0)\n" + noisy, capsys)
    ]
    assert np.mean(losses[-100:]) > 0.5  # the spread of the targets is 1
    repaired = lab.doctor(article("C0a")).fix()
    losses = [
        float(line.split()[-1]) for line in run(repaired.replace("range(10)", "range(400)"), capsys)
    ]
    assert losses[-1] < 0.001


def test_reflowed_programs_print_what_the_articles_say(capsys: pytest.CaptureFixture[str]) -> None:
    text = lab.doctor(article("C4f")).reflow().partition("# Step 5")[0]
    printed = run(text.replace("import matplotlib.pyplot as plt", ""), capsys)
    assert printed[0] == "Epoch [100/1000], Loss: 0.2024"
    assert printed[-1] == "Epoch [1000/1000], Loss: 0.0074"
    assert run(lab.doctor(article("C4d")).reflow(), capsys) == ["tensor([0.6667, 1.3333, 2.0000])"]
    assert run(lab.doctor(article("C2a")).reflow(), capsys) == ["tensor(6.)"]
    assert run(lab.doctor(article("C4c")).reflow(), capsys)[1] == "numpy array: [1 2 3]"


# No false alarm ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests" / "programs").glob("*.py")), ids=lambda p: p.stem
)
def test_programs_that_are_right_pass_in_silence(path: Path) -> None:
    assert lab.doctor(path.read_text(encoding="utf-8")).checks == []


# Cells that do something wrong on purpose, by words that stand in them.
ON_PURPOSE = {
    "07": {"L08": "losses[::6]", "L11": "X.numpy()"},
    "03": {"L07": "x**2", "L09": "y.backward()", "L12": "torch.tensor(2, requires_grad"},
    "01": {"L12": "torch.tensor([1, 2, 3], requires_grad"},
    "05": {
        "L07": "(t * t.sum()).backward()",
        "L10": "tape.gradient(",
        "L20": "# Define computation",  # the article's program as it stands
        "L25": "# Build static computation graph",
    },
    "11": {"L02": "twice = gradient("},
}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem[:2]
)
def test_cells_of_lessons_pass_in_silence(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    for text in [without_magics(t) for t in texts]:
        for finding in lab.doctor(text):
            mark = ON_PURPOSE.get(path.stem[:2], {}).get(finding.check)
            assert mark is not None, f"{path.stem}: {finding}"
            assert mark in text


def test_examples_of_the_docs_pass_in_silence() -> None:
    found = []
    for page in [*ROOT.glob("docs/*.md"), ROOT / "README.md"]:
        if page.stem in ("doctor", "differences"):
            continue  # their examples are mistakes
        for block in re.findall(
            r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL
        ):
            if "%%" not in block:
                found += [(page.name, f.check, f.what) for f in lab.doctor(block)]
    assert found == []


RIGHT = {
    "gradients that are gathered over batches": """
        import torch
        from torch import nn
        torch.manual_seed(0)
        model, loader = nn.Linear(4, 1), make()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for i, (x, y) in enumerate(loader):
            loss = nn.functional.mse_loss(model(x), y) / 4
            loss.backward()
            if (i + 1) % 4 == 0:
                optimizer.step()
                optimizer.zero_grad()
    """,
    "a GAN draws noise and compares with ones": """
        import torch
        from torch import nn
        torch.manual_seed(0)
        G, D = nn.Linear(8, 2), nn.Linear(2, 1)
        g, d = torch.optim.Adam(G.parameters()), torch.optim.Adam(D.parameters())
        for _ in range(10):
            fake = G(torch.randn(16, 8))
            loss = nn.functional.mse_loss(D(fake.detach()), torch.zeros(16, 1))
            d.zero_grad()
            loss.backward()
            d.step()
            loss = nn.functional.mse_loss(D(fake), torch.ones(16, 1))
            g.zero_grad()
            loss.backward()
            g.step()
            print(loss.item())
    """,
    "a denoiser's target is the noise that was added": """
        import torch
        from torch import nn
        torch.manual_seed(0)
        model = nn.Linear(4, 4)
        optimizer = torch.optim.Adam(model.parameters())
        clean = torch.rand(16, 4)
        for _ in range(10):
            noise = torch.randn(16, 4)
            loss = nn.functional.mse_loss(model(clean + noise), noise)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    """,
    "an autoencoder's target is its input": """
        import torch
        from torch import nn
        model, x = nn.Linear(4, 4), torch.rand(16, 4)
        loss = nn.MSELoss()(model(x), x)
    """,
    "all differences of a column and a row, on purpose": """
        import torch
        x = torch.rand(50)
        distances = ((x[:, None] - x) ** 2).mean()
    """,
    "two losses, one tape, no derivative asked twice": """
        import tensorflow as tf
        x = tf.Variable(3.0)
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                y = x * x * x
            first = inner.gradient(y, x)
        second = outer.gradient(first, x)
    """,
    "gradients of many outputs in one call of the tape": """
        import tensorflow as tf
        x = tf.Variable([1.0, 2.0])
        with tf.GradientTape() as tape:
            y = tf.sigmoid(x)
        print(tape.gradient(y, x))
    """,
    "a batch normalised model tested by its own loop": """
        import torch
        from torch import nn
        def accuracy(model, x, y):
            model.eval()
            with torch.no_grad():
                right = (model(x).argmax(1) == y).float().mean()
            model.train()
            return right
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        x, y = torch.rand(32, 4), torch.randint(0, 3, (32,))
        for _ in range(5):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print(accuracy(model, x, y))
    """,
    "LBFGS clears in its closure": """
        import torch
        w = torch.ones(3, requires_grad=True)
        optimizer = torch.optim.LBFGS([w])
        def closure():
            optimizer.zero_grad()
            loss = (w**2).sum()
            loss.backward()
            return loss
        for _ in range(3):
            optimizer.step(closure)
    """,
    "log_softmax into cross-entropy changes nothing": """
        import torch
        import torch.nn.functional as F
        logits = torch.nn.Linear(4, 3)(torch.zeros(2, 4))
        loss = F.cross_entropy(F.log_softmax(logits, 1), torch.tensor([0, 1]))
    """,
    "a session restored from a file needs no initialiser": """
        import tensorflow.compat.v1 as tf
        w = tf.get_variable("w", shape=[2])
        saver = tf.train.Saver()
        with tf.Session() as sess:
            saver.restore(sess, "model.ckpt")
            print(sess.run(w * 2.0))
    """,
    "a function that someone else calls may be seeded there": """
        import tensorflow as tf
        def fit(x, y):
            model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
            model.compile("sgd", "mse")
            model.fit(x, y)
    """,
    "what no one can know is not spoken of": """
        model = build()
        optimizer = choose(model)
        for x, y in batches():
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
    """,
    "both graphs in one comment": """
        import tensorflow as tf
        x = tf.Variable(1.0)
        # no static graph here: the tape records
        with tf.GradientTape() as tape:
            y = x * x
    """,
    "a line of code that is commented out": """
        x = 1
        # y = torch.tensor([1, 2], requires_grad=True)
        print(x)  # f(x)
    """,
}


@pytest.mark.parametrize("name", RIGHT)
def test_programs_that_look_alike_and_are_right(name: str) -> None:
    assert [(f.check, f.what) for f in lab.doctor(RIGHT[name])] == []


# Functions, models and cells --------------------------------------------------------------------


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        return nn.functional.softmax(self.fc(x), 1)


def test_a_traced_step_tells_what_source_cannot() -> None:
    made = {"a": nn.Linear(4, 3)}
    softer: Callable[..., Any] = getattr(nn, "Softmax")(1)  # noqa: B009  no name that source tells

    def step(x: Any, y: Any) -> Any:
        return nn.functional.cross_entropy(softer(made["a"](x)), y)

    before = {k: v.clone() for k, v in made["a"].state_dict().items()}
    x, y = lab.randn(5, 4), lab.tensor([0, 1, 2, 0, 1])
    found = lab.doctor(step, x, y)
    assert found.checks == ["L02"]
    assert found.findings[0].lines == (2, 2)
    assert all((before[k] == v).all() for k, v in made["a"].state_dict().items())
    assert lab.doctor(step).checks == []  # not known without the inputs
    with lab.enable_grad():
        wide = lab.doctor(lambda x, y: ((x - y) ** 2).mean(), lab.ones(6, 1), lab.ones(6))
    assert wide.checks == ["L13"]
    assert lab.doctor(lambda x, y: ((x - y) ** 2).mean(), lab.ones(6), lab.ones(6)).checks == []


def test_a_model_with_inputs_that_do_not_fit() -> None:
    model = Classifier()
    assert lab.doctor(model, lab.ones(2, 4)).checks == []
    found = lab.doctor(model, lab.ones(2, 5))
    assert found.checks == ["L01"]
    assert "got 4 and 5" in found.findings[0].why
    assert lab.doctor(model, np.ones((2, 4))).checks == ["L11"]
    assert lab.doctor(Classifier).checks == []


MADE = {
    "model": nn.Linear(4, 3),
    "each": nn.CrossEntropyLoss(reduction="none"),
    "mean": nn.CrossEntropyLoss(),
    "dense": keras.Sequential([layers.Dense(1, input_shape=(4,))]),
    "sgd": keras.optimizers.SGD(0.1),
    "mse": keras.losses.mse,
}


def learn(loss: str) -> Callable[..., Any]:
    def step(x: Any, y: Any) -> Any:
        made = MADE[loss](MADE["model"](x), y)
        made.backward()

    return step


def again(times: int) -> Callable[..., Any]:
    def step(x: Any, y: Any) -> Any:
        loss = MADE["mean"](MADE["model"](x), y)
        for back in [loss.backward] * times:
            back()

    return step


def taped(reduce: Callable[..., Any], times: int = 1, **how: Any) -> Callable[..., Any]:
    def step(x: Any, y: Any) -> Any:
        weights = MADE["dense"].trainable_variables
        with tf.GradientTape() as tape:
            loss = reduce(MADE["mse"](y, MADE["dense"](x)))
        for ask in [tape.gradient] * times:
            gradients = ask(loss, weights, **how)
        MADE["sgd"].apply_gradients(zip(gradients, weights, strict=True))

    return step


def looked_at(x: Any, y: Any) -> Any:
    """Slopes at several points, which no weight follows."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        values = MADE["mse"](y, MADE["dense"](x))
    return tape.gradient(values, x)


def counted(x: Any, y: Any) -> Any:
    """Each loss with what it counts, as the caller says."""
    weights = MADE["dense"].trainable_variables
    with tf.GradientTape() as tape:
        loss = MADE["mse"](y, MADE["dense"](x))
    gradients = tape.gradient(loss, weights, output_gradients=tf.ones(5))
    MADE["sgd"].apply_gradients(zip(gradients, weights, strict=True))


def followed(x: Any) -> Any:
    x.requires_grad_()
    return (x * x).sum()


def moved(x: Any) -> Any:
    return MADE["model"](x).sum()


X, Y = np.ones((5, 4), np.float32), [0, 1, 2, 0, 1]
PAIRS = (lab.tensor(X), lab.tensor(Y)), (tf.constant(X), tf.ones((5, 1)))
# A step, its inputs, its twin that is right, and the line and the words of what is found.
TRACED = {
    "L07 backward": (learn("each"), PAIRS[0], learn("mean"), 3, "many numbers at once"),
    "L07 tape": (taped(lambda x: x), PAIRS[1], taped(tf.reduce_mean), 4, "has shape (5,)"),
    "L09 backward": (again(2), PAIRS[0], again(1), 4, "freed by an earlier backward()"),
    "L09 tape": (taped(tf.reduce_mean, 2), PAIRS[1], taped(tf.reduce_mean), 6, "was used before"),
}


@pytest.mark.parametrize("name", TRACED)
def test_a_traced_step_shows_what_its_source_does_not(name: str) -> None:
    wrong, inputs, right, line, words = TRACED[name]
    assert lab.doctor(wrong).checks == lab.doctor(right, *inputs).checks == []
    found = lab.doctor(wrong, *inputs)
    assert found.checks == [name[:3]]
    assert found.findings[0].lines == (line, line)
    assert words in found.findings[0].what
    assert MADE["model"].weight.grad is None


def test_a_traced_step_that_follows_whole_numbers() -> None:
    assert lab.doctor(followed).checks == lab.doctor(followed, lab.ones(2)).checks == []
    found = lab.doctor(followed, lab.tensor([1, 2]))
    assert found.checks == ["L12"]
    assert found.findings[0].lines == (2, 2)
    assert "a tensor of int64 cannot have a gradient" in found.findings[0].what


@pytest.mark.parametrize("step", [looked_at, counted], ids=lambda f: f.__name__)
def test_several_numbers_that_are_meant(step: Callable[..., Any]) -> None:
    assert lab.doctor(step, *PAIRS[1]).checks == []


def test_a_traced_step_on_two_devices() -> None:
    register(DeviceArray, make_cupy(), CUDA)  # the tests' own device
    try:
        there = PAIRS[0][0].cuda()
        assert lab.doctor(moved).checks == lab.doctor(moved, PAIRS[0][0]).checks == []
        found = lab.doctor(moved, there)
        MADE["model"].cuda()
        assert lab.doctor(moved, there).checks == []
    finally:
        MADE["model"].cpu()
        unregister(DeviceArray)
    assert found.checks == ["L24"]
    assert found.findings[0].lines == (2, 2)
    assert "expected all on one device, got cpu and cuda" in found.findings[0].why


def test_notes_are_told_from_mistakes() -> None:
    found = {f.check: f for f in lab.doctor(wrong("L17"))} | {
        f.check: f for f in lab.doctor(article("C1b"))
    }
    assert {check: f.kind for check, f in found.items()} == {
        "L17": "note", "L22": "mistake", "L01": "mistake", "L19": "note", "L15": "mistake",
    }  # fmt: skip
    page = lab.doctor(wrong("L17")).widget().static_html()
    assert '<span class="badge">L17</span>' in page
    assert "lines 5 to 8, a note</span>" in page


def test_a_function_s_source_is_read() -> None:
    def grad() -> Any:
        x = lab.tensor([1, 2, 3], requires_grad=True)
        return (x * x).sum()

    found = lab.doctor(grad)
    assert found.checks == ["L12"]
    assert found.findings[0].lines == (2, 2)
    assert found.title == "grad"
    assert "[1.0, 2.0, 3.0]" in found.fix()


def test_a_compiled_keras_model_is_asked_for_its_loss() -> None:
    def made(activation: str | None, loss: Any) -> Any:
        model = models.Sequential([layers.Dense(3, activation=activation, input_shape=(4,))])
        model.compile("sgd", loss)
        return model

    named = "sparse_categorical_crossentropy"
    logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    x, classes, rows = np.zeros((5, 4)), np.zeros(5, int), np.eye(3)[[0, 1, 2, 0, 1]]
    for activation, loss, expected in [
        ("softmax", named, []),
        (None, logits, []),
        ("softmax", logits, ["L02"]),
        (None, named, ["L02"]),
    ]:
        assert lab.doctor(made(activation, loss)).checks == expected
        assert lab.doctor(made(activation, loss), x, classes).checks == expected
    assert lab.doctor(made("softmax", named), x, rows).checks == ["L23"]
    assert lab.doctor(made("softmax", named[7:]), x, rows).checks == []
    assert lab.doctor(made("softmax", named), np.zeros((5, 6)), classes).checks == ["L01"]


class Shell:
    """What the magic needs of IPython."""

    def __init__(self) -> None:
        self.user_ns: dict[str, Any] = {}
        self.ran: list[str] = []
        self.next = ""

    def run_cell(self, cell: str) -> Any:
        self.ran.append(cell)
        exec(compile(cell, "cell", "exec"), self.user_ns)  # noqa: S102  a cell of ours
        return type("Result", (), {"success": True})

    def set_next_input(self, text: str, replace: bool) -> None:
        self.next = text


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr("minitorch_lab.lessons.doctor.magic.display", found.append)
    return found


CELL = """
import minitorch_lab as lab
guess, answer = make()
loss = lab.nn.functional.mse_loss(guess, answer)
"""


def test_the_magic_runs_the_cell_and_knows_its_shapes(shown: list[Any]) -> None:
    shell = Shell()
    shell.user_ns["make"] = lambda: (lab.zeros(5, 1), lab.zeros(5))
    doctor_magic(shell, "--only", CELL)
    assert shell.ran == []
    assert shown[-1].checks == []
    with pytest.warns(UserWarning, match="broadcast"):
        doctor_magic(shell, "", CELL)
    assert shell.ran == [CELL]
    assert shown[-1].checks == ["L13"]
    shell.user_ns |= {"guess": lab.zeros(5, 1), "answer": lab.zeros(5)}  # what the notebook has
    doctor_magic(
        shell, "--only", "import minitorch_lab as lab\nlab.nn.functional.mse_loss(guess, answer)"
    )
    assert shown[-1].checks == ["L13"]


def test_the_magic_repairs_a_cell(shown: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell()
    doctor_magic(shell, "--fix", wrong("L12 tensor"))
    assert 'Press "apply all repairs" and "copy the program"' in capsys.readouterr().out
    assert "[1.0, 2.0, 3.0]" in shell.next
    assert shell.ran == []
    doctor_magic(shell, "--fix", "%matplotlib inline\n" + wrong("L12 tensor") + "\n!ls")
    assert shell.next.startswith("%%doctor\n%matplotlib inline\n")
    assert shell.next.rstrip().endswith("!ls")
    assert "[1.0, 2.0, 3.0]" in shell.next
    doctor_magic(shell, "--fix", "x = 1")
    assert shell.next == "%%doctor\nx = 1"
    assert "Ctrl+Z" in capsys.readouterr().out  # of the cell before
    doctor_magic(shell, "--fix", "x = 1")
    assert capsys.readouterr().out == ""  # nothing was to be repaired
    doctor_magic(shell, "--fix", article("C4d"))  # line breaks are a repair too
    assert shell.next == "%%doctor\n" + lab.doctor(article("C4d")).reflow().rstrip("\n")
    assert "Ctrl+Z" in capsys.readouterr().out
    doctor_magic(shell, "", article("C4d"))  # it cannot be read as it stands
    assert shell.ran == []
    assert shown[-1].checks == ["L22"]
    with pytest.raises(lab.ArgumentError, match="--only or --fix, got 'fast'"):
        doctor_magic(shell, "fast", "x = 1")


def test_the_extension_brings_the_magic() -> None:
    given: list[tuple[Any, ...]] = []

    class Registers:
        def register_magic_function(self, *what: Any) -> None:
            given.append(what)

    lab.load_ipython_extension(Registers())
    assert [what[1:] for what in given] == [("cell", "doctor")]


# Text that is no program, and other input -----------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "# only words",
        "import",
        "def f(:",
        "((((",
        "\x00",
        "x = '",
        "\tx = 1",
        "1if 2else 3",
        "…",
        "λ = 1",
    ],
)
def test_no_text_ends_in_a_traceback(text: str) -> None:
    found = lab.doctor(text)
    assert found.checks in ([], ["L22"])
    assert str(found)
    assert found.fix() is not None
    assert found.reflow() is not None


def test_what_cannot_be_read_is_a_finding_with_its_line() -> None:
    found = lab.doctor("x = 1\ny = (2\nz = 3")
    assert found.checks == ["L22"]
    assert found.findings[0].lines[0] in (2, 3)
    assert found.fix() == "x = 1\ny = (2\nz = 3"


def test_prompts_are_left_out() -> None:
    found = lab.doctor(
        ">>> import torch\n>>> x = torch.tensor([1],\n...     requires_grad=True)\nError: no"
    )
    assert found.checks == ["L12"]
    assert found.findings[0].lines == (2, 3)


def test_text_is_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    lab.doctor(f"open({str(mark)!r}, 'w').write('x')").fix()
    assert not mark.exists()


@pytest.mark.parametrize(
    "subject", [3, None, [1], lab.ones(2)], ids=["int", "None", "list", "tensor"]
)
def test_what_is_no_program(subject: Any) -> None:
    with pytest.raises(
        lab.KindError, match="expected code as text, a function, a class or a model"
    ):
        lab.doctor(subject)


def test_what_a_program_writes_is_text_in_the_panel() -> None:
    found = lab.doctor(
        "import torch\nx = torch.tensor([1], requires_grad=True)  # <script>alert(1)</script>"
    )
    page = found.widget().static_html()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_findings_are_data() -> None:
    finding = lab.doctor(article("C1b")).findings[1]
    assert (finding.check, finding.lines) == ("L01", (12, 12))
    assert finding.why == (
        "28 -> conv 3 -> 26 -> pool 2 -> 13, and 32 * 13 * 13 = 5408; you wrote 32 * 12 * 12 = "
        "4608."
    )
    with pytest.raises(AttributeError):
        finding.check = "L02"  # type: ignore[misc]
    assert "-        self.fc = nn.Linear(32 * 12 * 12, 10)" in finding.diff


def test_a_hundred_lines_take_little_time() -> None:
    text = (ROOT / "tests" / "programs" / "gpt.py").read_text(encoding="utf-8")
    text += "\n" * 3 + "\n".join(f"x{i} = torch.randn(2, {i + 1}).relu().sum()" for i in range(10))
    times = []
    for _ in range(3):
        start = time.process_time()  # what others do meanwhile does not count
        lab.doctor(text)
        times.append(time.process_time() - start)
    assert min(times) < 0.5


# What is measured, and the table ----------------------------------------------------------------


def test_measurements() -> None:
    assert [value for _, value in demos.softmax_twice()] == [
        "0.9647, −0.9823, 0.0177",
        "0.0288, −0.0232, −0.0056",
    ]
    assert demos.lowest_twice(10)[0][1] == "1.461"  # ln(e + 9) - 1
    assert demos.adds_up()[0][1] == "2, 4, 6"
    assert [v for _, v in demos.column_less_row()] == ["1.333", "0"]
    assert [v for _, v in demos.fed()] == ["−8", "0"]
    assert 0.95 < float(demos.noise()[0][1]) < 1.05


def test_measuring_leaves_the_random_numbers_alone() -> None:
    demos.noise.cache_clear()
    lab.manual_seed(3)
    expected = lab.rand(3).tolist()
    lab.manual_seed(3)
    demos.noise()
    assert lab.rand(3).tolist() == expected


def test_the_docs_have_the_table() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert markdown() in page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import torchx = torch.ones(2)x.sum()", ["import torch", "x = torch.ones(2)", "x.sum()"]),
        (
            "for i in range(3):\nprint(i)\nbreak\nprint(4)",
            ["for i in range(3):", "    print(i)", "    break", "print(4)"],
        ),
        ("x = 1\nif x:\n    print(x)", ["x = 1", "if x:", "    print(x)"]),
    ],
    ids=["glued", "blocks", "nothing to do"],
)
def test_reflow(text: str, expected: list[str]) -> None:
    found = reflow(text)
    assert found is not None
    assert found.splitlines() == expected


@pytest.mark.parametrize("name", ARTICLES)
def test_reflow_changes_no_letter_of_code(name: str) -> None:
    """Only blanks come and go."""
    found = reflow(article(name))
    assert found is not None
    assert re.sub(r"\s", "", found) == re.sub(r"\s", "", article(name))
    ast.parse(found)
