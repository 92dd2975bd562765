"""Songs per second of truncated training: one compiled loop over a song's parts, one call for each part, and PyTorch.

All three train the basic recurrent network with readout on random songs by the same procedure: parts of a few segments,
the state carried over, one step of Adam for each part. Rounds alternate, so that all see the same machine, and medians
are compared: of the processor's time, which on a busy machine is steadier than the clock's. PyTorch runs in a process
of its own, with the same number of threads.

Usage: python benchmarks/truncated_training.py [--torch-python PATH] [--songs 300] [--rounds 7] [--threads 1]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SEGMENTS, FEATURES, GENRES, UNITS, NUM_STEPS, BATCH, RATE = 120, 25, 10, 341, 4, 50, 1e-3
WORKER = "--torch-worker"


def random_songs(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Songs and labels that mean nothing: only their number and shape matter here."""
    generator = np.random.default_rng(0)
    return generator.standard_normal((count, SEGMENTS, FEATURES), np.float32), np.arange(count) % GENRES


def torch_worker(count: int, threads: int) -> None:
    """Trains for one epoch for each line on the standard input, and answers with the processor's seconds."""
    import torch

    torch.set_num_threads(threads)
    x, y = map(torch.from_numpy, random_songs(count))
    cell, readout = torch.nn.Linear(FEATURES + UNITS, UNITS), torch.nn.Linear(UNITS, GENRES)
    optimizer = torch.optim.Adam([*cell.parameters(), *readout.parameters()], lr=RATE, fused=True)
    for _ in sys.stdin:
        start, hits, error = time.process_time(), torch.zeros(()), torch.zeros(())
        for index in torch.randperm(len(x)).split(BATCH):
            songs, labels = x[index], y[index]
            state = torch.zeros(len(index), UNITS)
            for part in songs.split(NUM_STEPS, dim=1):
                state = state.detach()
                for segment in part.unbind(1):
                    state = torch.tanh(cell(torch.cat([segment, state], 1)))
                logits = readout(state)
                loss = torch.nn.functional.cross_entropy(logits, labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            hits += (logits.detach().argmax(1) == labels).sum()
            error += loss.detach() * len(index)
        print(time.process_time() - start, flush=True)


def start_torch(python: str, count: int, threads: int) -> Callable[[], float]:
    """A function that trains an epoch in another process."""
    command = [python, __file__, WORKER, "--songs", str(count), "--threads", str(threads)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    asks, answers = process.stdin, process.stdout
    assert asks is not None
    assert answers is not None

    def epoch() -> float:
        asks.write("epoch\n")
        asks.flush()
        return float(answers.readline())

    return epoch


def build_model() -> Any:
    """The network that is trained."""
    import genrezoo as gz

    return gz.create_model("rnn", input_shape=(SEGMENTS, FEATURES), num_classes=GENRES, units=UNITS)


def call_for_each_part(count: int) -> Callable[[], float]:
    """The same training with a compiled step that is called from Python for each part."""
    import keras
    import tensorflow as tf

    from genrezoo.training.truncated import PartReader

    model = build_model()
    reader, variables = PartReader(model, padded=False), model.trainable_variables
    optimizer, loss = keras.optimizers.Adam(RATE), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer.build(variables)
    error, hits = keras.metrics.Mean(), keras.metrics.SparseCategoricalAccuracy()
    x, y = map(tf.constant, random_songs(count))

    @tf.function(reduce_retracing=True)
    def step(part: Any, labels: Any, states: Any) -> Any:
        with tf.GradientTape() as tape:
            logits, states = reader(part, states)
            value = loss(labels, logits)
        optimizer.apply(tape.gradient(value, variables), variables)
        return value, logits, states

    def epoch() -> float:
        start = time.process_time()
        order = np.random.default_rng(1).permutation(count)
        for index in np.split(order, range(BATCH, count, BATCH)):
            songs, labels = tf.gather(x, index), tf.gather(y, index)
            states = reader.layer.get_initial_state(len(index))
            for part in tf.split(songs, SEGMENTS // NUM_STEPS, axis=1):
                value, logits, states = step(part, labels, states)
            error.update_state(value)
            hits.update_state(labels, logits)
        error.result().numpy()
        return time.process_time() - start

    return epoch


def main() -> int:
    """Runs the rounds and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="interpreter that has torch; this one if it can import it")
    parser.add_argument("--songs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(WORKER, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch_worker:
        torch_worker(options.songs, options.threads)
        return 0
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from genrezoo.songs import SongSet
    from genrezoo.training.truncated import TruncatedSettings, truncated

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    others = {"one compiled call a part": call_for_each_part(options.songs)}
    python = options.torch_python or sys.executable
    if not subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode:
        others["PyTorch"] = start_torch(python, options.songs, options.threads)
    seconds: dict[str, list[float]] = {"genrezoo": [], **{name: [] for name in others}}

    began = time.process_time()

    def round_over(record: dict[str, float]) -> None:
        nonlocal began
        found = {"genrezoo": time.process_time() - began, **{name: epoch() for name, epoch in others.items()}}
        if record["epoch"] > 1:  # the first compiles
            for name, value in found.items():
                seconds[name].append(value)
        began = time.process_time()

    x, y = random_songs(options.songs)
    songs = SongSet(x=x, y=y, genres=tuple(f"genre {number}" for number in range(GENRES)))
    # Hardly any validation, so that a round is training alone
    splits = {"train": np.arange(len(y)), "valid": np.arange(GENRES), "test": np.arange(0)}
    songs = songs.with_split(splits, "random")
    settings = TruncatedSettings(
        num_steps=NUM_STEPS, batch_size=BATCH, learning_rate=RATE, epochs=options.rounds + 1, snapshot="last"
    )
    truncated(build_model(), songs, settings, seed=1, on_epoch=round_over)
    ours = statistics.median(seconds["genrezoo"])
    print("| training | songs per processor second | genrezoo is faster by |\n| --- | --- | --- |")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"| {name} | {options.songs / median:.0f} | {median / ours:.2f}x |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
