
/*
 * Copyright (C) nginx-gate authors
 *
 * Look-alikes: a callback, and another document with its canonical string,
 * which is made of the same lines in another way.  Where both are taken, both
 * say the same.
 *
 * The input is a list of edits, a byte 0x1e, and the callback.  An edit is
 * three bytes: what is done, to which line, and where in it:
 *
 *   0   the next line goes into the value
 *   1   the value ends at a semicolon, and a new line begins
 *   2   a part of the value becomes a part of the path
 *   3   a part of the path becomes a part of the value
 *   4   the value becomes a part of the next line's path
 *   5   the value has another type
 *   6   lists become objects
 */


#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gate_callback.h"
#include "gate_claim.h"
#include "gate_number.h"
#include "gate_shape.h"


#define FUZZ_LINES  128
#define FUZZ_DEPTH  24
#define FUZZ_TEXT   4096


typedef struct {
    gate_str_t      path;       /* both are parts of the canonical string */
    gate_str_t      value;
    unsigned        type;
} fuzz_line_t;


typedef struct {
    unsigned char   string[FUZZ_TEXT];
    size_t          len;
    fuzz_line_t     lines[FUZZ_LINES];
    size_t          n;
    int             objects;    /* in place of lists */
    unsigned char   text[16 * FUZZ_TEXT];
    unsigned char  *p;
} fuzz_alike_t;


typedef struct {
    gate_pool_t     pool;
    gate_doc_t      doc;
    gate_canon_t    canon;
    unsigned char   string[2 * FUZZ_TEXT];
    size_t          len;
} fuzz_doc_t;


static int fuzz_read(fuzz_doc_t *doc, gate_str_t text, gate_order_e order);
static gate_rc_e fuzz_append(void *data, const unsigned char *p, size_t len);
static int fuzz_lines(fuzz_alike_t *alike, const fuzz_doc_t *a);
static void fuzz_edit(fuzz_alike_t *alike, const unsigned char *edit);
static void fuzz_remove(fuzz_alike_t *alike, size_t i);
static int fuzz_object(fuzz_alike_t *alike, size_t from, size_t to,
    size_t depth);
static int fuzz_list(fuzz_alike_t *alike, size_t from, size_t to,
    size_t depth);
static int fuzz_child(fuzz_alike_t *alike, size_t from, size_t to,
    size_t depth);
static int fuzz_segment(gate_str_t path, size_t depth, gate_str_t *segment);
static size_t fuzz_same_segment(fuzz_alike_t *alike, size_t from, size_t to,
    size_t depth);
static void fuzz_value(fuzz_alike_t *alike, const fuzz_line_t *line);
static void fuzz_put(fuzz_alike_t *alike, gate_str_t str, int is_key);
static int fuzz_integer(gate_str_t str);
static int fuzz_taken(fuzz_doc_t *doc, gate_callback_t *facts, uint32_t *id);
static int fuzz_alike_text(gate_str_t a, gate_str_t b);
static gate_str_t fuzz_field(fuzz_doc_t *a, const char *object,
    const char *member);
static void fuzz_fields(fuzz_doc_t *a, fuzz_doc_t *b);
static void fuzz_operations(const gate_callback_t *a,
    const gate_callback_t *b);
static int fuzz_claims(fuzz_doc_t *doc);
static int fuzz_tells(fuzz_doc_t *doc);
static void fuzz_compare(fuzz_doc_t *a, fuzz_doc_t *b);


static fuzz_alike_t  fuzz_alike;
static fuzz_doc_t    fuzz_docs[2];


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    size_t         i;
    gate_str_t     edits, text, other;
    gate_order_e   order;
    fuzz_alike_t  *alike;

    text.data = data;
    text.len = size;

    edits = fuzz_cut(&text, 0x1e);
    alike = &fuzz_alike;

    for (order = GATE_ORDER_NATURAL; order <= GATE_ORDER_BYTES; order++) {

        if (fuzz_read(&fuzz_docs[0], text, order)
            && fuzz_lines(alike, &fuzz_docs[0]))
        {
            for (i = 0; i + 3 <= edits.len; i += 3) {
                fuzz_edit(alike, edits.data + i);
            }

            alike->p = alike->text;

            if (fuzz_object(alike, 0, alike->n, 0)) {

                /* a signature, and the same string: it verifies */

                alike->p--;
                memcpy(alike->p, ",\"signature\":\"x\"}", 17);
                alike->p += 17;

                other.data = alike->text;
                other.len = alike->p - alike->text;

                if (fuzz_read(&fuzz_docs[1], other, order)) {
                    fuzz_compare(&fuzz_docs[0], &fuzz_docs[1]);
                }

                gate_pool_reset(&fuzz_docs[1].pool);
            }
        }

        gate_pool_reset(&fuzz_docs[0].pool);
    }

    return 0;
}


