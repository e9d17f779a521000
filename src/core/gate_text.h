
/*
 * Copyright (C) nginx-gate authors
 *
 * Looks at raw JSON text, for the parser to inline.
 */


#ifndef _GATE_TEXT_H_INCLUDED_
#define _GATE_TEXT_H_INCLUDED_


#include <string.h>

#include "gate.h"


#define GATE_TEXT_BLOCK  32


static inline size_t
gate_text_skip(gate_str_t text, size_t offset, const char *set)
{
    while (offset < text.len
           && text.data[offset] != '\0'
           && strchr(set, text.data[offset]) != NULL)
    {
        offset++;
    }

    return offset;
}


/*
 * Moves offset from the opening quote to what is wrong in the string, and
 * says what; returns NULL and does not move it where nothing is.
 */

static inline const char *
gate_text_string(gate_str_t text, size_t *offset)
{
    size_t  i, n;

    for (i = *offset + 1; i < text.len && text.data[i] != '"'; i++) {

        if (text.data[i] < 0x20) {
            *offset = i;
            return "control character";
        }

        if (text.data[i] != '\\' || ++i == text.len) {
            continue;
        }

        if (gate_text_skip(text, i, "\"\\/bfnrtu") == i) {
            *offset = i;
            return "invalid escape";
        }

        n = (text.data[i] == 'u') ? 4 : 0;

        for ( /* void */ ; n != 0 && i + 1 < text.len; n--) {
            i++;

            if (gate_text_skip(text, i, "0123456789abcdefABCDEF") == i) {
                *offset = i;
                return "invalid escape";
            }
        }
    }

    if (i >= text.len) {
        *offset = text.len;
    }

    return NULL;
}


/* returns the length of the sequence, 0 if it is invalid */

static inline size_t
gate_text_char(const unsigned char *p, size_t len)
{
    size_t    i, n;
    unsigned  min, max;

    if (p[0] < 0x80) {
        return 1;
    }

    /* the second byte excludes overlong forms, surrogates, over U+10FFFF */

    min = (p[0] == 0xe0) ? 0xa0 : (p[0] == 0xf0) ? 0x90 : 0x80;
    max = (p[0] == 0xed) ? 0x9f : (p[0] == 0xf4) ? 0x8f : 0xbf;

    if (p[0] < 0xc2 || p[0] > 0xf4) {
        return 0;
    }

    n = (p[0] < 0xe0) ? 2 : (p[0] < 0xf0) ? 3 : 4;

    if (len < n || p[1] < min || p[1] > max) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return n;
}


static inline unsigned
gate_text_ascii(const unsigned char *p)
{
    uint64_t  words[GATE_TEXT_BLOCK / sizeof(uint64_t)];

    memcpy(words, p, GATE_TEXT_BLOCK);

    return ((words[0] | words[1] | words[2] | words[3])
            & UINT64_C(0x8080808080808080)) == 0;
}


/* returns the offset of the first invalid sequence, or the length */

static inline size_t
gate_text_utf8(gate_str_t text)
{
    size_t  i, n, last;

    i = 0;

    while (i < text.len) {

        while (text.len - i >= GATE_TEXT_BLOCK
               && gate_text_ascii(text.data + i))
        {
            i += GATE_TEXT_BLOCK;
        }

        last = (text.len - i < GATE_TEXT_BLOCK) ? text.len
                                                : i + GATE_TEXT_BLOCK;

        while (i < last) {

            n = gate_text_char(text.data + i, text.len - i);
            if (n == 0) {
                return i;
            }

            i += n;
        }
    }

    return i;
}


static inline unsigned
gate_text_hex4(const unsigned char *p)
{
    unsigned  c, i, n;

    n = 0;

    for (i = 0; i < 4; i++) {
        c = p[i] | 0x20;
        n = n * 16 + ((c <= '9') ? c - '0' : c - 'a' + 10);
    }

    return n;
}


/* returns the offset of the first lone surrogate of a valid string, or end */

static inline size_t
gate_text_surrogate(gate_str_t text, size_t offset, size_t end)
{
    unsigned              unit;
    const unsigned char  *p, *last;

    p = text.data + offset;
    last = text.data + end;

    for ( ;; ) {
        p = memchr(p, '\\', last - p);
        if (p == NULL) {
            return end;
        }

        if (p[1] != 'u') {
            p += 2;
            continue;
        }

        unit = gate_text_hex4(p + 2);

        if (unit < 0xd800 || unit > 0xdfff) {
            p += 6;
            continue;
        }

        if (unit > 0xdbff || last - p < 12 || p[6] != '\\' || p[7] != 'u') {
            break;
        }

        unit = gate_text_hex4(p + 8);

        if (unit < 0xdc00 || unit > 0xdfff) {
            break;
        }

        p += 12;
    }

    return p - text.data;
}


#endif /* _GATE_TEXT_H_INCLUDED_ */
