/* What every compiled plan begins with: the BLAS, and functions that vectors can compute. */

#include <math.h>
#include <stdint.h>
#include <string.h>

void (*lab_sgemm_pointer)(char *, char *, int *, int *, int *, float *, float *, int *, float *,
                          int *, float *, float *, int *);
void (*lab_dgemm_pointer)(char *, char *, int *, int *, int *, double *, double *, int *, double *,
                          int *, double *, double *, int *);

static void lab_sgemm(int ta, int tb, int m, int n, int k, const float *a, int lda, const float *b,
                      int ldb, float *c, int ldc)
{
    float one = 1, zero = 0;
    char x = ta ? 'T' : 'N', y = tb ? 'T' : 'N';
    lab_sgemm_pointer(&x, &y, &m, &n, &k, &one, (float *)a, &lda, (float *)b, &ldb, &zero, c, &ldc);
}

static void lab_dgemm(int ta, int tb, int m, int n, int k, const double *a, int lda,
                      const double *b, int ldb, double *c, int ldc)
{
    double one = 1, zero = 0;
    char x = ta ? 'T' : 'N', y = tb ? 'T' : 'N';
    lab_dgemm_pointer(&x, &y, &m, &n, &k, &one, (double *)a, &lda, (double *)b, &ldb, &zero, c,
                      &ldc);
}

/* Draws come from NumPy's generator, so that they are the same numbers as in eager mode: 53 bits, as
   of a float64, are compared in two words. */
uint32_t (*lab_next_pointer)(void *);

int lab_bernoulli(void *state, float *out, int64_t count, uint32_t upper, uint32_t lower)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t first = lab_next_pointer(state) & 0x1fffff, second = lab_next_pointer(state);
        out[i] = first < upper || (first == upper && second < lower);
    }
    return 0;
}

/* exp: x = k ln 2 + r, a polynomial for exp(r), then 2^k put into the exponent */
static inline float lab_expf(float x)
{
    float z = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;
    float k = rintf(z * 1.44269504088896341f);
    float r = z - k * 0.693359375f + k * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    int32_t half = (int32_t)k / 2, rest = (int32_t)k - half;
    union { int32_t i; float f; } u = {(half + 127) << 23}, v = {(rest + 127) << 23};
    p = p * u.f * v.f;
    return x != x ? x : x > 88.7228f ? INFINITY : p;
}

static inline double lab_exp(double x)
{
    double z = x < -746.0 ? -746.0 : x > 710.0 ? 710.0 : x;
    double k = rint(z * 1.4426950408889634);
    double r = z - k * 0.6931471803691238 - k * 1.9082149292705877e-10;
    double p = 1.6059043836821613e-10;  /* 1 / 13!, and so on */
    p = p * r + 2.08767569878681e-09;
    p = p * r + 2.505210838544172e-08;
    p = p * r + 2.755731922398589e-07;
    p = p * r + 2.7557319223985893e-06;
    p = p * r + 2.48015873015873e-05;
    p = p * r + 0.0001984126984126984;
    p = p * r + 0.001388888888888889;
    p = p * r + 0.008333333333333333;
    p = p * r + 0.041666666666666664;
    p = p * r + 0.16666666666666666;
    p = p * r + 0.5;
    p = p * r * r + r + 1.0;
    int32_t half = (int32_t)k / 2, rest = (int32_t)k - half;
    union { int64_t i; double f; } u = {(int64_t)(half + 1023) << 52};
    union { int64_t i; double f; } v = {(int64_t)(rest + 1023) << 52};
    p = p * u.f * v.f;
    return x != x ? x : x > 709.782712893384 ? INFINITY : p;
}

static inline float lab_logf(float x)
{
    union { float f; int32_t i; } u = {x < 1.17549435e-38f ? x * 8388608.0f : x};
    float e = (float)((u.i >> 23) - 127) - (x < 1.17549435e-38f ? 23.0f : 0.0f);
    u.i = (u.i & 0x007fffff) | 0x3f800000;
    float m = u.f;
    e += m > 1.41421356f ? 1.0f : 0.0f;
    m = m > 1.41421356f ? m * 0.5f - 1.0f : m - 1.0f;
    float p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    float s = m * m;
    float y = m * s * p + e * -2.12194440e-4f - 0.5f * s + m + e * 0.693359375f;
    return x > 0 ? (x == INFINITY ? x : y) : x == 0 ? -INFINITY : NAN;
}

