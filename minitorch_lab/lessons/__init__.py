"""The lessons: starting one, checking an exercise, hints, predictions, quizzes, progress.

What a lesson asks and what it answers stands in ``lessons/content/l03.py`` (one file for each
lesson, plain data). What the learner reads stands in ``lessons/text/03_....md``; the notebooks
are made from it by ``python -m minitorch_lab.lessons.build``.

`predict`, `reveal` and `quiz` are in `lessons.ask`: they need the widgets, and this does not.
"""

from .check import check, hint, solution
from .course import progress
from .memory import load_progress, save_progress
from .start import start

__all__ = ["check", "hint", "load_progress", "progress", "save_progress", "solution", "start"]
