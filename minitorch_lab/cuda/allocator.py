"""A caching allocator, simulated: what CuPy's pool does with a GPU's memory, on any machine.

A size is rounded up to 512 bytes. The smallest free piece that is large enough is taken, and what
is left of it stays free; pieces that lie side by side are joined when they are given back. Only
where none is large enough the driver is asked for more, which takes it long, and nothing goes back
to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

UNIT = 512


def rounded(size: int) -> int:
    """The bytes that a request takes."""
    return max(-(-size // UNIT), 1) * UNIT


@dataclass(eq=False)
class Piece:
    """A part of the memory that the driver gave, free or in use."""

    start: int  # in the order in which the driver gave it
    size: int
    free: bool
    left: Piece | None = None
    right: Piece | None = None


@dataclass
class CachingAllocator:
    """The pool: ``take`` and ``give`` pieces; the figures tell how well it did.

    >>> pool = CachingAllocator()
    >>> first = pool.take(1000)
    >>> pool.give(first)
    >>> second = pool.take(700)
    >>> pool.reserved, pool.live, pool.asked, pool.reused
    (1024, 1024, 1, 1)
    """

    pieces: list[Piece] = field(default_factory=list)
    reserved: int = 0  # bytes that the driver gave
    live: int = 0  # bytes of pieces in use
    peak: int = 0  # the most of them
    asked: int = 0  # requests that went to the driver
    reused: int = 0  # requests that did not

    def take(self, size: int) -> Piece:
        """A piece for so many bytes."""
        wanted = rounded(size)
        fitting = [p for p in self.pieces if p.free and p.size >= wanted]
        if fitting:
            piece = min(fitting, key=lambda p: p.size)
            self.reused += 1
            if piece.size > wanted:
                self._split(piece, wanted)
        else:
            piece = Piece(self.reserved, wanted, True)
            self.pieces.append(piece)
            self.reserved += wanted
            self.asked += 1
        piece.free = False
        self.live += wanted
        self.peak = max(self.peak, self.live)
        return piece

    def _split(self, piece: Piece, size: int) -> None:
        rest = Piece(piece.start + size, piece.size - size, True, piece, piece.right)
        if piece.right is not None:
            piece.right.left = rest
        piece.right, piece.size = rest, size
        self.pieces.append(rest)

    def give(self, piece: Piece) -> None:
        """Give a piece back: it is joined with free neighbours."""
        self.live -= piece.size
        piece.free = True
        if piece.right is not None and piece.right.free:
            self._join(piece, piece.right)
        if piece.left is not None and piece.left.free:
            self._join(piece.left, piece)

    def _join(self, left: Piece, right: Piece) -> None:
        left.size += right.size
        left.right = right.right
        if right.right is not None:
            right.right.left = left
        self.pieces.remove(right)

    @property
    def free(self) -> int:
        """Bytes that the pool has and nobody uses."""
        return self.reserved - self.live

    @property
    def largest(self) -> int:
        """Bytes of the largest free piece: what can be taken without asking the driver."""
        return max((p.size for p in self.pieces if p.free), default=0)

    @property
    def fragmentation(self) -> float:
        """Which share of the free bytes does not lie in the largest free piece."""
        return 1 - self.largest / self.free if self.free else 0.0
