"""Two character models, a GRU and an LSTM: they read a rhyme and then write on by themselves."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

lines = [
    "rain on the roof and rain on the lane",
    "rain in the barrel and down the drain",
    "sun on the sill and sun on the grain",
    "then comes a cloud and it rains again",
    "rain on the roof",
]
end = "\n"
letters = sorted(set(end.join(lines)))
number = {c: i for i, c in enumerate(letters)}


def encode(line):
    return torch.tensor([number[c] for c in line])


class Reader(nn.Module):
    """Letters to vectors, a recurrent layer over them, and a guess at the next letter."""

    def __init__(self, kind, width=24, **options):
        super().__init__()
        self.table = nn.Embedding(len(letters), 12)
        self.layer = kind(12, width, batch_first=True, **options)
        self.head = nn.Linear(width, len(letters))

    def forward(self, x, lengths=None, state=None):
        x = self.table(x)
        if lengths is None:
            out, state = self.layer(x, state)
        else:
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            out, state = self.layer(packed, state)
            out, _ = pad_packed_sequence(out, batch_first=True)
        return self.head(out), state


def write(model, start, count):
    """Read a start, then say the likeliest letter again and again."""
    model.eval()
    with torch.no_grad():
        logits, state = model(encode(start).unsqueeze(0))
        found = start
        for _ in range(count):
            best = logits[0, -1].argmax().item()
            if letters[best] == end:
                break
            found += letters[best]
            logits, state = model(torch.tensor([[best]]), state=state)
    return found


def train(model, steps):
    """Guess each next letter of all lines at once; places after the end of a line are left out."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    inputs = [encode(line) for line in lines]
    targets = [encode(line[1:] + end) for line in lines]
    x = nn.utils.rnn.pad_sequence(inputs, batch_first=True)
    y = nn.utils.rnn.pad_sequence(targets, batch_first=True, padding_value=-100)
    lengths = [len(line) for line in lines]
    model.train()
    for _ in range(steps):
        logits, _ = model(x, lengths)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())


losses, lengths, said = [], [], []
torch.manual_seed(7)
for kind, options in ((nn.GRU, {}), (nn.LSTM, {"num_layers": 2})):
    model = Reader(kind, **options)
    train(model, 40)
    lengths.append(sum(p.numel() for p in model.parameters()))
    said.append(write(model, "rain on", 12))
