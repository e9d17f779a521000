
/*
 * Copyright (C) nginx-gate authors
 */


#include <ctype.h>
#include <locale.h>
#include <time.h>

#include "test.h"


#define TEST_SHARED  5000       /* leaves that share a path */


static void test_strings(void);
static void test_numbers(void);
static void test_locale(void);
static void test_natural(void);
static void test_exhaustive(void);
static void test_orders(void);
static void test_insert(void);
static void test_writing(void);
static void test_paths(void);
static void test_paths_of_texts(void);
static void test_room(const char *text, size_t len, const char *what);
static void test_lost_keys(void);
static void test_shared(void);


int
main(void)
{
    test_strings();
    test_numbers();
    test_locale();
    test_natural();
    test_exhaustive();
    test_orders();
    test_insert();
    test_writing();
    test_paths();
    test_paths_of_texts();
    test_lost_keys();
    test_shared();

    return test_done();
}


static void
test_canon(const char *text, const char *expected, gate_order_e order)
{
    char        *string;
    test_doc_t   test;

    test_parse(&test, text, strlen(text), GATE_MAX_DEPTH);

    string = test_canonical(&test, NULL, order);

    ok(string != NULL && strcmp(string, expected) == 0, "%s gives %s (got %s)",
       text, expected, string != NULL ? string : "nothing");

    free(string);
    test_free(&test);
}


static void
test_strings(void)
{
    size_t  i;

    static const char  *strings[][2] = {
        { "{}", "" },
        { "{\"a\":\"\"}", "a:" },
        { "{\"a\":null,\"b\":true,\"c\":false}", "a:;b:1;c:0" },
        { "{\"b\":\"x;y:z\",\"a\":\"\\u00e9\"}", "a:\xc3\xa9;b:x;y:z" },
        { "{\"a\":{},\"b\":[],\"c\":[[],{}]}", "" },
        { "{\"a\":[10,[20,{\"x\":30}]]}", "a:0:10;a:1:0:20;a:1:1:x:30" },
        { "{\"a:b\":{\"::\":1},\":\":2}", ":::2;a::b::::::1" },
        { "{\"a\":{\"\":{\"\":1},\"0\":[3]},\"b\":2}",
          "a:0:0:3;a:::1;b:2" },
        { "{\"0\":{},\"\":[],\"00\":{\"a\":1}}", "00:a:1" },
        { "{\"\":1,\"0\":2}", ":1;0:2" },
        { "{\"signature\":1,\"a\":{\"signature\":{\"b\":1},\"c\":2}}",
          "a:c:2" },
        { "{\"\\u0073ignature\":1,\"frame_mod\\u0065\":[1,2],\"a\":1}",
          "a:1" },
        { "{\"a\":[{\"frame_mode\":1,\"b\":2},{\"signature\":3}],\"z\":4}",
          "a:0:b:2;z:4" },
        { "{\"Signature\":1,\"signature \":2,\"signatur\":3,\"frame_mode2\":4}",
          "Signature:1;frame_mode2:4;signatur:3;signature :2" },
        { "{\"a\":\"signature\",\"b\":[\"frame_mode\"]}",
          "a:signature;b:0:frame_mode" },
        { "{\"e\":[0,1,2,3,4,5,6,7,8,9,10,11]}",
          "e:0:0;e:1:1;e:2:2;e:3:3;e:4:4;e:5:5;e:6:6;e:7:7;e:8:8;e:9:9;"
          "e:10:10;e:11:11" }
    };

    for (i = 0; i < test_count(strings); i++) {
        test_canon(strings[i][0], strings[i][1], GATE_ORDER_NATURAL);
    }
}


