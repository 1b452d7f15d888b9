/* The router's configuration file, from the few lines that a scenario writes. */
#include "scenario/stage.h"

#include <errno.h>
#include <stdio.h>

/* --- settings: section.key value --- */

static struct setting *find(struct stage *s, const char *section, const char *key)
{
    for (struct setting *one = s->settings; one; one = one->next)
        if (strcmp(one->section, section) == 0 && strcmp(one->key, key) == 0)
            return one;
    return NULL;
}

static void set(struct stage *s, const char *section, const char *key, struct slice value)
{
    struct setting *one = find(s, section, key);
    struct setting **last = &s->settings;

    if (one) {
        mem_free(one->value);
        one->value = mem_strndup(value);
        return;
    }
    while (*last)
        last = &(*last)->next;
    one = MEM_NEW(struct setting);
    one->section = mem_strdup(section);
    one->key = mem_strdup(key);
    one->value = mem_strndup(value);
    *last = one;
}

void config_defaults(struct stage *s)
{
    char workers[8];

    /* How many workers there are must make no difference. */
    snprintf(workers, sizeof(workers), "%u", 1 + (unsigned)random_below(world_random(s->world), 3));
    set(s, "node", "name", SLICE("node-1"));
    set(s, "node", "workers", slice_from(workers));
    set(s, "node", "drain_timeout", SLICE("10s"));
    set(s, "listen", "s2s", SLICE("[\"10.0.0.1:5269\", \"[fd00::1]:5269\"]"));
    set(s, "listen", "s2s_tls", SLICE("[\"10.0.0.1:5270\"]"));
    set(s, "listen", "component", SLICE("[\"10.0.0.1:5347\"]"));
    set(s, "listen", "http", SLICE("\"\""));
    set(s, "listen", "control", SLICE("\"\""));
    set(s, "tls", "trust_file", SLICE("ca.pem"));
    set(s, "dialback", "secret_file", SLICE("dialback.secret"));
    set(s, "dns", "servers", SLICE("[\"10.0.0.53\"]"));
    set(s, "store", "kind", SLICE("memory"));
    set(s, "log", "level", SLICE("debug"));
}

static bool set_line(struct stage *s, struct slice rest)
{
    struct slice path = next_word(&rest);
    size_t dot = slice_find(path, '.');
    char section[32];
    char key[32];

    if (dot == path.len || !slice_trim(rest).len)
        return stage_fail(s, "set SECTION.KEY VALUE");
    slice_to_cstr(slice_sub(path, 0, dot), section, sizeof(section));
    slice_to_cstr(slice_from_offset(path, dot + 1), key, sizeof(key));
    set(s, section, key, slice_trim(rest));
    return true;
}

/* --- files --- */

bool config_write_file(struct stage *s, const char *name, struct slice text)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", s->dir, name);
    f = fopen(path, "w");
    if (!f)
        return stage_fail(s, "%s: %s", path, strerror(errno));
    fwrite(text.ptr ? text.ptr : "", 1, text.len, f);
    fclose(f);
    return true;
}

/* --- lists --- */

static void put(struct byteq *out, const char *text)
{
    byteq_append(out, slice_from(text));
}

static void put_quoted(struct byteq *out, struct slice text)
{
    put(out, "\"");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            put(out, "\\");
        byteq_append(out, slice_sub(text, i, 1));
    }
    put(out, "\"");
}

static void put_list(struct byteq *out, struct slice words)
{
    put(out, "[");
    while (words.len) {
        size_t n = slice_find(words, ',');

        put_quoted(out, slice_sub(words, 0, n));
        words = slice_from_offset(words, n + 1);
        put(out, words.len ? ", " : "");
    }
    put(out, "]");
}

static bool is_list(struct slice key)
{
    return slice_is(key, "auth") || slice_is(key, "target") || slice_is(key, "pins");
}

/* ", key: value" for each key=value of the line but the one called `but`. */
static bool put_pairs(struct stage *s, struct byteq *out, struct slice rest, const char *but)
{
    while (slice_trim(rest).len) {
        struct slice word = next_word(&rest);
        size_t n = slice_find(word, '=');
        struct slice key = slice_sub(word, 0, n);
        struct slice value = slice_from_offset(word, n + 1);

        if (n == word.len)
            return stage_fail(s, "KEY=VALUE wanted: %.*s", SLICE_ARGS(word));
        if (slice_is(key, but))
            continue;
        put(out, ", ");
        byteq_append(out, key);
        put(out, ": ");
        if (is_list(key))
            put_list(out, value);
        else
            put_quoted(out, value);
    }
    return true;
}

