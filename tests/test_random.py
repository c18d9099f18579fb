"""The generator: PyTorch's numbers, a few written here and many from the oracle."""

import copy
import platform
import sys
import threading
import zlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from oracle import PRESENT, digest

from minitorch_lab import dtypes, random
from minitorch_lab.errors import ArgumentError, ComputeError, DTypeError, KindError, ShapeError
from minitorch_lab.random import Generator

SIZES = (0, 1, 2, 3, 5, 15, 16, 17, 20, 31, 32, 33, 100, 623, 624, 625, 1000, 9001)
DTYPES = ("float16", "float32", "float64")

# From PyTorch 2.13 on x86, manual_seed(42): size -> (CRC-32 of the bytes, the first three numbers).
RECORDED = {
    ("rand", "float32"): {
        1: (1897581644, [0.882269263]),
        2: (4112307563, [0.882269263, 0.915003955]),
        3: (3745322541, [0.882269263, 0.915003955, 0.38286376]),
        15: (1234724463, [0.882269263, 0.915003955, 0.38286376]),
        16: (2294001331, [0.882269263, 0.915003955, 0.38286376]),
        17: (23849618, [0.882269263, 0.915003955, 0.38286376]),
        20: (3131133483, [0.882269263, 0.915003955, 0.38286376]),
        100: (3242541480, [0.882269263, 0.915003955, 0.38286376]),
    },
    ("rand", "float64"): {
        1: (810107726, [0.058154486]),
        2: (1967776221, [0.058154486, 0.0629101674]),
        3: (1841605085, [0.058154486, 0.0629101674, 0.123586073]),
        15: (2780405439, [0.058154486, 0.0629101674, 0.123586073]),
        16: (1341183327, [0.058154486, 0.0629101674, 0.123586073]),
        17: (1675190480, [0.058154486, 0.0629101674, 0.123586073]),
        20: (3272552522, [0.058154486, 0.0629101674, 0.123586073]),
        100: (1716696909, [0.058154486, 0.0629101674, 0.123586073]),
    },
    ("rand", "float16"): {
        1: (2001397524, [0.882324219]),
        2: (1755255753, [0.882324219, 0.915039062]),
        3: (2237785730, [0.882324219, 0.915039062, 0.3828125]),
        15: (3396205380, [0.882324219, 0.915039062, 0.3828125]),
        16: (918107470, [0.882324219, 0.915039062, 0.3828125]),
        17: (4281241054, [0.882324219, 0.915039062, 0.3828125]),
        20: (2862706664, [0.882324219, 0.915039062, 0.3828125]),
        100: (2689425592, [0.882324219, 0.915039062, 0.3828125]),
    },
    ("randn", "float32"): {
        1: (74465322, [0.336690366]),
        2: (3188357994, [0.336690366, 0.128809407]),
        3: (1175518165, [0.336690366, 0.128809407, 0.234462366]),
        15: (2308132694, [0.336690366, 0.128809407, 0.234462366]),
        16: (2280516957, [1.92691529, 1.48728406, 0.900717199]),
        17: (3363100665, [1.92691529, -0.159597471, -0.497397542]),
        20: (2629875817, [1.92691529, 1.48728406, 0.900717199]),
        100: (2699042601, [1.92691529, 1.48728406, 0.900717199]),
    },
    ("randn", "float64"): {
        1: (1228520415, [0.336690354]),
        2: (3112704417, [0.336690354, 0.128809405]),
        3: (3285984680, [0.336690354, 0.128809405, 0.234462363]),
        15: (4083902834, [0.336690354, 0.128809405, 0.234462363]),
        16: (3753355074, [0.299556288, 0.242377791, 0.283207394]),
        17: (950127037, [0.299556288, 1.50457228, 1.27159097]),
        20: (173156986, [0.299556288, 0.242377791, 0.283207394]),
        100: (3401061271, [0.299556288, 0.242377791, 0.283207394]),
    },
    ("randn", "float16"): {
        1: (1505423032, [0.336669922]),
        2: (3254034104, [0.336669922, 0.12878418]),
        3: (3879371236, [0.336669922, 0.12878418, 0.23449707]),
        15: (3393341524, [0.336669922, 0.12878418, 0.23449707]),
        16: (294961410, [1.92675781, 1.48730469, 0.900878906]),
        17: (1067192629, [1.92675781, 1.64257812, -0.159545898]),
        20: (4198720531, [1.92675781, 1.48730469, 0.900878906]),
        100: (3645098987, [1.92675781, 1.48730469, 0.900878906]),
    },
}