static int
fuzz_read(fuzz_doc_t *doc, gate_str_t text, gate_order_e order)
{
    gate_err_t  err;

    gate_pool_init(&doc->pool, NULL, 0);
    doc->len = 0;

    return text.len <= 8 * FUZZ_TEXT
           && gate_json_parse(&doc->doc, &doc->pool, text, GATE_MAX_DEPTH,
                              &err)
              == GATE_OK
           && gate_canon_build(&doc->canon, &doc->pool, &doc->doc, NULL, order,
                               &err)
              == GATE_OK
           && gate_canon_write(&doc->canon, fuzz_append, doc) == GATE_OK;
}


static gate_rc_e
fuzz_append(void *data, const unsigned char *p, size_t len)
{
    fuzz_doc_t *doc = data;

    if (len > sizeof(doc->string) - doc->len) {
        return GATE_ERROR;
    }

    if (len != 0) {
        memcpy(doc->string + doc->len, p, len);
        doc->len += len;
    }

    return GATE_OK;
}


/* the lines of the callback, before the edits */

static int
fuzz_lines(fuzz_alike_t *alike, const fuzz_doc_t *a)
{
    size_t              i;
    fuzz_line_t        *line;
    const gate_leaf_t  *leaf;

    if (a->len > FUZZ_TEXT || a->canon.n > FUZZ_LINES || a->canon.n == 0) {
        return 0;
    }

    memcpy(alike->string, a->string, a->len);

    alike->len = 0;
    alike->n = a->canon.n;
    alike->objects = 0;

    for (i = 0; i < alike->n; i++) {
        leaf = &a->canon.leaves[a->canon.order[i]];
        line = &alike->lines[i];

        line->path.data = alike->string + alike->len;
        line->path.len = leaf->prefix.len + leaf->path.len;
        line->value.data = line->path.data + line->path.len + 1;
        line->value.len = leaf->value.len;
        line->type = 0;

        alike->len += line->path.len + 1 + leaf->value.len + 1;
    }

    return alike->len == a->len + 1;
}


static void
fuzz_edit(fuzz_alike_t *alike, const unsigned char *edit)
{
    size_t                at;
    fuzz_line_t          *line, *next;
    const unsigned char  *p, *end;

    line = &alike->lines[edit[1] % alike->n];
    next = (line + 1 < alike->lines + alike->n) ? line + 1 : NULL;
    end = line->value.data + line->value.len;
    at = edit[2] % 8;

    switch (edit[0] % 7) {

    case 0:
        if (next != NULL) {
            line->value.len = next->value.data + next->value.len
                              - line->value.data;
            fuzz_remove(alike, next - alike->lines);
        }

        break;

    case 1:
        p = line->value.len ? memchr(line->value.data, ';', line->value.len)
                            : NULL;

        while (p != NULL && at-- != 0) {
            p = memchr(p + 1, ';', end - p - 1);
        }

        if (p == NULL || alike->n == FUZZ_LINES
            || memchr(p, ':', end - p) == NULL)
        {
            break;
        }

        memmove(line + 2, line + 1,
                (alike->lines + alike->n - line - 1) * sizeof(fuzz_line_t));
        alike->n++;

        line->value.len = p - line->value.data;

        next = line + 1;
        next->path.data = p + 1;
        next->path.len = (const unsigned char *) memchr(p, ':', end - p)
                         - p - 1;
        next->value.data = next->path.data + next->path.len + 1;
        next->value.len = end - next->value.data;
        next->type = 0;
        break;

    case 2:
        p = line->value.len ? memchr(line->value.data, ':', line->value.len)
                            : NULL;

        if (p != NULL) {
            line->path.len = p - line->path.data;
            line->value.data = p + 1;
            line->value.len = end - p - 1;
        }

        break;

    case 3:
        for (p = line->path.data + line->path.len;
             p > line->path.data; /* void */ )
        {
            if (*--p == ':' && at-- == 0) {
                line->path.len = p - line->path.data;
                line->value.data = p + 1;
                line->value.len = end - p - 1;
                break;
            }
        }

        break;

    case 4:
        if (next != NULL) {
            next->path.len += next->path.data - line->path.data;
            next->path.data = line->path.data;
            fuzz_remove(alike, line - alike->lines);
        }

        break;

    case 5:
        line->type = at;
        break;

    default:
        alike->objects = !alike->objects;
        break;
    }
}


