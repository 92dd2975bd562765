"""What the first answer of a process costs: ``genrezoo predict`` of an exported model and of its run folder, in turn.

    python benchmarks/cold_start.py [--run RUN] [--clip song.wav] [--repeats 7]

Prints a Markdown table of both commands (seconds that pass, processor seconds, megabytes at the most, with an empty
feature cache) and one of the steps of the exported model's answer in one process. Without a run the CNN on mel
spectrograms is trained for an epoch on synthetic audio; without a clip 30 s of noise at 22,050 Hz are predicted. On a
machine that does other work as well, processor seconds say more than those that pass.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

import genrezoo as gz
from genrezoo.environment import environment

STEPS = """
import json, re, sys, time
def memory():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
rows, last = [["the interpreter", None, time.process_time(), memory()]], [time.perf_counter(), time.process_time()]
def done(step):
    now = [time.perf_counter(), time.process_time()]
    rows.append([step, *(after - before for after, before in zip(now, last)), memory()])
    last[:] = now
model, clip = sys.argv[1:]
import os
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "1"  # as the command line does
import genrezoo.cli; done("import typer and rich")
import numpy; done("import numpy")
import pydantic; from pydantic import BaseModel; done("import pydantic")
import genrezoo.predict, genrezoo.cli.predict, genrezoo.audio.decode; done("import genrezoo")
from genrezoo.audio.settings import extract, feature_settings
from genrezoo.predict.audio_files import audio_settings
opened = genrezoo.predict.open_model(model); done("read and check the file")
settings, columns = audio_settings(opened); done("settings of the features")
with genrezoo.audio.decode.AudioReader(clip, rate=settings.rate) as sound:
    blocks = list(sound.blocks())
done("decode")
features = extract(settings, blocks); done("features")
import onnxruntime; done("import onnxruntime")
opened.session; done("make the session")
genrezoo.predict.predict_features(opened, features); done("answer")
print(json.dumps(rows))
"""


LAUNCH = """
import json, os, subprocess, sys, time
begin = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps([time.perf_counter() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
sys.exit(process.returncode)
"""
"""A small process that starts another: the memory of the process that starts it counts towards a process's own."""


def command(model: Path, clip: Path, cache: str) -> list[float]:
    """Seconds that pass, processor seconds and megabytes of one ``genrezoo predict``."""
    words = [sys.executable, "-m", "genrezoo", "predict", str(model), str(clip), "--data-cache", cache]
    answer = subprocess.run([sys.executable, "-c", LAUNCH, *words], check=True, capture_output=True, text=True)
    found: list[float] = json.loads(answer.stdout)
    return found


def steps(model: Path, clip: Path) -> list[list[float]]:
    """The steps of an answer: name, seconds that pass, processor seconds, megabytes so far."""
    call = [sys.executable, "-c", STEPS, str(model), str(clip)]
    rows: list[list[float]] = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
    return rows


def made_run(folder: Path) -> Path:
    """A run of the CNN on mel spectrograms."""
    songs = gz.load_songs("synthetic_audio", features="log_mel", n_train=20, n_valid=10, n_test=10, seconds=3.0)
    return gz.train(gz.get_recipe("mel_cnn").changed({"epochs": 1}), songs, seed=1, out=folder / "run").folder


def made_clip(path: Path) -> Path:
    """30 s of noise."""
    samples = np.random.default_rng(1).integers(-9999, 9999, 30 * 22050).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", "none"))
        file.writeframes(samples.tobytes())
    return path


def main() -> None:
    """Prints the tables and the environment."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, help="a run folder")
    parser.add_argument("--clip", type=Path, help="an audio file")
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run, clip = given.run or made_run(folder), given.clip or made_clip(folder / "clip.wav")
        gz.export(run, "onnx", folder / "run.onnx")
        models = {"`run.onnx`": folder / "run.onnx", "the run folder": run}
        found: dict[str, list[list[float]]] = {name: [] for name in models}
        for repeat in range(-1, given.repeats):  # the first round fills the system's cache of files
            for name, model in models.items():
                answer = command(model, clip, str(folder / f"cache-{repeat}-{len(name)}"))
                if repeat >= 0:
                    found[name].append(answer)
        median = {
            name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()
        }
        print("| `genrezoo predict` of | seconds | processor seconds | MB |\n| --- | --- | --- | --- |")
        for name, (passed, processor, memory) in median.items():
            print(f"| {name} | {passed:.2f} | {processor:.2f} | {memory:.0f} |")
        ratios = [other / own for own, other in zip(*median.values(), strict=True)]
        print(f"| ratio | {ratios[0]:.1f} | {ratios[1]:.1f} | {ratios[2]:.1f} |\n")
        runs = [steps(folder / "run.onnx", clip) for _ in range(given.repeats)]
        print("| step | ms | processor ms | MB so far |\n| --- | --- | --- | --- |")
        totals = [0.0, 0.0]
        for same in zip(*runs, strict=True):
            passed, processor, memory = (statistics.median(row[column] or 0.0 for row in same) for column in (1, 2, 3))
            totals = [totals[0] + passed, totals[1] + processor]
            shown = f"{1e3 * passed:.0f}" if passed else ""
            print(f"| {same[0][0]} | {shown} | {1e3 * processor:.0f} | {memory:.0f} |")
        print(f"| all | {1e3 * totals[0]:.0f} | {1e3 * totals[1]:.0f} | |\n")
    print(json.dumps({**environment(), "load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
