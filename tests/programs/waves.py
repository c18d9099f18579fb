"""Two LSTM cells learn to go on with sine waves: L-BFGS with a closure, in double precision."""

import numpy as np
import torch
from torch import nn, optim


class Waves(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.width = width
        self.lower = nn.LSTMCell(1, width)
        self.upper = nn.LSTMCell(width, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x, ahead=0):
        h1, c1, h2, c2 = (torch.zeros(x.size(0), self.width, dtype=torch.double) for _ in range(4))
        said = []
        for point in x.split(1, dim=1):
            h1, c1 = self.lower(point, (h1, c1))
            h2, c2 = self.upper(h1, (h2, c2))
            said += [self.out(h2)]
        for _ in range(ahead):  # each guess is the next input
            h1, c1 = self.lower(said[-1], (h1, c1))
            h2, c2 = self.upper(h1, (h2, c2))
            said += [self.out(h2)]
        return torch.cat(said, dim=1)


torch.manual_seed(0)
start = np.array([[0.0], [3.0], [7.0], [12.0]])
data = torch.from_numpy(np.sin((np.arange(24) + start) / 4))
inputs, targets = data[1:, :-1], data[1:, 1:]
model = Waves()
model.double()
criterion = nn.MSELoss()
optimizer = optim.LBFGS(model.parameters(), lr=0.8, max_iter=8)
losses = []
for _ in range(4):

    def closure():
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        losses.append(loss.item())
        return loss

    optimizer.step(closure)
model.eval()
with torch.no_grad():
    future = model(data[:1, :-1], ahead=6)
    losses.append(criterion(future[:, :-6], data[:1, 1:]).item())
lengths = [len(losses), *future.shape]
said = [str(future.dtype).split(".")[-1], type(future.numpy()).__name__]
