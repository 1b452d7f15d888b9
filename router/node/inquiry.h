/* router/node/inquiry.h - commands that each node answers for itself, and one for all of them.
 *
 * Who asks over HTTP gets the rows of this node and those of the others, who are asked at the same
 * time (node/survey). Another node that asks gets ours, in parcels (node/parcel). An inquiry is
 * freed when it was answered; after api_stop nobody wants it any more.
 */
#ifndef NODE_INQUIRY_H
#define NODE_INQUIRY_H

#include "api_inner.h"

#include "node/survey.h"

/* Questions of other nodes under way here: of all, and of one. */
#define INQUIRIES_OF_NODES_MAX 16
#define INQUIRIES_OF_NODE_MAX  4

struct inquiry;

enum inquiry_argument {
    INQUIRY_NOTHING,
    INQUIRY_ANY_DOMAIN,
    INQUIRY_DOMAIN,
    INQUIRY_LINK,
    INQUIRY_NODE
};

struct inquiry_kind {
    const char *word; /* on the mesh */
    enum inquiry_argument argument;
    /* Puts what this node says into `rows` (",\n" between them), then calls inquiry_told: at once
     * or later. */
    void (*tell)(struct inquiry *q);
    /* All have said what they have to say: answers `r`. NULL: inquiry_answer_rows. */
    void (*answer)(struct inquiry *q, struct http_request *r);
};

struct inquiry {
    struct list node; /* api->inquiries */
    struct api *api;  /* NULL: it is gone */
    const struct inquiry_kind *kind;
    char argument[FRAME_TEXT_MAX + 1];
    bool told; /* this node said something ... */
    struct byteq rows;
    size_t left_out_count;
    struct survey *survey;        /* ... and others are asked, or NULL */
    unsigned awaited_count;       /* this node, the others */
    struct http_request *request; /* NULL: it is a node that asks */
    char asker[FRAME_NAME_MAX + 1];
    uint64_t number;
};

/* `at`: the only node to ask; NULL: all. `argument` is sound. */
void inquiry_begin(struct api *a, struct http_request *r, const struct inquiry_kind *kind,
                   const char *argument, const char *at);
/* Whom the request means: this node's name if it says `local`, else NULL. */
const char *inquiry_scope(struct api *a, const struct http_request *r);
/* `q` may be gone after that. */
void inquiry_told(struct inquiry *q);
/* For `tell`: the next row, or rows. */
void inquiry_put(struct inquiry *q, struct slice rows);
void inquiry_put_row(struct inquiry *q, json_t *row); /* takes it */

/* For `answer`: what each node said, this one first. */
void inquiry_walk(const struct inquiry *q, survey_part_fn *fn, void *arg);
/* All rows, and one with `error` for each node that did not answer. */
void inquiry_answer_rows(struct inquiry *q, struct http_request *r);
void inquiry_answer_body(struct http_request *r, struct byteq *rows, size_t left_out_count);
/* `rows` of one node as an array. */
json_t *inquiry_parse(struct slice rows);

/* For the API: the mesh speaks from now on; and no more. */
void inquiries_open(struct api *a);
void inquiries_close(struct api *a);

void api_answer_nodes(struct inquiry *q, struct http_request *r);
void control_close_found(struct inquiry *q, struct http_request *r);

/* api_rows.c, api_status.c, control_all.c */
extern const struct inquiry_kind inquiry_links, inquiry_link, inquiry_pairs, inquiry_components,
    inquiry_queues, inquiry_status, inquiry_nodes, inquiry_close, inquiry_close_link, inquiry_hears;

#endif
