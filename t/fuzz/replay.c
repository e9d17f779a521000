
/*
 * Copyright (C) nginx-gate authors
 *
 * Runs a fuzz target on files, for compilers without libFuzzer.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"


#define REPLAY_MAX  (16 * 1024 * 1024)


int
main(int argc, char **argv)
{
    int             i;
    FILE           *f;
    size_t          n;
    unsigned char  *data, *exact;

    data = malloc(REPLAY_MAX);
    if (data == NULL) {
        return 1;
    }

    for (i = 1; i < argc; i++) {
        f = fopen(argv[i], "rb");

        if (f == NULL) {
            perror(argv[i]);
            return 1;
        }

        n = fread(data, 1, REPLAY_MAX, f);
        fclose(f);

        /* of its exact size: a byte read behind it is reported */

        exact = malloc(n + (n == 0));
        if (exact == NULL) {
            return 1;
        }

        memcpy(exact, data, n);

        (void) LLVMFuzzerTestOneInput(exact, n);
        free(exact);
    }

    free(data);
    printf("replayed %d files\n", argc - 1);

    return 0;
}
