#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A split with a split below it. The right child stands behind the left one.
typedef struct nc_split {
    double share;  // of the cover that goes left
    float threshold;
    uint32_t slot;  // of the row
    uint32_t place, left;  // counted from the tree's root
    uint32_t again;  // the entry of `nc_again` where its feature has split above; 0 where it has not
} nc_split;

/// A split whose children are both leaves, as half of all are: nothing below it has to be looked at.
typedef struct nc_bottom {
    double share;
    float threshold;
    uint32_t slot, place, again;
    float left, right;
} nc_bottom;

/// A leaf beside a split.
typedef struct nc_leaf {
    uint32_t place;
    float value;
} nc_leaf;

/// How many of each a tree has, in the order of the arrays, and what it counts in the sum.
typedef struct nc_tree {
    double weight;
    uint32_t splits, bottoms, leaves;
} nc_tree;

/// The last edge of a feature above a split that splits on it again; entry 0 stands for none.
typedef struct nc_again {
    float threshold;
    uint32_t slot;
    uint32_t above;  // the entry of the split that edge comes from; an earlier one
    uint32_t goes_left;
} nc_again;

/// Four lanes, one a quadrature point.
typedef struct nc_lanes {
    double lane[4];
} nc_lanes;

/// What a feature's value is multiplied and integrated with: t·q and share·q².
typedef struct nc_pair {
    nc_lanes way, weight;
} nc_pair;

/// For each entry 1 where the row takes all edges of the feature down to it, 0 where not.
void nc_take(const nc_again *again, size_t count, const float *slots, double *taken);

/// Both passes over trees at four points. `factors` and `sums` have room for the places of the largest tree, `ways` and
/// `effects` for its splits; `values` is added to, one a slot.
void nc_explain(
    const nc_tree *trees, size_t count, const nc_split *splits, const nc_bottom *bottoms, const nc_leaf *leaves,
    const nc_pair *pairs, const double *taken, const float *slots, nc_lanes *factors, nc_lanes *sums, nc_lanes *ways,
    double *effects, nc_lanes *values);

#ifdef __cplusplus
}
#endif
