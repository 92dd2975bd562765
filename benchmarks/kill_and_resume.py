"""Kills a training at random instants and compares the weights of the resumed ones with an uninterrupted one.

Each round starts a training in a process of its own, ends it with SIGKILL after a random time, starts the same training
again and lets it finish. All rounds must end with the weights' sha256 of the training that nobody touched.

Usage: python benchmarks/kill_and_resume.py [--kills 10] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TRAINING = """
import sys
import genrezoo as gz
songs = gz.load_songs("synthetic", n_segments=40, n_train=1500, n_valid=200, n_test=200)
recipe = gz.get_recipe("stabilised_lstm").changed({"units": 24, "dropout": 0.2, "epochs": 10, "schedule": "cosine"})
gz.train(recipe, songs, seed=1, out=sys.argv[1])
"""


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Begins or continues the training."""
    return subprocess.Popen([sys.executable, "-c", TRAINING, str(folder)], stderr=subprocess.DEVNULL)


def weights_digest(folder: Path) -> str:
    """The sha256 of the finished weights."""
    return str(json.loads((folder / "card.json").read_text())["weights_sha256"])


def main() -> int:
    """Runs the rounds and prints one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draws = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        began = time.monotonic()
        if start(whole).wait():
            return 1
        seconds = time.monotonic() - began
        expected = weights_digest(whole)
        print(f"uninterrupted: {seconds:.1f} s, sha256 {expected[:16]}")
        same = number = 0
        while number < options.kills:
            folder = Path(place) / f"killed-{number}"
            shutil.rmtree(folder, ignore_errors=True)
            process = start(folder)
            instant = draws.uniform(0.2, 1.0) * seconds
            time.sleep(instant)
            if process.poll() is not None:
                seconds *= 0.95  # it was done already: this machine is faster than it was a moment ago
                continue
            process.kill()
            process.wait()
            number += 1
            saved = "after" if (folder / "checkpoint.safetensors").exists() else "before"
            if start(folder).wait():
                return 1
            found = weights_digest(folder)
            same += found == expected
            print(f"kill {number} at {instant:.2f} s, {saved} the first epoch: sha256 {found[:16]}", flush=True)
    print(f"{same} of {options.kills} resumed trainings ended with the same bits")
    return 0 if same == options.kills else 1


if __name__ == "__main__":
    sys.exit(main())
