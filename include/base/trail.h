/* base/trail.h - what happened, step by step: a bounded list of timed notes about one attempt.
 *
 * Any floor appends; `fedrouterctl history` and `probe` show it. Pure: time is an argument.
 * A trail holds no stanza content. When full, the middle goes: first and last steps stay.
 */
#ifndef BASE_TRAIL_H
#define BASE_TRAIL_H

#include "base/mem.h"

#define TRAIL_STEPS_MAX      48
#define TRAIL_STEP_BYTES_MAX 240

struct trail_step {
    uint64_t at_ms;
    char *text;
};

struct trail {
    struct trail_step steps[TRAIL_STEPS_MAX];
    uint32_t count;
    uint32_t left_out; /* steps that did not fit */
};

void trail_init(struct trail *t);
void trail_fini(struct trail *t);
/* `t` may be NULL: nobody listens. Control characters and bytes that are no UTF-8 become '?'. */
void trail_add(struct trail *t, uint64_t now_ms, const char *format, ...) PRINTF(3, 4);

#endif
