
/*
 * Copyright (C) nginx-gate authors
 *
 * yajl reads the grammar; what it lets through is checked here.
 */


#include <setjmp.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "gate_json.h"
#include "gate_keys.h"
#include "gate_text.h"


#define GATE_MANY_NODES    1024


typedef struct {
    gate_doc_t    *doc;
    gate_pool_t   *pool;
    gate_err_t    *err;
    yajl_handle    yajl;
    gate_str_t     key;         /* of the value that comes next */
    uint64_t       head;        /* of the key */
    gate_str_t     string;      /* the last one, decoded */
    uint32_t       start;       /* of the string */
    uint32_t       room;        /* nodes that there may be so far */
    uint32_t       capacity;
    uint32_t       container;   /* the innermost open one */
    uint32_t       depth;
    uint32_t       max_depth;
    uint32_t       max_values;
    uint32_t       end;         /* of the last token but ',' and ':' */
    gate_rc_e      rc;
    jmp_buf        nomem;
} gate_json_t;


static gate_rc_e gate_json_guard(gate_json_t *js);
static gate_rc_e gate_json_read(gate_json_t *js);
static gate_rc_e gate_json_text(gate_json_t *js);
static gate_rc_e gate_json_syntax(gate_json_t *js);
static unsigned char gate_json_separator(gate_json_t *js);
static int gate_json_fail(gate_json_t *js, const char *reason, size_t offset);

static int gate_json_null(void *data);
static int gate_json_boolean(void *data, int value);
static int gate_json_number(void *data, const char *p, size_t len);
static int gate_json_string(void *data, const unsigned char *p, size_t len);
static int gate_json_map_key(void *data, const unsigned char *p, size_t len);
static int gate_json_start_map(void *data);
static int gate_json_end_map(void *data);
static int gate_json_start_array(void *data);
static int gate_json_end_array(void *data);

static int gate_json_scalar(gate_json_t *js, gate_type_e type, size_t len);
static int gate_json_start(gate_json_t *js, gate_type_e type);
static int gate_json_end(gate_json_t *js);
static gate_node_t *gate_json_push(gate_json_t *js, gate_type_e type);
static int gate_json_grow(gate_json_t *js);
static int gate_json_decoded(gate_json_t *js, const unsigned char *p,
    size_t len);
static int gate_json_escaped(gate_json_t *js, const unsigned char *p,
    size_t len);

static size_t gate_json_key_offset(gate_json_t *js, uint32_t object,
    uint32_t member);

static void *gate_json_malloc(void *data, size_t size);
static void *gate_json_realloc(void *data, void *p, size_t size);
static void gate_json_free(void *data, void *p);


static const yajl_callbacks  gate_json_callbacks = {
    gate_json_null,
    gate_json_boolean,
    NULL,
    NULL,
    gate_json_number,
    gate_json_string,
    gate_json_start_map,
    gate_json_map_key,
    gate_json_end_map,
    gate_json_start_array,
    gate_json_end_array
};


static const char  gate_json_space[] = " \t\n\r";


gate_rc_e
gate_json_parse_values(gate_doc_t *doc, gate_pool_t *pool, gate_str_t text,
    uint32_t max_depth, uint32_t max_values, gate_err_t *err)
{
    gate_rc_e    rc;
    gate_json_t  js;

    memset(&js, 0, sizeof(gate_json_t));

    js.doc = doc;
    js.pool = pool;
    js.err = err;
    js.rc = GATE_OK;
    js.max_values = max_values;
    js.max_depth = max_depth < GATE_DEPTH_LIMIT ? max_depth : GATE_DEPTH_LIMIT;

    doc->text = text;
    doc->nodes = NULL;
    doc->n = 0;
    doc->simple = 1;

    err->reason = NULL;
    err->path = NULL;
    err->offset = 0;

    rc = gate_json_text(&js);
    if (rc != GATE_OK) {
        return rc;
    }

    rc = gate_json_guard(&js);

    if (rc == GATE_JSON && js.rc == GATE_OK) {
        return gate_json_syntax(&js);
    }

    return rc;
}


/*
 * yajl uses what its allocation functions return without a look; all it has
 * is in the pool, so that leaving it half-way leaks nothing.  What needs no
 * guard stays out of here: its variables, inlined, would be suspicious to gcc.
 */

static gate_rc_e
gate_json_guard(gate_json_t *js)
{
    if (setjmp(js->nomem) != 0) {
        return GATE_ERROR;
    }

    return gate_json_read(js);
}