static void
test_numbers(void)
{
    char    text[128], expected[128];
    size_t  i;

    static const char  *numbers[][2] = {
        { "0", "0" },
        { "-0", "0" },
        { "-7", "-7" },
        { "9223372036854775807", "9223372036854775807" },
        { "-9223372036854775808", "-9223372036854775808" },
        { "9223372036854775808", "9.2233720368548E+18" },
        { "-9223372036854775809", "-9.2233720368548E+18" },
        { "10000000000000000000000000", "1.0E+25" },
        { "0.0", "0" },
        { "-0.0", "-0" },
        { "-0e0", "-0" },
        { "0E-5", "0" },
        { "1.10", "1.1" },
        { "100.00", "100" },
        { "1e2", "100" },
        { "123456789.123456789", "123456789.12346" },
        { "0.1", "0.1" },
        { "0.0001", "0.0001" },
        { "0.00001", "1.0E-5" },
        { "0.00012345678901234567", "0.00012345678901235" },
        { "0.000000125", "1.25E-7" },
        { "1e-7", "1.0E-7" },
        { "99999999999999.0", "99999999999999" },
        { "99999999999999.4", "99999999999999" },
        { "99999999999999.5", "1.0E+14" },
        { "100000000000000.0", "1.0E+14" },
        { "10000000000000.0", "10000000000000" },
        { "12345678901234.5", "12345678901234" },
        { "12345678901235.5", "12345678901236" },
        { "1.23456789012345e10", "12345678901.235" },
        { "0.5", "0.5" },
        { "2.5e-1", "0.25" },
        { "1.7976931348623157e308", "1.7976931348623E+308" },
        { "1e309", "INF" },
        { "-1e999", "-INF" },
        { "1e-400", "0" },
        { "-1e-400", "-0" },
        { "5e-324", "4.9406564584125E-324" },
        { "1e100", "1.0E+100" },
        { "1.5e+16", "1.5E+16" }
    };

    for (i = 0; i < test_count(numbers); i++) {
        sprintf(text, "{\"n\":%s}", numbers[i][0]);
        sprintf(expected, "n:%s", numbers[i][1]);
        test_canon(text, expected, GATE_ORDER_NATURAL);
    }
}


/* the runner builds this locale, whose decimal point is a comma */

static void
test_locale(void)
{
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) {
        ok(1, "numbers in a locale with commas # SKIP no such locale");
        return;
    }

    ok(strcmp(localeconv()->decimal_point, ",") == 0, "commas are decimal");

    test_canon("{\"n\":[1.10,-2.5e-7,1234567.25]}",
               "n:0:1.1;n:1:-2.5E-7;n:2:1234567.25", GATE_ORDER_NATURAL);

    ok(strcmp(localeconv()->decimal_point, ",") == 0, "and stay so");

    setlocale(LC_ALL, "C");
}


static int
test_sign_of(int n)
{
    return (n > 0) - (n < 0);
}


static const struct {
    const char  *a;
    size_t       alen;
    const char  *b;
    size_t       blen;
    int          order;
}  test_pairs[] = {
#define pair(a, b, order)  { a, sizeof(a) - 1, b, sizeof(b) - 1, order }
    pair("", "", 0),
    pair("", "a", -1),
    pair("", " ", -1),
    pair("a", "a", 0),
    pair("a", "b", -1),
    pair("a", "A", 1),
    pair("a", "ab", -1),
    pair("\xff", "a", 1),
    pair("a2", "a10", -1),
    pair("a2b", "a10a", -1),
    pair("a10", "a1", 1),
    pair("a9", "a:", -1),
    pair("errors:2:code", "errors:10:code", -1),
    pair("1", "01", 0),
    pair("0001", "1", 0),
    pair("00", "0", 0),
    pair("0", "1", -1),
    pair("0a", "a", -1),
    pair("010", "9", 1),
    pair(" 01", "1", -1),
    pair("a01", "a1", -1),
    pair("a01", "a009", 1),
    pair("a0", "a00", -1),
    pair("a05", "a5", -1),
    pair("a1.05", "a1.5", -1),
    pair("a b", "ab", 0),
    pair("a \t\n\v\f\rb", "ab", 0),
    pair("a\x0e" "b", "ab", -1),
    pair("a ", "a", 1),
    pair("a ", "a  ", 0),
    pair("a ", "ab", -1),
    pair("a \0", "a ", 0),
    pair("a ", "a\0", 0),
    pair("a\0", "a", 1),
    pair(" a", "a", 0),
    pair(" ", "  ", 0),
    pair("a1 b", "a1b", -1),
    pair("a1 ", "a1", 1),
    pair("a1 2", "a12", -1),
    pair("a 1", "a1", 0),
    pair("a1\t2", "a1 2", -1),
    pair("a123456789012345678901234567890",
         "a123456789012345678901234567891", -1),
    pair("a999", "a99999999999999999999999999999", -1),
    pair("12 ", "12x", -1)
#undef pair
};


