"""Two networks against each other: one draws points of a ring, one tells them from true ones."""

import math

import torch
import torch.nn as nn

torch.manual_seed(7)
generator = nn.Sequential(nn.Linear(4, 24), nn.LeakyReLU(0.2), nn.Linear(24, 2))
discriminator = nn.Sequential(
    nn.Linear(2, 24), nn.LeakyReLU(0.2), nn.Dropout(0.1), nn.Linear(24, 1), nn.Sigmoid()
)
criterion = nn.BCELoss()
optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=0.002, betas=(0.5, 0.999))
optimizer_g = torch.optim.Adam(generator.parameters(), lr=0.002, betas=(0.5, 0.999))
real_label, fake_label, batch = 1.0, 0.0, 32
losses = []
for _ in range(20):
    angle = torch.rand(batch) * 2 * math.pi
    real = torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)

    discriminator.zero_grad()
    label = torch.full((batch,), real_label)
    error_real = criterion(discriminator(real).view(-1), label)
    error_real.backward()
    fake = generator(torch.randn(batch, 4))
    label.fill_(fake_label)
    error_fake = criterion(discriminator(fake.detach()).view(-1), label)
    error_fake.backward()
    optimizer_d.step()

    generator.zero_grad()
    label.fill_(real_label)
    error_g = criterion(discriminator(fake).view(-1), label)
    error_g.backward()
    optimizer_g.step()
    losses += [(error_real + error_fake).item(), error_g.item()]
