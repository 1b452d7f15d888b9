/* wire/frame.h - what two nodes of a cluster say to each other. Pure.
 *
 * A frame is its length (4 bytes, of what follows), its type (1 byte) and its fields, numbers in
 * network order. Texts and lists carry their length. Decoding is strict: a frame is used up to its
 * last byte, flags are 0 or 1, words are those listed here, lengths have the bounds below. Only
 * HELLO, which is read before a version is agreed on, may go on with fields of later versions.
 *
 * Decoded texts point into the bytes, lists into the arena.
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "base/arena.h"
#include "base/byteq.h"

/* Neighbouring releases work together: a node speaks all versions of this range. What a version
 * added is not said to those who speak only earlier ones. 2: FRAME_BACKOFFS. */
#define FRAME_VERSION_LEAST    1
#define FRAME_VERSION_MOST     2
#define FRAME_VERSION_BACKOFFS 2

#define FRAME_HEADER_BYTES 5
/* Of the part behind the length. DATA: the biggest stanza (limits.stanza_bytes), its tag escaped.
 */
#define FRAME_CONTROL_MAX (256u << 10)
#define FRAME_DATA_MAX    (64u << 20)

#define FRAME_NAME_MAX   64   /* node.name */
#define FRAME_DOMAIN_MAX 1023 /* RFC 7622 3.2 */
#define FRAME_KEY_MAX    2048 /* route/router: PORT_KEY_BYTES_MAX */
#define FRAME_WORD_MAX   64
#define FRAME_TEXT_MAX   1024
#define FRAME_DIGEST_LEN 32
#define FRAME_LIST_MAX   4096

enum frame_type {
    FRAME_HELLO = 1,
    FRAME_OPEN,
    FRAME_DATA,
    FRAME_CLOSE,
    FRAME_DONE,
    FRAME_REFUSE,
    FRAME_CREDIT,
    FRAME_HANDOFF,
    FRAME_PING,
    FRAME_PONG,
    FRAME_BYE,
    FRAME_COMPONENTS, /* TELL, from here on */
    FRAME_ADDRESSES,
    FRAME_BACKOFFS,
    FRAME_BURIED,
    FRAME_FORGET,
    FRAME_ASK,
    FRAME_ANSWER,
    FRAME_HEARD, /* of FRAME_COMPONENTS: all up to that number is known here */
    FRAME_TYPES
};

/* The first frame on a connection, in both directions; said again when something of it changed. */
struct frame_hello {
    uint16_t version_least;
    uint16_t version_most;
    struct slice node;
    uint64_t process;     /* drawn at start: lanes live as long as both processes do */
    uint64_t incarnation; /* rises, also within a process (a buried one goes on as another) */
    uint64_t format;      /* of the table: what all must speak */
    uint16_t worker_count;
    struct slice address; /* where its mesh listens, "host:port"; may be empty */
    struct slice
        dialback_digest; /* HMACs, FRAME_DIGEST_LEN each, or empty: do both have the same? */
    struct slice components_digest;
    struct slice peers_digest;
    struct slice rest; /* of a later version */
};

/* A lane begins (done 0), or goes on over another connection: the answer is what was told of fates
 * behind `done` once more, and CREDIT. */
struct frame_open {
    uint64_t lane; /* unique in the sending process */
    uint32_t generation;
    uint64_t done;    /* the ingress knows all fates up to here */
    struct slice key; /* of the port: "local remote", or '#' and an instance's number */
};

/* A stanza. Its addresses stay with the ingress, which alone answers. */
struct frame_data {
    uint64_t lane;
    uint32_t generation;
    uint64_t seq;
    uint64_t done;
    uint32_t age_ms;
    uint8_t kind; /* enum stanza_kind, stanza_type, stanza_scope; STANZA_SCOPED ... */
    uint8_t type;
    uint8_t scope;
    uint8_t flags;
    struct slice wire;
};

/* The ingress gives the lane up; it knows all fates. */
struct frame_close {
    uint64_t lane;
    uint32_t generation;
};

enum frame_fate { FRAME_SENT, FRAME_BOUNCED, FRAME_DROPPED, FRAME_RETURNED, FRAME_FATES };

struct frame_run {
    uint64_t last_seq;
    uint8_t fate;     /* enum frame_fate */
    struct slice why; /* route/bounce: its word; empty for FRAME_SENT */
    struct slice detail;
};

struct frame_done {
    uint64_t lane;
    uint32_t generation;
    struct frame_run *runs;
    size_t run_count;
};