static void
fuzz_remove(fuzz_alike_t *alike, size_t i)
{
    alike->n--;

    memmove(&alike->lines[i], &alike->lines[i + 1],
            (alike->n - i) * sizeof(fuzz_line_t));
}


/* lines of one object stand together, or the document has a key twice */

static int
fuzz_object(fuzz_alike_t *alike, size_t from, size_t to, size_t depth)
{
    size_t      i, next;
    gate_str_t  key;

    if (depth == FUZZ_DEPTH) {
        return 0;
    }

    if (depth != 0 && !alike->objects && fuzz_list(alike, from, to, depth)) {
        return 1;
    }

    *alike->p++ = '{';

    for (i = from; i < to; i = next) {
        next = fuzz_same_segment(alike, i, to, depth);

        if (!fuzz_segment(alike->lines[i].path, depth, &key)) {
            return 0;
        }

        if (i != from) {
            *alike->p++ = ',';
        }

        fuzz_put(alike, key, 1);
        *alike->p++ = ':';

        if (!fuzz_child(alike, i, next, depth)) {
            return 0;
        }
    }

    *alike->p++ = '}';

    return 1;
}


/* where the keys are 0, 1, 2... */

static int
fuzz_list(fuzz_alike_t *alike, size_t from, size_t to, size_t depth)
{
    size_t          i, k, n, next, index;
    gate_str_t      key;
    unsigned char  *start;

    start = alike->p;
    n = 0;

    *alike->p++ = '[';

    for (i = from; i < to; i = next) {
        next = fuzz_same_segment(alike, i, to, depth);

        if (!fuzz_segment(alike->lines[i].path, depth, &key)
            || key.len == 0 || key.len > 3
            || (key.len > 1 && key.data[0] == '0'))
        {
            alike->p = start;
            return 0;
        }

        index = 0;

        for (k = 0; k < key.len; k++) {
            index = index * 10 + key.data[k] - '0';
        }

        if (index != n++) {
            alike->p = start;
            return 0;
        }

        if (i != from) {
            *alike->p++ = ',';
        }

        if (!fuzz_child(alike, i, next, depth)) {
            alike->p = start;
            return 0;
        }
    }

    *alike->p++ = ']';

    return 1;
}


static int
fuzz_child(fuzz_alike_t *alike, size_t from, size_t to, size_t depth)
{
    gate_str_t  segment;

    if (fuzz_segment(alike->lines[from].path, depth + 1, &segment)) {
        return fuzz_object(alike, from, to, depth + 1);
    }

    if (to != from + 1) {
        return 0;
    }

    fuzz_value(alike, &alike->lines[from]);

    return 1;
}


/* a doubled colon is one of a key */

static int
fuzz_segment(gate_str_t path, size_t depth, gate_str_t *segment)
{
    size_t  i, start;

    start = 0;

    for (i = 0; i < path.len; i++) {

        if (path.data[i] != ':') {
            continue;
        }

        if (i + 1 < path.len && path.data[i + 1] == ':') {
            i++;
            continue;
        }

        if (depth-- == 0) {
            break;
        }

        start = i + 1;
    }

    segment->data = path.data + start;
    segment->len = i - start;

    return depth == 0 || depth == (size_t) -1;
}


static size_t
fuzz_same_segment(fuzz_alike_t *alike, size_t from, size_t to, size_t depth)
{
    size_t      i;
    gate_str_t  a, b;

    if (!fuzz_segment(alike->lines[from].path, depth, &a)) {
        return from + 1;
    }

    for (i = from + 1; i < to; i++) {
        if (!fuzz_segment(alike->lines[i].path, depth, &b)
            || !fuzz_equal(a, b))
        {
            break;
        }
    }

    return i;
}


/* the types that are signed alike */

