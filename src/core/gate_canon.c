
/*
 * Copyright (C) nginx-gate authors
 *
 * The canonical string: leaves, their paths, values and order.
 */


#include <string.h>

#include "gate_canon.h"
#include "gate_number.h"
#include "gate_sort.h"


#define GATE_WRITE_SIZE  2048


typedef struct {
    gate_str_t     path;
    unsigned       plain;
} gate_path_t;


typedef struct {
    gate_canon_t  *canon;
    gate_pool_t   *pool;
    gate_path_t   *paths;       /* of containers, by node */
    gate_err_t    *err;
    size_t         room;        /* path bytes that are left */
} gate_flat_t;


typedef struct {
    gate_sink_pt    sink;
    void           *data;
    gate_rc_e       rc;         /* what the sink returned */
    size_t          len;
    unsigned char   buf[GATE_WRITE_SIZE];
} gate_writer_t;


static gate_rc_e gate_canon_walk(gate_flat_t *flat, const gate_doc_t *doc,
    const gate_insert_t *insert);
static unsigned gate_canon_before(const gate_insert_t *insert,
    const gate_node_t *node);
static gate_rc_e gate_canon_prefix(gate_flat_t *flat, const gate_node_t *node,
    gate_str_t *path);
static gate_rc_e gate_canon_name(gate_flat_t *flat, const gate_node_t *node);

static gate_rc_e gate_canon_flatten(gate_flat_t *flat, const gate_doc_t *doc,
    const gate_insert_t *insert);
static gate_rc_e gate_canon_leaf(gate_flat_t *flat, const gate_node_t *node);
static void gate_canon_insert(gate_flat_t *flat, const gate_insert_t *insert);
static gate_leaf_t *gate_canon_add(gate_canon_t *canon);
static gate_rc_e gate_canon_room(gate_flat_t *flat, size_t len);
static gate_rc_e gate_canon_enter(gate_flat_t *flat, const gate_node_t *nodes,
    uint32_t i);
static inline unsigned gate_canon_dropped(const gate_node_t *node);
static gate_rc_e gate_canon_path(gate_flat_t *flat, const gate_node_t *node,
    gate_path_t *path);
static gate_rc_e gate_canon_join(gate_flat_t *flat, const gate_path_t *parent,
    gate_str_t key, size_t colons, gate_str_t *path);
static gate_str_t gate_canon_decimal(uint32_t n, unsigned char *last);
static unsigned gate_canon_class(gate_str_t str, size_t *colons);

static gate_rc_e gate_canon_value(gate_flat_t *flat, const gate_node_t *node,
    gate_str_t *value);

static void gate_canon_order(gate_canon_t *canon, gate_order_e order);
static int gate_canon_compare_natural(const void *data, uint32_t a,
    uint32_t b);
static int gate_canon_compare_bytes(const void *data, uint32_t a, uint32_t b);
static void gate_canon_put_line(gate_writer_t *writer,
    const gate_leaf_t *leaf, unsigned separate);
static void gate_canon_put(gate_writer_t *writer, gate_str_t str);
static void gate_canon_put_char(gate_writer_t *writer, unsigned char ch);
static void gate_canon_flush(gate_writer_t *writer);

static const gate_str_t  gate_canon_empty = gate_string("");


