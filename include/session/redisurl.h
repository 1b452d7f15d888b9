/* session/redisurl.h - where a Redis is, as the configuration writes it. Pure.
 *
 *   redis://host:6379  rediss://host:6379 (TLS)  unix:/path
 *
 * No user, password or database number in it: credentials stand in files, and a cluster has one
 * database only.
 */
#ifndef SESSION_REDISURL_H
#define SESSION_REDISURL_H

#include "base/err.h"
#include "base/slice.h"

#define REDIS_PORT           6379
#define REDIS_SENTINEL_PORT  26379
#define REDIS_PLACES_MAX     16
#define REDIS_PLACE_TEXT_MAX 280

struct redis_place {
    char path[108]; /* of a Unix socket; "": by TCP */
    char host[254]; /* name or address, without brackets */
    uint16_t port;
    bool tls;
};

/* On failure *ret_problem says what is wrong, in words that follow "is". */
enum err redis_url_parse(struct slice text, struct redis_place *ret_place,
                         const char **ret_problem) MUST_USE;
/* "host:port", "[v6]:port", or only a host. */
enum err redis_host_parse(struct slice text, uint16_t default_port, struct redis_place *ret_place,
                          const char **ret_problem) MUST_USE;
/* "host:6379", "unix:/path": for people. Returns `buf`. */
const char *redis_place_format(const struct redis_place *p, char buf[REDIS_PLACE_TEXT_MAX]);
/* ... and as redis_url_parse reads it. */
const char *redis_url_format(const struct redis_place *p, char buf[REDIS_PLACE_TEXT_MAX]);

#endif
