
/*
 * Copyright (C) nginx-gate authors
 *
 * Answers of Gate: whether a payout was taken, whether an unsigned one says
 * nothing that needs a signature, and whether one is a request.
 */


#include "gate_answer.h"


gate_answer_e
gate_answer_read(const gate_doc_t *doc, unsigned status, gate_str_t *code)
{
    uint32_t            node;
    gate_error_t        error;
    const gate_node_t  *word;

    code->len = 0;
    code->data = NULL;

    if (status != 200 && (status < 400 || status >= 500)) {
        return GATE_ANSWER_UNKNOWN;
    }

    /* an error without a code of its own could be "it already exists" */

    if (gate_error_read(doc, &error) != GATE_OK) {
        return GATE_ANSWER_UNKNOWN;
    }

    *code = error.code;

    node = gate_member(doc, 0, "status");

    if (node == GATE_NO_NODE) {

        /* a list of errors may be all that an answer has */

        return (error.listed && status != 200) ? GATE_ANSWER_REFUSED
                                               : GATE_ANSWER_UNKNOWN;
    }

    word = &doc->nodes[node];

    /* nor is an error without any code known for a refusal */

    if (gate_says(word, "error")) {
        return (code->len != 0) ? GATE_ANSWER_REFUSED : GATE_ANSWER_UNKNOWN;
    }

    if (gate_says(word, "success") && status == 200 && !error.listed) {
        return GATE_ANSWER_ACCEPTED;
    }

    return GATE_ANSWER_UNKNOWN;
}


int
gate_answer_nothing(const gate_doc_t *doc)
{
    uint32_t            i;
    gate_error_t        error;
    const gate_node_t  *n;

    /* a code that cannot be read is none of those that are looked for */

    (void) gate_error_read(doc, &error);

    if (!error.nothing
        || gate_member(doc, 0, "payment") != GATE_NO_NODE
        || gate_member(doc, 0, "operation") != GATE_NO_NODE
        || gate_member(doc, 0, "operations") != GATE_NO_NODE)
    {
        return 0;
    }

    for (i = 1; i < doc->n; i = n->next) {
        n = &doc->nodes[i];

        if ((n->type == GATE_OBJECT || n->type == GATE_ARRAY)
            && !gate_is(n->key, "errors"))
        {
            return 0;
        }

        if (gate_is(n->key, "status") && !gate_says(n, "error")) {
            return 0;
        }
    }

    return 1;
}


int
gate_answer_asks(const gate_doc_t *doc)
{
    uint32_t  general, payment;

    general = gate_member(doc, 0, "general");

    if (general == GATE_NO_NODE
        || gate_member(doc, general, "payment_id") == GATE_NO_NODE
        || gate_member(doc, 0, "status") != GATE_NO_NODE)
    {
        return 0;
    }

    payment = gate_member(doc, 0, "payment");

    return payment == GATE_NO_NODE
           || gate_member(doc, payment, "status") == GATE_NO_NODE;
}
