
/*
 * Copyright (C) nginx-gate authors
 *
 * The natural order of PHP's strnatcmp_ex() over unsigned bytes.
 */


#ifndef _GATE_NATURAL_H_INCLUDED_
#define _GATE_NATURAL_H_INCLUDED_


#include "gate.h"


#define gate_is_digit(c)  ((unsigned) (c) - '0' < 10)
#define gate_is_space(c)  ((c) == ' ' || (unsigned) (c) - '\t' < 5)


/*
 * Returns a value below, equal to or above 0.
 */
int gate_natural_compare(gate_str_t a, gate_str_t b);


#endif /* _GATE_NATURAL_H_INCLUDED_ */
