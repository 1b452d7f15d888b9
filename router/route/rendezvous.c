#include "route/rendezvous.h"

#include "base/map.h"

static const uint64_t seed[2] = {0x6665647261757465u, 0x72656e64657a766fu};

uint64_t rendezvous_hash(struct slice s)
{
    return siphash(seed, s);
}

uint64_t rendezvous_draw(uint64_t key_hash, uint64_t candidate)
{
    uint64_t pair[2] = {key_hash, candidate};

    return siphash(seed, slice_make((const char *)pair, sizeof(pair)));
}
