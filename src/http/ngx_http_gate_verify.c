
/*
 * Copyright (C) nginx-gate authors
 *
 * Signatures of Gate, of its callbacks and of its answers.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_verify.h"


ngx_http_gate_result_e
ngx_http_gate_verify_signature(ngx_http_gate_ctx_t *ctx, gate_pool_t *pool,
    gate_doc_t *doc, gate_canon_t *canon, gate_verified_t *verified)
{
    gate_rc_e    rc;
    gate_key_t  *keys[2];

    rc = gate_canon_build(canon, pool, doc, NULL, GATE_ORDER_NATURAL,
                          &ctx->err);

    if (rc == GATE_JSON) {
        return NGX_HTTP_GATE_BAD_CALLBACK;
    }

    if (rc == GATE_OK) {
        keys[0] = ctx->project->secret.key;
        keys[1] = ctx->project->previous.key;

        rc = gate_verify(keys, 2, doc, canon, verified);
    }

    switch (rc) {

    case GATE_OK:
        ngx_http_gate_count_secret(ctx->project->series,
                                   verified->key
                                   ? NGX_HTTP_GATE_SECRET_PREVIOUS
                                   : NGX_HTTP_GATE_SECRET_CURRENT,
                                   ctx->inbound);

        return NGX_HTTP_GATE_OK;

    case GATE_UNSIGNED:
        return NGX_HTTP_GATE_UNSIGNED;

    case GATE_MISMATCH:
        return NGX_HTTP_GATE_BAD_SIGNATURE;

    default:
        return NGX_HTTP_GATE_INTERNAL;
    }
}
