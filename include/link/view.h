/* link/view.h - a worker's view of the cluster: whose each pair is, and the worker's mouth and ear
 * for what the steward (link/members) and other nodes say to each other.
 *
 * On the worker's loop. Questions of lanes are answered at once from what is known (link/owner);
 * what is not is asked of the steward by message, whose answers change the view first and then
 * move lanes and pairs. One node: nothing is elsewhere, and only pairs ask, before they dial.
 */
#ifndef LINK_VIEW_H
#define LINK_VIEW_H

#include "link/members.h"
#include "link/mesh.h"
#include "link/owner.h"

struct site;
struct view;

/* What is known of a pair that no stanza went to for so long is forgotten. */
#define VIEW_FORGET_MS 120000

struct view *view_open(struct site *site, struct members *m);
struct hop *view_hop(struct view *v);
/* Nothing that the steward has to be told is left unsaid. */
void view_close(struct view *v);
/* For lanes; ops NULL on one node. */
struct owner_view view_owners(struct view *v);
/* For link/mesh, with the view as `arg`. */
extern const struct mesh_events view_mesh_events;
void view_tick(struct view *v, uint64_t now_ms);

/* --- for pairs of this worker --- */

/* It is ours: which row says so, and until when it may be written for. */
struct view_grant {
    uint64_t token;
    bool provisional; /* by promises alone: no row yet */
    const _Atomic uint64_t *until_boot_ms;
};
bool view_owns(const struct view *v, struct slice key, struct view_grant *ret_grant);
/* It has stanzas: pair_granted or pair_give_up follows. */
void view_want(struct view *v, struct slice key);
/* It is forgotten. */
void view_release(struct view *v, struct slice key);
/* Nothing of it is under way: it may be another's (drain). */
void view_offer(struct view *v, struct slice key);

#endif
