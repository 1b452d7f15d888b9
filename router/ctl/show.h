/* router/ctl/show.h - the answers of the router as text for people. */
#ifndef CTL_SHOW_H
#define CTL_SHOW_H

#include <jansson.h>

/* `rows`: the array that the router sent. */
typedef void show_fn(json_t *rows);

show_fn show_status;
show_fn show_nodes;
show_fn show_links;
show_fn show_pairs;
show_fn show_components;
show_fn show_queues;
show_fn show_certs;
show_fn show_dns;
show_fn show_closed;
show_fn show_reloaded;
show_fn show_draining;
show_fn show_forgotten;
show_fn show_log;

#endif
