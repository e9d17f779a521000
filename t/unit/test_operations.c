
/*
 * Copyright (C) nginx-gate authors
 *
 * The operations of a payment, and what the ledger is told of them.
 */


#include "test.h"

#include "gate_brief.h"


/* a document in short: quotes are single ones, and "@" is a sum in KZT */

typedef struct {
    const char  *text;
    const char  *told;      /* with flags, and what cannot be read */
} message_t;


#define STAND_IN  "00112233445566ff"

#define ID(n)     "'id':" #n ",'type':'payout'"
#define SUM(n)    "'sum_initial':@" #n "@"
#define DONE(n)   ID(n) ",'status':'success',"

#define PAYMENT(status, n)                                                    \
    "'payment':{'id':'47','type':'payout','status':'" status "','sum':@"      \
    #n "@}"

#define ONE(status, op)      "{" PAYMENT(status, 10000) ",'operation':{" op "}}"
#define LIST(status, ops)                                                     \
    "{" PAYMENT(status, 10000) ",'operations':[" ops "]}"
#define BOTH(status, op, ops)                                                 \
    "{" PAYMENT(status, 10000) ",'operation':{" op "},'operations':[" ops "]}"


static void test_messages(void);
static void test_documented(void);
static void test_types(void);
static void test_statuses(void);
static void test_amounts(void);
static void test_ids(void);
static void test_caps(void);
static void test_stand_ins(void);
static gate_rc_e read_message(test_doc_t *test, const char *text,
    gate_callback_t *callback);
static gate_str_t brief_of(const gate_callback_t *callback);


