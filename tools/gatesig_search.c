
/*
 * Copyright (C) nginx-gate authors
 *
 * Looks for the usual mistake of a signer, or change on the way, that gives the
 * signature that was found.
 */


#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "gatesig_explain.h"


/* bytes to sign until the search is given up: some seconds */

#define GATESIG_BUDGET    (512 * 1024 * 1024)

#define GATESIG_HMAC_LEN  64


static int gatesig_search_init(gatesig_search_t *search);
static gate_rc_e gatesig_size(void *data, const unsigned char *p, size_t len);
static int gatesig_search_form(gatesig_search_t *search);
static int gatesig_decode(gate_str_t text, int base64, unsigned char *bytes);
static int gatesig_digit(unsigned char ch, int base64);
static int gatesig_search_key(gatesig_search_t *search);
static int gatesig_try_key(gatesig_search_t *search, const unsigned char
    *data, size_t len);
static int gatesig_search_order(gatesig_search_t *search);
static int gatesig_compare_lines(const void *one, const void *two);
static int gatesig_search_all(gatesig_search_t *search);
static int gatesig_search_one(gatesig_search_t *search);
static int gatesig_search_member(gatesig_search_t *search);
static int gatesig_search_names(gatesig_search_t *search);
static int gatesig_try(gatesig_search_t *search, unsigned char *skip);
static int gatesig_try_order(gatesig_search_t *search, gate_order_e order,
    const unsigned char *skip);
static int gatesig_try_canon(gatesig_search_t *search, const gate_canon_t
    *canon);


/* returns 1 where the cause was found and printed */

int
gatesig_search(gatesig_search_t *search)
{
    if (gatesig_search_init(search) != GATESIG_OK) {
        search->failed = 1;
        return 0;
    }

    return gatesig_search_form(search)
           || gatesig_search_key(search)
           || gatesig_search_order(search)
           || gatesig_search_all(search)
           || gatesig_search_names(search)
           || gatesig_search_one(search)
           || gatesig_search_member(search);
}


static int
gatesig_search_init(gatesig_search_t *search)
{
    size_t              size;
    uint32_t            i, n;
    gatesig_t          *sig;
    const gate_node_t  *node;

    sig = search->sig;
    size = (sig->canon.n + 1) * sizeof(uint32_t);

    search->leaves = gate_pool_alloc(&sig->pool, (sig->canon.n + 1)
                                                 * sizeof(gate_leaf_t));
    search->nodes = gate_pool_alloc(&sig->pool, size);
    search->order = gate_pool_alloc(&sig->pool, size);
    search->sorted[0] = gate_pool_alloc(&sig->pool, size);
    search->sorted[1] = gate_pool_alloc(&sig->pool, size);

    if (search->leaves == NULL || search->nodes == NULL
        || search->order == NULL || search->sorted[0] == NULL
        || search->sorted[1] == NULL)
    {
        return GATESIG_FAILED;
    }

    for (i = 0; i < 2; i++) {
        (void) gate_canon_sort(&sig->canon, i ? GATE_ORDER_BYTES
                                              : GATE_ORDER_NATURAL);
        memcpy(search->sorted[i], sig->canon.order,
               sig->canon.n * sizeof(uint32_t));
    }

    memcpy(search->leaves, sig->canon.leaves,
           sig->canon.n * sizeof(gate_leaf_t));

    for (i = 1, n = 0; i < sig->doc.n; /* void */ ) {
        node = &sig->doc.nodes[i];

        if ((node->key.len == 9 && memcmp(node->key.data, "signature", 9) == 0)
            || (node->key.len == 10
                && memcmp(node->key.data, "frame_mode", 10) == 0))
        {
            i = node->next;
            continue;
        }

        if (node->type != GATE_OBJECT && node->type != GATE_ARRAY) {
            search->nodes[n++] = i;
        }

        i++;
    }

    search->left = GATESIG_BUDGET;
    search->variant = sig->canon;

    (void) gate_canon_write(&sig->canon, gatesig_size, &search->size);

    return (n == sig->canon.n) ? GATESIG_OK : GATESIG_FAILED;
}


static gate_rc_e
gatesig_size(void *data, const unsigned char *p, size_t len)
{
    size_t *size = data;

    (void) p;

    *size += len;

    return GATE_OK;
}


/* the right bytes in another encoding, and what the others compare with */

