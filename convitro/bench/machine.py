"""Where a run took place: processor, threads, versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("convitro", "torch", "llvmlite", "numpy", "onnxruntime", "openvino", "jax")


def machine() -> dict[str, Any]:
    """What a reader needs to judge the figures of a run."""
    return {
        "processor": processor(),
        "isa": isa(),
        "cores": os.cpu_count(),
        "cores_allowed": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in PACKAGES if _version(package)},
    }


def processor() -> str:
    """Its name, as the system tells it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    fields = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    family = f" (family {named['cpu family']}, model {named['model']})" if "cpu family" in named else ""
    return named.get("model name", platform.processor() or platform.machine()) + family


def isa() -> str:
    """The instruction set that our kernels use here; empty where they do not run."""
    from convitro.engine.cpu.isa import supported

    return next(iter(supported()), "")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
