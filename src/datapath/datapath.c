/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath.h"

#include "datapath-private.h"

#include "descriptor.h"
#include "error.h"
#include "file.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MOUNT "/sys/fs/bpf"

/* The most events to read at once before other sources get their turn. */
#define EVENTS_PER_WAKE 256

/* Pins are named by path: before Linux 6.5, bpf(2) does not accept a folder's descriptor. */
const Privileges datapath_privileges = {
    .part = "datapath",
    .system_calls =
        SYSTEM_CALLS({"bpf", 1, BPF_MAP_LOOKUP_ELEM}, {"bpf", 1, BPF_MAP_UPDATE_ELEM},
                     {"bpf", 1, BPF_MAP_UPDATE_BATCH}, {"bpf", 1, BPF_MAP_DELETE_ELEM},
                     {"bpf", 1, BPF_MAP_GET_NEXT_KEY}, {"bpf", 1, BPF_OBJ_PIN}, {"unlinkat"}),
};

/* CAP_PERFMON: the programs read an skb's checksum request, which is kernel memory. */
const Privileges datapath_start_privileges = {
    .part = "start",
    .capabilities = CAPABILITY(CAP_BPF) | CAPABILITY(CAP_PERFMON) | CAPABILITY(CAP_NET_ADMIN),
    .system_calls = (const SystemCall[]){{NULL}},
};

/* A device's entry in the maps. */
typedef struct Entry {
    char *port_id; /* NULL: left by an earlier daemon, and no port has claimed it yet */
    gboolean has_settings;
    struct guard_settings settings; /* as last written */
    struct dhcp_port *dhcp;         /* likewise; NULL: none, or not known yet */
    gboolean has_limits;
    struct limit_settings limits; /* likewise */
} Entry;

typedef struct LinuxDatapath {
    Datapath datapath; /* first member: the operations */
    char *folder;      /* "/sys/fs/bpf/NAME" */
    int folder_fd;
    DatapathObject object;
    GHashTable *entries; /* index -> Entry */
    Withheld *withheld;
    gboolean is_pinned;    /* there are pins, */
    gboolean has_old_pins; /* and not of all our maps: an earlier version made them */
    gboolean is_swept; /* leftovers were removed; no other daemon uses the folder, or we would have
                          seen it */
    struct ring_buffer *ring; /* NULL: nobody is watching */
    GSource *source;
    DatapathEventHandler handler;
    gpointer user_data;
    guint n_events; /* read during this wakeup */
    DatapathCaptures *captures;
} LinuxDatapath;

static LinuxDatapath *
linux_datapath(Datapath *datapath)
{
    return (LinuxDatapath *)datapath;
}

static void
entry_free(gpointer data)
{
    Entry *entry = data;

    g_free(entry->port_id);
    g_free(entry->dhcp);
    g_free(entry);
}

/* ---- pins ---- */

static void
remove_pin(LinuxDatapath *datapath, const char *name)
{
    if (unlinkat(datapath->folder_fd, name, 0) < 0 && errno != ENOENT)
        g_warning("cannot remove %s/%s: %s", datapath->folder, name, g_strerror(errno));
}

static void
unpin_maps(LinuxDatapath *datapath)
{
    for (DatapathMap map = 0; map < DATAPATH_MAPS; map++) {
        g_autofree char *path = datapath_pin_path(datapath->folder, map);

        remove_pin(datapath, path + strlen(datapath->folder) + 1);
    }
    datapath->is_pinned = FALSE;
}

/* An existing pin is either a map that did not fit or one that we have opened. */
static gboolean
pin_map(LinuxDatapath *datapath, DatapathMap map)
{
    g_autofree char *path = datapath_pin_path(datapath->folder, map);

    if (bpf_obj_pin(datapath->object.maps[map], path) == 0)
        return TRUE;
    if (errno != EEXIST)
        return FALSE;
    remove_pin(datapath, path + strlen(datapath->folder) + 1);
    return bpf_obj_pin(datapath->object.maps[map], path) == 0;
}

