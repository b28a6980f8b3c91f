"""The command `convitro summary`."""

from __future__ import annotations

import json

from convitro.cli.manners import progress
from convitro.cli.network import open_model
from convitro.cli.options import ARCH, INPUT, JSON, MODEL


def summary(
    model: MODEL = None,
    arch: ARCH = None,
    input: INPUT = None,
    as_json: JSON = False,
) -> None:
    """Print a network's layers with output shapes, parameters and MACs.

    \b
    Examples:
      convitro summary
      convitro summary my_networks:small_net --input 3x32x32 --json
    """
    with progress("Running the network once ..."):
        from convitro.anatomy import summary as summarize

        network = open_model(model, arch, input)
        table = summarize(network.model, (1, *network.input_size), verbose=0)
    print(json.dumps(table.to_dict(), indent=2) if as_json else table)
