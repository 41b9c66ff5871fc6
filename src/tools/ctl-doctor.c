/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor.h"
#include "macvtapctl.h"

#include "file.h"
#include "linux.h"
#include "output.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define DAEMON DOCTOR_NEEDS_DAEMON
#define HERE DOCTOR_NEEDS_HERE
#define ROOT DOCTOR_NEEDS_ROOT

/* In the order of display. A code never changes, and macvtapctl(1) lists them all. */
static const DoctorCheck checks[] = {
    {"daemon-unreachable", doctor_check_daemon, 0},
    {"daemon-elsewhere", doctor_check_place, DAEMON},
    {"settings-invalid", doctor_check_faults, DAEMON},
    {"kernel-macvtap", doctor_check_macvtap, 0},
    {"kernel-vlan", doctor_check_vlans, DAEMON},
    {"vhost-missing", doctor_check_vhost, 0},
    {"vhost-closed", doctor_check_vhost_users, 0},
    {"network-invalid", doctor_check_networks, DAEMON},
    {"network-parent", doctor_check_parents, DAEMON},
    {"network-vlan-taken", doctor_check_taken_vlans, HERE},
    {"network-unguarded", doctor_check_unguarded, DAEMON},
    {"parent-no-carrier", doctor_check_carrier, HERE},
    {"passthru-of-host", doctor_check_passthru, HERE},
    {"address-conflict", doctor_check_faults, DAEMON},
    {"address-heard", doctor_check_faults, DAEMON},
    {"address-not-withheld", doctor_check_faults, DAEMON},
    {"files-changed", doctor_check_files, DAEMON},
    {"file-ignored", doctor_check_faults, DAEMON},
    {"port-gone", doctor_check_devices, DAEMON},
    {"port-damaged", doctor_check_repairs, DAEMON},
    {"port-link-down", doctor_check_links, DAEMON},
    {"no-sources", doctor_check_sources, DAEMON},
    {"port-outdated", doctor_check_outdated, DAEMON},
    {"port-mtu", doctor_check_mtu, DAEMON},
    {"port-mac-taken", doctor_check_macs, HERE},
    {"port-dropped", doctor_check_drops, DAEMON},
    {"port-no-guard", doctor_check_unguarded_ports, DAEMON},
    {"port-no-address", doctor_check_no_address, DAEMON},
    {"port-no-process", doctor_check_users, HERE | ROOT},
    {"port-no-domain", doctor_check_domains, HERE},
    {"port-address", doctor_check_addresses, HERE},
    {"port-ipv6", doctor_check_ipv6, HERE},
    {"port-listener", doctor_check_listeners, HERE},
    {"host-link-firewall", doctor_check_host_rules, HERE | ROOT},
    {"host-link-arp", doctor_check_host_arp, HERE},
    {"record-set-aside", doctor_check_faults, DAEMON},
    {"device-stray", doctor_check_strays, HERE | ROOT},
    {"libvirt-hook", ctl_check_libvirt, 0},
};

static Kernel *
open_kernel(void)
{
    AUTO_FD int sysfs_fd = folder_open("/sys", NULL);
    AUTO_FD int dev_fd = folder_open("/dev", NULL);

    return sysfs_fd < 0 || dev_fd < 0
               ? NULL
               : kernel_linux_new(g_steal_fd(&sysfs_fd), g_steal_fd(&dev_fd), NULL);
}

/* The message for people of a nft(8) that failed. Free with g_free(). */
static char *
describe_failure(const char *output, const GError *cause)
{
    g_autofree char *line = g_strndup(output, strcspn(output, "\n"));

    return line[0] ? g_strdup_printf("%s (%s)", line, cause->message) : g_strdup(cause->message);
}

/* The firewall's rules, for root; without nft(8), neither they nor a reason why not. */
static void
list_rules(Doctor *doctor)
{
    const char *const command[] = {"nft", "list", "ruleset", NULL};
    g_autofree char *text = NULL, *output = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    if (!doctor->is_root)
        return;
    if (g_spawn_sync(NULL, (char **)command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &text, &output,
                     &status, &error) &&
        g_spawn_check_wait_status(status, &error))
        doctor->ruleset = g_steal_pointer(&text);
    else if (!g_error_matches(error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT))
        doctor->ruleset_problem = describe_failure(output ? output : "", error);
}

static void
look_at_machine(Doctor *doctor)
{
    struct utsname machine = {0};

    uname(&machine);
    doctor->release = g_strdup(machine.release);
    doctor->kernel = open_kernel();
    if (doctor->kernel)
        doctor->links = doctor->kernel->ops->link_list(doctor->kernel, NULL);
    doctor->addresses = host_list_addresses();
    doctor->processes = host_list_processes(doctor->root);
}

static gboolean
ask_daemon(Doctor *doctor, Ctl *ctl, GError **error)
{
    g_autoptr(MacvtapClient) client =
        ask_connect_within(ctl->socket, MACVTAP_TIMEOUT_DEFAULT, error);

    if (!client || !ask(client, doctor->answer, error))
        return FALSE;
    doctor->is_here = host_has_daemon(macvtap_client_get_peer_pid(client));
    doctor->networks = ask_take_networks(doctor->answer);
    doctor->ports = ask_ports(client, NULL, FALSE, error);
    return doctor->ports != NULL;
}

/* The machine is read first, so that macvtapd's later answer has a port for each device found. */
static void
look_around(Doctor *doctor, Ctl *ctl)
{
    g_autoptr(GError) error = NULL;

    look_at_machine(doctor);
    if (!ask_daemon(doctor, ctl, &error))
        doctor->unreachable = g_strdup(error->message);
}

int
ctl_doctor(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(Doctor) doctor = doctor_new("", geteuid() == 0);
    g_autofree char *text = NULL;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 0, 0, "", error))
        return 2;
    list_rules(doctor);
    /* Only nft needs the right to change the network. */
    if (!capabilities_keep(CTL_LOOK_AT_PROCESSES, error))
        return 1;
    look_around(doctor, ctl);
    doctor_run(doctor, checks, G_N_ELEMENTS(checks));
    text = doctor_to_text(doctor);
    if (ctl->json)
        output_json(doctor_to_json(doctor));
    else
        g_print("%s", text);
    return doctor_count_problems(doctor) > 0;
}
