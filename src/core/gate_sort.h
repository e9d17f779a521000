
/*
 * Copyright (C) nginx-gate authors
 *
 * A stable merge sort of indexes.  It is in a header, so that the comparison
 * can be inlined; it needs no memory but "scratch" and does not recurse.
 */


#ifndef _GATE_SORT_H_INCLUDED_
#define _GATE_SORT_H_INCLUDED_


#include "gate.h"


#define GATE_SORT_RUN  12


typedef int (*gate_compare_pt)(const void *data, uint32_t a, uint32_t b);


static inline void
gate_sort_insertion(uint32_t *index, uint32_t n, gate_compare_pt compare,
    const void *data)
{
    uint32_t  i, j, x;

    for (i = 1; i < n; i++) {
        x = index[i];

        for (j = i; j > 0 && compare(data, index[j - 1], x) > 0; j--) {
            index[j] = index[j - 1];
        }

        index[j] = x;
    }
}


static inline void
gate_sort_merge(const uint32_t *index, uint32_t *out, uint32_t middle,
    uint32_t n, gate_compare_pt compare, const void *data)
{
    uint32_t  i, j, k;

    i = 0;
    j = middle;

    for (k = 0; k < n; k++) {

        if (j == n
            || (i < middle && compare(data, index[i], index[j]) <= 0))
        {
            out[k] = index[i++];

        } else {
            out[k] = index[j++];
        }
    }
}


static inline void
gate_sort(uint32_t *index, uint32_t *scratch, uint32_t n,
    gate_compare_pt compare, const void *data)
{
    uint32_t  i, width, middle, length;

    for (i = 0; i < n; i += GATE_SORT_RUN) {
        gate_sort_insertion(index + i,
                            n - i < GATE_SORT_RUN ? n - i : GATE_SORT_RUN,
                            compare, data);
    }

    for (width = GATE_SORT_RUN; width < n; width *= 2) {

        for (i = 0; i < n; i += 2 * width) {
            middle = n - i < width ? n - i : width;
            length = n - i < 2 * width ? n - i : 2 * width;

            gate_sort_merge(index + i, scratch + i, middle, length, compare,
                            data);
        }

        for (i = 0; i < n; i++) {
            index[i] = scratch[i];
        }
    }
}


#endif /* _GATE_SORT_H_INCLUDED_ */