static const message_t  messages[] = {

    /* one operation, as documented */

    { ONE("success", DONE(14) SUM(10000)), "14=success/10000/10000" },
    { ONE("decline", ID(14) ",'status':'decline'," SUM(10000)),
      "14=decline/0/10000" },
    { ONE("error", ID(14) ",'status':'error'," SUM(10000)),
      "14=error/0/10000" },
    { ONE("reversed", ID(14) ",'status':'reversed'," SUM(10000)),
      "14=reversed/0/10000" },
    { ONE("processing", ID(14) ",'status':'processing'," SUM(10000)),
      "14=pending/0/10000" },
    { ONE("awaiting retry", ID(14) ",'status':'awaiting retry'"),
      "14=pending/0/" },
    { ONE("awaiting clarification",
          ID(14) ",'status':'awaiting clarification'"), "14=pending/0/" },

    /* parts: what one has paid is its own sum, payment.sum is that of all */

    { ONE("partially_paid_out", DONE(1) SUM(3000)), "1=partial/3000/3000" },
    { ONE("partially paid out", DONE(1) "'sum':@3000@"),
      "1=partial/3000/3000" },
    { ONE("success", DONE(2) SUM(7000)), "2=success/7000/7000" },
    { ONE("processing", DONE(1) SUM(3000)), "1=success/3000/3000" },
    { ONE("partially_paid_out", ID(3) ",'status':'decline'," SUM(500)),
      "3=decline/0/500" },
    { ONE("partially_paid_out",
          ID(3) ",'status':'partially_paid_out'," SUM(500)),
      "3=partial/500/500" },
    { ONE("partially_paid_out", ID(3) ",'status':'partially paid out'"),
      "3=partial//" },

    /* sum stands in for sum_initial, and must not contradict it */

    { ONE("success", DONE(1) "'sum':[]"), "1=success//" },
    { ONE("success", DONE(1) "'sum':@10000@"), "1=success/10000/10000" },
    { ONE("success", DONE(1) "'sum_initial':null,'sum':@400@"),
      "1=success/400/400" },
    { ONE("success", DONE(1) "'sum_initial':{'amount':'','currency':'KZT'},"
          "'sum':@400@"), "1=success/400/400" },
    { ONE("success", DONE(1) SUM(400) ",'sum':@400@"), "1=success/400/400" },
    { ONE("success", DONE(1) SUM(400) ",'sum':@300@"), "1=success//400" },
    { ONE("decline", ID(1) ",'status':'decline'," SUM(400) ",'sum':@0@"),
      "1=decline/0/400" },
    { ONE("decline", ID(1) ",'status':'decline','sum_initial':'x','sum':@5@"),
      "1=decline/0/" },
    { ONE("success", DONE(1) SUM(400) ",'sum_converted':@300@"),
      "1=success/400/400" },

    /* none of the parts is more than all of them */

    { ONE("success", DONE(1) SUM(10001)), "1=success//10001" },
    { ONE("decline", ID(1) ",'status':'decline'," SUM(10001)),
      "1=decline/0/10001" },

    /* another currency */

    { ONE("success", DONE(1) "'sum_initial':{'amount':1,'currency':'USD'}"),
      "1=success//, foreign" },
    { ONE("decline", ID(1) ",'status':'decline','sum_initial':{'amount':1,"
          "'currency':'USD'}"), "1=decline/0/, foreign" },
    { ONE("decline", ID(1) ",'status':'decline','sum_initial':{'amount':1,"
          "'currency':'kzt'}"), "1=decline/0/, foreign" },
    { ONE("success", DONE(1) SUM(1) ",'sum':{'amount':1,'currency':'USD'}"),
      "1=success//, foreign" },
    { ONE("success", DONE(1) "'sum_initial':{'amount':1}"),
      "1=success/1/1" },
    { "{'payment':{'status':'success'},'operations':[{" DONE(1) SUM(1) "},{"
      DONE(2) "'sum':{'amount':2,'currency':'USD'}}]}",
      "1=success/1/1 2=success//, complete, foreign" },

    /* a status of its own goes before the payment's */

    { ONE("decline", ID(1) ",'status':'processing'," SUM(1)),
      "1=pending/0/1" },
    { ONE("error", DONE(1) SUM(1)), "1=success/1/1" },
    { ONE("some news", DONE(1) SUM(1)), "1=success/1/1" },

    /* unless it has ended unpaid, and the payment will be tried again */

    { ONE("awaiting retry", ID(1) ",'status':'decline'," SUM(1)),
      "1=pending/0/1" },
    { ONE("processing", ID(1) ",'status':'error'," SUM(1)),
      "1=pending/0/1" },
    { LIST("awaiting retry", "{" ID(1) ",'status':'decline'," SUM(1) "},"
           "{" ID(2) ",'status':'error'," SUM(1) "}"),
      "1=decline/0/1 2=pending/0/1, complete" },
    { LIST("awaiting retry", "{" ID(1) ",'status':'decline'," SUM(1) "},"
           "{" ID(2) ",'status':'processing'," SUM(1) "}"),
      "1=decline/0/1 2=pending/0/1, complete" },

    /* but for what was taken back */

    { ONE("reversed", DONE(1) SUM(1)), "1=reversed/0/1" },
    { ONE("reversed", ID(1) ",'status':'partially_paid_out'," SUM(1)),
      "1=reversed/0/1" },
    { ONE("reversed", ID(1) ",'status':'processing'," SUM(1)),
      "1=pending/0/1" },
    { LIST("reversed", "{" DONE(1) SUM(10000) "},"
           "{'id':2,'type':'reversal','status':'success'," SUM(10000) "}"),
      "1=reversed/0/10000" },

    /* one that is not known, or no payout: what the payment says of it */

    { ONE("success", ID(1) "," SUM(1)), "1=success//1" },
    { ONE("decline", ID(1) ",'status':'external error'," SUM(1)),
      "1=decline/0/1" },
    { ONE("partially paid", ID(1) ",'status':'external error'"), "" },
    { ONE("reversed", "'id':2,'type':'reversal','status':'success',"
          SUM(1)), "2=reversed/0/" },
    { ONE("success", "'id':2,'type':'verification','status':'success',"
          SUM(1)), "2=success//" },
    { ONE("decline", "'id':2,'type':'verification','status':'success',"
          SUM(1)), "2=decline/0/" },
    { ONE("success", "'id':2,'status':'success'," SUM(1)),
      "2=success/1/1" },
    { LIST("success", "{" ID(1) "," SUM(1) "},{" DONE(2) SUM(2) "}"),
      "2=success/2/2" },

    /* ids that are none */

    { ONE("success", "'status':'success'," SUM(1)), STAND_IN "=success/1/1" },
    { ONE("success", "'id':'','status':'success'," SUM(1)),
      STAND_IN "=success/1/1" },
    { LIST("success", "{'status':'success'," SUM(1) "}"),
      STAND_IN "=success/1/1" },
    { LIST("partially_paid_out", "{'status':'success'," SUM(1) "},"
           "{" DONE(2) SUM(2) "}"), "2=partial/2/2" },
    { LIST("partially_paid_out", "{'status':'success'," SUM(1) "},"
           "{'status':'success'," SUM(1) "}"), STAND_IN "=partial//" },

    /* no operation at all */

    { "{" PAYMENT("success", 1) "}", STAND_IN "=success//" },
    { "{" PAYMENT("partially_paid_out", 1) ",'operation':[]}",
      STAND_IN "=partial//" },
    { "{" PAYMENT("decline", 1) ",'operation':null,'operations':[]}",
      STAND_IN "=decline/0/" },
    { "{" PAYMENT("awaiting nothing", 1) "}", "" },
    { "{'payment':{'id':'47'}}", "" },
    { "{'operation':{" DONE(1) SUM(3) "}}", "" },

    /* lists */

    { LIST("partially_paid_out", "{" DONE(1) SUM(3000) "},{" DONE(2)
           SUM(2000) "},{" ID(3) ",'status':'decline'," SUM(5000) "}"),
      "1=partial/3000/3000 2=partial/2000/2000 3=decline/0/5000, complete" },
    { LIST("processing", "{" DONE(1) SUM(3) "},{" ID(2)
           ",'status':'processing'}"), "1=success/3/3 2=pending/0/, complete" },
    { LIST("success", "{" DONE(1) SUM(3) "},{}"), "1=success/3/3" },
    { LIST("success", "null,{" DONE(1) SUM(3) "}"), "1=success/3/3" },
    { LIST("success", "[],''"), STAND_IN "=success//" },
    { LIST("success", "{" DONE(1) SUM(3) "},{" ID(2)
           ",'status':'expired'}"), "1=success/3/3" },
    { LIST("success", "{" DONE(1) SUM(3) "},{'id':2,'type':'refund',"
           "'status':'success'}"), "1=success/3/3" },
    { LIST("success", "{" DONE(1) SUM(3) "},7"),
      "1=success/3/3, not operations" },
    { LIST("success", "{'id':1,'type':7,'status':'success'}"),
      "1=success//, not operations.type" },

    /* the same id twice */

    { LIST("success", "{" DONE(1) SUM(3) "},{" DONE(1) SUM(3) "}"),
      "1=success/3/3" },
    { LIST("success", "{" DONE(1) SUM(3) "},{" DONE(1) SUM(4) "}"),
      "1=success//" },
    { LIST("success", "{" DONE(1) SUM(3) "},{" DONE(1) SUM(4) "},{" DONE(1)
           SUM(3) "}"), "1=success//" },
    { LIST("success", "{" DONE(1) SUM(3) "},{" ID(1) ",'status':'decline'},"
           "{" DONE(2) SUM(5) "}"), "2=success/5/5" },
    { LIST("success", "{'id':1,'status':'success'," SUM(3) "},"
           "{'id':'1','status':'success'}"), "1=success/3/3" },

    /* one of the list, as it stands beside it */

    { BOTH("partially_paid_out", DONE(2) SUM(5), "{" DONE(1) SUM(3) "},{"
           DONE(2) SUM(5) "}"), "2=partial/5/5 1=partial/3/3, complete" },
    { BOTH("partially_paid_out", DONE(2) SUM(5), "{" DONE(2) "'sum':null}"),
      "2=partial/5/5, complete" },
    { BOTH("partially_paid_out", DONE(2) "'sum':null", "{" DONE(2) SUM(5) "}"),
      "2=partial/5/5, complete" },
    { BOTH("partially_paid_out", DONE(2) SUM(5), "{" DONE(2) SUM(6) "}"),
      "2=partial//, complete" },
    { BOTH("partially_paid_out", DONE(2) SUM(5), "{" DONE(2)
           "'sum':{'amount':5,'currency':'USD'}}"),
      "2=partial//, complete, foreign" },
    { BOTH("partially_paid_out", DONE(2) SUM(5) ",'sum':@4@", "{" DONE(2)
           SUM(5) "}"), "2=partial//5, complete" },
    { BOTH("partially_paid_out", DONE(2) SUM(5), "{" DONE(2) SUM(5)
           ",'sum':@4@}"), "2=partial//5, complete" },
    { BOTH("success", "'code':'0'", "{" DONE(1) SUM(3) "}"),
      "1=success/3/3, complete" },
    { BOTH("processing", ID(2) ",'status':'processing'",
           "{" DONE(2) SUM(5) "}"), "2=pending/0/5" },
    { BOTH("success", ID(2) ",'status':'decline'", "{" DONE(2) SUM(5) "},{"
           DONE(1) SUM(6) "}"), "1=success/6/6" },
    { BOTH("success", DONE(2) SUM(5), "{" DONE(1) SUM(3) "}"),
      "2=success/5/5 1=success/3/3" },
    { BOTH("success", "'status':'success'," SUM(5), "{" DONE(1) SUM(3) "}"),
      "1=success/3/3" },
    { BOTH("success", DONE(2) SUM(5), "{'id':2,'type':'refund','status':"
           "'success'}"), "2=success//" }
};