/* Without pins the guard works as well, but a restart loses the counters and learned addresses. */
static void
pin_maps(LinuxDatapath *datapath)
{
    datapath->is_pinned = TRUE;
    datapath->has_old_pins = FALSE;
    for (DatapathMap map = 0; map < DATAPATH_MAPS; map++) {
        if (pin_map(datapath, map))
            continue;
        g_warning("cannot pin the guard's maps in %s, so a restart of macvtapd will lose its "
                  "counters and learned addresses: %s",
                  datapath->folder, g_strerror(errno));
        return;
    }
}

/* ---- entries ---- */

static gboolean
write_zeroes(LinuxDatapath *datapath, DatapathMap map, int index, gsize size, gboolean is_new)
{
    g_autofree char *zeroes = g_malloc0(size);

    return bpf_map_update_elem(datapath->object.maps[map], &index, zeroes,
                               is_new ? BPF_ANY : BPF_NOEXIST) == 0 ||
           (!is_new && errno == EEXIST);
}

static gboolean
write_entry(LinuxDatapath *datapath, int index, const struct guard_settings *settings,
            gboolean is_new, gboolean has_settings)
{
    return (has_settings ||
            (write_zeroes(datapath, DATAPATH_COUNTERS, index, sizeof(struct guard_counters),
                          is_new) &&
             write_zeroes(datapath, DATAPATH_STATE, index, sizeof(struct guard_state), is_new))) &&
           bpf_map_update_elem(datapath->object.maps[DATAPATH_SETTINGS], &index, settings,
                               BPF_ANY) == 0;
}

/* wanted: NULL deletes the entry. */
static gboolean
write_dhcp(LinuxDatapath *datapath, int index, const struct dhcp_port *wanted)
{
    int map = datapath->object.maps[DATAPATH_DHCP];

    if (wanted)
        return bpf_map_update_elem(map, &index, wanted, BPF_ANY) == 0;
    return bpf_map_delete_elem(map, &index) == 0 || errno == ENOENT;
}

static void
delete_limits(LinuxDatapath *datapath, int index)
{
    bpf_map_delete_elem(datapath->object.maps[DATAPATH_LIMITS], &index);
    bpf_map_delete_elem(datapath->object.maps[DATAPATH_LIMITED], &index);
}

static Entry *
find_entry(LinuxDatapath *datapath, int index)
{
    return g_hash_table_lookup(datapath->entries, GINT_TO_POINTER(index));
}

static void
delete_entry(LinuxDatapath *datapath, int index)
{
    const Entry *entry = find_entry(datapath, index);

    if (!entry || !entry->has_settings || entry->settings.addresses == GUARD_ADDRESSES_DHCP)
        withheld_move_learned(datapath->withheld, index, 0);
    delete_limits(datapath, index);
    for (DatapathMap map = DATAPATH_SETTINGS; map < DATAPATH_EVENTS; map++)
        bpf_map_delete_elem(datapath->object.maps[map], &index);
    g_hash_table_remove(datapath->entries, GINT_TO_POINTER(index));
}

static Entry *
add_entry(LinuxDatapath *datapath, int index)
{
    Entry *entry = g_new0(Entry, 1);

    g_hash_table_insert(datapath->entries, GINT_TO_POINTER(index), entry);
    return entry;
}

static const DatapathPrograms *
linux_programs(Datapath *datapath)
{
    return &linux_datapath(datapath)->object.programs;
}

/* What the port is to answer to DHCP; free *ret_dhcp with g_free(). */
static gboolean
make_dhcp(const DatapathPort *port, struct dhcp_port **ret_dhcp, GError **error)
{
    g_autofree struct dhcp_port *dhcp = port->dhcp ? g_new0(struct dhcp_port, 1) : NULL;

    if (dhcp && !datapath_fill_dhcp(port, dhcp, error))
        return FALSE;
    *ret_dhcp = g_steal_pointer(&dhcp);
    return TRUE;
}

/* Returns what to write so that the port's answers, which it keeps, go to its present MAC; NULL:
 * nothing. Free it with g_free(). entry: as last written, or NULL. */
