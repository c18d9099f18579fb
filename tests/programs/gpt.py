"""A small language model: masked attention over characters, trained to say the next one."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

text = "the quick brown fox jumps over the lazy dog and the dog sleeps on. " * 6
letters = sorted(set(text))
number = {c: i for i, c in enumerate(letters)}
data = torch.tensor([number[c] for c in text])
length, width, heads, depth, batch = 16, 24, 3, 2, 8


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.register_buffer("mask", torch.tril(torch.ones(length, length)) == 0)

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = self.qkv(x).split(width, dim=2)
        q, k, v = (z.view(n, t, heads, c // heads).transpose(1, 2) for z in (q, k, v))
        scores = q @ k.transpose(-2, -1) / math.sqrt(c // heads)
        scores = scores.masked_fill(self.mask[:t, :t], float("-inf"))
        mixed = F.softmax(scores, dim=-1) @ v
        return self.out(mixed.transpose(1, 2).contiguous().view(n, t, c))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention()
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(len(letters), width)
        self.place = nn.Embedding(length, width)
        self.blocks = nn.Sequential(*[Block() for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, len(letters))

    def forward(self, index, targets=None):
        n, t = index.shape
        x = self.token(index) + self.place(torch.arange(t))
        logits = self.head(self.norm(self.blocks(x)))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(n * t, -1), targets.view(n * t))


def get_batch():
    starts = torch.randint(len(data) - length, (batch,))
    x = torch.stack([data[i : i + length] for i in starts])
    y = torch.stack([data[i + 1 : i + length + 1] for i in starts])
    return x, y


torch.manual_seed(1337)
model = Model()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
losses = []
for _ in range(30):
    x, y = get_batch()
    _, loss = model(x, y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

model.eval()
with torch.no_grad():
    index = torch.zeros((1, 1), dtype=torch.long)
    for _ in range(10):
        logits, _ = model(index[:, -length:])
        index = torch.cat([index, logits[:, -1].argmax(-1, keepdim=True)], dim=1)
said = "".join(letters[i] for i in index[0].tolist())