/* tanh: one quotient of polynomials in x * x, times x; from 9 on it is 1; relative error 4e-7 */
static inline float lab_tanhf(float x)
{
    float z = x < -9.0f ? -9.0f : x > 9.0f ? 9.0f : x, s = z * z;
    float p = 1.3354697750032546e-08f;
    p = p * s + 2.060910986122164e-05f;
    p = p * s + 0.003495589842439958f;
    p = p * s + 0.13381027088089711f;
    p = p * s + 1.0f;
    float q = 7.776573573755301e-07f;
    q = q * s + 0.00032856375988694984f;
    q = q * s + 0.025876988744562707f;
    q = q * s + 0.4671434268014377f;
    q = q * s + 1.0f;
    /* without a branch: compilers would take the loop around it apart */
    float end = (float)(x > 9.0f) - (float)(x < -9.0f);
    return copysignf(end + (1.0f - end * end) * (z * p / q), x);
}

static inline float lab_erff(float x)
{
    float z = x < -3.83f ? -3.83f : x > 3.83f ? 3.83f : x, s = z * z;
    float p = 2.123142115517831e-06f;
    p = p * s + 0.00028594398402140454f;
    p = p * s + 0.0036527548664438136f;
    p = p * s + 0.05241853603013103f;
    p = p * s + 0.18730824318122274f;
    p = p * s + 1.1283791520618662f;
    float q = 3.8898424099684176e-05f;
    q = q * s + 0.001141708892558809f;
    q = q * s + 0.014742498533528612f;
    q = q * s + 0.11290047982921655f;
    q = q * s + 0.49933051226821484f;
    q = q * s + 1.0f;
    float y = z * p / q;
    return x != x ? x : y > 1.0f ? 1.0f : y < -1.0f ? -1.0f : y;
}

/* float16 ------------------------------------------------------------------------------------

   A type of memory: entries are computed as float. A number below 2^-14 has steps of 2^-24, as a
   float between 0.5 and 1 has: added to 0.5, it is rounded, and its digits are the last ones. */
#ifndef __CUDACC_RTC__ /* a GPU has an instruction for each of these */
typedef struct { uint16_t bits; } lab_half;
typedef union { float f; uint32_t i; } lab_word;

static inline float lab_from_half(lab_half x)
{
    uint32_t size = x.bits & 0x7fff, sign = (uint32_t)(x.bits & 0x8000) << 16;
    lab_word small, normal;
    small.i = 0x3f000000 | size;
    small.f -= 0.5f;
    normal.i = (size << 13) + (size < 0x7c00 ? 0x38000000 : 0x70000000);
    normal.i = (size < 0x400 ? small.i : normal.i) | sign;
    return normal.f;
}

static inline lab_half lab_to_half(float x)
{
    lab_word all, small;
    all.f = x;
    uint32_t sign = all.i & 0x80000000;
    all.i ^= sign;
    small.f = all.f + 0.5f;
    uint32_t normal = (all.i - 0x38000000 + 0xfff + (all.i >> 13 & 1)) >> 13; /* ties to even */
    uint32_t large = all.i > 0x7f800000 ? 0x7e00 : 0x7c00;
    uint32_t size = all.i < 0x38800000 ? small.i - 0x3f000000 : all.i < 0x47800000 ? normal : large;
    lab_half out = {(uint16_t)(size | sign >> 16)};
    return out;
}

/* as many digits as float16 has */
static inline float lab_rounded(float x)
{
    lab_word all, small, normal;
    all.f = x;
    uint32_t sign = all.i & 0x80000000;
    all.i ^= sign;
    small.f = all.f + 0.5f;
    small.f -= 0.5f;
    normal.i = (all.i + 0xfff + (all.i >> 13 & 1)) & ~0x1fffu;
    normal.i = normal.i >= 0x47800000 ? 0x7f800000 : normal.i;
    all.i = all.i > 0x7f800000 ? all.i : all.i < 0x38800000 ? small.i : normal.i;
    all.i |= sign;
    return all.f;
}
#endif

/* Where NumPy says otherwise than C ---------------------------------------------------------

   A kernel text names these without a type: the dtype of x chooses, and all whole numbers are
   computed as int64_t. A whole number divided by 0, say, has no value: then the step returns 1, and
   the plan asks eager mode for the words of the error. */
#ifndef __cplusplus /* CUDA has its own words for these */
static _Thread_local int lab_wrong;
static __attribute__((noinline, cold)) void lab_refuse(void) { lab_wrong = 1; }

