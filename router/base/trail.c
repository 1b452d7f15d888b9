#include "base/trail.h"

#include <stdarg.h>
#include <stdio.h>

void trail_init(struct trail *t)
{
    memset(t, 0, sizeof(*t));
}

void trail_fini(struct trail *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        mem_free(t->steps[i].text);
    trail_init(t);
}

/* Makes room by forgetting a step in the middle. */
static void forget_one(struct trail *t)
{
    uint32_t at = TRAIL_STEPS_MAX / 2;

    mem_free(t->steps[at].text);
    memmove(&t->steps[at], &t->steps[at + 1], (TRAIL_STEPS_MAX - at - 1) * sizeof(t->steps[0]));
    t->count--;
    t->left_out++;
}

/* Peers' words are in it, and it ends on a terminal or in JSON: valid UTF-8, no controls. */
static void make_printable(char *text)
{
    struct slice s = slice_from(text);

    while (s.len) {
        size_t n = slice_utf8_first(s);
        size_t step = n ? n : 1;

        if (n == 0 || slice_is_control(slice_sub(s, 0, n)))
            memset(text, '?', step);
        text += step;
        s = slice_from_offset(s, step);
    }
}

void trail_add(struct trail *t, uint64_t now_ms, const char *format, ...)
{
    char text[TRAIL_STEP_BYTES_MAX];
    va_list args;

    if (!t)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    make_printable(text);
    if (t->count == TRAIL_STEPS_MAX)
        forget_one(t);
    t->steps[t->count].at_ms = now_ms;
    t->steps[t->count].text = mem_strdup(text);
    t->count++;
}
