"""The six networks that speed is measured on, each from the zoo and in plain PyTorch.

They stand for what the zoo is made of: gated and plain recurrence, experts side by side, convolution in time, one wide
dense layer, and convolution over time and frequency. Dropout and penalties are off, so that both sides do the same
arithmetic; the zoo's networks mask padding besides, which the plain ones cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Reference:
    """One network.

    Attributes:
        name: Name in tables.
        summary: What it is.
        model: Name of the zoo's builder.
        arguments: Its keywords.
        shape: Of one song: segments and features.
        classes: Number of genres.
        plain: Makes the same network in PyTorch.
        unrolled: That one loops over the segments in Python.
    """

    name: str
    summary: str
    model: str
    arguments: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, int] = (120, 25)
    classes: int = 10
    plain: Callable[[], Any] = field(kw_only=True)
    unrolled: bool = False

    def build(self) -> Any:
        """The zoo's network, uncompiled."""
        import genrezoo as gz

        return gz.create_model(self.model, input_shape=self.shape, num_classes=self.classes, seed=1, **self.arguments)

    def songs(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Songs ``(count, segments, features)`` and labels that mean nothing: their number and shape matter alone."""
        generator = np.random.default_rng(0)
        return generator.standard_normal((count, *self.shape), np.float32), np.arange(count) % self.classes


def _lstm() -> Any:
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.readout = torch.nn.LSTM(25, 100, batch_first=True), torch.nn.Linear(100, 10)

        def forward(self, x: Any) -> Any:
            return self.readout(self.lstm(x)[1][0][0])

    return Network()


def _snippets() -> Any:
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = torch.nn.ModuleList(torch.nn.LSTM(25, 100, batch_first=True) for _ in range(4))
            self.readouts = torch.nn.ModuleList(torch.nn.Linear(100, 10) for _ in range(4))

        def forward(self, x: Any) -> Any:
            """In training the experts' logits, ``(batch, 4, classes)``; else their normalised product."""
            pairs = zip(self.experts, self.readouts, x.split(30, dim=1), strict=True)
            logits = torch.stack([readout(expert(part)[1][0][0]) for expert, readout, part in pairs], dim=1)
            return logits if self.training else logits.log_softmax(2).sum(1).log_softmax(1)

    return Network()


def _normalised() -> Any:
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = torch.nn.Linear(25 + 341, 341, bias=False)
            self.norm, self.readout = torch.nn.BatchNorm1d(341, momentum=0.01), torch.nn.Linear(341, 10)

        def forward(self, x: Any) -> Any:
            state = x.new_zeros(len(x), 341)
            for segment in x.unbind(1):
                state = torch.tanh(self.norm(self.cell(torch.cat([segment, state], 1))))
            return self.readout(state)

    return Network()


def _convolution() -> Any:
    import torch

    class InTime(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.transpose(1, 2)

    nn = torch.nn
    parts = [InTime(), nn.Conv1d(25, 50, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(50, 50, 3), nn.ReLU()]
    return nn.Sequential(*parts, nn.MaxPool1d(2), nn.Flatten(), nn.Linear(28 * 50, 200), nn.ReLU(), nn.Linear(200, 10))


def _wide() -> Any:
    import torch

    nn = torch.nn
    return nn.Sequential(nn.Flatten(), nn.Linear(3000, 1784), nn.Tanh(), nn.Linear(1784, 10))


def _mel() -> Any:
    import torch

    nn = torch.nn
    parts: list[Any] = [nn.Unflatten(1, (1, -1))]
    for before, size in zip((1, 16, 32, 64), (16, 32, 64, 128), strict=True):
        parts += [nn.Conv2d(before, size, 5, padding=2, bias=False), nn.BatchNorm2d(size), nn.ReLU(), nn.MaxPool2d(2)]
    parts.append(nn.Flatten())
    for before, size in zip((1024, 1024, 256), (1024, 256, 32), strict=True):
        parts += [nn.Linear(before, size), nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(32, 4))


NO_PENALTY = {"conv_l2": 0.0, "dense_l2": 0.0}
REFERENCES = {
    one.name: one
    for one in (
        Reference("M1", "LSTM(100)", "lstm", {"l2": 0.0}, plain=_lstm),
        Reference("M2", "four snippets, an LSTM(100) each", "snippet_lstm", {"beta": 0.0}, plain=_snippets),
        Reference("M3", "tanh RNN(341), batch norm in the cell", "batch_norm_rnn", plain=_normalised, unrolled=True),
        Reference("M4", "two conv(50, 3) with pooling, dense 200", "conv_in_time", NO_PENALTY, plain=_convolution),
        Reference(
            "M5",
            "3000-1784-10",
            "student_mlp",
            {"input_dropout": 0.0, "l2": 0.0, "batch_norm": False},
            plain=_wide,
        ),
        Reference("M6", "mel CNN 16/32/64/128, dense 1024-256-32", "mel_cnn", shape=(21, 128), classes=4, plain=_mel),
    )
}
"""The networks by name."""