static struct dhcp_port *
keep_dhcp(LinuxDatapath *datapath, const DatapathPort *port, const Entry *entry)
{
    int map = datapath->object.maps[DATAPATH_DHCP];
    g_autofree struct dhcp_port *dhcp = NULL;

    if (entry && memcmp(entry->settings.mac, port->mac.octets, sizeof entry->settings.mac) == 0)
        return NULL;
    dhcp = g_new0(struct dhcp_port, 1);
    if (bpf_map_lookup_elem(map, &port->index, dhcp) < 0 ||
        memcmp(dhcp->mac, port->mac.octets, sizeof dhcp->mac) == 0)
        return NULL;
    datapath_change_dhcp_mac(dhcp, &port->mac);
    return g_steal_pointer(&dhcp);
}

static gboolean
has_same_dhcp(const Entry *entry, const struct dhcp_port *dhcp)
{
    return dhcp && entry->dhcp ? memcmp(dhcp, entry->dhcp, sizeof *dhcp) == 0 : dhcp == entry->dhcp;
}

/* NULL: has no limits. is_new: whatever is there is an earlier device's. is_clear: nothing is. */
static gboolean
write_limits(LinuxDatapath *datapath, int index, const struct limit_settings *limits,
             gboolean is_new, gboolean is_clear)
{
    if (!limits) {
        if (!is_clear)
            delete_limits(datapath, index);
        return TRUE;
    }
    return write_zeroes(datapath, DATAPATH_LIMITED, index, sizeof(struct limit_state), is_new) &&
           bpf_map_update_elem(datapath->object.maps[DATAPATH_LIMITS], &index, limits, BPF_ANY) ==
               0;
}

/* The entry exists. */
static gboolean
set_limits(LinuxDatapath *datapath, Entry *entry, const DatapathPort *port, gboolean is_new,
           gboolean is_clear, GError **error)
{
    struct limit_settings limits;
    gboolean has_limits = datapath_fill_limits(port, &limits);

    if (!is_new && entry->has_settings && entry->has_limits == has_limits &&
        memcmp(&limits, &entry->limits, sizeof limits) == 0)
        return TRUE;
    if (!write_limits(datapath, port->index, has_limits ? &limits : NULL, is_new, is_clear))
        return error_set_errno(error, errno, "cannot write the limits of link %d", port->index);
    entry->has_limits = has_limits;
    entry->limits = limits;
    return TRUE;
}

static gboolean
changes_link(const Entry *entry, const struct guard_settings *settings)
{
    return settings->link != 0 && settings->link != entry->settings.link;
}

/* What a port learned before it had Addresses=dhcp was not checked, nor what it learned elsewhere
 * against what is withheld on this link. */
static guint32
next_recheck(const Entry *entry, const struct guard_settings *settings)
{
    gboolean begins = entry && entry->has_settings &&
                      entry->settings.addresses != GUARD_ADDRESSES_DHCP &&
                      settings->addresses == GUARD_ADDRESSES_DHCP;

    return entry ? entry->settings.recheck + (begins || changes_link(entry, settings)) : 0;
}

