
/*
 * Copyright (C) nginx-gate authors
 *
 * gatesig: canonical strings and signatures of Gate on the command line.
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "gate_payout.h"
#include "gate_sign.h"
#include "gate_splice.h"


#define GATESIG_KEY_MAX   4096      /* as in the module */
#define GATESIG_KEYS      8
#define GATESIG_READ_MIN  65536

#define GATESIG_OK        0
#define GATESIG_INVALID   1
#define GATESIG_FAILED    2


typedef enum {
    GATESIG_NONE = 0,
    GATESIG_CANONICAL,
    GATESIG_SIGN,
    GATESIG_VERIFY,
    GATESIG_INJECT
} gatesig_command_e;


typedef struct {
    gatesig_command_e   command;
    gate_order_e        order;
    unsigned            any_order;
    unsigned            top_level;
    unsigned            no_newline;
    uint32_t            project_id;     /* 0: none */
    uint32_t            max_depth;
    unsigned            nkeys;
    const char         *key_files[GATESIG_KEYS];
    const char         *file;           /* NULL: standard input */
} gatesig_args_t;


typedef struct {
    gatesig_args_t      args;
    gate_key_t         *keys[GATESIG_KEYS];
    unsigned char      *text;
    gate_pool_t         pool;
    gate_doc_t          doc;
    gate_canon_t        canon;
    gate_splice_t       splice;
    gate_err_t          err;
} gatesig_t;


typedef int (*gatesig_option_pt)(gatesig_args_t *args, const char *value);


typedef struct {
    const char         *name;
    unsigned            has_value;
    gatesig_option_pt   set;
} gatesig_option_t;


static int gatesig_parse(gatesig_args_t *args, int argc, char **argv);
static int gatesig_parse_option(gatesig_args_t *args, const char *option,
    const char *next);
static int gatesig_parse_operand(gatesig_args_t *args, const char *operand);
static int gatesig_check(const gatesig_args_t *args);
static int gatesig_usage(const char *message, const char *word);

static int gatesig_key_file(gatesig_args_t *args, const char *value);
static int gatesig_project_id(gatesig_args_t *args, const char *value);
static int gatesig_order(gatesig_args_t *args, const char *value);
static int gatesig_max_depth(gatesig_args_t *args, const char *value);
static int gatesig_top_level(gatesig_args_t *args, const char *value);
static int gatesig_no_newline(gatesig_args_t *args, const char *value);
static int gatesig_number(const char *value, unsigned long max,
    uint32_t *number);

static int gatesig_keys(gatesig_t *sig);
static gate_key_t *gatesig_key(const char *path);
static int gatesig_read(gatesig_t *sig);
static unsigned char *gatesig_read_all(FILE *f, size_t *len);
static int gatesig_prepare(gatesig_t *sig);
static int gatesig_run(gatesig_t *sig);
static int gatesig_run_canonical(gatesig_t *sig);
static int gatesig_run_sign(gatesig_t *sig);
static int gatesig_run_verify(gatesig_t *sig);
static int gatesig_run_inject(gatesig_t *sig);
static gate_rc_e gatesig_sink(void *data, const unsigned char *p, size_t len);
static int gatesig_refuse(const gatesig_t *sig, gate_rc_e rc);
static int gatesig_fail(const char *what, const char *reason);
static const char *gatesig_name(const gatesig_args_t *args);


static const char  gatesig_help[] =
    "usage: gatesig COMMAND [OPTION]... [FILE]\n"
    "\n"
    "Computes and checks the signatures of Gate over a JSON object, read from\n"
    "FILE or from standard input.\n"
    "\n"
    "commands:\n"
    "  canonical        print the string that is signed\n"
    "  sign             print its signature\n"
    "  verify           say whether the object carries a valid signature\n"
    "  inject           print the object with project_id and signature\n"
    "\n"
    "options:\n"
    "  --key-file F     the secret key; its last newline is not part of it;\n"
    "                   verify takes several of them\n"
    "  --project-id N   what inject adds; canonical and sign count it in\n"
    "  --top-level      project_id and signature belong to the top level, not\n"
    "                   to \"general\"\n"
    "  --order O        natural (default) or bytes; verify accepts both\n"
    "                   without it\n"
    "  --max-depth N    levels of nesting that are accepted, 32 unless told\n"
    "  -n               no newline after the string or the signature\n"
    "  -h, --help       this text\n"
    "\n"
    "exit code: 0 done or valid, 1 not valid, 2 bad input or usage\n";


