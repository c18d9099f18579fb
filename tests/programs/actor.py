"""Policy gradient with a learned baseline: a mouse looks for cheese on a small field."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical

size, gamma, longest = 4, 0.95, 20
moves = [(-1, 0), (1, 0), (0, -1), (0, 1)]
cheese, cat = (3, 3), (1, 2)


class Field:
    """The mouse starts in a corner; cheese is worth 1, the cat costs 1, a step costs a little."""

    def reset(self):
        self.place, self.steps = (0, 0), 0
        return self.observe()

    def observe(self):
        row, column = self.place
        return F.one_hot(torch.tensor(row * size + column), size * size).float()

    def step(self, action):
        down, right = moves[action]
        row = min(max(self.place[0] + down, 0), size - 1)
        column = min(max(self.place[1] + right, 0), size - 1)
        self.place, self.steps = (row, column), self.steps + 1
        if self.place == cheese:
            return self.observe(), 1.0, True
        if self.place == cat:
            return self.observe(), -1.0, True
        return self.observe(), -0.02, self.steps == longest


class Mouse(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(size * size, 24), nn.Tanh())
        self.policy = nn.Linear(24, len(moves))
        self.value = nn.Linear(24, 1)

    def forward(self, state):
        hidden = self.body(state)
        return Categorical(logits=self.policy(hidden)), self.value(hidden).squeeze(-1)


def play(field, mouse):
    state, done = field.reset(), False
    log_probs, values, entropies, rewards = [], [], [], []
    while not done:
        choice, value = mouse(state)
        action = choice.sample()
        state, reward, done = field.step(action.item())
        log_probs.append(choice.log_prob(action))
        values.append(value)
        entropies.append(choice.entropy())
        rewards.append(reward)
    return torch.stack(log_probs), torch.stack(values), torch.stack(entropies), rewards


def discounted(rewards):
    total, found = 0.0, []
    for reward in reversed(rewards):
        total = reward + gamma * total
        found.insert(0, total)
    return torch.tensor(found)


torch.manual_seed(4)
field, mouse = Field(), Mouse()
optimizer = torch.optim.Adam(mouse.parameters(), lr=0.02)
losses, lengths, gained = [], [], []
for _ in range(40):
    log_probs, values, entropies, rewards = play(field, mouse)
    returns = discounted(rewards)
    better = returns - values.detach()
    loss = -(log_probs * better).mean() + F.smooth_l1_loss(values, returns)
    loss = loss - 0.01 * entropies.mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(mouse.parameters(), 1.0)
    optimizer.step()
    losses.append(loss.item())
    lengths.append(len(rewards))
    gained.append(sum(rewards))
correct = sum(gained[-10:]) > sum(gained[:10])
