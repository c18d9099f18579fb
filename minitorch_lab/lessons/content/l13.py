"""Lesson 13: what is asked in it, and what is answered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minitorch_lab
from minitorch_lab.lessons.judges import Function, Rule, as_array, call, number
from minitorch_lab.lessons.model import (
    Choice,
    Exercise,
    Lesson,
    Prediction,
    Question,
    Verdict,
    Wrong,
)

lab: Any = minitorch_lab  # written as a learner writes it
nn: Any = minitorch_lab.nn

Layers = Sequence[tuple[int, int]]


# 13.1: the layers, what each of them leaves, and slips that are known: place and number
LAYERS = (
    "nn.Conv2d(1, 8, 5)",
    "nn.MaxPool2d(2)",
    "nn.Conv2d(8, 16, 3, padding=1)",
    "nn.MaxPool2d(2)",
    "nn.Flatten()",
)
LEFT = (24, 12, 12, 6, 576)
SLIPS = {
    (0, 23): "The place where the window begins counts as well: 28 − 5 + 1.",
    (0, 26): "The first window is 5 wide, not 3.",
    (2, 10): "The third layer has padding: a rim of zeros.",
    (4, 36): "The row holds all channels. How many are there?",
    (4, 288): "8 channels go into the third layer. How many come out of it?",
    (4, 96): "A channel has rows and columns: 6 × 6 numbers.",
}


def _shapes(answer: Any) -> str | None:
    """The first number that is wrong, and not what it should be."""
    given = as_array(answer)
    if given.shape != (len(LEFT),):
        return "Five numbers are expected, one for each layer."
    for place, (mine, right) in enumerate(zip(given.tolist(), LEFT, strict=True)):
        if mine != right:
            begins = f"{place} of 5 numbers fit so far. " if place else ""
            says = f"{begins}After `{LAYERS[place]}` it is not {number(mine)}."
            return SLIPS.get((place, mine), says)
    return None


def _with_slip(place: int, value: int) -> list[int]:
    return [*LEFT[:place], value, *LEFT[place + 1 :]]


def article_network(row: int, *, padding: int = 0, pool: Any = None, relu: bool = True) -> Any:
    """The network of article S1, for rows of this length at its last layer."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=padding),
        nn.ReLU() if relu else nn.Identity(),
        pool or nn.MaxPool2d(2, 2),
        nn.Flatten(),
        nn.Linear(row, 10),
    )


