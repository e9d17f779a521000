
/*
 * Copyright (C) nginx-gate authors
 *
 * gatesig: canonical strings and signatures of Gate on the command line.
 * Here: the command line.
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate_payout.h"
#include "gatesig.h"


typedef int (*gatesig_option_pt)(gatesig_args_t *args, const char *value);


typedef struct {
    const char         *name;
    unsigned            has_value;
    gatesig_option_pt   set;
} gatesig_option_t;


static int gatesig_say(const char *text);
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
static int gatesig_max_values(gatesig_args_t *args, const char *value);
static int gatesig_top_level(gatesig_args_t *args, const char *value);
static int gatesig_set_explain(gatesig_args_t *args, const char *value);
static int gatesig_no_newline(gatesig_args_t *args, const char *value);
static int gatesig_number(const char *value, unsigned long max,
    uint32_t *number);


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
    "  --max-values N   values, objects and arrays that are accepted, 4096\n"
    "                   unless told\n"
    "  --explain        verify says what was compared and why it differs;\n"
    "                   the output can hold a person's data and a signature\n"
    "  -n               no newline after the string or the signature\n"
    "  -h, --help       this text\n"
    "  --version        the version\n"
    "\n"
    "exit code: 0 done or valid, 1 not valid, 2 bad input or usage\n";


static const gatesig_option_t  gatesig_options[] = {
    { "--key-file", 1, gatesig_key_file },
    { "--project-id", 1, gatesig_project_id },
    { "--order", 1, gatesig_order },
    { "--max-depth", 1, gatesig_max_depth },
    { "--max-values", 1, gatesig_max_values },
    { "--top-level", 0, gatesig_top_level },
    { "--explain", 0, gatesig_set_explain },
    { "-n", 0, gatesig_no_newline }
};


int
main(int argc, char **argv)
{
    int        i, code;
    gatesig_t  sig;

    for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            return gatesig_say(gatesig_help);
        }

        if (strcmp(argv[i], "--version") == 0) {
            return gatesig_say("gatesig (nginx-gate) " GATE_VERSION "\n");
        }
    }

    memset(&sig, 0, sizeof(gatesig_t));

    if (gatesig_parse(&sig.args, argc, argv) != GATESIG_OK) {
        return GATESIG_FAILED;
    }

    gate_pool_init(&sig.pool, NULL, 0);

    code = gatesig_run(&sig);

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
gatesig_say(const char *text)
{
    return (fputs(text, stdout) < 0 || fflush(stdout) != 0) ? GATESIG_FAILED
                                                            : GATESIG_OK;
}


static int
gatesig_parse(gatesig_args_t *args, int argc, char **argv)
{
    int  i, n, operands;

    args->order = GATE_ORDER_NATURAL;
    args->any_order = 1;
    args->max_depth = GATE_MAX_DEPTH;
    args->max_values = GATE_MAX_VALUES;
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

    _Static_assert(sizeof(names) / sizeof(names[0]) == GATESIG_INJECT + 1,
                   "a name for each command");

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

    } else if (args->command != GATESIG_VERIFY && args->explain) {
        message = "only verify takes --explain";

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
gatesig_max_values(gatesig_args_t *args, const char *value)
{
    return gatesig_number(value, GATE_MAX_NODES, &args->max_values);
}


static int
gatesig_top_level(gatesig_args_t *args, const char *value)
{
    (void) value;

    args->top_level = 1;

    return GATESIG_OK;
}


static int
gatesig_set_explain(gatesig_args_t *args, const char *value)
{
    (void) value;

    args->explain = 1;

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
