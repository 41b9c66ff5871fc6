/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hot-plug.h"

#include <string.h>

typedef struct Finding {
    Qmp *qmp;
    json_t *target;
    HotPlugDone done;
    gpointer user_data;
} Finding;

/* Host bridges of PCI Express: their own bus takes no device while QEMU runs, as its slots are part
 * of the chipset. Vendor and device: q35's (hw/pci-host/q35.c), and the one of ARM's and RISC-V's
 * "virt" (gpex.c). */
static const struct {
    guint vendor, device;
} express_bridges[] = {{0x8086, 0x29c0}, {0x1b36, 0x0008}};

void
hot_plug_clear(HotPlug *place)
{
    g_clear_pointer(&place->driver, g_free);
    g_clear_pointer(&place->bus, g_free);
}

static gboolean
is_express_bridge(const json_t *device)
{
    const json_t *id = json_object_get(device, "id");

    for (guint i = 0; i < G_N_ELEMENTS(express_bridges); i++) {
        if (json_integer_value(json_object_get(id, "vendor")) == express_bridges[i].vendor &&
            json_integer_value(json_object_get(id, "device")) == express_bridges[i].device)
            return TRUE;
    }
    return FALSE;
}

/* The name of a bridge's empty bus: QEMU calls it as the bridge itself. */
static const char *
empty_bus(const json_t *device)
{
    const json_t *bridge = json_object_get(device, "pci_bridge");
    const char *name = json_string_value(json_object_get(device, "qdev_id"));

    return bridge && name && name[0] && json_array_size(json_object_get(bridge, "devices")) == 0
               ? name
               : NULL;
}

/* The best empty bus below devices: macvtap-run's own are for this. */
static const char *
find_bus(const json_t *devices, const char *best)
{
    for (gsize i = 0; i < json_array_size(devices); i++) {
        const json_t *device = json_array_get(devices, i);
        const char *name = empty_bus(device);

        if (name && (!best || (g_str_has_prefix(name, HOT_PLUG_SLOT) &&
                               !g_str_has_prefix(best, HOT_PLUG_SLOT))))
            best = name;
        best = find_bus(json_object_get(json_object_get(device, "pci_bridge"), "devices"), best);
    }
    return best;
}

static gboolean
has_express_bridge(json_t *buses)
{
    for (gsize i = 0; i < json_array_size(buses); i++) {
        const json_t *devices = json_object_get(json_array_get(buses, i), "devices");

        for (gsize j = 0; j < json_array_size(devices); j++) {
            if (is_express_bridge(json_array_get(devices, j)))
                return TRUE;
        }
    }
    return FALSE;
}

static gboolean
refuse(GError **error, const char *message)
{
    g_set_error_literal(error, QMP_ERROR, QMP_ERROR_REFUSED, message);
    return FALSE;
}

gboolean
hot_plug_choose(json_t *target, json_t *buses, HotPlug *ret_place, GError **error)
{
    const char *architecture = json_string_value(json_object_get(target, "arch"));
    gboolean is_ccw = g_strcmp0(architecture, "s390x") == 0;
    const char *bus = NULL;

    if (!is_ccw && json_array_size(buses) == 0)
        return refuse(error, "QEMU's machine has no PCI bus, and takes no device while it runs");
    if (!is_ccw && has_express_bridge(buses)) {
        for (gsize i = 0; i < json_array_size(buses); i++)
            bus = find_bus(json_object_get(json_array_get(buses, i), "devices"), bus);
        if (!bus)
            return refuse(error, "QEMU has no free slot for another device: macvtap-run --agent "
                                 "gives it some, as does -device pcie-root-port,id=ID,chassis=N");
    }
    *ret_place = (HotPlug){g_strdup(is_ccw ? "virtio-net-ccw" : "virtio-net-pci"), g_strdup(bus)};
    return TRUE;
}

static void
finish(Finding *finding, const HotPlug *place, const GError *error)
{
    finding->done(place, error, finding->user_data);
    json_decref(finding->target);
    g_free(finding);
}

static void
on_pci(json_t *value, const GError *error, gpointer user_data)
{
    Finding *finding = user_data;
    g_auto(HotPlug) place = {0};
    g_autoptr(GError) problem = NULL;

    if (error && error->code != QMP_ERROR_REFUSED)
        finish(finding, NULL, error);
    else if (hot_plug_choose(finding->target, value, &place, &problem))
        finish(finding, &place, NULL);
    else
        finish(finding, NULL, problem);
}

static void
on_target(json_t *value, const GError *error, gpointer user_data)
{
    Finding *finding = user_data;

    if (error) {
        finish(finding, NULL, error);
        return;
    }
    finding->target = json_incref(value);
    qmp_call(finding->qmp, "query-pci", NULL, -1, QMP_DEADLINE, on_pci, finding);
}

void
hot_plug_find(Qmp *qmp, HotPlugDone done, gpointer user_data)
{
    Finding *finding = g_new0(Finding, 1);

    finding->qmp = qmp;
    finding->done = done;
    finding->user_data = user_data;
    qmp_call(qmp, "query-target", NULL, -1, QMP_DEADLINE, on_target, finding);
}
