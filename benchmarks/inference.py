"""Inference of the reference networks by every engine: one song, songs in bulk, and the machine's own bound.

    python benchmarks/inference.py [M1 M5 …] [--engines onnx torch …] [--rounds 3] [--threads 1]

All engines but PyTorch answer as one trained run does, from raw features with padding to logits; PyTorch has the plain
network, without padding and standardisation. Engines alternate, so that all see the same machine; medians count, and
ratios are taken within each round. The bound is the rate of one large matrix product on the same threads, measured in
each round beside them; a network's share of it is taken over its multiply-adds. A busy machine disturbs the processor's
time less than the clock's, so ratios are given by both. What is not installed, or cannot take a network, is a line with
the reason. The table is followed by one JSON object a line.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from reference_models import REFERENCES, Reference

BULK, SIZE = 512, 2048
LEAST = 0.02
"""Seconds that the calls for one song take together in a round."""
Answer = Callable[[np.ndarray], Any]
"""Turns raw songs into logits."""


@dataclass(frozen=True)
class Subject:
    """What the engines answer as: a run of a reference network, and a folder for what they need."""

    reference: Reference
    run: Any
    folder: Path
    threads: int


def trained(reference: Reference, folder: Path, threads: int) -> Subject:
    """A run of one short epoch: exports take runs, and speed does not depend on what was learnt."""
    import genrezoo as gz
    from genrezoo.recipes import Recipe
    from genrezoo.songs import SongSet

    x, y = reference.songs(100)
    songs = SongSet(x=x, y=y, genres=tuple(f"genre {number}" for number in range(reference.classes)), name="random")
    splits = {"train": np.arange(60), "valid": np.arange(60, 80), "test": np.arange(80, 100)}
    recipe = Recipe(
        name=reference.name.lower(),
        summary=reference.summary,
        reference="own",
        model=reference.model,
        arguments=reference.arguments,
        settings={"epochs": 1},
    )
    run = gz.train(recipe, songs.with_split(splits, "random"), seed=1, out=folder / reference.name)
    return Subject(reference, run, folder, threads)


def predict(subject: Subject) -> Answer:
    """``keras.Model.predict``."""
    model = subject.run.model
    return lambda x: logits_of(model.predict(x, batch_size=256, verbose=0))


def compiled(subject: Subject, *, jit: bool = False) -> Answer:
    """The model as one compiled function, perhaps by XLA."""
    import tensorflow as tf

    model = subject.run.model
    form = [] if jit else [tf.TensorSpec((None, *model.input_shape[1:]))]  # XLA compiles for each size of a batch
    call = tf.function(lambda x: logits_of(model(x, training=False)), input_signature=form or None, jit_compile=jit)
    return in_batches(lambda x: call(tf.constant(x)).numpy())


def torch_eager(subject: Subject, *, compile: bool = False) -> Answer:
    """The plain network in PyTorch, perhaps through ``torch.compile``."""
    import torch

    torch.set_num_threads(subject.threads)
    network = subject.reference.plain().eval()
    if compile and subject.reference.unrolled:
        raise ValueError("its loop over segments would be written out, and take minutes to compile")
    if compile:
        network = torch.compile(network)

    def answer(x: np.ndarray) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(x)).numpy()

    return in_batches(answer)


def onnx(subject: Subject) -> Answer:
    """The exported run as `genrezoo.load_exported` answers."""
    import genrezoo as gz
    from genrezoo.songs import SongSet

    exported = gz.load_exported(exported_file(subject, "onnx"), threads=subject.threads)

    def answer(x: np.ndarray) -> Any:
        if len(x) == 1:
            return exported.answers(x)
        whole = np.full(len(x), x.shape[1])
        return exported.logits(SongSet(x=x, y=np.zeros(len(x), np.int64), genres=exported.genres, lengths=whole))

    return answer


def openvino(subject: Subject) -> Answer:
    """The run as exported for OpenVINO, told to compute in float32."""
    import openvino as ov

    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    settings |= {"INFERENCE_NUM_THREADS": str(subject.threads)}
    network = ov.Core().compile_model(str(exported_file(subject, "openvino")), "CPU", settings)
    return in_batches(lambda x: next(iter(network(x).values())))


def litert(subject: Subject) -> Answer:
    """The run as exported for LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(exported_file(subject, "litert")), num_threads=subject.threads)
    (read,), (written,) = interpreter.get_input_details(), interpreter.get_output_details()
    size = 0

    def answer(x: np.ndarray) -> Any:
        nonlocal size
        if len(x) != size:
            interpreter.resize_tensor_input(read["index"], x.shape)
            interpreter.allocate_tensors()
            size = len(x)
        interpreter.set_tensor(read["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(written["index"])

    return in_batches(answer)


ENGINES: dict[str, Callable[[Subject], Answer]] = {
    "predict": predict,
    "tensorflow": compiled,
    "xla": lambda subject: compiled(subject, jit=True),
    "torch": torch_eager,
    "torch_compile": lambda subject: torch_eager(subject, compile=True),
    "onnx": onnx,
    "openvino": openvino,
    "litert": litert,
}
"""By name; the first two are what ratios are taken against."""


def logits_of(output: Any) -> Any:
    """The logits of a model's output, which may be a dict."""
    return output["logits"] if isinstance(output, dict) else output


def in_batches(answer: Answer, size: int = 256) -> Answer:
    """Answers many songs so many at a time."""
    return lambda x: np.concatenate([answer(x[start : start + size]) for start in range(0, len(x), size)])


def exported_file(subject: Subject, format: str) -> Path:
    """The run as a file of a format, made once."""
    import genrezoo as gz

    ending = {"onnx": "onnx", "openvino": "xml", "litert": "tflite"}[format]
    path = subject.folder / f"{subject.reference.name}.{ending}"
    if not path.exists():
        with contextlib.redirect_stdout(io.StringIO()):  # converters say what they do
            gz.export(subject.run, format, path)
    return path


def seconds(call: Callable[[], Any], calls: int) -> tuple[float, float]:
    """Seconds of one call, the mean of so many: of the clock and of the processors."""
    clock, processor = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    return (time.perf_counter() - clock) / calls, (time.process_time() - processor) / calls


def product() -> Callable[[], Any]:
    """A large matrix product on all threads that TensorFlow may use."""
    import tensorflow as tf

    one = tf.constant(np.random.default_rng(0).standard_normal((SIZE, SIZE), dtype="float32"))
    return lambda: tf.matmul(one, one).numpy()[0, 0]


def measure(subject: Subject, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each engine and size of batch."""
    from genrezoo.benchmarking.cost import multiply_adds

    x, _ = subject.reference.songs(BULK)
    answers: dict[str, Answer] = {}
    rows: list[dict[str, Any]] = []
    differences: dict[str, float] = {}
    expected = predict(subject)(x[:16])
    for name in options.engines:
        try:
            answer = ENGINES[name](subject)
            found = np.asarray(answer(x[:16]))
            answer(x[:1])
            answer(x)
        except Exception as error:  # whatever an engine says of a network is its line
            reason = f"{type(error).__name__}: {str(error).strip()}".partition("\n")[0][:160]
            rows.append({"network": subject.reference.name, "engine": name, "reason": reason})
            continue
        answers[name] = answer
        if not name.startswith("torch"):
            differences[name] = float(np.abs(found - expected).max() / np.abs(expected).max())
    times: dict[tuple[str, int], list[tuple[float, float]]] = {}
    bound = product()
    calls = {name: max(1, round(LEAST / seconds(lambda: answer(x[:1]), 3)[0])) for name, answer in answers.items()}  # noqa: B023
    for _ in range(options.rounds):
        times.setdefault(("bound", BULK), []).append(seconds(bound, 1))
        for name, answer in answers.items():
            one = seconds(lambda answer=answer: answer(x[:1]), calls[name])  # type: ignore[misc]
            times.setdefault((name, 1), []).append(one)
            many = seconds(lambda answer=answer: answer(x), 1)  # type: ignore[misc]
            times.setdefault((name, BULK), []).append(many)
    work = multiply_adds(subject.run.network, subject.reference.shape[0])

    def ratio(one: tuple[str, int], other: tuple[str, int], which: int, factor: float = 1.0) -> float | None:
        """How much longer another takes within a round, in the median."""
        if one not in times or other not in times:
            return None
        pairs = zip(times[one], times[other], strict=True)
        return round(factor * statistics.median(b[which] / a[which] for a, b in pairs), 3)

    for (name, size), found_times in times.items():
        if name == "bound":
            rates = [SIZE**3 / statistics.median(one[which] for one in found_times) / 1e9 for which in (0, 1)]
            print("{}: a product makes {:.0f} / {:.0f} G multiply-adds a second".format(subject.reference.name, *rates))
            sys.stdout.flush()
            continue
        clock = statistics.median(one[0] for one in found_times)
        share = size * work / SIZE**3
        rows.append(
            {
                "network": subject.reference.name,
                "engine": name,
                "batch": size,
                "threads": options.threads,
                "milliseconds": round(1e3 * clock, 4),
                "songs_per_second": round(size / clock, 1),
                "times_predict": ratio((name, size), ("predict", size), 0),
                "times_predict_processor": ratio((name, size), ("predict", size), 1),
                "times_tensorflow": ratio((name, size), ("tensorflow", size), 0),
                "times_tensorflow_processor": ratio((name, size), ("tensorflow", size), 1),
                "share_of_bound": ratio((name, size), ("bound", BULK), 0, share),
                "share_of_bound_processor": ratio((name, size), ("bound", BULK), 1, share),
                "difference": differences.get(name),
            }
        )
    return rows


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help=f"of {', '.join(REFERENCES)}; all if left out")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": str(options.threads)}
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    warnings.filterwarnings("ignore")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.networks or REFERENCES:
            rows += measure(trained(REFERENCES[name], Path(folder), options.threads), options)
    print("\n| network | engine | batch | ms | songs/s | x predict | x compiled | share of the bound | difference |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in sorted(rows, key=lambda row: (row["network"], row.get("batch", 0))):
        if "reason" in row:
            print(f"| {row['network']} | {row['engine']} | | {row['reason']} | | | | | |")
            continue
        cells = [row["network"], row["engine"], str(row["batch"])]
        cells += [f"{row['milliseconds']:.3f}", f"{row['songs_per_second']:,.0f}"]
        for key, form in (("times_predict", "{:.1f}"), ("times_tensorflow", "{:.1f}"), ("share_of_bound", "{:.0%}")):
            pair = [row[key], row[f"{key}_processor"]]
            cells.append(" / ".join("-" if value is None else form.format(value) for value in pair))
        cells.append("" if row["difference"] is None else f"{row['difference']:.0e}")
        print("|", " | ".join(cells), "|")
    print("Pairs: by the clock / by the processor's time.\n")
    for row in rows:
        print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
