
/*
 * Copyright (C) nginx-gate authors
 */


#include "test.h"
#include "gate_safe.h"
#include "gate_text.h"


#define TEST_PLACES  21


static void test_texts(void);
static void test_characters(void);
static void test_places(void);
static void test_sizes(void);


int
main(void)
{
    test_texts();
    test_characters();
    test_places();
    test_sizes();

    return test_done();
}


/* in memory of its own: a byte read or written beyond it is reported */

static gate_str_t
test_safe(const char *text, size_t len, size_t size)
{
    gate_str_t      str;
    unsigned char  *dst, *src;

    dst = malloc(size + (size == 0));
    src = malloc(len + (len == 0));

    memcpy(src, text, len);

    str.len = gate_safe(dst, size, src, len);
    str.data = dst;

    free(src);

    return str;
}


static void
test_texts(void)
{
    size_t      i;
    gate_str_t  str;

    static const struct {
        const char  *text;
        const char  *safe;
    } texts[] = {
        { "", "" },
        { "payment_47", "payment_47" },
        { "a\"b\\c%d$e", "a\"b\\c%d$e" },
        { "a\r\nX: 1\t", "a%0d%0aX: 1%09" },
        { "\x1b[31m\x7f", "%1b[31m%7f" },
        { "\xc2\x9b" "31m", "%c2%9b31m" },
        { "\xc2\x80\xc2\x85\xc2\x9f\xc2\xa0", "%c2%80%c2%85%c2%9f\xc2\xa0" },
        { "\xd0\x9f\xd1\x80\xd0\xb8", "\xd0\x9f\xd1\x80\xd0\xb8" },
        { "\xe2\x82\xb8\xf0\x9f\x98\x80", "\xe2\x82\xb8\xf0\x9f\x98\x80" },
        { "\x9b" "31m", "%9b31m" },
        { "\xc0\x8a", "%c0%8a" },
        { "\xed\xa0\x80", "%ed%a0%80" },
        { "a\xd0", "a%d0" },
        { "\xe2\x82", "%e2%82" },
        { "\xe2\x82\n", "%e2%82%0a" },
        { "\xff\xfe", "%ff%fe" }
    };

    for (i = 0; i < test_count(texts); i++) {
        str = test_safe(texts[i].text, strlen(texts[i].text),
                        GATE_SAFE_MAX(strlen(texts[i].text)));

        ok(is(str, texts[i].safe), "text %zu", i);
        free((void *) str.data);
    }

    str = test_safe("a\0b", 3, 9);
    ok(is(str, "a%00b"), "a NUL does not end it");
    free((void *) str.data);
}


/* each character up to U+FFFF is either itself or its bytes in hex */

static void
test_characters(void)
{
    size_t    n;
    char      text[4];
    unsigned  c, plain, wrong;

    gate_str_t  str;

    wrong = 0;

    for (c = 0; c < 0x10000; c++) {

        if (c < 0x80) {
            n = 1;
            text[0] = (char) c;

        } else if (c < 0x800) {
            n = 2;
            text[0] = (char) (0xc0 | (c >> 6));
            text[1] = (char) (0x80 | (c & 0x3f));

        } else {
            n = 3;
            text[0] = (char) (0xe0 | (c >> 12));
            text[1] = (char) (0x80 | ((c >> 6) & 0x3f));
            text[2] = (char) (0x80 | (c & 0x3f));
        }

        plain = c >= 0x20 && (c < 0x7f || c > 0x9f)
                && (c < 0xd800 || c > 0xdfff);

        str = test_safe(text, n, GATE_SAFE_MAX(n));

        if (plain) {
            wrong += (str.len != n || memcmp(str.data, text, n) != 0);

        } else {
            wrong += (str.len != 3 * n || str.data[0] != '%');
        }

        free((void *) str.data);
    }

    ok(wrong == 0, "characters up to U+FFFF (%u wrong)", wrong);
}


/* ordinary characters are looked at several at a time */

static void
test_places(void)
{
    char        text[TEST_PLACES], expected[TEST_PLACES + 4];
    size_t      i, len;
    unsigned    c, wrong;
    gate_str_t  str;

    wrong = 0;

    for (c = 0; c < 256; c++) {
        for (i = 0; i < TEST_PLACES; i++) {

            memset(text, 'x', TEST_PLACES);
            text[i] = (char) c;

            memcpy(expected, text, i);
            len = i;

            if (c >= 0x20 && c < 0x7f) {
                expected[len++] = (char) c;

            } else {
                len += sprintf(expected + len, "%%%02x", c);
            }

            memcpy(expected + len, text + i + 1, TEST_PLACES - i - 1);
            len += TEST_PLACES - i - 1;

            str = test_safe(text, TEST_PLACES, GATE_SAFE_MAX(TEST_PLACES));

            wrong += str.len != len || memcmp(str.data, expected, len) != 0;
            free((void *) str.data);
        }
    }

    ok(wrong == 0, "each byte in each place of a text");
}


/* what is written is whole, whatever the room */

static void
test_sizes(void)
{
    size_t      i;
    gate_str_t  str;

    static const char  text[] = "a\n\xd0\x9f\xc2\x9b\xe2\x82\xb8";
    static const char  safe[] = "a%0a\xd0\x9f%c2%9b\xe2\x82\xb8";

    static const size_t  lengths[] = {
        0, 1, 1, 1, 4, 4, 6, 6, 6, 6, 6, 6, 12, 12, 12, 15
    };

    for (i = 0; i < test_count(lengths); i++) {
        str = test_safe(text, sizeof(text) - 1, i);

        ok(str.len == lengths[i] && memcmp(str.data, safe, str.len) == 0,
           "%zu bytes of room have %zu", i, lengths[i]);

        free((void *) str.data);
    }
}
