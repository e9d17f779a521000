
/*
 * Copyright (C) nginx-gate authors
 *
 * Numbers as PHP prints them.
 */


/* newlocale(), uselocale() */

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE  200809L
#endif

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate_number.h"


/* as PHP prints doubles with precision=14 */

#define GATE_PRECISION   14
#define GATE_DOUBLE_LEN  32

/* JSON has no leading zeros: more are too many, and uint64_t holds these */

#define GATE_INT64_LEN   19


static gate_rc_e gate_number_double(gate_pool_t *pool, const char *text,
    gate_str_t *value);
static size_t gate_number_reshape(const char *scientific, char *out);


int
gate_json_int64(const gate_node_t *node, int64_t *value)
{
    int                   negative;
    uint64_t              n;
    const unsigned char  *p, *last;

    if (node->type != GATE_NUMBER) {
        return -1;
    }

    p = node->value.data;
    last = p + node->value.len;
    negative = (*p == '-');
    p += negative;
    n = 0;

    if (last - p > GATE_INT64_LEN) {
        return -1;
    }

    for ( /* void */ ; p < last; p++) {

        if (*p < '0' || *p > '9') {
            return -1;
        }

        n = n * 10 + (*p - '0');
    }

    if (n > (uint64_t) INT64_MAX + negative) {
        return -1;
    }

    /* -n of INT64_MIN would overflow */

    if (negative && n != 0) {
        *value = -1 - (int64_t) (n - 1);

    } else {
        *value = (int64_t) n;
    }

    return 0;
}


gate_rc_e
gate_number_text(gate_pool_t *pool, const gate_node_t *node, gate_str_t *value)
{
    char                     *text;
    int64_t                   n;
    static const gate_str_t   zero = gate_string("0");

    if (gate_json_int64(node, &n) == 0) {
        *value = (n == 0) ? zero : node->value;
        return GATE_OK;
    }

    text = gate_pool_alloc(pool, node->value.len + 1);
    if (text == NULL) {
        return GATE_ERROR;
    }

    memcpy(text, node->value.data, node->value.len);
    text[node->value.len] = '\0';

    return gate_number_double(pool, text, value);
}


/* the process may have a locale with another decimal point */

static gate_rc_e
gate_number_double(gate_pool_t *pool, const char *text, gate_str_t *value)
{
    char      *p, scientific[GATE_DOUBLE_LEN];
    double     number;
    locale_t   locale, previous;

    p = gate_pool_alloc(pool, GATE_DOUBLE_LEN);
    if (p == NULL) {
        return GATE_ERROR;
    }

    locale = newlocale(LC_ALL_MASK, "C", (locale_t) 0);
    if (locale == (locale_t) 0) {
        return GATE_ERROR;
    }

    previous = uselocale(locale);

    number = strtod(text, NULL);
    (void) snprintf(scientific, GATE_DOUBLE_LEN, "%.*e", GATE_PRECISION - 1,
                    number);

    (void) uselocale(previous);
    freelocale(locale);

    value->data = (unsigned char *) p;

    if (isinf(number)) {
        value->len = (number < 0) ? 4 : 3;
        memcpy(p, &"-INF"[4 - value->len], value->len);
        return GATE_OK;
    }

    value->len = gate_number_reshape(scientific, p);

    return GATE_OK;
}


/* "-1.2340000000000e-07" to "-1.234E-7" */

static size_t
gate_number_reshape(const char *scientific, char *out)
{
    int      exponent;
    char    *p, digits[GATE_PRECISION];
    size_t   n;

    p = out;

    if (*scientific == '-') {
        *p++ = *scientific++;
    }

    digits[0] = scientific[0];
    memcpy(digits + 1, scientific + 2, GATE_PRECISION - 1);
    exponent = (int) strtol(scientific + GATE_PRECISION + 2, NULL, 10);

    n = GATE_PRECISION;

    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }

    if (exponent < -4 || exponent >= GATE_PRECISION) {
        *p++ = digits[0];
        *p++ = '.';

        if (n == 1) {
            *p++ = '0';
        }

        memcpy(p, digits + 1, n - 1);
        p += n - 1;

        return p + sprintf(p, "E%+d", exponent) - out;
    }

    if (exponent < 0) {
        *p++ = '0';
        *p++ = '.';
        memset(p, '0', -exponent - 1);
        p += -exponent - 1;
        memcpy(p, digits, n);

        return p + n - out;
    }

    if (n <= (size_t) exponent + 1) {
        memcpy(p, digits, exponent + 1);

        return p + exponent + 1 - out;
    }

    memcpy(p, digits, exponent + 1);
    p += exponent + 1;
    *p++ = '.';
    memcpy(p, digits + exponent + 1, n - exponent - 1);

    return p + n - exponent - 1 - out;
}
