/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of macvtapctl-domain share: the commands of `macvtapctl domain`, one each. */
#pragma once

#include "domain-xml.h"
#include "macvtap.h"
#include "port-options.h"

#include <libvirt/libvirt.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)

#define CTL_ERROR (ctl_error_quark())
GQuark ctl_error_quark(void); /* libvirt's errors and ours alike; the code is 0 */

typedef struct Ctl {
    char *uri;    /* libvirt's; NULL: its default */
    char *socket; /* macvtapd's; NULL: its default */
    gboolean json;
    virConnect *connection; /* once it is needed */
} Ctl;

/* A command gets its own arguments, argv[0] being its name, and returns the exit status: 0, or 1
 * with *error set; G_OPTION_ERROR errors become 2. */
int ctl_attach(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_detach(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_list(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_check(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_xml(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_hook(Ctl *ctl, int argc, char **argv, GError **error);

/* Always FALSE. */
gboolean ctl_fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
gboolean ctl_fail_libvirt(GError **error, const char *what);

/* Prints what was found; returns 1 for a problem, else 0. */
guint ctl_report(gboolean good, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Whether libvirt, the system's or this user's session, knows the hook: reports it. */
guint ctl_report_hook(gboolean session);

/* Parses a command's options, macvtapctl's own among them; what is left must be n arguments. */
gboolean ctl_parse(Ctl *ctl, const GOptionEntry *entries, int *argc, char ***argv, int n,
                   const char *arguments, GError **error);

/* ctl-libvirt.c. The connection is the Ctl's. */
virConnect *ctl_connect(Ctl *ctl, GError **error);

/* Whether it is this user's own libvirt (qemu:///session): by the connection, or while there is
 * none by the URI that was asked for. */
gboolean ctl_is_session(const Ctl *ctl);

/* By name or UUID; free with virDomainFree(). */
virDomain *ctl_find_domain(Ctl *ctl, const char *name, GError **error);

/* flags: VIR_DOMAIN_XML_INACTIVE for the configuration, 0 for what is now. */
DomainXml *ctl_read_domain(virDomain *domain, guint flags, GError **error);

/* What add (domain_xml_add_…) finds in all domains that libvirt, which is connected, has, as they
 * are now and as they are configured: a set of char *. NULL when they cannot be listed;
 * g_hash_table_unref() it. */
GHashTable *ctl_collect(Ctl *ctl, void (*add)(const DomainXml *domain, GHashTable *set),
                        GError **error);

/* Writes the ports (of DomainPort) into the domain's metadata; flags: VIR_DOMAIN_AFFECT_…. */
gboolean ctl_write_ports(virDomain *domain, const GPtrArray *ports, guint flags, GError **error);

/* Keeps others of this user from changing a domain's ports until the descriptor is closed: to be
 * taken before what is to be changed is read. -1 with an error. See change-lock.h. */
int ctl_lock(GError **error);

/* Which of the two to change, VIR_DOMAIN_AFFECT_LIVE and _CONFIG: those asked for, else what the
 * domain is now. Fails for who is not root if that is a running domain of the system's libvirt. */
gboolean ctl_choose_scope(const Ctl *ctl, virDomain *domain, gboolean live, gboolean config,
                          guint *ret_flags, GError **error);

/* Who holds the port: "domain NAME" where libvirt knows it; free with g_free(). */
char *ctl_describe_holder(Ctl *ctl, const MacvtapPort *port);

/* QEMU's process of a running domain; 0 when it cannot be told. */
int ctl_find_process(Ctl *ctl, const DomainXml *domain);

/* ctl-network.c */

/* The network with this name as macvtapd lists it; NULL with an error when there is none. An ad-hoc
 * one gives *ret_network NULL. */
gboolean ctl_find_network(MacvtapClient *client, const char *name, MacvtapNetwork **ret_network,
                          GError **error);

/* What macvtapd would give a port with these options, whose target is chosen: its MAC, one that is
 * not among taken (NULL: none is) unless the network or the options leave no choice. Nothing is
 * made. NULL with macvtapd's refusal, or when each MAC is taken; free with g_free(). */
char *ctl_ask_mac(MacvtapClient *client, const PortOptions *options, GHashTable *taken,
                  GError **error);

/* Whether the last refusal tells of how things are now, with the parent and other ports, so that a
 * later start of the domain need not meet it. */
gboolean ctl_refusal_may_pass(MacvtapClient *client, const PortOptions *options,
                              const GError *refusal);