gate_rc_e
gate_canon_build(gate_canon_t *canon, gate_pool_t *pool, const gate_doc_t *doc,
    const gate_insert_t *insert, gate_order_e order, gate_err_t *err)
{
    size_t       max;
    gate_rc_e    rc;
    gate_flat_t  flat;

    max = (size_t) doc->n + 1;

    canon->n = 0;
    canon->leaves = gate_pool_alloc(pool, max * sizeof(gate_leaf_t));
    canon->order = gate_pool_alloc(pool, max * sizeof(uint32_t));
    canon->scratch = gate_pool_alloc(pool, max * sizeof(uint32_t));

    canon->simple = doc->simple;
    canon->sorted = order;

    flat.canon = canon;
    flat.pool = pool;
    flat.paths = gate_pool_alloc(pool, doc->n * sizeof(gate_path_t));
    flat.err = err;
    flat.room = GATE_MAX_PATHS(doc->text.len, doc->n);

    if (canon->leaves == NULL || canon->order == NULL || canon->scratch == NULL
        || flat.paths == NULL)
    {
        return GATE_ERROR;
    }

    if (doc->simple) {
        return gate_canon_walk(&flat, doc, insert);
    }

    rc = gate_canon_flatten(&flat, doc, insert);
    if (rc != GATE_OK) {
        return rc;
    }

    gate_canon_order(canon, order);

    return GATE_OK;
}


/*
 * Where every key sorts like the paths through it, the leaves come sorted from
 * the chains of the parser.
 */

static gate_rc_e
gate_canon_walk(gate_flat_t *flat, const gate_doc_t *doc,
    const gate_insert_t *insert)
{
    uint32_t            i, container;
    gate_rc_e           rc;
    const gate_node_t  *node, *nodes;

    nodes = doc->nodes;
    flat->paths[0].path = gate_canon_empty;
    container = 0;
    i = nodes[0].least;

    for ( ;; ) {

        if (insert != NULL && insert->container == container
            && (i == GATE_NO_NODE || gate_canon_before(insert, &nodes[i])))
        {
            gate_canon_insert(flat, insert);
            insert = NULL;
        }

        if (i == GATE_NO_NODE) {

            if (container == 0) {
                return GATE_OK;
            }

            i = nodes[container].after;
            container = nodes[container].parent;
            continue;
        }

        node = &nodes[i];

        if (gate_canon_dropped(node)) {
            i = node->after;
            continue;
        }

        if (node->type == GATE_OBJECT) {
            rc = gate_canon_prefix(flat, node, &flat->paths[i].path);
            container = i;
            i = node->least;

        } else {
            rc = gate_canon_name(flat, node);
            i = node->after;
        }

        if (rc != GATE_OK) {
            flat->err->offset = node->start;
            return rc;
        }
    }
}


/* returns 1 where the leaf's key is not greater than the member's */

static unsigned
gate_canon_before(const gate_insert_t *insert, const gate_node_t *node)
{
    int                   rc;
    size_t                len;
    const unsigned char  *p, *last, *colon;

    p = insert->path.data;
    last = p + insert->path.len;

    while ((colon = memchr(p, ':', last - p)) != NULL) {

        if (insert->container == 0) {
            last = colon;
            break;
        }

        p = colon + 1;
    }

    len = last - p;
    rc = memcmp(p, node->key.data, len < node->key.len ? len : node->key.len);

    return rc < 0 || (rc == 0 && len <= node->key.len);
}


/* the path of a container, and a colon */

static gate_rc_e
gate_canon_prefix(gate_flat_t *flat, const gate_node_t *node, gate_str_t *path)
{
    gate_rc_e       rc;
    gate_str_t      parent;
    unsigned char  *p;

    parent = flat->paths[node->parent].path;
    path->len = parent.len + node->key.len + 1;

    rc = gate_canon_room(flat, path->len);
    if (rc != GATE_OK) {
        return rc;
    }

    p = gate_pool_alloc(flat->pool, path->len);
    if (p == NULL) {
        return GATE_ERROR;
    }

    path->data = p;

    memcpy(p, parent.data, parent.len);
    memcpy(p + parent.len, node->key.data, node->key.len);
    p[path->len - 1] = ':';

    return GATE_OK;
}


static gate_rc_e
gate_canon_name(gate_flat_t *flat, const gate_node_t *node)
{
    gate_rc_e     rc;
    gate_leaf_t  *leaf;

    leaf = gate_canon_add(flat->canon);

    leaf->prefix = flat->paths[node->parent].path;
    leaf->path = node->key;
    leaf->plain = 0;

    rc = gate_canon_room(flat, leaf->prefix.len + leaf->path.len);
    if (rc != GATE_OK) {
        return rc;
    }

    if (node->type == GATE_STRING) {
        leaf->value = node->value;
        return GATE_OK;
    }

    return gate_canon_value(flat, node, &leaf->value);
}


