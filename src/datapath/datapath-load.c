/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath-private.h"

#include "descriptor.h"
#include "error.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

static const char *const map_names[] = {
    [DATAPATH_SETTINGS] = "settings", [DATAPATH_COUNTERS] = "counters",
    [DATAPATH_STATE] = "state",       [DATAPATH_DHCP] = "dhcp",
    [DATAPATH_EVENTS] = "events",     [DATAPATH_LIMITS] = "limits",
    [DATAPATH_LIMITED] = "limited",   [DATAPATH_WITHHELD] = "withheld",
    [DATAPATH_LEARNERS] = "learners",
};
G_STATIC_ASSERT(G_N_ELEMENTS(map_names) == DATAPATH_MAPS);

#define EGRESS_PROGRAM "from_guest"
#define INGRESS_PROGRAM "to_guest"

char *
datapath_pin_path(const char *folder, DatapathMap map)
{
    return g_strdup_printf("%s/v%d-%s", folder, GUARD_MAP_VERSION, map_names[map]);
}

/* libbpf's own messages go only to the debug log (G_MESSAGES_DEBUG): we word the error ourselves.
 * */
static int
keep_to_oneself(enum libbpf_print_level level, const char *format, va_list arguments)
{
    g_autofree char *text = g_strdup_vprintf(format, arguments);

    g_debug("%s", g_strchomp(text));
    return 0;
}

typedef enum Fit {
    FIT_NOT,
    FIT_COPIED, /* its values are shorter, or there is room for fewer */
    FIT_AS_IT_IS,
} Fit;

/* Whether the object can use the pinned map for its own, or take over its entries. */
static Fit
find_fit(int fd, const struct bpf_map *map)
{
    struct bpf_map_info info = {0};
    guint32 size = sizeof info, value_size = bpf_map__value_size(map);
    guint32 max_entries = bpf_map__max_entries(map);

    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 || info.type != bpf_map__type(map) ||
        info.key_size != bpf_map__key_size(map) || info.map_flags != bpf_map__map_flags(map) ||
        info.value_size > value_size || info.max_entries > max_entries)
        return FIT_NOT;
    return info.value_size == value_size && info.max_entries == max_entries ? FIT_AS_IT_IS
                                                                            : FIT_COPIED;
}

/* Each member that a value has gained is 0. */
static void
copy_entries(int from, const struct bpf_map *to)
{
    g_autofree char *value = g_malloc0(bpf_map__value_size(to));
    g_autofree char *key = g_malloc(bpf_map__key_size(to));
    const char *previous = NULL;

    for (; bpf_map_get_next_key(from, previous, key) == 0; previous = key) {
        if (bpf_map_lookup_elem(from, key, value) < 0 ||
            bpf_map_update_elem(bpf_map__fd(to), key, value, BPF_NOEXIST) < 0)
            g_warning("cannot take over an entry of the guard's map %s: %s", bpf_map__name(to),
                      g_strerror(errno));
    }
}

/* An earlier daemon's maps; -1: none, or one that is used as it is. */
typedef struct EarlierMaps {
    int fds[DATAPATH_MAPS];
} EarlierMaps;

static void
earlier_maps_clear(EarlierMaps *maps)
{
    for (DatapathMap map = 0; map < DATAPATH_MAPS; map++)
        descriptor_clear(&maps->fds[map]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EarlierMaps, earlier_maps_clear)

static gboolean
find_map(const char *folder, DatapathObject *object, DatapathMap map, int *ret_earlier,
         GError **error)
{
    struct bpf_map *made = bpf_object__find_map_by_name(object->object, map_names[map]);
    g_autofree char *path = datapath_pin_path(folder, map);
    AUTO_FD int fd = -1;
    Fit fit;

    if (!made)
        return error_set_errno(error, ENOENT, "macvtapd's BPF object lacks the map %s",
                               map_names[map]);
    fd = bpf_obj_get(path);
    fit = find_fit(fd, made);
    object->is_pinned &= fit == FIT_AS_IT_IS;
    if (fit == FIT_COPIED)
        *ret_earlier = g_steal_fd(&fd);
    else if (fit == FIT_AS_IT_IS && bpf_map__reuse_fd(made, fd) < 0)
        return error_set_errno(error, errno, "cannot use the map %s", path);
    return TRUE;
}

static void
take_maps(DatapathObject *object, const EarlierMaps *earlier)
{
    for (DatapathMap map = 0; map < DATAPATH_MAPS; map++) {
        const struct bpf_map *made = bpf_object__find_map_by_name(object->object, map_names[map]);

        object->maps[map] = bpf_map__fd(made);
        if (earlier->fds[map] >= 0)
            copy_entries(earlier->fds[map], made);
    }
}

gboolean
datapath_find_program(struct bpf_object *object, const char *name, DatapathProgram *ret_program,
                      GError **error)
{
    const struct bpf_program *program = bpf_object__find_program_by_name(object, name);
    struct bpf_prog_info info = {0};
    guint32 size = sizeof info;

    if (!program || bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) < 0)
        return error_set_errno(error, program ? errno : ENOENT, "cannot use the BPF program %s",
                               name);
    *ret_program = (DatapathProgram){.fd = bpf_program__fd(program), .id = info.id};
    return TRUE;
}

static gboolean
say_refused(int errnum, GError **error)
{
    if (errnum == EPERM)
        g_set_error(error, ERRNO_ERROR, errnum,
                    "macvtapd is not permitted to load BPF programs: it was started without "
                    "CAP_BPF and CAP_PERFMON, or the kernel is locked down");
    else if (errnum == ENOSYS)
        g_set_error(error, ERRNO_ERROR, errnum, "this kernel does not support BPF");
    else
        error_set_errno(error, errnum, "this kernel refuses macvtapd's BPF programs");
    return FALSE;
}

static gboolean
load(const char *folder, DatapathObject *object, GError **error)
{
    g_auto(EarlierMaps) earlier;
    int r;

    memset(&earlier, 0xff, sizeof earlier); /* -1 */
    object->is_pinned = TRUE;
    object->object = bpf_object__open_mem(guard_object, guard_object_size, NULL);
    if (!object->object)
        return error_set_errno(error, errno, "cannot read macvtapd's BPF object");
    for (DatapathMap map = 0; map < DATAPATH_MAPS; map++) {
        if (!find_map(folder, object, map, &earlier.fds[map], error))
            return FALSE;
    }
    r = bpf_object__load(object->object);
    if (r < 0)
        return say_refused(-r, error);
    take_maps(object, &earlier);
    object->capture_table = bpf_object__find_map_fd_by_name(object->object, "capture_table");
    object->capture_frames = bpf_object__find_map_fd_by_name(object->object, "capture_frames");
    return datapath_find_program(object->object, EGRESS_PROGRAM, &object->programs.egress, error) &&
           datapath_find_program(object->object, INGRESS_PROGRAM, &object->programs.ingress, error);
}

gboolean
datapath_load(const char *folder, DatapathObject *ret_object, GError **error)
{
    DatapathObject object = {0};

    libbpf_set_print(keep_to_oneself);
    if (!load(folder, &object, error)) {
        datapath_unload(&object);
        return FALSE;
    }
    *ret_object = object;
    return TRUE;
}

void
datapath_unload(DatapathObject *object)
{
    bpf_object__close(object->object);
    object->object = NULL;
}
