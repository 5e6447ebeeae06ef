"""PyTorch's REINFORCE: episodes, returns and the log-probabilities of actions, in a loop of its own."""

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.distributions import Categorical

from sweeper import Metric

GAMMA, LENGTH = 0.9, 8


class Signals:
    """Two lamps; a reward for saying whether the second is lit, as the first is most of the time."""

    def reset(self, generator):
        self.generator, self.steps = generator, 0
        return self._next()

    def _next(self):
        first, is_other = torch.rand(2, generator=self.generator).tolist()
        self.state = torch.tensor([first < 0.5, (first < 0.5) != (is_other < 0.25)])
        return self.state * 2.0 - 1.0

    def step(self, action):
        reward = float(action == int(self.state[1]))
        self.steps += 1
        return self._next(), reward, self.steps == LENGTH


class Policy(nn.Module):
    def __init__(self, sees):
        super().__init__()
        self.sees = sees
        self.affine1 = nn.Linear(sees, 8)
        self.affine2 = nn.Linear(8, 2)

    def forward(self, x):
        return F.softmax(self.affine2(F.relu(self.affine1(x[:, : self.sees]))), dim=1)


def model(sees):
    return Policy(sees)


def play(policy, env, generator):
    state, log_probs, rewards, done = env.reset(generator), [], [], False
    while not done:
        probs = policy(state.unsqueeze(0))
        action = torch.multinomial(probs, 1, generator=generator)[0]
        log_probs.append(Categorical(probs).log_prob(action))
        state, reward, done = env.step(action.item())
        rewards.append(reward)
    return log_probs, rewards


def discounted(rewards):
    returns, R = [], 0
    for r in rewards[::-1]:
        R = r + GAMMA * R
        returns.insert(0, R)
    return returns


samples = 20  # episodes of an epoch
metrics = {'reward': Metric(None, higher=True, best=LENGTH)}


def train(run):
    optimizer = optim.Adam(run.model.parameters())
    running_reward = LENGTH / 2
    for episodes in run:  # was for i_episode in count(1)
        log_probs, returns = [], []
        for _ in range(episodes):
            probabilities, rewards = play(run.model, Signals(), run.generator)
            log_probs += probabilities
            returns += discounted(rewards)
            running_reward = 0.05 * sum(rewards) + (1 - 0.05) * running_reward
        returns = torch.tensor(returns)
        returns = (returns - returns.mean()) / (returns.std() + 1e-6)
        loss = -(torch.cat(log_probs) * returns).mean()
        optimizer.zero_grad()
        loss.backward()
        run.set_lr(optimizer)
        optimizer.step()
        run.score(running_reward)
        run.report(loss)
