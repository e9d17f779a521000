
/*
 * Copyright (C) nginx-gate authors
 */


#include "test.h"
#include "gate_payout.h"


#define TEST_GENERAL   "\"general\":{\"payment_id\":\"p\"}"
#define TEST_PAYMENT   "\"payment\":{\"amount\":1,\"currency\":\"KZT\"}"
#define TEST_PERSON    "\"customer\":{\"id\":\"c\",\"ip_address\":\"1.2.3.4\"}"
#define TEST_NAMES     "\"first_name\":\"J\",\"last_name\":\"D\""

#define TEST_MOBILE                                                           \
    "\"customer\":{\"id\":\"c\",\"ip_address\":\"::1\"," TEST_NAMES ","       \
    "\"email\":\"j@d\"},\"account\":{\"number\":\"71234567890\"}"


typedef struct {
    const char        *path;
    const char        *name;
    gate_operation_e   operation;
    int                money;
    int                top_level;
} test_path_t;


typedef struct {
    const char        *path;
    gate_validate_e    validate;
    const char        *text;
    const char        *field;       /* NULL: accepted */
    const char        *reason;
} test_check_t;


static void test_paths(void);
static void test_checks(void);
static void test_required(void);
static void test_fields(void);
static void test_read(void);
static void test_weight(void);
static void test_lengths(void);


