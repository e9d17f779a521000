
/*
 * Copyright (C) nginx-gate authors
 *
 * Members of a callback, read one by one: their types, and what is no value.
 */


#include <string.h>

#include "gate_payout.h"
#include "gate_reader.h"


/* 255 characters of four bytes */

#define GATE_MAX_STRING  (4 * GATE_MAX_PAYMENT_ID)


static int gate_reader_currency(const gate_node_t *node);


/* what Gate says of payouts, and the ledger */

#define GATE_STATUS_WORD(name, word, brief)   gate_string(word),
#define GATE_STATUS_BRIEF(name, word, brief)  gate_string(brief),

static const gate_str_t  gate_status_words[] = {
    GATE_STATUS_TABLE(GATE_STATUS_WORD)
};


static const gate_str_t  gate_status_briefs[] = {
    GATE_STATUS_TABLE(GATE_STATUS_BRIEF)
};

#undef GATE_STATUS_WORD
#undef GATE_STATUS_BRIEF


gate_str_t
gate_status_word(gate_status_e status)
{
    return gate_status_words[status];
}


gate_str_t
gate_status_brief(gate_status_e status)
{
    return gate_status_briefs[status];
}


int
gate_status_pending(gate_status_e status)
{
    return status == GATE_STATUS_PROCESSING || status == GATE_STATUS_RETRY
           || status == GATE_STATUS_CLARIFICATION;
}


int
gate_status_final(gate_status_e status)
{
    return gate_status_briefs[status].len != 0 && !gate_status_pending(status);
}


gate_status_e
gate_reader_status(gate_str_t text)
{
    unsigned  i;

    if (text.len == 0) {
        return GATE_STATUS_NONE;
    }

    for (i = GATE_STATUS_NONE + 1; i < GATE_STATUS_OTHER; i++) {

        if (gate_status_words[i].len == text.len
            && memcmp(gate_status_words[i].data, text.data, text.len) == 0)
        {
            return i;
        }
    }

    return gate_is(text, GATE_STATUS_PARTIAL_SPACES) ? GATE_STATUS_PARTIAL
                                                     : GATE_STATUS_OTHER;
}


void
gate_reader_unread(gate_reader_t *reader, const char *path,
    const char *reason)
{
    if (reader->rc == GATE_OK && path != NULL) {
        reader->rc = GATE_INVALID;
        reader->err->path = path;
        reader->err->reason = reason;
    }
}


uint32_t
gate_reader_value(const gate_doc_t *doc, uint32_t parent, const char *name)
{
    uint32_t  node;

    node = gate_json_member(doc, parent, name, strlen(name));

    if (node == GATE_NO_NODE || gate_json_empty(doc, node)) {
        return GATE_NO_NODE;
    }

    return node;
}


uint32_t
gate_reader_object(gate_reader_t *reader, uint32_t parent, const char *name)
{
    uint32_t  node;

    node = gate_reader_value(reader->doc, parent, name);

    if (node != GATE_NO_NODE && reader->doc->nodes[node].type != GATE_OBJECT) {
        gate_reader_unread(reader, name, "must be an object");
        return GATE_NO_NODE;
    }

    return node;
}


gate_str_t
gate_reader_string(gate_reader_t *reader, uint32_t node, const char *path)
{
    const gate_node_t  *n;

    static const gate_str_t  none = gate_string("");

    if (node == GATE_NO_NODE || gate_json_empty(reader->doc, node)) {
        return none;
    }

    n = &reader->doc->nodes[node];

    if (n->type != GATE_STRING || n->value.len > GATE_MAX_STRING) {
        gate_reader_unread(reader, path, "must be a string of 1 to 255 "
                           "characters");
        return none;
    }

    return n->value;
}


int
gate_reader_integer(const gate_node_t *node, int64_t *n)
{
    gate_node_t  number;

    if (node->value.len == 0
        || node->value.data[0] < '0' || node->value.data[0] > '9'
        || (node->value.data[0] == '0' && node->value.len != 1))
    {
        return -1;
    }

    number = *node;

    if (number.type == GATE_STRING) {
        number.type = GATE_NUMBER;
    }

    return gate_json_int64(&number, n);
}


void
gate_reader_sum(gate_reader_t *reader, uint32_t node, const gate_sum_t *place,
    gate_money_t *money)
{
    int64_t             n;
    uint32_t            member;
    const gate_doc_t   *doc;
    const gate_node_t  *nodes;

    memset(money, 0, sizeof(gate_money_t));

    money->amount = GATE_NO_AMOUNT;

    doc = reader->doc;
    nodes = doc->nodes;

    if (node == GATE_NO_NODE || gate_json_empty(doc, node)) {
        return;
    }

    if (nodes[node].type != GATE_OBJECT) {
        money->told = 1;
        gate_reader_unread(reader, place->path, "must be an object");
        return;
    }

    member = gate_reader_value(doc, node, "currency");

    if (member != GATE_NO_NODE) {

        if (gate_reader_currency(&nodes[member])) {
            money->currency = nodes[member].value;

        } else {
            money->odd = 1;
            gate_reader_unread(reader, place->currency,
                               "must be three capital letters");
        }
    }

    member = gate_reader_value(doc, node, "amount");

    if (member == GATE_NO_NODE) {
        return;
    }

    money->told = 1;

    if (gate_json_int64(&nodes[member], &n) != 0
        || n < 0 || n > GATE_MAX_AMOUNT)
    {
        gate_reader_unread(reader, place->amount, "must be an integer");
        return;
    }

    money->amount = n;
}


static int
gate_reader_currency(const gate_node_t *node)
{
    size_t  i;

    if (node->type != GATE_STRING || node->value.len != 3) {
        return 0;
    }

    for (i = 0; i < 3; i++) {
        if (node->value.data[i] < 'A' || node->value.data[i] > 'Z') {
            return 0;
        }
    }

    return 1;
}
