"""A variational autoencoder on small patterns."""

import torch
import torch.nn.functional as F
from torch import nn, optim


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(36, 20)
        self.fc21 = nn.Linear(20, 3)
        self.fc22 = nn.Linear(20, 3)
        self.fc3 = nn.Linear(3, 20)
        self.fc4 = nn.Linear(20, 36)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 36))
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 36), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


torch.manual_seed(1)
stripes = torch.zeros(12, 6, 6)
for k in range(6):
    stripes[k, k] = 1.0
    stripes[6 + k, :, k] = 1.0

model = VAE()
optimizer = optim.Adam(model.parameters(), lr=1e-2)
losses = []
model.train()
for _ in range(25):
    optimizer.zero_grad()
    recon, mu, logvar = model(stripes)
    loss = loss_function(recon, stripes, mu, logvar)
    loss.backward()
    losses.append(loss.item() / len(stripes))
    optimizer.step()