static void
test_natural(void)
{
    size_t      i;
    gate_str_t  a, b;

    for (i = 0; i < test_count(test_pairs); i++) {
        a.data = (const unsigned char *) test_pairs[i].a;
        a.len = test_pairs[i].alen;
        b.data = (const unsigned char *) test_pairs[i].b;
        b.len = test_pairs[i].blen;

        ok(test_sign_of(gate_natural_compare(a, b)) == test_pairs[i].order
           && test_sign_of(gate_natural_compare(b, a)) == -test_pairs[i].order,
           "natural order of pair %u", (unsigned) i);
    }
}


/* step by step as the order is described, for strings that are not empty */

static int
test_reference(const char *a, const char *b)
{
    size_t  m, n;

    while (a[0] == '0' && isdigit((unsigned char) a[1])) {
        a++;
    }

    while (b[0] == '0' && isdigit((unsigned char) b[1])) {
        b++;
    }

    for ( ;; ) {
        a += strspn(a, " ");
        b += strspn(b, " ");

        m = strspn(a, "0123456789");
        n = strspn(b, "0123456789");

        if (m != 0 && n != 0) {

            if (a[0] == '0' || b[0] == '0') {
                while (m != 0 && n != 0 && *a == *b) {
                    a++;
                    b++;
                    m--;
                    n--;
                }

                if (m != 0 && n != 0) {
                    return *a < *b ? -1 : 1;
                }

            } else if (m == n && strncmp(a, b, m) != 0) {
                return strncmp(a, b, m);
            }

            if (m != n) {
                return m < n ? -1 : 1;
            }

            a += m;
            b += n;

            if (*a == '\0' || *b == '\0') {
                return (*a != '\0') - (*b != '\0');
            }
        }

        if (*a != *b) {
            return *a < *b ? -1 : 1;
        }

        /* a NUL in both is the end of both */

        a += (*a != '\0');
        b += (*b != '\0');

        if (*a == '\0' || *b == '\0') {
            return (*a != '\0') - (*b != '\0');
        }
    }
}


/* the i-th string of these characters after the prefix */

static gate_str_t
test_string_at(const char *prefix, unsigned i, char *buf)
{
    char        *p;
    gate_str_t   str;

    p = buf + sprintf(buf, "%s", prefix);

    for ( /* void */ ; i != 0; i = (i - 1) / 5) {
        *p++ = "01 :a"[(i - 1) % 5];
    }

    *p = '\0';

    str.data = (unsigned char *) buf;
    str.len = p - buf;

    return str;
}


static void
test_exhaustive(void)
{
    char        a[32], b[32];
    size_t      k;
    unsigned    i, j, wrong;
    gate_str_t  x, y;

    /* some are longer than what is compared at a time */

    static const char *const  prefixes[] = {
        "a", "0", "1", " ", "aaaaaaa1", "1 1 1 0", "00000000", "aaaaaaaaaaa:"
    };

    for (k = 0; k < test_count(prefixes); k++) {
        wrong = 0;

        for (i = 0; i < 156; i++) {
            x = test_string_at(prefixes[k], i, a);

            for (j = 0; j < 156; j++) {
                y = test_string_at(prefixes[k], j, b);

                wrong += test_sign_of(gate_natural_compare(x, y))
                         != test_sign_of(test_reference(a, b));
            }
        }

        ok(wrong == 0, "all that begins with \"%s\" (%u wrong)", prefixes[k],
           wrong);
    }
}