int
main(void)
{
    test_messages();
    test_documented();
    test_types();
    test_statuses();
    test_amounts();
    test_ids();
    test_caps();
    test_stand_ins();

    return test_done();
}


static void
test_messages(void)
{
    char             told[512];
    size_t           i;
    gate_rc_e        rc;
    test_doc_t       test;
    gate_str_t       brief;
    gate_callback_t  callback;

    for (i = 0; i < test_count(messages); i++) {
        rc = read_message(&test, messages[i].text, &callback);
        brief = brief_of(&callback);

        snprintf(told, sizeof(told), "%.*s%s%s%s%s", (int) brief.len,
                 brief.data, callback.complete ? ", complete" : "",
                 callback.foreign ? ", foreign" : "",
                 rc == GATE_OK ? "" : ", not ",
                 rc == GATE_OK ? "" : test.err.path);

        ok(strcmp(told, messages[i].told) == 0, "%s: %s", messages[i].text,
           told);

        test_free(&test);
    }
}


static gate_rc_e
read_message(test_doc_t *test, const char *text, gate_callback_t *callback)
{
    char       *p, *sum;
    unsigned    inside;
    gate_rc_e   rc;
    test_buf_t  buf;

    memset(&buf, 0, sizeof(test_buf_t));
    inside = 0;

    for ( /* void */ ; *text != '\0'; text++) {
        sum = inside ? ",\"currency\":\"KZT\"}" : "{\"amount\":";

        if (*text == '@') {
            test_append(&buf, (unsigned char *) sum, strlen(sum));
            inside = !inside;
            continue;
        }

        test_append(&buf, (unsigned char *) text, 1);

        p = buf.data + buf.len - 1;
        *p = (*p == '\'') ? '"' : *p;
    }

    test_parse(test, buf.data, buf.len, 32);
    free(buf.data);

    ok(test->rc == GATE_OK, "is a document");

    test->err.path = NULL;
    memset(callback, 0xff, sizeof(gate_callback_t));

    rc = gate_callback_read(&test->doc, callback, &test->err);

    return rc;
}


