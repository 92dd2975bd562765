"""Songs per second of training the reference networks, against plain PyTorch.

    python benchmarks/training.py [M1 M5 …] [--rounds 7] [--threads 2] [--songs 1280]

One side is the procedure `supervised` as `genrezoo.train` runs it (deterministic operations, accuracy and validation
measured, exact resume possible), the other a plain loop in PyTorch with its fused Adam; same songs, batches of 64.
Epochs alternate and the ratio is taken within each round, so that both sides see the same machine. PyTorch has its own
process. Ends with one JSON object a network. Needs `torch`; ``--torch-python`` names an interpreter that has it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from reference_models import REFERENCES, Reference

BATCH, RATE = 64, 1e-3
WORKER = "--torch-worker"
Times = tuple[float, float]
"""Seconds of an epoch: of the clock, and of all processors together."""


def now() -> Times:
    """The clock and the processor time."""
    return time.perf_counter(), time.process_time()


def since(start: Times) -> Times:
    """Seconds from a start."""
    clock, processor = now()
    return clock - start[0], processor - start[1]


def torch_worker(reference: Reference, count: int, threads: int) -> None:
    """Trains for one epoch for each line on the standard input, and answers with its seconds."""
    import torch

    torch.set_num_threads(threads)
    x, y = map(torch.from_numpy, reference.songs(count))
    network = reference.plain().train()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    for _ in sys.stdin:
        start, hits, error = now(), torch.zeros(()), torch.zeros(())
        for index in torch.randperm(len(x)).split(BATCH):
            songs, labels = x[index], y[index]
            logits = network(songs)
            heads = logits.unbind(1) if logits.dim() == 3 else [logits]  # experts side by side have a loss each
            loss = sum(torch.nn.functional.cross_entropy(head, labels) for head in heads)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            hits += (heads[0].detach().argmax(1) == labels).sum()
            error += loss.detach() * len(index)
        float(hits), float(error)
        print(*since(start), flush=True)


def start_torch(python: str, name: str, count: int, threads: int) -> tuple[Callable[[], Times], Callable[[], None]]:
    """A function that trains an epoch in another process, and one that ends it."""
    command = [python, __file__, name, WORKER, "--songs", str(count), "--threads", str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    asks, answers = process.stdin, process.stdout
    assert asks is not None
    assert answers is not None

    def epoch() -> Times:
        asks.write("epoch\n")
        asks.flush()
        clock, processor = map(float, answers.readline().split())
        return clock, processor

    def end() -> None:
        asks.close()
        process.wait()

    return epoch, end


def measure(reference: Reference, options: argparse.Namespace) -> dict[str, Any]:
    """Both sides' songs a second and their ratio."""
    from genrezoo.benchmarking.cost import multiply_adds
    from genrezoo.songs import SongSet
    from genrezoo.training.supervised import SupervisedSettings, supervised

    epoch, end = start_torch(options.torch_python, reference.name, options.songs, options.threads)
    rounds: list[tuple[Times, Times]] = []
    began = now()

    def round_over(record: dict[str, float]) -> None:
        nonlocal began
        ours = since(began)
        theirs = epoch()
        if record["epoch"] > 1:  # the first compiles
            rounds.append((ours, theirs))
        began = now()

    x, y = reference.songs(options.songs)
    songs = SongSet(x=x, y=y, genres=tuple(f"genre {number}" for number in range(reference.classes)))
    # Hardly any validation, so that a round is training alone
    splits = {"train": np.arange(len(y)), "valid": np.arange(reference.classes), "test": np.arange(0)}
    settings = SupervisedSettings(batch_size=BATCH, learning_rate=RATE, epochs=options.rounds + 1, snapshot="last")
    model = reference.build()
    supervised(model, songs.with_split(splits, "random"), settings, seed=1, on_epoch=round_over)
    end()
    clocks = [statistics.median(one[side][0] for one in rounds) for side in (0, 1)]
    return {
        "network": reference.name,
        "threads": options.threads,
        "rounds": len(rounds),
        "genrezoo_songs_per_second": round(options.songs / clocks[0], 1),
        "torch_songs_per_second": round(options.songs / clocks[1], 1),
        "ratio": round(statistics.median(theirs[0] / ours[0] for ours, theirs in rounds), 3),
        "ratio_of_processor_time": round(statistics.median(theirs[1] / ours[1] for ours, theirs in rounds), 3),
        "giga_multiply_adds_per_second": round(
            3 * multiply_adds(model, reference.shape[0]) * options.songs / clocks[0] / 1e9, 1
        ),
    }


def main() -> int:
    """Runs the rounds and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", choices=[*REFERENCES, []], help="all six if left out")
    parser.add_argument("--torch-python", default=sys.executable, help="interpreter that has torch")
    parser.add_argument("--songs", type=int, default=1280)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(WORKER, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    chosen = [REFERENCES[name] for name in options.networks or REFERENCES]
    if options.torch_worker:
        torch_worker(chosen[0], options.songs, options.threads)
        return 0
    if subprocess.run([options.torch_python, "-c", "import torch"], capture_output=True, check=False).returncode:
        parser.error(f"{options.torch_python} cannot import torch: pip install torch, or name another --torch-python")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    tf.config.experimental.enable_op_determinism()  # as `genrezoo.train` does
    found = []
    print("| network | genrezoo songs/s | PyTorch songs/s | genrezoo is faster by | by processor time |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for reference in chosen:
        row = measure(reference, options)
        found.append(row)
        cells = [row["genrezoo_songs_per_second"], row["torch_songs_per_second"]]
        ratios = [row["ratio"], row["ratio_of_processor_time"]]
        name = f"{reference.name} {reference.summary}"
        print("|", " | ".join([name, *(f"{value:,.0f}" for value in cells), *(f"{v:.2f}x" for v in ratios)]), "|")
        sys.stdout.flush()
    for row in found:
        print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