static void
test_orders(void)
{
    unsigned      same;
    test_buf_t    buf;
    test_doc_t    test;
    gate_canon_t  canon;

    static const char  text[] =
        "{\"x10\":1,\"x9\":2,\"a\":3,\"x 9\":4,\"B\":5,\"x09\":6}";

    test_canon(text, "B:5;a:3;x09:6;x9:2;x 9:4;x10:1", GATE_ORDER_NATURAL);
    test_canon(text, "B:5;a:3;x 9:4;x09:6;x10:1;x9:2", GATE_ORDER_BYTES);

    test_parse(&test, text, sizeof(text) - 1, GATE_MAX_DEPTH);

    same = gate_canon_build(&canon, &test.pool, &test.doc, NULL,
                            GATE_ORDER_NATURAL, &test.err);
    ok(same == GATE_OK, "built in natural order");

    ok(gate_canon_sort(&canon, GATE_ORDER_NATURAL) == 0, "sorted already");
    ok(gate_canon_sort(&canon, GATE_ORDER_BYTES) == 1, "not by bytes");
    ok(gate_canon_sort(&canon, GATE_ORDER_BYTES) == 0, "now it is");
    ok(gate_canon_sort(&canon, GATE_ORDER_NATURAL) == 1, "and back");

    buf.data = calloc(1, 1);
    buf.len = 0;

    ok(gate_canon_write(&canon, test_append, &buf) == GATE_OK
       && strcmp(buf.data, "B:5;a:3;x09:6;x9:2;x 9:4;x10:1") == 0,
       "equal keys are in document order again");

    free(buf.data);
    test_free(&test);

    /* equal paths: the key with a colon is doubled to what the others are */

    test_canon("{\"a\":{\"\":{\"b\":\"first\"}},\"a:b\":\"second\"}",
               "a::b:first;a::b:second", GATE_ORDER_NATURAL);
    test_canon("{\"a:b\":\"first\",\"a\":{\"\":{\"b\":\"second\"}}}",
               "a::b:first;a::b:second", GATE_ORDER_BYTES);
}


static void
test_insert(void)
{
    char           *string;
    test_doc_t      test;
    gate_insert_t   insert;

    static const char  text[] = "{\"z\":1,\"general\":{\"payment_id\":\"p\"}}";

    test_parse(&test, text, sizeof(text) - 1, GATE_MAX_DEPTH);

    insert.container = 2;
    insert.path.data = (const unsigned char *) "general:project_id";
    insert.path.len = 18;
    insert.value.data = (const unsigned char *) "42";
    insert.value.len = 2;

    string = test_canonical(&test, &insert, GATE_ORDER_NATURAL);

    ok(string != NULL
       && strcmp(string, "general:payment_id:p;general:project_id:42;z:1")
          == 0, "a leaf is added");

    free(string);

    /* among equal paths it is the first */

    insert.container = 0;
    insert.path.data = (const unsigned char *) "z";
    insert.path.len = 1;

    string = test_canonical(&test, &insert, GATE_ORDER_BYTES);

    ok(string != NULL && strcmp(string, "general:payment_id:p;z:42;z:1") == 0,
       "a leaf of a path that is there");

    free(string);
    test_free(&test);

    test_parse(&test, "{}", 2, GATE_MAX_DEPTH);

    string = test_canonical(&test, &insert, GATE_ORDER_NATURAL);
    ok(string != NULL && strcmp(string, "z:42") == 0, "a leaf of nothing");

    free(string);
    test_free(&test);
}


