/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of macvtapctl-domain, each of which has a command of `macvtapctl domain`. */
#pragma once

#include "ask.h"
#include "domain-xml.h"
#include "port-options.h"

#include "command.h"
#include "output.h"

#include <libvirt/libvirt.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)

/* The commands, as Command has them. */
int ctl_attach(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_detach(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_list(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_check(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_xml(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_hook(Ctl *ctl, int argc, char **argv, GError **error);

/* Always FALSE. */
gboolean ctl_fail_libvirt(GError **error, const char *what);

/* Reports whether libvirt (the system's or this user's session) knows the hook. */
guint ctl_report_hook(gboolean session);

/* ctl-libvirt.c. The connection belongs to the Ctl and is opened once. */
virConnect *ctl_connect_libvirt(Ctl *ctl, GError **error);

/* Whether it is this user's own libvirt (qemu:///session): by the connection, or while there is
 * none by the URI that was asked for. */
gboolean ctl_is_session(const Ctl *ctl);

/* Whether its hook runs as this user; else as root, so that macvtapd may create for it what it
 * refuses to this user. */
gboolean ctl_hook_is_users(const Ctl *ctl);

/* By name or UUID; free with virDomainFree(). */
virDomain *ctl_find_domain(Ctl *ctl, const char *name, GError **error);

/* flags: VIR_DOMAIN_XML_INACTIVE for the configuration, 0 for what is now. */
DomainXml *ctl_read_domain(virDomain *domain, guint flags, GError **error);

/* What add (domain_xml_add_…) finds in all domains that libvirt, which is connected, has, as they
 * are now and as they are configured: owners: see domain_xml_owners_new(). NULL when they cannot
 * be listed; g_hash_table_unref() it. */
GHashTable *ctl_collect(Ctl *ctl, void (*add)(const DomainXml *domain, GHashTable *owners),
                        GError **error);

/* Collects the owners of the devices and the MACs of all interfaces. */
gboolean ctl_collect_owners(Ctl *ctl, GHashTable **ret_devices, GHashTable **ret_macs,
                            GError **error);

/* Writes the ports (of DomainPort) into the domain's metadata; flags: VIR_DOMAIN_AFFECT_…. */
gboolean ctl_write_ports(virDomain *domain, const GPtrArray *ports, guint flags, GError **error);

/* The flags to read a domain that will be defined again: all of its configuration. */
#define CTL_XML_TO_DEFINE (VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE)

/* Makes the document, read with CTL_XML_TO_DEFINE, the domain's configuration. */
gboolean ctl_define(Ctl *ctl, const DomainXml *domain, GError **error);

/* Keeps this user's other programs from changing a domain's ports until the descriptor is closed;
 * take it before reading the data to change. -1 with an error. See change-lock.c. */
int ctl_lock(GError **error);

/* What to change, VIR_DOMAIN_AFFECT_LIVE and _CONFIG: as requested, else the domain's present
 * state. Only root may change a running domain of the system's libvirt. */
gboolean ctl_choose_scope(const Ctl *ctl, virDomain *domain, gboolean live, gboolean config,
                          guint *ret_flags, GError **error);

/* The port's holder: "domain NAME" if libvirt knows it; free with g_free(). */
char *ctl_describe_holder(Ctl *ctl, const MacvtapPort *port);

/* QEMU's process of a running domain; 0: unknown. */
int ctl_find_process(Ctl *ctl, const DomainXml *domain);

/* ctl-attach.c */

/* A free name for a device of the domain's; NULL with an error, free with g_free(). changed: the
 * domain with changes that libvirt does not have yet, here and below; NULL if there are none. */
char *ctl_choose_target(Ctl *ctl, virDomain *domain, const DomainXml *changed, GError **error);

/* Whether macvtapd would create the port; sets its MAC if the options have none. If they have one,
 * a refusal that may not apply to a later start is only a note. */
gboolean ctl_ask_macvtapd(Ctl *ctl, MacvtapClient *client, PortOptions *options,
                          const DomainXml *changed, GError **error);

/* Creates the port of a running domain and plugs the interface with this XML; the options have the
 * choices. */
gboolean ctl_plug(Ctl *ctl, virDomain *domain, PortOptions *options, const char *text,
                  GError **error);

/* ctl-replace.c: attach --replace. flags: VIR_DOMAIN_AFFECT_…; wanted: a target or a MAC; NULL: the
 * broken interface, or else the only one. */
gboolean ctl_replace(Ctl *ctl, virDomain *domain, guint flags, const char *wanted,
                     const PortOptions *options, GError **error);

/* ctl-detach.c: takes an interface of any kind from a running guest, its port and its metadata, and
 * waits at most this long for the guest to release it. A domain that ends meanwhile is not a
 * failure. */
#define CTL_UNPLUG_SECONDS 10
gboolean ctl_unplug(Ctl *ctl, virDomain *domain, const char *target, int seconds, GError **error);

/* ctl-network.c */

/* The network with this name as macvtapd lists it; NULL with an error when there is none. An ad-hoc
 * one gives *ret_network NULL. */
gboolean ctl_find_network(MacvtapClient *client, const char *name, MacvtapNetwork **ret_network,
                          GError **error);

/* The MAC that macvtapd would give a port with these options, whose target is chosen; it is not
 * among taken (may be NULL) unless the network or the options leave no choice. Creates nothing.
 * NULL with macvtapd's refusal, or if every MAC is taken; free with g_free(). */
char *ctl_ask_mac(MacvtapClient *client, const PortOptions *options, GHashTable *taken,
                  GError **error);

/* Whether a port on the network has its parent's MAC, in which case another guest with the same MAC
 * is not a conflict. */
gboolean ctl_gives_parents_mac(MacvtapClient *client, const char *network);

/* The source of libvirt's own interface on the network: the parent (of a pool the first) and
 * libvirt's name for the mode; free both with g_free(). Fails if libvirt has no equivalent. */
gboolean ctl_find_source(Ctl *ctl, const char *network, char **ret_parent, char **ret_mode,
                         GError **error);

/* libvirt's name for the mode; NULL: it does not have it. */
const char *ctl_libvirt_mode(const char *mode);

/* The network whose ports are like libvirt's own interface with this source; free it with g_free().
 * NULL with an error unless there is exactly one. */
char *ctl_find_network_like(Ctl *ctl, const char *parent, const char *mode, GError **error);

/* Whether the last refusal is this user's alone, and says nothing of the domain's start, for which
 * root's hook asks. */
gboolean ctl_refusal_is_users(const Ctl *ctl, MacvtapClient *client);

/* Whether the last refusal is due to the present state of the parent and other ports and need
 * not apply to a later start of the domain. */
gboolean ctl_refusal_may_pass(MacvtapClient *client, const PortOptions *options,
                              const GError *refusal);
