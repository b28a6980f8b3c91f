"""The three small matrices of Winograd's algorithm, from exact fractions, and how one is applied to vectors.

F(m, r) computes m neighbouring results of a filter of r numbers from m + r - 1 products instead of r m:
results = A' ((G filter) * (B' numbers)). In two dimensions each matrix is applied to rows and to columns.
B' depends on m + r only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from convitro.engine.cpu.vector import Value

Row = tuple[Fraction, ...]
Matrix = tuple[Row, ...]


@dataclass(frozen=True)
class Transform:
    """F(outputs x outputs, taps x taps).

    Attributes:
        outputs: rows and columns of results in a tile.
        taps: rows and columns of a filter.
        input: B', what happens to numbers.
        weight: G, what happens to weights.
        output: A', what happens to sums of products.
    """

    outputs: int
    taps: int
    input: Matrix
    weight: Matrix
    output: Matrix

    @property
    def size(self) -> int:
        """Rows and columns of numbers in a tile."""
        return self.outputs + self.taps - 1

    @property
    def amplification(self) -> float:
        """How large the terms of a result can get, numbers and weights up to 1; a direct sum has taps**2."""
        sides = [[sum(map(abs, row)) for row in matrix] for matrix in (self.weight, self.input)]
        terms = [weight * number for weight, number in zip(*sides, strict=True)]
        return (
            max(float(sum(abs(c) * t for c, t in zip(row, terms, strict=True))) for row in self.output) ** 2
        )

    @property
    def products(self) -> int:
        """Products of a tile, for each channel and filter."""
        return self.size**2


def cook_toom(points: Sequence[Fraction], scales: Sequence[Fraction], taps: int = 3) -> Transform:
    """The algorithm that evaluates polynomials at `points` and at infinity.

    Args:
        points: different numbers, taps - 2 more than results.
        scales: one for each point: what its products are multiplied with, undone in the weights.
        taps: rows and columns of a filter.

    Source:
        Toom 1963 and Cook 1966, transposed as in Winograd, Arithmetic Complexity of Computations, 1980.
    """
    outputs = len(points) + 2 - taps
    ends = tuple(Fraction(int(row == outputs - 1)) for row in range(outputs))
    columns = [
        tuple(scale * point**row for row in range(outputs)) for point, scale in _zipped(points, scales)
    ]
    others = [tuple(other for other in points if other != point) for point in points]
    weights = [
        tuple(point**column / scale / _value(other, point) for column in range(taps))
        for (point, scale), other in zip(_zipped(points, scales), others, strict=True)
    ]
    last = tuple(Fraction(int(column == taps - 1)) for column in range(taps))
    numbers = [(*_coefficients(other), Fraction(0)) for other in others]
    return Transform(
        outputs=outputs,
        taps=taps,
        input=(*numbers, _coefficients(points)),
        weight=(*weights, last),
        output=tuple(zip(*columns, ends, strict=True)),
    )


def _zipped(points: Sequence[Fraction], scales: Sequence[Fraction]) -> list[tuple[Fraction, Fraction]]:
    return list(zip(points, scales, strict=True))


def _value(roots: Sequence[Fraction], x: Fraction) -> Fraction:
    """The polynomial with these roots at `x`."""
    result = Fraction(1)
    for root in roots:
        result *= x - root
    return result


def _coefficients(roots: Sequence[Fraction]) -> Row:
    """The polynomial with these roots: its coefficients, the constant one first, the last one is 1."""
    result = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *result], [*(root * c for c in result), Fraction(0)]
        result = [a - b for a, b in zip(shifted, scaled, strict=True)]
    return tuple(result)


NEAR, FAR = Fraction(2, 3), Fraction(3, 2)
POINTS = (Fraction(0), NEAR, -NEAR, FAR, -FAR)
SCALES = (Fraction(1), 1 / NEAR, 1 / NEAR, 1 / FAR**2, 1 / FAR**2)
TRANSFORMS = {taps: cook_toom(POINTS, SCALES, taps) for taps in (2, 3, 4, 5)}
"""By the rows and columns of a filter. Tiles have 6 x 6 numbers and 36 products: for 25 results of filters of
2 x 2, 16 of 3 x 3, 9 of 4 x 4 and 4 of 5 x 5, where the definition takes 100, 144, 144 and 100.

