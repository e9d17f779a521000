
/*
 * Copyright (C) nginx-gate authors
 *
 * Test Anything Protocol for the unit tests, and short cuts into the core.
 */


#ifndef _TEST_H_INCLUDED_
#define _TEST_H_INCLUDED_


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate_canon.h"
#include "gate_json.h"


#define test_count(table)  (sizeof(table) / sizeof((table)[0]))


/* a document in memory of its own: a byte read beyond its end is reported */

typedef struct {
    gate_pool_t     pool;
    gate_doc_t      doc;
    gate_err_t      err;
    gate_rc_e       rc;
    unsigned char  *text;
} test_doc_t;


/* prints "ok" or "not ok", with the name and the place */

void test_ok(int passed, const char *file, int line, const char *fmt, ...);

#define ok(cond, ...)  test_ok((cond) != 0, __FILE__, __LINE__, __VA_ARGS__)

/* the plan; returns the exit code of main() */
int test_done(void);

void test_parse(test_doc_t *test, const char *text, size_t len,
    uint32_t depth);
void test_free(test_doc_t *test);

/* 1 where str has exactly the bytes of text */
int test_is(gate_str_t str, const char *text, size_t len);

#define is(str, text)  test_is(str, text, strlen(text))

/* the canonical string, to be freed, or NULL */
char *test_canonical(test_doc_t *test, const gate_insert_t *insert,
    gate_order_e order);

/* a sink that appends to a string */

typedef struct {
    char    *data;
    size_t   len;
} test_buf_t;

gate_rc_e test_append(void *data, const unsigned char *p, size_t len);


#endif /* _TEST_H_INCLUDED_ */
