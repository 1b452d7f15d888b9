/* router/node/api_rows.c - what workers have, by the thousand: links, pairs, components, queues. */
#include "inquiry.h"

#include "node/rows.h"

static void on_rows(void *arg, void **parts, unsigned count)
{
    struct inquiry *q = arg;

    for (unsigned i = 0; i < count; i++) {
        struct rows *part = parts[i];

        inquiry_put(q, byteq_slice(&part->text));
        q->left_out_count += part->left_out_count;
        rows_free(part);
    }
    inquiry_told(q);
}

static void tell(struct inquiry *q, workers_part_fn *part)
{
    struct rows_filter filter;

    memset(&filter, 0, sizeof(filter));
    if (q->kind->argument == INQUIRY_LINK)
        slice_to_u64(slice_from(q->argument), UINT64_MAX, &filter.link_id);
    else
        slice_to_cstr(slice_from(q->argument), filter.domain, sizeof(filter.domain));
    workers_gather(node_workers(q->api->node), part, &filter, sizeof(filter), on_rows, q);
}

static void tell_links(struct inquiry *q)
{
    tell(q, rows_links);
}

static void tell_pairs(struct inquiry *q)
{
    tell(q, rows_pairs);
}

static void tell_components(struct inquiry *q)
{
    tell(q, rows_components);
}

static void tell_queues(struct inquiry *q)
{
    tell(q, rows_queues);
}

const struct inquiry_kind inquiry_links = {"links", INQUIRY_ANY_DOMAIN, tell_links, NULL};
const struct inquiry_kind inquiry_pairs = {"pairs", INQUIRY_ANY_DOMAIN, tell_pairs, NULL};
const struct inquiry_kind inquiry_components = {"components", INQUIRY_ANY_DOMAIN, tell_components,
                                                NULL};
const struct inquiry_kind inquiry_queues = {"queues", INQUIRY_ANY_DOMAIN, tell_queues, NULL};
/* One link by its number: which node has it? */
const struct inquiry_kind inquiry_link = {"link", INQUIRY_LINK, tell_links, control_close_found};

static void get(struct api *a, struct http_request *r, const struct inquiry_kind *kind)
{
    const char *text = http_query(r, "domain");
    char argument[DOMAIN_BYTES_MAX + 1] = "";
    struct domain domain;

    if (text && !api_domain(r, text, &domain))
        return;
    if (text)
        slice_to_cstr(domain_slice(&domain), argument, sizeof(argument));
    inquiry_begin(a, r, kind, argument, inquiry_scope(a, r));
}

void api_links(struct api *a, struct http_request *r)
{
    get(a, r, &inquiry_links);
}

void api_pairs(struct api *a, struct http_request *r)
{
    get(a, r, &inquiry_pairs);
}

void api_components(struct api *a, struct http_request *r)
{
    get(a, r, &inquiry_components);
}

void api_queues(struct api *a, struct http_request *r)
{
    get(a, r, &inquiry_queues);
}
