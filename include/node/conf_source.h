/* node/conf_source.h - where a configuration comes from: its text, and the machine it asks.
 *
 * conf_load gives the real machine; tests and the fuzzer give an invented one.
 */
#ifndef NODE_CONF_SOURCE_H
#define NODE_CONF_SOURCE_H

#include "node/conf.h"

struct conf_file {
    size_t size_bytes; /* read; the whole file unless it filled the room */
    unsigned mode;     /* permission bits */
};

struct conf_source {
    struct slice text;
    const char *file; /* as it was named, for messages */
    const char *dir;  /* absolute; relative paths begin here */
    const char *host_name;
    const char *(*env)(void *arg, const char *name); /* NULL: not set */
    /* Reads at most `room` bytes of a regular file. */
    enum err (*read)(void *arg, const char *path, char *buf, size_t room,
                     struct conf_file *ret_file);
    void *arg;
    conf_try_fn *try; /* NULL: certificates are not tried */
};

/* The whole way from text to a checked configuration; conf_load without the machine. */
enum err conf_parse(const struct conf_source *source, struct conf_report *report,
                    struct conf **ret_conf) MUST_USE;

/* Puts environment variables in place of ${NAME} ("$${" stands for "${"). False: `error` says
 * which and why. The result lives in the arena. */
bool conf_expand(const struct conf_source *source, struct slice text, struct arena *arena,
                 char *error, size_t size, struct slice *ret_text);

/* conf_source.read of the real machine: never waits (a FIFO), regular files only. */
enum err conf_file_read(void *arg, const char *path, char *buf, size_t room,
                        struct conf_file *ret_file) MUST_USE;

#endif
