"""What a tagger's answer costs: decoding, mel spectra and the network apart, against what the machine can multiply.

    python benchmarks/taggers.py song.mp3 --weights vgg_tagger.msd musicnn.msd

The bound is the time that the network's multiply-adds would take at the rate of a matrix product of the same library on
the same threads; the share is the bound over the time measured. Weights that are not in the cache are fetched.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import genrezoo as gz
from genrezoo.audio.decode import AudioReader
from genrezoo.audio.extract import extract_file
from genrezoo.audio.settings import feature_settings
from genrezoo.benchmarking.cost import multiply_adds
from genrezoo.environment import environment

PATCH, BATCH, SIZE = 187, 16, 2048


def seconds(work: Callable[[], Any], *, least: float = 1.0) -> float:
    """The shortest time of one call, over calls that last at least so many seconds together; one goes before."""
    work()
    times: list[float] = []
    while sum(times) < least or len(times) < 3:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def product_rate() -> float:
    """Multiply-adds a second of a product of two square matrices."""
    one = keras.ops.convert_to_tensor(np.random.default_rng(0).standard_normal((SIZE, SIZE), dtype="float32"))
    return SIZE**3 / seconds(lambda: np.asarray(keras.ops.matmul(one, one))[0, 0])


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", help="an audio file")
    parser.add_argument("--weights", nargs="+", default=["vgg_tagger.msd", "musicnn.msd"])
    given = parser.parse_args()
    settings = feature_settings("tagger_mel")

    def decode() -> int:
        with AudioReader(given.path, rate=settings.rate) as sound:
            return sum(len(block) for block in sound.blocks())

    recording = decode() / settings.rate
    decoding = seconds(decode)
    rate = product_rate()
    found: dict[str, Any] = {
        "recording_seconds": round(recording, 2),
        "decode_ms": round(1e3 * decoding, 1),
        "mel_ms": round(1e3 * (seconds(lambda: extract_file(given.path, settings)) - decoding), 1),
        "product_gmac_per_second": round(rate / 1e9, 1),
        "environment": environment(),
    }
    for name in given.weights:
        network = gz.create_model(name.partition(".")[0], (PATCH, 96), weights=name)
        x = np.random.default_rng(0).uniform(0, 4, (BATCH, PATCH, 96)).astype("float32")
        patch = seconds(lambda network=network, x=x: network.predict_on_batch(x), least=3.0) / BATCH  # type: ignore[misc]
        operations = multiply_adds(network, PATCH)
        found[name] = {
            "patch_ms": round(1e3 * patch, 2),
            "recording_ms": round(1e3 * patch * recording / 2.992, 1),
            "mega_multiply_adds": round(operations / 1e6, 1),
            "share_of_product_rate": round(operations / rate / patch, 3),
        }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
