
/*
 * Copyright (C) nginx-gate authors
 *
 * Makes text that came from outside safe for logs and headers.
 */


#include <string.h>

#include "gate_safe.h"
#include "gate_text.h"


/* most texts have none of the characters that matter */

#define GATE_SAFE_WORD  sizeof(uint64_t)


static unsigned gate_safe_control(const unsigned char *p);
static unsigned gate_safe_word(const unsigned char *p);


size_t
gate_safe(unsigned char *dst, size_t size, const unsigned char *src,
    size_t len)
{
    size_t          i, n;
    unsigned char  *p;

    static const char  hex[] = "0123456789abcdef";

    p = dst;

    for ( /* void */ ; len != 0; src += n, len -= n) {

        n = GATE_SAFE_WORD;

        if (len >= n && size - (p - dst) >= n && gate_safe_word(src)) {
            memcpy(p, src, GATE_SAFE_WORD);
            p += n;

            continue;
        }

        n = gate_text_char(src, len);

        if (n != 0 && !gate_safe_control(src)) {

            if (size - (p - dst) < n) {
                break;
            }

            memcpy(p, src, n);
            p += n;

            continue;
        }

        n += (n == 0);

        if (size - (p - dst) < GATE_SAFE_MAX(n)) {
            break;
        }

        for (i = 0; i < n; i++) {
            *p++ = '%';
            *p++ = hex[src[i] >> 4];
            *p++ = hex[src[i] & 0xf];
        }
    }

    return p - dst;
}


/* of a valid sequence: U+0080 to U+009F are c2 80 to c2 9f */

static unsigned
gate_safe_control(const unsigned char *p)
{
    return p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
}


/* says whether all bytes are from 0x20 to 0x7e */

static unsigned
gate_safe_word(const unsigned char *p)
{
    uint64_t  word;

    memcpy(&word, p, GATE_SAFE_WORD);

    return ((word | (word + UINT64_C(0x0101010101010101))
             | ~((word | UINT64_C(0x8080808080808080))
                 - UINT64_C(0x2020202020202020)))
            & UINT64_C(0x8080808080808080)) == 0;
}
