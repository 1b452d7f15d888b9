/* tests/sim/inside.h - the world's own parts, for tests/sim alone. */
#ifndef SIM_INSIDE_H
#define SIM_INSIDE_H

#include "base/map.h"
#include "sim/net.h"
#include "sim/world.h"

#define LATENCY_LEAST_US 200
#define LATENCY_MOST_US  1500
#define LOCAL_LEAST_US   10
#define LOCAL_MOST_US    60

struct host {
    struct world *world;
    struct list node; /* world->hosts */
    char *name;
    struct addr *ips;
    size_t ip_count;
    bool down;
    bool suspended;
    bool paused;
    uint64_t asleep_us; /* time spent suspended: the loop's clock stood still */
    uint64_t asleep_since;
    uint64_t mono_base_us; /* loop clock at world time 0 */
    uint64_t boot_base_us;
    int64_t wall_shift_us;
    struct list loops;
    struct list tcps;
    struct list ports;
    struct list udps;
    struct map tcp_by_pair; /* key: tcp->key */
    uint16_t *dropped_ports;
    size_t dropped_count;
    unsigned fd_limit;
    unsigned fd_count; /* of its process */
};

struct link {
    struct list node; /* world->links */
    struct host *from;
    struct host *to;
    bool cut;
    bool slow; /* latency set */
    uint64_t least_us;
    uint64_t most_us;
    unsigned loss_permille;
    uint64_t bytes_per_ms;
};

struct syn_count {
    struct list node;
    struct addr to;
    unsigned count;
};

struct world {
    uint64_t seed;
    struct random rnd; /* time and chance of events */
    struct event_heap heap;
    uint64_t now_us;
    uint64_t wall_base_us;
    uint64_t digest;
    uint64_t steps;
    struct list hosts;
    struct list links;
    struct list packets;    /* on the way */
    struct list blackholes; /* struct hole */
    struct list syns;
    struct list owned; /* struct owned: freed with the world */
    struct host *used; /* where new things live */
    struct loop *running;
    unsigned loop_count;
    struct tcp **fds; /* by number */
    size_t fd_room;
    size_t send_bytes;
    size_t receive_bytes;
    bool chop;
    bool trace;
    void (*let_go)(void *arg, const struct let_go *g);
    void *let_go_arg;
    world_wrote_fn *wrote; /* or NULL */
    void *wrote_arg;
};

/* --- world.c --- */
uint64_t host_mono_us(const struct host *h);
uint64_t host_boot_us(const struct host *h);
uint64_t host_wall_us(const struct host *h);
bool host_has_ip(const struct host *h, const struct addr *ip);
bool world_is_blackhole(struct world *w, const struct addr *ip);
bool host_runs(const struct host *h); /* neither off nor asleep */
void trace(struct world *w, const char *format, ...) PRINTF(2, 3);

/* --- wire.c: packets between hosts --- */
#define PACKET_SYN         1u
#define PACKET_ACK         2u
#define PACKET_FIN         4u
#define PACKET_RST         8u
#define PACKET_UDP         16u
#define PACKET_UNREACHABLE 32u /* ICMP: `about` could not be delivered */

struct packet {
    struct event event;
    struct list node; /* world->packets */
    struct world *world;
    struct host *sender;
    struct addr from;
    struct addr to;
    unsigned flags;
    unsigned about; /* PACKET_UNREACHABLE: flags of what was refused */
    uint64_t seq;
    uint64_t ack;
    uint64_t edge; /* how far the peer may send */
    uint32_t len;
    char data[];
};

struct packet *packet_new(struct host *sender, const struct addr *from, const struct addr *to,
                          unsigned flags, struct slice data);
/* Takes it. Not before `after_us` (order within one connection); returns its arrival time. */
uint64_t packet_send(struct packet *p, uint64_t after_us);
void packet_free(struct packet *p);
struct link *link_find(struct world *w, struct host *from, struct host *to); /* or NULL */

/* --- tcp.c, port.c, udp.c --- */
void tcp_arrived(struct host *h, struct packet *p);
void tcp_unreachable(struct host *h, struct packet *p);
void udp_arrived(struct host *h, struct packet *p);
void udp_unreachable(struct host *h, struct packet *p);
struct port *port_find(struct host *h, const struct addr *at);
/* The connection that a SYN makes; NULL: dropped. */
void port_syn(struct port *p, struct packet *syn);
void port_ready(struct port *p, struct tcp *t);
void port_forget(struct port *p, struct tcp *t);
struct tcp *tcp_from_syn(struct host *h, struct port *p, struct packet *syn);
void tcp_owner_dead(struct host *h); /* all that loops own is closed, as at exit */
void port_owner_dead(struct host *h);
void udp_owner_dead(struct host *h);
void tcp_vanish(struct host *h, bool peers_too); /* power off; end of the world */
void port_vanish(struct host *h);
void udp_vanish(struct host *h);
uint16_t port_draw(struct host *h, const struct addr *ip,
                   bool (*taken)(struct host *h, const struct addr *at));

/* --- loop.c --- */
void loop_host_dead(struct host *h);
void loop_host_clock(struct host *h); /* paused, resumed: look at the clock again */
void loop_bury_all(struct world *w);  /* forget what was not freed */

#endif