def repaired(size: int) -> Any:
    """The article's network, for pictures of size x size."""
    return article_network(32 * ((size - 2) // 2) ** 2)


class SimpleCNN(nn.Module):  # type: ignore[misc]  # nn is Any here
    """The same as a class, with the article's names."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc = nn.Linear(32 * (size // 2 - 1) * (size // 2 - 1), 10)

    def forward(self, x: Any) -> Any:
        """The ten outputs of each picture."""
        x = self.pool(nn.functional.relu(self.conv1(x)))
        return self.fc(lab.flatten(x, 1))


def measured(size: int) -> Any:
    """The same, with the length of the row asked of the layers."""
    front = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return nn.Sequential(front, nn.Linear(front(lab.zeros(1, 1, size, size)).shape[1], 10))


def _try_network(answer: Callable[[int], Any], size: int, seed: int) -> Verdict | None:
    """Run the answer's network on pictures of this size; what is wrong with it, if anything."""
    pictures = f"pictures of {size} × {size}"
    model = call(answer, size, where=f"size = {size}")
    if not isinstance(model, nn.Module):
        return Verdict(False, "Your function has to return a network, such as nn.Sequential.")
    lab.manual_seed(seed)
    x = lab.rand(3, 1, size, size)
    try:
        out = model.eval()(x)
    except Exception as error:  # noqa: BLE001 - whatever it is, the learner reads it
        first, _, _ = str(error).partition("\n")
        return Verdict(
            False,
            f"For {pictures} your network stops. {_sizes(str(error))}".rstrip(),
            f"It raised {type(error).__name__}: {first}",
        )
    shape = tuple(getattr(out, "shape", ()))
    if shape != (3, 10):
        return Verdict(
            False,
            f"3 {pictures} give the shape {shape}; it should be (3, 10): ten outputs for each "
            "picture.",
        )
    twin = repaired(size)
    if [p.shape for p in model.parameters()] != [p.shape for p in twin.parameters()]:
        count, wanted = (sum(p.numel() for p in m.parameters()) for m in (model, twin))
        return Verdict(
            False,
            f"For {pictures} your network runs, but it is another one: {count:,} numbers to train, "
            f"and the repaired one has {wanted:,}.",
        )
    with lab.no_grad():
        for theirs, ours in zip(model.parameters(), twin.parameters(), strict=True):
            ours.copy_(theirs)
        if lab.allclose(out, twin(x), atol=1e-5):
            return None
    return Verdict(
        False,
        f"For {pictures} the sizes fit, but with the same weights the article's network gives "
        "other outputs.",
        "Conv2d, ReLU, MaxPool2d, Flatten, Linear: is one missing, another one, or one too many?",
    )


def _sizes(error: str) -> str:
    """What an error about a linear layer says of its two sizes."""
    found = error.partition("expected weight.shape[1] == input.shape[-1], got ")[2].split("\n")[0]
    if not found:
        return ""
    made_for, arrives = found.split(" and ")
    return f"The last layer was made for rows of {made_for}, and rows of {arrives} arrive."


def _network(answer: Any) -> Verdict | None:
    """Try the answer on several sizes, the article's first, the last one drawn anew."""
    if not callable(answer) or isinstance(answer, nn.Module):
        return Verdict(
            False, "A function is expected here: size goes in, a network comes out.",
            "Give the function itself, without brackets after its name.",
        )  # fmt: skip
    drawn = np.random.default_rng()
    state = lab.get_rng_state()  # layers draw their weights; the learner's numbers stay
    try:
        for size in (28, 9, 32, int(drawn.integers(10, 40))):
            found = _try_network(answer, size, int(drawn.integers(1000)))
            if found is not None:
                return found
    finally:
        lab.set_rng_state(state)
    return None


def sees(layers: Layers) -> int:
    """How many pixels on a side one number of the last layer sees."""
    pixels, jump = 1, 1
    for window, stride in layers:
        pixels += (window - 1) * jump
        jump *= stride
    return pixels


def sees_backward(layers: Layers) -> int:
    """The same from the last layer to the first."""
    pixels = 1
    for window, stride in reversed(layers):
        pixels = (pixels - 1) * stride + window
    return pixels


def sees_marked(layers: Layers) -> int:
    """The same with the places written down."""
    marked = {0}
    for window, stride in layers[::-1]:
        marked = {place * stride + a for place in marked for a in range(window)}
    return max(marked) + 1


def _stride_first(layers: Layers) -> int:
    pixels, jump = 1, 1
    for window, stride in layers:
        jump *= stride
        pixels += (window - 1) * jump
    return pixels


def _stack(drawn: np.random.Generator) -> tuple[Layers]:
    """Three to five layers, with no pixel left out between two windows."""
    windows = drawn.integers(2, 6, int(drawn.integers(3, 6))).tolist()
    return ([(window, int(drawn.integers(1, min(window, 3) + 1))) for window in windows],)


STACKS: list[tuple[Layers]] = [
    ([],),
    ([(3, 1)],),
    ([(5, 2)],),
    ([(3, 1), (3, 1)],),
    ([(3, 1), (2, 2), (3, 1)],),
    ([(2, 2), (4, 1), (3, 3), (2, 1)],),
]


LESSON = Lesson(
    number="13",
    title="Convolutions and the 5408",
    minutes=45,
    needs=("00", "03", "07"),
    asks="A network stops because 5408 is not 4608. Where do the two numbers come from?",
    next="14",
    predictions={
        "13.p1": Prediction(
            question="The window lies on the upper left corner. Multiply, add up: what does it "
            "give there?",
            code="picture   0 0 1 1 1      window  -1 0 1\n"
            "          0 0 1 1 1              -1 0 1\n"
            "          0 0 1 1 1              -1 0 1\n"
            "          0 0 1 1 1\n"
            "          0 0 1 1 1",
            field="the first number is",
            why="In each of three rows −1 · 0 + 0 · 0 + 1 · 1 = 1, so 3 in all. One step further "
            "it is 3 again, and then, on ones alone, 0.",
        ),
        "13.p2": Prediction(
            question="A window of 3 × 3 slides over 28 × 28 pixels, and never leaves the picture. "
            "How many places has it along one side?",
            field="places",
            why="The window takes 3 of the 28 pixels, so it can move 25 times, and the place where "
            "it began counts too: 26.",
        ),
        "13.p3": Prediction(
            question="Pooling by 2 makes 13 of 26. A second pooling: what does it make of 13?",
            choices=("6", "6.5", "7"),
            why="Six tiles fit, and the last row and column are left out. 13 // 2 = 6.",
        ),
        "13.p4": Prediction(
            question="784 pixels go in, 32 · 26 · 26 numbers come out, and each output has a "
            "weight for each pixel. How many weights is that? The windows have 320.",
            choices=("about 25 thousand", "about 700 thousand", "about 17 million"),
            result="about 17 million",
            why="784 · 21,632 = 16,959,488. Windows look at nine pixels each, and all places share "
            "their weights.",
        ),
        "13.p5": Prediction(
            question="A window of 3, pooling by 2, a window of 3. How many pixels on a side does "
            "one number see?",
            field="pixels",
            why="The last window sees 3 tiles. Each is pooled from 2 numbers that are neighbours, "
            "so 6 numbers, and a window of 3 adds one pixel on each side: 8.",
        ),
    },
    exercises={
        "13.1": Exercise(
            title="predict the shapes",
            level="easy",
            judge=Rule(_shapes),
            right="28 − 5 + 1 = 24, half is 12, padding 1 keeps 12, half is 6, and 16 · 6 · 6 "
            "= 576.",
            hints=(
                "places = (size + 2 × padding − window) // stride + 1. The first layer has window "
                "5, stride 1, no padding.",
                "Pooling by 2 halves a side. With window 3 and padding 1, a side stays as it is.",
                "The row holds channels × side × side numbers, and the last windows have 16 "
                "channels.",
            ),
            wrong=tuple(Wrong(_with_slip(*slip), says) for slip, says in SLIPS.items()),
            also=(
                (24, 12, 12, 6, 576),
                np.array([24, 12, 12, 6, 576]),
                lab.tensor([24, 12, 12, 6, 16 * 36]),
            ),
        ),
        "13.2": Exercise(
            title="repair it for every size",
            level="core",
            judge=Rule(_network),
            right="A window of 3 takes 2 off a side, pooling halves it and rounds down, and the "
            "last layer follows.",
            hints=(
                "Only the last layer has to know the size: nn.Linear(how many?, 10).",
                "Go through the layers: a window of 3 leaves size − 2, pooling by 2 halves that "
                "and rounds down.",
                "With side = (size - 2) // 2 the last layer is nn.Linear(32 * side * side, 10).",
            ),
            wrong=(
                Wrong(
                    lambda size: article_network(32 * 12 * 12),
                    "For pictures of 28 × 28 your network stops. The last layer was made for rows "
                    "of 4608, and rows of 5408 arrive.",
                ),
                Wrong(
                    lambda size: article_network(5408),
                    "For pictures of 9 × 9 your network stops. The last layer was made for rows "
                    "of 5408, and rows of 288 arrive.",
                ),
                Wrong(
                    lambda size: article_network(32 * math.ceil((size - 2) / 2) ** 2),
                    "For pictures of 9 × 9 your network stops. The last layer was made for rows "
                    "of 512, and rows of 288 arrive.",
                ),
                Wrong(
                    lambda size: article_network(((size - 2) // 2) ** 2),
                    "For pictures of 28 × 28 your network stops. The last layer was made for rows "
                    "of 169, and rows of 5408 arrive.",
                ),
                Wrong(
                    lambda size: article_network(32 * (size // 2) ** 2, padding=1),
                    "For pictures of 28 × 28 your network runs, but it is another one: 63,050 "
                    "numbers to train, and the repaired one has 54,410.",
                ),
                Wrong(
                    lambda size: article_network(4608, pool=nn.AdaptiveMaxPool2d(12)),
                    "For pictures of 28 × 28 your network runs, but it is another one: 46,410 "
                    "numbers to train, and the repaired one has 54,410.",
                ),
                Wrong(
                    lambda size: article_network(32 * ((size - 2) // 2) ** 2, relu=False),
                    "For pictures of 28 × 28 the sizes fit, but with the same weights the "
                    "article's network gives other outputs.",
                ),
            ),
            also=(repaired, SimpleCNN, measured),
        ),
        "13.3": Exercise(
            title="how far does it see?",
            level="stretch",
            judge=Function(sees, STACKS, column="layers", fresh=_stack),
            right="Each layer adds (window − 1) steps, and a step is as long as all strides before "
            "it, multiplied.",
            hints=(
                "Without any layer a number sees itself: 1 pixel. Start with pixels = 1, jump = 1.",
                "Each layer lets it see (window - 1) * jump pixels more.",
                "After that the layer's stride makes the jump longer: jump *= stride. Its own "
                "stride counts only for the layers behind it.",
            ),
            wrong=(
                Wrong(
                    lambda layers: 1 + sum(window - 1 for window, _ in layers),
                    "The strides are left out. Behind a stride of 2, two neighbours are two pixels "
                    "apart.",
                ),
                Wrong(
                    lambda layers: sum(window for window, _ in layers),
                    "The windows overlap: the second one of 3 sees 2 pixels more, not 3.",
                ),
                Wrong(
                    _stride_first,
                    "A layer's own stride does not widen its own window. It counts from the next "
                    "layer on.",
                ),
                Wrong(
                    lambda layers: sees(layers[::-1]),
                    "The layers are gone through from the wrong end for this rule.",
                ),
                Wrong(
                    lambda layers: math.prod(window for window, _ in layers),
                    "The windows are multiplied. They overlap, so they add less than that.",
                ),
                Wrong(
                    lambda layers: sees(layers) ** 2,
                    "That is how many pixels there are in all. Asked is the length of one side.",
                ),
            ),
            also=(sees_backward, sees_marked),
        ),
    },
    quiz=(
        Question(
            title="a shape",
            ask="32 coloured pictures, shape (32, 3, 64, 64), go through `Conv2d(3, 16, 5)`. "
            "Which shape comes out?",
            choices=(
                Choice("(32, 3, 60, 60)", "60 is right. But 16 windows make 16 channels."),
                Choice(
                    "(32, 16, 60, 60)",
                    "64 − 5 + 1 = 60 places, and a channel for each of the 16 windows.",
                    right=True,
                ),
                Choice("(32, 16, 59, 59)", "The place where the window begins counts too."),
            ),
        ),
        Question(
            title="larger pictures",
            ask="The article's network is to read pictures of 56 × 56. Which layers get more "
            "weights?",
            choices=(
                Choice(
                    "all of them",
                    "A window has nine weights and a bias, however large the picture is.",
                ),
                Choice(
                    "the windows: there are more places",
                    "All places share the same weights. That is the point of windows.",
                ),
                Choice(
                    "only the last one",
                    "Its rows grow from 5408 to 32 · 27 · 27 = 23,328. The windows stay at 320.",
                    right=True,
                ),
            ),
        ),
        Question(
            title="two programs",
            ask="Why does the Keras program need no 5408?",
            choices=(
                Choice(
                    "its `Dense` layer makes its weights when the size that comes in is known",
                    "So the count is worked out by the layer, and nobody can get it wrong.",
                    right=True,
                ),
                Choice(
                    "its pooling makes 12 of 26",
                    "It makes 13, as in PyTorch. The printed shapes say so.",
                ),
                Choice(
                    "it has fewer weights",
                    "Both have 54,410, once the PyTorch one is repaired.",
                ),
            ),
        ),
    ),
)
