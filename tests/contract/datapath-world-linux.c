/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In a mount namespace of its own with a BPF file system. */
#include "datapath-world.h"

#include "test-namespace.h"

#include <bpf/bpf.h>
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
