
/*
 * Copyright (C) nginx-gate authors
 *
 * Numbers as PHP prints them.
 */


#ifndef _GATE_NUMBER_H_INCLUDED_
#define _GATE_NUMBER_H_INCLUDED_


#include "gate_json.h"


/*
 * Sets value to the number as PHP prints it.  Returns GATE_OK or GATE_ERROR.
 */
gate_rc_e gate_number_text(gate_pool_t *pool, const gate_node_t *node,
    gate_str_t *value);


#endif /* _GATE_NUMBER_H_INCLUDED_ */
