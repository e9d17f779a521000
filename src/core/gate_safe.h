
/*
 * Copyright (C) nginx-gate authors
 *
 * Text that came from outside, for logs and headers.
 */


#ifndef _GATE_SAFE_H_INCLUDED_
#define _GATE_SAFE_H_INCLUDED_


#include "gate.h"


/* bytes that len bytes of text may need */

#define GATE_SAFE_MAX(len)  (3 * (size_t) (len))


/*
 * Copies text with every byte of a control character (C0, DEL, C1 as U+009B)
 * and every byte that is not UTF-8 as "%1b": it cannot end a line, add a
 * header, or steer a terminal.  Other characters stay as they are.
 *
 * Writes at most size bytes, and whole characters only: what does not fit is
 * left out.  Returns how many were written.
 */
size_t gate_safe(unsigned char *dst, size_t size, const unsigned char *src,
    size_t len);


#endif /* _GATE_SAFE_H_INCLUDED_ */