static bool component_line(struct stage *s, struct slice rest)
{
    struct slice domain = next_word(&rest);
    struct slice secret = option(rest, "secret");
    char file[256];

    snprintf(file, sizeof(file), "%.*s.secret", SLICE_ARGS(domain));
    if (!config_write_file(s, file, secret.ptr ? secret : SLICE("secret")))
        return false;
    put(&s->components, "  - { domain: ");
    put_quoted(&s->components, domain);
    put(&s->components, ", secret_file: ");
    put_quoted(&s->components, slice_from(file));
    if (!put_pairs(s, &s->components, rest, "secret"))
        return false;
    put(&s->components, " }\n");
    return true;
}

static bool peers_line(struct stage *s, struct slice rest)
{
    put(&s->peers, "  - { match: ");
    put_quoted(&s->peers, next_word(&rest));
    if (!put_pairs(s, &s->peers, rest, ""))
        return false;
    put(&s->peers, " }\n");
    return true;
}

static bool certificate_line(struct stage *s, struct slice rest)
{
    struct slice name = next_word(&rest);
    char pair[512];

    snprintf(pair, sizeof(pair), "%s{ chain: \"%.*s.pem\", key: \"%.*s.key\" }",
             byteq_len(&s->certificates) ? ", " : "", SLICE_ARGS(name), SLICE_ARGS(name));
    put(&s->certificates, pair);
    return true;
}

bool config_line(struct stage *s, struct slice line)
{
    struct slice rest = line;
    struct slice word = next_word(&rest);

    if (slice_is(word, "set"))
        return set_line(s, rest);
    if (slice_is(word, "component"))
        return component_line(s, rest);
    if (slice_is(word, "peers"))
        return peers_line(s, rest);
    if (slice_is(word, "certificate"))
        return certificate_line(s, rest);
    return stage_fail(s, "set, component, peers or certificate wanted: %.*s", SLICE_ARGS(line));
}

/* --- the whole --- */

static void put_section(struct stage *s, const char *section, struct byteq *out)
{
    put(out, section);
    put(out, ":\n");
    for (struct setting *one = s->settings; one; one = one->next) {
        if (strcmp(one->section, section) != 0)
            continue;
        put(out, "  ");
        put(out, one->key);
        put(out, ": ");
        put(out, one->value);
        put(out, "\n");
    }
}

static bool is_first_of_section(struct stage *s, const struct setting *of)
{
    struct setting *one = s->settings;

    while (strcmp(one->section, of->section) != 0)
        one = one->next;
    return one == of;
}

static void put_lists(struct stage *s, struct byteq *out)
{
    if (byteq_len(&s->components)) {
        put(out, "components:\n");
        byteq_append(out, byteq_slice(&s->components));
    }
    if (byteq_len(&s->peers)) {
        put(out, "peers:\n");
        byteq_append(out, byteq_slice(&s->peers));
    }
}

/* A router without a certificate of its own is not what a scenario is about. */
static bool own_certificate(struct stage *s)
{
    struct byteq list;

    if (!byteq_len(&s->certificates)) {
        if (!certs_make(s->certs, "home", "dns=home.example,*.home.example"))
            return false;
        certificate_line(s, SLICE("home"));
    }
    byteq_init(&list);
    put(&list, "[ ");
    byteq_append(&list, byteq_slice(&s->certificates));
    put(&list, " ]");
    set(s, "tls", "certificates", byteq_slice(&list));
    byteq_fini(&list);
    return true;
}

const char *config_write(struct stage *s)
{
    static char path[512];
    struct byteq yaml;
    bool ok;

    if (!own_certificate(s) ||
        !config_write_file(s, "dialback.secret", words_get(&s->words, SLICE("SECRET"))))
        return NULL;
    byteq_init(&yaml);
    for (struct setting *one = s->settings; one; one = one->next)
        if (is_first_of_section(s, one))
            put_section(s, one->section, &yaml);
    put_lists(s, &yaml);
    ok = config_write_file(s, "fedrouter.yaml", byteq_slice(&yaml));
    byteq_fini(&yaml);
    snprintf(path, sizeof(path), "%s/fedrouter.yaml", s->dir);
    return ok ? path : NULL;
}
