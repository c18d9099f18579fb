"""The 13 programs of the articles: as they are written, and repaired by the doctor, both run here.

The texts stand in minitorch_lab/lessons/articles as they are published, without their line breaks.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

import minitorch_lab as lab
import minitorch_lab.tf.compat.v1 as tf1
from minitorch_lab.lessons import museum
from minitorch_lab.lessons.museum import WRITTEN, write_pictures

HERE = Path(__file__).parent

# Where each program is run: what it prints or how it fails as written, and what its repair does.
# What stands elsewhere is not said here again.
ANY = "test_articles.py::test_nothing_else_is_changed"
RUN = {
    "C0a": ["test_articles.py::test_c0a", "test_doctor.py::test_a_repaired_program_learns"],
    "C0b": ["test_tf_functions.py::test_an_article_fails_as_in_tensorflow",
            "test_articles.py::test_c0b_has_no_single_loss", "test_articles.py::test_c0b_repaired"],
    "C1a": ["test_keras.py::test_only_the_imports_are_changed",
            "test_articles.py::test_c1a", "test_articles.py::test_c1a_repaired"],
    "C1b": ["test_articles.py::test_c1b", "test_articles.py::test_c1b_repaired"],
    "C2a": ["test_doctor.py::test_reflowed_programs_print_what_the_articles_say", ANY],
    "C3a": ["test_articles.py::test_c3a", "test_articles.py::test_c3a_repaired",
            "test_compat_v1_programs.py::test_c3a_lacks_its_data_and_then_its_variables",
            "test_compat_v1_programs.py::"
            "test_c3a_trains_nothing_for_labels_are_fed_into_the_output",
            "test_compat_v1_programs.py::"
            "test_c3a_becomes_sure_of_itself_where_the_output_is_not_fed"],
    "C3b": ["test_articles.py::test_c3b", "test_articles.py::test_c3b_repaired"],
    "C4a": ["test_tf_functions.py::test_an_article_prints",
            "test_compat_v1.py::test_article_c4a_prints_the_nodes_of_the_graph", ANY],
    "C4b": ["test_keras.py::test_only_the_imports_are_changed",
            "test_articles.py::test_c4b_repaired"],
    "C4c": ["test_articles.py::test_c4c", ANY],
    "C4d": ["test_doctor.py::test_reflowed_programs_print_what_the_articles_say", ANY],
    "C4e": ["test_tf_functions.py::test_an_article_prints", "test_articles.py::test_c4e",
            "test_articles.py::test_c4e_repaired"],
    "C4f": ["test_articles.py::test_c4f", "test_engine.py::test_article_s4_to_the_digit", ANY],
}  # fmt: skip


def test_each_program_has_its_tests() -> None:
    assert sorted(RUN) == sorted(p.stem for p in WRITTEN.glob("*.txt"))
    assert len(RUN) == 13
    known: dict[str, set[str]] = {}
    for file in {place.partition("::")[0] for places in RUN.values() for place in places}:
        tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
        known[file] = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    for places in RUN.values():
        assert places
        for place in places:
            file, _, name = place.partition("::")
            assert name in known[file], place


# Running them -----------------------------------------------------------------------------------


def diagnosis(name: str) -> Any:
    return lab.doctor(museum.program(name))


def run(text: str, **names: Any) -> dict[str, Any]:
    """Run a program with its import lines changed: the names that it leaves."""
    names["__name__"] = "article"
    exec(compile(museum.imports(text), "article", "exec"), names)  # noqa: S102  a text of ours
    return names


def shorter(text: str, steps: int) -> str:
    """A program with fewer steps."""
    assert "range(1000)" in text
    return text.replace("range(1000)", f"range({steps})")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small pictures in the place of MNIST, for both styles."""
    made: Path = tmp_path_factory.mktemp("data")
    write_pictures(made / "mnist")
    return made


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    plt.switch_backend("agg")  # a lesson that ran before may have left the notebooks' own
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MINITORCH_LAB_DATA", str(folder))
    lab.manual_seed(0)
    tf1.reset_default_graph()
    yield
    plt.close("all")


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """What was printed since it was asked last."""
    return lambda: capsys.readouterr().out.splitlines()