static gboolean
linux_set(Datapath *base, const DatapathPort *port, gboolean is_new, GError **error)
{
    LinuxDatapath *datapath = linux_datapath(base);
    Entry *entry = find_entry(datapath, port->index);
    gboolean is_there = entry && entry->has_settings && !is_new;
    gboolean is_clear = !entry; /* no map has anything of this index */
    g_autofree struct dhcp_port *dhcp = NULL;
    struct guard_settings settings;
    gboolean writes_dhcp;

    datapath_fill_settings(port, &settings);
    settings.recheck = next_recheck(entry, &settings);
    if (!make_dhcp(port, &dhcp, error))
        return FALSE;
    if (port->keeps_dhcp)
        dhcp = keep_dhcp(datapath, port, is_there ? entry : NULL);
    writes_dhcp = !port->keeps_dhcp || dhcp;
    if (is_there && memcmp(&settings, &entry->settings, sizeof settings) == 0 &&
        (port->keeps_dhcp || has_same_dhcp(entry, dhcp)))
        return set_limits(datapath, entry, port, is_new, FALSE, error);
    if (!datapath->is_pinned || datapath->has_old_pins)
        pin_maps(datapath);
    if (entry && !is_new && changes_link(entry, &settings))
        withheld_move_learned(datapath->withheld, port->index, settings.link);
    if ((writes_dhcp && !(is_clear && !dhcp) && !write_dhcp(datapath, port->index, dhcp)) ||
        !write_entry(datapath, port->index, &settings, is_new, is_there)) {
        error_set_errno(error, errno, "cannot write the guard settings of link %d", port->index);
        if (!entry)
            delete_entry(datapath, port->index);
        return FALSE;
    }
    if (!entry)
        entry = add_entry(datapath, port->index);
    g_free(entry->port_id);
    entry->port_id = g_strdup(port->port_id);
    if (!set_limits(datapath, entry, port, is_new, is_clear, error))
        return FALSE;
    entry->has_settings = TRUE;
    entry->settings = settings;
    if (writes_dhcp) {
        g_free(entry->dhcp);
        entry->dhcp = g_steal_pointer(&dhcp);
    }
    return TRUE;
}

static void
unpin_if_empty(LinuxDatapath *datapath)
{
    if (datapath->is_pinned && g_hash_table_size(datapath->entries) == 0)
        unpin_maps(datapath);
}

static void
linux_forget(Datapath *base, int index, const char *port_id)
{
    LinuxDatapath *datapath = linux_datapath(base);
    const Entry *entry = find_entry(datapath, index);

    if (!entry || (entry->port_id && !g_str_equal(entry->port_id, port_id)))
        return;
    delete_entry(datapath, index);
    unpin_if_empty(datapath);
}

/* Other files beside our pins belong to daemons with another version of the maps. */
static void
remove_other_pins(LinuxDatapath *datapath)
{
    g_autofree char *ours = g_strdup_printf("v%d-", GUARD_MAP_VERSION);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) names = folder_list(datapath->folder_fd, datapath->folder, &error);

    if (!names)
        g_warning("%s", error->message);
    for (guint i = 0; names && i < names->len; i++) {
        if (!g_str_has_prefix(names->pdata[i], ours))
            remove_pin(datapath, names->pdata[i]);
    }
}

/* DatapathRecheck */
static void
recheck(int index, gpointer user_data)
{
    LinuxDatapath *datapath = user_data;
    int map = datapath->object.maps[DATAPATH_SETTINGS];
    Entry *entry = find_entry(datapath, index);
    struct guard_settings settings;

    if (!entry || bpf_map_lookup_elem(map, &index, &settings) < 0)
        return;
    entry->settings.recheck = ++settings.recheck;
    if (bpf_map_update_elem(map, &index, &settings, BPF_EXIST) < 0)
        g_warning("cannot recheck the addresses that link %d has learned: %s", index,
                  g_strerror(errno));
}

/* When all ports have the programs of this daemon, and it began with other maps: the earlier
 * programs may have done a recheck by theirs. */
static void
recheck_all(LinuxDatapath *datapath)
{
    GHashTableIter iter;
    gpointer index;

    g_hash_table_iter_init(&iter, datapath->entries);
    while (g_hash_table_iter_next(&iter, &index, NULL))
        recheck(GPOINTER_TO_INT(index), datapath);
}

static void
linux_sweep(Datapath *base, DatapathIsWanted is_wanted, gpointer user_data)
{
    LinuxDatapath *datapath = linux_datapath(base);
    g_autoptr(GList) indexes = g_hash_table_get_keys(datapath->entries);

    for (GList *link = indexes; link; link = link->next) {
        int index = GPOINTER_TO_INT(link->data);

        if (!is_wanted(index, user_data))
            delete_entry(datapath, index);
    }
    withheld_sweep(datapath->withheld);
    remove_other_pins(datapath);
    unpin_if_empty(datapath);
    if (!datapath->is_swept && !datapath->object.is_pinned)
        recheck_all(datapath);
    datapath->is_swept = TRUE;
}

/* ---- withheld addresses ---- */

