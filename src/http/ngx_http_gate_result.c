
/*
 * Copyright (C) nginx-gate authors
 *
 * The table of results as data.
 */


#include "ngx_http_gate_result.h"


typedef struct {
    ngx_str_t               word;
    ngx_http_gate_class_e   class;
    ngx_uint_t              status;
    char                   *code;
    char                   *message;
} ngx_http_gate_result_t;


#define NGX_HTTP_GATE_RESULT_ROW(name, class, word, status, code, message)    \
    { ngx_string(word), NGX_HTTP_GATE_##class, status, code, message },

static ngx_http_gate_result_t  ngx_http_gate_results[] = {
    NGX_HTTP_GATE_RESULT_TABLE(NGX_HTTP_GATE_RESULT_ROW)
};

#undef NGX_HTTP_GATE_RESULT_ROW


ngx_str_t *
ngx_http_gate_result_word(ngx_http_gate_result_e result)
{
    return &ngx_http_gate_results[result].word;
}


ngx_http_gate_class_e
ngx_http_gate_result_class(ngx_http_gate_result_e result)
{
    return ngx_http_gate_results[result].class;
}


ngx_uint_t
ngx_http_gate_result_status(ngx_http_gate_result_e result)
{
    return ngx_http_gate_results[result].status;
}


char *
ngx_http_gate_result_code(ngx_http_gate_result_e result)
{
    return ngx_http_gate_results[result].code;
}


char *
ngx_http_gate_result_message(ngx_http_gate_result_e result)
{
    return ngx_http_gate_results[result].message;
}


ngx_http_gate_result_e
ngx_http_gate_result_find(ngx_str_t *word, ngx_http_gate_class_e class)
{
    ngx_uint_t               i;
    ngx_http_gate_result_t  *row;

    for (i = 0; i < NGX_HTTP_GATE_RESULTS; i++) {
        row = &ngx_http_gate_results[i];

        if (row->class == class && row->word.len == word->len
            && ngx_memcmp(row->word.data, word->data, word->len) == 0)
        {
            break;
        }
    }

    return i;
}


ngx_http_gate_result_e
ngx_http_gate_result_of(gate_rc_e rc)
{
    switch (rc) {

    case GATE_OK:
        return NGX_HTTP_GATE_OK;

    case GATE_JSON:
        return NGX_HTTP_GATE_BAD_JSON;

    case GATE_VALUES:
        return NGX_HTTP_GATE_TOO_MANY_VALUES;

    case GATE_MISSING:
        return NGX_HTTP_GATE_MISSING_FIELD;

    case GATE_INVALID:
        return NGX_HTTP_GATE_INVALID_FIELD;

    case GATE_PROJECT:
        return NGX_HTTP_GATE_OTHER_PROJECT;

    default:
        return NGX_HTTP_GATE_INTERNAL;
    }
}
