/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One request socket of NETLINK_ROUTE: messages out in one sendmsg(), their answers in. */
#pragma once

#include "privileges.h"

#include <glib.h>
#include <linux/netlink.h>
#include <netlink/msg.h>

extern const Privileges netlink_privileges;

typedef struct Netlink Netlink;

typedef struct nl_msg NetlinkMessage;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkMessage, nlmsg_free)

/* What became of one message: 0 or the kernel's errno (positive), and the kernel's own words for it
 * (NETLINK_EXT_ACK), "" when it had none. */
typedef struct NetlinkResult {
    int errnum;
    char text[128];
} NetlinkResult;

/* Called for each message of data that answers a request; index says which one. */
typedef void (*NetlinkReply)(guint index, struct nlmsghdr *message, gpointer user_data);

/* NULL on failure. */
Netlink *netlink_new(GError **error);
Netlink *netlink_free(Netlink *netlink);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Netlink, netlink_free)

/* A request of this type about the link with this index (0: none); free with nlmsg_free(). The size
 * is the room for attributes, in bytes. */
NetlinkMessage *netlink_link_request(guint16 type, guint16 flags, int index, gsize size);

/* The most messages that one netlink_talk() takes. */
#define NETLINK_BATCH_MAX 128

/*
 * Sends the messages at once and collects all their answers into results[0..n_messages). The kernel
 * goes on after a message that fails, so a batch must be safe to go on with. FALSE (with *error)
 * only if the conversation itself broke; what the messages did is then unknown. reply may be NULL.
 */
gboolean netlink_talk(Netlink *netlink, NetlinkMessage *const *messages, gsize n_messages,
                      NetlinkReply reply, gpointer user_data, NetlinkResult *results,
                      GError **error);

/* netlink_talk() for one message whose failure becomes *error, said as "<what>: …". */
gboolean netlink_ask(Netlink *netlink, NetlinkMessage *message, NetlinkReply reply,
                     gpointer user_data, const char *what, GError **error);

/* Turns a failed result into *error, said as "<what> (<kernel's words>): …". Returns FALSE. */
gboolean netlink_result_error(const NetlinkResult *result, const char *what, GError **error);