static gate_str_t
brief_of(const gate_callback_t *callback)
{
    gate_str_t            brief;
    static unsigned char  buf[GATE_BRIEF_MAX];

    static const gate_str_t  stand_in = gate_string(STAND_IN);

    memset(buf, '#', sizeof(buf));

    brief.data = buf;
    brief.len = gate_brief(callback, stand_in, buf);

    return brief;
}


/* bodies as Gate's documentation has them */

static void
test_documented(void)
{
    size_t           i;
    test_doc_t       test;
    gate_callback_t  callback;

    static const char  *statuses[] = { "success", "decline" };

    char  text[1024], brief[64];

    for (i = 0; i < test_count(statuses); i++) {
        snprintf(text, sizeof(text),
                 "{'project_id':1234,'payment':{'id':'payment_47','type':"
                 "'payout','status':'%s','date':'2024-12-07T19:08:45+0000',"
                 "'method':'mobile','sum':@100000@,'description':''},"
                 "'customer':{'id':'customer_123'},'operation':{'id':47,"
                 "'type':'payout','status':'%s','date':"
                 "'2024-12-07T19:08:45+0000','created_date':"
                 "'2024-12-07T19:08:05+0000','request_id':'1a23456bc7890de',"
                 "'sum_initial':@100000@,'sum_converted':@100000@,'code':'0',"
                 "'message':'x','provider':{'id':12345,'payment_id':"
                 "'123abc123-123','auth_code':''}},'account':{'number':"
                 "'71234567890','type':'TELE2'},'signature':'x'}",
                 statuses[i], statuses[i]);
        snprintf(brief, sizeof(brief), "47=%s/%s/100000", statuses[i],
                 i == 0 ? "100000" : "0");

        ok(read_message(&test, text, &callback) == GATE_OK, "is read");
        ok(is(brief_of(&callback), brief), "%s", brief);
        ok(callback.noperations == 1 && callback.payout && callback.alone
           && !callback.complete && !callback.operations[0].listed
           && is(callback.type, "payout")
           && is(callback.paid_currency, "KZT")
           && is(callback.operations[0].currency, "KZT")
           && is(callback.operations[0].type, "payout")
           && is(callback.operations[0].status_text, statuses[i]),
           "%s: its operation", statuses[i]);
        test_free(&test);
    }
}