static void
fuzz_value(fuzz_alike_t *alike, const fuzz_line_t *line)
{
    gate_str_t  value;

    value = line->value;

    if (fuzz_integer(value) && line->type % 2 == 0) {
        memcpy(alike->p, value.data, value.len);
        alike->p += value.len;

    } else if (value.len == 1 && line->type == 3
               && (*value.data == '0' || *value.data == '1'))
    {
        memcpy(alike->p, (*value.data == '0') ? "false" : "true ", 5);
        alike->p += 5;

    } else if (value.len == 0 && line->type != 0) {
        memcpy(alike->p, "null", 4);
        alike->p += 4;

    } else {
        fuzz_put(alike, value, 0);
    }
}


static int
fuzz_integer(gate_str_t str)
{
    size_t  i;

    if (str.len == 0 || str.len > 18 || (str.len > 1 && str.data[0] == '0')) {
        return 0;
    }

    for (i = 0; i < str.len; i++) {
        if (str.data[i] < '0' || str.data[i] > '9') {
            return 0;
        }
    }

    return 1;
}


static void
fuzz_put(fuzz_alike_t *alike, gate_str_t str, int is_key)
{
    size_t                i;
    unsigned char         c;
    static const char     hex[] = "0123456789abcdef";

    *alike->p++ = '"';

    for (i = 0; i < str.len; i++) {
        c = str.data[i];

        if (c < 0x20 || c == '"' || c == '\\') {
            memcpy(alike->p, "\\u00", 4);
            alike->p[4] = hex[c >> 4];
            alike->p[5] = hex[c & 0xf];
            alike->p += 6;
            continue;
        }

        *alike->p++ = c;

        if (is_key && c == ':') {
            i++;
        }
    }

    *alike->p++ = '"';
}


/* as for a callback that has verified */

static int
fuzz_taken(fuzz_doc_t *doc, gate_callback_t *facts, uint32_t *id)
{
    uint32_t      node;
    gate_err_t    err;
    gate_place_e  place;

    place = gate_signature_find(&doc->doc, &node);

    return place != GATE_AT_NONE
           && gate_callback_project(&doc->doc, id, &err) == GATE_OK
           && gate_callback_ambiguous(&doc->doc, place, &err) == GATE_OK
           && gate_shape_check(&doc->doc, &doc->canon, &err) == GATE_OK
           && gate_callback_read(&doc->doc, facts, &err) == GATE_OK;
}


/* a text may go on with a line of what is not documented */

static int
fuzz_alike_text(gate_str_t a, gate_str_t b)
{
    gate_str_t  longer;

    if (a.len == b.len) {
        return fuzz_equal(a, b);
    }

    longer = (a.len > b.len) ? a : b;
    a = (a.len > b.len) ? b : a;

    return a.len != 0 && memcmp(a.data, longer.data, a.len) == 0
           && longer.data[a.len] == ';';
}


/* what a service reads, too: a value as it is signed, or nothing */

static gate_str_t
fuzz_field(fuzz_doc_t *a, const char *object, const char *member)
{
    uint32_t            i;
    gate_str_t          value;
    const gate_node_t  *node;

    static const gate_str_t  words[] = {
        gate_string(""), gate_string("0"), gate_string("1")
    };

    i = gate_json_member(&a->doc, 0, object, strlen(object));

    if (i != GATE_NO_NODE) {
        i = gate_json_member(&a->doc, i, member, strlen(member));
    }

    node = &a->doc.nodes[i];

    if (i == GATE_NO_NODE || node->type >= GATE_OBJECT) {
        return words[0];
    }

    if (node->type == GATE_STRING) {
        return node->value;
    }

    if (node->type != GATE_NUMBER) {
        return words[node->type];
    }

    fuzz_must(gate_number_text(&a->pool, node, &value) == GATE_OK,
              "there is memory");

    return value;
}


static void
fuzz_fields(fuzz_doc_t *a, fuzz_doc_t *b)
{
    size_t  i;

    static const char  *fields[][2] = {
        { "account", "number" }, { "account", "token" },
        { "customer", "id" }, { "customer", "phone" },
        { "customer", "email" }, { "payment", "date" },
        { "payment", "method" }, { "payment", "description" },
        { "operation", "date" }, { "operation", "code" },
        { "operation", "message" }, { "operation", "request_id" }
    };

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        fuzz_must(fuzz_alike_text(fuzz_field(a, fields[i][0], fields[i][1]),
                                  fuzz_field(b, fields[i][0], fields[i][1])),
                  "look-alikes have the same fields");
    }
}