static gate_leaf_t *
gate_canon_add(gate_canon_t *canon)
{
    canon->order[canon->n] = canon->n;

    return &canon->leaves[canon->n++];
}


static gate_rc_e
gate_canon_room(gate_flat_t *flat, size_t len)
{
    if (len > flat->room) {
        flat->err->reason = "paths are too long";
        flat->err->path = NULL;
        return GATE_JSON;
    }

    flat->room -= len;

    return GATE_OK;
}


/*
 * Gate drops a top-level key that PHP takes for empty from the paths of what
 * is in it: such a document can be read as another one.  It is never simple.
 */

static gate_rc_e
gate_canon_enter(gate_flat_t *flat, const gate_node_t *nodes, uint32_t i)
{
    const gate_node_t  *node;

    node = &nodes[i];

    if (i == 0 || node->parent != 0 || node->next == i + 1
        || node->key.len > 1
        || (node->key.len == 1 && node->key.data[0] != '0'))
    {
        return GATE_OK;
    }

    flat->err->reason = "object or array under a top-level key that "
                        "is empty or 0";
    flat->err->path = NULL;

    return GATE_JSON;
}


static gate_rc_e
gate_canon_flatten(gate_flat_t *flat, const gate_doc_t *doc,
    const gate_insert_t *insert)
{
    uint32_t            i;
    gate_rc_e           rc;
    const gate_node_t  *node;

    i = 0;

    while (i < doc->n) {
        node = &doc->nodes[i];

        if (gate_canon_dropped(node)) {
            i = node->next;
            continue;
        }

        if (node->type == GATE_OBJECT || node->type == GATE_ARRAY) {

            rc = gate_canon_enter(flat, doc->nodes, i);

            if (rc == GATE_OK && i != 0) {
                rc = gate_canon_path(flat, node, &flat->paths[i]);
            }

            if (insert != NULL && insert->container == i) {
                gate_canon_insert(flat, insert);
            }

        } else {
            rc = gate_canon_leaf(flat, node);
        }

        if (rc != GATE_OK) {
            flat->err->offset = node->start;
            return rc;
        }

        i++;
    }

    return GATE_OK;
}


static gate_rc_e
gate_canon_leaf(gate_flat_t *flat, const gate_node_t *node)
{
    gate_rc_e     rc;
    gate_path_t   path;
    gate_leaf_t  *leaf;

    rc = gate_canon_path(flat, node, &path);
    if (rc != GATE_OK) {
        return rc;
    }

    leaf = gate_canon_add(flat->canon);

    leaf->prefix = gate_canon_empty;
    leaf->path = path.path;
    leaf->plain = path.plain;

    return gate_canon_value(flat, node, &leaf->value);
}


static void
gate_canon_insert(gate_flat_t *flat, const gate_insert_t *insert)
{
    size_t        colons;
    gate_leaf_t  *leaf;

    leaf = gate_canon_add(flat->canon);

    leaf->prefix = gate_canon_empty;
    leaf->path = insert->path;
    leaf->value = insert->value;
    leaf->plain = gate_canon_class(insert->path, &colons);
}


static inline unsigned
gate_canon_dropped(const gate_node_t *node)
{
    return gate_is(node->key, "signature") || gate_is(node->key, "frame_mode");
}