static void
test_types(void)
{
    size_t           i;
    test_doc_t       test;
    gate_callback_t  callback;

    static const struct {
        const char  *type;
        unsigned     payout;
    } types[] = {
        { "'payout'", 1 }, { "null", 1 }, { "''", 1 }, { "[]", 1 },
        { "{}", 1 }, { "'purchase'", 0 }, { "'Payout'", 0 },
        { "'payout '", 0 }, { "'refund'", 0 }, { "'payout\\u0000'", 0 }
    };

    char  text[256];

    for (i = 0; i < test_count(types); i++) {
        snprintf(text, sizeof(text), "{'payment':{'type':%s,'status':"
                 "'success'},'operation':{" DONE(1) SUM(3) "}}",
                 types[i].type);

        ok(read_message(&test, text, &callback) == GATE_OK, "is read");
        ok(callback.payout == types[i].payout, "%s: payout", types[i].type);
        ok(is(brief_of(&callback), types[i].payout ? "1=success/3/3" : ""),
           "%s: operations", types[i].type);
        test_free(&test);
    }
}


static void
test_statuses(void)
{
    size_t             i;
    test_doc_t         test;
    gate_callback_t    callback;
    gate_operation_t  *operation;

    static const struct {
        const char     *word;
        gate_status_e   status;
        const char     *brief;
    } words[] = {
        { "processing", GATE_STATUS_PROCESSING, "1=pending/0/3" },
        { "awaiting retry", GATE_STATUS_RETRY, "1=pending/0/3" },
        { "awaiting clarification", GATE_STATUS_CLARIFICATION,
          "1=pending/0/3" },
        { "success", GATE_STATUS_SUCCESS, "1=success/3/3" },
        { "decline", GATE_STATUS_DECLINE, "1=decline/0/3" },
        { "error", GATE_STATUS_ERROR, "1=error/0/3" },
        { "reversed", GATE_STATUS_REVERSED, "1=reversed/0/3" },
        { "partially_paid_out", GATE_STATUS_PARTIAL, "1=partial/3/3" },
        { "partially paid out", GATE_STATUS_PARTIAL, "1=partial/3/3" },
        { "none", GATE_STATUS_OTHER, "" },
        { "other", GATE_STATUS_OTHER, "" },
        { "Success", GATE_STATUS_OTHER, "" },
        { "success ", GATE_STATUS_OTHER, "" },
        { "partially paid", GATE_STATUS_OTHER, "" },
        { "1=success/9/9 2", GATE_STATUS_OTHER, "" },
        { "expired", GATE_STATUS_OTHER, "" }
    };

    char  text[256];

    for (i = 0; i < test_count(words); i++) {
        snprintf(text, sizeof(text), "{'payment':{'status':'expired'},"
                 "'operation':{" ID(1) ",'status':'%s'," SUM(3) "}}",
                 words[i].word);

        ok(read_message(&test, text, &callback) == GATE_OK, "is read");

        operation = &callback.operations[0];

        ok(operation->status == words[i].status
           && is(operation->status_text, words[i].word), "\"%s\"",
           words[i].word);
        ok((operation->paid == GATE_NO_AMOUNT)
           == (words[i].status == GATE_STATUS_OTHER), "\"%s\": paid",
           words[i].word);
        ok(is(brief_of(&callback), words[i].brief), "\"%s\": %s",
           words[i].word, words[i].brief);
        ok(gate_operation_clear(operation)
           == (words[i].status != GATE_STATUS_OTHER), "\"%s\": clear",
           words[i].word);
        test_free(&test);
    }
}