static void
fuzz_operations(const gate_callback_t *a, const gate_callback_t *b)
{
    unsigned                 i;
    const gate_operation_t  *x, *y;

    fuzz_must(a->noperations == b->noperations && a->alone == b->alone,
              "look-alikes have the same operations");

    for (i = 0; i < a->noperations; i++) {
        x = &a->operations[i];
        y = &b->operations[i];

        fuzz_must(fuzz_equal(x->id, y->id), "an operation has its id");
        fuzz_must(x->status == y->status || x->status == GATE_STATUS_OTHER
                  || y->status == GATE_STATUS_OTHER,
                  "an operation has one status");
        fuzz_must(x->size == y->size || x->size == GATE_NO_AMOUNT
                  || y->size == GATE_NO_AMOUNT, "an operation has one size");
        fuzz_must(x->paid == y->paid || x->paid == GATE_NO_AMOUNT
                  || y->paid == GATE_NO_AMOUNT,
                  "an operation has paid one amount");
    }
}


/*
 * The signature sees no empty item of a list: whether all operations are
 * listed is then not known of one of the two.
 */

/* whether it is refused as a request */

static int
fuzz_claims(fuzz_doc_t *doc)
{
    gate_rc_e   rc;
    gate_err_t  err;

    err.path = NULL;
    rc = gate_claim_check(&doc->doc, &doc->canon, &err);

    fuzz_must(rc == GATE_OK || (rc == GATE_INVALID && err.path != NULL),
              "a status that is refused has a place");

    return rc != GATE_OK;
}


/* whoever reads it, whatever else is wrong with it */

static int
fuzz_tells(fuzz_doc_t *doc)
{
    uint32_t         node;
    unsigned         i;
    gate_err_t       err;
    gate_callback_t  facts;

    (void) gate_callback_read(&doc->doc, &facts, &err);

    if (facts.status != GATE_STATUS_NONE || facts.status_text.len != 0) {
        return 1;
    }

    for (i = 0; i < facts.noperations; i++) {
        if (facts.operations[i].status_text.len != 0) {
            return 1;
        }
    }

    node = gate_member(&doc->doc, 0, "status");

    return node != GATE_NO_NODE && doc->doc.nodes[node].type == GATE_STRING;
}


static void
fuzz_compare(fuzz_doc_t *a, fuzz_doc_t *b)
{
    uint32_t         id[2];
    gate_callback_t  facts[2];

    if (a->len != b->len || memcmp(a->string, b->string, a->len) != 0) {
        return;
    }

    fuzz_must(fuzz_claims(a) == fuzz_claims(b),
              "the canonical string says what may be signed");
    fuzz_must(fuzz_claims(a) || (!fuzz_tells(a) && !fuzz_tells(b)),
              "what is signed as a request tells no status");

    if (!fuzz_taken(a, &facts[0], &id[0])
        || !fuzz_taken(b, &facts[1], &id[1]))
    {
        return;
    }

    fuzz_must(id[0] == id[1], "look-alikes are of one project");
    fuzz_must(fuzz_alike_text(facts[0].payment_id, facts[1].payment_id)
              && fuzz_equal(facts[0].operation_id, facts[1].operation_id),
              "look-alikes are of one payment");
    fuzz_must(facts[0].status == facts[1].status
              || facts[0].status == GATE_STATUS_OTHER
              || facts[1].status == GATE_STATUS_OTHER,
              "look-alikes have one status");
    fuzz_must(fuzz_alike_text(facts[0].status_text, facts[1].status_text)
              && fuzz_alike_text(facts[0].operation_type,
                                 facts[1].operation_type),
              "look-alikes have the same words");
    fuzz_must(facts[0].amount == facts[1].amount
              && facts[0].paid == facts[1].paid
              && fuzz_equal(facts[0].currency, facts[1].currency),
              "look-alikes have one amount");
    fuzz_must(facts[0].paid_total == facts[1].paid_total
              || facts[0].paid_total == GATE_NO_AMOUNT
              || facts[1].paid_total == GATE_NO_AMOUNT,
              "look-alikes have paid the same");

    fuzz_operations(&facts[0], &facts[1]);
    fuzz_fields(a, b);
}
