"""Which rule made this sequence? By a recurrent network, whose gradients vanish or explode."""

from _data import RULES, SYMBOLS, halves, sequences
from torch import nn

TRIAL_SAMPLES = 80_000
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


class Reader(nn.Module):
    """Reads symbols of shape (batch, length) and answers with the rules' logits."""

    def __init__(self, hidden):
        super().__init__()
        self.embedding = nn.Embedding(SYMBOLS, 8)
        self.rnn = nn.RNN(8, hidden, batch_first=True)
        self.head = nn.Linear(hidden, RULES)

    def forward(self, symbols):
        states, _ = self.rnn(self.embedding(symbols))
        return self.head(states[:, -1])


def model():
    return Reader(24)


def dataset():
    return halves(*sequences(1000), 200)
