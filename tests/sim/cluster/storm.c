#include "sim/cluster/fleet.h"

#include "sim/links/trouble.h"

static struct house *some_house(struct fleet *f)
{
    return &f->land.houses[land_draw(&f->land, f->land.house_count)];
}

static void drain(struct fleet *f, uint64_t down_ms)
{
    struct house *h = some_house(f);

    land_say(&f->land, "storm: %s drains", h->name);
    house_drain(h, down_ms);
    f->drains++;
}

void storm_make(struct fleet *f)
{
    drain(f, land_draw(&f->land, 10000));
}

void storm_look(struct fleet *f)
{
    trouble_look(&f->land);
}

void storm_end(struct fleet *f)
{
    trouble_heal(&f->land);
}
