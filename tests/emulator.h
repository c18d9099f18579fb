/* Generated CUDA C, compiled as C++ for the processor: the threads of a block take turns.

   A thread that comes to a barrier or to a shuffle hands over to the next one, so that all of them
   have come there when the first goes on. Blocks run one after another. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

#define __global__
#define __device__
#define __shared__ static

struct Dim { unsigned x, y; };
static Dim threadIdx, blockIdx, blockDim, gridDim;
static bool sharing; /* more than one thread in a block */

enum { MOST = 1024, STACK = 1 << 16 };
static ucontext_t threads[MOST], home;
static bool done[MOST];
static unsigned barriers[MOST], shuffles[MOST];
extern "C" { int emulator_wrong = 0; } /* some threads came to a barrier, and others did not */
static char *stacks;
static unsigned now;
static void (*body)(void **);
static void **given;

static void place(unsigned t)
{
    now = t;
    threadIdx.x = t % blockDim.x;
    threadIdx.y = t / blockDim.x;
}

static void others() { swapcontext(&threads[now], &home); }
static void __syncthreads()
{
    barriers[now]++;
    if (sharing) others();
}
static void __threadfence() {}
static long long clock64() { static long long ticks; return ticks += 1LL << 32; }

template <typename T> static T __shfl_xor_sync(unsigned, T mine, int lanes)
{
    static T held[MOST];
    unsigned own = now;
    shuffles[own]++;
    held[own] = mine;
    others();
    T found = held[own / 32 * 32 + ((own % 32) ^ lanes)];
    others(); /* all have read */
    return found;
}

static unsigned atomicInc(unsigned *at, unsigned most)
{
    unsigned before = *at;
    *at = before >= most ? 0 : before + 1;
    return before;
}

static void start(int t)
{
    body(given);
    done[t] = true;
    others();
}

static void run_block()
{
    unsigned count = blockDim.x * blockDim.y, left = count;
    if (!sharing) {
        place(0);
        body(given);
        return;
    }
    if (!stacks) stacks = (char *)malloc((size_t)MOST * STACK);
    for (unsigned t = 0; t < count; t++) {
        done[t] = false;
        barriers[t] = shuffles[t] = 0;
        getcontext(&threads[t]);
        threads[t].uc_stack.ss_sp = stacks + (size_t)t * STACK;
        threads[t].uc_stack.ss_size = STACK;
        threads[t].uc_link = &home;
        makecontext(&threads[t], (void (*)())start, 1, (int)t);
    }
    while (left)
        for (unsigned t = 0; t < count; t++) {
            if (done[t]) continue;
            place(t);
            swapcontext(&home, &threads[t]);
            left -= done[t];
        }
    for (unsigned t = 0; t < count; t++)
        emulator_wrong |= barriers[t] != barriers[0] || shuffles[t] != shuffles[t / 32 * 32];
}

static void launch(void (*kernel)(void **), const unsigned *sizes, void **values)
{
    gridDim = {sizes[0], sizes[1]};
    blockDim = {sizes[2], sizes[3]};
    sharing = sizes[2] * sizes[3] > 1;
    body = kernel;
    given = values;
    for (unsigned y = 0; y < gridDim.y; y++)
        for (unsigned x = 0; x < gridDim.x; x++) {
            blockIdx = {x, y};
            run_block();
        }
}
