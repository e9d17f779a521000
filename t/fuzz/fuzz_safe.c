
/*
 * Copyright (C) nginx-gate authors
 *
 * Text for logs and headers: the first byte is the room that there is.
 */


#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gate_safe.h"


static void fuzz_text(const unsigned char *p, size_t len);
static size_t fuzz_char(const unsigned char *p, size_t len);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    size_t          n, room, whole;
    unsigned char  *dst;

    if (size == 0) {
        return 0;
    }

    room = data[0];
    data++;
    size--;

    /* of their exact sizes: a byte written behind is reported */

    dst = malloc(room + (room == 0));
    fuzz_must(dst != NULL, "there is memory");

    n = gate_safe(dst, room, data, size);

    fuzz_must(n <= room, "what is written fits");
    fuzz_must(gate_safe(dst, room, NULL, 0) == 0, "nothing is nothing");
    fuzz_text(dst, n);
    free(dst);

    dst = malloc(GATE_SAFE_MAX(size) + 1);
    fuzz_must(dst != NULL, "there is memory");

    whole = gate_safe(dst, GATE_SAFE_MAX(size), data, size);

    fuzz_must(whole <= GATE_SAFE_MAX(size) && (n == whole || n + 6 > room),
              "nothing is left out where it fits");
    fuzz_text(dst, whole);

    free(dst);

    return 0;
}


/* UTF-8 without controls, by a reading of its own */

static void
fuzz_text(const unsigned char *p, size_t len)
{
    size_t  n;

    while (len != 0) {
        n = fuzz_char(p, len);

        fuzz_must(n != 0, "characters are whole");
        fuzz_must(n != 1 || (*p >= 0x20 && *p != 0x7f), "and no controls");
        fuzz_must(n != 2 || p[0] != 0xc2 || p[1] >= 0xa0, "nor those of C1");

        p += n;
        len -= n;
    }
}


static size_t
fuzz_char(const unsigned char *p, size_t len)
{
    size_t    i, n;
    unsigned  code;

    n = (*p < 0x80) ? 1 : (*p < 0xe0) ? 2 : (*p < 0xf0) ? 3 : 4;

    if (n > len || (*p >= 0x80 && *p < 0xc0) || *p > 0xf7) {
        return 0;
    }

    code = (n == 1) ? *p : *p & (0xffu >> (n + 1));

    for (i = 1; i < n; i++) {

        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        code = code << 6 | (p[i] & 0x3f);
    }

    if ((n == 2 && code < 0x80) || (n == 3 && code < 0x800)
        || (n == 4 && code < 0x10000) || code > 0x10ffff
        || (code >= 0xd800 && code <= 0xdfff))
    {
        return 0;
    }

    return n;
}