static int
gatesig_search_form(gatesig_search_t *search)
{
    int            n;
    unsigned       i, j;
    unsigned char  bytes[GATESIG_HMAC_LEN + 1];

    static const char  digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+/";

    n = gatesig_decode(search->given, 0, bytes);

    if (n != 32 && n != GATESIG_HMAC_LEN) {
        n = gatesig_decode(search->given, 1, bytes);
    }

    if (n == 32) {
        gatesig_cause("%s", "it has the length of SHA-256: Gate signs with "
                            "HMAC-SHA512");
        return 1;
    }

    if (n != GATESIG_HMAC_LEN) {
        gatesig_cause("%s", "it is no HMAC-SHA512 in Base64, which has 88 "
                            "characters");
        return 1;
    }

    for (i = 0, j = 0; i < GATESIG_HMAC_LEN; i += 3) {
        bytes[GATESIG_HMAC_LEN] = 0;

        search->wanted[j++] = digits[bytes[i] >> 2];
        search->wanted[j++] = digits[(bytes[i] & 3) << 4 | bytes[i + 1] >> 4];

        if (i + 1 == GATESIG_HMAC_LEN) {
            break;
        }

        search->wanted[j++] = digits[(bytes[i + 1] & 15) << 2
                                     | bytes[i + 2] >> 6];
        search->wanted[j++] = digits[bytes[i + 2] & 63];
    }

    memset(search->wanted + j, '=', GATE_SIGNATURE_LEN - j);

    if (search->given.len == GATE_SIGNATURE_LEN
        && memcmp(search->given.data, search->wanted, GATE_SIGNATURE_LEN) == 0)
    {
        return 0;
    }

    if (gatesig_try(search, NULL)) {
        gatesig_cause("%s", "it is right, but not in Base64 as RFC 4648 has "
                            "it, with \"+\", \"/\" and \"==\"");
        return 1;
    }

    return 0;
}


/*
 * Hexadecimal, or Base64 of any kind, white space around it.  Returns how many
 * bytes it stands for, -1 where it is not that or too long.
 */

static int
gatesig_decode(gate_str_t text, int base64, unsigned char *bytes)
{
    int       digit;
    size_t    i, n;
    unsigned  bits, held;

    while (text.len != 0 && isspace(text.data[0])) {
        text.data++;
        text.len--;
    }

    while (text.len != 0 && (isspace(text.data[text.len - 1])
                             || text.data[text.len - 1] == '='))
    {
        text.len--;
    }

    held = 0;
    bits = 0;
    n = 0;

    for (i = 0; i < text.len; i++) {
        digit = gatesig_digit(text.data[i], base64);

        if (digit < 0 || n == GATESIG_HMAC_LEN + 1) {
            return -1;
        }

        held = (held << (base64 ? 6 : 4) | (unsigned) digit) & 0xffff;
        bits += base64 ? 6 : 4;

        if (bits >= 8) {
            bits -= 8;
            bytes[n++] = (unsigned char) (held >> bits);
        }
    }

    return (int) n;
}


static int
gatesig_digit(unsigned char ch, int base64)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0' + (base64 ? 52 : 0);
    }

    if (!base64) {
        ch = (unsigned char) tolower(ch);
        return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
    }

    if (ch >= 'A' && ch <= 'Z') {
        return ch - 'A';
    }

    if (ch >= 'a' && ch <= 'z') {
        return ch - 'a' + 26;
    }

    if (ch == '+' || ch == '-') {
        return 62;
    }

    return (ch == '/' || ch == '_') ? 63 : -1;
}


/* other readings of the key file */

static int
gatesig_search_key(gatesig_search_t *search)
{
    int               found, n, base64;
    size_t            len;
    unsigned          i;
    const char       *file;
    gate_str_t        text;
    unsigned char     bytes[GATESIG_HMAC_LEN + 1];
    gatesig_secret_t  secret;

    found = 0;

    for (i = 0; i < search->sig->args.nkeys && !found; i++) {
        file = search->sig->args.key_files[i];

        if (gatesig_read_secret(file, &secret) != GATESIG_OK) {
            continue;
        }

        len = gatesig_secret_len(&secret);
        text.data = secret.data;
        text.len = len;

        if (len != secret.len
            && gatesig_try_key(search, secret.data, secret.len))
        {
            gatesig_cause("it was signed with the newline at the end of %s, "
                          "which is not part of the key", file);
            found = 1;
        }

        while (text.len != 0 && isspace(text.data[text.len - 1])) {
            text.len--;
        }

        while (text.len != 0 && isspace(text.data[0])) {
            text.data++;
            text.len--;
        }

        if (!found && text.len != len
            && gatesig_try_key(search, text.data, text.len))
        {
            gatesig_cause("it was signed without the white space around the "
                          "key in %s", file);
            found = 1;
        }

        for (base64 = 0; base64 < 2 && !found; base64++) {
            n = gatesig_decode(text, base64, bytes);

            if (n > 0 && gatesig_try_key(search, bytes, (size_t) n)) {
                gatesig_cause("it was signed with the bytes that %s stands "
                              "for in hexadecimal or Base64: Gate takes its "
                              "text", file);
                found = 1;
            }
        }
    }

    OPENSSL_cleanse(&secret, sizeof(gatesig_secret_t));
    OPENSSL_cleanse(bytes, sizeof(bytes));

    return found;
}


