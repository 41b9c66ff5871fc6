/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks: what on the host keeps it and its guests from reaching each other by a host link. */
#include "doctor.h"

#include <string.h>

#define RULES_MAX 8 /* of one host link, in the list */

/* Calls visit for each host link. */
static void
each_host_link(Doctor *doctor, void (*visit)(Doctor *doctor, const char *name, const char *parent))
{
    for (guint i = 0; i < doctor->networks->len; i++) {
        json_t *network = json_loads(macvtap_network_get_json(doctor->networks->pdata[i]), 0, NULL);
        json_t *link;
        gsize j;

        json_array_foreach (json_object_get(network, "hostLinks"), j, link) {
            const char *name = json_string_value(json_object_get(link, "interfaceName"));
            const char *parent = json_string_value(json_object_get(link, "parent"));

            if (name && parent)
                visit(doctor, name, parent);
        }
        json_decref(network);
    }
}

/* As nft(8) writes names, in quotes. */
static gboolean
names(const char *rule, const char *interface)
{
    g_autofree char *quoted = g_strdup_printf("\"%s\"", interface);

    return strstr(rule, quoted) != NULL;
}

static void
check_rules(Doctor *doctor, const char *name, const char *parent)
{
    g_auto(GStrv) lines = g_strsplit(doctor->ruleset, "\n", -1);
    g_autoptr(GPtrArray) rules = g_ptr_array_new();
    g_autofree char *list = NULL;
    guint n_rules = 0;

    for (char **line = lines; *line; line++) {
        if (!names(*line, parent) || names(*line, name))
            continue;
        if (n_rules++ < RULES_MAX)
            g_ptr_array_add(rules, g_strstrip(*line));
    }
    if (n_rules == 0)
        return;
    g_ptr_array_add(rules, NULL);
    list = g_strjoinv("; ", (char **)rules->pdata);
    doctor_note(doctor, "host link", name,
                "add the same rules for the host link, or name both (see docs/host-access.md)",
                "%u firewall rule%s for %s do%s not apply to what the host exchanges with its "
                "guests, which goes through %s: %s%s",
                n_rules, n_rules == 1 ? "" : "s", parent, n_rules == 1 ? "es" : "", name, list,
                n_rules > RULES_MAX ? "; …" : "");
}

static void
note_unread_rules(Doctor *doctor, const char *name, const char *parent)
{
    doctor_note(doctor, "host link", name,
                "run nft list ruleset as root, and add rules that name the parent for the host "
                "link, too (see docs/host-access.md)",
                "cannot read the ruleset, so it is not known whether firewall rules for %s miss "
                "it: nft list ruleset: %s",
                parent, doctor->ruleset_problem);
}

void
doctor_check_host_rules(Doctor *doctor)
{
    if (doctor->ruleset)
        each_host_link(doctor, check_rules);
    else if (doctor->ruleset_problem)
        each_host_link(doctor, note_unread_rules);
}

static void
check_arp(Doctor *doctor, const char *name, const char *parent)
{
    g_autofree char *path =
        g_strdup_printf("%s/proc/sys/net/ipv4/conf/all/arp_ignore", doctor->root);
    g_autofree char *value = NULL;

    if (g_file_get_contents(path, &value, NULL, NULL) && g_ascii_strtoull(value, NULL, 10) > 0)
        doctor_problem(
            doctor, "host link", name,
            "sysctl -w net.ipv4.conf.all.arp_ignore=0; set it for single interfaces "
            "instead, not for all",
            "the host does not answer ARP from its guests, because arp_ignore is set for "
            "all interfaces and its addresses are on %s",
            parent);
}

void
doctor_check_host_arp(Doctor *doctor)
{
    each_host_link(doctor, check_arp);
}
