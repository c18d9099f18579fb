"""The 25 checks: what each looks for, why it matters, and how it is repaired."""

from __future__ import annotations

from .model import Check

_ROWS = (
    ("L01", "sizes that do not fit", "A layer gets rows of another length than it was made for.",
     "A matrix product needs equal inner sizes, or the program stops.",
     "Make the layer for the size that arrives; the sizes on the way are worked out."),
    ("L02", "softmax twice, or not at all",
     "A loss gets probabilities where it expects logits, or logits where it expects probabilities.",
     "A second softmax makes nearly equal numbers of all inputs, and with them tiny gradients.",
     "Leave the softmax to the loss, or tell the loss what it gets."),
    ("L03", "labels are the output", "A loss compares a value with itself.",
     "The answer is never asked for, so the loss falls and nothing is learnt.",
     "Give the loss the labels of the data."),
    ("L04", "a result is fed", "feed_dict puts numbers in place of something that is computed.",
     "What is fed is not computed, so no gradient reaches the weights behind it.",
     "Feed a placeholder of its own."),
    ("L05", "weights without values", "Weights are read before anything gave them a value.",
     "A session stops with FailedPreconditionError; an empty tensor holds whatever was in memory.",
     "Run the initialiser once, before the first step."),
    ("L06", "targets that are noise", "Targets are drawn anew in each step, apart from the input.",
     "There is nothing to learn: no model does better than the mean of the targets.",
     "Draw the data once, before the loop, and compute the targets from the inputs."),
    ("L07", "a loss of several numbers", "A loss that is no single number, and its gradient is "
    "asked for.",
     "backward() stops; the tape adds the numbers up without a word.",
     "Take the mean."),
    ("L08", "gradients that add up", "zero_grad() is missing in a loop, or in the wrong place.",
     "backward() adds to .grad; each step would follow the sum of all gradients so far.",
     "Call optimizer.zero_grad() before backward() in each step."),
    ("L09", "backward twice", "A recording is used a second time.",
     "backward() and gradient() free what they used, to save memory.",
     "Compute the loss again, or say that the recording is to be kept."),
    ("L10", "outside the recording", "A gradient is asked for of something that was not recorded.",
     "Only what is computed inside the tape, or with gradients on, can be followed back.",
     "Move the computation inside."),
    ("L11", "an array in a layer", "A NumPy array is given to a layer or a loss of PyTorch.",
     "Layers take tensors: arrays have no gradient, and mostly another dtype.",
     "Make a tensor of it: torch.as_tensor(x, dtype=torch.float32)."),
    ("L12", "gradients of whole numbers", "A gradient is asked for with respect to whole numbers.",
     "A derivative needs small steps, and between whole numbers there are none.",
     "Write the numbers with a point: 1.0."),
    ("L13", "a column less a row", "A loss subtracts shapes (N, 1) and (N,).",
     "Broadcasting makes (N, N) of them: each output is compared with each target.",
     "Give both the same shape."),
    ("L14", "a test that is none", "The test set is used to choose, or loaded and never used.",
     "A score on data that helped to choose the model says too much about itself.",
     "Keep a part of the training set for validation, and the test set for the end."),
    ("L15", "the last window is lost", "A running mean is reported only for full windows.",
     "What comes after the last full window is trained on, and never reported.",
     "Report what is left after the loop."),
    ("L16", "dropout while it is tested", "A model is tested in the mode in which it trains.",
     "Dropout sets values to zero by chance, and batch norm uses the batch: two calls differ.",
     "Call model.eval() before testing, and model.train() before training goes on."),
    ("L17", "two sizes compared", "Two models are compared that have not the same size.",
     "What differs may come from the size and not from what is compared.",
     "Give both the same layers."),
    ("L18", "two preparations", "The data of training and testing are prepared in different ways.",
     "The model sees numbers at the test that it never saw in training.",
     "Prepare both in the same way."),
    ("L19", "no seed", "A training run prints numbers and sets no seed.",
     "Two runs give different numbers, so nobody can check them.",
     "Set the seed once, before anything is drawn."),
    ("L20", "computed for nothing", "A value is computed, never read, and computed again.",
     "It costs time, and a reader takes it for a part of the gradient.",
     "Remove the lines."),
    ("L21", "names of older versions", "A name is used that later versions changed or took away.",
     "The program stops with AttributeError, or warns and will stop one day.",
     "Use the name of today."),
    ("L22", "lost line breaks", "The code lost its line breaks or its indentation.",
     "Python reads blocks by their indentation: without it nothing runs.",
     "Reflow it: .reflow() is a best guess, to be read before it is run."),
    ("L23", "labels in another form", "Class numbers where the loss expects rows, or the other "
    "way.",
     "Class numbers (N,) and one-hot rows (N, C) need different losses.",
     "Take the loss that fits the labels."),
    ("L24", "two devices", "A model and its inputs are on different devices.",
     "An op needs all its inputs in one memory.",
     "Move the inputs too: x = x.to(device)."),
    ("L25", "a label that is wrong", "A comment calls a graph static that is recorded, or the "
    "other way.",
     "A tape records eagerly, in each run anew; a session or a compiled function builds first.",
     "Say what it is."),
)  # fmt: skip

CHECKS: dict[str, Check] = {row[0]: Check(*row) for row in _ROWS}


def markdown() -> str:
    """The table as docs/doctor.md has it."""
    head = "| | looks for | why | repair |\n|---|---|---|---|\n"
    rows = (f"| {c.id} **{c.name}** | {c.what} | {c.why} | {c.repair} |\n" for c in CHECKS.values())
    return head + "".join(rows)
