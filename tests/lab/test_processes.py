"""Trainings in processes of their own: killed at any moment, on a full disk, two at once, one of two lost."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from convitro.lab import RunFolder, train

NETWORK = """
import os, time
import torch
from torch import nn

class Slow(nn.Module):
    \"\"\"Waits a little in every step, so that it can be caught inside one.\"\"\"
    def forward(self, maps):
        time.sleep(float(os.environ.get("STEP_S", "0")))
        return maps

def net():
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Tanh(), Slow(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(144, 10)
    )
"""
SETTINGS = {"--images": 400, "--epochs": 3, "--batch-size": 32, "--shift": 1, "--accelerator": "cpu"}
STEPS = 9  # of an epoch: 400 pictures, of which 80 are the test and 32 held out


STARTED: list[Any] = []


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "slow_network.py").write_text(NETWORK)
    yield tmp_path
    for process in STARTED:
        if process.poll() is None:
            kill(process)
    STARTED.clear()


def start(home: Path, *arguments: object, prefix: tuple[str, ...] = (), **environment: object) -> Any:
    """The command, in a process group of its own."""
    settings = [str(part) for pair in SETTINGS.items() for part in pair]
    command = [sys.executable, *prefix, "-m", "convitro", "train", "slow_network:net", *settings]
    known = {"PYTHONPATH": f"{home}:{Path(__file__).parents[2]}", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, *map(str, arguments)],
        cwd=home,
        env={**os.environ, **known, **{name: str(value) for name, value in environment.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    STARTED.append(process)
    return process


def finish(process: Any) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def curves(folder: Path) -> list[list[float]]:
    names = ("loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate")
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [[json.loads(line)[name] for name in names] for line in lines]


def wait_for(done: Callable[[], bool], process: Any) -> None:
    end = time.monotonic() + 200
    while not done():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)


def kill(process: Any) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def test_killed_at_any_moment_it_goes_on_bit_for_bit(home: Path) -> None:
    whole = finish(start(home, "-o", "whole", "--checkpoint-every", 2))
    assert whole[0] == 0, whole
    run, checkpoint = home / "run", home / "run" / "checkpoint.safetensors"
    waits: list[Callable[[], bool]] = [
        lambda: (run / "config.json").exists(),  # before the first step
        checkpoint.exists,  # inside the first epoch
        lambda: len(curves(run)) == 1,  # at its end, perhaps before its checkpoint
        lambda: (run / "checkpoint.safetensors.partial").exists() or len(curves(run)) == 2,  # while it writes
    ]
    for wait in waits:
        process = start(home, "-o", "run", "--checkpoint-every", 2, "--resume", STEP_S=0.02)
        wait_for(wait, process)
        kill(process)
    code, out, err = finish(start(home, "-o", "run", "--checkpoint-every", 2, "--resume"))
    assert (code, err) == (0, "")
    assert curves(run) == curves(home / "whole")
    weights, expected = (load_file(folder / "model.safetensors") for folder in (run, home / "whole"))
    torch.testing.assert_close(weights, expected, rtol=0, atol=0)
    assert "Written to run." in out


def test_a_disk_without_room_ends_it_with_one_message(home: Path) -> None:
    room = 6_000  # bytes of a file: enough for the first, too few for a checkpoint

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    code = "import sys; from convitro.cli import main; sys.argv = ['convitro', *sys.argv[1:]]; main()"
    settings = [str(part) for pair in SETTINGS.items() for part in pair]
    process = subprocess.run(
        [sys.executable, "-c", code, "train", "slow_network:net", *settings, "-o", "run"],
        cwd=home,
        env={**os.environ, "PYTHONPATH": f"{home}:{Path(__file__).parents[2]}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        preexec_fn=little_room,
        check=False,
    )
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith('ExperimentError: train: "checkpoint.safetensors" could not be written.')
    assert "Traceback" not in process.stderr
    assert not list((home / "run").rglob("*.partial"))


@pytest.mark.parametrize("precision", ["64", "32"])
def test_two_processes_make_the_curve_of_one(home: Path, precision: str) -> None:
    # Only the order of additions differs; 27 steps amplify it. The loss is computed in 32 bits either way.
    tolerance = {"64": 1e-7, "32": 1e-4}[precision]
    shared: tuple[object, ...] = ("--precision", precision)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    two = start_without_dropout(home, *shared, "-o", "two", prefix=torchrun)
    code, out, err = finish(two)
    assert code == 0, err
    assert out.count("slow_network") + out.count("net on digits") == 1
    assert finish(start_without_dropout(home, *shared, "-o", "one"))[0] == 0
    torch.testing.assert_close(
        torch.tensor(curves(home / "two"), dtype=torch.float64),
        torch.tensor(curves(home / "one"), dtype=torch.float64),
        rtol=tolerance,
        atol=tolerance,
    )


def start_without_dropout(home: Path, *arguments: object, prefix: tuple[str, ...] = ()) -> Any:
    """Each process draws dropout for its own pictures, which one process cannot draw alike."""
    (home / "slow_network.py").write_text(NETWORK.replace("Dropout(0.1)", "Dropout(0.0)"))
    return start(home, *arguments, prefix=prefix)


def test_devices_start_their_own_processes(home: Path) -> None:
    process = start_without_dropout(home, "-o", "two", "--devices", 2)
    code, out, err = finish(process)
    assert code == 0, err
    assert "net on digits" in out
    assert "2 processes" in (home / "two/environment.json").read_text()


def test_a_lost_process_ends_the_others_with_one_message(home: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [
        start(
            home,
            *("-o", "run", "--devices", 2, "--checkpoint-every", 1),
            STEP_S=0.1,
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=port,
            WORLD_SIZE=2,
            NODE_RANK=0,
            LOCAL_RANK=rank,
        )
        for rank in range(2)
    ]
    wait_for((home / "run/checkpoint.safetensors").exists, processes[0])
    kill(processes[1])
    code, out, err = finish(processes[0])
    assert (code, out) == (2, "")
    assert "ExperimentError: train: another process of this training was lost." in err
    assert "Traceback" not in err
    code, out, err = finish(start(home, "-o", "run", "--checkpoint-every", 1, "--resume"))
    assert code == 0, err
    assert len(curves(home / "run")) == 3


def test_a_checkpoint_inside_an_epoch_is_where_it_stands(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(home))
    from convitro.datasets import open_dataset
    from convitro.lab.checkpoint import read_checkpoint

    seen: list[int] = []
    folder = RunFolder(home / "run", checkpoint_every=4)

    def watched(*_: object) -> None:
        seen.append(read_checkpoint(home / "run/checkpoint.safetensors").state.epoch)

    train("slow_network:net", open_dataset("digits").sample(400), epochs=2, folder=folder, observe=watched)
    assert seen == [1, 2]
