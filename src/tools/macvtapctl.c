/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "macvtapctl.h"

/* For root: the agents, and monitors, of other users. */
#define REACH_AGENTS CAPABILITY(CAP_DAC_OVERRIDE)
/* To write where root may, in folders of other users. */
#define WRITE_FILE CAPABILITY(CAP_DAC_OVERRIDE)
/* For nft(8), which lists the firewall's rules to nobody else. */
#define LIST_RULES CAPABILITY(CAP_NET_ADMIN)

static const Command commands[] = {
    {"network", "list", ctl_network_list, "", "List the networks you may use"},
    {"network", "show", ctl_network_show, "NET", "Show one network and its ports"},
    {"network", "probe", ctl_network_probe, "NET",
     "Create a port for a moment and check whether a guest would work on it",
     .capabilities = CTL_LOOK_AT_PROCESSES | CAPABILITY(CAP_NET_RAW)},
    {"port", "list", ctl_port_list, "[--network NET]", "List your ports (root: everybody's)"},
    {"port", "show", ctl_port_show, "PORT", "Show one port, by id, name or interface",
     .capabilities = CTL_LOOK_AT_PROCESSES},
    {"port", "create", ctl_port_create, "", "Make a port", .capabilities = CTL_LOOK_AT_PROCESSES,
     .options = FIELD_USE_REQUEST},
    {"port", "set", ctl_port_set, "PORT ", "Change a port", .options = FIELD_USE_CHANGE},
    {"port", "delete", ctl_port_delete, "PORT... | --network NET | --all",
     "Remove ports: the named ones, those of a network, or all of yours (root: everybody's)"},
    {"port", "open", ctl_port_open, "PORT[,KEY=VALUE...] -- CMD [ARG...]",
     "Start CMD with the queues of a port, as macvtap-run --port does", .starts_programs = TRUE},
    {"port", "cloud-init", ctl_port_cloud_init, "PORT...",
     "Print cloud-init's network-config for the guest with these ports"},
    {"port", "capture", ctl_port_capture, "PORT [--dropped] [-w FILE] [FILTER...]",
     "Show the frames that a port's guest sends and gets", .capabilities = WRITE_FILE},
    {"vm", "list", ctl_vm_list, "[--qmp PATH]", "List running VMs with an agent, and their ports",
     .capabilities = REACH_AGENTS},
    {"vm", "attach", ctl_vm_attach, "VM --network NET | --qmp PATH --network NET",
     "Make a port and plug it into a running VM", .capabilities = REACH_AGENTS},
    {"vm", "detach", ctl_vm_detach, "VM PORT | --qmp PATH PORT",
     "Unplug a port from a running VM, and end it", .capabilities = REACH_AGENTS},
    {"domain", NULL, ctl_domain, "attach|detach|list|check|hook|xml ...",
     "Manage ports in libvirt's domains (see macvtapctl domain --help)", .starts_programs = TRUE},
    {"log", NULL, ctl_log, "[--port PORT] [--follow|-f] [--lines|-n N]",
     "Show who got which port, who was refused one, and why ports ended (by journalctl)"},
    {"monitor", NULL, ctl_monitor, "", "Show changes as they happen"},
    {"metrics", NULL, ctl_metrics, "", "Print numbers for Prometheus: traffic, drops, ports"},
    {"reload", NULL, ctl_reload, "", "Make macvtapd read its files again, and print the result"},
    {"doctor", NULL, ctl_doctor, "", "Look for problems that would keep a VM from its network",
     .capabilities = CTL_LOOK_AT_PROCESSES | LIST_RULES},
    {NULL},
};

int
main(int argc, char **argv)
{
    const CommandProgram program = {.summary = "Administer macvtapd's networks and ports.",
                                    .commands = commands};

    return command_main(&program, argc, argv);
}
