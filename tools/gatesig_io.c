
/*
 * Copyright (C) nginx-gate authors
 *
 * What gatesig reads and prints: texts, secret keys, errors, causes.
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatesig_explain.h"


#define GATESIG_READ_MIN  65536


/* one byte more than the parser takes is enough for it to refuse */

unsigned char *
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


int
gatesig_read_secret(const char *path, gatesig_secret_t *secret)
{
    int    failed;
    FILE  *f;

    f = fopen(path, "rb");

    if (f == NULL) {
        return gatesig_fail(path, strerror(errno));
    }

    /* or stdio keeps a copy */

    setvbuf(f, NULL, _IONBF, 0);

    errno = 0;
    secret->len = fread(secret->data, 1, sizeof(secret->data), f);
    failed = ferror(f) ? errno : 0;

    fclose(f);

    return (failed == 0) ? GATESIG_OK : gatesig_fail(path, strerror(failed));
}


size_t
gatesig_secret_len(const gatesig_secret_t *secret)
{
    size_t  len;

    len = secret->len;

    if (len != 0 && secret->data[len - 1] == '\n') {
        len--;

        if (len != 0 && secret->data[len - 1] == '\r') {
            len--;
        }
    }

    return len;
}


int
gatesig_fail(const char *what, const char *reason)
{
    fprintf(stderr, "gatesig: %s: %s\n", what, reason);

    return GATESIG_FAILED;
}


void
gatesig_print(const char *name, gate_str_t text)
{
    printf("%s: ", name);
    (void) gatesig_safe_sink(stdout, text.data, text.len);
    fputs("\n", stdout);
}


/* what a terminal would act on is not printed as it is */

gate_rc_e
gatesig_safe_sink(void *data, const unsigned char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {

        if (p[i] < 0x20 || p[i] == 0x7f
            || (p[i] == 0xc2 && i + 1 < len && p[i + 1] < 0xa0))
        {
            fprintf(data, "\\x%02x", p[i]);

        } else {
            putc(p[i], data);
        }
    }

    return GATE_OK;
}


void
gatesig_cause(const char *format, const char *text)
{
    char        buf[GATESIG_PATH_SIZE + 256];
    gate_str_t  cause;

    (void) snprintf(buf, sizeof(buf), format, text);

    cause.data = (unsigned char *) buf;
    cause.len = strlen(buf);

    gatesig_print("likely cause", cause);
}


/* as in the canonical string, cut at its start where it is long */

void
gatesig_path(const gate_doc_t *doc, uint32_t i, char *path, size_t size)
{
    char               *p, number[16];
    size_t              len;
    gate_str_t          key;
    const gate_node_t  *node;

    p = path + size - 1;
    *p = '\0';

    for ( /* void */ ; i != 0; i = node->parent) {
        node = &doc->nodes[i];
        key = node->key;

        if (key.data == NULL) {
            key.len = (size_t) snprintf(number, sizeof(number), "%lu",
                                        (unsigned long) node->index);
            key.data = (unsigned char *) number;
        }

        len = key.len + (*p != '\0');

        if (len > (size_t) (p - path)) {
            break;
        }

        if (*p != '\0') {
            *--p = ':';
        }

        p -= key.len;
        memcpy(p, key.data, key.len);
    }

    memmove(path, p, strlen(p) + 1);
}