#define lab_by_kind(x, real, whole) _Generic((x), float: (real), double: (real), default: (whole))
#define lab_typed(name, x) \
    _Generic((x), float: name##_float, double: name##_double, default: name##_whole)
#define lab_bce(x, y) _Generic((x), float: lab_bce_float, default: lab_bce_double)(x, y)
#endif

#define lab_fmod(x, y) lab_typed(lab_fmod, x)(x, y)
#define lab_remainder(x, y) lab_typed(lab_remainder, x)(x, y)
#define lab_floor_divide(x, y) lab_typed(lab_floor_divide, x)(x, y)
#define lab_pow(x, y) lab_typed(lab_pow, x)(x, y)

/* a shift by all places of the type or more leaves only the sign */
#define lab_shift_left(x, y) ((uint64_t)(y) < 8 * sizeof(x) ? (x) << (y) : 0)
#define lab_shift_right(x, y) ((uint64_t)(y) < 8 * sizeof(x) ? (x) >> (y) : -((x) < 0))

static inline int64_t lab_fmod_whole(int64_t x, int64_t y)
{
    if (y == 0) lab_refuse();
    return y == 0 || y == -1 ? 0 : x % y; /* the processor cannot divide the lowest number by -1 */
}

static inline int64_t lab_remainder_whole(int64_t x, int64_t y)
{
    int64_t rest = lab_fmod_whole(x, y);
    return rest + y * ((rest != 0) & ((rest < 0) != (y < 0)));
}

static inline int64_t lab_floor_divide_whole(int64_t x, int64_t y)
{
    int64_t rest = lab_fmod_whole(x, y);
    if (y == 0 || y == -1) return y ? (int64_t)-(uint64_t)x : 0;
    return x / y - ((rest != 0) & ((rest < 0) != (y < 0)));
}

static inline int64_t lab_pow_whole(int64_t x, int64_t y)
{
    if (y < 0) lab_refuse();
    uint64_t out = 1, square = (uint64_t)x;
    for (; y > 0; y >>= 1, square *= square)
        if (y & 1) out *= square;
    return (int64_t)out;
}

/* the same text for float and for double */
#define LAB_REALS(T, KIND, F)                                                                \
    static inline T lab_pow_##KIND(T x, T y) { return pow##F(x, y); }                        \
    static inline T lab_fmod_##KIND(T x, T y) { return fmod##F(x, y); }                      \
    static inline T lab_remainder_##KIND(T x, T y)                                           \
    {                                                                                        \
        T rest = fmod##F(x, y);                                                              \
        if (y == 0 || rest != rest) return rest;                                             \
        if (rest == 0) return copysign##F((T)0, y);                                          \
        return (rest < 0) != (y < 0) ? rest + y : rest;                                      \
    }                                                                                        \
    static inline T lab_floor_divide_##KIND(T x, T y)                                        \
    {                                                                                        \
        if (y == 0) return x / y;                                                            \
        T rest = fmod##F(x, y), steps = (x - rest) / y;                                      \
        if (rest != 0 && (rest < 0) != (y < 0)) steps -= 1;                                  \
        if (steps == 0) return copysign##F((T)0, x / y);                                     \
        T down = floor##F(steps);                                                            \
        return steps - down > (T)0.5 ? down + 1 : down;                                      \
    }                                                                                        \
    static inline T lab_bce_##KIND(T x, T t)                                                 \
    {                                                                                        \
        if (x < 0 || x > 1 || t < 0 || t > 1) lab_refuse();                                  \
        T right = log##F(x), wrong = log1p##F(-x); /* each is at least -100 */               \
        right = right < -100 ? -100 : right;                                                 \
        wrong = wrong < -100 ? -100 : wrong;                                                 \
        return (t - 1) * wrong - t * right;                                                  \
    }
LAB_REALS(float, float, f)
LAB_REALS(double, double, )

/* the inverse of erf: Winitzki (2008) to three digits, then three of Halley's steps */
static inline double lab_erfinv(double input)
{
    double x = fabs(input), part = log((1 - x) * (1 + x));
    double half = 2 / (M_PI * 0.147) + part / 2;
    double y = sqrt(sqrt(half * half - part / 0.147) - half);
    for (int i = 0; i < 3; i++) {
        /* near 1 the digits are in what is left to 1 */
        double off = x < 0.5 ? erf(y) - x : (1 - x) - erfc(y);
        double step = off * (sqrt(M_PI) / 2) * exp(y * y);
        y -= step / (1 + y * step);
    }
    return x == 1 ? copysign(INFINITY, input) : input == 0 ? 0 : copysign(y, input);
}
