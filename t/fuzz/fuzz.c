
/*
 * Copyright (C) nginx-gate authors
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"


void
fuzz_must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "fuzz: does not hold: %s\n", what);
        abort();
    }
}


gate_str_t
fuzz_cut(gate_str_t *input, unsigned char separator)
{
    gate_str_t            part;
    const unsigned char  *p;

    part = *input;
    p = input->len ? memchr(input->data, separator, input->len) : NULL;

    if (p == NULL) {
        input->data += input->len;
        input->len = 0;
        return part;
    }

    part.len = p - input->data;

    input->data = p + 1;
    input->len -= part.len + 1;

    return part;
}


int
fuzz_equal(gate_str_t a, gate_str_t b)
{
    return a.len == b.len
           && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


int
fuzz_inside(gate_str_t a, gate_str_t b)
{
    return a.data >= b.data && a.len <= b.len
           && a.data - b.data <= (ptrdiff_t) (b.len - a.len);
}


gate_key_t *
fuzz_key(void)
{
    static gate_key_t  *key;

    if (key == NULL) {
        key = gate_key_create((const unsigned char *) "secret", 6);
        fuzz_must(key != NULL, "a key is created");
    }

    return key;
}
