"""Whether families stand in the order that the source documents report, on the results of a benchmark.

For each statement of the documents it prints the difference of the mean test accuracies over all seeds, with a 95 %
interval over songs and seeds, and whether the interval agrees, disagrees or leaves it open. The rules of the snippet
ensemble are compared on the stored answers of its experts, so that one training serves both.

Usage: python benchmarks/family_order.py RESULTS...
"""

from __future__ import annotations

import collections
import sys
from pathlib import Path

import numpy as np

from genrezoo.evaluation import difference_intervals
from genrezoo.files import read_json_lines
from genrezoo.rules import aggregate_logits

STATEMENTS = [
    ("conv_in_time", "segment_cnn", "kernels over several segments > over one (B)"),
    ("conv_in_time", "bag_of_segments", "sequence > bag of segments (convolution)"),
    ("lstm", "bag_of_segments", "sequence > bag of segments (LSTM)"),
    ("rnn", "mlp", "recurrent > perceptron (A)"),
    ("batch_norm_rnn", "rnn", "batch-norm RNN > RNN (A)"),
    ("mlp_pretrained", "mlp", "pretraining helps (A)"),
    ("curriculum", "mlp_pretrained", "curriculum helps (A: it does not)"),
    ("stabilised_lstm", "lstm", "stabilisation > L2 (C)"),
    ("snippet_lstm", "stabilised_lstm", "snippets > whole song (C)"),
    ("snippet_lstm", "snippet_lstm, mean rule", "max-product >= max-mean (C)"),
    ("multitask_binary", "stabilised_lstm", "binary genres help (C)"),
    ("multitask_autoencoder", "multitask_binary", "autoencoder > binary genres (C)"),
    ("linear_combiner", "conv_in_time", "combiner > best member (B)"),
    ("linear_combiner", "hidden_combiner", "linear >= hidden combiner (B)"),
    ("linear_combiner", "unfrozen_combiner", "frozen >= unfrozen combiner (B)"),
    ("correcting", "conv_in_time", "correcting > its original (B)"),
    ("correcting", "linear_combiner", "correcting >= combiner (B)"),
    ("correcting", "correcting_unfrozen", "frozen > unfrozen original (B)"),
    ("correcting", "correcting_hidden", "hidden layers as input add nothing (B)"),
    ("lstm_ensemble", "lstm", "ensemble of seeds > one seed"),
]


def answers(folder: Path) -> dict[str, np.ndarray]:
    """Which test songs each run answered rightly, ``(seeds, songs)`` by recipe."""
    found: dict[str, list[np.ndarray]] = collections.defaultdict(list)
    for row in read_json_lines(folder / "rows.jsonl"):
        if row["kind"] != "accuracy" or row["status"] != "ok":
            continue
        with np.load(folder / row["run"] / "predictions.npz", allow_pickle=False) as stored:
            y, order = stored["test_y"], np.argsort(stored["test_ids"], kind="stable")
            found[row["recipe"]].append((stored["test_logits"].argmax(axis=1) == y)[order])
            if row["recipe"] == "snippet_lstm":
                experts = [stored[name] for name in sorted(stored.files) if name.startswith("test_expert_")]
                mean = aggregate_logits(experts, rule="mean")
                found["snippet_lstm, mean rule"].append((mean.argmax(axis=1) == y)[order])
    return {name: np.stack(runs) for name, runs in found.items()}


def main() -> None:
    """Prints a table for each folder."""
    for folder in map(Path, sys.argv[1:]):
        correct = answers(folder)
        print(f"\n{folder.name}: {next(iter(correct.values())).shape[1]} test songs")
        for one, other, statement in STATEMENTS:
            if one not in correct or other not in correct:
                print(f"{statement:48s} not measured")
                continue
            pair = {one: correct[one], other: correct[other]}
            mean, low, high = (100 * value for value in difference_intervals(pair)[one, other])
            verdict = "yes" if low > 0 else "no" if high < 0 else "open"
            means = f"{100 * pair[one].mean():.1f} against {100 * pair[other].mean():.1f}"
            print(f"{statement:48s} {means:20s} {mean:+5.1f} [{low:+5.1f}, {high:+5.1f}]  {verdict}")


if __name__ == "__main__":
    main()
