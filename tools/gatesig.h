
/*
 * Copyright (C) nginx-gate authors
 *
 * What the parts of gatesig share.
 */


#ifndef _GATESIG_H_INCLUDED_
#define _GATESIG_H_INCLUDED_


#include <stdio.h>

#include "gate_sign.h"
#include "gate_splice.h"


#define GATESIG_KEY_MAX   4096      /* as in the module */
#define GATESIG_KEYS      8

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
    unsigned            explain;
    uint32_t            project_id;     /* 0: none */
    uint32_t            max_depth;
    uint32_t            max_values;
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


/* a secret key's file; one byte more than may be there is read */

typedef struct {
    size_t              len;
    unsigned char       data[GATESIG_KEY_MAX + 3];
} gatesig_secret_t;


/*
 * Carries out the command.  Returns the exit code.
 */
int gatesig_run(gatesig_t *sig);

/*
 * Reads all of it, or what the parser refuses as too long.  Returns NULL with
 * errno set; the caller frees it.
 */
unsigned char *gatesig_read_all(FILE *f, size_t *len);

/*
 * Reads the whole file; what was read is the caller's to wipe.
 */
int gatesig_read_secret(const char *path, gatesig_secret_t *secret);

/*
 * Length of the key in the file: without one newline at its end.
 */
size_t gatesig_secret_len(const gatesig_secret_t *secret);

/*
 * Prints what was compared, and why it did not match, where that can be found
 * out.  "reason" is the result of gate_verify().
 */
int gatesig_explain(gatesig_t *sig, gate_rc_e reason,
    const gate_verified_t *verified);

/*
 * Says on standard error what is wrong with what.  Returns GATESIG_FAILED.
 */
int gatesig_fail(const char *what, const char *reason);


#endif /* _GATESIG_H_INCLUDED_ */
