"""A network that obeys Burgers' equation: gradients of its outputs are part of the loss."""

import math
from itertools import pairwise

import torch
import torch.nn as nn
from torch.autograd import grad


class Field(nn.Module):
    def __init__(self, *widths):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        for layer in self.layers:
            nn.init.xavier_normal_(layer.weight, gain=nn.init.calculate_gain("tanh"))
            nn.init.zeros_(layer.bias)

    def forward(self, t, x):
        h = torch.cat([t, x], dim=1)
        for layer in self.layers[:-1]:
            h = torch.tanh(layer(h))
        return self.layers[-1](h)


def residual(net, t, x):
    u = net(t, x)
    ones = torch.ones_like(u)
    (u_t,) = grad(u, t, grad_outputs=ones, create_graph=True)
    u_x = grad(u, x, ones, create_graph=True)[0]
    u_xx = grad(u_x, x, torch.ones_like(u_x), create_graph=True)[0]
    return u_t + u * u_x - 0.01 / math.pi * u_xx


torch.manual_seed(5)
net = Field(2, 16, 16, 1)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.97)
losses = []
for _ in range(30):
    t = torch.rand(32, 1, requires_grad=True)
    x = (2 * torch.rand(32, 1) - 1).requires_grad_()
    inside = residual(net, t, x).pow(2).mean()
    start = (net(torch.zeros_like(t), x) + torch.sin(math.pi * x)).square().mean()
    edge = net(t, torch.ones_like(x)).square().mean() + net(t, -torch.ones_like(x)).square().mean()
    loss = inside + start + edge
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    losses.append(loss.item())
lengths = [sum(p.numel() for p in net.parameters() if p.requires_grad)]
