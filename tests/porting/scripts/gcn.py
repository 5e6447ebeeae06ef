"""Kipf and Welling's GCN: one graph, of which samples are nodes; features and adjacency are buffers."""

import math

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import TensorDataset


class GraphConvolution(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        stdv = 1.0 / math.sqrt(out_features)
        self.weight = nn.Parameter(torch.empty(in_features, out_features).uniform_(-stdv, stdv))
        self.bias = nn.Parameter(torch.empty(out_features).uniform_(-stdv, stdv))

    def forward(self, input, adj):
        return torch.spmm(adj, torch.mm(input, self.weight)) + self.bias


class GCN(nn.Module):
    def __init__(self, nfeat, nhid, nclass, dropout):
        super().__init__()
        self.gc1 = GraphConvolution(nfeat, nhid)
        self.gc2 = GraphConvolution(nhid, nclass)
        self.dropout = dropout

    def forward(self, x, adj):
        x = F.relu(self.gc1(x, adj))
        x = F.dropout(x, self.dropout, training=self.training)
        return F.log_softmax(self.gc2(x, adj), dim=1)


def load_data(nodes=300, classes=3):
    """Communities: an edge within is ten times as likely; features tell little."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(nodes) % classes
    features = torch.randn(nodes, 8, generator=generator) + 0.7 * F.one_hot(labels, 8)
    chance = torch.where(labels[:, None] == labels, 0.1, 0.01)
    adj = (torch.rand(nodes, nodes, generator=generator) < chance).triu(1).float()
    adj = adj + adj.T + torch.eye(nodes)
    return adj / adj.sum(1, keepdim=True), features, labels


class NodesOfGraph(nn.Module):
    """The network, with its graph: takes the numbers of nodes."""

    def __init__(self, uses_edges):
        super().__init__()
        adj, features, _ = load_data()
        self.register_buffer('adj', (adj if uses_edges else torch.eye(len(adj))).to_sparse())
        self.register_buffer('features', features)
        self.gcn = GCN(nfeat=8, nhid=16, nclass=3, dropout=0.5)

    def forward(self, idx):
        return self.gcn(self.features, self.adj)[idx]


def model(uses_edges):
    return NodesOfGraph(uses_edges)


def dataset():
    labels = load_data()[2]
    data = TensorDataset(torch.arange(len(labels)), labels)
    return torch.utils.data.Subset(data, range(120)), torch.utils.data.Subset(data, range(120, 300))


def optimizer(parameters, lr):
    return optim.Adam(parameters, lr=lr, weight_decay=5e-4)


loss = nn.NLLLoss
accuracy_style = 'classification'
