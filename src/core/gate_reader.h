
/*
 * Copyright (C) nginx-gate authors
 *
 * Reads members of a callback one by one: between gate_callback.c and
 * gate_operation.c, nobody else needs this.
 */


#ifndef _GATE_READER_H_INCLUDED_
#define _GATE_READER_H_INCLUDED_


#include "gate_callback.h"


/* a document, and the first of its fields that cannot be read */

typedef struct {
    const gate_doc_t  *doc;
    gate_err_t        *err;
    gate_rc_e          rc;
} gate_reader_t;


/* how an operator is told of a sum of money */

typedef struct {
    const char  *path;
    const char  *amount;
    const char  *currency;
} gate_sum_t;


#define gate_sum(path)  { path, path ".amount", path ".currency" }


/* a type of payments and operations; what is left out is meant for payouts */

#define gate_is_payout(type)  ((type).len == 0 || gate_is(type, "payout"))


typedef struct {
    gate_str_t  currency;
    int64_t     amount;
    unsigned    told:1;         /* an amount, though it may be none */
    unsigned    odd:1;          /* so is the currency */
} gate_money_t;


/*
 * Notes the first field that cannot be read; path may be NULL for one that
 * nobody has to be told of.
 */
void gate_reader_unread(gate_reader_t *reader, const char *path,
    const char *reason);

/*
 * A member of the object parent, or GATE_NO_NODE where it has no value.
 */
uint32_t gate_reader_value(const gate_doc_t *doc, uint32_t parent,
    const char *name);
uint32_t gate_reader_object(gate_reader_t *reader, uint32_t parent,
    const char *name);

/*
 * The rest reads a node, which may be GATE_NO_NODE or have no value.
 */
gate_str_t gate_reader_string(gate_reader_t *reader, uint32_t node,
    const char *path);
gate_status_e gate_reader_status(gate_str_t text);
void gate_reader_sum(gate_reader_t *reader, uint32_t node,
    const gate_sum_t *place, gate_money_t *money);

/*
 * An integer of 0 or more, or the string of its digits: the signature does not
 * tell them apart, and some integrations write ids so.  Other spellings of the
 * number are none of it.
 */
int gate_reader_integer(const gate_node_t *node, int64_t *n);

/*
 * "operation" and "operations", after the payment.
 */
void gate_reader_operations(gate_reader_t *reader, gate_callback_t *callback);


#endif /* _GATE_READER_H_INCLUDED_ */
