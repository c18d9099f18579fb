"""Random numbers: the same as PyTorch's on a CPU, bit for bit.

PyTorch draws from the Mersenne twister, mt19937, with the seeding that NumPy calls legacy. A draw
is 32 bits. What is made of the draws is here:

- ``uniform``: float32 takes the low 24 bits of one draw, float64 the low 53 bits of two.
- ``normal``: below 16 numbers Box-Muller in float64 with a spare number that is kept for the next
  call; from 16 on in blocks of 16 uniform numbers, 8 for the radius and 8 for the angle, and where
  the size is no multiple of 16 the last 16 numbers are drawn again.
- ``randint``: one draw modulo the range, two draws from a range of 2**28 on.
- ``randperm``: a Fisher-Yates shuffle, one draw for each swap.
- ``bernoulli``: a uniform number below ``p``; in float64, or in the dtype of an array ``p``.
- ``exponential``: ``-log1p(-u)`` of a float64 uniform number; ``multinomial`` is built on both.

PyTorch's float32 ``randn`` takes logarithm, sine and cosine from float32 polynomials (Cephes) in
AVX2 code with fused multiply-adds. They are followed here operation by operation: float64 holds the
product of two float32 numbers exactly, so that one rounding to float32 after the sum is the fused
operation. (Rounding the sum to float64 first could differ; for each of the 2**24 numbers that a
uniform draw can be, it does not.)

The reference is PyTorch 2.13 on an x86 CPU. On other CPUs PyTorch itself differs in the last bits
of ``randn``. Functions that use float64 logarithms and sines here call the machine's C library, as
PyTorch does.

This module returns NumPy arrays; it knows no tensors.
"""

from __future__ import annotations

import ctypes
import math
import operator
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from functools import cache
from threading import Lock
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .dtypes import DType, dtype_of
from .errors import ArgumentError, ComputeError, DTypeError, KindError, ShapeError, describe

Array: TypeAlias = NDArray[Any]
F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]
Shape: TypeAlias = int | Sequence[int]
Kind: TypeAlias = DType | np.dtype[Any] | str  # what may be given for a dtype

DEFAULT_SEED = 67280421310721  # the seed of a new Generator, as in PyTorch
STATE_BYTES = 5056
_HEAD = struct.Struct("<QiiQ")  # seed, left, seeded, next
_TAIL = struct.Struct("<dddi4xfi")  # normal_x, normal_y, normal_rho, its flag; a float32 twin
_KEY_END = _HEAD.size + 8 * 624

_BLOCK = 16  # numbers that one step of PyTorch's normal_ makes
_CHUNK = 2048 * _BLOCK  # numbers worked on at a time, so that all stays in the cache


