/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath-private.h"

#include "error.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

struct Withheld {
    const int *maps;
    GHashTable *places; /* set of struct guard_place: what the map has */
};

static guint
place_hash(gconstpointer key)
{
    const struct guard_place *place = key;

    return ip_address_hash(&place->address) ^ place->link;
}

static gboolean
place_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(struct guard_place)) == 0;
}

static GHashTable *
places_new(void)
{
    return g_hash_table_new_full(place_hash, place_equal, g_free, NULL);
}

static gboolean
places_add(GHashTable *places, const struct guard_place *place)
{
    return g_hash_table_add(places, g_memdup2(place, sizeof *place));
}

Withheld *
withheld_new(const int *maps)
{
    Withheld *withheld = g_new0(Withheld, 1);

    withheld->maps = maps;
    withheld->places = places_new();
    return withheld;
}

void
withheld_free(Withheld *withheld)
{
    if (!withheld)
        return;
    g_hash_table_unref(withheld->places);
    g_free(withheld);
}

/* The keys of a map, as a GArray of struct guard_place. */
static GArray *
list_places(int map)
{
    GArray *places = g_array_new(FALSE, FALSE, sizeof(struct guard_place));
    struct guard_place place, *previous = NULL;

    for (; bpf_map_get_next_key(map, previous, &place) == 0; previous = &place)
        g_array_append_val(places, place);
    return places;
}

void
withheld_load(Withheld *withheld)
{
    g_autoptr(GArray) places = list_places(withheld->maps[DATAPATH_WITHHELD]);

    for (guint i = 0; i < places->len; i++)
        places_add(withheld->places, &g_array_index(places, struct guard_place, i));
}

static struct guard_place
place_of(const DatapathAddress *address)
{
    struct guard_place place = {.link = (guint32)address->link};

    memcpy(&place.address, &address->address, sizeof place.address);
    return place;
}

static gboolean
find_learner(const Withheld *withheld, const struct guard_place *place, int *ret_index)
{
    return bpf_map_lookup_elem(withheld->maps[DATAPATH_LEARNERS], place, ret_index) == 0;
}

static void
release_others(Withheld *withheld, GHashTable *wanted)
{
    GHashTableIter iter;
    gpointer place;

    g_hash_table_iter_init(&iter, withheld->places);
    while (g_hash_table_iter_next(&iter, &place, NULL)) {
        if (g_hash_table_contains(wanted, place))
            continue;
        bpf_map_delete_elem(withheld->maps[DATAPATH_WITHHELD], place);
        g_hash_table_iter_remove(&iter);
    }
}

static gboolean
say_unwritten(int errnum, GError **error)
{
    if (errnum != E2BIG)
        return error_set_errno(error, errnum, "cannot withhold addresses from guests");
    g_set_error(error, ERRNO_ERROR, errnum,
                "no more than %d can be withheld from guests on all links", GUARD_WITHHELD);
    return FALSE;
}

/* On failure *ret_n, the first of them, are written. */
static gboolean
write_places(Withheld *withheld, const GArray *places, guint *ret_n, GError **error)
{
    g_autofree guint32 *values = g_new0(guint32, places->len);
    guint32 n = places->len;
    gboolean written = n == 0 || bpf_map_update_batch(withheld->maps[DATAPATH_WITHHELD],
                                                      places->data, values, &n, NULL) == 0;

    if (!written) {
        say_unwritten(errno, error);
        if (n == places->len) /* the kernel did not come to change it */
            n = 0;
    }
    for (guint i = 0; i < n; i++)
        places_add(withheld->places, &g_array_index(places, struct guard_place, i));
    *ret_n = n;
    return written;
}

/* Returns what to write, as a GArray of struct guard_place; adds to wanted what not to release. If
 * these are all and too many, the first get the room, and the last one to write is one too many. */
static GArray *
choose_places(const Withheld *withheld, const DatapathAddress *addresses, guint n, gboolean is_all,
              GHashTable *wanted)
{
    GArray *added = g_array_new(FALSE, FALSE, sizeof(struct guard_place));

    for (guint i = 0; i < n; i++) {
        const struct guard_place place = place_of(&addresses[i]);
        gboolean fits = !is_all || g_hash_table_size(wanted) < GUARD_WITHHELD;

        if (g_hash_table_contains(wanted, &place))
            continue;
        if (fits)
            places_add(wanted, &place);
        if (!fits || !g_hash_table_contains(withheld->places, &place))
            g_array_append_val(added, place);
        if (!fits)
            break;
    }
    return added;
}

gboolean
withheld_set(Withheld *withheld, const DatapathAddress *addresses, guint n, gboolean is_all,
             DatapathRecheck recheck, gpointer user_data, GError **error)
{
    g_autoptr(GHashTable) wanted = places_new();
    g_autoptr(GArray) added = choose_places(withheld, addresses, n, is_all, wanted);
    gboolean written;
    guint n_written;
    int learner;

    if (is_all)
        release_others(withheld, wanted);
    written = write_places(withheld, added, &n_written, error);
    for (guint i = 0; i < n_written; i++) {
        if (find_learner(withheld, &g_array_index(added, struct guard_place, i), &learner))
            recheck(learner, user_data);
    }
    return written;
}

void
withheld_move_learned(Withheld *withheld, int index, guint32 link)
{
    int map = withheld->maps[DATAPATH_LEARNERS], learner;
    struct guard_settings settings;
    struct guard_state state;

    if (bpf_map_lookup_elem(withheld->maps[DATAPATH_SETTINGS], &index, &settings) < 0 ||
        settings.addresses != GUARD_ADDRESSES_DHCP || settings.link == link ||
        bpf_map_lookup_elem(withheld->maps[DATAPATH_STATE], &index, &state) < 0)
        return;
    for (guint i = 0; i < GUARD_LEARNED; i++) {
        const struct guard_place from = {state.learned[i].address, settings.link, 0};
        const struct guard_place to = {state.learned[i].address, link, 0};

        if (!find_learner(withheld, &from, &learner) || learner != index)
            continue;
        if (link != 0) /* another port that has it there keeps it */
            bpf_map_update_elem(map, &to, &index, BPF_NOEXIST);
        bpf_map_delete_elem(map, &from);
    }
}

void
withheld_sweep(Withheld *withheld)
{
    int map = withheld->maps[DATAPATH_LEARNERS];
    g_autoptr(GArray) places = list_places(map);
    struct guard_settings settings;
    int learner;

    for (guint i = 0; i < places->len; i++) {
        const struct guard_place *place = &g_array_index(places, struct guard_place, i);

        if (find_learner(withheld, place, &learner) &&
            (bpf_map_lookup_elem(withheld->maps[DATAPATH_SETTINGS], &learner, &settings) < 0 ||
             settings.link != place->link))
            bpf_map_delete_elem(map, place);
    }
}
