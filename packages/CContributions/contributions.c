// The passes of TreeEnsemble's contributions, in C for one reason: the same lines compiled once for any processor and once for
// those with 256-bit registers, chosen when the program starts. What they compute is described beside their caller.
#include "contributions.h"

// Lanes may lie at any multiple of eight bytes.
typedef double lanes __attribute__((vector_size(32), aligned(8)));

#if defined(__x86_64__) && defined(__linux__)
#define FOR_PROCESSORS __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define FOR_PROCESSORS
#endif

void nc_take(const nc_again *again, size_t count, const float *slots, double *taken) {
    taken[0] = 1;
    for (size_t i = 1; i < count; i++) {
        const int goes_left = slots[again[i].slot] < again[i].threshold;
        taken[i] = goes_left == (int)again[i].goes_left ? taken[again[i].above] : 0;
    }
}

// 1 or 0 without a branch: which way a row goes is what no processor guesses.
static inline double goes_left(const float *slots, uint32_t slot, float threshold) {
    int less = slots[slot] < threshold;
    __asm__("" : "+r"(less));  // Else the compiler makes it a branch again.
    return less;
}

FOR_PROCESSORS
void nc_explain(
    const nc_tree *trees, size_t count, const nc_split *splits, const nc_bottom *bottoms, const nc_leaf *leaves,
    const nc_pair *pairs, const double *taken, const float *slots, nc_lanes *factors, nc_lanes *sums, nc_lanes *ways,
    double *restrict effects, nc_lanes *values) {
    lanes *restrict A = (lanes *)factors, *restrict G = (lanes *)sums, *restrict g = (lanes *)ways;
    lanes *restrict phi = (lanes *)values;
    for (size_t index = 0; index < count; index++) {
        const nc_tree one = trees[index], *tree = &one;
        for (uint32_t i = 0; i < tree->leaves; i++, leaves++) {
            const double value = leaves->value;
            G[leaves->place] = (lanes){value, value, value, value};
        }
        A[0] = (lanes){tree->weight, tree->weight, tree->weight, tree->weight};
        // From the root: the factors above each node.
        for (uint32_t i = 0; i < tree->splits; i++) {
            const nc_split *split = splits + i;
            const double effect = (goes_left(slots, split->slot, split->threshold) - split->share) * taken[split->again];
            const lanes way = split->share + effect * *(const lanes *)&pairs[split->again].way;
            const lanes factor = A[split->place], left_factor = factor * way;
            g[i] = way;
            effects[i] = effect;
            A[split->left] = left_factor;
            A[split->left + 1] = factor - left_factor;
        }
        // At the splits above leaves only: both passes in one.
        for (uint32_t i = 0; i < tree->bottoms; i++, bottoms++) {
            const double effect =
                (goes_left(slots, bottoms->slot, bottoms->threshold) - bottoms->share) * taken[bottoms->again];
            const double difference = (double)bottoms->left - (double)bottoms->right;
            const nc_pair *pair = pairs + bottoms->again;
            const lanes way = bottoms->share + effect * *(const lanes *)&pair->way;
            G[bottoms->place] = (double)bottoms->right + difference * way;
            phi[bottoms->slot] += (effect * difference) * *(const lanes *)&pair->weight * A[bottoms->place];
        }
        // Back to the root: the sums over the leaves below each node, and what each split gives its feature.
        for (uint32_t i = tree->splits; i-- > 0;) {
            const nc_split *split = splits + i;
            const lanes right = G[split->left + 1], difference = G[split->left] - right;
            G[split->place] = right + g[i] * difference;
            phi[split->slot] += effects[i] * *(const lanes *)&pairs[split->again].weight * A[split->place] * difference;
        }
        splits += tree->splits;
    }
}
