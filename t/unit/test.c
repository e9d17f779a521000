
/*
 * Copyright (C) nginx-gate authors
 */


#include "test.h"


static unsigned  test_number;
static unsigned  test_failed;


void
test_ok(int passed, const char *file, int line, const char *fmt, ...)
{
    va_list  args;

    printf("%sok %u - ", passed ? "" : "not ", ++test_number);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    if (!passed) {
        test_failed++;
        printf("\n#   failed at %s:%d", file, line);
    }

    printf("\n");
}


int
test_done(void)
{
    printf("1..%u\n", test_number);

    return test_failed != 0;
}


void
test_parse(test_doc_t *test, const char *text, size_t len, uint32_t depth)
{
    gate_str_t  str;

    /* malloc(0) may be NULL, which the parser has to bear as well */

    test->text = (len != 0) ? malloc(len) : NULL;

    if (len != 0) {
        memcpy(test->text, text, len);
    }

    str.len = len;
    str.data = test->text;

    gate_pool_init(&test->pool, NULL, 0);
    test->rc = gate_json_parse(&test->doc, &test->pool, str, depth,
                               &test->err);
}


void
test_free(test_doc_t *test)
{
    gate_pool_reset(&test->pool);
    free(test->text);
}


int
test_is(gate_str_t str, const char *text, size_t len)
{
    return str.len == len && (len == 0 || memcmp(str.data, text, len) == 0);
}


char *
test_canonical(test_doc_t *test, const gate_insert_t *insert,
    gate_order_e order)
{
    test_buf_t    buf;
    gate_canon_t  canon;

    buf.data = calloc(1, 1);
    buf.len = 0;

    if (test->rc != GATE_OK
        || gate_canon_build(&canon, &test->pool, &test->doc, insert, order,
                            &test->err)
           != GATE_OK
        || gate_canon_write(&canon, test_append, &buf) != GATE_OK)
    {
        free(buf.data);
        return NULL;
    }

    return buf.data;
}


gate_rc_e
test_append(void *data, const unsigned char *p, size_t len)
{
    test_buf_t *buf = data;

    char  *grown;

    grown = realloc(buf->data, buf->len + len + 1);
    if (grown == NULL) {
        return GATE_ERROR;
    }

    memcpy(grown + buf->len, p, len);
    buf->data = grown;
    buf->len += len;
    grown[buf->len] = '\0';

    return GATE_OK;
}