static gate_rc_e
gate_json_read(gate_json_t *js)
{
    size_t            offset;
    gate_str_t        text;
    yajl_status       status;
    yajl_alloc_funcs  funcs;

    text = js->doc->text;

    if (gate_json_grow(js) == 0) {
        return js->rc;
    }

    funcs.malloc = gate_json_malloc;
    funcs.realloc = gate_json_realloc;
    funcs.free = gate_json_free;
    funcs.ctx = js;

    js->yajl = yajl_alloc(&gate_json_callbacks, &funcs, js);
    if (js->yajl == NULL) {
        return GATE_ERROR;
    }

    (void) yajl_config(js->yajl, yajl_dont_validate_strings, 1);

    status = yajl_parse(js->yajl, text.data, text.len);

    if (js->rc != GATE_OK) {
        return js->rc;
    }

    if (js->depth != 0 || js->doc->n == 0) {

        if (status != yajl_status_ok) {
            return GATE_JSON;
        }

        gate_json_fail(js, "unexpected end of text", text.len);
        return js->rc;
    }

    /* half a token is not trailing garbage to yajl */

    offset = gate_text_skip(text, js->end, gate_json_space);

    if (offset != text.len || yajl_complete_parse(js->yajl) != yajl_status_ok)
    {
        gate_json_fail(js, "trailing bytes", offset);
    }

    return js->rc;
}


/* what can be told without knowing the structure */

static gate_rc_e
gate_json_text(gate_json_t *js)
{
    size_t                offset;
    gate_str_t            text;
    const unsigned char  *p;

    text = js->doc->text;

    if (text.len > GATE_MAX_TEXT) {
        gate_json_fail(js, "text is too long", GATE_MAX_TEXT);
        return js->rc;
    }

    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) {
        gate_json_fail(js, "byte order mark", 0);
        return js->rc;
    }

    offset = gate_text_skip(text, 0, gate_json_space);

    if (offset == text.len) {
        gate_json_fail(js, "unexpected end of text", offset);
        return js->rc;
    }

    if (text.data[offset] != '{') {
        gate_json_fail(js, "top level is not an object", offset);
        return js->rc;
    }

    offset = gate_text_utf8(text);

    if (offset != text.len) {
        gate_json_fail(js, "invalid UTF-8", offset);
        return js->rc;
    }

    /* to yajl these two are white space */

    p = memchr(text.data, '\v', text.len);

    if (p == NULL) {
        p = memchr(text.data, '\f', text.len);
    }

    if (p != NULL) {
        gate_json_fail(js, "control character", p - text.data);
    }

    return js->rc;
}


/* yajl is vague about the place: what follows its last good token is bad */

static gate_rc_e
gate_json_syntax(gate_json_t *js)
{
    size_t       offset;
    gate_str_t   text;
    const char  *reason;

    text = js->doc->text;
    offset = gate_text_skip(text, js->end, gate_json_space);

    if (offset < text.len && text.data[offset] == gate_json_separator(js)) {
        offset = gate_text_skip(text, offset + 1, gate_json_space);
    }

    if (offset < text.len && text.data[offset] == '"') {
        reason = gate_text_string(text, &offset);

    } else if (offset < text.len && text.data[offset] < 0x20) {
        reason = "control character";

    } else {
        reason = NULL;
    }

    if (offset == text.len) {
        reason = "unexpected end of text";
    }

    gate_json_fail(js, (reason != NULL) ? reason : "unexpected token", offset);

    return js->rc;
}


/* what may stand between the last token and the next beside white space */

static unsigned char
gate_json_separator(gate_json_t *js)
{
    if (js->key.data != NULL) {
        return ':';
    }

    return (js->doc->nodes[js->container].next != 0) ? ',' : ' ';
}


/* returns 0: what a callback returns to stop yajl */

static int
gate_json_fail(gate_json_t *js, const char *reason, size_t offset)
{
    js->err->reason = reason;
    js->err->offset = offset;
    js->rc = GATE_JSON;

    return 0;
}


static int
gate_json_null(void *data)
{
    return gate_json_scalar(data, GATE_NULL, 4);
}


static int
gate_json_boolean(void *data, int value)
{
    return value ? gate_json_scalar(data, GATE_TRUE, 4)
                 : gate_json_scalar(data, GATE_FALSE, 5);
}


static int
gate_json_number(void *data, const char *p, size_t len)
{
    (void) p;

    return gate_json_scalar(data, GATE_NUMBER, len);
}