static const gatesig_option_t  gatesig_options[] = {
    { "--key-file", 1, gatesig_key_file },
    { "--project-id", 1, gatesig_project_id },
    { "--order", 1, gatesig_order },
    { "--max-depth", 1, gatesig_max_depth },
    { "--top-level", 0, gatesig_top_level },
    { "-n", 0, gatesig_no_newline }
};


int
main(int argc, char **argv)
{
    int        i, code;
    gatesig_t  sig;

    for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            return (fputs(gatesig_help, stdout) < 0 || fflush(stdout) != 0)
                   ? GATESIG_FAILED : GATESIG_OK;
        }
    }

    memset(&sig, 0, sizeof(gatesig_t));

    if (gatesig_parse(&sig.args, argc, argv) != GATESIG_OK) {
        return GATESIG_FAILED;
    }

    gate_pool_init(&sig.pool, NULL, 0);

    code = gatesig_keys(&sig);

    if (code == GATESIG_OK) {
        code = gatesig_read(&sig);
    }

    if (code == GATESIG_OK) {
        code = gatesig_run(&sig);
    }

    for (i = 0; i < GATESIG_KEYS; i++) {
        gate_key_destroy(sig.keys[i]);
    }

    gate_pool_reset(&sig.pool);
    free(sig.text);

    if (fflush(stdout) != 0) {
        return gatesig_fail("standard output", strerror(errno));
    }

    return code;
}


static int
gatesig_parse(gatesig_args_t *args, int argc, char **argv)
{
    int  i, n, operands;

    args->order = GATE_ORDER_NATURAL;
    args->any_order = 1;
    args->max_depth = GATE_MAX_DEPTH;
    operands = 0;

    for (i = 1; i < argc; i += n) {
        n = 1;

        if (!operands && strcmp(argv[i], "--") == 0) {
            operands = 1;

        } else if (!operands && argv[i][0] == '-' && argv[i][1] != '\0') {
            n = gatesig_parse_option(args, argv[i], argv[i + 1]);

        } else {
            n = gatesig_parse_operand(args, argv[i]);
        }

        if (n == 0) {
            return GATESIG_FAILED;
        }
    }

    return gatesig_check(args);
}


/* returns how many words were taken, 0 on an error */

static int
gatesig_parse_option(gatesig_args_t *args, const char *option,
    const char *next)
{
    size_t                   i, len;
    const char              *value;
    const gatesig_option_t  *o;

    value = strchr(option, '=');
    len = (value != NULL) ? (size_t) (value - option) : strlen(option);

    for (i = 0; i < sizeof(gatesig_options) / sizeof(gatesig_options[0]); i++)
    {
        o = &gatesig_options[i];

        if (strlen(o->name) != len || memcmp(o->name, option, len) != 0) {
            continue;
        }

        if (!o->has_value) {
            return (value == NULL && o->set(args, NULL) == GATESIG_OK)
                   ? 1 : gatesig_usage("bad option", option);
        }

        if (value == NULL && next == NULL) {
            return gatesig_usage("a value is missing after", option);
        }

        if (o->set(args, (value != NULL) ? value + 1 : next) != GATESIG_OK) {
            return gatesig_usage("bad value of", o->name);
        }

        return (value != NULL) ? 1 : 2;
    }

    return gatesig_usage("unknown option", option);
}


static int
gatesig_parse_operand(gatesig_args_t *args, const char *operand)
{
    size_t  i;

    static const char  *names[] = {
        "", "canonical", "sign", "verify", "inject"
    };

    if (args->command == GATESIG_NONE) {

        for (i = GATESIG_CANONICAL; i <= GATESIG_INJECT; i++) {
            if (strcmp(operand, names[i]) == 0) {
                args->command = (gatesig_command_e) i;
                return 1;
            }
        }

        return gatesig_usage("unknown command", operand);
    }

    if (args->file != NULL) {
        return gatesig_usage("one file only, not also", operand);
    }

    args->file = operand;

    return 1;
}


