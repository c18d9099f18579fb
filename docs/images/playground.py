"""Cells for the picture of docs/playground.md: tests/browser/shots.py with --width 1400."""

# %%
import minitorch_lab as lab

# %%
play = lab.playground(preset="spirals")
for _ in range(20):
    play.step(20)
play.set(mode="graph")
for _ in range(30):
    play.step(100)
play  # noqa: B018
