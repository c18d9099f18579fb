"""Cells for the pictures of docs/stepper.md: see tests/browser/shots.py."""

# %%
import minitorch_lab as lab

# %%
x = lab.tensor(2.0, requires_grad=True)
y = x**2 + 2 * x + 1  # two paths lead to x

# %%
lab.step_through(y)

# %%
b = lab.tensor([0.5, -1.0, 2.0], requires_grad=True)
rows = lab.arange(12).reshape(4, 3) / 4

h = (rows + b).tanh()  # four rows, one bias
loss = (h * h).sum()

# %%
with lab.broken("broadcast"):
    stepper = lab.step_through(loss)
stepper  # noqa: B018
