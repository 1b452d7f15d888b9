#include "sim/cluster/amend.h"

#include <assert.h>
#include <stdio.h>

static char *beside(struct conf *c, const char *name, const char *ending)
{
    return arena_format(&c->arena, "%.*s/%s%s", (int)(strrchr(c->file, '/') - c->file), c->file,
                        name, ending);
}

void amend_for_cluster(struct conf *c)
{
    char mesh[80];
    const char *problem;

    snprintf(mesh, sizeof(mesh), "mesh-%s", c->node.name);
    c->store_kind = CONF_STORE_REDIS;
    assert(redis_url_parse(SLICE("redis://" AMEND_REDIS), c->redis.urls.list, &problem) == OK);
    c->listen.mesh.list = arena_alloc(&c->arena, sizeof(struct addr));
    c->listen.mesh.list[0] = c->listen.s2s.list[0];
    addr_set_port(&c->listen.mesh.list[0], 5290);
    c->listen.mesh.count = 1;
    c->mesh.advertise = c->listen.mesh;
    c->mesh.ca_file = beside(c, "ca", ".pem");
    c->mesh.cert_file = beside(c, mesh, ".pem");
    c->mesh.key_file = beside(c, mesh, ".key");
}
