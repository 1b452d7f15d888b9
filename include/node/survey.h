/* node/survey.h - one question to several nodes at once, and what they say within a time.
 *
 * On the steward's loop. Frames are the caller's: it sends what `ask` gives it and tells of what
 * comes back. What another node says is bounded in bytes and checked (node/parcel); what nobody
 * asked for is thrown away. Nothing waits for anybody longer than SURVEY_MS.
 */
#ifndef NODE_SURVEY_H
#define NODE_SURVEY_H

#include "loop/loop.h"
#include "wire/frame.h"

struct surveys;
struct survey;

#define SURVEY_MS 2000
/* Questions under way: each makes every worker of every node write rows. */
#define SURVEYS_MAX 16
/* Rows of one node, and of all that are under way together. What is over counts as left out. */
#define SURVEY_NODE_BYTES_MAX (4u << 20)
#define SURVEY_BYTES_MAX      (64u << 20)

struct surveys_options {
    struct loop *loop;
    /* False: there is no connection to it. */
    bool (*ask)(void *arg, struct slice node, const struct frame_ask *ask);
    void *arg;
};

struct surveys *surveys_new(const struct surveys_options *o);
/* Those under way end without a word; their memory goes. */
void surveys_free(struct surveys *all);

/* Whom to ask; `done` comes once, never inside this call: all have answered, or their time is over.
 * Then survey_walk, and survey_free. NULL: too many are under way. */
struct survey_options {
    const char *command;
    const char *argument;
    const struct slice *nodes;
    size_t node_count;
    void (*done)(void *arg);
    void *arg;
};
struct survey *survey_begin(struct surveys *all, const struct survey_options *o);
void survey_free(struct survey *s);
/* `done` came. */
bool survey_is_done(const struct survey *s);

void surveys_hear(struct surveys *all, struct slice node, const struct frame_answer *a);
/* The connection to it ended: it will not answer any more. */
void surveys_lose(struct surveys *all, struct slice node);

/* What one node said. */
struct survey_part {
    struct slice node;
    struct slice rows; /* ",\n" between them */
    size_t left_out_count;
    const char *error; /* or NULL: it did answer */
};
typedef void survey_part_fn(void *arg, const struct survey_part *part);
void survey_walk(const struct survey *s, survey_part_fn *fn, void *arg);

#endif
