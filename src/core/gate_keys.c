
/*
 * Copyright (C) nginx-gate authors
 *
 * The members of an object in the order of their keys.
 */


#include "gate_keys.h"
#include "gate_sort.h"


/* an object of so many is chained without sorting */

#define GATE_FEW_MEMBERS  16


static uint32_t gate_keys_few(const gate_doc_t *doc, uint32_t object);
static gate_rc_e gate_keys_many(const gate_doc_t *doc, gate_pool_t *pool,
    uint32_t object, uint32_t *second);


gate_rc_e
gate_keys_chain(const gate_doc_t *doc, gate_pool_t *pool, uint32_t object,
    uint32_t *second)
{
    if (doc->nodes[object].next > GATE_FEW_MEMBERS) {
        return gate_keys_many(doc, pool, object, second);
    }

    *second = gate_keys_few(doc, object);

    return GATE_OK;
}


/* each is put into its place; the first bytes of a key tell most of them */

static uint32_t
gate_keys_few(const gate_doc_t *doc, uint32_t object)
{
    int           rc;
    uint32_t      i, *link;
    uint64_t      head;
    gate_node_t  *nodes;

    nodes = doc->nodes;

    for (i = object + 1; i < doc->n; i = nodes[i].next) {
        head = nodes[i].head;
        link = &nodes[object].least;

        while (*link != GATE_NO_NODE && nodes[*link].head <= head) {

            if (nodes[*link].head == head) {
                rc = gate_key_compare(nodes, *link, i);

                if (rc == 0) {
                    return i;
                }

                if (rc > 0) {
                    break;
                }
            }

            link = &nodes[*link].after;
        }

        nodes[i].after = *link;
        *link = i;
    }

    return GATE_NO_NODE;
}


static gate_rc_e
gate_keys_many(const gate_doc_t *doc, gate_pool_t *pool, uint32_t object,
    uint32_t *second)
{
    uint32_t      i, n, *index;
    gate_node_t  *nodes;

    nodes = doc->nodes;
    n = nodes[object].next;

    index = gate_pool_alloc(pool, 2 * n * sizeof(uint32_t));
    if (index == NULL) {
        return GATE_ERROR;
    }

    n = 0;

    for (i = object + 1; i < doc->n; i = nodes[i].next) {
        index[n++] = i;
    }

    gate_sort(index, index + n, n, gate_key_compare, nodes);

    nodes[object].least = index[0];
    *second = GATE_NO_NODE;

    for (i = 1; i < n; i++) {
        nodes[index[i - 1]].after = index[i];

        if (gate_key_compare(nodes, index[i - 1], index[i]) == 0
            && (*second == GATE_NO_NODE || index[i] < *second))
        {
            *second = index[i];
        }
    }

    return GATE_OK;
}
