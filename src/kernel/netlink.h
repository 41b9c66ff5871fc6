/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A NETLINK_ROUTE socket for requests: sends messages with one sendmsg() and reads their answers.
 */
#pragma once

#include "privileges.h"

#include <glib.h>
#include <linux/netlink.h>
#include <netlink/msg.h>

extern const Privileges netlink_privileges;

typedef struct Netlink Netlink;

typedef struct nl_msg NetlinkMessage;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkMessage, nlmsg_free)

/* The result of one message: 0 or the kernel's errno (positive), and the kernel's message for it
 * (NETLINK_EXT_ACK), which may be "". */
typedef struct NetlinkResult {
    int errnum;
    char text[128];
} NetlinkResult;

/* Called for each data message that answers a request; index is the request's. */
typedef void (*NetlinkReply)(guint index, struct nlmsghdr *message, gpointer user_data);

/* NULL on failure. */
Netlink *netlink_new(GError **error);
Netlink *netlink_free(Netlink *netlink);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Netlink, netlink_free)

/* The number that the kernel knows the socket by: the nlmsg_pid of the events that it causes. */
guint32 netlink_port(const Netlink *netlink);

/* Lets the kernel filter dumps by what a request names (NETLINK_GET_STRICT_CHK); a kernel that
 * cannot sends everything. */
void netlink_filter_dumps(Netlink *netlink);

/* A request of this type for the link with this index (0: none); free with nlmsg_free(). size:
 * bytes for attributes. */
NetlinkMessage *netlink_link_request(guint16 type, guint16 flags, int index, gsize size);

/* The most messages that one netlink_talk() can send. */
#define NETLINK_BATCH_MAX 128

/*
 * Sends the messages at once and collects all their answers into results[0..n_messages). The kernel
 * continues after a message that failed, so the messages of a batch must not depend on each other's
 * success. FALSE (with *error) only if the conversation itself failed; the effect of the messages
 * is then unknown. reply may be NULL.
 */
gboolean netlink_talk(Netlink *netlink, NetlinkMessage *const *messages, gsize n_messages,
                      NetlinkReply reply, gpointer user_data, NetlinkResult *results,
                      GError **error);

/* netlink_talk() for one message, whose failure becomes *error, "<what>: …". */
gboolean netlink_ask(Netlink *netlink, NetlinkMessage *message, NetlinkReply reply,
                     gpointer user_data, const char *what, GError **error);

/* Turns a failed result into *error, "<what> (<the kernel's message>): …". Returns FALSE. */
gboolean netlink_result_error(const NetlinkResult *result, const char *what, GError **error);