static gate_rc_e
test_stop(void *data, const unsigned char *p, size_t len)
{
    unsigned *calls = data;

    (void) p;
    (void) len;

    return (++*calls == 2) ? GATE_MISMATCH : GATE_OK;
}


/* values around the size of the writer's buffer, in every position */

static void
test_writing(void)
{
    char          *text, *p, *string, *expected;
    size_t         len;
    unsigned       calls, wrong;
    test_doc_t     test;
    gate_canon_t   canon;

    text = malloc(3 * 5000 + 100);
    expected = malloc(3 * 5000 + 100);
    wrong = 0;

    for (len = 0; len < 4200; len += (len > 2020 && len < 2070) ? 1 : 37) {

        p = text + sprintf(text, "{\"a\":\"");
        memset(p, 'x', len);
        p += len;
        p += sprintf(p, "\",\"b\":\"y\",\"c\":\"");
        memset(p, 'z', len);
        p += len;
        p += sprintf(p, "\",\"d\":1}");

        test_parse(&test, text, p - text, GATE_MAX_DEPTH);
        string = test_canonical(&test, NULL, GATE_ORDER_NATURAL);

        p = expected + sprintf(expected, "a:");
        memset(p, 'x', len);
        p += len;
        p += sprintf(p, ";b:y;c:");
        memset(p, 'z', len);
        sprintf(p + len, ";d:1");

        if (string == NULL || strcmp(string, expected) != 0) {
            wrong++;
        }

        free(string);
        test_free(&test);
    }

    ok(wrong == 0, "values of all lengths are written");

    p = text + sprintf(text, "{\"a\":\"%5000d\",\"b\":\"%5000d\"}", 1, 2);

    test_parse(&test, text, p - text, GATE_MAX_DEPTH);

    calls = 0;

    ok(gate_canon_build(&canon, &test.pool, &test.doc, NULL,
                        GATE_ORDER_NATURAL, &test.err) == GATE_OK
       && gate_canon_write(&canon, test_stop, &calls) == GATE_MISMATCH
       && calls == 2, "a sink can stop the writing, and is not called again");

    test_free(&test);
    free(expected);
    free(text);
}


/* one long key over many leaves: the paths would take gigabytes */

static void
test_paths(void)
{
    char          *text, *p;
    size_t         i;
    gate_rc_e      rc;
    test_doc_t     test;
    gate_canon_t   canon;

    text = malloc(100000 + 2 * 50000 + 100);
    p = text + sprintf(text, "{\"");
    memset(p, 'k', 100000);
    p += 100000;
    p += sprintf(p, "\":[0");

    for (i = 0; i < 50000; i++) {
        *p++ = ',';
        *p++ = '0';
    }

    p += sprintf(p, "]}");

    test_parse(&test, text, p - text, GATE_MAX_DEPTH);

    rc = gate_canon_build(&canon, &test.pool, &test.doc, NULL,
                          GATE_ORDER_NATURAL, &test.err);

    ok(test.rc == GATE_OK && rc == GATE_JSON
       && strcmp(test.err.reason, "paths are too long") == 0
       && test.err.offset > 100000, "paths of gigabytes are refused");

    test_free(&test);
    free(text);
}


/* what a large body of a client has is not refused by that bound */

static void
test_paths_of_texts(void)
{
    char    *text, *p;
    size_t   i;

    static const char  name[] =
        "name_of_a_member_of_an_item_of_a_list_of_a_client";

    text = malloc(2 * 1024 * 1024);

    /* paths of 60 bytes, and values of one digit */

    p = text + sprintf(text, "{\"list\":[");

    for (i = 0; i < 2040; i++) {
        p += sprintf(p, "%s{\"%s\":1}", i != 0 ? "," : "", name);
    }

    p += sprintf(p, "]}");
    test_room(text, p - text, "4,000 nodes with paths of 60 bytes");

    /* the same path before each digit of a list */

    p = text + sprintf(text, "{\"customer\":{\"%s\":[1", name);

    for (i = 1; i < 4090; i++) {
        p += sprintf(p, ",1");
    }

    p += sprintf(p, "]}}");
    test_room(text, p - text, "4,090 digits below a path of 60 bytes");

    /* ten long texts in a megabyte */

    p = text + sprintf(text, "{\"general\":{}");

    for (i = 0; i < 10; i++) {
        p += sprintf(p, ",\"%s_%zu\":\"", name, i);
        memset(p, 't', 104000);
        p += 104000;
        p += sprintf(p, "\"");
    }

    p += sprintf(p, "}");
    test_room(text, p - text, "a megabyte of long texts");

    free(text);
}


