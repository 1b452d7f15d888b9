/* loop/ackmap.h - which plain bytes lie behind so many bytes on the wire. Pure.
 *
 * TLS makes records, the kernel and the peer's TCP take bytes: a mark says that once `wire` bytes
 * are there, all plain bytes up to `plain` are. Both only grow. Answers are exact for as many
 * marks as are kept, so that what a frozen peer has is told from what it has not; beyond that every
 * second one goes and new ones keep their distance: answers become coarser, evenly, never wrong.
 */
#ifndef LOOP_ACKMAP_H
#define LOOP_ACKMAP_H

#include "base/mem.h"

#include <stdint.h>
#include <string.h>

/* Room kept while nothing is under way, and marks at most: the kernel's own buffers hold no more
 * records of ordinary stanzas. */
#define ACKMAP_FEW  16
#define ACKMAP_MOST 4096

struct ackmark {
    uint64_t wire;
    uint64_t plain;
};

struct ackmap {
    struct ackmark *mark; /* `first` of them are passed */
    unsigned first;
    unsigned count;
    unsigned room;
    uint64_t step; /* of `wire`, between two marks at least; the last is moved until it has it */
};

/* Zeroed: none. */
static inline void ackmap_fini(struct ackmap *m)
{
    mem_free(m->mark);
}

static inline void ackmap_thin(struct ackmap *m)
{
    const struct ackmark *mark = m->mark + m->first;

    m->step = (mark[m->count - 1].wire - mark[0].wire) / (ACKMAP_MOST / 2);
    m->count /= 2;
    for (unsigned i = 0; i < m->count; i++)
        m->mark[i] = mark[2 * i + 1]; /* the later of two: it vouches for both */
    m->first = 0;
}

/* For one more, behind those there are. */
static inline void ackmap_make_room(struct ackmap *m)
{
    if (m->first + m->count < m->room)
        return;
    if (m->count == ACKMAP_MOST)
        ackmap_thin(m);
    if (m->first > m->room / 2) {
        memmove(m->mark, m->mark + m->first, m->count * sizeof(m->mark[0]));
        m->first = 0;
    } else if (m->first + m->count == m->room) {
        m->room = m->room ? 2 * m->room : ACKMAP_FEW;
        m->mark = mem_realloc(m->mark, m->room * sizeof(m->mark[0]));
    }
}

static inline void ackmap_add(struct ackmap *m, struct ackmark mark)
{
    unsigned end;

    ackmap_make_room(m);
    end = m->first + m->count;
    if (m->count > 1 && mark.wire - m->mark[end - 2].wire <= m->step)
        end--;
    else
        m->count++;
    m->mark[end] = mark;
}

static inline void ackmap_shrink(struct ackmap *m)
{
    m->first = 0;
    if (m->room == ACKMAP_FEW)
        return;
    m->room = ACKMAP_FEW;
    m->mark = mem_realloc(m->mark, m->room * sizeof(m->mark[0]));
}

/* The plain bytes that are there with `wire` ones, or `least` if no mark says more; forgets the
 * marks passed. */
static inline uint64_t ackmap_pass(struct ackmap *m, uint64_t wire, uint64_t least)
{
    unsigned before = m->count;
    uint64_t plain = least;

    for (; m->count && m->mark[m->first].wire <= wire; m->count--)
        plain = m->mark[m->first++].plain;
    if (m->count == before)
        return least;
    if (!m->count)
        ackmap_shrink(m);
    if (m->count < ACKMAP_MOST / 4)
        m->step /= 2; /* less is under way: look closer again */
    return plain;
}

#endif