static int
gatesig_check(const gatesig_args_t *args)
{
    const char  *message;

    message = NULL;

    if (args->command == GATESIG_NONE) {
        message = "a command is missing";

    } else if (args->command != GATESIG_CANONICAL && args->nkeys == 0) {
        message = "--key-file is missing";

    } else if (args->command != GATESIG_VERIFY && args->nkeys > 1) {
        message = "only verify takes several keys";

    } else if (args->command == GATESIG_INJECT && args->project_id == 0) {
        message = "--project-id is missing";

    } else if (args->command == GATESIG_VERIFY && args->project_id != 0) {
        message = "verify takes no --project-id";

    } else if (args->top_level && args->project_id == 0) {
        message = "--top-level goes with --project-id";
    }

    if (message != NULL) {
        (void) gatesig_usage(message, NULL);
        return GATESIG_FAILED;
    }

    return GATESIG_OK;
}


static int
gatesig_usage(const char *message, const char *word)
{
    fprintf(stderr, "gatesig: %s%s%s%s\n", message,
            (word != NULL) ? " \"" : "", (word != NULL) ? word : "",
            (word != NULL) ? "\"" : "");
    fputs("try: gatesig --help\n", stderr);

    return 0;
}


static int
gatesig_key_file(gatesig_args_t *args, const char *value)
{
    if (args->nkeys == GATESIG_KEYS) {
        return GATESIG_FAILED;
    }

    args->key_files[args->nkeys++] = value;

    return GATESIG_OK;
}


static int
gatesig_project_id(gatesig_args_t *args, const char *value)
{
    return gatesig_number(value, GATE_MAX_PROJECT_ID, &args->project_id);
}


static int
gatesig_order(gatesig_args_t *args, const char *value)
{
    args->any_order = 0;

    if (strcmp(value, "natural") == 0) {
        args->order = GATE_ORDER_NATURAL;
        return GATESIG_OK;
    }

    args->order = GATE_ORDER_BYTES;

    return (strcmp(value, "bytes") == 0) ? GATESIG_OK : GATESIG_FAILED;
}


static int
gatesig_max_depth(gatesig_args_t *args, const char *value)
{
    return gatesig_number(value, GATE_DEPTH_LIMIT, &args->max_depth);
}


static int
gatesig_top_level(gatesig_args_t *args, const char *value)
{
    (void) value;

    args->top_level = 1;

    return GATESIG_OK;
}


static int
gatesig_no_newline(gatesig_args_t *args, const char *value)
{
    (void) value;

    args->no_newline = 1;

    return GATESIG_OK;
}


/* from 1 */

static int
gatesig_number(const char *value, unsigned long max, uint32_t *number)
{
    unsigned long  n;

    n = 0;

    for ( /* void */ ; *value >= '0' && *value <= '9'; value++) {

        if (n > (max - (unsigned long) (*value - '0')) / 10) {
            return GATESIG_FAILED;
        }

        n = n * 10 + (unsigned long) (*value - '0');
    }

    if (*value != '\0' || n == 0) {
        return GATESIG_FAILED;
    }

    *number = (uint32_t) n;

    return GATESIG_OK;
}


static int
gatesig_keys(gatesig_t *sig)
{
    unsigned  i;

    for (i = 0; i < sig->args.nkeys; i++) {
        sig->keys[i] = gatesig_key(sig->args.key_files[i]);

        if (sig->keys[i] == NULL) {
            return GATESIG_FAILED;
        }
    }

    return GATESIG_OK;
}


