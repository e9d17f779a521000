
/*
 * Copyright (C) nginx-gate authors
 *
 * The fields of requests and what an endpoint says of them: between
 * gate_endpoint.c and gate_payout.c, nobody else needs this.
 */


#ifndef _GATE_FIELDS_H_INCLUDED_
#define _GATE_FIELDS_H_INCLUDED_


#include "gate_payout.h"


/* checked in this order */

#define GATE_FIELDS(field)                                                    \
    field(PAYMENT_ID, GENERAL, "general.", "payment_id", TEXT_1_255)          \
    field(AMOUNT, PAYMENT, "payment.", "amount", AMOUNT)                      \
    field(CURRENCY, PAYMENT, "payment.", "currency", CURRENCY)                \
    field(CUSTOMER, TOP, "", "customer", OBJECT)                              \
    field(ID, CUSTOMER, "customer.", "id", TEXT_1_255)                        \
    field(ANY_ID, CUSTOMER, "customer.", "id", TEXT_255)                      \
    field(IP, CUSTOMER, "customer.", "ip_address", ADDRESS)                   \
    field(FIRST, CUSTOMER, "customer.", "first_name", TEXT_255)               \
    field(MIDDLE, CUSTOMER, "customer.", "middle_name", TEXT_255)             \
    field(LAST, CUSTOMER, "customer.", "last_name", TEXT_255)                 \
    field(EMAIL, CUSTOMER, "customer.", "email", EMAIL)                       \
    field(PHONE, CUSTOMER, "customer.", "phone", DIGITS_4_24)                 \
    field(NUMBER, ACCOUNT, "account.", "number", TEXT_1_100)                  \
    field(ANY_NUMBER, ACCOUNT, "account.", "number", TEXT_1)                  \
    field(MOBILE, ACCOUNT, "account.", "number", DIGITS_4_24)                 \
    field(BANK_0, ACCOUNT, "account.", "bank_id", INTEGER_0)                  \
    field(BANK_1, ACCOUNT, "account.", "bank_id", INTEGER_1)                  \
    field(HOLDER, ACCOUNT, "account.", "customer_name", TEXT_1)               \
    field(CRYPTO, ACCOUNT, "account.", "crypto_currency", TEXT_1)             \
    field(WALLET, ACCOUNT, "account.", "wallet_address", TEXT_1)              \
    field(PAN, CARD, "card.", "pan", TEXT_1_32)                               \
    field(TOKEN, TOP, "", "token", TEXT_1_255)                                \
    field(ADDITIONAL, TOP, "", "additional_data", OBJECT)                     \
    field(DIRECTIONS, TOP, "", "directions", ARRAY)


#define GATE_FIELD_NUMBER(id, object, prefix, name, rule)  GATE_NUMBER_##id,
#define GATE_FIELD_BIT(id, object, prefix, name, rule)                        \
    GATE_F_##id = 1u << GATE_NUMBER_##id,


enum {
    GATE_FIELDS(GATE_FIELD_NUMBER)
    GATE_NFIELDS
};


enum {
    GATE_FIELDS(GATE_FIELD_BIT)

    GATE_F_PAYMENT = GATE_F_PAYMENT_ID|GATE_F_AMOUNT|GATE_F_CURRENCY,
    GATE_F_PERSON = GATE_F_ID|GATE_F_IP,
    GATE_F_NAMES = GATE_F_FIRST|GATE_F_LAST
};


struct gate_endpoint_s {
    gate_str_t        pattern;      /* below /v2/; a "*" is one segment, a
                                       last "**" is all that follows */
    const char       *name;
    gate_operation_e  operation;
    uint32_t          basic;        /* fields that are required */
    uint32_t          strict;       /* and those that strict adds */
    unsigned          money;
    unsigned          top_level;
    unsigned          quote;        /* no money, but payment is asked for */
};


#endif /* _GATE_FIELDS_H_INCLUDED_ */