def numbers(lines: list[str]) -> list[float]:
    """The last number of each line."""
    return [float(line.split()[-1]) for line in lines]


# As written -------------------------------------------------------------------------------------


def test_c0a(printed: Callable[[], list[str]]) -> None:
    """With seed 0 its losses are PyTorch's; the targets are noise, so they do not fall."""
    run(diagnosis("C0a").reflow())
    losses = ".3597 .9295 .2547 1.8605 2.4679 .0112 .1343 .7411 .5426 2.9285".split()
    assert printed() == [f"Epoch: {k}, Loss: {float(loss):.4f}" for k, loss in enumerate(losses, 1)]


def test_c0b_has_no_single_loss() -> None:
    """Where the loss has its name of today, it is a row of one number, and cannot be formatted."""
    text = diagnosis("C0b").reflow().replace("tf.losses.mean_squared_error", "tf.keras.losses.mse")
    with pytest.raises(TypeError, match=r"unsupported format string passed to numpy\.ndarray"):
        run(text)


def test_c1a() -> None:
    """The sizes on the way; test_keras trains it."""
    model = run(diagnosis("C1a").reflow().partition("mnist = ")[0])["model"]
    assert [layer.output.shape for layer in model.layers] == [
        (None, 26, 26, 32), (None, 13, 13, 32), (None, 5408), (None, 10),
    ]  # fmt: skip
    assert model.count_params() == 54_410


def test_c1b() -> None:
    with pytest.raises(RuntimeError) as caught:
        run(diagnosis("C1b").reflow())
    assert isinstance(caught.value, lab.ShapeError)
    words = str(caught.value)
    assert "got 4608 and 5408" in words  # PyTorch: (32x5408 and 4608x10)
    assert "5408 = 32 x 13 x 13" in words
    assert "use Linear(5408, 10)" in words
    made = run(diagnosis("C1b").reflow().partition("# 加载")[0])["model"]
    assert sum(p.numel() for p in made.parameters()) == 46_410


def pictures() -> Any:
    """What the articles call mnist and never make."""
    rng = np.random.default_rng(0)
    images, labels = rng.random((100, 784)), np.eye(10)[rng.integers(0, 10, 100)]
    return SimpleNamespace(train=SimpleNamespace(images=images, labels=labels))


def test_c3a() -> None:
    """TensorFlow of today has no sessions; test_compat_v1_programs runs it as it was meant."""
    text = diagnosis("C3a").reflow()
    with pytest.raises(AttributeError, match=r"no attribute 'Session'(?s:.*)compat\.v1 as tf"):
        run(text)
    then = text.replace("import tensorflow as tf", "import tensorflow.compat.v1 as tf")
    with pytest.raises(NameError, match="mnist"):
        run(then)
    tf1.reset_default_graph()
    with pytest.raises(tf1.errors.FailedPreconditionError, match="global_variables_initializer"):
        run(then, mnist=pictures())


def test_c3b() -> None:
    text = diagnosis("C3b").reflow()
    with pytest.raises(NameError, match="mnist"):
        run(text)
    with pytest.raises(TypeError, match=r"(?i)numpy(?s:.*)tensor"):
        run(text, mnist=pictures())
    net = run(text.partition("# Initialize")[0])["Net"]()
    assert sum(p.numel() for p in net.parameters()) == 101_770


def test_c4c(printed: Callable[[], list[str]]) -> None:
    left = run(diagnosis("C4c").reflow())
    assert printed() == ["pytorch array: tensor([1, 2, 3])", "numpy array: [1 2 3]"]
    left["numpy_array"][0] = 99
    assert left["x"].tolist() == [99, 2, 3]  # one memory


def test_c4e(printed: Callable[[], list[str]]) -> None:
    """As published; what was computed before the tape has no gradient, and a tape gives one."""
    left = run(diagnosis("C4e").reflow())
    assert printed() == ["Gradients of x: [0.6666667 1.3333334 2.       ]"]
    with pytest.raises(RuntimeError, match="persistent=True"):
        left["tape"].gradient(left["z"], left["x"])
    outside = diagnosis("C4e").reflow().replace("    z = tf.reduce_mean(x ** 2)", "    pass")
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'numpy'"):
        run(outside)


