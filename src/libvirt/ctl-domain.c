/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * macvtapctl-domain: `macvtapctl domain …` becomes this program, so that macvtapctl itself needs no
 * libvirt.
 */
#include "ctl-domain.h"

#include <libvirt/virterror.h>

static const Command commands[] = {
    {"attach", NULL, ctl_attach,
     "DOMAIN --network NET [--mac MAC] [--target IFNAME] [--model MODEL] [--queues N] [--mtu N]"
     " [--live] [--config] | DOMAIN [TARGET|MAC] --replace [--network NET] [...]",
     "Give a domain a port, or turn an interface that it has into one"},
    {"detach", NULL, ctl_detach,
     "DOMAIN TARGET|MAC [--direct] [--live] [--config] [--timeout SECONDS]",
     "Take a port away from a domain"},
    {"list", NULL, ctl_list, "", "List the ports of all domains, and what is wrong with them"},
    {"check", NULL, ctl_check, "DOMAIN",
     "Look for problems that would keep a domain from its network"},
    {"hook", NULL, ctl_hook, "", "Check whether libvirt knows macvtapd's hook"},
    {"xml", NULL, ctl_xml,
     "--network NET [--template NAME] [--domain NAME] [--mac MAC] [--target IFNAME] [--model MODEL]"
     " [--queues N] [--mtu N] [--unchecked] | --list",
     "Print XML to edit by hand"},
    {NULL},
};

gboolean
ctl_fail_libvirt(GError **error, const char *what)
{
    return ctl_fail(error, "%s: %s", what, virGetLastErrorMessage());
}

static void
disconnect(Ctl *ctl)
{
    if (ctl->connection)
        virConnectClose(ctl->connection);
}

/* Errors of libvirt are part of the one that is printed at the end. */
static void
ignore_error(void *user_data, virErrorPtr error)
{
}

int
main(int argc, char **argv)
{
    const CommandProgram program = {
        .group = "domain",
        .summary = "Ports of macvtapd in libvirt's domains.",
        .note = "Without --live and --config a command changes the domain as it is now, as virsh"
                " does.",
        .connects_to_libvirt = TRUE,
        .commands = commands,
        .clear = disconnect,
    };

    virSetErrorFunc(NULL, ignore_error);
    virEventRegisterDefaultImpl();
    return command_main(&program, argc, argv);
}