static gate_rc_e
gate_canon_path(gate_flat_t *flat, const gate_node_t *node, gate_path_t *path)
{
    size_t              colons;
    gate_str_t          key;
    unsigned char       index[10];
    const gate_path_t  *parent;

    if (node->key.data != NULL) {
        key = node->key;
        path->plain = gate_canon_class(key, &colons);

    } else {
        key = gate_canon_decimal(node->index, index + sizeof(index));
        path->plain = 0;
        colons = 0;
    }

    parent = (node->parent != 0) ? &flat->paths[node->parent] : NULL;

    if (parent != NULL) {
        path->plain &= parent->plain;

    } else if (colons == 0) {
        path->path = key;
        return GATE_OK;
    }

    return gate_canon_join(flat, parent, key, colons, &path->path);
}


static gate_rc_e
gate_canon_join(gate_flat_t *flat, const gate_path_t *parent, gate_str_t key,
    size_t colons, gate_str_t *path)
{
    size_t          i, len;
    gate_rc_e       rc;
    unsigned char  *p;

    len = key.len + colons;

    if (parent != NULL) {
        len += parent->path.len + 1;
    }

    rc = gate_canon_room(flat, len);
    if (rc != GATE_OK) {
        return rc;
    }

    p = gate_pool_alloc(flat->pool, len);
    if (p == NULL) {
        return GATE_ERROR;
    }

    path->data = p;
    path->len = len;

    if (parent != NULL) {
        memcpy(p, parent->path.data, parent->path.len);
        p += parent->path.len;
        *p++ = ':';
    }

    if (colons == 0) {
        memcpy(p, key.data, key.len);
        return GATE_OK;
    }

    for (i = 0; i < key.len; i++) {
        *p++ = key.data[i];

        if (key.data[i] == ':') {
            *p++ = ':';
        }
    }

    return GATE_OK;
}


/* writes before last */

static gate_str_t
gate_canon_decimal(uint32_t n, unsigned char *last)
{
    gate_str_t      str;
    unsigned char  *p;

    p = last;

    do {
        *--p = (unsigned char) ('0' + n % 10);
        n /= 10;
    } while (n != 0);

    str.len = last - p;
    str.data = p;

    return str;
}


/* returns 1 for a string without digits and white space */

static unsigned
gate_canon_class(gate_str_t str, size_t *colons)
{
    size_t         i, n;
    unsigned       special;
    unsigned char  ch;

    n = 0;
    special = 0;

    for (i = 0; i < str.len; i++) {
        ch = str.data[i];

        n += (ch == ':');
        special |= gate_is_digit(ch) | gate_is_space(ch);
    }

    *colons = n;

    return !special;
}


static gate_rc_e
gate_canon_value(gate_flat_t *flat, const gate_node_t *node, gate_str_t *value)
{
    static const gate_str_t  one = gate_string("1");
    static const gate_str_t  zero = gate_string("0");

    switch (node->type) {

    case GATE_STRING:
        *value = node->value;
        return GATE_OK;

    case GATE_NUMBER:
        return gate_number_text(flat->pool, node, value);

    case GATE_TRUE:
        *value = one;
        return GATE_OK;

    case GATE_FALSE:
        *value = zero;
        return GATE_OK;

    default: /* GATE_NULL */
        *value = gate_canon_empty;
        return GATE_OK;
    }
}


int
gate_canon_sort(gate_canon_t *canon, gate_order_e order)
{
    int              rc;
    uint32_t         i, *index;
    gate_compare_pt  compare;

    if (canon->simple || canon->sorted == order) {
        return 0;
    }

    canon->sorted = order;
    compare = (order == GATE_ORDER_NATURAL) ? gate_canon_compare_natural
                                            : gate_canon_compare_bytes;
    index = canon->order;

    /* the order is unique: equal paths stand in document order */

    for (i = 1; i < canon->n; i++) {
        rc = compare(canon->leaves, index[i - 1], index[i]);

        if (rc > 0 || (rc == 0 && index[i - 1] > index[i])) {
            gate_canon_order(canon, order);
            return 1;
        }
    }

    return 0;
}