The points were chosen by their measured error among pairs of opposite fractions; pairs halve the work of
the transforms. With 32 channels of normal numbers the rms error is 3.2, 1.9, 1.4 and 1.2 times that of the
direct sum; with the points 0, 1, -1, 2, -2 it is 6.7, 4.4, 3.7 and 2.7 times. The scales make two rows of
`output` simpler.
"""
FOUR = TRANSFORMS[3]
"""F(4x4, 3x3)."""
TWO = cook_toom((Fraction(0), Fraction(1), Fraction(-1)), [Fraction(1)] * 3)
"""F(2x2, 3x3): 16 products for 4 results. Its weights take less than half the memory of those of `FOUR`."""


def transforms(taps: int) -> tuple[Transform, ...]:
    """All that compute filters of so many rows and columns, the one with the largest tiles first."""
    return tuple(transform for transform in (*TRANSFORMS.values(), TWO) if transform.taps == taps)


def transform_of(taps: int, outputs: int) -> Transform:
    """The one whose tiles have so many rows and columns of results."""
    return next(transform for transform in transforms(taps) if transform.outputs == outputs)


def apply(matrix: Matrix, vectors: Sequence[Value]) -> list[Value]:
    """matrix times a column of vectors. What opposite rows or opposite columns share is computed once."""
    columns = tuple(zip(*matrix, strict=True))
    pair = _opposites(columns)
    if pair is None:
        return _rows(matrix, vectors)
    first, second = pair
    kept = [column for number, column in enumerate(columns) if number not in pair]
    others = [vector for number, vector in enumerate(vectors) if number not in pair]
    even = tuple(a if a == b else Fraction(0) for a, b in zip(columns[first], columns[second], strict=True))
    odd = tuple(a if a == -b else Fraction(0) for a, b in zip(columns[first], columns[second], strict=True))
    halves = [vectors[first] + vectors[second], vectors[first] - vectors[second]]
    return apply(tuple(zip(*kept, even, odd, strict=True)), [*others, *halves])


def _opposites(rows: Sequence[Row]) -> tuple[int, int] | None:
    """Two rows that are equal in some places and opposite in the others."""
    for second, row in enumerate(rows):
        for first in range(second):
            pairs = [(a, b) for a, b in zip(rows[first], row, strict=True) if a or b]
            same = sum(a == b for a, b in pairs)
            if 0 < same < len(pairs) and all(abs(a) == abs(b) for a, b in pairs):
                return first, second
    return None


def _rows(matrix: Matrix, vectors: Sequence[Value]) -> list[Value]:
    """Each row's combination; two opposite rows are an even part plus and minus an odd one."""
    results: list[Value | None] = [None] * len(matrix)
    left = list(range(len(matrix)))
    while (pair := _opposites([matrix[row] for row in left])) is not None:
        first, second = (left[number] for number in pair)
        places = range(len(vectors))
        even = [
            c if c == matrix[second][k] else Fraction(0) for k, c in zip(places, matrix[first], strict=True)
        ]
        odd = [c - e for c, e in zip(matrix[first], even, strict=True)]
        lead = next(c for c in reversed(odd) if c)
        shared, other = combination(even, vectors), combination([c / lead for c in odd], vectors)
        results[first] = _plus(shared, lead, other)
        results[second] = _plus(shared, -lead, other)
        left = [row for row in left if row not in (first, second)]
    return [results[row] or combination(matrix[row], vectors) for row in range(len(matrix))]


def combination(coefficients: Sequence[Fraction], vectors: Sequence[Value]) -> Value:
    """The sum of coefficient * vector, the smallest coefficients last; at least one is not zero."""
    terms = [(c, vector) for c, vector in zip(coefficients, vectors, strict=True) if c]
    start = next((i for i, (c, _) in enumerate(terms) if c == 1), 0)
    first, vector = terms.pop(start)
    total = vector if first == 1 else vector * float(first)
    for coefficient, vector in terms:
        total = _plus(total, coefficient, vector)
    return total


def _plus(total: Value, coefficient: Fraction, vector: Value) -> Value:
    if abs(coefficient) == 1:
        return total + vector if coefficient > 0 else total - vector
    return vector.fma(float(coefficient), total)


def both_sides(
    matrix: Matrix, entry: Callable[[int, int], Value], store: Callable[[int, int, Value], None]
) -> None:
    """matrix * square * matrix': columns of the square first, then rows of what came out.

    Args:
        entry: gives the number in a row and column; the square has as many as the matrix has columns.
        store: takes a result's row, column and value; the result has as many as the matrix has rows.
    """
    size = range(len(matrix[0]))
    columns = [apply(matrix, [entry(row, column) for row in size]) for column in size]
    for row in range(len(matrix)):
        for column, value in enumerate(apply(matrix, [numbers[row] for numbers in columns])):
            store(row, column, value)
