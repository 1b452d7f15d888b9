/* tests/sim/bed.h - what every test of the world needs: counters, a log that goes nowhere. */
#ifndef SIM_BED_H
#define SIM_BED_H

#include "sim/world.h"

/* Given to loop_new; `lines` collects what was logged, if anybody wants it. */
struct bed {
    struct counters counters;
    struct log_sink sink;
    struct byteq lines;
};

void bed_init(struct bed *b);
void bed_fini(struct bed *b);
/* tests/out/NAME, made if need be; relative to where tests are run. A constant name. Programs that
 * run side by side want a name each: BED in the environment is put behind it. */
const char *bed_dir(const char *name);

#endif
