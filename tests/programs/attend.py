"""A GRU reads sequences of several lengths; another writes them backwards and attends to them."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

letters, width, padding, start = 7, 16, 0, 1


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(letters, width, padding_idx=padding)
        self.gru = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(self.embedding(x), lengths, batch_first=True)
        states, last = self.gru(packed)
        states, _ = pad_packed_sequence(states, batch_first=True)
        return states, torch.cat([last[0], last[1]], dim=-1).unsqueeze(0)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.asked, self.known = nn.Linear(width, width), nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, query, keys, hidden):
        scores = self.score(torch.tanh(self.asked(query) + self.known(keys))).squeeze(2)
        weights = F.softmax(scores.masked_fill(hidden, float("-inf")), dim=-1).unsqueeze(1)
        return torch.bmm(weights, keys), weights


class Writer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(letters, width)
        self.attention = Attention()
        self.gru = nn.GRU(2 * width, width, batch_first=True)
        self.out = nn.Linear(width, letters)

    def forward(self, keys, state, hidden, steps, answers=None):
        letter = torch.empty(keys.size(0), 1, dtype=torch.long).fill_(start)
        written, looked = [], []
        for i in range(steps):
            context, weights = self.attention(state.permute(1, 0, 2), keys, hidden)
            output, state = self.gru(torch.cat((self.embedding(letter), context), dim=2), state)
            output = self.out(output)
            written.append(output)
            looked.append(weights)
            if answers is not None:
                letter = answers[:, i].unsqueeze(1)  # what should have been written
            else:
                _, best = output.topk(1)
                letter = best.squeeze(-1).detach()  # what was written
        return F.log_softmax(torch.cat(written, dim=1), dim=-1), torch.cat(looked, dim=1)


torch.manual_seed(4)
reader, writer = Reader(), Writer()
reader_optimizer = torch.optim.Adam(reader.parameters(), lr=0.02)
writer_optimizer = torch.optim.Adam(writer.parameters(), lr=0.02)
criterion = nn.NLLLoss(ignore_index=padding)
losses = []
for step in range(24):
    lengths = sorted(torch.randint(2, 6, (8,)).tolist(), reverse=True)
    words = [torch.randint(2, letters, (n,)) for n in lengths]
    x = pad_sequence(words, batch_first=True)
    y = pad_sequence([w.flip(0) for w in words], batch_first=True, padding_value=padding)
    states, last = reader(x, lengths)
    told, looked = writer(states, last, x == padding, y.size(1), y if step % 4 else None)
    loss = criterion(told.view(-1, told.size(-1)), y.view(-1))
    reader_optimizer.zero_grad()
    writer_optimizer.zero_grad()
    loss.backward()
    reader_optimizer.step()
    writer_optimizer.step()
    losses.append(loss.item())
said = [bool((looked.masked_select((x == padding).unsqueeze(1)) == 0).all()), list(looked.shape)]
