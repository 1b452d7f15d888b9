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

void rendezvous_begin(struct rendezvous *r, struct slice key)
{
    *r = (struct rendezvous){.key_hash = rendezvous_hash(key)};
}

bool rendezvous_leads(struct rendezvous *r, uint64_t candidate)
{
    uint64_t draw = rendezvous_draw(r->key_hash, candidate);

    if (r->any && draw <= r->best)
        return false;
    r->best = draw;
    r->any = true;
    return true;
}

bool rendezvous_name_leads(struct rendezvous *r, struct slice name)
{
    return rendezvous_leads(r, rendezvous_hash(name));
}