def crc(array: np.ndarray[Any, Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def seeded(seed: int = 42) -> Generator:
    return Generator().manual_seed(seed)


@pytest.fixture
def ask(oracle: Any) -> Any:
    if PRESENT and platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("the last bits are those of PyTorch on x86; hide this one to read those kept")
    return oracle


def summary(drawn: Any, libm: bool = False) -> list[Any]:
    """Dtype, shape and checksum of an array; the first numbers where the C library has a say."""
    array = np.asarray(drawn)
    few = array.ravel()[:3].tolist() if libm and array.dtype == np.float64 else []
    return [str(array.dtype), list(array.shape), crc(array), few]  # of -0 and 0 it differs


def same(ours: list[Any], theirs: list[Any]) -> None:
    if theirs[3] and not PRESENT:  # written on another machine
        np.testing.assert_allclose(ours.pop(), theirs.pop(), rtol=1e-13)
        del ours[2], theirs[2]
    assert ours == theirs


# --- recorded ---


@pytest.mark.parametrize(("what", "dtype"), RECORDED)
def test_recorded_numbers(what: str, dtype: str) -> None:
    for size, (checksum, first) in RECORDED[what, dtype].items():
        draw = seeded().uniform if what == "rand" else seeded().normal
        numbers = draw(size, dtype=dtype)
        assert numbers.shape == (size,)
        assert numbers.dtype == dtype
        np.testing.assert_allclose(numbers[:3].astype(float), first, rtol=1e-8)
        if (what, dtype) != ("randn", "float64"):  # its last bits are the C library's
            assert crc(numbers) == checksum, size


def test_recorded_low_and_high_mean_and_std() -> None:
    g = seeded()
    assert crc(g.uniform(1000, -0.3, 0.9)) == 3496937804
    assert crc(g.uniform(1000, -0.3, 0.9, "float64")) == 793201765
    assert crc(g.normal(1000, 0.1, 0.02)) == 3649065464
    wide = g.normal(1000, 0.1, 0.02, "float64")
    np.testing.assert_allclose(wide[:3], [0.0744228748, 0.115858269, 0.0868599269], rtol=1e-8)
    assert crc(g.normal(5, 0.1, 0.02)) == 2986801356
    few = g.exponential(100, 1.5)
    np.testing.assert_allclose(few[:3], [0.511763334, 0.918224812, 1.7242558], rtol=1e-7)


def test_recorded_integers() -> None:
    g = seeded()
    assert g.randperm(10).tolist() == [2, 6, 1, 8, 4, 5, 0, 9, 3, 7]
    assert crc(g.randperm(1000)) == 2588042308
    g = seeded()
    assert g.randint(0, 10, (10,)).tolist() == [2, 7, 6, 4, 6, 5, 0, 4, 0, 3]
    assert g.randint(-5, 5, 6).tolist() == [3, -1, -5, -1, -4, -3]
    assert g.randint(0, 2**28 - 1, 2).tolist() == [165850220, 76737385]  # one draw each
    assert g.randint(0, 2**28, 2).tolist() == [111190146, 242285876]  # two draws each
    assert g.randint(0, 2**40, 2).tolist() == [7395928407, 1013348367773]
    assert g.randint(-(2**63), 2**63 - 1, 2).tolist() == [
        -5306406783962379903,
        -5869293399537773637,
    ]
    assert seeded().random_int64() == 6909045637428952499


def test_recorded_choices() -> None:
    g = seeded()
    ones = g.bernoulli(16, 0.3)
    assert ones.tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0]
    chances = np.array([k / 15 for k in range(16)], np.float32)
    assert g.bernoulli(None, chances).tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 1, 1, 1]
    g, weights = seeded(), np.arange(1, 11, dtype=np.float32)
    assert g.multinomial(weights, 1).tolist() == [8]
    assert g.multinomial(weights, 5).tolist() == [6, 9, 4, 8, 7]
    assert g.multinomial(weights, 8, replacement=True).tolist() == [2, 8, 5, 5, 1, 1, 9, 3]


