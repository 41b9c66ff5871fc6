/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In a mount namespace of its own with a BPF file system. */
#include "datapath-world.h"

#include "test-namespace.h"

#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

#define NAME "macvtapd-test"

const char *
datapath_world_begin(void)
{
    return test_namespace_enter();
}

Datapath *
datapath_world_open(void)
{
    g_autoptr(GError) error = NULL;
    Datapath *datapath = datapath_open(NAME, &error);

    if (!datapath)
        fail_msg("%s", error->message);
    return datapath;
}

void
datapath_world_end(Datapath *datapath)
{
    datapath_free(datapath);
}

static int
open_map(const char *name)
{
    g_autofree char *folder = datapath_folder(NAME);
    g_autofree char *path = g_strdup_printf("%s/v%d-%s", folder, GUARD_MAP_VERSION, name);

    return bpf_obj_get(path);
}

void
datapath_world_drop(Datapath *datapath, int index, GuardReason reason)
{
    int map = open_map("counters");
    struct guard_counters counters;

    assert_int_equal(bpf_map_lookup_elem(map, &index, &counters), 0);
    counters.dropped[reason]++;
    assert_int_equal(bpf_map_update_elem(map, &index, &counters, BPF_EXIST), 0);
    close(map);
}

static gboolean
read_entry(const char *name, int index, void *ret_value)
{
    int map = open_map(name);
    gboolean found = map >= 0 && bpf_map_lookup_elem(map, &index, ret_value) == 0;

    if (map >= 0)
        close(map);
    return found;
}

gboolean
datapath_world_settings(Datapath *datapath, int index, struct guard_settings *ret_settings)
{
    return read_entry("settings", index, ret_settings);
}

gboolean
datapath_world_dhcp(Datapath *datapath, int index, struct dhcp_port *ret_port)
{
    return read_entry("dhcp", index, ret_port);
}

/* Returns the value in this map of places; -1: none. */
static int
find_place(const char *name, int link, const IpAddress *address)
{
    struct guard_place place = {.link = (guint32)link};
    int map = open_map(name), value;

    memcpy(&place.address, address, sizeof place.address);
    if (bpf_map_lookup_elem(map, &place, &value) < 0)
        value = -1;
    close(map);
    return value;
}

gboolean
datapath_world_withholds(Datapath *datapath, int link, const IpAddress *address)
{
    return find_place("withheld", link, address) >= 0;
}

int
datapath_world_learner(Datapath *datapath, int link, const IpAddress *address)
{
    return MAX(find_place("learners", link, address), 0);
}

static void
write_state(int index, const struct guard_state *state)
{
    int map = open_map("state");

    assert_int_equal(bpf_map_update_elem(map, &index, state, BPF_EXIST), 0);
    close(map);
}

void
datapath_world_see(Datapath *datapath, int index, guint64 when)
{
    struct guard_state state;

    assert_true(read_entry("state", index, &state));
    state.seen[0].last = when;
    write_state(index, &state);
}

void
datapath_world_teach(Datapath *datapath, int index, const IpAddress *address)
{
    int map = open_map("learners");
    struct guard_settings settings;
    struct guard_place place = {0};
    struct guard_state state;

    assert_true(read_entry("settings", index, &settings) && read_entry("state", index, &state));
    memcpy(&place.address, address, sizeof place.address);
    place.link = settings.link;
    state.learned[0] = (struct guard_learned){.address = place.address, .until = 1};
    write_state(index, &state);
    assert_int_equal(bpf_map_update_elem(map, &place, &index, BPF_ANY), 0);
    close(map);
}

static void
replace_pin(const char *name, int map)
{
    g_autofree char *folder = datapath_folder(NAME);
    g_autofree char *path = g_strdup_printf("%s/v%d-%s", folder, GUARD_MAP_VERSION, name);

    assert_int_equal(unlink(path), 0);
    assert_true(map < 0 || bpf_obj_pin(map, path) == 0);
}

/* lost: bytes at the end of each value. */
static void
shrink_map(const char *name, guint32 lost, guint32 max_entries)
{
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
    struct bpf_map_info info = {0};
    guint32 size = sizeof info;
    int map = open_map(name), made;
    g_autofree char *value = NULL, *key = NULL;

    assert_int_equal(bpf_obj_get_info_by_fd(map, &info, &size), 0);
    made = bpf_map_create(BPF_MAP_TYPE_HASH, name, info.key_size, info.value_size - lost,
                          max_entries, &options);
    assert_true(made >= 0);
    value = g_malloc(info.value_size);
    key = g_malloc(info.key_size);
    for (char *last = NULL; bpf_map_get_next_key(map, last, key) == 0; last = key) {
        assert_int_equal(bpf_map_lookup_elem(map, key, value), 0);
        assert_int_equal(bpf_map_update_elem(made, key, value, BPF_NOEXIST), 0);
    }
    replace_pin(name, made);
    close(map);
    close(made);
}

guint
datapath_world_rechecks(Datapath *datapath, int index)
{
    struct guard_settings settings;

    assert_true(read_entry("settings", index, &settings));
    return settings.recheck;
}

void
datapath_world_age(void)
{
    shrink_map("settings", 8, GUARD_PORTS);
    shrink_map("state", 8, GUARD_PORTS);
    shrink_map("withheld", 0, GUARD_WITHHELD / 8);
    replace_pin("learners", -1);
}

void
datapath_world_tear(Datapath *datapath, int index, const char *port_id)
{
    int map = open_map("settings");

    assert_int_equal(bpf_map_delete_elem(map, &index), 0);
    close(map);
}

int
datapath_world_pins(void)
{
    g_autofree char *path = datapath_folder(NAME);
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    int n = 0;

    while (folder && g_dir_read_name(folder))
        n++;
    return n;
}