class Generator:
    """A source of random numbers with a seed and a state of its own.

    The numbers are always drawn on the CPU, also for ``device="cuda"``, so that a seed gives the
    same numbers on both. A generator may be used from several threads: each call is one unit.

    >>> g = Generator().manual_seed(42)
    >>> g.uniform(3)
    array([0.88226926, 0.91500396, 0.38286376], dtype=float32)
    >>> g.randperm(5).tolist(), g.initial_seed()
    ([4, 3, 0, 1, 2], 42)
    """

    __slots__ = ("_bits", "_legacy", "_lock", "_seed", "_spare", "_words", "device")

    def __init__(self, device: Any = "cpu") -> None:
        self.device = device
        self._bits = np.random.MT19937(0)
        self._words = np.random.Generator(self._bits)  # its uint32 integers are the raw draws
        self._legacy = np.random.RandomState(self._bits)  # the only public way to the seeding
        self._lock = Lock()
        self._seed: int
        self._spare: float | None
        self._reset(DEFAULT_SEED)

    def __repr__(self) -> str:
        return f"Generator(device={str(self.device)!r}, initial_seed={self._seed})"

    # --- seed and state ---

    def manual_seed(self, seed: SupportsIndex) -> Generator:
        """Start again from ``seed``, an int from ``-2**63`` to ``2**64 - 1``, and return self.

        A negative seed stands for ``2**64 + seed``. The twister uses the low 32 bits.

        >>> Generator().manual_seed(-1).initial_seed() == 2**64 - 1
        True
        """
        number = _integer("manual_seed(seed)", "seed", seed, "an int such as 42")
        if not -(2**63) <= number < 2**64:
            raise ArgumentError(
                f"manual_seed(seed): the seed does not fit into 64 bits\n"
                f"  seed  {number}\n"
                f"  expected an int from -2**63 to 2**64 - 1"
            )
        with self._lock:
            self._reset(number % 2**64)
        return self

    def seed(self) -> int:
        """Start from a seed that the operating system draws, and return this seed."""
        number = int.from_bytes(os.urandom(8), "little") >> 11  # 53 bits, as in PyTorch
        with self._lock:
            self._reset(number)
        return number

    def initial_seed(self) -> int:
        """The seed that this generator started from."""
        return self._seed

    def get_state(self) -> NDArray[np.uint8]:
        """The state, uint8 of shape (5056,): byte for byte what PyTorch's ``get_state`` gives.

        >>> g = Generator()
        >>> state = g.get_state()
        >>> first = g.uniform(2)
        >>> g.set_state(state)
        >>> bool((g.uniform(2) == first).all())
        True
        """
        with self._lock:
            inner: dict[str, Any] = self._bits.state["state"]  # type: ignore[assignment]
            seed, spare = self._seed, self._spare
        key, used = inner["key"], int(inner["pos"])  # 624 words, words of them already used
        fresh = used == 624 and int(key[0]) == seed % 2**32
        return np.frombuffer(
            bytearray(
                _HEAD.pack(seed, 625 - used, 1, 0 if fresh else used)
                + key.astype("<u8").tobytes()
                + _TAIL.pack(0.0, spare or 0.0, 0.0, spare is not None, 0.0, 0)
            ),
            np.uint8,
        )

    def set_state(self, state: Any) -> None:
        """Go back to a state that ``get_state`` returned, here or in PyTorch.

        >>> Generator().set_state(Generator().manual_seed(3).get_state())
        """
        if not isinstance(state, np.ndarray):
            array = getattr(state, "array", None)  # a tensor holds one
            state = array if isinstance(array, np.ndarray) else state
        if not isinstance(state, np.ndarray) or state.dtype != np.uint8:
            raise KindError(
                f"set_state(state): got {describe(state)}\n"
                f"  expected uint8 ({STATE_BYTES},), as get_state() returns it"
            )
        if state.shape != (STATE_BYTES,):
            raise ArgumentError(
                f"set_state(state): got uint8 {state.shape}\n  expected uint8 ({STATE_BYTES},)"
            )
        data = state.tobytes()
        seed, left, seeded, _ = _HEAD.unpack_from(data)
        _, spare, _, has_spare, _, _ = _TAIL.unpack_from(data, _KEY_END)
        if not (seeded == 1 and 1 <= left <= 624):
            raise ArgumentError(
                "set_state(state): these bytes are not the state of a generator\n"
                "  expected what get_state() returned"
            )
        key = np.frombuffer(data, "<u8", 624, _HEAD.size).astype(np.uint32)
        with self._lock:
            self._bits.state = {
                "bit_generator": "MT19937",
                "state": {"key": key, "pos": 625 - left},
            }
            self._seed, self._spare = seed, spare if has_spare else None

    def clone_state(self) -> Generator:
        """A new generator that goes on from here, with the same numbers."""
        twin = Generator(self.device)
        twin.set_state(self.get_state())
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Generator:
        return self.clone_state()

    def _reset(self, seed: int) -> None:
        self._legacy.seed(seed % 2**32)
        self._seed = seed
        self._spare = None  # the second number of the last Box-Muller pair

    # --- draws; the methods below hold the lock ---

    def _draw32(self, count: int) -> NDArray[np.uint32]:
        return self._words.integers(0, 2**32, size=count, dtype=np.uint32)

    def _draw64(self, count: int) -> NDArray[np.uint64]:
        pairs = self._bits.random_raw(2 * count)  # as uint64, and quicker than integers()
        return (pairs[0::2] << np.uint64(32)) | pairs[1::2]

    def _below(self, count: int, chance: float) -> NDArray[np.bool_]:
        """Whether each of ``count`` float64 uniform numbers is below ``chance``.

        Two whole numbers are compared instead, their upper words first: these decide but once in
        two million draws.
        """
        upper, lower = _halves(chance)
        pairs = self._bits.random_raw(2 * count)
        first = pairs[0::2] & np.uint64(2**21 - 1)
        out: NDArray[np.bool_] = first < upper
        equal = first == upper
        if equal.any():
            out[equal] = pairs[1::2][equal] < lower
        return out

    def _uniform32(self, count: int) -> F32:
        words = self._draw32(count)
        words &= np.uint32(0xFFFFFF)
        unit = words.astype(np.float32)
        unit *= np.float32(2.0**-24)
        return unit

    def _uniform64(self, count: int) -> F64:
        words = self._draw64(count)
        words &= np.uint64(2**53 - 1)
        unit = words.astype(np.float64)
        unit *= 2.0**-53
        return unit

    # --- what is made of them ---

    def uniform(
        self, shape: Shape, low: float = 0.0, high: float = 1.0, dtype: Kind = "float32"
    ) -> Array:
        """Numbers from ``[low, high)``, equally likely: ``rand`` and ``uniform_``.

        >>> Generator().manual_seed(0).uniform((1, 2), -1, 1)
        array([[-0.00748682,  0.5364436 ]], dtype=float32)
        """
        sizes = _shape("uniform", shape)
        kind = _float_kind("uniform", dtype)
        if not low <= high:
            raise ComputeError(
                f"uniform(shape, low, high): low is above high\n  low   {low}\n  high  {high}\n"
                f"  expected low <= high"
            )
        count = math.prod(sizes)
        with self._lock:
            unit: Array = self._uniform64(count) if kind == np.float64 else self._uniform32(count)
        if (low, high) != (0, 1):
            if kind == np.float64:
                low, high = float(low), float(high)
                unit = _fma64(unit, high - low, low)
            else:
                lo, hi = np.float32(low), np.float32(high)
                unit = _fma32(unit, float(hi - lo), float(lo))
        out = unit.astype(kind, copy=False)
        if low < high:  # rounding can reach high, which the interval leaves out
            out[out == kind.type(high)] = kind.type(low)
        return out.reshape(sizes)

    def normal(
        self, shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: Kind = "float32"
    ) -> Array:
        """Numbers of the normal distribution: ``randn`` and ``normal_``.

        >>> Generator().manual_seed(0).normal(2)
        array([ 1.5409961, -0.2934289], dtype=float32)
        """
        sizes = _shape("normal", shape)
        kind = _float_kind("normal", dtype)
        if not std >= 0:
            raise ComputeError(
                f"normal(shape, mean, std): std is negative\n  std  {std}\n  expected std >= 0"
            )
        count = math.prod(sizes)
        with self._lock:
            if count < _BLOCK:
                out = self._normal_few(count, float(mean), float(std), kind)
            else:
                out = self._normal_many(count, float(mean), float(std), kind)
        return out.reshape(sizes)

    def _normal_few(self, count: int, mean: float, std: float, kind: np.dtype[Any]) -> Array:
        values = []
        for _ in range(count):  # fewer than 16, in Python: math has the C library's last bits
            value = self._spare
            self._spare = None
            if value is None:
                u1, u2 = self._uniform64(2).tolist()
                radius = math.sqrt(-2.0 * math.log1p(-u2))
                theta = 2.0 * math.pi * u1
                self._spare = radius * math.sin(theta)
                value = radius * math.cos(theta)
            if (mean, std) != (0.0, 1.0):
                value = _fma_one(value, std, mean)
            values.append(value)
        out = np.array(values, np.float64)
        return _narrow(out, kind)

    def _normal_many(self, count: int, mean: float, std: float, kind: np.dtype[Any]) -> Array:
        whole = count - count % _BLOCK
        wide = kind == np.float64
        unit: Callable[[int], Array] = self._uniform64 if wide else self._uniform32
        box_muller = _box_muller64 if wide else _box_muller32
        # PyTorch fills the whole array with uniform numbers, then leaves the ones past the last
        # block unused; in float16 it draws no such numbers.
        uniforms = unit(whole if kind == np.float16 else count)
        out = np.empty(count, uniforms.dtype)
        box_muller(uniforms[:whole], out[:whole], mean, std)
        if count != whole:
            box_muller(unit(_BLOCK), out[-_BLOCK:], mean, std)
        return out.astype(kind, copy=False)

    def randint(self, low: int, high: int, shape: Shape, dtype: Kind = "int64") -> Array:
        """Integers from ``low`` to ``high - 1``, equally likely (up to the modulo).

        >>> Generator().manual_seed(0).randint(0, 10, (5,))
        array([4, 9, 3, 0, 3])
        """
        call = "randint(low, high, shape)"
        low = _integer(call, "low", low, "an int")
        high = _integer(call, "high", high, "an int")
        sizes = _shape("randint", shape)
        kind = dtype_of(dtype).np
        if low >= high:
            raise ComputeError(
                f"{call}: low is not below high\n  low   {low}\n  high  {high}\n"
                f"  expected low < high"
            )
        least, most = _integer_range(kind)
        if low < least or high - 1 > most:
            raise ComputeError(
                f"{call}: {kind} does not hold these integers\n"
                f"  low   {low}\n  high  {high}\n"
                f"  expected integers from {least} to {most}"
            )
        count, span = math.prod(sizes), high - low
        with self._lock:
            # the dtype plays no part here: 2**28 is where the modulo of 32 bits gets too uneven
            if span < 2**28:
                values = (self._draw32(count) % np.uint32(span)).astype(np.int64) + low
            else:
                words = self._draw64(count) % np.uint64(span)
                values = (words + np.uint64(low % 2**64)).view(np.int64)  # the sum may wrap
        return values.astype(kind, copy=False).reshape(sizes)

    def randperm(self, n: int, dtype: Kind = "int64") -> Array:
        """The integers from 0 to ``n - 1`` in random order, shape ``(n,)``.

        >>> Generator().manual_seed(42).randperm(4)
        array([2, 3, 0, 1])
        """
        kind = dtype_of(dtype).np
        return np.fromiter(self.permutation(n), np.int64, n).astype(kind, copy=False)

    def permutation(self, n: int) -> list[int]:
        """The same order as ``randperm``, as a list.

        >>> Generator().manual_seed(42).permutation(4)
        [2, 3, 0, 1]
        """
        n = _integer("randperm(n)", "n", n, "an int")
        if not 0 <= n < 2**32 // 20:  # from there on PyTorch shuffles in another way
            raise ComputeError(
                f"randperm(n): got {n}\n  expected an int from 0 to {2**32 // 20 - 1}"
            )
        order = list(range(n))
        if n > 1:
            ahead = np.arange(n - 1, dtype=np.uint32)
            with self._lock:
                draws = self._draw32(n - 1)
            partners = draws % (np.uint32(n) - ahead) + ahead
            # a swap depends on those before it, so this is a loop; lists are the fastest for it
            for i, partner in enumerate(partners.tolist()):
                order[i], order[partner] = order[partner], order[i]
        return order

    def random_int64(self) -> int:
        """One integer from 0 to ``2**63 - 1``: ``torch.empty((), dtype=int64).random_()``.

        >>> Generator().manual_seed(42).random_int64()
        6909045637428952499
        """
        with self._lock:
            return int(self._draw64(1)[0]) % 2**63

    def whole(self, shape: Shape, dtype: Kind = "int64") -> Array:
        """Whole numbers from 0 to the largest that the dtype holds: ``random_()``.

        >>> Generator().manual_seed(42).whole(2, "uint8")
        array([102, 179], dtype=uint8)
        """
        sizes = _shape("whole", shape)
        kind = dtype_of(dtype).np
        span = np.uint64(_integer_range(kind)[1] + 1)
        count = math.prod(sizes)
        with self._lock:
            wide = kind.itemsize == 8
            words = self._draw64(count) if wide else self._draw32(count).astype(np.uint64)
        return (words % span).astype(kind).reshape(sizes)

    def bernoulli(self, shape: Shape | None, p: float | Array, dtype: Kind = "float32") -> Array:
        """Ones with probability ``p``, else zeros: ``bernoulli_`` and the mask of dropout.

        ``p`` is a number, or an array that broadcasts to ``shape`` (None: the shape of ``p``).

        >>> Generator().manual_seed(42).bernoulli(6, 0.3)
        array([1., 1., 1., 1., 0., 0.], dtype=float32)
        """
        kind = dtype_of(dtype).np
        chance = np.asarray(p)
        sizes = chance.shape if shape is None else _shape("bernoulli", shape)
        low, high = (p, p) if chance.ndim == 0 else (0, 1)
        if chance.ndim and chance.size:
            low, high = chance.min(), chance.max()
        if not (low >= 0 and high <= 1):  # NaN neither
            raise ComputeError(
                f"bernoulli(shape, p): p is not a probability\n"
                f"  p  from {low} to {high}\n  expected 0 <= p <= 1"
            )
        try:
            chance = np.broadcast_to(chance, sizes) if chance.ndim else chance
        except ValueError:
            raise ShapeError(
                f"bernoulli(shape, p): p does not broadcast to the shape\n"
                f"  shape  {sizes}\n  p      {chance.shape}"
            ) from None
        single = chance.ndim > 0 and chance.dtype != np.float64
        count = math.prod(sizes)
        with self._lock:
            if not chance.ndim:
                return self._below(count, float(chance)).reshape(sizes).astype(kind)
            unit: Array = self._uniform32(count) if single else self._uniform64(count)
        return (unit.reshape(sizes) < chance).astype(kind)

    def compare(self, chance: float, fill: Callable[[int, int, int], None]) -> None:
        """Let compiled code draw what ``bernoulli`` would: ``fill(state, upper, lower)``.

        ``state`` is the address of the twister, from which ``next_word`` draws. Two words make a
        number: the low 21 bits of the first, and the second, are compared with ``upper, lower``.
        """
        upper, lower = _halves(chance)
        with self._lock:
            fill(self._bits.ctypes.state_address, upper, lower)

    def exponential(self, shape: Shape, rate: float = 1.0, dtype: Kind = "float32") -> Array:
        """Waiting times with mean ``1 / rate``: ``exponential_``.

        >>> Generator().manual_seed(0).exponential(2)
        array([3.5083263, 1.2303847], dtype=float32)
        """
        sizes = _shape("exponential", shape)
        kind = _float_kind("exponential", dtype)
        if not rate > 0:
            raise ComputeError(f"exponential(shape, rate): got rate = {rate}\n  expected rate > 0")
        with self._lock:
            times = self._exponential(sizes, rate)
        return _narrow(times, kind)

    def _exponential(self, sizes: tuple[int, ...], rate: float) -> Array:
        unit = self._uniform64(math.prod(sizes))
        return (-1.0 / rate * _each(math.log1p, -unit)).reshape(sizes)

    def multinomial(self, weights: Array, num_samples: int, replacement: bool = False) -> Array:
        """Indices drawn with probabilities in proportion to ``weights``: ``multinomial``.

        ``weights`` is a float array of shape ``(n,)`` or ``(rows, n)``; the result, int64, has
        shape ``(num_samples,)`` or ``(rows, num_samples)``.

        >>> Generator().manual_seed(0).multinomial(np.array([0.1, 0.0, 0.9]), 4, replacement=True)
        array([2, 2, 2, 2])
        """
        call = "multinomial(weights, num_samples)"
        num_samples = _integer(call, "num_samples", num_samples, "an int such as 1")
        _float_kind("multinomial", weights.dtype)
        if weights.ndim not in (1, 2):
            raise ShapeError(f"{call}: got weights {weights.shape}\n  expected (n,) or (rows, n)")
        n = weights.shape[-1]
        if num_samples < 1 or (num_samples > n and not replacement):
            raise ComputeError(
                f"{call}: cannot draw {num_samples} of {n} indices without replacement\n"
                f"  expected num_samples from 1 to {n}, or replacement=True"
            )
        sums = weights.sum(axis=-1)
        if not (np.isfinite(sums).all() and (weights >= 0).all() and (sums > 0).all()):
            raise ComputeError(
                f"{call}: the weights are no probabilities\n"
                f"  weights  from {weights.min()} to {weights.max()}\n"
                f"  expected finite weights >= 0, and not all of them 0"
            )
        if not replacement or num_samples == 1:
            # the first of n waiting times whose rates are the weights
            with self._lock:
                times = _narrow(self._exponential(weights.shape, 1.0), weights.dtype)
            return np.argsort(-(weights / times), axis=-1, kind="stable")[..., :num_samples]
        chances = np.cumsum(weights, axis=-1)
        chances /= chances[..., -1:]
        with self._lock:
            unit = self._uniform64(math.prod(weights.shape[:-1]) * num_samples)
        rows = zip(chances.reshape(-1, n), unit.reshape(-1, num_samples), strict=True)
        found = [np.searchsorted(row, numbers) for row, numbers in rows]
        return np.array(found, np.int64).reshape(*weights.shape[:-1], num_samples)


