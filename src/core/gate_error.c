
/*
 * Copyright (C) nginx-gate authors
 *
 * The codes of errors in an answer of Gate, one or a list of them.
 */


#include <string.h>

#include "gate_error.h"


static gate_rc_e gate_error_code(const gate_doc_t *doc, uint32_t parent,
    gate_error_t *error);
static gate_rc_e gate_error_list(const gate_doc_t *doc, uint32_t list,
    gate_error_t *error);


gate_rc_e
gate_error_read(const gate_doc_t *doc, gate_error_t *error)
{
    uint32_t   list;
    gate_rc_e  rc, listed;

    memset(error, 0, sizeof(gate_error_t));

    rc = gate_error_code(doc, 0, error);
    list = gate_member(doc, 0, "errors");

    if (list == GATE_NO_NODE || gate_json_empty(doc, list)) {
        return rc;
    }

    listed = gate_error_list(doc, list, error);

    return (rc == GATE_OK) ? listed : rc;
}


static gate_rc_e
gate_error_list(const gate_doc_t *doc, uint32_t list, gate_error_t *error)
{
    uint32_t   i, code;
    gate_rc_e  rc;

    if (doc->nodes[list].type != GATE_ARRAY) {
        return GATE_INVALID;
    }

    rc = GATE_OK;

    for (i = list + 1; i < doc->nodes[list].next; i = doc->nodes[i].next) {

        error->listed++;
        code = gate_member(doc, i, "code");

        if (code == GATE_NO_NODE || gate_json_empty(doc, code)
            || gate_error_code(doc, i, error) != GATE_OK)
        {
            rc = GATE_INVALID;
        }
    }

    return rc;
}


static gate_rc_e
gate_error_code(const gate_doc_t *doc, uint32_t parent, gate_error_t *error)
{
    int64_t             number;
    uint32_t            node;
    gate_str_t          code;
    const gate_node_t  *n;

    node = gate_member(doc, parent, "code");

    if (node == GATE_NO_NODE || gate_json_empty(doc, node)) {
        return GATE_OK;
    }

    n = &doc->nodes[node];

    if (n->type != GATE_STRING && gate_json_int64(n, &number) != 0) {
        return GATE_INVALID;
    }

    code = n->value;

    if (error->code.len == 0 || gate_is(code, "10105")) {
        error->code = code;
    }

    if (gate_is(code, "3061") || gate_is(code, "3062")) {
        error->nothing = 1;
    }

    return GATE_OK;
}