/* None of what has no fate yet, and nothing of this generation that comes, will be sent here. */
struct frame_refuse {
    uint64_t lane;
    uint32_t generation;
    struct slice why;
    struct slice node; /* who owns the pair, as far as is known; empty: it is not */
    uint64_t incarnation;
    uint64_t token;
};

struct frame_credit {
    uint64_t lane;
    uint32_t generation;
    uint64_t expected; /* the next sequence; earlier ones are here */
    uint32_t window_bytes;
    bool open;
    bool moving;
};

enum frame_handoff_step { FRAME_OFFER, FRAME_TAKEN, FRAME_NOT_TAKEN, FRAME_HANDOFF_STEPS };

struct frame_handoff {
    uint8_t step; /* enum frame_handoff_step */
    struct slice local, remote;
    uint64_t token;
};

struct frame_pair {
    struct slice local, remote;
};

struct frame_member {
    struct slice node;
    uint64_t incarnation;
};

struct frame_ping {
    uint64_t number;
    uint64_t incarnation;     /* of the sender, now */
    uint64_t list_hash;       /* of the list it holds */
    struct frame_pair *pairs; /* wanted without the table */
    size_t pair_count;
};

struct frame_pong {
    uint64_t number; /* of the PING */
    uint64_t incarnation;
    bool promise;
    bool can_claim;
    bool draining;
    bool same_list;
    struct slice not_mine; /* '1' or '0' for each pair that was asked for, in order */
};

struct frame_bye {
    uint64_t incarnation;
    struct frame_member *holds_for;
    size_t holds_for_count;
};

struct frame_component {
    struct slice pattern;
    uint64_t id;
    uint64_t draw; /* above the highest heard for its domain */
    bool joined;   /* false: it left */
};

struct frame_components {
    uint64_t number; /* of the change; a full list carries that of the last one in it */
    bool full;       /* replaces what was told before ... */
    bool more;       /* ... and goes on in the next frame */
    struct frame_component *rows;
    size_t row_count;
};

struct frame_heard {
    uint64_t number;
};

struct frame_address {
    struct slice ip; /* 4 or 16 bytes */
    uint32_t count;
};

struct frame_addresses {
    struct frame_address *rows;
    size_t row_count;
};

/* route/outages. An attempt for that pair failed; or (left_ms 0, and then nothing but `remote` is
 * said) the remote domain lives. */
struct frame_backoff {
    struct slice local, remote;
    bool of_domain;
    uint32_t left_ms; /* from when it was said */
    uint32_t failures_count;
    struct slice why; /* route/bounce: its word */
    struct slice detail;
};

struct frame_backoffs {
    struct frame_backoff *rows;
    size_t row_count;
};

/* FRAME_BURIED: seen to have left the list. FRAME_FORGET: the operator's word. */
struct frame_gone {
    struct frame_member who;
};

struct frame_ask {
    uint64_t number;
    struct slice command, argument;
};

struct frame_answer {
    uint64_t number; /* of the question */
    bool more;       /* goes on in the next frame */
    struct slice body;
};

struct frame {
    enum frame_type type;
    union {
        struct frame_hello hello;
        struct frame_open open;
        struct frame_data data;
        struct frame_close close;
        struct frame_done done;
        struct frame_refuse refuse;
        struct frame_credit credit;
        struct frame_handoff handoff;
        struct frame_ping ping;
        struct frame_pong pong;
        struct frame_bye bye;
        struct frame_components components;
        struct frame_addresses addresses;
        struct frame_backoffs backoffs;
        struct frame_gone gone;
        struct frame_ask ask;
        struct frame_answer answer;
        struct frame_heard heard;
    };
};

/* Takes the first frame of `bytes`. ERR_AGAIN: it is not whole yet; ERR_LIMIT: too long, told by
 * its header alone; ERR_SYNTAX. */
enum err frame_next(struct slice bytes, struct arena *arena, struct frame *ret_frame,
                    size_t *ret_used) MUST_USE;
/* Appends it. The frame keeps the bounds above (assert). */
void frame_write(struct byteq *out, const struct frame *f);
const char *frame_name(enum frame_type t);

/* Who dials, in clear, before TLS begins: the accepting process has to know on which of its threads
 * a node's connection lives before it can read anything else. Proves nothing: certificate and HELLO
 * must say the same. */
#define FRAME_PREFACE_MAX (9 + FRAME_NAME_MAX)
size_t frame_preface_write(struct slice node, char out[FRAME_PREFACE_MAX]);
/* ERR_AGAIN: more is needed, *ret_used bytes at least. OK: `ret_node`, letters, digits and ".-_",
 * points into `bytes`. */
enum err frame_preface_parse(struct slice bytes, struct slice *ret_node, size_t *ret_used) MUST_USE;

#endif
