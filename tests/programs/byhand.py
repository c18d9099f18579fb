"""Names, letter by letter: a batch-normalised network of plain tensors, its gradients by hand.

Each gradient is written down and held against the one that backward() finds.
"""

import torch
import torch.nn.functional as F

names = "ada alan barbara edsger grace john kathleen donald frances marvin".split()
letters = [".", *sorted(set("".join(names)))]
number = {letter: i for i, letter in enumerate(letters)}
count, context, size, hidden = len(letters), 3, 4, 12

inputs, answers = [], []
for name in names:
    seen = [0] * context
    for letter in name + ".":
        inputs.append(seen)
        answers.append(number[letter])
        seen = [*seen[1:], number[letter]]
X, Y = torch.tensor(inputs), torch.tensor(answers)

pairs = torch.zeros((count, count), dtype=torch.int32)  # how often one letter follows another
for before, after in zip(X[:, -1], Y, strict=True):
    pairs[before, after] += 1
chance = (pairs + 1).float()
chance /= chance.sum(1, keepdims=True)
g = torch.Generator().manual_seed(7)
drawn = torch.multinomial(chance[0], num_samples=6, replacement=True, generator=g)
said = "".join(letters[i] for i in drawn.tolist())

C = torch.randn((count, size), generator=g)
W1 = torch.randn((context * size, hidden), generator=g) * (5 / 3) / (context * size) ** 0.5
gain = torch.randn((1, hidden), generator=g) * 0.1 + 1.0
shift = torch.randn((1, hidden), generator=g) * 0.1
W2 = torch.randn((hidden, count), generator=g) * 0.1
b2 = torch.randn(count, generator=g) * 0.1
parameters = [C, W1, gain, shift, W2, b2]
for p in parameters:
    p.requires_grad = True

losses, correct = [], []
n = 24
for step in range(40):
    chosen = torch.randint(0, X.shape[0], (n,), generator=g)
    Xb, Yb = X[chosen], Y[chosen]
    embedded = C[Xb]
    flat = embedded.view(n, -1)
    before = flat @ W1
    mean = before.mean(0, keepdim=True)
    spread = (before.var(0, keepdim=True) + 1e-5) ** -0.5
    normal = (before - mean) * spread
    h = torch.tanh(gain * normal + shift)
    logits = h @ W2 + b2
    loss = F.cross_entropy(logits, Yb)
    for p in parameters:
        p.grad = None
    loss.backward()

    with torch.no_grad():
        dlogits = F.softmax(logits, 1)
        dlogits[range(n), Yb] -= 1
        dlogits /= n
        dW2, db2 = h.T @ dlogits, dlogits.sum(0)
        dact = (1.0 - h**2) * (dlogits @ W2.T)
        dgain, dshift = (normal * dact).sum(0, keepdim=True), dact.sum(0, keepdim=True)
        shared = n * dact - dact.sum(0) - n / (n - 1) * normal * (dact * normal).sum(0)
        dbefore = gain * spread / n * shared
        dW1 = flat.T @ dbefore
        dembedded = (dbefore @ W1.T).view(embedded.shape)
        dC = torch.zeros_like(C)
        for row in range(n):
            for place in range(context):
                dC[Xb[row, place]] += dembedded[row, place]
        if step == 0:
            mine = [dC, dW1, dgain, dshift, dW2, db2]
            correct = [
                torch.allclose(a, p.grad, rtol=1e-4, atol=1e-6)
                for a, p in zip(mine, parameters, strict=True)
            ]
        for p in parameters:
            p += -0.3 * p.grad
    losses.append(loss.item())
lengths = [p.nelement() for p in parameters]
