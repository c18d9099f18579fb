"""A small residual network with batch normalisation on made pictures."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, inside, outside, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.shortcut = nn.Sequential()
        if stride != 1 or inside != outside:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride=stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.blocks = nn.Sequential(Block(8, 8), Block(8, 16, stride=2))
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        x = self.pool(F.relu(self.conv(x)))
        x = self.blocks(x)
        x = x.mean(dim=(2, 3))
        return F.log_softmax(self.fc(x), dim=1)


torch.manual_seed(3)
labels = torch.arange(24) % 4
pictures = 0.3 * torch.randn(24, 1, 12, 12)
for i in range(24):
    k = int(labels[i])
    pictures[i, 0, 6 * (k // 2) : 6 * (k // 2) + 6, 6 * (k % 2) : 6 * (k % 2) + 6] += 1.0

model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
losses = []
for _ in range(4):
    for start in range(0, 24, 8):
        optimizer.zero_grad()
        output = model(pictures[start : start + 8])
        loss = F.nll_loss(output, labels[start : start + 8])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

model.eval()
with torch.no_grad():
    predicted = model(pictures).argmax(dim=1, keepdim=True)
    correct = predicted.eq(labels.view_as(predicted)).sum().item()
