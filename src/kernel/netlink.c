/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The kernel handles rtnetlink requests inside sendmsg(): when that returns, every acknowledgement
 * is in the socket's queue, and the rest of a dump is produced inside recvmsg(). So nothing here
 * ever waits. An empty queue before the last answer means that answers were lost, which is an error
 * and not a reason to block the daemon.
 *
 * Each message has its own sequence number, and a conversation accepts only answers to its own
 * numbers. So answers left over from an aborted conversation are skipped.
 */
#include "netlink.h"

#include "error.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

#define RECEIVE_SIZE (64 * 1024)    /* bytes; the kernel's dumps use 32 KiB at most */
#define ANSWERS_MAX 4096            /* more than the parts of any dump */
#define SOCKET_BUFFER (1024 * 1024) /* bytes; a batch's acknowledgements fit many times */

/* Creating, changing and removing links takes CAP_NET_ADMIN (rtnetlink_rcv_msg()). */
const Privileges netlink_privileges = {
    .part = "links",
    .capabilities = CAPABILITY(CAP_NET_ADMIN),
    .system_calls = SYSTEM_CALLS({"sendmsg"}, {"recvmsg"}),
};

struct Netlink {
    struct nl_sock *socket;
    guint32 sequence; /* of the last message sent */
    char *buffer;     /* RECEIVE_SIZE bytes */
};

typedef struct Conversation {
    guint32 first; /* sequence number of message 0 */
    NetlinkMessage *const *messages;
    gsize n_messages;
    gsize n_pending;
    NetlinkResult *results;
    NetlinkReply reply;
    gpointer user_data;
} Conversation;

Netlink *
netlink_new(GError **error)
{
    g_autoptr(Netlink) netlink = g_new0(Netlink, 1);
    int size = SOCKET_BUFFER, on = 1, fd;

    netlink->buffer = g_malloc(RECEIVE_SIZE);
    netlink->socket = nl_socket_alloc();
    if (!netlink->socket) {
        error_set_errno(error, ENOMEM, "cannot make a netlink socket");
        return NULL;
    }
    /* libnl has fewer error codes than the kernel, but leaves errno alone. */
    if (nl_connect(netlink->socket, NETLINK_ROUTE) < 0) {
        error_set_errno(error, errno, "cannot make a netlink socket");
        return NULL;
    }
    fd = nl_socket_get_fd(netlink->socket);
    /* Best effort: without these options the buffer is smaller and errors come without messages. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    return g_steal_pointer(&netlink);
}

Netlink *
netlink_free(Netlink *netlink)
{
    if (!netlink)
        return NULL;
    if (netlink->socket)
        nl_socket_free(netlink->socket);
    g_free(netlink->buffer);
    g_free(netlink);
    return NULL;
}

guint32
netlink_port(const Netlink *netlink)
{
    return nl_socket_get_local_port(netlink->socket);
}

void
netlink_filter_dumps(Netlink *netlink)
{
    int on = 1;

    setsockopt(nl_socket_get_fd(netlink->socket), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on,
               sizeof on);
}

NetlinkMessage *
netlink_link_request(guint16 type, guint16 flags, int index, gsize size)
{
    struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = index};
    NetlinkMessage *message = nlmsg_alloc_size(NLMSG_LENGTH(sizeof header) + size);
    struct nlmsghdr *nlh = message ? nlmsg_hdr(message) : NULL;

    if (!message)
        g_error("out of memory"); /* like GLib's own allocations */
    nlh->nlmsg_type = type;
    nlh->nlmsg_flags = NLM_F_REQUEST | flags;
    if (nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO) < 0)
        g_assert_not_reached();
    return message;
}

static void
take_error(Conversation *conversation, guint index, struct nlmsghdr *message)
{
    const struct nlmsgerr *body = nlmsg_data(message);
    NetlinkResult *result = &conversation->results[index];
    struct nlattr *attributes, *text;
    int length;

    /* With NETLINK_CAP_ACK the request's payload is omitted if this flag is set. */
    length = sizeof *body;
    if (!(message->nlmsg_flags & NLM_F_CAPPED))
        length += (int)NLMSG_ALIGN(body->msg.nlmsg_len) - (int)sizeof body->msg;
    result->errnum = -body->error;
    if (!(message->nlmsg_flags & NLM_F_ACK_TLVS) || length > nlmsg_datalen(message))
        return;
    attributes = (struct nlattr *)((char *)nlmsg_data(message) + length);
    text = nla_find(attributes, nlmsg_datalen(message) - length, NLMSGERR_ATTR_MSG);
    if (text)
        nla_strlcpy(result->text, text, sizeof result->text);
}

