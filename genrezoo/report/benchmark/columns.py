"""The columns of a leaderboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from genrezoo.evaluation import mean_interval
from genrezoo.report.benchmark.records import Entry, RepeatedEntry
from genrezoo.report.style.columns import Column, Value
from genrezoo.report.style.number_format import Estimate, count, duration, nats, percent, plain, significant


def _speed(name: str) -> Callable[[Entry], Value]:
    return lambda entry: entry.speed.get(name)


def _over_seeds(values: Sequence[float]) -> Estimate | float:
    bounds = {"least": 0.0, "most": 1.0}
    return Estimate(*mean_interval(values, **bounds), over="seeds") if len(set(values)) > 1 else values[0]


NAME: Column[Entry] = Column(
    "model", "Model", "Recipe; baselines are models of other packages.", lambda entry: entry.name, look="text name"
)
FAMILY: Column[Entry] = Column(
    "family",
    "Family",
    "zoo, baseline for models of other packages, or mixed for ensembles of both.",
    lambda entry: entry.family,
    look="text",
)
GROUP: Column[Entry] = Column(
    "group", "Group", "Models that share a letter do not differ significantly.", lambda entry: entry.group, look="text"
)
SEEDS: Column[Entry] = Column("seeds", "Seeds", "Number of training runs.", lambda entry: float(len(entry.seeds)))
ACCURACY: Column[Entry] = Column(
    "accuracy",
    "Accuracy (%)",
    "Fraction of test songs that are classified correctly.",
    lambda entry: entry.accuracy,
    percent,
)
QUALITY: tuple[Column[Entry], ...] = (
    ACCURACY,
    Column("macro_f1", "Macro F1 (%)", "Mean F1 over the genres.", lambda entry: entry.macro_f1, percent),
    Column(
        "log_loss",
        "Log loss (nats)",
        "Cross-entropy; lower is better.",
        lambda entry: entry.log_loss,
        nats,
    ),
    Column(
        "calibration_error",
        "Calibration error (%)",
        "Gap between confidence and accuracy, with 15 bins; lower is better.",
        lambda entry: entry.calibration_error,
        percent,
    ),
    Column(
        "valid_accuracy",
        "Valid. accuracy (%)",
        "Fraction of validation songs that are classified correctly.",
        lambda entry: entry.validation,
        percent,
    ),
    Column(
        "fraction_of_ceiling",
        "Of attainable (%)",
        "Test accuracy divided by the best attainable one, if known.",
        lambda entry: entry.fraction_of_ceiling,
        percent,
    ),
    Column(
        "average_of_seeds",
        "Average of the seeds (%)",
        "Accuracy of the mean log posterior of all seeds, at a multiple of the cost.",
        lambda entry: entry.vote,
        percent,
    ),
    SEEDS,
)
PEAK: Column[Entry] = Column(
    "peak_accuracy",
    "Best valid. accuracy (%)",
    "Fraction of validation songs that are classified correctly in the best epoch.",
    lambda entry: _over_seeds(entry.measured.get("valid_accuracy") or (entry.validation,)),
    percent,
)
REPORTED: Column[Entry] = Column(
    "reported",
    "Reported by its reference",
    "Result that the reference reports on its data; not measured here.",
    lambda entry: "; ".join(f"{name} {value}" for name, value in entry.reported.items()) or None,
    look="text prose",
)
COMPARISON = (NAME, PEAK, ACCURACY, SEEDS, REPORTED)
PARAMETERS: Column[Entry] = Column(
    "parameters", "Parameters", "Number of parameters of the model.", lambda entry: entry.parameters, count
)
LATENCY: Column[Entry] = Column(
    "latency_p50_ms", "Latency p50 (ms)", "Median latency for one song.", _speed("p50"), significant
)
ONNX_LATENCY: Column[Entry] = Column(
    "onnx_latency_p50_ms",
    "ONNX p50 (ms)",
    "Median latency for one song with the exported model and ONNX Runtime.",
    _speed("onnx_p50"),
    significant,
)
BULK: Column[Entry] = Column(
    "bulk_songs_per_second",
    "Bulk (songs/s)",
    "Songs per second in large batches.",
    _speed("bulk"),
    significant,
)
COST: tuple[Column[Entry], ...] = (
    PARAMETERS,
    Column(
        "multiply_adds",
        "Multiply-adds",
        "Multiply-add operations for one song.",
        lambda entry: entry.multiply_adds,
        count,
    ),
    Column(
        "train_seconds",
        "Training",
        "Mean time of one training run, including validation.",
        lambda entry: entry.train_seconds,
        duration,
    ),
    Column("epochs", "Epochs", "Mean number of epochs.", lambda entry: entry.epochs, plain),
    LATENCY,
    Column("latency_p90_ms", "p90 (ms)", "90th percentile of the latency.", _speed("p90"), significant),
    Column("latency_p99_ms", "p99 (ms)", "99th percentile of the latency.", _speed("p99"), significant),
    BULK,
    Column(
        "first_prediction_seconds",
        "First prediction",
        "From the start of the process to the first prediction.",
        _speed("first"),
        duration,
    ),
    Column(
        "peak_memory_mb", "Peak memory (MB)", "Peak memory of the predicting process.", _speed("memory"), significant
    ),
    Column(
        "pass_seconds",
        "Pass (s)",
        "Mean time for all training and validation songs.",
        _speed("pass_mean"),
        significant,
    ),
    Column("pass_seconds_min", "Pass, min (s)", "The fastest pass.", _speed("pass_min"), significant),
    Column("pass_seconds_max", "Pass, max (s)", "The slowest pass.", _speed("pass_max"), significant),
    Column(
        "pass_seconds_variance",
        "Pass, variance (s²)",
        "Of the passes.",
        _speed("pass_variance"),
        significant,
    ),
)
EXPORTED: tuple[Column[Entry], ...] = (
    ONNX_LATENCY,
    Column("onnx_latency_p90_ms", "ONNX p90 (ms)", "90th percentile of the latency.", _speed("onnx_p90"), significant),
    Column("onnx_latency_p99_ms", "ONNX p99 (ms)", "99th percentile of the latency.", _speed("onnx_p99"), significant),
    Column(
        "onnx_bulk_songs_per_second",
        "ONNX bulk (songs/s)",
        "Songs per second in large batches, with the exported model.",
        _speed("onnx_bulk"),
        significant,
    ),
    Column(
        "onnx_first_prediction_seconds",
        "ONNX first prediction",
        "From the start of the process to the first prediction, with the exported model.",
        _speed("onnx_first"),
        duration,
    ),
    Column(
        "onnx_peak_memory_mb",
        "ONNX peak memory (MB)",
        "Peak memory of the process that predicts with the exported model.",
        _speed("onnx_memory"),
        significant,
    ),
)
EVERY = (NAME, FAMILY, GROUP, *QUALITY, PEAK, *COST, *EXPORTED, REPORTED)


def family_of(entry: Entry | RepeatedEntry) -> str:
    """Returns the CSS class of an entry's row."""
    return entry.family