static int
gatesig_try_key(gatesig_search_t *search, const unsigned char *data,
    size_t len)
{
    int          rc;
    unsigned     n;
    gate_key_t  *key, *first;

    key = (len != 0) ? gate_key_create(data, len) : NULL;

    if (key == NULL) {
        return 0;
    }

    first = search->sig->keys[0];
    n = search->sig->args.nkeys;

    search->sig->keys[0] = key;
    search->sig->args.nkeys = 1;

    rc = gatesig_try(search, NULL);

    search->sig->keys[0] = first;
    search->sig->args.nkeys = n;

    gate_key_destroy(key);

    return rc;
}


static int
gatesig_search_order(gatesig_search_t *search)
{
    uint32_t       i;
    gate_leaf_t  **leaves;
    gate_canon_t   canon;

    canon = search->variant;
    canon.order = search->order;

    for (i = 0; i < canon.n; i++) {
        canon.order[i] = i;
    }

    if (gatesig_try_canon(search, &canon)) {
        gatesig_cause("%s", "its lines were signed in the order of the "
                            "document, not sorted");
        return 1;
    }

    leaves = gate_pool_alloc(&search->sig->pool,
                             (canon.n + 1) * sizeof(gate_leaf_t *));
    if (leaves == NULL) {
        search->failed = 1;
        return 0;
    }

    for (i = 0; i < canon.n; i++) {
        leaves[i] = &canon.leaves[i];
    }

    qsort(leaves, canon.n, sizeof(gate_leaf_t *), gatesig_compare_lines);

    for (i = 0; i < canon.n; i++) {
        canon.order[i] = (uint32_t) (leaves[i] - canon.leaves);
    }

    if (gatesig_try_canon(search, &canon)) {
        gatesig_cause("%s", "it was sorted by whole lines: Gate sorts by "
                            "path, without the value");
        return 1;
    }

    return 0;
}


static int
gatesig_compare_lines(const void *one, const void *two)
{
    int                 rc;
    size_t              i, n;
    unsigned char       x, y;
    const gate_leaf_t  *a, *b;

    a = *(gate_leaf_t *const *) one;
    b = *(gate_leaf_t *const *) two;

    n = (a->path.len < b->path.len) ? a->path.len : b->path.len;
    rc = memcmp(a->path.data, b->path.data, n);

    if (rc != 0) {
        return rc;
    }

    /* a colon and the value follow the path */

    for (i = n; i < a->path.len + 1 + a->value.len
                && i < b->path.len + 1 + b->value.len; i++)
    {
        x = (i < a->path.len) ? a->path.data[i]
            : (i == a->path.len) ? ':' : a->value.data[i - a->path.len - 1];
        y = (i < b->path.len) ? b->path.data[i]
            : (i == b->path.len) ? ':' : b->value.data[i - b->path.len - 1];

        if (x != y) {
            return (x < y) ? -1 : 1;
        }
    }

    n = a->path.len + a->value.len;
    i = b->path.len + b->value.len;

    return (n > i) - (n < i);
}


/* every value written in another way */

static int
gatesig_search_all(gatesig_search_t *search)
{
    size_t              h;
    uint32_t            i;
    unsigned            changed;
    gate_str_t          value;
    unsigned char      *skip;
    const gate_node_t  *node;

    skip = gate_pool_alloc(&search->sig->pool, search->variant.n + 1);
    if (skip == NULL) {
        search->failed = 1;
        return 0;
    }

    for (h = 0; gatesig_habits[h].value != NULL; h++) {

        if (gatesig_habits[h].all == NULL) {
            continue;
        }

        memset(skip, 0, search->variant.n + 1);
        changed = 0;

        for (i = 0; i < search->variant.n; i++) {
            node = &search->sig->doc.nodes[search->nodes[i]];
            value = gatesig_habits[h].value(search, node,
                                            search->leaves[i].value);

            skip[i] = (value.data == NULL);
            changed |= skip[i]
                       | (value.data != search->leaves[i].value.data);

            if (!skip[i]) {
                search->variant.leaves[i].value = value;
            }
        }

        if (changed && gatesig_try(search, skip)) {
            gatesig_cause("%s", gatesig_habits[h].all);
            return 1;
        }

        memcpy(search->variant.leaves, search->leaves,
               search->variant.n * sizeof(gate_leaf_t));
    }

    return 0;
}


/* one of them */