def test_data_of_article_s4() -> None:
    """seed 42, X = 2 rand(100, 1), noise randn(100, 1), then the layer Linear(1, 1)."""
    g = seeded()
    x = 2 * g.uniform((100, 1))
    noise = g.normal((100, 1))
    assert crc(x) == 4212739928
    assert crc(noise) == 4162006497
    assert g.uniform((1, 1), -1, 1).item() == 0.14465749263763428
    assert g.uniform(1, -1, 1).item() == -0.2589707374572754


def test_calls_one_after_another() -> None:
    """The spare number of an odd randn waits through other calls for the next small randn."""
    g = seeded()
    assert g.normal(3).tolist() == [0.33669036626815796, 0.12880940735340118, 0.23446236550807953]
    assert g.uniform(2).tolist() == [0.9407714605331421, 0.13318592309951782]
    assert g.normal(1).tolist() == [0.23033303022384644]  # the spare one
    assert g.normal(20)[-1] == np.float32(2.1227850914001465)
    assert g.normal(2).tolist() == [-0.09150922298431396, 0.23517996072769165]
    assert g.randperm(4).tolist() == [2, 1, 0, 3]
    assert g.normal(1, dtype="float64").item() == pytest.approx(-0.2934983922168831, rel=1e-14)


@pytest.mark.parametrize(
    ("seed", "initial", "first"),
    [
        (0, 0, [398764591, 1478610112]),
        (-1, 2**64 - 1, [479346978, 269265991]),
        (2**64 - 1, 2**64 - 1, [479346978, 269265991]),
        (-(2**63), 2**63, [398764591, 1478610112]),
        (2**32 + 1, 2**32 + 1, [2135392491, 1857819720]),
    ],
)
def test_negative_and_huge_seeds(seed: int, initial: int, first: list[int]) -> None:
    g = Generator().manual_seed(seed)
    assert g.initial_seed() == initial
    # two draws below 2**31 take 64 bits each; the recorded ones come from PyTorch
    assert g.randint(0, 2**31, 2).tolist() == first


def test_a_new_generator_has_the_seed_of_pytorch() -> None:
    g = Generator()
    assert g.initial_seed() == 67280421310721
    assert g.uniform(2).tolist() == [0.267295241355896, 0.8725283145904541]


# --- state, seeds, threads ---


@pytest.mark.parametrize("before", [0, 1, 311, 623, 624, 625])
def test_state_comes_back(before: int) -> None:
    g = seeded()
    g.uniform(before)
    g.normal(1)  # leaves a spare number
    state = g.get_state()
    assert (state.dtype, state.shape) == (np.uint8, (5056,))
    first = [g.normal(1), g.normal(40), g.uniform(700), g.randperm(9)]
    other = Generator()
    other.set_state(state)
    g.set_state(state)
    for source in (g, other):
        again = [source.normal(1), source.normal(40), source.uniform(700), source.randperm(9)]
        assert all((a == b).all() for a, b in zip(first, again, strict=True))
        assert source.initial_seed() == 42


def test_the_state_is_a_copy() -> None:
    g = seeded()
    state = g.get_state()
    kept = state.copy()
    g.uniform(10)
    assert (state == kept).all()
    state[:] = 0
    g.set_state(kept)
    assert g.uniform(1).item() == seeded().uniform(1).item()


def test_seeding_forgets_the_spare_number() -> None:
    g = seeded()
    first = g.normal(1).item()
    assert g.manual_seed(42).normal(1).item() == first


def test_copies_go_on_alone() -> None:
    g = seeded()
    g.normal(1)
    twins = [g.clone_state(), copy.deepcopy(g)]
    expected = g.normal(4).tolist()
    assert [twin.normal(4).tolist() for twin in twins] == [expected, expected]


def test_generators_are_independent() -> None:
    a, b = seeded(1), seeded(1)
    a.uniform(100)
    random.manual_seed(3)
    assert b.uniform(1).item() == seeded(1).uniform(1).item()


