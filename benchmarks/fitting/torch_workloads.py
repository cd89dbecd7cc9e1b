"""The five workloads in PyTorch alone, written as a PyTorch user would, images channels-last."""

import time

import torch
from torch import nn
from torch.nn import functional
from workloads import HEADS, HIDDEN, TOKENS, VOCABULARY, WIDTH

IMAGES = ("convnet", "xception")


def mlp():
    """See `workloads.mlp`."""
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))


def convnet():
    """See `workloads.convnet`."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(128 * 3 * 3, 10),
    )  # fmt: skip


class XceptionBlock(nn.Module):
    """Two separable convolutions and a pooling, with a strided shortcut."""

    def __init__(self, before, filters):
        super().__init__()
        steps = []
        for channels in (before, filters):
            steps += [
                nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01),
                nn.ReLU(),
                nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
                nn.Conv2d(channels, filters, 1, bias=False),
            ]
        self.body = nn.Sequential(*steps)
        self.shortcut = nn.Conv2d(before, filters, 1, stride=2, bias=False)

    def forward(self, x):
        """Map `(batch, channels, height, width)` to half the height and width, rounded up."""
        y = self.body(x)
        # "same" padding: the border goes below and to the right first.
        down, right = ((size % 2) + 1 for size in y.shape[2:])
        y = functional.pad(y, (right // 2, 1, down // 2, 1), value=float("-inf"))
        return functional.max_pool2d(y, 3, stride=2) + self.shortcut(x)


def xception():
    """See `workloads.xception`."""
    widths = (32, 32, 64, 128, 256)
    blocks = [XceptionBlock(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True)]
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, bias=False), *blocks,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(256, 1),
    )  # fmt: skip


class Last(nn.Module):
    """An LSTM's last output, and a dense layer on it."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(14, 16, batch_first=True)
        self.head = nn.Linear(16, 1)

    def forward(self, x):
        """Map `(batch, time, features)` to `(batch, 1)`."""
        return self.head(self.lstm(x)[0][:, -1])


class Encoder(nn.Module):
    """Embedded tokens and places, one encoder block, the mean over tokens, a dense layer."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Embedding(TOKENS, WIDTH)
        self.block = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, 0.1, batch_first=True)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, x):
        """Map `(batch, tokens)` to `(batch, 2)`."""
        x = self.tokens(x) + self.places(torch.arange(TOKENS))
        return self.head(self.drop(self.block(x).mean(dim=1)))


MODELS = {
    "mlp": mlp, "convnet": convnet, "xception": xception, "lstm": Last, "transformer": Encoder,
}  # fmt: skip


class Run:
    """A model with its data, to be trained an epoch at a time."""

    def __init__(self, name, workload, x, y):
        self.batch, self.classes = workload.batch, workload.loss.startswith("sparse")
        torch.manual_seed(0)
        self.model = MODELS[name]()
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)
        if name in IMAGES:
            self.model = self.model.to(memory_format=torch.channels_last)
            # The arrays are (n, height, width, channels) already: only the order of axes changes.
            self.x = self.x.permute(0, 3, 1, 2)
        self.y = self.y.long() if self.classes else self.y.float()
        self.loss = {
            "binary_crossentropy": nn.BCEWithLogitsLoss(),
            "mean_squared_error": nn.MSELoss(),
        }.get(workload.loss, nn.CrossEntropyLoss())
        self.accuracy = bool(workload.metrics)
        self.optimizer = torch.optim.Adam(self.model.parameters(), eps=1e-7)

    def epoch(self):
        """Train for one epoch, with loss and accuracy kept as Keras does; return the mean loss."""
        self.model.train()
        total, right = torch.zeros(()), torch.zeros(())
        for indices in torch.randperm(len(self.x)).split(self.batch):
            x, y = self.x[indices], self.y[indices]
            self.optimizer.zero_grad()
            outputs = self.model(x)
            loss = self.loss(outputs, y)
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(x)
            if self.accuracy:
                guess = outputs.argmax(dim=1) if self.classes else (outputs > 0)
                right += (guess == y).sum()
        return float(total) / len(self.x)

    def predict(self):
        """Return the outputs for all samples."""
        self.model.eval()
        with torch.inference_mode():
            return torch.cat([self.model(x) for x in self.x.split(self.batch)]).numpy()


def train(name, workload, x, y, enough):
    """Train until `enough(seconds of each epoch)`; return (seconds of each epoch, loss, run)."""
    started = time.perf_counter()
    run = Run(name, workload, x, y)
    marks = [started]
    while True:
        loss = run.epoch()
        marks.append(time.perf_counter())
        if enough(marks):
            return marks, loss, run.predict
