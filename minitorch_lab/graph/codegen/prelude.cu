/* What every CUDA plan begins with: how the threads that share a row put together what each found.

   A row is shared by the threads of a block along x (a warp, or all of the block), or along y where
   the rows lie side by side in memory; one thread alone is right too. A long sum is shared by
   several blocks along y of the grid. Nothing depends on who comes first: the parts are added in
   the order of their numbers, so that two runs give the same bits. */

#ifdef __CUDACC_RTC__
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned uint32_t;
typedef unsigned long long uint64_t;
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#define M_PI 3.14159265358979323846
#endif

/* the kind of number chooses, as _Generic does in C */
struct lab_float {};
struct lab_double {};
struct lab_whole {};
template <typename T> __device__ lab_whole lab_kind(T) { return {}; }
__device__ inline lab_float lab_kind(float) { return {}; }
__device__ inline lab_double lab_kind(double) { return {}; }
template <typename F, typename D, typename W> __device__ F lab_pick(lab_float, F f, D, W) { return f; }
template <typename F, typename D, typename W> __device__ D lab_pick(lab_double, F, D d, W) { return d; }
template <typename F, typename D, typename W> __device__ W lab_pick(lab_whole, F, D, W w) { return w; }
#define lab_by_kind(x, real, whole) lab_pick(lab_kind(x), real, real, whole)
#define lab_typed(name, x) lab_pick(lab_kind(x), name##_float, name##_double, name##_whole)
#define lab_bce(x, y) lab_pick(lab_kind(x), lab_bce_float, lab_bce_double, lab_bce_double)(x, y)

/* a value that an op refuses is noted, and asked for at the end of the plan */
__device__ int lab_wrong;
__device__ inline void lab_refuse() { lab_wrong = 1; }
extern "C" __global__ void lab_told(int *told)
{
    *told = lab_wrong;
    lab_wrong = 0;
}

/* the device's own functions are vectors already */
#define lab_expf expf
#define lab_exp exp
#define lab_logf logf
#define lab_tanhf tanhf
#define lab_erff erff

struct lab_plus {
    template <typename T> __device__ T operator()(T a, T b) const { return a + b; }
};
struct lab_max { /* a NaN stays */
    template <typename T> __device__ T operator()(T a, T b) const { return a > b || a != a ? a : b; }
};
struct lab_min {
    template <typename T> __device__ T operator()(T a, T b) const { return a < b || a != a ? a : b; }
};

/* what the threads along x hold, put together; each of them gets it */
template <typename T, typename Join> __device__ T lab_row(T mine, Join join)
{
    __shared__ T warps[32];
    if (blockDim.x == 1) return mine;
    for (int d = 16; d > 0; d /= 2) mine = join(mine, __shfl_xor_sync(0xffffffffu, mine, d));
    if (blockDim.x == 32) return mine;
    __syncthreads(); /* what was there before has been read */
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = mine;
    __syncthreads();
    mine = warps[0];
    for (unsigned w = 1; w < blockDim.x / 32; w++) mine = join(mine, warps[w]);
    return mine;
}

/* the same along y: the threads of a warp have rows that lie side by side */
template <typename T, typename Join> __device__ T lab_column(T mine, Join join)
{
    __shared__ T all[1024];
    if (blockDim.y == 1) return mine;
    __syncthreads();
    all[threadIdx.y * blockDim.x + threadIdx.x] = mine;
    __syncthreads();
    mine = all[threadIdx.x];
    for (unsigned y = 1; y < blockDim.y; y++) mine = join(mine, all[y * blockDim.x + threadIdx.x]);
    return mine;
}

/* what the blocks along y hold: the one that comes last puts it together, the others have done
   their part and are no longer `first`. Each row has `gridDim.y` places in `parts`, and a counter
   that is 0 again at the end. */
template <typename T, typename Join>
__device__ T lab_blocks(T mine, Join join, bool &first, double *parts, unsigned *arrived,
                        long long row, long long count)
{
    if (gridDim.y == 1 || !first) return mine;
    volatile T *all = (volatile T *)parts;
    all[blockIdx.y * count + row] = mine;
    __threadfence();
    first = atomicInc(arrived + row, gridDim.y - 1) == gridDim.y - 1;
    if (!first) return mine;
    __threadfence();
    mine = all[row];
    for (unsigned y = 1; y < gridDim.y; y++) mine = join(mine, (T)all[y * count + row]);
    return mine;
}

/* float16 is a type of memory; see below */
#ifdef __CUDACC_RTC__
struct lab_half { uint16_t bits; };
__device__ inline float lab_from_half(lab_half x)
{
    float out;
    asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(x.bits));
    return out;
}
__device__ inline lab_half lab_to_half(float x)
{
    lab_half out;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out.bits) : "f"(x));
    return out;
}
__device__ inline float lab_rounded(float x) { return lab_from_half(lab_to_half(x)); }
#endif
