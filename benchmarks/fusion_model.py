"""The fixed small model of the fusion benchmark, and how well it tells two classes apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.uint8]
Labels = NDArray[np.int64]

STEPS = 400
BATCH = 64


def train_and_score(planes: Planes, labels: Labels, test: Planes, seed: int) -> NDArray[np.float64]:
    """Scores of class 1 for ``test`` (m, 28, 28), of a network taught ``planes`` (n, 28, 28).

    Always the same: three convolutions, 400 steps of Adam, batches with both classes alike, so
    that neither size nor balance of a source decides how long or for what it is trained.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 2),
    )  # fmt: skip
    rate = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)
    pace = torch.optim.lr_scheduler.OneCycleLR(rate, 6e-3, total_steps=STEPS)
    x = torch.from_numpy(planes[:, None].astype(np.float32) / 127.5 - 1)
    of = [np.flatnonzero(labels == k) for k in (0, 1)]
    net.train()
    for _ in range(STEPS):
        rows = np.concatenate([rng.choice(one, BATCH // 2) for one in of])
        shift = rng.integers(-2, 3, 2)
        batch = torch.roll(x[rows], tuple(shift.tolist()), (2, 3))
        wanted = torch.from_numpy(np.repeat([0, 1], BATCH // 2))
        loss = functional.cross_entropy(net(batch), wanted)
        rate.zero_grad()
        loss.backward()
        rate.step()
        pace.step()
    net.eval()
    with torch.no_grad():
        seen = torch.from_numpy(test[:, None].astype(np.float32) / 127.5 - 1)
        return functional.softmax(net(seen), 1)[:, 1].numpy().astype(np.float64)


def balanced_accuracy(scores: NDArray[np.float64], labels: Labels) -> float:
    """Mean of sensitivity and specificity at a score of one half."""
    said = scores > 0.5
    return float(np.mean([(said == bool(k))[labels == k].mean() for k in (0, 1)]))


def area(scores: NDArray[np.float64], labels: Labels) -> float:
    """Area under the receiver operating characteristic, ties counted half."""
    from scipy.stats import rankdata

    ranks = rankdata(scores)
    n1 = int((labels == 1).sum())
    n0 = len(labels) - n1
    return float((ranks[labels == 1].sum() - n1 * (n1 + 1) / 2) / (n0 * n1))
