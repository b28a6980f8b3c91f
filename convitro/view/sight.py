"""What one pixel of a layer's small maps sees of the picture."""

from __future__ import annotations

from convitro.anatomy import LayerAnatomy, ReceptiveFields


def sight(layer: LayerAnatomy, fields: ReceptiveFields | None) -> dict[str, list[int]] | None:
    """Size, stride and start of what a pixel sees that the layer hands on: (rows, columns), pooling included.

    Returns:
        None where there is no such rule: every pixel sees everything, or the way could not be followed.
    """
    found = (
        None
        if fields is None
        else next((field for field in fields.values() if field.name == layer.name), None)
    )
    if found is None or found.whole or found.loose:
        return None
    size, stride, start = list(found.size), found.stride, found.start
    if None in stride or None in start:
        return None
    steps, firsts = [], []
    for axis, (step, first) in enumerate(zip(stride, start, strict=True)):
        assert step is not None
        assert first is not None
        if layer.pool is not None:
            reach = (layer.pool.kernel_size[axis] - 1) * layer.pool.dilation[axis]
            size[axis] += round(reach * step)
            first -= round(layer.pool.padding[axis] * step)
            step *= layer.pool.stride[axis]
        if step != int(step):
            return None
        steps.append(int(step))
        firsts.append(first)
    return {"size": size, "stride": steps, "start": firsts}
