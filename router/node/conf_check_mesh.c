#include "node/conf_reader.h"

/* listen.mesh, mesh and a shared table belong together. */

static const struct {
    const char *key;
    size_t offset; /* of a path */
    const char *what;
} files[] = {
    {"mesh.ca_file", offsetof(struct conf, mesh.ca_file), "the authority that proves the nodes"},
    {"mesh.cert_file", offsetof(struct conf, mesh.cert_file), "this node's certificate"},
    {"mesh.key_file", offsetof(struct conf, mesh.key_file), "its key"},
};

static const char *file_at(const struct conf_reader *r, size_t i)
{
    return *(char *const *)(const void *)((const char *)r->conf + files[i].offset);
}

static bool is_wanted(const struct conf_reader *r)
{
    const struct conf *c = r->conf;

    for (size_t i = 0; i < COUNT(files); i++)
        if (*file_at(r, i))
            return true;
    return c->listen.mesh.count || c->mesh.advertise.count || *c->mesh.name;
}

static bool is_cluster(const struct conf_reader *r)
{
    return r->conf->store_kind == CONF_STORE_REDIS;
}

/* Where the line of a key that is left out would be missed. */
static unsigned line_of(const struct conf_reader *r, const char *key)
{
    unsigned line = conf_line_of(r, key);

    return line ? line : conf_line_of(r, is_cluster(r) ? "store.kind" : "listen.mesh");
}

/* Every node has to check the keys that every other made. */
static void check_secret(struct conf_reader *r)
{
    if (!r->conf->dialback.secret.text.len && conf_good(r, "dialback.secret_file"))
        conf_remark(r->report, CONF_ERROR, line_of(r, "dialback.secret_file"),
                    "dialback.secret_file: the nodes of a cluster must share one; make it once "
                    "(openssl rand -hex 32) and copy it to all");
}

static void warn_alone(struct conf_reader *r)
{
    conf_remark(r->report, CONF_WARNING, line_of(r, "mesh.ca_file"),
                "listen.mesh, mesh: not used: with store.kind memory there is one node");
}

static void check_files(struct conf_reader *r)
{
    for (size_t i = 0; i < COUNT(files); i++)
        if (!*file_at(r, i) && conf_good(r, files[i].key))
            conf_remark(r->report, CONF_ERROR, line_of(r, files[i].key),
                        "%s: a mesh needs %s; name its PEM file", files[i].key, files[i].what);
}

static bool is_somewhere(const struct addr *a)
{
    char text[ADDR_TEXT_MAX];

    addr_format_ip(a, text);
    return addr_port(a) && strcmp(text, "0.0.0.0") && strcmp(text, "::");
}

/* Left out: where we listen, if that is an address that others can dial. */
static void check_advertise(struct conf_reader *r)
{
    struct conf_mesh *m = &r->conf->mesh;
    const struct conf_addrs *at = &r->conf->listen.mesh;
    unsigned line = line_of(r, "mesh.advertise");
    char text[ADDR_TEXT_MAX];

    if (!conf_good(r, "mesh.advertise") || !conf_good(r, "listen.mesh"))
        return;
    if (!at->count) {
        conf_remark(r->report, CONF_ERROR, line,
                    "listen.mesh: empty, so the other nodes cannot reach this one; add an address, "
                    "such as [\"10.0.0.5:5290\"]");
        return;
    }
    if (!m->advertise.count)
        m->advertise = (struct conf_addrs){at->list, 1};
    if (!is_somewhere(&m->advertise.list[0]))
        conf_remark(r->report, CONF_ERROR, line,
                    "mesh.advertise: %s is nowhere that other nodes could dial; say the address "
                    "and port at which they reach listen.mesh",
                    addr_format(&m->advertise.list[0], text));
}

static bool all_readable(const struct conf_reader *r)
{
    struct conf_file file;
    char byte;

    for (size_t i = 0; i < COUNT(files); i++)
        if (!*file_at(r, i) ||
            r->source->read(r->source->arg, file_at(r, i), &byte, sizeof(byte), &file) ||
            !file.size_bytes)
            return false;
    return true;
}

static void try_files(struct conf_reader *r)
{
    const struct conf_mesh *m = &r->conf->mesh;
    struct conf_tried tried;
    char error[768];

    if (!r->source->try || !all_readable(r))
        return;
    if (r->source->try(m->cert_file, m->key_file, NULL, error, sizeof(error), &tried))
        conf_remark(r->report, CONF_ERROR, conf_line_of(r, "mesh.cert_file"), "mesh.cert_file: %s",
                    error);
    else
        conf_warn_of_expiry(r, conf_line_of(r, "mesh.cert_file"), "mesh.cert_file", m->cert_file,
                            "the other nodes", &tried);
    if (r->source->try(NULL, NULL, m->ca_file, error, sizeof(error), &tried))
        conf_remark(r->report, CONF_ERROR, conf_line_of(r, "mesh.ca_file"), "mesh.ca_file: %s",
                    error);
}

void conf_check_mesh(struct conf_reader *r)
{
    if (!is_wanted(r) && !is_cluster(r))
        return;
    if (!is_cluster(r))
        warn_alone(r);
    else
        check_secret(r);
    check_files(r);
    check_advertise(r);
    try_files(r);
}
