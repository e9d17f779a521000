
/*
 * Copyright (C) nginx-gate authors
 *
 * Ways to write values that differ from Gate's.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate_number.h"
#include "gatesig_explain.h"


static gate_str_t gatesig_as_written(gatesig_search_t *search, const
    gate_node_t *node, gate_str_t value);
static gate_str_t gatesig_escaped(gatesig_search_t *search, const gate_node_t
    *node, gate_str_t value);
static gate_str_t gatesig_words(gatesig_search_t *search, const gate_node_t
    *node, gate_str_t value);
static gate_str_t gatesig_null(gatesig_search_t *search, const gate_node_t
    *node, gate_str_t value);
static gate_str_t gatesig_without_null(gatesig_search_t *search, const
    gate_node_t *node, gate_str_t value);
static gate_str_t gatesig_without_empty(gatesig_search_t *search, const
    gate_node_t *node, gate_str_t value);
static gate_str_t gatesig_tenth(gatesig_search_t *search, const gate_node_t
    *node, gate_str_t value);
static gate_str_t gatesig_hundredth(gatesig_search_t *search, const
    gate_node_t *node, gate_str_t value);
static gate_str_t gatesig_long(gatesig_search_t *search, const gate_node_t
    *node, gate_str_t value);
static gate_str_t gatesig_print_double(gatesig_search_t *search, const
    gate_node_t *node, const char *format, gate_str_t value);
static gate_str_t gatesig_double(gatesig_search_t *search, const gate_node_t
    *node, gate_str_t value);
static gate_str_t gatesig_bare(gatesig_search_t *search, const gate_node_t
    *node, gate_str_t value);
static gate_str_t gatesig_as_number(gatesig_search_t *search, gate_node_t
    *node, gate_str_t digits, const char *tail);
static gate_str_t gatesig_times_100(gatesig_search_t *search, const
    gate_node_t *node, gate_str_t value);
static gate_str_t gatesig_by_100(gatesig_search_t *search, const gate_node_t
    *node, gate_str_t value);
static gate_str_t gatesig_gone(gatesig_search_t *search, const gate_node_t
    *node, gate_str_t value);


static const char  gatesig_rewritten[] =
    "the number \"%s\" was written in another way when it was signed";


const gatesig_habit_t  gatesig_habits[] = {
    { gatesig_as_written,
      "numbers were signed as they are written, not as Gate prints them",
      gatesig_rewritten },
    { gatesig_tenth,
      "whole numbers were signed with \".0\"", gatesig_rewritten },
    { gatesig_hundredth,
      "numbers were signed with two decimals", gatesig_rewritten },
    { gatesig_long,
      "numbers were signed with all their digits, Gate takes 14",
      gatesig_rewritten },
    { gatesig_double, "whole numbers were signed as floating-point ones",
      gatesig_rewritten },
    { gatesig_bare, NULL,
      "\"%s\", digits in a string, was signed as a number" },
    { gatesig_times_100, NULL, "\"%s\" was 100 times as much when it was "
      "signed: minor units, not major ones?" },
    { gatesig_by_100, NULL, "\"%s\" was a hundredth of it when it was "
      "signed: major units, not minor ones?" },
    { gatesig_words,
      "true, false and null were signed as words: Gate takes 1, 0 and "
      "nothing", "\"%s\" was signed as a word: Gate takes 1, 0 and nothing" },
    { gatesig_null, "null was signed as a word: Gate takes nothing",
      NULL },
    { gatesig_without_null,
      "members that are null were left out when it was signed", NULL },
    { gatesig_without_empty,
      "empty strings and nulls were left out when it was signed", NULL },
    { gatesig_escaped,
      "strings were signed as they stand in the JSON, with its escapes",
      "\"%s\" was signed as it stands in the JSON, with its escapes" },
    { gatesig_gone, NULL,
      "\"%s\" was not there when it was signed, or was left out of it" },
    { NULL, NULL, NULL }
};


gate_str_t
gatesig_copy(gatesig_search_t *search, const char *text, size_t len)
{
    gate_str_t      str;
    unsigned char  *p;

    p = gate_pool_alloc(&search->sig->pool, len + 1);

    if (p == NULL) {
        search->failed = 1;
        str.data = (const unsigned char *) "";
        str.len = 0;
        return str;
    }

    memcpy(p, text, len);
    p[len] = '\0';

    str.data = p;
    str.len = len;

    return str;
}


static gate_str_t
gatesig_as_written(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    (void) search;

    return (node->type == GATE_NUMBER) ? node->value : value;
}


static gate_str_t
gatesig_escaped(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    if (node->type == GATE_STRING
        && node->end - node->start != value.len + 2)
    {
        value.data = search->sig->doc.text.data + node->start + 1;
        value.len = node->end - node->start - 2;
    }

    return value;
}


static gate_str_t
gatesig_words(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    if (node->type == GATE_TRUE) {
        return gatesig_copy(search, "true", 4);
    }

    if (node->type == GATE_FALSE) {
        return gatesig_copy(search, "false", 5);
    }

    return gatesig_null(search, node, value);
}


static gate_str_t
gatesig_null(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    return (node->type == GATE_NULL) ? gatesig_copy(search, "null", 4) : value;
}


static gate_str_t
gatesig_without_null(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    (void) search;

    if (node->type == GATE_NULL) {
        value.data = NULL;
    }

    return value;
}


static gate_str_t
gatesig_without_empty(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    (void) search;
    (void) node;

    if (value.len == 0) {
        value.data = NULL;
    }

    return value;
}


static gate_str_t
gatesig_tenth(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    char     text[32];
    int64_t  n;

    if (gate_json_int64(node, &n) != 0) {
        return value;
    }

    return gatesig_copy(search, text, (size_t) snprintf(text, sizeof(text),
                                                        "%lld.0",
                                                        (long long) n));
}


static gate_str_t
gatesig_hundredth(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    return (node->type == GATE_NUMBER)
           ? gatesig_print_double(search, node, "%.2f", value) : value;
}


static gate_str_t
gatesig_long(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    int64_t  n;

    if (node->type != GATE_NUMBER || gate_json_int64(node, &n) == 0) {
        return value;
    }

    return gatesig_print_double(search, node, "%.17g", value);
}


static gate_str_t
gatesig_print_double(gatesig_search_t *search, const gate_node_t *node,
    const char *format, gate_str_t value)
{
    int         len;
    char        text[64];
    double      n;
    gate_str_t  copy;

    copy = gatesig_copy(search, (const char *) node->value.data,
                        node->value.len);
    n = strtod((const char *) copy.data, NULL);

    if (n > 1e15 || n < -1e15) {
        return value;
    }

    len = snprintf(text, sizeof(text), format, n);

    return gatesig_copy(search, text, (size_t) len);
}


/* as Gate prints the same number with a fraction or an exponent */

