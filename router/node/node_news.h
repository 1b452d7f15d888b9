/* router/node/node_news.h - between node.c and node_news.c. */
#ifndef NODE_NODE_NEWS_H
#define NODE_NODE_NEWS_H

#include "link/tell.h"
#include "node/node.h"

struct tell *node_tell(struct node *n);

extern const struct desk_events node_desk_events;
extern const struct tell_events node_tell_events;

#endif