/* Each query is answered by one message or by an error, so it needs no acknowledgement. */
static gboolean
is_question(NetlinkMessage *message)
{
    const struct nlmsghdr *header = nlmsg_hdr(message);

    return header->nlmsg_type == RTM_GETLINK && (header->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP;
}

static void
take_message(Conversation *conversation, struct nlmsghdr *message)
{
    guint32 index = message->nlmsg_seq - conversation->first;

    if (index >= conversation->n_messages)
        return;
    switch (message->nlmsg_type) {
    case NLMSG_ERROR:
        if (nlmsg_datalen(message) < (int)sizeof(struct nlmsgerr))
            return;
        take_error(conversation, index, message);
        conversation->n_pending--;
        return;
    case NLMSG_DONE:
        if (nlmsg_datalen(message) >= (int)sizeof(int) && *(int *)nlmsg_data(message) < 0)
            conversation->results[index].errnum = -*(int *)nlmsg_data(message);
        conversation->n_pending--;
        return;
    case NLMSG_NOOP:
    case NLMSG_OVERRUN:
        return;
    default:
        if (conversation->reply)
            conversation->reply(index, message, conversation->user_data);
        if (is_question(conversation->messages[index]))
            conversation->n_pending--;
    }
}

static gboolean
receive_some(Netlink *netlink, Conversation *conversation, GError **error)
{
    struct sockaddr_nl sender = {0};
    struct iovec vector = {netlink->buffer, RECEIVE_SIZE};
    struct msghdr header = {&sender, sizeof sender, &vector, 1, NULL, 0, 0};
    struct nlmsghdr *message = (struct nlmsghdr *)netlink->buffer;
    int length;

    length = (int)RETRY_EINTR(
        recvmsg(nl_socket_get_fd(netlink->socket), &header, MSG_DONTWAIT | MSG_TRUNC));
    if (length < 0)
        return error_set_errno(error, errno == EAGAIN ? EPROTO : errno,
                               "the kernel's netlink answer is missing");
    if (header.msg_flags & MSG_TRUNC)
        return error_set_errno(error, EMSGSIZE, "the kernel's netlink answer is too long");
    if (sender.nl_pid != 0)
        return TRUE;
    for (; nlmsg_ok(message, length); message = nlmsg_next(message, &length))
        take_message(conversation, message);
    return TRUE;
}

/* Reads what is left of the answers: while a dump is not read to its end, the kernel begins no
 * other one on this socket (EBUSY). */
static void
drop_answers(Netlink *netlink)
{
    Conversation nothing = {0};

    for (guint i = 0; i < ANSWERS_MAX; i++) {
        g_autoptr(GError) error = NULL;

        if (!receive_some(netlink, &nothing, &error) && error_is_errno(error, EPROTO))
            return;
    }
}

gboolean
netlink_talk(Netlink *netlink, NetlinkMessage *const *messages, gsize n_messages,
             NetlinkReply reply, gpointer user_data, NetlinkResult *results, GError **error)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct iovec vectors[NETLINK_BATCH_MAX];
    struct msghdr header = {&kernel, sizeof kernel, vectors, n_messages, NULL, 0, 0};
    Conversation conversation = {
        netlink->sequence + 1, messages, n_messages, n_messages, results, reply, user_data};

    g_return_val_if_fail(n_messages > 0 && n_messages <= NETLINK_BATCH_MAX, FALSE);
    memset(results, 0, n_messages * sizeof *results);
    for (gsize i = 0; i < n_messages; i++) {
        struct nlmsghdr *message = nlmsg_hdr(messages[i]);

        message->nlmsg_seq = ++netlink->sequence;
        message->nlmsg_pid = 0;
        if ((message->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP && !is_question(messages[i]))
            message->nlmsg_flags |= NLM_F_ACK;
        vectors[i] = (struct iovec){message, NLMSG_ALIGN(message->nlmsg_len)};
    }
    if (RETRY_EINTR(sendmsg(nl_socket_get_fd(netlink->socket), &header, 0)) < 0)
        return error_set_errno(error, errno, "cannot send to the kernel over netlink");
    while (conversation.n_pending > 0) {
        if (!receive_some(netlink, &conversation, error)) {
            drop_answers(netlink);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
netlink_result_error(const NetlinkResult *result, const char *what, GError **error)
{
    if (result->text[0])
        return error_set_errno(error, result->errnum, "%s (%s)", what, result->text);
    return error_set_errno(error, result->errnum, "%s", what);
}

gboolean
netlink_ask(Netlink *netlink, NetlinkMessage *message, NetlinkReply reply, gpointer user_data,
            const char *what, GError **error)
{
    NetlinkResult result;

    if (!netlink_talk(netlink, &message, 1, reply, user_data, &result, error))
        return FALSE;
    return result.errnum == 0 || netlink_result_error(&result, what, error);
}
