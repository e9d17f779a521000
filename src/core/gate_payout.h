
/*
 * Copyright (C) nginx-gate authors
 *
 * What Gate's endpoints require of a request, and what we read from it.
 */


#ifndef _GATE_PAYOUT_H_INCLUDED_
#define _GATE_PAYOUT_H_INCLUDED_


#include "gate_json.h"


#define GATE_MAX_AMOUNT      INT64_C(10000000000000)    /* minor units */
#define GATE_MAX_PROJECT_ID  UINT32_MAX
#define GATE_MAX_PAYMENT_ID  255                        /* characters */


typedef enum {
    GATE_VALIDATE_OFF = 0,
    GATE_VALIDATE_BASIC,    /* what Gate's OpenAPI description requires */
    GATE_VALIDATE_STRICT    /* and every field that a method page lists */
} gate_validate_e;


typedef enum {
    GATE_OP_PAYOUT = 0,
    GATE_OP_INFO,
    GATE_OP_STATUS,
    GATE_OP_CLARIFICATION,
    GATE_OP_OTHER
} gate_operation_e;


typedef struct gate_endpoint_s  gate_endpoint_t;


/* strings are parts of the document, empty where it has none of that type */

typedef struct {
    gate_str_t  payment_id;
    gate_str_t  currency;
    int64_t     amount;     /* minor units; 0: none */
    unsigned    carries;    /* "payment" has an amount, of whatever name, that
                               is not 0 */
    unsigned    moves;      /* with a currency and a payment_id, as all that
                               Gate could pay */
    unsigned    foreign;    /* an amount that limits would not count */
} gate_payout_t;


/*
 * Finds the endpoint of a request path ("/v2/payment/mobile/payout"; what
 * stands before "/v2/" is ignored).  Never NULL: a path that is not in the
 * table gets the entry of the general rules, with payment required where a
 * segment is "payout", or has other bytes than letters, digits, "-._~".
 */
const gate_endpoint_t *gate_endpoint_find(const unsigned char *path,
    size_t len);

/*
 * The entry that requires a payment and reads nothing else: for paths that
 * cannot be trusted to mean what they say.
 */
const gate_endpoint_t *gate_endpoint_payout(void);

gate_operation_e gate_endpoint_operation(const gate_endpoint_t *endpoint);

/*
 * A constant name such as "mobile" or "card/payout/token", "other" for paths
 * out of the table: for metrics and logs.
 */
const char *gate_endpoint_name(const gate_endpoint_t *endpoint);

/*
 * Endpoints are numbered from 0, for counters by endpoint.  NULL has the
 * number of "other".
 */
unsigned gate_endpoint_count(void);
unsigned gate_endpoint_index(const gate_endpoint_t *endpoint);
const gate_endpoint_t *gate_endpoint_at(unsigned i);

/*
 * 1 where project_id and signature stand at the top level, not in "general".
 */
int gate_endpoint_top_level(const gate_endpoint_t *endpoint);

/*
 * 1 where the request moves money: an amount it carries counts in limits.
 */
int gate_endpoint_money(const gate_endpoint_t *endpoint);

/*
 * Checks the fields and reads payout.  With GATE_VALIDATE_OFF nothing is
 * refused but a payment by a path without money: signatures do not cover the
 * path, and who reads another one would pay it.  payout has what is of the
 * right type and range.  project_id and signature are not checked here:
 * gate_splice_plan() owns them.
 *
 * Returns GATE_OK, GATE_MISSING or GATE_INVALID with err->path and reason.
 */
gate_rc_e gate_payout_check(const gate_doc_t *doc,
    const gate_endpoint_t *endpoint, gate_validate_e validate,
    gate_payout_t *payout, gate_err_t *err);


#endif /* _GATE_PAYOUT_H_INCLUDED_ */
