/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-doctor.h"

#include <unistd.h>

guint
doctor_report(gboolean good, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_print("%-8s %s\n", good ? "ok" : "PROBLEM", text);
    return !good;
}

/* Parents that cannot be used; a pool goes on with the others. */
static guint
check_parents(const MacvtapNetwork *network)
{
    g_auto(GStrv) problems = macvtap_network_get_parent_problems(network);
    g_autofree char *parents = macvtap_network_get_text(network, "parents");
    g_auto(GStrv) names = g_strsplit(parents, " ", -1);
    guint n = g_strv_length(problems);
    gboolean others = n < g_strv_length(names);

    for (guint i = 0; i < n; i++)
        doctor_report(FALSE, "network %s: %s%s", macvtap_network_get_name(network), problems[i],
                      others ? " (its other parents are used)" : "");
    return n;
}

/* It may be meant so: a trunk whose guests use no tags themselves loses nothing. */
static void
note_taken_vlans(const MacvtapNetwork *network)
{
    g_auto(GStrv) taken = macvtap_network_get_taken_vlans(network);

    for (guint i = 0; taken[i]; i++)
        g_print("%-8s network %s: %s\n", "note", macvtap_network_get_name(network), taken[i]);
}

static guint
check_networks(GPtrArray *networks)
{
    guint problems = 0;

    for (guint i = 0; i < networks->len; i++) {
        const MacvtapNetwork *network = networks->pdata[i];
        const char *problem = macvtap_network_get_problem(network);
        const char *name = macvtap_network_get_name(network);
        guint unusable = problem ? 0 : check_parents(network);

        problems += unusable;
        if (problem)
            problems += doctor_report(FALSE, "network %s: %s", name, problem);
        else if (unusable == 0)
            doctor_report(TRUE, "network %s: %s, %u ports", name, macvtap_network_get_mode(network),
                          macvtap_network_get_n_ports(network));
        note_taken_vlans(network);
    }
    if (networks->len == 0)
        g_print("%-8s there is no network that you may use\n", "note");
    return problems;
}

/* What an administrator has written and macvtapd has not read. */
static guint
check_files(MacvtapClient *client)
{
    g_auto(GStrv) changes = macvtap_client_list_file_changes(client, NULL);
    guint problems = 0;

    for (guint i = 0; changes && changes[i]; i++)
        problems += doctor_report(FALSE, "%s since macvtapd read the networks: macvtapctl reload",
                                  changes[i]);
    return problems;
}

static guint
check_ports(GPtrArray *ports)
{
    guint problems = 0;

    for (guint i = 0; i < ports->len; i++) {
        const MacvtapPort *port = ports->pdata[i];

        if (!g_str_equal(macvtap_port_get_state(port), "active"))
            problems += doctor_report(FALSE, "port %s is %s", macvtap_port_get_name(port),
                                      macvtap_port_get_state(port));
    }
    return problems;
}

int
ctl_doctor(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) networks = NULL, ports = NULL;
    guint problems;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 0, 0, "", error))
        return 2;
    client = ctl_connect(ctl, error);
    networks = client ? macvtap_client_list_networks(client, error) : NULL;
    ports = networks ? macvtap_client_list_ports(client, NULL, error) : NULL;
    if (!ports)
        return 1;
    doctor_report(TRUE, "macvtapd answers");
    problems = doctor_check_kernel(networks) + check_networks(networks) + check_files(client) +
               check_ports(ports) + doctor_check_host(ports);
    if (access("/dev/vhost-net", F_OK) == 0)
        doctor_report(TRUE, "/dev/vhost-net is there");
    else
        g_print("%-8s no /dev/vhost-net: guests do without vhost (modprobe vhost_net)\n", "note");
    problems += ctl_doctor_libvirt();
    return problems > 0;
}
