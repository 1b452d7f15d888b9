/* tests/scenario/script.h - a scenario's lines, macros and repetitions laid out flat.
 *
 *   # comment              a whole line
 *   a line that goes on \  the next one belongs to it, its indentation dropped
 *   macro NAME P Q ... end defines; used as `NAME one "two words"`; %P% is replaced
 *   repeat N ... end       N times; $I is 1 to N
 *   include FILE           in the directory of the scenario; common.mac there comes by itself
 */
#ifndef SCENARIO_SCRIPT_H
#define SCENARIO_SCRIPT_H

#include "base/arena.h"

struct script_line {
    const char *text;  /* without comment, continuation, trailing white space */
    const char *where; /* "file.scn:12", "common.mac:3 from file.scn:12" */
    bool indented;
};

struct script {
    struct arena arena;
    struct script_line *lines;
    size_t count;
    size_t room;
    char *covers; /* ids of the `# covers:` lines, space separated */
    char why[512];
};

/* False: `why`. What is loaded later goes behind what is there. */
void script_init(struct script *s);
void script_fini(struct script *s);
bool script_load(struct script *s, const char *file);
bool script_add(struct script *s, const char *name, struct slice text);

#endif