# --- Box-Muller, 16 numbers at a time: (8 radii, 8 angles) -> (8 cosines, 8 sines) ---


def _box_muller64(unit: F64, out: F64, mean: float, std: float) -> None:
    """Normal numbers from uniform ones, both of shape (16 n,); last bits from the C library."""
    pairs = unit.reshape(-1, 2, 8)
    radius = np.sqrt(-2.0 * _each(math.log, 1.0 - pairs[:, 0]))  # (n, 8)
    theta = 2.0 * math.pi * pairs[:, 1]
    both = out.reshape(-1, 2, 8)
    np.multiply(radius, _each(math.cos, theta), out=both[:, 0])
    np.multiply(radius, _each(math.sin, theta), out=both[:, 1])
    # also for mean 0 and std 1: adding 0 makes 0 of -0, as in PyTorch
    out[:] = out + 0.0 if (mean, std) == (0.0, 1.0) else _fma64(out, std, mean)


def _narrow(x: F64, kind: np.dtype[Any]) -> Array:
    """``x`` in another float dtype; to float16 it goes by way of float32, as in PyTorch."""
    return (x.astype(np.float32) if kind == np.float16 else x).astype(kind, copy=False)


def _each(function: Callable[[float], float], x: F64) -> F64:
    """``function`` of each entry. NumPy's own log differs from the C library's in last bits."""
    return np.fromiter(map(function, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


def _box_muller32(unit: F32, out: F32, mean: float, std: float) -> None:
    """Normal numbers from uniform ones, both of shape (16 n,), as PyTorch's AVX2 code."""
    mean, std = float(np.float32(mean)), float(np.float32(std))
    for start in range(0, unit.size, _CHUNK):
        pairs = unit[start : start + _CHUNK].reshape(-1, 2, 8)
        both = out[start : start + _CHUNK].reshape(-1, 2, 8)
        radius = np.sqrt(-2 * _log32(1 - pairs[:, 0]))  # (n, 8)
        cos, sin = _cos_sin32(pairs[:, 1] * _TWO_PI)
        np.multiply(radius, cos, out=both[:, 0])
        np.multiply(radius, sin, out=both[:, 1])
        if (mean, std) == (0.0, 1.0):
            both += 0  # makes 0 of -0, as in PyTorch
        else:
            both[:] = _fma32(both, std, mean)


_TWO_PI = np.float32(2 * math.pi)
_FOUR_OVER_PI = np.float32(4 / math.pi)
_SQRT_HALF = np.float32(math.sqrt(0.5))


def _singles(*numbers: float) -> list[float]:
    return [float(np.float32(number)) for number in numbers]


# Cephes: single/logf.c, single/sinf.c (Stephen Moshier)
_LOG = _singles(
    *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
    *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
)
_LN2_LOW, _LN2_HIGH = _singles(-2.12194440e-4, 0.693359375)
_QUARTER_PI = _singles(-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)
_SIN = _singles(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COS = _singles(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)


class _Single:
    """A float64 array that holds float32 numbers: each step is computed wide, then rounded."""

    __slots__ = ("narrow", "wide")

    def __init__(self, like: Array) -> None:
        self.narrow: F32 = np.empty(like.shape, np.float32)
        self.wide: F64 = np.empty(like.shape, np.float64)

    def round(self) -> None:
        self.narrow[...] = self.wide
        self.wide[...] = self.narrow

    def times(self, x: F64) -> None:
        self.wide *= x
        self.round()

    def times_plus(self, x: F64 | float, addend: F64 | float) -> None:
        """``self * x + addend`` with one rounding: a fused multiply-add."""
        self.wide *= x
        self.wide += addend
        self.round()


def _polynomial(coefficients: list[float], x: F64, y: _Single) -> None:
    """``y`` = the polynomial at ``x`` by Horner's rule; the highest power comes first."""
    y.wide[...] = coefficients[0]
    for coefficient in coefficients[1:]:
        y.times_plus(x, coefficient)


def _log32(u: F32) -> F32:
    """The logarithm of normal positive numbers: ``u = x' 2**e``, a polynomial in ``x' - 1``."""
    bits = u.view(np.uint32)
    exponent = (bits >> 23).astype(np.int32) - 126
    fraction = ((bits & np.uint32(0x007FFFFF)) | np.uint32(0x3F000000)).view(np.float32)
    low = fraction < _SQRT_HALF  # fraction is in [1/2, 1); keep it around 1
    x = fraction - 1 + fraction * low
    e = (exponent - low).astype(np.float64)

    x64 = x.astype(np.float64)
    square = (x * x).astype(np.float64)
    y = _Single(u)
    _polynomial(_LOG, x64, y)
    y.times(x64)
    y.times_plus(square, (e * _LN2_LOW).astype(np.float32))
    y.times_plus(1.0, square * -0.5)
    y.times_plus(1.0, x64)
    y.times_plus(1.0, e * _LN2_HIGH)  # this product is exact: _LN2_HIGH has 9 bits
    return y.narrow


def _cos_sin32(theta: F32) -> tuple[F32, F32]:
    """Cosine and sine of angles in [0, 2 pi]: taken back to [-pi/4, pi/4], then polynomials."""
    octant = ((theta * _FOUR_OVER_PI).astype(np.int32) + 1) & ~1  # 0, 2, 4, 6 or 8
    turns = octant.astype(np.float64)
    x = _Single(theta)
    x.wide[...] = theta
    for part in _QUARTER_PI:  # pi/4 in three parts, so that little is lost
        x.times_plus(1.0, turns * part)
    square = (x.narrow * x.narrow).astype(np.float64)

    cos = _Single(theta)
    _polynomial(_COS, square, cos)
    cos.times(square)
    cos.times_plus(square, square * -0.5)
    cos.times_plus(1.0, 1.0)

    sin = _Single(theta)
    _polynomial(_SIN, square, sin)
    sin.times(square)
    sin.times_plus(x.wide, x.wide)

    swap = (octant & 2) != 0  # the second and fourth quarter exchange the two
    c = np.where(swap, sin.narrow, cos.narrow)
    s = np.where(swap, cos.narrow, sin.narrow)
    np.negative(c, out=c, where=((octant + 2) & 4) != 0)
    np.negative(s, out=s, where=(octant & 4) != 0)
    return c, s


# --- fused multiply-add: a * b + c with one rounding, as the CPU does it in PyTorch's code ---


def _fma32(a: F32, b: float, c: float) -> F32:
    """``a * b + c`` for an array and two float32 numbers."""
    product = a.astype(np.float64)
    product *= b  # exact
    total = product + c
    out = total.astype(np.float32)
    # Two roundings differ from one only where the first lands midway between two float32 numbers.
    midway = (total.view(np.int64) & 0x1FFFFFFF) == 0x10000000
    if midway.any():
        total, product = total[midway], product[midway]
        lost = _sum_error(product, c, total)
        toward = np.copysign(np.inf, lost)
        out[midway] = np.where(lost == 0, total, np.nextafter(total, toward)).astype(np.float32)
    return out


def _fma64(a: F64, b: float, c: float) -> F64:
    """``a * b + c`` for an array and two float64 numbers.

    S. Boldo and G. Melquiond, Emulation of FMA and correctly rounded sums, IEEE ToC 57 (2008).
    """
    product = a * b
    product_low = _product_error(a, b, product)
    low = product_low + c
    low_error = _sum_error(product_low, c, low)
    high = product + low
    high_error = _sum_error(product, low, high)
    rest = low_error + high_error
    rest_error = _sum_error(low_error, high_error, rest)
    # round the rest to odd: then the last sum rounds as if it saw all bits
    even = (rest.view(np.int64) & 1) == 0
    step = np.nextafter(rest, np.copysign(np.inf, rest_error))
    return high + np.where((rest_error != 0) & even, step, rest)


def _sum_error(a: F64, b: F64 | float, total: F64) -> F64:
    """What rounding lost in ``total = a + b``, exactly (Knuth)."""
    part = total - a
    error: F64 = (a - (total - part)) + (b - part)
    return error


def _product_error(a: F64, b: float, product: F64) -> F64:
    """What rounding lost in ``product = a * b``, exactly (Dekker)."""
    scaled = a * 134217729.0  # 2**27 + 1 splits 53 bits into 26 and 26
    a_high = scaled - (scaled - a)
    a_low = a - a_high
    b_scaled = b * 134217729.0
    b_high = b_scaled - (b_scaled - b)
    b_low = b - b_high
    error: F64 = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return error


def _fma_one(a: float, b: float, c: float) -> float:
    """``a * b + c`` for three float64 numbers."""
    if not (math.isfinite(b) and math.isfinite(c)):
        return a * b + c
    return float(Fraction(a) * Fraction(b) + Fraction(c))


# --- arguments ---


def _seed(seed: Any) -> int:
    """A seed as an int; PyTorch cuts floats and reads text, and so do we."""
    try:
        return int(seed)
    except (TypeError, ValueError, OverflowError) as error:
        kind = KindError if isinstance(error, TypeError) else ArgumentError
        raise kind(
            f"manual_seed(seed): got seed = {describe(seed)}\n  expected an int such as 42"
        ) from None


def _integer(call: str, name: str, value: Any, expected: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise KindError(f"{call}: got {name} = {describe(value)}\n  expected {expected}") from None


def _shape(call: str, shape: Any) -> tuple[int, ...]:
    parts = shape if isinstance(shape, tuple | list) else (shape,)
    sizes = tuple(
        _integer(f"{call}(shape)", "shape", part, "an int or a tuple of ints") for part in parts
    )
    if any(size < 0 for size in sizes):
        raise ShapeError(f"{call}(shape): got {sizes}\n  expected sizes of 0 or more")
    return sizes


def _float_kind(call: str, dtype: Kind) -> np.dtype[Any]:
    kind = dtype_of(dtype)
    if not kind.is_floating_point:
        raise DTypeError(
            f"{call}(dtype): got {kind.name}\n  expected a float dtype: float32, float64 or "
            f"float16\n  for random integers use randint"
        )
    return kind.np


def _integer_range(kind: np.dtype[Any]) -> tuple[int, int]:
    """The integers that a dtype holds, for floats those up to which it holds all."""
    if kind == np.bool_:
        return 0, 1
    if kind.kind == "f":
        most = 2 ** (np.finfo(kind).nmant + 1)
        return -most, most
    info = np.iinfo(kind)
    return int(info.min), int(info.max)


# --- the generator that all functions use unless they are given one ---

default_generator = Generator()

_APART: ContextVar[Generator | None] = ContextVar("apart", default=None)


def _halves(chance: float) -> tuple[int, int]:
    """A chance as the 53 bits of a float64 from 0 to 1, in two words."""
    return divmod(math.ceil(chance * 2.0**53), 2**32)


@cache
def next_word() -> int:
    """The address of the C function that draws 32 bits from the state of a generator."""
    return ctypes.cast(np.random.MT19937(0).ctypes.next_uint32, ctypes.c_void_p).value or 0


def drawing() -> Generator:
    """What an op that runs now draws from: the default generator, or its copy in ``apart``."""
    return _APART.get() or default_generator


@contextmanager
def apart(state: Any = None) -> Iterator[None]:
    """A ``with`` block in which ops draw from a copy of the default generator.

    The copy begins at ``state``, else where the generator is. The generator itself stays there,
    also for a cell that draws on another thread meanwhile.

    >>> state = get_rng_state().tolist()
    >>> with apart():
    ...     inside = drawing().uniform(1)
    >>> get_rng_state().tolist() == state
    True
    """
    copy = Generator()
    copy.set_state(drawing().get_state() if state is None else state)
    token = _APART.set(copy)
    try:
        yield
    finally:
        _APART.reset(token)


default_generator.seed()


def manual_seed(seed: Any) -> Generator:
    """Seed the default generator, and return it. The same seed gives the same numbers.

    As in PyTorch, a float is cut to an int, which the method of a generator refuses.

    >>> manual_seed(42).uniform(2)
    array([0.88226926, 0.91500396], dtype=float32)
    """
    return default_generator.manual_seed(_seed(seed))


def seed() -> int:
    """Seed the default generator with a number from the operating system, and return it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator.

    >>> generator = manual_seed(7)
    >>> initial_seed()
    7
    """
    return default_generator.initial_seed()


def get_rng_state() -> NDArray[np.uint8]:
    """The state of the default generator, uint8 of shape (5056,)."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Take the default generator back to a state that ``get_rng_state`` returned.

    >>> state = get_rng_state()
    >>> first = default_generator.uniform(1)
    >>> set_rng_state(state)
    >>> bool((default_generator.uniform(1) == first).all())
    True
    """
    default_generator.set_state(new_state)


@contextmanager
def fork_rng() -> Iterator[None]:
    """A ``with`` block after which the default generator is as it was before.

    >>> generator = manual_seed(1)
    >>> with fork_rng():
    ...     inside = default_generator.uniform(1)
    >>> bool((default_generator.uniform(1) == inside).all())
    True
    """
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