static void
test_room(const char *text, size_t len, const char *what)
{
    gate_rc_e     rc;
    test_doc_t    test;
    gate_canon_t  canon;

    test_parse(&test, text, len, GATE_MAX_DEPTH);

    rc = gate_canon_build(&canon, &test.pool, &test.doc, NULL,
                          GATE_ORDER_NATURAL, &test.err);

    ok(test.rc == GATE_OK && rc == GATE_OK, "%s, in %zu bytes", what, len);

    test_free(&test);
}


/* Gate would drop these keys from the paths below them */

static void
test_lost_keys(void)
{
    size_t        i;
    gate_rc_e     rc;
    test_doc_t    test;
    gate_canon_t  canon;

    static const struct {
        const char  *text;
        size_t       offset;
    } texts[] = {
        { "{\"0\":{\"a\":\"x\"}}", 5 },
        { "{\"\":{\"a\":\"x\"}}", 4 },
        { "{\"a\":{},\"0\":[1]}", 12 },
        { "{\"\\u0030\":[[]]}", 10 },
        { "{\"general\":{\"a\":1},\"\":{\"\":{\"\":1}}}", 22 }
    };

    for (i = 0; i < test_count(texts); i++) {
        test_parse(&test, texts[i].text, strlen(texts[i].text),
                   GATE_MAX_DEPTH);

        rc = gate_canon_build(&canon, &test.pool, &test.doc, NULL,
                              GATE_ORDER_BYTES, &test.err);

        ok(test.rc == GATE_OK && rc == GATE_JSON && test.err.path == NULL
           && test.err.offset == texts[i].offset,
           "%s is refused (at %zu)", texts[i].text, test.err.offset);

        test_free(&test);
    }
}


/* CPU time that leaves below one key take to be sorted */

static clock_t
test_sorting(const char *key)
{
    char          *text, *p;
    size_t         i;
    clock_t        start, spent;
    gate_rc_e      rc;
    test_doc_t     test;
    gate_canon_t   canon;

    text = malloc(strlen(key) + 100 + 12 * TEST_SHARED);
    p = text + sprintf(text, "{\"%s\":{\"x\":1", key);

    for (i = 0; i < TEST_SHARED; i++) {
        p += sprintf(p, ",\"%05u\":1", (unsigned) (i * 7919 % TEST_SHARED));
    }

    p += sprintf(p, "}}");

    test_parse(&test, text, p - text, GATE_MAX_DEPTH);

    start = clock();
    rc = gate_canon_build(&canon, &test.pool, &test.doc, NULL,
                          GATE_ORDER_NATURAL, &test.err);
    spent = clock() - start;

    ok(rc == GATE_OK && canon.n == TEST_SHARED + 1, "leaves to be sorted");

    test_free(&test);
    free(text);

    return spent;
}


/* who has no key must not cost much more than the bytes that he sends */

static void
test_shared(void)
{
    char     key[41];
    size_t   i;
    clock_t  common, hostile;

    for (i = 0; i < sizeof(key) - 1; i++) {
        key[i] = "1 "[i % 2];
    }

    key[i] = '\0';

    common = test_sorting("a");
    hostile = test_sorting(key);

    ok(hostile < 8 * common, "a long path to many leaves: %ld for %ld us",
       (long) hostile, (long) common);
}