def test_default_generator() -> None:
    assert random.manual_seed(42) is random.default_generator
    assert random.initial_seed() == 42
    state = random.get_rng_state()
    first = random.default_generator.uniform(3).tolist()
    random.set_rng_state(state)
    with random.fork_rng():
        random.manual_seed(0)
        random.default_generator.normal(7)
    assert random.default_generator.uniform(3).tolist() == first
    drawn = random.seed()
    assert drawn == random.initial_seed() < 2**53
    assert random.seed() != drawn


def test_threads_share_a_generator_without_losing_or_doubling_a_number() -> None:
    """The spare number is read and written between draws: the call must be one unit."""
    g, alone = seeded(), seeded()
    found: list[float] = []

    def draw() -> None:
        for _ in range(300):
            found.extend(g.normal(3).tolist())

    threads = [threading.Thread(target=draw) for _ in range(4)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert sorted(found) == sorted(v for _ in range(1200) for v in alone.normal(3).tolist())


# --- one rounding for a product and a sum ---


def test_fma32_where_two_roundings_would_differ() -> None:
    ulp = 2.0**-23
    # a b + c lies a little below the middle between 1 + ulp and 1 + 2 ulp; float64 rounds it to
    # the middle, and from there the even neighbour is the upper one.
    a = np.array([(1 + ulp) * ulp / 2, 1.0], np.float32)
    b, c = 1 - ulp, 1 + ulp
    naive = (a.astype(np.float64) * b + c).astype(np.float32)
    assert naive[0] == np.float32(1 + 2 * ulp)
    assert random._fma32(a, b, c)[0] == np.float32(1 + ulp)
    assert random._fma32(-a, b, -c)[0] == -np.float32(1 + ulp)
    assert random._fma32(a, b, c)[1] == naive[1]


def test_fma64_is_the_rounded_exact_number() -> None:
    pick = np.random.RandomState(0)
    for _ in range(50):
        a = pick.randn(40) * 2.0 ** pick.randint(-60, 60, 40)
        b, c = (float(v) for v in pick.randn(2) * 2.0 ** pick.randint(-60, 60, 2))
        exact = [float(Fraction(x) * Fraction(b) + Fraction(c)) for x in a.tolist()]
        assert random._fma64(a, b, c).tolist() == exact


# --- ranges and shapes ---


def test_uniform_stays_below_high() -> None:
    """Rounding to float16 reaches 1.0 often; then low is given, as in PyTorch."""
    numbers = seeded().uniform(100_000, dtype="float16")
    assert numbers.max() < 1
    assert (seeded().uniform(10_000, -3, -2) < -2).all()
    assert (seeded().uniform(5, 2, 2) == 2).all()


def test_shapes() -> None:
    g = seeded()
    assert g.uniform(()).shape == ()
    assert g.normal([2, 0, 3]).shape == (2, 0, 3)
    assert g.randint(0, 2, (3, 4), dtypes.bool_).dtype == np.bool_
    assert g.randperm(0).tolist() == []
    assert g.randperm(1).tolist() == [0]
    assert g.multinomial(np.ones((3, 5)), 2).shape == (3, 2)
    assert sorted(g.randperm(1000).tolist()) == list(range(1000))
    # nothing was drawn for no numbers
    before = g.get_state()
    g.uniform(0), g.normal(0), g.randperm(1)
    assert (g.get_state() == before).all()


def test_an_array_of_chances() -> None:
    ones = seeded().bernoulli((1000, 3), np.array([0.0, 0.5, 1.0]))
    assert ones.mean(axis=0) == pytest.approx([0, 0.5, 1], abs=0.05)


# --- errors ---


@pytest.mark.parametrize("seed", [1.5, "3", None, [1], np.float64(2)])
def test_a_wrong_type_of_seed(seed: Any) -> None:
    with pytest.raises(KindError, match="expected an int such as 42"):
        random.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_a_seed_that_does_not_fit(seed: int) -> None:
    with pytest.raises(ArgumentError, match="64 bits"):
        Generator().manual_seed(seed)


def test_seeds_of_numpy_are_ints() -> None:
    assert Generator().manual_seed(np.int64(4)).initial_seed() == 4


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda g: g.uniform(-1), ShapeError, "sizes of 0 or more"),
        (lambda g: g.uniform("3"), KindError, "got shape = str '3'"),
        (lambda g: g.uniform(2.5), KindError, "an int or a tuple of ints"),
        (lambda g: g.uniform(3, 2, 1), ComputeError, "low is above high"),
        (lambda g: g.uniform(3, dtype="int64"), DTypeError, "use randint"),
        (lambda g: g.normal(3, 0, -1), ComputeError, "std is negative"),
        (lambda g: g.normal(3, dtype=dtypes.int32), DTypeError, "expected a float dtype"),
        (lambda g: g.randint(5, 5, 3), ComputeError, "expected low < high"),
        (lambda g: g.randint(0, 300, 3, "uint8"), ComputeError, "from 0 to 255"),
        (lambda g: g.randint(0, 1.5, 3), KindError, "got high = float 1.5"),
        (lambda g: g.randperm(-1), ComputeError, "got -1"),
        (lambda g: g.randperm("a"), KindError, "got n = str 'a'"),
        (lambda g: g.bernoulli(3, 1.5), ComputeError, "not a probability"),
        (lambda g: g.bernoulli(3, np.array([0.5, np.nan])), ComputeError, "not a probability"),
        (lambda g: g.bernoulli(3, np.ones(2)), ShapeError, "does not broadcast"),
        (lambda g: g.exponential(3, 0), ComputeError, "rate > 0"),
        (lambda g: g.multinomial(np.ones(3), 4), ComputeError, "4 of 3"),
        (lambda g: g.multinomial(np.zeros(3), 1), ComputeError, "no probabilities"),
        (lambda g: g.multinomial(np.array([1, -1.0]), 1), ComputeError, "no probabilities"),
        (lambda g: g.set_state(np.zeros(5)), KindError, "expected uint8"),
        (lambda g: g.set_state(b"abc"), KindError, "expected uint8"),
        (lambda g: g.set_state(np.zeros(5, np.uint8)), ArgumentError, "5056"),
        (lambda g: g.set_state(np.zeros(5056, np.uint8)), ArgumentError, "not the state"),
    ],
)
def test_errors(call: Any, error: type[Exception], says: str) -> None:
    g = seeded()
    before = g.get_state()
    with pytest.raises(error, match=says):
        call(g)
    assert (g.get_state() == before).all()  # a refused call draws nothing


