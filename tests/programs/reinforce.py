"""Policy gradient on a corridor: go right, reach the end, be rewarded."""

import torch
import torch.nn as nn
import torch.nn.functional as F

states = 6


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(states, 16)
        self.affine2 = nn.Linear(16, 2)

    def forward(self, x):
        return F.softmax(self.affine2(torch.tanh(self.affine1(x))), dim=-1)


torch.manual_seed(11)
policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), lr=0.02)
losses, lengths = [], []
for _ in range(15):
    place, log_probs, rewards = 2, [], []
    while 0 < place < states - 1 and len(rewards) < 30:
        state = F.one_hot(torch.tensor(place), states).float()
        probabilities = policy(state)
        action = torch.multinomial(probabilities, 1)
        log_probs.append(torch.log(probabilities[action]))
        place += 1 if action.item() == 1 else -1
        rewards.append(1.0 if place == states - 1 else -0.05)
    total, returns = 0.0, []
    for reward in reversed(rewards):
        total = reward + 0.95 * total
        returns.insert(0, total)
    returns = torch.tensor(returns)
    loss = -(torch.cat(log_probs) * returns).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    lengths.append(len(rewards))