static void
test_amounts(void)
{
    size_t            i;
    gate_rc_e         rc;
    test_doc_t        test;
    gate_callback_t   callback;

    static const struct {
        const char  *amount;
        const char  *brief;     /* NULL: cannot be read */
    } amounts[] = {
        { "0", "1=success/0/0" },
        { "1", "1=success/1/1" },
        { "10000000000000", "1=success/10000000000000/10000000000000" },
        { "null", "1=success//" },
        { "''", "1=success//" },
        { "10000000000001", NULL },
        { "9223372036854775807", NULL },
        { "9223372036854775808", NULL },
        { "18446744073709551617", NULL },
        { "99999999999999999999999999", NULL },
        { "-1", NULL },
        { "-9223372036854775808", NULL },
        { "1.0", NULL },
        { "0.5", NULL },
        { "1e3", NULL },
        { "1E+2", NULL },
        { "1e-2", NULL },
        { "1e999", NULL },
        { "'1'", NULL },
        { "' 1'", NULL },
        { "'1 2=success/1/1'", NULL },
        { "true", NULL },
        { "[1]", NULL },
        { "{'a':1}", NULL }
    };

    char  text[256];

    for (i = 0; i < test_count(amounts); i++) {
        snprintf(text, sizeof(text), "{'payment':{'status':'success'},"
                 "'operation':{" DONE(1) "'sum_initial':{'amount':%s},"
                 "'other':7}}", amounts[i].amount);

        rc = read_message(&test, text, &callback);

        ok(rc == (amounts[i].brief ? GATE_OK : GATE_INVALID), "%s: read",
           amounts[i].amount);
        ok(is(brief_of(&callback), amounts[i].brief ? amounts[i].brief
                                                    : "1=success//"),
           "%s: paid", amounts[i].amount);
        test_free(&test);

        /* what was to be paid is not worth that nothing is settled */

        snprintf(text, sizeof(text), "{'payment':{'status':'decline'},"
                 "'operation':{" ID(1) ",'status':'decline','sum_initial':"
                 "{'amount':%s},'sum':{'amount':5}}}", amounts[i].amount);

        ok(read_message(&test, text, &callback) == GATE_OK, "%s: declined",
           amounts[i].amount);
        ok(amounts[i].brief != NULL
           || is(brief_of(&callback), "1=decline/0/"),
           "%s: another sum does not stand in", amounts[i].amount);
        test_free(&test);
    }
}


static void
test_ids(void)
{
    size_t            i;
    gate_rc_e         rc;
    test_doc_t        test;
    gate_callback_t   callback;

    static const struct {
        const char  *id;
        const char  *text;      /* NULL: cannot be read */
    } ids[] = {
        { "0", "0" },
        { "1", "1" },
        { "'1'", "1" },
        { "9223372036854775807", "9223372036854775807" },
        { "'9223372036854775807'", "9223372036854775807" },
        { "null", "" },
        { "''", "" },
        { "[]", "" },
        { "{}", "" },
        { "9223372036854775808", NULL },
        { "'9223372036854775808'", NULL },
        { "'11111111111111111111111111111111111111111111111111111111111111'",
          NULL },
        { "-1", NULL },
        { "1.0", NULL },
        { "1e3", NULL },
        { "'01'", NULL },
        { "' 1'", NULL },
        { "'1 '", NULL },
        { "'1=2'", NULL },
        { "'1/2'", NULL },
        { "'1:2'", NULL },
        { "'1\\u0000'", NULL },
        { "'\\n'", NULL },
        { "'0123-ab'", NULL },
        { "true", NULL },
        { "[1]", NULL },
        { "{'a':1}", NULL }
    };

    char  text[256], brief[128];

    for (i = 0; i < test_count(ids); i++) {
        snprintf(text, sizeof(text), "{'payment':{'status':'success'},"
                 "'operation':{'id':%s,'status':'success'," SUM(3) "}}",
                 ids[i].id);
        snprintf(brief, sizeof(brief), "%s=success/3/3",
                 (ids[i].text && *ids[i].text) ? ids[i].text : STAND_IN);

        rc = read_message(&test, text, &callback);

        ok(rc == (ids[i].text ? GATE_OK : GATE_INVALID), "%s: read",
           ids[i].id);
        ok(is(callback.operations[0].id, ids[i].text ? ids[i].text : "")
           && is(brief_of(&callback), brief), "%s: %s", ids[i].id, brief);
        test_free(&test);
    }
}


