"""Blocks of the output: what a layer's windows are like, and how they are cut."""

from __future__ import annotations

import pytest

from convitro.engine.cpu.blocking import Sliding
from convitro.engine.cpu.isa import isa
from convitro.engine.cpu.layout import (
    Access,
    direct_layout,
    direct_tile,
    is_short,
    pools_shortly,
    run_length,
    short_patch,
)
from convitro.engine.cpu.multiply import Tile


def sliding(channels: int, size: int, kernel: int, top: int, pool: int = 1, step: int = 1) -> Sliding:
    rows = size + 2 * top - kernel + 1
    return Sliding(
        images=1,
        height=size,
        width=size,
        channels=channels,
        filters=32,
        groups=1,
        kernel=(kernel, kernel),
        stride=(1, 1),
        dilation=(1, 1),
        top=top,
        left=top,
        rows=rows,
        columns=rows,
        pool=(pool, pool),
        pool_stride=(step, step),
    )


def test_a_window_reaches_beyond_the_input_only_with_padding() -> None:
    assert sliding(3, 10, 3, 1).padded
    assert not sliding(3, 10, 3, 0).padded


@pytest.mark.parametrize(("pool", "step", "apart"), [(1, 1, True), (2, 2, True), (2, 3, True), (3, 2, False)])
def test_pools_are_apart_if_no_pixel_is_in_two(pool: int, step: int, *, apart: bool) -> None:
    assert sliding(3, 12, 3, 1, pool, step).pools_apart is apart


def test_short_sums_get_tiles_of_whole_pools_and_long_ones_all_accumulators() -> None:
    avx2 = isa("avx2")
    assert direct_tile(sliding(3, 12, 3, 1, 2, 2), avx2, 8) == Tile(4, 2)
    assert direct_tile(sliding(64, 12, 3, 1, 2, 2), avx2, 8) == Tile(6, 2)
    assert direct_tile(sliding(3, 12, 3, 1), avx2, 8) == Tile(6, 2)


def test_few_products_get_patches_that_cut_rows_evenly() -> None:
    avx2, avx512 = isa("avx2"), isa("avx512")
    assert is_short(sliding(3, 12, 3, 1), avx512)
    assert not is_short(sliding(3, 12, 3, 1), avx2)
    assert not is_short(sliding(64, 12, 3, 1), avx512)
    plain = short_patch(sliding(3, 24, 3, 1), 16, pooled=False)
    assert (plain.rows, plain.columns, plain.vectors, plain.kernel, plain.apart) == (1, 12, 2, (3, 9), 3)
    pooled = short_patch(sliding(3, 24, 3, 1, 2, 2), 16, pooled=True)
    assert (pooled.rows, pooled.columns, pooled.vectors) == (2, 6, 2)
    assert pools_shortly(sliding(3, 12, 3, 1, 2, 2), 16)
    assert not pools_shortly(sliding(3, 12, 3, 1, 3, 2), 16)


def test_runs_are_cut_evenly() -> None:
    assert run_length(sliding(3, 12, 3, 1)) == 9
    assert run_length(sliding(256, 12, 3, 1)) == 384


def test_every_result_has_its_place_and_pixels_of_a_pool_follow_each_other() -> None:
    layer = sliding(3, 12, 3, 1, 2, 2)
    layout = direct_layout(layer, Tile(4, 2), isa("avx2"), 4, 1, Access(output=(36 * 32, 6 * 32, 32)))
    places = layout.tables["places"].reshape(-1, 4)
    assert (places == places[:, :1]).all()
    block = layout.block
    assert len(set(places[:, 0].tolist())) == block.images * block.rows * block.columns


def test_threads_get_blocks_of_their_own() -> None:
    layer = sliding(64, 56, 1, 0)
    alone, shared = (direct_layout(layer, Tile(6, 2), isa("avx2"), 4, threads) for threads in (1, 2))
    assert shared.sizes["tasks"] >= 2
    assert shared.sizes["tasks"] % 2 == 0
    assert alone.sizes["tasks"] >= 1