static const test_path_t  test_endpoints[] = {
    { "/v2/payment/mobile/payout", "mobile", GATE_OP_PAYOUT, 1, 0 },
    { "/kz/gate/v2/payment/mobile/payout", "mobile", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/payment/card/payout/token", "card/payout/token", GATE_OP_PAYOUT, 1,
      0 },
    { "/v2/payment/card/payout", "card", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/payment/banks/kaspi/payout", "banks/*", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/payment/banks//payout", "other", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/payment/banks/payout", "other", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/payment/banks/a/b/payout", "other", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/payment/unify/payout", "unify", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/payment/unify/a/b/payout", "unify/*/*", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/payment/cash-transfer/payout", "cash-transfer", GATE_OP_PAYOUT, 1,
      0 },
    { "/v2/payment/cash-transfer/x/payout", "cash-transfer/*", GATE_OP_PAYOUT,
      1, 0 },
    { "/v2/payment/mobile/payout/", "other", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/payment/mobile/payoutx", "other", GATE_OP_OTHER, 1, 0 },
    { "/v2/payment/mobile/Payout", "other", GATE_OP_OTHER, 1, 0 },
    { "/v2/payment/new/payout/token", "other", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/payment/mobile/sale", "other", GATE_OP_OTHER, 1, 0 },
    { "/v2/payment/status", "status", GATE_OP_STATUS, 0, 0 },
    { "/v2/payment/status/payout", "other", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/payment/clarification", "clarification", GATE_OP_CLARIFICATION, 0,
      0 },
    { "/v2/info/mobile/payout/list", "info/mobile", GATE_OP_INFO, 0, 0 },
    { "/v2/info/banks/x/payout/list", "info/banks", GATE_OP_INFO, 0, 0 },
    { "/v2/info/banks/x/y/payout/list", "info/banks/*", GATE_OP_INFO, 0, 0 },
    { "/v2/info/banks/list", "info", GATE_OP_INFO, 0, 0 },
    { "/v2/info/available_p2p_method_list", "info/available_p2p_method_list",
      GATE_OP_INFO, 0, 0 },
    { "/v2/info/available_methods_for_merchant/list",
      "info/available_methods_for_merchant", GATE_OP_INFO, 0, 1 },
    { "/v2/info/v2/payment/mobile/payout", "other", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/info/a-b_c.d~e/09AZaz/", "info", GATE_OP_INFO, 0, 0 },
    { "/v2/info/..;/payment/mobile/payout", "other", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/info/..\\x", "other", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/info/\xc0\xae", "other", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/info/,", "other", GATE_OP_PAYOUT, 1, 0 },
    { "/v2/info/:", "other", GATE_OP_PAYOUT, 1, 0 },
    { "/a;b/v2/info/x", "info", GATE_OP_INFO, 0, 0 },
    { "/v2/info", "other", GATE_OP_OTHER, 1, 0 },
    { "/v3/payment/mobile/payout", "other", GATE_OP_PAYOUT, 1, 0 },
    { "payout", "other", GATE_OP_PAYOUT, 1, 0 },
    { "/", "other", GATE_OP_OTHER, 1, 0 },
    { "", "other", GATE_OP_OTHER, 1, 0 },
    { "/v2/", "other", GATE_OP_OTHER, 1, 0 }
};


static const char  test_mobile[] = "/v2/payment/mobile/payout";
static const char  test_token[] = "/v2/payment/card/payout/token";


#define TEST_MISPLACED                                                        \
    "must not have an amount here: nothing is paid by this path, and it "     \
    "would not be counted"

#define TEST_NO_QUOTE                                                         \
    "must not be here beside an amount: nothing is paid by this path, and "   \
    "the body could be a payout"

#define basic(path, text)  { path, GATE_VALIDATE_BASIC, text, NULL, NULL }
#define wrong(path, text, field, reason)                                      \
    { path, GATE_VALIDATE_BASIC, text, field, reason }
#define misplaced(path, text)                                                 \
    { path, GATE_VALIDATE_OFF, "{" TEST_GENERAL "," text "}", "payment",      \
      TEST_MISPLACED }


static const test_check_t  test_checked[] = {
    basic(test_mobile, "{" TEST_GENERAL "," TEST_PAYMENT "," TEST_MOBILE "}"),
    { test_mobile, GATE_VALIDATE_STRICT,
      "{" TEST_GENERAL "," TEST_PAYMENT "," TEST_MOBILE "}", NULL, NULL },
    { test_mobile, GATE_VALIDATE_OFF, "{}", NULL, NULL },
    { test_mobile, GATE_VALIDATE_OFF, "{\"general\":1,\"payment\":[]}", NULL,
      NULL },

    wrong(test_mobile, "{}", "general.payment_id", "is required"),
    wrong(test_mobile, "{\"general\":{}}", "general.payment_id",
          "is required"),
    wrong(test_mobile, "{\"general\":[]}", "general", "must be an object"),
    wrong(test_mobile, "{\"general\":{\"payment_id\":5}}",
          "general.payment_id", "must be a string of 1 to 255 characters"),
    wrong(test_mobile, "{\"general\":{\"payment_id\":\"\"}}",
          "general.payment_id", "must be a string of 1 to 255 characters"),
    wrong(test_mobile, "{" TEST_GENERAL "}", "payment.amount", "is required"),
    wrong(test_mobile, "{" TEST_GENERAL ",\"payment\":7}", "payment",
          "must be an object"),
    wrong(test_mobile, "{" TEST_GENERAL ",\"payment\":{\"amount\":5}}",
          "payment.currency", "is required"),
    wrong(test_mobile, "{" TEST_GENERAL "," TEST_PAYMENT "}", "customer.id",
          "is required"),
    wrong(test_mobile, "{" TEST_GENERAL "," TEST_PAYMENT "," TEST_PERSON "}",
          "customer.first_name", "is required"),
    wrong(test_mobile, "{" TEST_GENERAL "," TEST_PAYMENT
          ",\"customer\":{\"id\":\"\",\"ip_address\":\"1.2.3.4\"}}",
          "customer.id", "must be a string of 1 to 255 characters"),

    basic(test_token, "{" TEST_GENERAL "," TEST_PAYMENT "," TEST_PERSON
          ",\"token\":\"t\"}"),
    wrong(test_token, "{" TEST_GENERAL "," TEST_PAYMENT "," TEST_PERSON "}",
          "token", "is required"),
    wrong(test_token, "{" TEST_GENERAL "," TEST_PAYMENT "," TEST_PERSON
          ",\"token\":\"\"}", "token",
          "must be a string of 1 to 255 characters"),
    { test_token, GATE_VALIDATE_STRICT, "{" TEST_GENERAL "," TEST_PAYMENT ","
      TEST_PERSON ",\"token\":\"t\"}", "customer.first_name", "is required" },
    { test_token, GATE_VALIDATE_STRICT, "{" TEST_GENERAL "," TEST_PAYMENT ","
      "\"customer\":{\"id\":\"c\",\"ip_address\":\"1.2.3.4\"," TEST_NAMES
      "},\"token\":\"t\"}", "customer.middle_name", "is required" },
    { test_token, GATE_VALIDATE_STRICT, "{" TEST_GENERAL "," TEST_PAYMENT ","
      "\"customer\":{\"id\":\"c\",\"ip_address\":\"1.2.3.4\"," TEST_NAMES
      ",\"middle_name\":\"\"},\"token\":\"t\"}", "customer.middle_name",
      "must not be empty" },
    { test_token, GATE_VALIDATE_STRICT, "{" TEST_GENERAL "," TEST_PAYMENT ","
      "\"customer\":{\"id\":\"c\",\"ip_address\":\"1.2.3.4\"," TEST_NAMES
      ",\"middle_name\":\"P\"},\"token\":\"t\"}", NULL, NULL },

    basic("/v2/payment/status", "{" TEST_GENERAL "}"),
    wrong("/v2/payment/status", "{}", "general.payment_id", "is required"),
    wrong("/v2/payment/clarification", "{" TEST_GENERAL "}",
          "additional_data", "is required"),
    wrong("/v2/payment/clarification",
          "{" TEST_GENERAL ",\"additional_data\":[]}", "additional_data",
          "must be an object"),
    basic("/v2/payment/clarification",
          "{" TEST_GENERAL ",\"additional_data\":{}}"),
    basic("/v2/info/mobile/payout/list", "{}"),
    basic("/v2/info/mobile/payout/list", "{\"payment\":1}"),
    wrong("/v2/info/mobile/payout/list", "{\"general\":1}", "general",
          "must be an object"),
    wrong("/v2/info/mobile/payout/list", "{\"general\":{\"payment_id\":1}}",
          "general.payment_id", "must be a string of 1 to 255 characters"),
    basic("/v2/info/available_methods_for_merchant/list",
          "{\"general\":1}"),
    { "/v2/info/available_methods_for_merchant/list", GATE_VALIDATE_STRICT,
      "{}", "directions", "is required" },

    basic("/v2/payment/card/refund", "{}"),
    basic("/v2/payment/card/refund", "{\"payment\":{\"description\":\"\"}}"),
    basic("/v2/payment/card/refund",
          "{\"payment\":{\"amount\":1,\"currency\":\"USD\"}}"),
    basic("/v2/payment/card/refund",
          "{" TEST_GENERAL ",\"payment\":{\"amount\":1}}"),
    basic("/v2/payment/card/capture",
          "{" TEST_GENERAL ",\"payment\":{\"amount\":1,"
          "\"currency\":\"KZT\"}}"),
    basic("/v2/payment/card/account_verification",
          "{" TEST_GENERAL ",\"payment\":{\"amount\":0,"
          "\"currency\":\"KZT\"}," TEST_PERSON "}"),
    wrong("/v2/payment/card/refund", "{\"payment\":{\"amount\":\"1\"}}",
          "payment.amount", "must be an integer from 1 to 10000000000000"),
    wrong("/v2/payment/card/refund", "{\"payment\":{\"currency\":\"usd\"}}",
          "payment.currency", "must be three capital letters (ISO 4217)"),
    wrong("/v2/payment/card/refund", "{\"payment\":[]}", "payment",
          "must be an object"),
    wrong("/v2/payment/card/refund", "{\"general\":\"\"}", "general",
          "must be an object"),
    wrong("/v2/payment/new/payout", "{" TEST_GENERAL "}", "payment.amount",
          "is required"),
    wrong("/v2/payment/new/payout", "{" TEST_GENERAL ",\"payment\":"
          "{\"amount\":0,\"currency\":\"KZT\"}}", "payment.amount",
          "must be an integer from 1 to 10000000000000"),

    /* a body that could be paid, by a path that pays nothing */

    misplaced("/v2/info/x", TEST_PAYMENT "," TEST_MOBILE),
    misplaced("/v2/info/mobile/payout/list", TEST_PAYMENT "," TEST_MOBILE),
    misplaced("/v2/info/available_methods_for_merchant/list", TEST_PAYMENT),
    misplaced("/v2/payment/status", TEST_PAYMENT "," TEST_MOBILE),
    misplaced("/v2/payment/clarification",
              "\"additional_data\":{}," TEST_PAYMENT),
    misplaced("/v2/payment/status", "\"payment\":{\"amount\":\"5\"}"),
    misplaced("/v2/payment/status", "\"payment\":{\"amount\":5.5}"),
    misplaced("/v2/payment/status", "\"payment\":{\"amount\":-5}"),
    misplaced("/v2/payment/status", "\"payment\":{\"amount\":[5]}"),
    misplaced("/v2/payment/status", "\"payment\":{\"recipient_amount\":5}"),
    basic("/v2/payment/status", "{" TEST_GENERAL ",\"payment\":{}}"),
    basic("/v2/payment/status", "{" TEST_GENERAL
          ",\"payment\":{\"amount\":0,\"currency\":\"KZT\"}}"),
    basic("/v2/payment/status", "{" TEST_GENERAL
          ",\"payment\":{\"amount\":null,\"note\":\"amount\"}}"),
    basic("/v2/info/banks/x/payout/list",
          "{" TEST_GENERAL "," TEST_PAYMENT "}"),
    basic("/v2/info/banks/x/y/payout/list",
          "{" TEST_GENERAL "," TEST_PAYMENT "}"),
    basic("/v2/info/available_p2p_method_list",
          "{" TEST_GENERAL "," TEST_PAYMENT "}"),
    basic("/v2/info/banks/x/payout/list", "{" TEST_GENERAL
          ",\"payment\":{\"amount\":0,\"currency\":\"KZT\"}," TEST_PERSON "}"),
    wrong("/v2/info/banks/x/payout/list",
          "{" TEST_GENERAL "," TEST_PAYMENT "," TEST_PERSON "}", "customer",
          TEST_NO_QUOTE),
    wrong("/v2/info/available_p2p_method_list",
          "{" TEST_GENERAL "," TEST_PAYMENT ",\"customer\":{}}", "customer",
          TEST_NO_QUOTE),
    basic("/v2/payment/new/payout", "{" TEST_GENERAL "," TEST_PAYMENT "}")
};


int
main(void)
{
    test_paths();
    test_checks();
    test_required();
    test_fields();
    test_read();
    test_weight();
    test_lengths();

    return test_done();
}


static const gate_endpoint_t *
test_find(const char *path)
{
    return gate_endpoint_find((const unsigned char *) path, strlen(path));
}


static void
test_paths(void)
{
    size_t                  i;
    const test_path_t      *p;
    const gate_endpoint_t  *e;

    for (i = 0; i < test_count(test_endpoints); i++) {
        p = &test_endpoints[i];
        e = test_find(p->path);

        ok(strcmp(gate_endpoint_name(e), p->name) == 0
           && gate_endpoint_operation(e) == p->operation
           && gate_endpoint_money(e) == p->money
           && gate_endpoint_top_level(e) == p->top_level,
           "path %s is %s (got %s)", p->path, p->name, gate_endpoint_name(e));
    }

    e = gate_endpoint_payout();

    ok(gate_endpoint_operation(e) == GATE_OP_PAYOUT && gate_endpoint_money(e)
       && !gate_endpoint_top_level(e), "a path that cannot be trusted");
}


static void
test_check(const test_check_t *c)
{
    gate_rc_e      rc;
    test_doc_t     test;
    gate_payout_t  payout;

    test_parse(&test, c->text, strlen(c->text), GATE_MAX_DEPTH);

    rc = test.rc;

    if (rc == GATE_OK) {
        rc = gate_payout_check(&test.doc, test_find(c->path), c->validate,
                               &payout, &test.err);
    }

    if (c->field == NULL) {
        ok(rc == GATE_OK, "accepted at %s: %s", c->path, c->text);

    } else {
        ok(rc == (strcmp(c->reason, "is required") == 0 ? GATE_MISSING
                                                        : GATE_INVALID)
           && strcmp(test.err.path, c->field) == 0
           && strcmp(test.err.reason, c->reason) == 0,
           "at %s, %s %s (got %s %s)", c->path, c->field, c->reason,
           rc != GATE_OK ? test.err.path : "", rc != GATE_OK
                                               ? test.err.reason : "nothing");
    }

    test_free(&test);
}


static void
test_checks(void)
{
    size_t  i;

    for (i = 0; i < test_count(test_checked); i++) {
        test_check(&test_checked[i]);
    }
}


/* each payout with all of its fields, then without each one of them */

typedef struct {
    const char  *path;
    const char  *fields[9];
} test_required_t;


static const test_required_t  test_requirements[] = {
    { "mobile", { "customer.id", "customer.ip_address", "customer.first_name",
      "customer.last_name", "customer.email", "account.number" } },
    { "card/payout/token", { "customer.id", "customer.ip_address", "token" } },
    { "card", { "customer.id", "customer.ip_address", "card.pan" } },
    { "individual", { "customer.id", "customer.ip_address", "card.pan" } },
    { "asian-banks", { "customer.id", "customer.ip_address", "account.number",
      "account.bank_id", "account.customer_name" } },
    { "p2p-banks/x", { "customer.id", "customer.ip_address", "account.number",
      "account.bank_id", "account.customer_name" } },
    { "banks/x", { "customer.id", "customer.ip_address", "account.number" } },
    { "unify", { "customer.id", "customer.ip_address", "account.number" } },
    { "advcash", { "customer.id", "customer.ip_address", "account.number" } },
    { "ecopayz", { "customer.id", "customer.ip_address", "account.number" } },
    { "qiwi", { "customer.id", "customer.ip_address", "account.number" } },
    { "skrill", { "customer.id", "customer.ip_address", "account.number" } },
    { "webmoney", { "customer.id", "customer.ip_address", "account.number" } },
    { "india-banks-p2p", { "customer.id", "customer.ip_address",
      "account.number" } },
    { "flutterwave", { "customer.ip_address", "account.number" } },
    { "mpesa", { "customer.ip_address", "account.number" } },
    { "m10", { "customer.id", "customer.ip_address", "account.number" } },
    { "wise", { "customer.id", "customer.ip_address", "account.number" } },
    { "unify/x/y", { "customer.ip_address", "account.number" } },
    { "crypto", { "customer.id", "customer.ip_address",
      "account.crypto_currency", "account.wallet_address" } },
    { "interac", { "customer.id", "customer.ip_address",
      "customer.first_name", "customer.last_name", "customer.email",
      "customer.phone" } },
    { "cash-out-kz/x", { "customer.id", "customer.ip_address",
      "customer.phone" } },
    { "bank-transfer/x", { "customer.id", "customer.ip_address" } },
    { "voucher/x", { "customer.id", "customer.ip_address" } },
    { "wallet/x", { "customer.id", "customer.ip_address" } },
    { "card-p2p", { "customer.id", "customer.ip_address" } },
    { "pix", { "customer.ip_address" } },
    { "cash/x", { "customer.ip_address" } },
    { "cash-transfer", { "customer.ip_address" } },
    { "cash-transfer/x", { "customer.ip_address" } },
    { "sbp-p2p", { "customer", "account.number" } }
};


static const char *
test_value(const char *field)
{
    size_t  i;

    static const char  *values[][2] = {
        { "general.payment_id", "\"p\"" },
        { "payment.amount", "100" },
        { "payment.currency", "\"KZT\"" },
        { "customer.ip_address", "\"198.51.100.47\"" },
        { "customer.email", "\"a@b.c\"" },
        { "customer.phone", "\"71234567890\"" },
        { "account.number", "\"71234567890\"" },
        { "account.bank_id", "1" },
        { "customer", "{}" }
    };

    for (i = 0; i < test_count(values); i++) {
        if (strcmp(values[i][0], field) == 0) {
            return values[i][1];
        }
    }

    return "\"x\"";
}


/* the members of one object; all fields of an object stand together */

static char *
test_document(char *text, const char **fields, size_t n, size_t without)
{
    char        *p;
    size_t       i, len, open;
    const char  *dot;

    p = text + sprintf(text, "{\"x\":0");
    open = 0;

    for (i = 0; i < n; i++) {
        dot = strchr(fields[i], '.');
        len = (dot != NULL) ? (size_t) (dot - fields[i]) : 0;

        if (open != 0 && (i == 0 || open != len
                          || memcmp(fields[i], fields[i - 1], open) != 0))
        {
            p += sprintf(p, "}");
            open = 0;
        }

        if (len != 0 && open == 0) {
            p += sprintf(p, ",\"%.*s\":{\"x\":0", (int) len, fields[i]);
            open = len;
        }

        if (i != without) {
            p += sprintf(p, ",\"%s\":%s", (dot != NULL) ? dot + 1 : fields[i],
                         test_value(fields[i]));
        }
    }

    sprintf(p, open ? "}}" : "}");

    return text;
}


static void
test_required(void)
{
    char                    path[64], text[1024];
    size_t                  i, j, n;
    const char             *fields[12];
    test_check_t            check;
    const test_required_t  *r;

    fields[0] = "general.payment_id";
    fields[1] = "payment.amount";
    fields[2] = "payment.currency";

    check.path = path;
    check.text = text;
    check.validate = GATE_VALIDATE_BASIC;

    for (i = 0; i < test_count(test_requirements); i++) {
        r = &test_requirements[i];

        sprintf(path, "/v2/payment/%s%s", r->path,
                strstr(r->path, "/payout/") != NULL ? "" : "/payout");

        for (n = 3; n < 12 && r->fields[n - 3] != NULL; n++) {
            fields[n] = r->fields[n - 3];
        }

        for (j = 0; j <= n; j++) {
            test_document(text, fields, n, j);

            check.field = (j < n) ? fields[j] : NULL;
            check.reason = "is required";

            test_check(&check);
        }
    }
}


/* of one field of a payout that is right otherwise */

static const struct {
    const char  *path;
    const char  *fmt;
    const char  *field;
    const char  *value;
    int          valid;
}  test_values[] = {
#define amount(value, valid)                                                  \
    { "/v2/payment/new/payout",                                               \
      "{" TEST_GENERAL ",\"payment\":{\"amount\":%s,"                         \
      "\"currency\":\"KZT\"}}", "payment.amount", value, valid }
    amount("1", 1),
    amount("10000000000000", 1),
    amount("10000000000001", 0),
    amount("0", 0),
    amount("-0", 0),
    amount("-1", 0),
    amount("1.0", 0),
    amount("1e3", 0),
    amount("\"100\"", 0),
    amount("true", 0),
    amount("null", 0),
    amount("[1]", 0),
    amount("{}", 0),
    amount("99999999999999999999999", 0),
#undef amount
#define currency(value, valid)                                                \
    { "/v2/payment/new/payout",                                               \
      "{" TEST_GENERAL ",\"payment\":{\"amount\":1,\"currency\":%s}}",        \
      "payment.currency", value, valid }
    currency("\"USD\"", 1),
    currency("\"\\u0055SD\"", 1),
    currency("\"usd\"", 0),
    currency("\"US\"", 0),
    currency("\"USDT\"", 0),
    currency("\"US1\"", 0),
    currency("\"US\\n\"", 0),
    currency("\"\"", 0),
    currency("840", 0),
    currency("null", 0),
#undef currency
#define ip(value, valid)                                                      \
    { "/v2/payment/pix/payout",                                               \
      "{" TEST_GENERAL "," TEST_PAYMENT                                       \
      ",\"customer\":{\"ip_address\":%s}}", "customer.ip_address", value,     \
      valid }
    ip("\"0.0.0.0\"", 1),
    ip("\"255.255.255.255\"", 1),
    ip("\"2001:db8::1\"", 1),
    ip("\"::ffff:198.51.100.47\"", 1),
    ip("\"0000:0000:0000:0000:0000:ffff:255.255.255.255\"", 1),
    ip("\"198.51.100\"", 0),
    ip("\"198.51.100.256\"", 0),
    ip("\"198.51.100.4 \"", 0),
    ip("\"1.2.3.4\\u0000\"", 0),
    ip("\"example.com\"", 0),
    ip("\"\"", 0),
    ip("\"00000000000000000000000000000000000000000000001\"", 0),
    ip("16909060", 0),
#undef ip
#define email(value, valid)                                                   \
    { "/v2/payment/interac/payout",                                           \
      "{" TEST_GENERAL "," TEST_PAYMENT ",\"customer\":{\"id\":\"c\","        \
      "\"ip_address\":\"::\"," TEST_NAMES ",\"email\":%s,"                    \
      "\"phone\":\"1234\"}}", "customer.email", value, valid }
    email("\"johndoe@example.com\"", 1),
    email("\"\xd0\xb6@\xd0\xb6.kz\"", 1),
    email("\"a@b@c\"", 1),
    email("\"@b\"", 0),
    email("\"a@\"", 0),
    email("\"ab\"", 0),
    email("\"a b@c\"", 0),
    email("\"a@b\\n\"", 0),
    email("\"\"", 0),
    email("null", 0),
#undef email
#define number(value, valid)                                                  \
    { "/v2/payment/mpesa/payout",                                             \
      "{" TEST_GENERAL "," TEST_PAYMENT "," TEST_PERSON                       \
      ",\"account\":{\"number\":%s}}", "account.number", value, valid }
    number("\"1234\"", 1),
    number("\"123456789012345678901234\"", 1),
    number("\"123\"", 0),
    number("\"1234567890123456789012345\"", 0),
    number("\"+71234567890\"", 0),
    number("\"7123456789\xd9\xa3\"", 0),
    number("71234567890", 0),
#undef number
#define bank(value, valid)                                                    \
    { "/v2/payment/asian-banks/payout",                                       \
      "{" TEST_GENERAL "," TEST_PAYMENT "," TEST_PERSON                       \
      ",\"account\":{\"number\":\"1\",\"customer_name\":\"J\","               \
      "\"bank_id\":%s}}", "account.bank_id", value, valid }
    bank("1", 1),
    bank("0", 0),
    bank("\"1\"", 0),
    bank("1.0", 0)
#undef bank
};


static void
test_fields(void)
{
    char          text[1024];
    size_t        i;
    test_check_t  check;

    check.text = text;
    check.validate = GATE_VALIDATE_BASIC;

    for (i = 0; i < test_count(test_values); i++) {
        sprintf(text, test_values[i].fmt, test_values[i].value);

        check.path = test_values[i].path;
        check.field = test_values[i].valid ? NULL : test_values[i].field;

        check.reason =
            strstr(test_values[i].field, "amount") != NULL
                ? "must be an integer from 1 to 10000000000000"
            : strstr(test_values[i].field, "currency") != NULL
                ? "must be three capital letters (ISO 4217)"
            : strstr(test_values[i].field, "ip_") != NULL
                ? "must be an IPv4 or IPv6 address"
            : strstr(test_values[i].field, "email") != NULL
                ? "must be an e-mail address of at most 255 characters"
            : strstr(test_values[i].field, "bank_id") != NULL
                ? "must be an integer, 1 or more"
                : "must be a string of 4 to 24 digits";

        test_check(&check);
    }
}


static void
test_read(void)
{
    test_doc_t     test;
    gate_payout_t  payout;

    static const char  good[] =
        "{\"general\":{\"payment_id\":\"\\u0070_47\"},"
        "\"payment\":{\"amount\":100000,\"currency\":\"KZT\"}}";

    static const char  bad[] =
        "{\"general\":{\"payment_id\":\"\"},"
        "\"payment\":{\"amount\":0,\"currency\":\"kzt\"}}";

    static const char  half[] =
        "{\"general\":{\"payment_id\":47},"
        "\"payment\":{\"amount\":5.5,\"currency\":\"USD\"}}";

    test_parse(&test, good, sizeof(good) - 1, GATE_MAX_DEPTH);
    ok(gate_payout_check(&test.doc, test_find(test_mobile),
                         GATE_VALIDATE_BASIC, &payout, &test.err)
       == GATE_MISSING && is(payout.payment_id, "p_47")
       && is(payout.currency, "KZT") && payout.amount == 100000,
       "what can be read of a refused payout is read");
    test_free(&test);

    test_parse(&test, bad, sizeof(bad) - 1, GATE_MAX_DEPTH);
    ok(gate_payout_check(&test.doc, test_find(test_mobile), GATE_VALIDATE_OFF,
                         &payout, &test.err)
       == GATE_OK && payout.payment_id.len == 0 && payout.currency.len == 0
       && payout.amount == 0, "what is out of range is not");
    test_free(&test);

    test_parse(&test, half, sizeof(half) - 1, GATE_MAX_DEPTH);
    ok(gate_payout_check(&test.doc, test_find("/other"), GATE_VALIDATE_OFF,
                         &payout, &test.err)
       == GATE_OK && payout.payment_id.len == 0 && is(payout.currency, "USD")
       && payout.amount == 0, "nor what is of another type");
    test_free(&test);
}


/* what Gate could pay with this body, whatever its path */

static void
test_weight(void)
{
    size_t         i;
    test_doc_t     test;
    gate_payout_t  payout;

    static const struct {
        const char  *text;
        unsigned     carries;
        unsigned     moves;
        unsigned     foreign;
    } bodies[] = {
        { "{}", 0, 0, 0 },
        { "{\"payment\":\"amount\"}", 0, 0, 0 },
        { "{\"payment\":[]," TEST_GENERAL "}", 0, 0, 0 },
        { "{" TEST_PAYMENT "}", 1, 0, 0 },
        { "{" TEST_GENERAL "," TEST_PAYMENT "}", 1, 1, 0 },
        { "{\"general\":{\"payment_id\":7}," TEST_PAYMENT "}", 1, 1, 0 },
        { "{\"general\":{\"payment_id\":\"\"}," TEST_PAYMENT "}", 1, 0, 0 },
        { "{" TEST_GENERAL ",\"payment\":{\"amount\":1}}", 1, 0, 0 },
        { "{" TEST_GENERAL ",\"payment\":{\"amount\":1,\"currency\":null}}",
          1, 0, 0 },
        { "{" TEST_GENERAL ",\"payment\":{\"amount\":1,\"currency\":{}}}",
          1, 0, 0 },
        { "{" TEST_GENERAL ",\"payment\":{\"amount\":1,\"currency\":398}}",
          1, 1, 0 },
        { "{" TEST_GENERAL ",\"payment\":{\"amount\":\"1\","
          "\"currency\":\"k\"}}", 1, 1, 0 },
        { "{" TEST_GENERAL ",\"payment\":{\"amount\":0,"
          "\"currency\":\"KZT\"}}", 0, 0, 0 },
        { "{" TEST_GENERAL ",\"payment\":{\"amount\":0.5,"
          "\"currency\":\"KZT\"}}", 1, 1, 0 },
        { "{" TEST_GENERAL ",\"payment\":{\"recipient_amount\":1,"
          "\"recipient_currency\":\"KZT\"}}", 1, 1, 1 },
        { "{" TEST_GENERAL ",\"payment\":{\"amount\":1,"
          "\"currency\":\"KZT\",\"customer_amount\":1}}", 1, 1, 0 }
    };

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        test_parse(&test, bodies[i].text, strlen(bodies[i].text),
                   GATE_MAX_DEPTH);

        ok(test.rc == GATE_OK
           && gate_payout_check(&test.doc, test_find("/other"),
                                GATE_VALIDATE_OFF, &payout, &test.err)
              == GATE_OK
           && payout.carries == bodies[i].carries
           && payout.moves == bodies[i].moves
           && payout.foreign == bodies[i].foreign,
           "carries %u, moves %u, foreign %u: %s", bodies[i].carries,
           bodies[i].moves, bodies[i].foreign, bodies[i].text);

        test_free(&test);
    }
}


/* limits are in characters, not bytes */

static void
test_length(const char *character, unsigned n, int valid)
{
    char           text[2048], *p;
    unsigned       i;
    gate_rc_e      rc;
    test_doc_t     test;
    gate_payout_t  payout;

    p = text + sprintf(text, "{\"general\":{\"payment_id\":\"");

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s", character);
    }

    p += sprintf(p, "\"}}");

    test_parse(&test, text, p - text, GATE_MAX_DEPTH);

    rc = gate_payout_check(&test.doc, test_find("/v2/payment/status"),
                           GATE_VALIDATE_BASIC, &payout, &test.err);

    ok(test.rc == GATE_OK && rc == (valid ? GATE_OK : GATE_INVALID),
       "%u times %s", n, character);

    test_free(&test);
}


static void
test_lengths(void)
{
    test_length("x", 255, 1);
    test_length("x", 256, 0);
    test_length("\xd0\xb6", 255, 1);
    test_length("\xd0\xb6", 256, 0);
    test_length("\xf0\x9f\x98\x80", 255, 1);
    test_length("\xf0\x9f\x98\x80", 256, 0);
}