static void
gate_canon_order(gate_canon_t *canon, gate_order_e order)
{
    uint32_t  i;

    for (i = 0; i < canon->n; i++) {
        canon->order[i] = i;
    }

    if (order == GATE_ORDER_NATURAL) {
        gate_sort(canon->order, canon->scratch, canon->n,
                  gate_canon_compare_natural, canon->leaves);

    } else {
        gate_sort(canon->order, canon->scratch, canon->n,
                  gate_canon_compare_bytes, canon->leaves);
    }
}


static int
gate_canon_compare_natural(const void *data, uint32_t a, uint32_t b)
{
    const gate_leaf_t *leaves = data;

    if (leaves[a].plain && leaves[b].plain) {
        return gate_canon_compare_bytes(data, a, b);
    }

    return gate_natural_compare(leaves[a].path, leaves[b].path);
}


static int
gate_canon_compare_bytes(const void *data, uint32_t a, uint32_t b)
{
    const gate_leaf_t *leaves = data;

    int                rc;
    size_t             len;
    const gate_str_t  *x, *y;

    x = &leaves[a].path;
    y = &leaves[b].path;
    len = (x->len < y->len) ? x->len : y->len;

    rc = memcmp(x->data, y->data, len);

    if (rc != 0 || x->len == y->len) {
        return rc;
    }

    return (x->len < y->len) ? -1 : 1;
}


gate_rc_e
gate_canon_write(const gate_canon_t *canon, gate_sink_pt sink, void *data)
{
    uint32_t            i;
    gate_writer_t       writer;
    const gate_leaf_t  *leaf;

    writer.sink = sink;
    writer.data = data;
    writer.rc = GATE_OK;
    writer.len = 0;

    for (i = 0; i < canon->n && writer.rc == GATE_OK; i++) {
        leaf = &canon->leaves[canon->order[i]];

        if (leaf->prefix.len + leaf->path.len + leaf->value.len + 2
            <= GATE_WRITE_SIZE - writer.len)
        {
            gate_canon_put_line(&writer, leaf, i != 0);
            continue;
        }

        if (i != 0) {
            gate_canon_put_char(&writer, ';');
        }

        gate_canon_put(&writer, leaf->prefix);
        gate_canon_put(&writer, leaf->path);
        gate_canon_put_char(&writer, ':');
        gate_canon_put(&writer, leaf->value);
    }

    gate_canon_flush(&writer);

    return writer.rc;
}


/* there is room for all of it */

static void
gate_canon_put_line(gate_writer_t *writer, const gate_leaf_t *leaf,
    unsigned separate)
{
    unsigned char  *p;

    p = writer->buf + writer->len;

    if (separate) {
        *p++ = ';';
    }

    if (leaf->prefix.len) {
        memcpy(p, leaf->prefix.data, leaf->prefix.len);
        p += leaf->prefix.len;
    }

    memcpy(p, leaf->path.data, leaf->path.len);
    p += leaf->path.len;

    *p++ = ':';

    memcpy(p, leaf->value.data, leaf->value.len);
    p += leaf->value.len;

    writer->len = p - writer->buf;
}


static void
gate_canon_put(gate_writer_t *writer, gate_str_t str)
{
    if (str.len > GATE_WRITE_SIZE - writer->len) {

        gate_canon_flush(writer);

        if (str.len > GATE_WRITE_SIZE) {

            if (writer->rc == GATE_OK) {
                writer->rc = writer->sink(writer->data, str.data, str.len);
            }

            return;
        }
    }

    memcpy(writer->buf + writer->len, str.data, str.len);
    writer->len += str.len;
}


static void
gate_canon_put_char(gate_writer_t *writer, unsigned char ch)
{
    if (writer->len == GATE_WRITE_SIZE) {
        gate_canon_flush(writer);
    }

    writer->buf[writer->len++] = ch;
}


static void
gate_canon_flush(gate_writer_t *writer)
{
    if (writer->len != 0 && writer->rc == GATE_OK) {
        writer->rc = writer->sink(writer->data, writer->buf, writer->len);
    }

    writer->len = 0;
}
