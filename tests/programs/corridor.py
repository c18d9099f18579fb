"""Q-learning with a memory of steps and a slow copy of the network, in a corridor of fields."""

import random
from collections import deque, namedtuple

import torch
import torch.nn.functional as F
from torch import nn, optim

Step = namedtuple("Step", ("state", "action", "after", "reward"))
fields, batch_size, discount, slow = 8, 16, 0.9, 0.05
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Values(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(fields, 16)
        self.second = nn.Linear(16, 2)

    def forward(self, x):
        return self.second(F.relu(self.first(x)))


def see(place):
    return F.one_hot(torch.tensor([place]), fields).float().to(device)


random.seed(3)
torch.manual_seed(3)
policy, target = Values().to(device), Values().to(device)
target.load_state_dict(policy.state_dict())
optimizer = optim.AdamW(policy.parameters(), lr=0.02, amsgrad=True)
memory = deque(maxlen=200)
losses, lengths = [], []


def learn():
    batch = Step(*zip(*random.sample(memory, batch_size), strict=True))
    goes_on = torch.tensor([after is not None for after in batch.after], dtype=torch.bool)
    states, actions = torch.cat(batch.state), torch.cat(batch.action)
    found = policy(states).gather(1, actions)
    best = torch.zeros(batch_size, device=device)
    with torch.no_grad():
        best[goes_on] = target(torch.cat([a for a in batch.after if a is not None])).max(1).values
    wanted = best * discount + torch.cat(batch.reward)
    loss = F.smooth_l1_loss(found, wanted.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy.parameters(), 100)
    optimizer.step()
    copied, learned = target.state_dict(), policy.state_dict()
    for key in learned:
        copied[key] = learned[key] * slow + copied[key] * (1 - slow)
    target.load_state_dict(copied)
    losses.append(loss.item())


for _ in range(5):
    place, steps = 2, 0
    while 0 < place < fields - 1 and steps < 20:
        state = see(place)
        if random.random() < 0.3:
            action = torch.tensor([[random.randrange(2)]], device=device)
        else:
            with torch.no_grad():
                action = policy(state).max(1).indices.view(1, 1)
        place += 1 if action.item() == 1 else -1
        ended = place in (0, fields - 1)
        reward = torch.tensor([float(place == fields - 1)], device=device)
        memory.append(Step(state, action, None if ended else see(place), reward))
        steps += 1
        if len(memory) >= batch_size:
            learn()
    lengths.append(steps)