# --- against PyTorch ---


def calls(seed: int) -> Iterator[tuple[str, int, tuple[Any, ...]]]:
    """Four hundred calls: method, size, arguments."""
    pick = np.random.RandomState(seed % 1000)
    for _ in range(400):
        size, dtype = int(pick.choice(SIZES)), str(pick.choice(DTYPES))
        a, b = sorted(float(v) for v in pick.randn(2) * 10 ** pick.uniform(-3, 2))
        low = int(pick.randint(-100, 100))
        high = low + int(pick.choice([1, 2, 1000, 2**28 - 1, 2**28, 2**32, 2**40, 2**62]))
        chance = float(pick.rand())
        chances = pick.rand(size).astype(pick.choice(["float32", "float64"]))
        match pick.randint(11):
            case 0:
                yield "uniform", size, (dtype,)
            case 1:
                yield "normal", size, (dtype,)
            case 2:
                yield "uniform", size, (dtype, a, b)
            case 3:
                yield "normal", size, (dtype, a, abs(b))
            case 4:
                yield "randint", size, (low, high)
            case 5:
                yield "randperm", size, ()
            case 6:
                yield "random", 1, ()
            case 7:
                yield "bernoulli", size, (dtype, chance)
            case 8:
                yield "chances", size, (chances,)
            case 9:
                yield "exponential", size, (dtype, 1 + abs(a))
            case 10:
                count = int(pick.choice([1, 2, 40]))
                if size:
                    more = bool(count > size or pick.randint(2))
                    yield "multinomial", size, (chances + 0.01, count, more)


def draw_here(g: Generator, method: str, size: int, args: tuple[Any, ...]) -> Any:
    match method:
        case "uniform" | "normal":
            return getattr(g, method)(size, *args[1:], dtype=args[0])
        case "randint":
            return g.randint(*args, size)
        case "randperm":
            return g.randperm(size)
        case "random":
            return np.int64(g.random_int64())
        case "bernoulli" | "exponential":
            return getattr(g, method)(size, args[1], args[0])
        case "chances":
            return g.bernoulli(None, args[0], args[0].dtype)
        case _:
            return g.multinomial(*args)