static gboolean
linux_withhold(Datapath *base, const DatapathAddress *addresses, guint n, gboolean is_all,
               GError **error)
{
    LinuxDatapath *datapath = linux_datapath(base);

    return withheld_set(datapath->withheld, addresses, n, is_all, recheck, datapath, error);
}

static gboolean
linux_read(Datapath *base, int index, struct guard_counters *ret_counters,
           struct guard_state *ret_state, GError **error)
{
    const int *maps = linux_datapath(base)->object.maps;
    struct guard_counters counters;
    struct guard_state state;

    if (bpf_map_lookup_elem(maps[DATAPATH_COUNTERS], &index, &counters) < 0 ||
        bpf_map_lookup_elem(maps[DATAPATH_STATE], &index, &state) < 0)
        return error_set_errno(error, errno, "cannot read the guard state of link %d", index);
    if (ret_counters)
        *ret_counters = counters;
    if (ret_state)
        *ret_state = state;
    return TRUE;
}

static gboolean
linux_read_limits(Datapath *base, int index, struct limit_state *ret_state, GError **error)
{
    return bpf_map_lookup_elem(linux_datapath(base)->object.maps[DATAPATH_LIMITED], &index,
                               ret_state) == 0 ||
           error_set_errno(error, errno, "cannot read what the limits of link %d have cost", index);
}

/* ---- events ---- */

/* A negative value ends ring_buffer__consume(); this event has been consumed. */
static int
on_event(void *context, void *data, size_t size)
{
    LinuxDatapath *datapath = context;

    if (size >= sizeof(struct guard_event))
        datapath->handler(data, datapath->user_data);
    return ++datapath->n_events % EVENTS_PER_WAKE == 0 ? -EAGAIN : 0;
}

static gboolean
on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    LinuxDatapath *datapath = user_data;

    ring_buffer__consume(datapath->ring);
    return G_SOURCE_CONTINUE;
}

static gboolean
linux_watch(Datapath *base, DatapathEventHandler handler, gpointer user_data, GError **error)
{
    LinuxDatapath *datapath = linux_datapath(base);

    datapath->handler = handler;
    datapath->user_data = user_data;
    datapath->ring =
        ring_buffer__new(datapath->object.maps[DATAPATH_EVENTS], on_event, datapath, NULL);
    if (!datapath->ring)
        return error_set_errno(error, errno, "cannot read datapath events");
    datapath->source = g_unix_fd_source_new(ring_buffer__epoll_fd(datapath->ring), G_IO_IN);
    g_source_set_callback(datapath->source, G_SOURCE_FUNC(on_readable), datapath, NULL);
    g_source_set_name(datapath->source, "datapath");
    g_source_attach(datapath->source, g_main_context_get_thread_default());
    return TRUE;
}

/* ---- captures ---- */

static gboolean
linux_watch_frames(Datapath *base, const DatapathFrameHandler *handler, gpointer user_data,
                   GError **error)
{
    return datapath_captures_watch(linux_datapath(base)->captures, handler, user_data, error);
}

static gboolean
linux_capture(Datapath *base, const DatapathCapture *wanted, GError **error)
{
    return datapath_captures_set(linux_datapath(base)->captures, wanted, error);
}

static guint64
linux_capture_lost(Datapath *base, int index)
{
    return datapath_captures_lost(linux_datapath(base)->captures, index);
}

/* ---- from open to free ---- */

static void
linux_free(Datapath *base)
{
    LinuxDatapath *datapath = linux_datapath(base);

    if (datapath->source) {
        g_source_destroy(datapath->source);
        g_source_unref(datapath->source);
    }
    ring_buffer__free(datapath->ring);
    datapath_captures_free(datapath->captures);
    host_filter_free(base->host_filter);
    if (datapath->is_swept && !datapath->is_pinned)
        unlinkat(AT_FDCWD, datapath->folder,
                 AT_REMOVEDIR); /* fails if it is not empty, which is fine */
    descriptor_clear(&datapath->folder_fd);
    datapath_unload(&datapath->object);
    g_clear_pointer(&datapath->entries, g_hash_table_unref);
    g_clear_pointer(&datapath->withheld, withheld_free);
    g_free(datapath->folder);
    g_free(datapath);
}

