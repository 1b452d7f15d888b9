/* tests/breaks/broken.h - included by sources that list.cmake breaks. */
#ifndef TESTS_BREAKS_BROKEN_H
#define TESTS_BREAKS_BROKEN_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* FEDROUTER_BROKEN names the one break that is on. */
static inline bool broken(const char *word)
{
    const char *on = getenv("FEDROUTER_BROKEN");

    return on && strcmp(on, word) == 0;
}

#define BROKEN(word) broken(#word)

#endif
