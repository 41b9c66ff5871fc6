/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of macvtapctl, each of which has commands of the table in macvtapctl.c. */
#pragma once

#include "doctor.h"

#include "ask.h"
#include "command.h"
#include "privileges.h"
#include "table.h"

#include <linux/capability.h>

/* To see which processes have a descriptor: reads other processes' /proc/PID/fd. */
#define CTL_LOOK_AT_PROCESSES (CAPABILITY(CAP_SYS_PTRACE) | CAPABILITY(CAP_DAC_READ_SEARCH))

/* The commands, as Command has them. */
int ctl_network_list(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_network_show(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_network_probe(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_list(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_show(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_create(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_set(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_delete(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_open(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_cloud_init(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_vm_list(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_vm_attach(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_vm_detach(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_capture(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_log(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_monitor(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_metrics(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_reload(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_doctor(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_domain(Ctl *ctl, int argc, char **argv, GError **error);

/* A check of doctor: if libvirt and macvtapctl-domain are installed, runs the latter to see whether
 * libvirt knows the hook. */
void ctl_check_libvirt(Doctor *doctor);

/* The port's state in tables: for an active port "link-down" if its device is down, and
 * "no-carrier" if its parent has none. */
const char *ctl_port_state(const MacvtapPort *port);

/* Prints the port, as JSON if that is wanted. */
void ctl_port_print(const Ctl *ctl, const MacvtapPort *port);

/* The guest's most useful address: the one that the port was given, and what the guest was seen to
 * use if that is another; without any, one that it may use. Free with g_free(). */
char *ctl_port_address(const MacvtapPort *port);
