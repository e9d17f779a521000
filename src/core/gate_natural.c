
/*
 * Copyright (C) nginx-gate authors
 *
 * PHP's natural order of paths.
 */


#include <string.h>

#include "gate_natural.h"


static size_t gate_natural_common(gate_str_t a, gate_str_t b);
static const unsigned char *gate_natural_start(gate_str_t str);
static int gate_natural_run(const unsigned char **a, const unsigned char *alast,
    const unsigned char **b, const unsigned char *blast);


/*
 * PHP's strings end in a NUL byte, and its comparison reads that of a path
 * whose white space reaches the end.
 */

#define gate_byte(p, last)  ((p) < (last) ? *(p) : 0)


int
gate_natural_compare(gate_str_t a, gate_str_t b)
{
    int                   rc;
    size_t                n;
    const unsigned char  *p, *q, *plast, *qlast;

    n = gate_natural_common(a, b);

    if (a.len == n || b.len == n) {
        return (a.len != n) - (b.len != n);
    }

    plast = a.data + a.len;
    qlast = b.data + b.len;
    p = (n == 0) ? gate_natural_start(a) : a.data + n;
    q = (n == 0) ? gate_natural_start(b) : b.data + n;

    for ( ;; ) {

        while (p < plast && gate_is_space(*p)) {
            p++;
        }

        while (q < qlast && gate_is_space(*q)) {
            q++;
        }

        if (p < plast && q < qlast && gate_is_digit(*p) && gate_is_digit(*q)) {

            rc = gate_natural_run(&p, plast, &q, qlast);
            if (rc != 0) {
                return rc;
            }

            if (p == plast || q == qlast) {
                return (p != plast) - (q != qlast);
            }
        }

        rc = (int) gate_byte(p, plast) - (int) gate_byte(q, qlast);
        if (rc != 0) {
            return rc;
        }

        p++;
        q++;

        if (p >= plast || q >= qlast) {
            return (p < plast) - (q < qlast);
        }
    }
}


/*
 * How many bytes are the same up to one that is compared by itself: what
 * follows is compared as if it stood alone.  Paths may share long prefixes.
 */

static size_t
gate_natural_common(gate_str_t a, gate_str_t b)
{
    size_t    n, len;
    uint64_t  x, y;

    len = (a.len < b.len) ? a.len : b.len;

    for (n = 0; len - n >= 8; n += 8) {
        memcpy(&x, a.data + n, 8);
        memcpy(&y, b.data + n, 8);

        if (x != y) {
            break;
        }
    }

    while (n < len && a.data[n] == b.data[n]) {
        n++;
    }

    while (n > 0
           && (gate_is_digit(a.data[n - 1]) || gate_is_space(a.data[n - 1])))
    {
        n--;
    }

    return n;
}


/* zeros count for nothing at the start of a path only */

static const unsigned char *
gate_natural_start(gate_str_t str)
{
    const unsigned char  *p, *last;

    p = str.data;
    last = str.data + str.len;

    while (*p == '0' && p + 1 < last && gate_is_digit(p[1])) {
        p++;
    }

    return p;
}


/* compares two runs of digits and moves both pointers behind equal ones */

static int
gate_natural_run(const unsigned char **a, const unsigned char *alast,
    const unsigned char **b, const unsigned char *blast)
{
    int                   fraction, first;
    const unsigned char  *p, *q;

    p = *a;
    q = *b;
    fraction = (*p == '0' || *q == '0');
    first = 0;

    while (p < alast && q < blast && gate_is_digit(*p) && gate_is_digit(*q)) {

        if (first == 0) {
            first = (int) *p - (int) *q;

            if (first != 0 && fraction) {
                return first;
            }
        }

        p++;
        q++;
    }

    *a = p;
    *b = q;

    if (p < alast && gate_is_digit(*p)) {
        return 1;
    }

    if (q < blast && gate_is_digit(*q)) {
        return -1;
    }

    return first;
}
