"""How large must a policy be to balance a pole? Policy gradients (REINFORCE), by a training loop of its own.

There is no data: a sample is an episode, a batch so many of them, played at once. The performance is how long
the pole stayed up in the latest episodes, as a share of the longest time. The learning rate and the number of
episodes per update are tuned for every policy.

    python examples/cartpole_reinforce.py
    sweeper run examples/cartpole_reinforce.py --grid hidden=2,8 --preset fastest --setting trial_samples=1500
"""

import math
import sys

import torch
from torch import nn

from sweeper import FixedSweep, get_settings, sweep

LONGEST = 60  # steps of an episode
samples = 50  # episodes of an epoch


class CartPole:
    """Carts with a pole each, pushed to the left or to the right (Barto, Sutton and Anderson 1983)."""

    def __init__(self, count, generator):
        self.state = torch.rand(count, 4, generator=generator) * 0.1 - 0.05
        self.is_up = torch.ones(count, dtype=torch.bool)

    def push(self, right):
        _, speed, angle, turning = self.state.unbind(1)
        force = torch.where(right, 10.0, -10.0)
        inner = (force + 0.05 * turning**2 * angle.sin()) / 1.1
        turn = (9.8 * angle.sin() - angle.cos() * inner) / (0.5 * (4 / 3 - 0.1 * angle.cos() ** 2 / 1.1))
        pull = inner - 0.05 * turn * angle.cos() / 1.1
        step = torch.stack([speed, pull, turning, turn], dim=1)
        self.state = self.state + 0.02 * step
        self.is_up = self.is_up & (self.state[:, 0].abs() < 2.4) & (self.state[:, 2].abs() < math.pi / 15)


def model(hidden, activation):
    layer = {'tanh': nn.Tanh, 'relu': nn.ReLU}[activation]()
    return nn.Sequential(nn.Linear(4, hidden), layer, nn.Linear(hidden, 1))


def play(policy, count, generator):
    """Returns the log-probabilities of what was done in episodes, and whether it counted: (steps, count)."""
    carts, chosen, counted = CartPole(count, generator), [], []
    for _ in range(LONGEST):
        logits = policy(carts.state).squeeze(1)
        right = torch.rand(count, generator=generator) < logits.detach().sigmoid()
        chosen.append(nn.functional.logsigmoid(torch.where(right, logits, -logits)))
        counted.append(carts.is_up)
        carts.push(right)
        if not carts.is_up.any():
            break
    return torch.stack(chosen), torch.stack(counted).float()


def train(run):
    optimizer = torch.optim.Adam(run.model.parameters())
    lengths = []
    for episodes in run:
        chosen, counted = play(run.model, episodes, run.generator)
        to_come = counted.flip(0).cumsum(0).flip(0)
        advantage = (to_come - to_come.sum() / counted.sum()) / LONGEST * counted
        loss = -(chosen * advantage).sum() / counted.sum()
        optimizer.zero_grad()
        loss.backward()
        run.set_lr(optimizer)
        optimizer.step()
        lengths = [*lengths, *counted.sum(0).tolist()][-50:]
        run.score(sum(lengths) / len(lengths) / LONGEST)
        run.report(loss)


def selector(trials=3):
    points = [(hidden, activation) for hidden in (2, 8) for activation in ('tanh', 'relu')]
    return FixedSweep.with_fixed_trials(points, trials)


if __name__ == '__main__':
    folder = sys.argv[1] if len(sys.argv) > 1 else 'out/cartpole_reinforce'
    settings = get_settings('fastest').replace(trial_samples=1500)  # episodes
    for result in sweep('__main__', selector(), 2, settings, folder):
        print(*result.params, result.perf_val.mean().round(4))