static int
gate_json_string(void *data, const unsigned char *p, size_t len)
{
    gate_json_t *js = data;

    gate_node_t  *node;

    if (gate_json_decoded(js, p, len) == 0) {
        return 0;
    }

    node = gate_json_push(js, GATE_STRING);
    if (node == NULL) {
        return 0;
    }

    node->value = js->string;
    node->start = js->start;
    node->end = js->end;
    node->next = js->doc->n;

    return 1;
}


static int
gate_json_map_key(void *data, const unsigned char *p, size_t len)
{
    gate_json_t *js = data;

    size_t  readable;

    if (gate_json_decoded(js, p, len) == 0) {
        return 0;
    }

    js->key = js->string;

    readable = (js->key.data == p) ? js->doc->text.len - js->start - 1 : len;

    js->head = gate_key_head(js->key, readable);
    js->doc->simple &= gate_key_simple(js->key, js->head);

    return 1;
}


static int
gate_json_start_map(void *data)
{
    return gate_json_start(data, GATE_OBJECT);
}


static int
gate_json_end_map(void *data)
{
    gate_json_t *js = data;

    uint32_t  object, second;

    object = js->container;

    if (gate_keys_chain(js->doc, js->pool, object, &second) != GATE_OK) {
        js->rc = GATE_ERROR;
        return 0;
    }

    if (second != GATE_NO_NODE) {
        return gate_json_fail(js, "duplicate key",
                              gate_json_key_offset(js, object, second));
    }

    return gate_json_end(js);
}


static int
gate_json_start_array(void *data)
{
    gate_json_t *js = data;

    js->doc->simple = 0;

    return gate_json_start(js, GATE_ARRAY);
}


static int
gate_json_end_array(void *data)
{
    gate_json_t *js = data;

    uint32_t      i, *link;
    gate_node_t  *nodes;

    nodes = js->doc->nodes;
    link = &nodes[js->container].least;

    for (i = js->container + 1; i < js->doc->n; i = nodes[i].next) {
        *link = i;
        link = &nodes[i].after;
    }

    return gate_json_end(js);
}


static int
gate_json_scalar(gate_json_t *js, gate_type_e type, size_t len)
{
    gate_node_t  *node;

    js->end = yajl_get_bytes_consumed(js->yajl);

    node = gate_json_push(js, type);
    if (node == NULL) {
        return 0;
    }

    node->start = js->end - len;
    node->end = js->end;
    node->next = js->doc->n;
    node->value.len = len;
    node->value.data = js->doc->text.data + node->start;

    return 1;
}


static int
gate_json_start(gate_json_t *js, gate_type_e type)
{
    gate_node_t  *node;

    js->end = yajl_get_bytes_consumed(js->yajl);

    if (js->depth == js->max_depth) {
        return gate_json_fail(js, "nesting is too deep", js->end - 1);
    }

    node = gate_json_push(js, type);
    if (node == NULL) {
        return 0;
    }

    node->start = js->end - 1;

    js->container = js->doc->n - 1;
    js->depth++;

    return 1;
}


static int
gate_json_end(gate_json_t *js)
{
    gate_node_t  *node;

    js->end = yajl_get_bytes_consumed(js->yajl);

    node = &js->doc->nodes[js->container];

    node->end = js->end;
    node->next = js->doc->n;

    js->container = node->parent;
    js->depth--;

    return 1;
}


/* "next" of an open container counts its children */

static gate_node_t *
gate_json_push(gate_json_t *js, gate_type_e type)
{
    gate_doc_t   *doc;
    gate_node_t  *node;

    doc = js->doc;

    if (doc->n == js->room && gate_json_grow(js) == 0) {
        return NULL;
    }

    node = &doc->nodes[doc->n];

    node->parent = js->container;
    node->index = doc->nodes[js->container].next++;
    node->key = js->key;
    node->head = js->head;
    node->value.len = 0;
    node->value.data = NULL;
    node->start = 0;
    node->end = 0;
    node->next = 0;
    node->least = GATE_NO_NODE;
    node->after = GATE_NO_NODE;
    node->type = type;

    js->key.len = 0;
    js->key.data = NULL;

    doc->n++;

    return node;
}