static gate_str_t
gatesig_double(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    int64_t      n;
    gate_node_t  copy;

    if (gate_json_int64(node, &n) != 0) {
        return value;
    }

    return gatesig_as_number(search, &copy, node->value, ".0");
}


/* digits in a string, as the number would be */

static gate_str_t
gatesig_bare(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    size_t       i, dots;
    gate_node_t  copy;

    if (node->type != GATE_STRING || value.len == 0 || value.len > 32) {
        return value;
    }

    for (i = 0, dots = 0; i < value.len; i++) {
        dots += (value.data[i] == '.');

        if (value.data[i] != '.'
            && (value.data[i] < '0' || value.data[i] > '9'))
        {
            return value;
        }
    }

    if (dots > 1 || value.data[0] == '.' || value.data[value.len - 1] == '.') {
        return value;
    }

    while (value.len > 1 && value.data[0] == '0' && value.data[1] != '.') {
        value.data++;
        value.len--;
    }

    return gatesig_as_number(search, &copy, value, "");
}


static gate_str_t
gatesig_as_number(gatesig_search_t *search, gate_node_t *node,
    gate_str_t digits, const char *tail)
{
    char        text[64];
    gate_str_t  value;

    (void) snprintf(text, sizeof(text), "%.*s%s",
                    (int) (digits.len < 40 ? digits.len : 40),
                    (const char *) digits.data, tail);

    memset(node, 0, sizeof(gate_node_t));

    node->type = GATE_NUMBER;
    node->value = gatesig_copy(search, text, strlen(text));

    if (gate_number_text(&search->sig->pool, node, &value) != GATE_OK) {
        search->failed = 1;
        return node->value;
    }

    return value;
}


static gate_str_t
gatesig_times_100(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    char     text[32];
    int64_t  n;

    if (gate_json_int64(node, &n) != 0 || n == 0
        || n > INT64_MAX / 100 || n < INT64_MIN / 100)
    {
        return value;
    }

    return gatesig_copy(search, text,
                        (size_t) snprintf(text, sizeof(text), "%lld",
                                          (long long) n * 100));
}


static gate_str_t
gatesig_by_100(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    char     text[32];
    int64_t  n;

    if (gate_json_int64(node, &n) != 0 || n == 0 || n % 100 != 0) {
        return value;
    }

    return gatesig_copy(search, text,
                        (size_t) snprintf(text, sizeof(text), "%lld",
                                          (long long) n / 100));
}


static gate_str_t
gatesig_gone(gatesig_search_t *search, const gate_node_t *node,
    gate_str_t value)
{
    (void) search;
    (void) node;

    value.data = NULL;

    return value;
}
