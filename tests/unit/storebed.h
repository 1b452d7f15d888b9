/* tests/unit/storebed.h - a table for tests: the embedded one, or the Redis that the environment
 * names:
 *
 *   FEDROUTER_TEST_REDIS="url=redis://127.0.0.1:7000 user=fedrouter password=x wait=1
 *                         ca=ca.pem cert=node.pem key=node.key sentinel=127.0.0.1:7001 master=m"
 *
 * Words in any order; `url` and `sentinel` may stand several times.
 */
#ifndef TESTS_UNIT_STOREBED_H
#define TESTS_UNIT_STOREBED_H

#include "loop/timer.h"
#include "session/store_redis.h"

#include <stdio.h>
#include <stdlib.h>

struct storebed_words {
    struct redis_place places[REDIS_PLACES_MAX];
    size_t place_count;
    struct redis_place sentinels[REDIS_PLACES_MAX];
    size_t sentinel_count;
    char user[64], password[64], master[64], ca[256], cert[256], key[256];
    uint64_t wait;
};

static inline void storebed_word(struct storebed_words *w, struct slice key, struct slice value)
{
    const char *problem = "";
    bool good = true;

    if (slice_is(key, "url"))
        good = !redis_url_parse(value, &w->places[w->place_count++], &problem);
    else if (slice_is(key, "sentinel"))
        good = !redis_host_parse(value, REDIS_SENTINEL_PORT, &w->sentinels[w->sentinel_count++],
                                 &problem);
    else if (slice_is(key, "user"))
        good = slice_to_cstr(value, w->user, sizeof(w->user));
    else if (slice_is(key, "password"))
        good = slice_to_cstr(value, w->password, sizeof(w->password));
    else if (slice_is(key, "master"))
        good = slice_to_cstr(value, w->master, sizeof(w->master));
    else if (slice_is(key, "ca"))
        good = slice_to_cstr(value, w->ca, sizeof(w->ca));
    else if (slice_is(key, "cert"))
        good = slice_to_cstr(value, w->cert, sizeof(w->cert));
    else if (slice_is(key, "key"))
        good = slice_to_cstr(value, w->key, sizeof(w->key));
    else if (slice_is(key, "wait"))
        good = slice_to_u64(value, 100, &w->wait);
    else
        good = false;
    if (!good) {
        fprintf(stderr, "FEDROUTER_TEST_REDIS: what is \"%.*s=%.*s\"? %s\n", SLICE_ARGS(key),
                SLICE_ARGS(value), problem);
        exit(64);
    }
}

static inline void storebed_parse(struct storebed_words *w, const char *text)
{
    struct slice rest = slice_trim(slice_from(text));

    memset(w, 0, sizeof(*w));
    while (rest.len) {
        size_t space = slice_find(rest, ' ');
        struct slice word = slice_sub(rest, 0, space);
        size_t is = slice_find(word, '=');

        storebed_word(w, slice_sub(word, 0, is), slice_from_offset(word, is + 1));
        rest = slice_trim(slice_from_offset(rest, space + 1));
    }
}

static inline struct tls_context *storebed_tls(const struct storebed_words *w)
{
    const char *chain = w->cert, *key = w->key;
    struct tls_context_options o = {.chain_files = &chain,
                                    .key_files = &key,
                                    .certificate_count = *w->cert ? 1 : 0,
                                    .trust_file = w->ca};
    struct tls_context *c;
    char error[512];

    if (!*w->ca)
        return NULL;
    if (tls_context_new(&o, error, sizeof(error), &c)) {
        fprintf(stderr, "%s\n", error);
        exit(64);
    }
    return c;
}

static inline bool storebed_is_redis(void)
{
    const char *text = getenv("FEDROUTER_TEST_REDIS");

    return text && *text;
}

/* Node "a" has the mesh address "10.0.0.1:5290", and so on. */
static inline struct store *storebed_open(struct loop *l, const char *node, const char *addr,
                                          const char *outage, const struct store_events *events,
                                          void *arg)
{
    struct storebed_words w;
    struct tls_context *tls;
    struct store_redis_options o;
    struct store *s;

    if (!storebed_is_redis())
        return store_memory_new(l, node, events, arg);
    storebed_parse(&w, getenv("FEDROUTER_TEST_REDIS"));
    tls = storebed_tls(&w);
    o = (struct store_redis_options){.node = node,
                                     .addr = addr,
                                     .outage = outage,
                                     .prefix = "fr",
                                     .places = w.places,
                                     .place_count = w.place_count,
                                     .sentinels = w.sentinels,
                                     .sentinel_count = w.sentinel_count,
                                     .master = w.master,
                                     .wait_replicas = (unsigned)w.wait,
                                     .username = w.user,
                                     .password = slice_from(w.password),
                                     .tls = tls};
    s = store_redis_new(l, &o, events, arg);
    tls_context_unref(tls);
    return s;
}

#endif