static void
test_caps(void)
{
    char             text[16384], brief[GATE_BRIEF_MAX];
    size_t           len, end;
    unsigned         i, n;
    test_doc_t       test;
    gate_str_t       told;
    gate_callback_t  callback;

    static const unsigned  counts[] = { 1, 2, 63, 64, 65, 66, 100 };

    for (i = 0; i < test_count(counts); i++) {
        end = 0;
        len = snprintf(text, sizeof(text), "{'payment':{'status':'success'},"
                       "'operations':[");

        for (n = 0; n < counts[i]; n++) {
            len += snprintf(text + len, sizeof(text) - len,
                            "%s{'id':92233720368547%05u,'status':'success',"
                            "'sum':{'amount':9999999999%03u}}",
                            n ? "," : "", n, n);

            if (n < GATE_MAX_OPERATIONS) {
                end += snprintf(brief + end, sizeof(brief) - end,
                                "%s92233720368547%05u=success/"
                                "9999999999%03u/9999999999%03u",
                                n ? " " : "", n, n, n);
            }
        }

        snprintf(text + len, sizeof(text) - len, "]}");

        ok(read_message(&test, text, &callback) == GATE_OK, "%u are read",
           counts[i]);

        told = brief_of(&callback);

        ok(test_is(told, brief, end), "%u are told", counts[i]);
        ok(callback.complete == (counts[i] <= GATE_MAX_OPERATIONS),
           "%u: complete", counts[i]);
        ok(callback.noperations == (counts[i] < GATE_MAX_OPERATIONS
                                    ? counts[i] : GATE_MAX_OPERATIONS)
           && callback.alone == (counts[i] == 1), "%u: number", counts[i]);
        test_free(&test);
    }
}


/* the longest text has room, and a name that is none is not written */

static void
test_stand_ins(void)
{
    unsigned          i;
    gate_str_t        none, stand_in;
    unsigned char     buf[GATE_BRIEF_MAX];
    gate_callback_t   callback;
    gate_operation_t  operation;

    memset(&callback, 0, sizeof(gate_callback_t));
    memset(&operation, 0, sizeof(gate_operation_t));

    operation.id.data = (unsigned char *) "9223372036854775807";
    operation.id.len = 19;
    operation.size = INT64_C(10000000000000);
    operation.paid = operation.size;
    operation.status = GATE_STATUS_SUCCESS;
    operation.payout = 1;

    callback.payout = 1;
    callback.status = GATE_STATUS_REVERSED;
    callback.noperations = GATE_MAX_OPERATIONS;

    for (i = 0; i < GATE_MAX_OPERATIONS; i++) {
        callback.operations[i] = operation;
    }

    memset(&none, 0, sizeof(gate_str_t));

    ok(gate_brief(&callback, none, buf)
       == GATE_MAX_OPERATIONS * strlen("9223372036854775807=reversed/0/"
                                       "10000000000000 ") - 1,
       "64 long ones");

    stand_in.data = (unsigned char *) "0123456789abcdef01234";
    callback.noperations = 1;
    callback.alone = 1;
    callback.operations[0].id.len = 0;
    callback.operations[0].paid = GATE_NO_AMOUNT;
    callback.status = GATE_STATUS_SUCCESS;

    for (i = 0; i <= GATE_BRIEF_ID + 1; i++) {
        stand_in.len = i;

        ok(gate_brief(&callback, stand_in, buf)
           == (i == 0 || i > GATE_BRIEF_ID
               ? 0 : i + strlen("=success//10000000000000")),
           "a stand-in of %u bytes", i);
    }
}