def test_c4f(printed: Callable[[], list[str]]) -> None:
    left = run(diagnosis("C4f").reflow())
    losses = ".2024 .1098 .0627 .0371 .0232 .0156 .0115 .0093 .0081 .0074".split()
    assert printed() == [f"Epoch [{k}00/1000], Loss: 0{loss}" for k, loss in enumerate(losses, 1)]
    axes = plt.gca()
    (dots,), (line,) = axes.collections, axes.lines
    np.testing.assert_array_equal(dots.get_offsets()[:, 1], left["y"].numpy()[:, 0])
    assert (line.get_color(), line.get_linestyle()) == ("r", "-")
    x, y = line.get_data()
    np.testing.assert_allclose(y, 3.02227 * np.asarray(x) + 3.96787, atol=1e-4)
    assert [t.get_text() for t in axes.get_legend().texts] == ["Original data", "Fitted line"]


# Repaired ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, places in RUN.items() if ANY in places])
def test_nothing_else_is_changed(name: str) -> None:
    """Only line breaks were lost: the repaired program is the one that is run as written."""
    found = diagnosis(name)
    assert found.checks == ["L22"]
    assert found.fix() == found.reflow()


def test_c0b_repaired(printed: Callable[[], list[str]]) -> None:
    run(diagnosis("C0b").fix().replace("range(10)", "range(100)"))
    lines = printed()
    assert all(re.fullmatch(r"Epoch: \d+, Loss: \d+\.\d{4}", line) for line in lines)
    losses = numbers(lines)
    assert len(losses) == 100
    assert losses == sorted(losses, reverse=True)  # one example: each step comes nearer
    assert losses[-1] < losses[0] / 10


def test_c1a_repaired(printed: Callable[[], list[str]]) -> None:
    left = run(diagnosis("C1a").fix())
    assert left["model"].count_params() == 54_410
    lines = printed()
    assert lines[:10:2] == [f"Epoch {k}/5" for k in range(1, 6)]
    assert lines[-1].startswith("3/3 ")  # and now the 80 pictures of the test set
    assert float(re.findall(r"accuracy: ([\d.]+)", lines[-1])[0]) > 0.9


def test_c1b_repaired(printed: Callable[[], list[str]]) -> None:
    """480 pictures are 15 batches, less than a window of 100: all of them is the rest."""
    left = run(diagnosis("C1b").fix())
    assert sum(p.numel() for p in left["model"].parameters()) == 54_410
    lines = printed()
    assert [line.partition(" loss: ")[0] for line in lines] == [f"[{k}, 15]" for k in range(1, 6)]
    assert numbers(lines)[-1] < 0.05 < numbers(lines)[0] < 2.3  # ln 10 = 2.303 is chance


def test_c3a_repaired() -> None:
    left = run(shorter(diagnosis("C3a").fix(), 150))
    fed = {left["x"]: left["train_images"], left["labels"]: left["train_labels"]}
    assert left["sess"].run(left["loss"], fed) < 0.2
    found = left["sess"].run(left["y"], fed).argmax(1)
    assert (found == left["train_labels"].argmax(1)).mean() > 0.95


def test_c3b_repaired() -> None:
    left = run(shorter(diagnosis("C3b").fix(), 40))
    assert left["loss"].item() < 0.1
    found = left["outputs"].argmax(1).numpy()
    assert (found == left["train_labels"]).mean() > 0.95


def test_c4b_repaired(printed: Callable[[], list[str]]) -> None:
    """A tenth of the training set is kept to validate: 432 pictures are 14 batches."""
    left = run(diagnosis("C4b").fix())
    lines = printed()
    assert all(line.startswith("14/14 ") and " val_loss: " in line for line in lines[1:10:2])
    assert list(left["model"].history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert re.fullmatch(r"Test accuracy: \d+\.\d\d%", lines[-1])
    assert left["test_accuracy"] > 0.9


def test_c4e_repaired(printed: Callable[[], list[str]]) -> None:
    text = diagnosis("C4e").fix()
    assert text.count("reduce_mean") == 1  # computed once, inside
    run(text)
    assert printed() == ["Gradients of x: [0.6666667 1.3333334 2.       ]"]