def draw_there(torch: Any, method: str, size: int, args: tuple[Any, ...]) -> Any:
    match method:
        case "uniform" | "normal" | "bernoulli" | "exponential":
            empty = torch.empty(size, dtype=getattr(torch, args[0]))
            return getattr(empty, method + "_")(*args[1:])
        case "randint":
            return torch.randint(*args, (size,))
        case "randperm":
            return torch.randperm(size)
        case "random":
            return torch.empty((), dtype=torch.int64).random_()
        case "chances":
            return torch.bernoulli(torch.from_numpy(args[0]))
        case _:
            return torch.multinomial(torch.from_numpy(args[0]), *args[1:])


@pytest.mark.parametrize("seed", [0, 42, -7, 2**40 + 5])
def test_any_sequence_of_calls_equals_pytorch(ask: Any, seed: int) -> None:
    def theirs(torch: Any) -> Any:
        torch.manual_seed(seed)
        drawn = [summary(draw_there(torch, *call), libm(call)) for call in calls(seed)]
        return drawn, crc(torch.get_rng_state().numpy())

    def libm(call: Any) -> bool:
        return call[0] in ("normal", "exponential")

    expected, state = ask(theirs)
    g = Generator().manual_seed(seed)
    for call, there in zip(calls(seed), expected, strict=True):
        same(summary(draw_here(g, *call), libm(call)), there)
    assert crc(g.get_state()) == state


def test_large_arrays_equal_pytorch(ask: Any) -> None:
    g, size = seeded(), 300_007

    def theirs(torch: Any) -> Any:
        torch.manual_seed(42)
        return [
            summary(torch.randn(size)),
            summary(torch.empty(size).normal_(0.1, 0.02)),
            summary(torch.empty(size).uniform_(-0.0357, 0.0357)),
            summary(torch.empty(size).double().normal_(3, 0.1), libm=True),
            summary(torch.randperm(size)),
        ]

    ours = [
        summary(g.normal(size)),
        summary(g.normal(size, 0.1, 0.02)),
        summary(g.uniform(size, -0.0357, 0.0357)),
        summary(g.normal((size,), 3, 0.1, "float64"), libm=True),
        summary(g.randperm(size)),
    ]
    for here, there in zip(ours, ask(theirs), strict=True):
        same(here, there)


def test_dropout_mask_of_pytorch(ask: Any) -> None:
    def theirs(torch: Any) -> Any:
        torch.manual_seed(42)
        return digest(torch.nn.functional.dropout(torch.ones(50, 20), 0.3) != 0)

    assert digest(seeded().bernoulli((50, 20), 0.7) != 0) == ask(theirs)


def test_state_goes_to_pytorch_and_back(ask: Any) -> None:
    g = seeded(5)
    g.normal(1)
    given = g.get_state()

    def theirs(torch: Any) -> Any:
        other = torch.Generator()
        other.set_state(torch.from_numpy(given))
        first = torch.randn(3, generator=other)
        torch.randn(2, generator=other)
        back = other.get_state().numpy().tobytes().hex()
        last = torch.randn(3, generator=other)
        return first, back, last, crc(other.get_state().numpy())

    first, back, last, state = ask(theirs, digest(given))
    np.testing.assert_array_equal(g.normal(3), first, strict=True)
    g.set_state(np.frombuffer(bytes.fromhex(back), np.uint8))
    np.testing.assert_array_equal(g.normal(3), last, strict=True)
    assert crc(g.get_state()) == state


@pytest.mark.parametrize("seed", [0, 1])
def test_float32_logarithm_and_sine_of_many_draws(ask: Any, seed: int) -> None:
    """Each uniform draw is one of 2**24 numbers; this takes 2 million of them through randn."""

    def theirs(torch: Any) -> Any:
        torch.manual_seed(seed)
        return digest(torch.randn(2**20))

    assert digest(Generator().manual_seed(seed).normal(2**20)) == ask(theirs)
