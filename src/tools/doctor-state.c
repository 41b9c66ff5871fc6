/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks: macvtapd itself, its files, and its leftovers. */
#include "doctor.h"

#include "config.h"
#include "interface-name.h"
#include "port-error.h"
#include "port.h"

#include <string.h>

#define CONFIG_FOLDER "/etc/macvtapd"

/* With an error in macvtapd.conf it does not start. */
static gboolean
explain_unreachable(Doctor *doctor)
{
    g_autofree char *folder = g_strdup_printf("%s" CONFIG_FOLDER, doctor->root);
    g_auto(DaemonSettings) settings = {0};
    g_autoptr(GError) error = NULL;

    if (config_read_daemon(folder, &settings, &error) ||
        !g_error_matches(error, PORT_ERROR, PORT_ERROR_NETWORK_INVALID))
        return FALSE;
    doctor_problem(doctor, "macvtapd", NULL,
                   "correct " CONFIG_FOLDER "/macvtapd.conf, then systemctl restart macvtapd",
                   "%s, and would not start again because of this error in its settings: %s",
                   doctor->unreachable, error->message);
    return TRUE;
}

void
doctor_check_daemon(Doctor *doctor)
{
    if (!doctor->unreachable)
        doctor_good(doctor, "macvtapd answers");
    else if (!explain_unreachable(doctor))
        doctor_problem(doctor, "macvtapd", NULL,
                       "systemctl enable --now macvtapd.socket macvtapd.service; if it does not"
                       " stay up, journalctl -u macvtapd says why",
                       "%s", doctor->unreachable);
}

void
doctor_check_place(Doctor *doctor)
{
    if (!doctor->is_here)
        doctor_note(doctor, "macvtapd", NULL,
                    "run macvtapctl doctor where macvtapd runs (nsenter --net --target PID)",
                    "it works in another network namespace, so its parents and the devices of its"
                    " ports cannot be looked at from here");
}

void
doctor_check_faults(Doctor *doctor)
{
    for (gsize i = 0; i < macvtap_request_get_n_faults(doctor->answer); i++) {
        const MacvtapFault *fault = macvtap_request_get_fault(doctor->answer, i);

        if (g_str_equal(macvtap_fault_get_code(fault), doctor->check->code))
            doctor_problem(doctor, macvtap_fault_get_subject(fault), NULL,
                           macvtap_fault_get_remedy(fault), "%s", macvtap_fault_get_message(fault));
    }
}

/* The ifindexes of the ports' devices as a set; g_hash_table_unref() it. */
static GHashTable *
list_devices(const Doctor *doctor)
{
    GHashTable *set = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < doctor->ports->len; i++)
        g_hash_table_add(
            set, GINT_TO_POINTER(macvtap_port_get_interface_index(doctor->ports->pdata[i])));
    return set;
}

/* The alias identifies our devices, whatever their names; macvtapd removes a stray device at its
 * next start, unless its record was set aside. */
void
doctor_check_strays(Doctor *doctor)
{
    g_autoptr(GHashTable) devices = list_devices(doctor);

    for (guint i = 0; i < doctor->links->len; i++) {
        const LinkInfo *link = &g_array_index(doctor->links, LinkInfo, i);
        const char *id = port_alias_id(link->alias);
        char name[INTERFACE_NAME_TEXT_SIZE];
        g_autofree char *remedy = NULL;

        if (!g_str_equal(link->kind, "macvtap") ||
            g_hash_table_contains(devices, GINT_TO_POINTER(link->index)) ||
            (!id && !g_str_has_prefix(link->name, "mvt")))
            continue;
        interface_name_format(link->name, name);
        remedy = g_strdup_printf("if no guest uses it, ip link delete %s", name);
        doctor_problem(
            doctor, "device", name, remedy,
            "it %s%s, but no port has it: macvtapd does not manage it, and its MAC stays in use",
            id ? "has the alias macvtapd:" : "is named like a port's device", id ? id : "");
    }
}
