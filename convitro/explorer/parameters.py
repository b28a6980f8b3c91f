"""What a request asks for, checked: each parameter becomes a thing that exists, or a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convitro.aggregation import resolve
from convitro.anatomy import Anatomy, LayerAnatomy
from convitro.errors import closest
from convitro.explorer.problems import RequestProblem

MAX_LENGTH = 300


@dataclass(frozen=True)
class Parameters:
    """The query of a request. Every method raises RequestProblem (400 or 404) where it does not fit."""

    query: Mapping[str, str]

    def text(self, name: str, length: int = MAX_LENGTH) -> str:
        """A short text; empty where it is absent."""
        value = self.query.get(name, "")
        if len(value) > length:
            raise RequestProblem(400, f"`{name}` is too long.", f"at most {length} characters")
        return value

    def integer(self, name: str, below: int) -> int:
        """An integer of 0 … below - 1; 0 where it is absent."""
        text = self.text(name) or "0"
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else below
        if value >= below:
            raise RequestProblem(400, f"`{name}` is not a whole number of 0 to {below - 1}.")
        return value

    def choices(self, name: str, below: int) -> list[int]:
        """At most two integers "3,5" of 0 … below - 1; none where it is absent."""
        parts = self.text(name).split(",") if self.text(name) else []
        numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 10]
        if len(numbers) != len(parts) or len(parts) > 2 or any(number >= below for number in numbers):
            hint = f"{name}=3 or {name}=3,5"
            raise RequestProblem(400, f"`{name}` is not one or two numbers of 0 to {below - 1}.", hint)
        return numbers

    def names(self, name: str, most: int) -> list[str]:
        """At most so many different names between commas; none where it is absent."""
        found = [part for part in dict.fromkeys(self.text(name).split(",")) if part]
        if len(found) > most:
            raise RequestProblem(400, f"`{name}` are too many.", f"at most {most}")
        return found

    def layer(self, anatomy: Anatomy) -> LayerAnatomy:
        """The layer of that name."""
        name = self.text("layer")
        if name not in anatomy:
            hint = closest(name, anatomy) or "the layers are " + ", ".join(list(anatomy)[:12])
            raise RequestProblem(404, "The network has no such layer.", hint)
        return anatomy[name]

    def filter(self, layer: LayerAnatomy) -> int:
        """The index of one of the layer's filters."""
        return self.integer("filter", layer.problem.out_channels)

    def start(self, layer: LayerAnatomy) -> int:
        """The position of the first channel of a page, among those that a filter reads."""
        return self.integer("start", layer.problem.channels_per_filter)

    def pixel(self, layer: LayerAnatomy) -> tuple[int, int] | None:
        """A pixel "y,x" of the layer's maps; None where it is absent."""
        text = self.text("pixel")
        if not text:
            return None
        parts = text.split(",")
        numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 10]
        rows, columns = layer.output_size
        if len(parts) != 2 or len(numbers) != 2 or numbers[0] >= rows or numbers[1] >= columns:
            raise RequestProblem(
                400, f"`pixel` is no place of a map of {rows} x {columns}.", "pixel=row,column"
            )
        return numbers[0], numbers[1]

    def aggregation(self) -> str | None:
        """The name or spec of an aggregation; None is the layer's own."""
        text = self.text("aggregation")
        if not text:
            return None
        if resolve(text).separate:
            hint = "its maps are the partial maps themselves; choose another to see one map"
            raise RequestProblem(400, f'"{text}" makes no single map.', hint)
        return text
