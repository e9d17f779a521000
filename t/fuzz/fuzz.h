
/*
 * Copyright (C) nginx-gate authors
 *
 * Shared by the fuzz targets: each is one file with libFuzzer's entry point,
 * which replay.c calls, too, and aborts where something must hold and does
 * not.
 */


#ifndef _FUZZ_H_INCLUDED_
#define _FUZZ_H_INCLUDED_


#include "gate_sign.h"


int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/*
 * Ends the process unless it holds.
 */
void fuzz_must(int holds, const char *what);

/*
 * Cuts the input behind the first separator and returns what stood before it;
 * all of it, where there is none.
 */
gate_str_t fuzz_cut(gate_str_t *input, unsigned char separator);

int fuzz_equal(gate_str_t a, gate_str_t b);

/*
 * Says whether a lies in b.
 */
int fuzz_inside(gate_str_t a, gate_str_t b);

/*
 * One key for the whole run.
 */
gate_key_t *fuzz_key(void);


#endif /* _FUZZ_H_INCLUDED_ */
