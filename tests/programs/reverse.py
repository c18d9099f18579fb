"""An encoder and a decoder learn to say a short word backwards."""

import math

import torch
import torch.nn as nn

letters, length, width = 5, 4, 16
start, vocabulary = letters, letters + 1


class Places(nn.Module):
    """Adds waves of different lengths, so that each place can be told from the others."""

    def __init__(self, longest=16):
        super().__init__()
        place = torch.arange(longest).unsqueeze(1)
        rate = torch.exp(torch.arange(0, width, 2) * (-math.log(100.0) / width))
        waves = torch.zeros(longest, width)
        waves[:, 0::2] = torch.sin(place * rate)
        waves[:, 1::2] = torch.cos(place * rate)
        self.register_buffer("waves", waves)

    def forward(self, x):
        return x + self.waves[: x.size(1)]


class Reverser(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.places = Places()
        self.transformer = nn.Transformer(
            d_model=width,
            nhead=2,
            num_encoder_layers=1,
            num_decoder_layers=1,
            dim_feedforward=32,
            dropout=0.1,
            batch_first=True,
        )
        self.head = nn.Linear(width, letters)

    def embed(self, tokens):
        return self.places(self.embedding(tokens) * math.sqrt(width))

    def forward(self, source, target, padding):
        mask = nn.Transformer.generate_square_subsequent_mask(target.size(1))
        out = self.transformer(
            self.embed(source),
            self.embed(target),
            tgt_mask=mask,
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )
        return self.head(out)


def words(count):
    """Words, the same backwards, and which places are padding: the last of each."""
    word = torch.randint(0, letters, (count, length))
    source = torch.cat([word, torch.zeros(count, 1, dtype=torch.long)], dim=1)
    padding = torch.zeros(count, length + 1, dtype=torch.bool)
    padding[:, -1] = True
    return source, word.flip(1), padding


torch.manual_seed(12)
model = Reverser()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
losses = []
for _ in range(50):
    source, target, padding = words(64)
    before = torch.cat([torch.full((64, 1), start), target[:, :-1]], dim=1)
    logits = model(source, before, padding)
    loss = criterion(logits.reshape(-1, letters), target.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

model.eval()
source, target, padding = words(8)
said = torch.full((8, 1), start)
for _ in range(length):
    # with gradients: without them PyTorch leaves out what is padded, and says so in a warning
    step = model(source, said, padding)[:, -1].argmax(-1, keepdim=True)
    said = torch.cat([said, step], dim=1)
correct = (said[:, 1:] == target).float().mean().item() > 0.4
said = said[:, 1:].tolist()
