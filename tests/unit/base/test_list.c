/* base/list */
#include "unit/test.h"

#include "base/list.h"

struct item {
    int n;
    struct list node;
};

static struct item items[6];
static struct list a;
static struct list b;

static void fill(void)
{
    list_init(&a);
    list_init(&b);
    for (int i = 0; i < 6; i++) {
        items[i].n = i;
        list_init(&items[i].node);
    }
}

/* "012" and so on; read in both directions. */
static void check(struct list *head, const char *expected)
{
    char there[8] = "";
    size_t n = 0;
    struct list *back = head->prev;

    LIST_WALK(at, head)
    there[n++] = (char)('0' + LIST_ENTRY(at, struct item, node)->n);
    CHECK_STR(there, expected);
    for (; n > 0; back = back->prev)
        CHECK_EQ(LIST_ENTRY(back, struct item, node)->n, there[--n] - '0');
    CHECK(back == head);
}

TEST(list, pushes_and_removes)
{
    fill();
    CHECK(list_empty(&a) && !LIST_FIRST(&a, struct item, node));
    CHECK(!LIST_LAST(&a, struct item, node));
    CHECK(!list_linked(&items[0].node));
    list_push(&a, &items[1].node);
    list_push(&a, &items[2].node);
    list_push_front(&a, &items[0].node);
    check(&a, "012");
    CHECK_EQ(LIST_FIRST(&a, struct item, node)->n, 0);
    CHECK_EQ(LIST_LAST(&a, struct item, node)->n, 2);
    list_insert_before(&items[2].node, &items[5].node);
    check(&a, "0152");
    CHECK(list_linked(&items[5].node));
    list_remove(&items[5].node);
    list_remove(&items[5].node); /* unlinked: nothing happens */
    CHECK(!list_linked(&items[5].node));
    check(&a, "012");
}

TEST(list, walks_while_the_current_one_goes)
{
    fill();
    for (int i = 0; i < 6; i++)
        list_push(&a, &items[i].node);
    LIST_WALK(at, &a)
    if (LIST_ENTRY(at, struct item, node)->n % 2)
        list_remove(at);
    check(&a, "024");
    LIST_WALK(at, &a)
    list_remove(at);
    CHECK(list_empty(&a));
}

TEST(list, joins_lists)
{
    fill();
    list_append_all(&a, &b); /* both empty */
    list_prepend_all(&a, &b);
    CHECK(list_empty(&a));
    for (int i = 0; i < 6; i++)
        list_push(i < 3 ? &a : &b, &items[i].node);
    list_append_all(&a, &b);
    check(&a, "012345");
    CHECK(list_empty(&b));
    list_append_all(&b, &a); /* to an empty one */
    check(&b, "012345");
    list_append_all(&b, &a); /* from an empty one */
    check(&b, "012345");
    for (int i = 4; i < 6; i++) {
        list_remove(&items[i].node);
        list_push(&a, &items[i].node);
    }
    list_prepend_all(&b, &a);
    check(&b, "450123");
    CHECK(list_empty(&a));
    list_prepend_all(&a, &b);
    check(&a, "450123");
}

TESTS(TEST_OF(list, pushes_and_removes), TEST_OF(list, walks_while_the_current_one_goes),
      TEST_OF(list, joins_lists))