static gate_key_t *
gatesig_key(const char *path)
{
    FILE           *f;
    size_t          n;
    gate_key_t     *key;
    unsigned char   secret[GATESIG_KEY_MAX + 3];

    f = fopen(path, "rb");

    if (f == NULL) {
        (void) gatesig_fail(path, strerror(errno));
        return NULL;
    }

    /* or stdio keeps a copy */

    setvbuf(f, NULL, _IONBF, 0);

    errno = 0;
    n = fread(secret, 1, sizeof(secret), f);

    if (ferror(f)) {
        (void) gatesig_fail(path, strerror(errno));
        fclose(f);
        return NULL;
    }

    fclose(f);

    if (n != 0 && secret[n - 1] == '\n') {
        n--;

        if (n != 0 && secret[n - 1] == '\r') {
            n--;
        }
    }

    key = NULL;

    if (n == 0) {
        (void) gatesig_fail(path, "the key is empty");

    } else if (n > GATESIG_KEY_MAX) {
        (void) gatesig_fail(path, "the key is longer than 4096 bytes");

    } else {
        key = gate_key_create(secret, n);

        if (key == NULL) {
            (void) gatesig_fail(path, "the key cannot be prepared");
        }
    }

    OPENSSL_cleanse(secret, sizeof(secret));

    return key;
}


static int
gatesig_read(gatesig_t *sig)
{
    FILE        *f;
    gate_rc_e    rc;
    gate_str_t   text;

    f = stdin;

    if (sig->args.file != NULL && strcmp(sig->args.file, "-") != 0) {
        f = fopen(sig->args.file, "rb");

        if (f == NULL) {
            return gatesig_fail(sig->args.file, strerror(errno));
        }
    }

    errno = 0;
    sig->text = gatesig_read_all(f, &text.len);

    if (f != stdin) {
        fclose(f);
    }

    if (sig->text == NULL) {
        return gatesig_fail(gatesig_name(&sig->args), strerror(errno));
    }

    text.data = sig->text;

    rc = gate_json_parse(&sig->doc, &sig->pool, text, sig->args.max_depth,
                         &sig->err);

    return (rc == GATE_OK) ? GATESIG_OK : gatesig_refuse(sig, rc);
}


/* one byte more than the parser takes is enough for it to refuse */

static unsigned char *
gatesig_read_all(FILE *f, size_t *len)
{
    size_t          size;
    unsigned char  *text, *grown;

    size = GATESIG_READ_MIN;
    *len = 0;

    text = malloc(size);
    if (text == NULL) {
        return NULL;
    }

    for ( ;; ) {
        *len += fread(text + *len, 1, size - *len, f);

        if (ferror(f)) {
            break;
        }

        if (*len < size || size > GATE_MAX_TEXT) {
            return text;
        }

        size = (size < GATE_MAX_TEXT) ? size * 2 : (size_t) GATE_MAX_TEXT + 1;
        grown = realloc(text, size);

        if (grown == NULL) {
            break;
        }

        text = grown;
    }

    free(text);

    return NULL;
}


/* what the object will be with project_id */

static int
gatesig_prepare(gatesig_t *sig)
{
    gate_rc_e             rc;
    const gate_insert_t  *insert;

    rc = GATE_OK;
    insert = NULL;

    if (sig->args.project_id != 0) {
        rc = gate_splice_plan(&sig->splice, &sig->doc,
                              (int) sig->args.top_level, sig->args.project_id,
                              &sig->err);
        insert = gate_splice_insert(&sig->splice);
    }

    if (rc == GATE_OK) {
        rc = gate_canon_build(&sig->canon, &sig->pool, &sig->doc, insert,
                              sig->args.order, &sig->err);
    }

    return (rc == GATE_OK) ? GATESIG_OK : gatesig_refuse(sig, rc);
}


static int
gatesig_run(gatesig_t *sig)
{
    if (gatesig_prepare(sig) != GATESIG_OK) {
        return GATESIG_FAILED;
    }

    switch (sig->args.command) {

    case GATESIG_CANONICAL:
        return gatesig_run_canonical(sig);

    case GATESIG_SIGN:
        return gatesig_run_sign(sig);

    case GATESIG_VERIFY:
        return gatesig_run_verify(sig);

    default: /* GATESIG_INJECT */
        return gatesig_run_inject(sig);
    }
}