static int
gate_json_grow(gate_json_t *js)
{
    uint32_t      capacity;
    gate_doc_t   *doc;
    gate_node_t  *nodes;

    doc = js->doc;

    if (doc->n == GATE_MAX_NODES) {
        return gate_json_fail(js, "too many values", js->end);
    }

    if (doc->n >= js->max_values) {
        gate_json_fail(js, "too many values", js->end);
        js->rc = GATE_VALUES;
        return 0;
    }

    if (js->capacity == 0) {
        capacity = 16 + doc->text.len / 16;
        capacity = (capacity < GATE_MANY_NODES) ? capacity : GATE_MANY_NODES;

    } else {
        capacity = js->capacity * 2;
    }

    if (capacity > GATE_MAX_NODES) {
        capacity = GATE_MAX_NODES;
    }

    nodes = gate_pool_alloc(js->pool, capacity * sizeof(gate_node_t));
    if (nodes == NULL) {
        js->rc = GATE_ERROR;
        return 0;
    }

    if (doc->n != 0) {
        memcpy(nodes, doc->nodes, doc->n * sizeof(gate_node_t));

    } else {
        nodes[0].next = 0;
    }

    doc->nodes = nodes;
    js->capacity = capacity;
    js->room = (capacity < js->max_values) ? capacity : js->max_values;

    return 1;
}


/*
 * A string without escapes is a part of the text; a decoded one stands in a
 * buffer that yajl uses again, and hides what its escapes were.
 */

static int
gate_json_decoded(gate_json_t *js, const unsigned char *p, size_t len)
{
    size_t  offset;

    offset = (uintptr_t) p - (uintptr_t) js->doc->text.data;

    if (offset >= js->doc->text.len) {
        return gate_json_escaped(js, p, len);
    }

    js->start = offset - 1;
    js->end = offset + len + 1;
    js->string.data = p;
    js->string.len = len;

    return 1;
}


static int
gate_json_escaped(gate_json_t *js, const unsigned char *p, size_t len)
{
    size_t          offset;
    gate_str_t      text;
    unsigned char  *copy;

    text = js->doc->text;
    js->start = gate_text_skip(text, js->end, " \t\n\r,:");

    js->end = yajl_get_bytes_consumed(js->yajl);

    offset = gate_text_surrogate(text, js->start + 1, js->end - 1);

    if (offset != js->end - 1) {
        return gate_json_fail(js, "lone surrogate", offset);
    }

    copy = gate_pool_alloc(js->pool, len);
    if (copy == NULL) {
        js->rc = GATE_ERROR;
        return 0;
    }

    memcpy(copy, p, len);

    js->string.data = copy;
    js->string.len = len;

    return 1;
}


static size_t
gate_json_key_offset(gate_json_t *js, uint32_t object, uint32_t member)
{
    size_t        offset;
    uint32_t      i;
    gate_node_t  *nodes;

    nodes = js->doc->nodes;
    offset = nodes[object].start + 1;

    for (i = object + 1; i != member; i = nodes[i].next) {
        offset = nodes[i].end;
    }

    return gate_text_skip(js->doc->text, offset, " \t\n\r,");
}


uint32_t
gate_json_member(const gate_doc_t *doc, uint32_t parent, const char *key,
    size_t len)
{
    uint32_t            i, next;
    const gate_node_t  *node;

    if (doc->nodes[parent].type != GATE_OBJECT) {
        return GATE_NO_NODE;
    }

    next = doc->nodes[parent].next;

    for (i = parent + 1; i < next; i = node->next) {
        node = &doc->nodes[i];

        if (node->key.len == len && memcmp(node->key.data, key, len) == 0) {
            return i;
        }
    }

    return GATE_NO_NODE;
}


/* each block has its size before it: realloc() has to copy */

#define GATE_JSON_HEADER  16


static void *
gate_json_malloc(void *data, size_t size)
{
    gate_json_t *js = data;

    unsigned char  *p;

    p = gate_pool_alloc(js->pool, GATE_JSON_HEADER + size);
    if (p == NULL) {
        longjmp(js->nomem, 1);
    }

    memcpy(p, &size, sizeof(size_t));

    return p + GATE_JSON_HEADER;
}


static void *
gate_json_realloc(void *data, void *p, size_t size)
{
    void    *copy;
    size_t   old;

    copy = gate_json_malloc(data, size);

    if (p != NULL) {
        memcpy(&old, (unsigned char *) p - GATE_JSON_HEADER, sizeof(size_t));
        memcpy(copy, p, old < size ? old : size);
    }

    return copy;
}


static void
gate_json_free(void *data, void *p)
{
    (void) data;
    (void) p;
}
