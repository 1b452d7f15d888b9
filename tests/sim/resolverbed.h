/* tests/sim/resolverbed.h - a resolver on a machine of the invented world, and what it answers. */
#ifndef SIM_RESOLVERBED_H
#define SIM_RESOLVERBED_H

#include "sim/bed.h"
#include "sim/dnsserver.h"
#include "unit/test.h"

#include "session/resolver.h"

#define NS1   "10.0.0.53"
#define NS2   "10.0.0.54"
#define LOCAL "127.0.0.1"

struct scene {
    struct bed bed;
    struct world *w;
    struct host *router;
    struct loop *loop;
    struct resolver_options o;
    struct resolver *r;
};

/* `servers`: "ip ip ...". */
void scene_init(struct scene *s, const char *servers);
void scene_fini(struct scene *s);
/* With one server, NS1, that nothing was added to yet. */
struct dnsserver *scene_open(struct scene *s);
struct host *scene_host(struct scene *s, const char *ip);
struct dnsserver *scene_server(struct scene *s, const char *ip);
void scene_add(struct dnsserver *d, const char *row);

/* A request and what came. */
struct wish {
    struct scene *s;
    unsigned count;
    struct resolution *res; /* a reference */
    uint64_t at_ms;
};

void wish_done(void *arg, struct resolution *res);
struct resolution *wish_wait(struct wish *wish);

/* Looks up and gives a reference. */
struct resolution *resolve(struct scene *s, const char *domain);
struct resolution *resolve_host(struct scene *s, const char *host, uint16_t port, bool tls);
/* ... and drops it. */
enum resolution_kind kind_of(struct scene *s, const char *domain);
/* As text: address and port, '*' for direct TLS, '/' and the number of the target. */
void check_endpoints(const struct resolution *res, const char *want);
void check_resolution(struct scene *s, const char *domain, enum resolution_kind kind,
                      const char *endpoints, const char *text);

#endif
