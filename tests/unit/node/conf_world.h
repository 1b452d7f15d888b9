/* tests/unit/node/conf_world.h - an invented machine for configurations: files, environment,
 * host name; and the shortest configuration that is sound. */
#ifndef TESTS_UNIT_NODE_CONF_WORLD_H
#define TESTS_UNIT_NODE_CONF_WORLD_H

#include "node/conf_source.h"
#include "unit/test.h"

#include <stdlib.h>
#include <time.h>

#define CERT      "tls: { certificates: [ { chain: tls/example.org.pem, key: tls/example.org.key } ] }\n"
#define COMPONENT "components: [ { domain: rooms.example.org, secret_file: rooms.secret } ]\n"
#define MINIMAL   CERT COMPONENT /* two lines: cases go on with line 3 */

#define SECRET_32 "0123456789abcdef0123456789abcdef"

struct world_file {
    const char *path;
    const char *content; /* NULL: there, but not for us */
    unsigned mode;
};

static const struct world_file world_files[] = {
    {"/etc/ssl/certs/ca-certificates.crt", "-----BEGIN", 0644},
    {"/conf/tls/example.org.pem", "-----BEGIN", 0644},
    {"/conf/tls/example.org.key", "-----BEGIN", 0640},
    {"/conf/open.key", "-----BEGIN", 0644},
    {"/conf/rooms.secret", "rooms\n", 0640},
    {"/conf/intern.secret", "intern", 0600},
    {"/conf/open.secret", "known to all\n", 0644},
    {"/conf/dialback.secret", SECRET_32 "\r\n", 0600},
    {"/conf/previous.secret", SECRET_32 "x", 0600},
    {"/conf/short.secret", "0123456789abcdef0123456789abcde\n", 0600},
    {"/conf/empty", "", 0600},
    {"/conf/line-end", "\n", 0600},
    {"/conf/denied", NULL, 0},
    {"/elsewhere/rooms.secret", "elsewhere", 0600},
};

static inline enum err world_read(void *arg, const char *path, char *buf, size_t room,
                                  struct conf_file *ret_file)
{
    for (size_t i = 0; i < COUNT(world_files); i++) {
        const struct world_file *f = &world_files[i];

        if (strcmp(f->path, path))
            continue;
        if (!f->content)
            return ERR_DENIED;
        ret_file->size_bytes = strlen(f->content) < room ? strlen(f->content) : room;
        ret_file->mode = f->mode;
        memcpy(buf, f->content, ret_file->size_bytes);
        return OK;
    }
    return ERR_NOT_FOUND;
}

static inline const char *world_env(void *arg, const char *name)
{
    static const char *const env[][2] = {{"DOMAIN", "rooms.example.org"},
                                         {"WORKERS", "3"},
                                         {"EMPTY", ""},
                                         {"LINES", "a\nb"},
                                         {"LATIN", "caf\xe9"}};

    for (size_t i = 0; i < COUNT(env); i++)
        if (!strcmp(env[i][0], name))
            return env[i][1];
    return NULL;
}

static inline struct conf_source world_source(const char *text)
{
    return (struct conf_source){
        .text = slice_from(text),
        .file = "test.yaml",
        .dir = "/conf",
        .host_name = "host-7",
        .env = world_env,
        .read = world_read,
    };
}

/* What `fedrouter --check` would print; freed by the caller. */
static inline char *report_text(const struct conf_report *r)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    conf_report_print(r, out);
    fclose(out);
    return text;
}

/* Parses; what was said is freed by the caller. *ret_conf is NULL after an error. */
static inline char *parse_said(const struct conf_source *source, size_t *ret_errors,
                               struct conf **ret_conf)
{
    struct conf_report report;
    enum err e;
    char *said;

    *ret_conf = NULL;
    conf_report_init(&report);
    e = conf_parse(source, &report, ret_conf);
    CHECK_EQ(e, report.error_count ? ERR_SYNTAX : OK);
    CHECK_EQ(!*ret_conf, e != OK);
    *ret_errors = report.error_count;
    said = report_text(&report);
    conf_report_fini(&report);
    return said;
}

/* A text that has to be sound. */
static inline struct conf *parsed(const char *text)
{
    struct conf_source source = world_source(text);
    struct conf *c;
    size_t errors;
    char *said = parse_said(&source, &errors, &c);

    CHECK_MSG(!errors, "%s", said);
    free(said);
    return c;
}

static inline char *printed(const struct conf *c)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    conf_print(c, out);
    fclose(out);
    return text;
}

#endif
