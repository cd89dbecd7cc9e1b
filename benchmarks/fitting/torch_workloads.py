"""The five workloads in PyTorch alone, written as a PyTorch user would, images channels-last."""

import time

import torch
from torch import nn
from torch.nn import functional
from workloads import (
    GPT_BLOCKS,
    GPT_HEADS,
    GPT_TOKENS,
    GPT_VOCABULARY,
    GPT_WIDTH,
    HEADS,
    HIDDEN,
    TOKENS,
    VOCABULARY,
    WIDTH,
)

IMAGES = ("convnet", "xception", "resnet50")


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
        x = self.tokens(x) + self.places(torch.arange(TOKENS, device=x.device))
        return self.head(self.drop(self.block(x).mean(dim=1)))


class Bottleneck(nn.Module):
    """A residual block of three convolutions (He et al., 2016)."""

    def __init__(self, before, filters, stride):
        super().__init__()
        after = 4 * filters
        sizes = ((before, filters, 1, stride), (filters, filters, 3, 1), (filters, after, 1, 1))
        steps = []
        for inside, out, size, step in sizes:
            steps += [nn.Conv2d(inside, out, size, step, size // 2), nn.BatchNorm2d(out), nn.ReLU()]
        self.body = nn.Sequential(*steps[:-1])
        self.shortcut = nn.Identity()
        if before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride), nn.BatchNorm2d(after)
            )

    def forward(self, x):
        """Map `(batch, channels, height, width)` to four times `filters` channels."""
        return functional.relu(self.body(x) + self.shortcut(x))


def resnet50():
    """See `workloads.resnet50`."""
    blocks, before = [], 64
    for filters, count in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for i in range(count):
            blocks.append(Bottleneck(before, filters, 2 if i == 0 and filters > 64 else 1))
            before = 4 * filters
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *blocks,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000),
    )  # fmt: skip


class DecoderBlock(nn.Module):
    """Causal attention and two dense layers, normalized before."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.LayerNorm(GPT_WIDTH), nn.LayerNorm(GPT_WIDTH)
        self.inputs = nn.Linear(GPT_WIDTH, 3 * GPT_WIDTH)
        self.outputs = nn.Linear(GPT_WIDTH, GPT_WIDTH)
        self.hidden = nn.Sequential(
            nn.Linear(GPT_WIDTH, 4 * GPT_WIDTH), nn.GELU(), nn.Linear(4 * GPT_WIDTH, GPT_WIDTH)
        )

    def forward(self, x):
        """Map `(batch, tokens, width)` to the same shape."""
        heads = self.inputs(self.first(x)).unflatten(-1, (3, GPT_HEADS, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.outputs(attended.transpose(1, 2).flatten(2))
        return x + self.hidden(self.second(x))


class Decoder(nn.Module):
    """See `workloads.gpt`."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(GPT_VOCABULARY, GPT_WIDTH)
        self.places = nn.Embedding(GPT_TOKENS, GPT_WIDTH)
        self.blocks = nn.Sequential(*[DecoderBlock() for _ in range(GPT_BLOCKS)])
        self.normal = nn.LayerNorm(GPT_WIDTH)

    def forward(self, x):
        """Map `(batch, tokens)` to logits, `(batch, vocabulary, tokens)`."""
        x = self.tokens(x) + self.places(torch.arange(GPT_TOKENS, device=x.device))
        return (self.normal(self.blocks(x)) @ self.tokens.weight.T).transpose(1, 2)


MODELS = {
    "mlp": mlp, "convnet": convnet, "xception": xception, "lstm": Last, "transformer": Encoder,
    "resnet50": resnet50, "gpt": Decoder,
}  # fmt: skip


class Run:
    """A model with its data, to be trained an epoch at a time."""

    def __init__(self, name, workload, x, y, compiled=False):
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
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model, self.x, self.y = (part.to(device) for part in (self.model, self.x, self.y))
        self.cast = torch.autocast(device, torch.bfloat16, enabled=workload.on_gpu)
        self.call = torch.compile(self.model) if compiled else self.model
        self.optimizer = torch.optim.Adam(self.model.parameters(), eps=1e-7)

    def epoch(self):
        """Train for one epoch, with loss and accuracy kept as Keras does; return the mean loss."""
        self.model.train()
        total, right = torch.zeros((2, 1), device=self.x.device)
        for indices in torch.randperm(len(self.x), device=self.x.device).split(self.batch):
            x, y = self.x[indices], self.y[indices]
            self.optimizer.zero_grad()
            with self.cast:
                outputs = self.call(x)
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
        with torch.inference_mode(), self.cast:
            outputs = [self.call(x).float() for x in self.x.split(self.batch)]
            return torch.cat(outputs).cpu().numpy()


def train(name, workload, x, y, enough, compiled=False):
    """Train until `enough(seconds of each epoch)`; return (seconds of each epoch, loss, run)."""
    started = time.perf_counter()
    run = Run(name, workload, x, y, compiled)
    marks = [started]
    while True:
        loss = run.epoch()
        marks.append(time.perf_counter())
        if enough(marks):
            return marks, loss, run.predict
