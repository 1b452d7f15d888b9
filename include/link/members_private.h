/* link/members_private.h - what the steward and the views of its workers say to each other. */
#ifndef LINK_MEMBERS_PRIVATE_H
#define LINK_MEMBERS_PRIVATE_H

#include "base/addr.h"
#include "base/bytes.h"
#include "link/members.h"

/* From a worker. */
enum word_kind {
    WORD_WANT,    /* key */
    WORD_WANT_IT, /* key: all there is came from other nodes */
    WORD_RELEASE, /* key */
    WORD_OFFER,   /* key */
    WORD_UP,      /* node, frame: its hello */
    WORD_DOWN,    /* node */
    WORD_FRAME,   /* node, frame */
};

struct word {
    struct hop_msg msg;
    enum word_kind kind;
    unsigned worker;
    char *text;          /* key or node */
    struct bytes *frame; /* or NULL */
};

struct word *word_new(enum word_kind kind, struct slice text);
void word_free(struct word *w);
/* hop_msg.deliver on the steward; `arg` of the hop: the members. */
void members_hear_word(struct hop_msg *m, void *arg);

/* To a worker. */
enum order_kind {
    ORDER_GRANTED,     /* key, token, provisional, until_boot_ms */
    ORDER_ELSEWHERE,   /* key, node ("": nobody), incarnation, token */
    ORDER_LOST,        /* the same */
    ORDER_RELEASED,    /* key */
    ORDER_HELLO,       /* frame: what to say from now on */
    ORDER_WANT_NODE,   /* node, addr: there should be a connection to it */
    ORDER_FORGET_NODE, /* node */
    ORDER_NODE_GONE,   /* node, incarnation: it owns nothing any more */
    ORDER_NODE_CUT,    /* node: what it has for its components comes back */
    ORDER_SEND,        /* node, frame */
    ORDER_HAND_OVER,   /* token: ms to wait for acknowledgements */
};

struct order {
    struct hop_msg msg;
    enum order_kind kind;
    char *key;
    char *node;
    uint64_t incarnation;
    uint64_t token;
    bool provisional;
    const _Atomic uint64_t *until_boot_ms; /* may write until; lives as long as the members */
    struct addr addr;
    struct bytes *frame;
};

struct order *order_new(enum order_kind kind, struct slice key, struct slice node);
void order_free(struct order *o);
/* hop_msg.deliver on the worker; `arg` of the hop: the view. */
void view_hear_order(struct hop_msg *m, void *arg);

/* A frame as bytes, to cross threads, and back: in `arena`, texts in `bytes`. */
struct bytes *frame_pack(const struct frame *f);
void frame_unpack(const struct bytes *bytes, struct arena *arena, struct frame *ret_frame);

#endif