static int
gatesig_search_one(gatesig_search_t *search)
{
    char                path[GATESIG_PATH_SIZE];
    size_t              h;
    uint32_t            i;
    gate_str_t          value, before;
    unsigned char      *skip;
    const gate_node_t  *node;

    skip = gate_pool_alloc(&search->sig->pool, search->variant.n + 1);
    if (skip == NULL) {
        search->failed = 1;
        return 0;
    }

    memset(skip, 0, search->variant.n + 1);

    for (h = 0; gatesig_habits[h].value != NULL; h++) {

        for (i = 0; gatesig_habits[h].one && i < search->variant.n; i++) {

            node = &search->sig->doc.nodes[search->nodes[i]];
            before = search->leaves[i].value;
            value = gatesig_habits[h].value(search, node, before);

            if (value.data == before.data) {
                continue;
            }

            skip[i] = (value.data == NULL);
            search->variant.leaves[i].value = skip[i] ? before : value;

            if (gatesig_try(search, skip)) {
                gatesig_path(&search->sig->doc, search->nodes[i], path,
                             sizeof(path));
                gatesig_cause(gatesig_habits[h].one, path);
                return 1;
            }

            search->variant.leaves[i].value = before;
            skip[i] = 0;
        }
    }

    return 0;
}


/* an object or a list as a whole */

static int
gatesig_search_member(gatesig_search_t *search)
{
    char                path[GATESIG_PATH_SIZE];
    uint32_t            i, j;
    unsigned char      *skip;
    const gate_node_t  *node;

    skip = gate_pool_alloc(&search->sig->pool, search->variant.n + 1);
    if (skip == NULL) {
        search->failed = 1;
        return 0;
    }

    for (i = 1; i < search->sig->doc.n; i++) {
        node = &search->sig->doc.nodes[i];

        if (node->type != GATE_OBJECT && node->type != GATE_ARRAY) {
            continue;
        }

        for (j = 0; j < search->variant.n; j++) {
            skip[j] = (search->nodes[j] > i && search->nodes[j] < node->next);
        }

        if (gatesig_try(search, skip)) {
            gatesig_path(&search->sig->doc, i, path, sizeof(path));
            gatesig_cause("\"%s\" was not there when it was signed, or was "
                          "left out of it", path);
            return 1;
        }
    }

    return 0;
}


/* members that are never signed */

static int
gatesig_search_names(gatesig_search_t *search)
{
    size_t         i;
    uint32_t       node;
    gatesig_t     *sig;
    gate_canon_t   canon;
    gate_insert_t  insert;

    static const char  *names[] = { "signature", "frame_mode" };

    sig = search->sig;

    for (i = 0; i < 2; i++) {
        node = gate_json_member(&sig->doc, 0, names[i], strlen(names[i]));

        insert.container = 0;
        insert.path = gatesig_copy(search, names[i], strlen(names[i]));
        insert.value = gatesig_copy(search, "", 0);

        if (i == 1) {

            if (node == GATE_NO_NODE) {
                continue;
            }

            insert.value = sig->doc.nodes[node].value;
        }

        if (search->failed
            || gate_canon_build(&canon, &sig->pool, &sig->doc, &insert,
                                GATE_ORDER_NATURAL, &sig->err) != GATE_OK)
        {
            search->failed = 1;
            return 0;
        }

        if (gatesig_try_canon(search, &canon)) {
            gatesig_cause("\"%s\" was signed, too: Gate leaves it out",
                          names[i]);
            return 1;
        }
    }

    return 0;
}


/* both orders */

static int
gatesig_try(gatesig_search_t *search, unsigned char *skip)
{
    return gatesig_try_order(search, GATE_ORDER_NATURAL, skip)
           || gatesig_try_order(search, GATE_ORDER_BYTES, skip);
}


static int
gatesig_try_order(gatesig_search_t *search, gate_order_e order,
    const unsigned char *skip)
{
    uint32_t      i, *sorted;
    gate_canon_t  canon;

    canon = search->variant;
    canon.order = search->order;
    canon.n = 0;

    sorted = search->sorted[order == GATE_ORDER_BYTES];

    for (i = 0; i < search->variant.n; i++) {
        if (skip == NULL || !skip[sorted[i]]) {
            canon.order[canon.n++] = sorted[i];
        }
    }

    return gatesig_try_canon(search, &canon);
}


static int
gatesig_try_canon(gatesig_search_t *search, const gate_canon_t *canon)
{
    int            rc;
    unsigned       i;
    unsigned char  signature[GATE_SIGNATURE_LEN];

    rc = 0;

    for (i = 0; i < search->sig->args.nkeys && rc == 0; i++) {

        if (search->failed || search->left < search->size) {
            return 0;
        }

        search->left -= search->size;

        if (gate_sign(search->sig->keys[i], canon, signature) != GATE_OK) {
            search->failed = 1;
            return 0;
        }

        rc = (CRYPTO_memcmp(signature, search->wanted, GATE_SIGNATURE_LEN)
              == 0);
    }

    return rc;
}
