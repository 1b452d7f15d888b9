/* router/node/api_inner.h - shared by the files of the API. */
#ifndef NODE_API_INNER_H
#define NODE_API_INNER_H

#include "json.h"
#include "node/api.h"
#include "node/http.h"
#include "node/metrics.h"

struct api {
    struct node *node;
    struct api_hooks hooks;
    struct http *http;
    struct list inquiries; /* router/node/inquiry.h */
    struct surveys *surveys;
    struct {
        int64_t at_s; /* 0: never */
        bool ok;
        char error[512];
    } reload;
};

/* A request whose answer the workers prepare. After api_stop nobody wants it any more, and `api`
 * is gone: ask http_wanted first. */
struct question {
    struct api *api;
    struct http_request *request;
};

struct question *question_new(struct api *a, struct http_request *r);
/* Frees the question; true: it is to be answered. Otherwise the request has been let go. */
bool question_end(struct question *q, struct api **ret_api, struct http_request **ret_request);

#define API_JSON "application/json"

/* One row: an array of it. Takes `row`. */
void api_answer_row(struct http_request *r, json_t *row);
void api_answer_error(struct http_request *r, unsigned status, const char *format, ...)
    PRINTF(3, 4);
/* A row of this node, with `node` in it. */
json_t *api_row(struct api *a);
/* The domain of a query in normal form; false: the request has been answered. */
bool api_domain(struct http_request *r, const char *text, struct domain *ret_domain);

/* api_status.c */
void api_status(struct api *a, struct http_request *r);
void api_nodes(struct api *a, struct http_request *r);
void api_certs(struct api *a, struct http_request *r);

/* api_rows.c */
void api_links(struct api *a, struct http_request *r);
void api_pairs(struct api *a, struct http_request *r);
void api_components(struct api *a, struct http_request *r);
void api_queues(struct api *a, struct http_request *r);

/* control_all.c */
void control_close(struct api *a, struct http_request *r);
void control_forget(struct api *a, struct http_request *r);

/* control.c */
void control_reload(struct api *a, struct http_request *r);
void control_drain(struct api *a, struct http_request *r);
void control_log(struct api *a, struct http_request *r);
void control_dns(struct api *a, struct http_request *r);

/* api_page.c: the status page */
extern const char api_page[];

#endif