static const DatapathOps linux_ops = {
    .programs = linux_programs,
    .set = linux_set,
    .forget = linux_forget,
    .sweep = linux_sweep,
    .withhold = linux_withhold,
    .read = linux_read,
    .read_limits = linux_read_limits,
    .watch = linux_watch,
    .watch_frames = linux_watch_frames,
    .capture = linux_capture,
    .capture_lost = linux_capture_lost,
    .free = linux_free,
};

static gboolean
is_bpf_file_system(void)
{
    struct statfs file_system;

    return statfs(MOUNT, &file_system) == 0 && (guint32)file_system.f_type == BPF_FS_MAGIC;
}

/* Nobody else may put maps there that we would mistake for ours. */
static gboolean
open_folder(LinuxDatapath *datapath, GError **error)
{
    struct stat status;

    if (!is_bpf_file_system()) {
        g_set_error(error, ERRNO_ERROR, ENOENT,
                    MOUNT " is not a BPF file system (mount -t bpf bpf " MOUNT ")");
        return FALSE;
    }
    if (mkdir(datapath->folder, 0700) < 0 && errno != EEXIST)
        return error_set_errno(error, errno, "cannot make %s", datapath->folder);
    datapath->folder_fd = open(datapath->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (datapath->folder_fd < 0 || fstat(datapath->folder_fd, &status) < 0)
        return error_set_errno(error, errno, "cannot open %s", datapath->folder);
    if (status.st_uid == geteuid() && (status.st_mode & 077) == 0)
        return TRUE;
    g_set_error(error, ERRNO_ERROR, EPERM, "%s is accessible to users other than root",
                datapath->folder);
    return FALSE;
}

/* Fetch the next keys before deleting any of these. */
static void
find_entries_in(LinuxDatapath *datapath, DatapathMap map)
{
    int fd = datapath->object.maps[map], index;
    const int *previous = NULL;

    for (; bpf_map_get_next_key(fd, previous, &index) == 0; previous = &index) {
        Entry *entry = find_entry(datapath, index);
        struct guard_settings settings;

        if (!entry)
            entry = add_entry(datapath, index);
        if (map == DATAPATH_SETTINGS && bpf_map_lookup_elem(fd, &index, &settings) == 0) {
            entry->settings.link = settings.link;
            entry->settings.recheck = settings.recheck;
        }
    }
}

/* An earlier daemon may have been killed before it had written all of an entry, or removed it. */
static void
find_entries(LinuxDatapath *datapath)
{
    static const DatapathMap maps[] = {DATAPATH_SETTINGS, DATAPATH_COUNTERS, DATAPATH_STATE,
                                       DATAPATH_DHCP,     DATAPATH_LIMITS,   DATAPATH_LIMITED};

    for (guint i = 0; i < G_N_ELEMENTS(maps); i++)
        find_entries_in(datapath, maps[i]);
    datapath->is_pinned = g_hash_table_size(datapath->entries) > 0;
    datapath->has_old_pins = !datapath->object.is_pinned;
}

Datapath *
datapath_open(const char *name, GError **error)
{
    LinuxDatapath *datapath = g_new0(LinuxDatapath, 1);
    g_autoptr(Datapath) owner = &datapath->datapath;

    datapath->datapath.ops = &linux_ops;
    datapath->folder_fd = -1;
    datapath->folder = datapath_folder(name);
    datapath->entries = g_hash_table_new_full(NULL, NULL, NULL, entry_free);
    datapath->withheld = withheld_new(datapath->object.maps);
    if (!open_folder(datapath, error) || !datapath_load(datapath->folder, &datapath->object, error))
        return NULL;
    datapath->captures = datapath_captures_new(datapath->object.capture_table,
                                               datapath->object.capture_frames, error);
    if (!datapath->captures)
        return NULL;
    owner->host_filter = host_filter_open(error);
    if (!owner->host_filter)
        return NULL;
    find_entries(datapath);
    withheld_load(datapath->withheld);
    return g_steal_pointer(&owner);
}
