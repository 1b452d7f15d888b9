#include "node/conf_reader.h"

/* listen.mesh and mesh belong together. */

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

/* The one place that keeps this version from having a mesh. */
static void refuse(struct conf_reader *r)
{
    static const char *const keys[] = {"listen.mesh",   "mesh.ca_file",   "mesh.cert_file",
                                       "mesh.key_file", "mesh.advertise", "mesh.name"};

    for (size_t i = 0; i < COUNT(keys); i++) {
        unsigned line = conf_line_of(r, keys[i]);

        if (!line)
            continue;
        conf_remark(r->report, CONF_ERROR, line, "%s: not in this version; leave it out", keys[i]);
        return;
    }
}

static void check_files(struct conf_reader *r)
{
    for (size_t i = 0; i < COUNT(files); i++)
        if (!*file_at(r, i) && conf_good(r, files[i].key))
            conf_remark(r->report, CONF_ERROR, conf_line_of(r, "listen.mesh"),
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
    unsigned line = conf_line_of(r, "mesh.advertise");
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
        conf_remark(r->report, CONF_ERROR, line ? line : conf_line_of(r, "listen.mesh"),
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
    if (r->source->try(NULL, NULL, m->ca_file, error, sizeof(error), &tried))
        conf_remark(r->report, CONF_ERROR, conf_line_of(r, "mesh.ca_file"), "mesh.ca_file: %s",
                    error);
}

void conf_check_mesh(struct conf_reader *r)
{
    if (!is_wanted(r))
        return;
    refuse(r);
    check_files(r);
    check_advertise(r);
    try_files(r);
}