static int
gatesig_run_canonical(gatesig_t *sig)
{
    if (gate_canon_write(&sig->canon, gatesig_sink, stdout) != GATE_OK
        || (!sig->args.no_newline && putchar('\n') == EOF))
    {
        return gatesig_fail("standard output", strerror(errno));
    }

    return GATESIG_OK;
}


static int
gatesig_run_sign(gatesig_t *sig)
{
    gate_rc_e      rc;
    unsigned char  signature[GATE_SIGNATURE_LEN];

    rc = gate_sign(sig->keys[0], &sig->canon, signature);

    if (rc != GATE_OK) {
        return gatesig_refuse(sig, rc);
    }

    printf("%.*s%s", GATE_SIGNATURE_LEN, (char *) signature,
           sig->args.no_newline ? "" : "\n");

    return GATESIG_OK;
}


static int
gatesig_run_verify(gatesig_t *sig)
{
    gate_rc_e         rc;
    const char       *place, *order;
    gate_verified_t   result;

    rc = gate_verify(sig->keys, sig->args.nkeys, &sig->doc, &sig->canon,
                     &result);

    if (rc == GATE_UNSIGNED) {
        printf("not valid: no signature at the top level or in general\n");
        return GATESIG_INVALID;
    }

    if (rc != GATE_OK && rc != GATE_MISMATCH) {
        return gatesig_refuse(sig, rc);
    }

    place = (result.place == GATE_AT_TOP) ? "at the top level" : "in general";

    if (rc == GATE_MISMATCH) {
        printf("not valid: signature %s does not match\n", place);
        return GATESIG_INVALID;
    }

    order = (result.order == GATE_ORDER_NATURAL) ? "natural" : "byte";

    if (!sig->args.any_order && result.order != sig->args.order
        && gate_canon_sort(&sig->canon, sig->args.order) != 0)
    {
        printf("not valid: %s order, signature %s\n", order, place);
        return GATESIG_INVALID;
    }

    printf("ok: %s order, signature %s", order, place);

    if (sig->args.nkeys > 1) {
        printf(", key %u", result.key + 1);
    }

    printf("\n");

    return GATESIG_OK;
}


static int
gatesig_run_inject(gatesig_t *sig)
{
    unsigned       i, n;
    gate_rc_e      rc;
    gate_str_t     pieces[GATE_SPLICE_PIECES];
    unsigned char  text[GATE_SPLICE_TEXT], signature[GATE_SIGNATURE_LEN];

    rc = gate_sign(sig->keys[0], &sig->canon, signature);

    if (rc != GATE_OK) {
        return gatesig_refuse(sig, rc);
    }

    n = gate_splice_pieces(&sig->splice, &sig->doc, signature, text, pieces);

    for (i = 0; i < n; i++) {
        if (gatesig_sink(stdout, pieces[i].data, pieces[i].len) != GATE_OK) {
            return gatesig_fail("standard output", strerror(errno));
        }
    }

    return GATESIG_OK;
}


static gate_rc_e
gatesig_sink(void *data, const unsigned char *p, size_t len)
{
    return (fwrite(p, 1, len, data) == len) ? GATE_OK : GATE_ERROR;
}


static int
gatesig_refuse(const gatesig_t *sig, gate_rc_e rc)
{
    const char        *path;
    const gate_err_t  *err;

    err = &sig->err;

    if (rc == GATE_ERROR) {
        return gatesig_fail(gatesig_name(&sig->args),
                            "out of memory, or OpenSSL failed");
    }

    path = (rc != GATE_JSON && err->path != NULL) ? err->path : "";

    fprintf(stderr, "gatesig: %s: %s%s%s at byte %lu\n",
            gatesig_name(&sig->args), path, (*path != '\0') ? " " : "",
            err->reason, (unsigned long) err->offset);

    return GATESIG_FAILED;
}


static int
gatesig_fail(const char *what, const char *reason)
{
    fprintf(stderr, "gatesig: %s: %s\n", what, reason);

    return GATESIG_FAILED;
}


static const char *
gatesig_name(const gatesig_args_t *args)
{
    return (args->file != NULL && strcmp(args->file, "-") != 0)
           ? args->file : "standard input";
}
