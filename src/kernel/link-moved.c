/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Links that were moved into another network namespace. When one of our links is moved, the kernel
 * assigns the target namespace a number here (dev_change_net_namespace()), by which its links can
 * be listed and removed: IFLA_TARGET_NETNSID. So a link is found again even if the event of its
 * move was missed. It keeps its alias, which identifies it. The owner of such a namespace can forge
 * the alias of a port whose device is gone, and loses the link that has it.
 */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/socket.h>

static void
take_link(guint index, struct nlmsghdr *message, gpointer user_data)
{
    link_parse(message, user_data);
}

static NetlinkMessage *
moved_request(guint16 type, guint16 flags, int netns, int index)
{
    NetlinkMessage *message = netlink_link_request(type, flags, index, 64);

    nla_put_u32(message, IFLA_TARGET_NETNSID, (guint32)netns);
    return message;
}

/* EINVAL: no namespace has this number. */
static gboolean
is_gone(int errnum)
{
    return errnum == ENODEV || errnum == EINVAL;
}

gboolean
link_remove_moved(Kernel *base, int netns, int index, const char *alias, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    g_autofree char *what =
        g_strdup_printf("cannot delete link %d of network namespace %d", index, netns);
    g_autoptr(NetlinkMessage) get = moved_request(RTM_GETLINK, 0, netns, index);
    g_autoptr(NetlinkMessage) delete = moved_request(RTM_DELLINK, 0, netns, index);
    NetlinkResult result;
    LinkInfo link = {0};

    if (index <= 0)
        return TRUE;
    if (!netlink_talk(kernel->netlink, &get, 1, take_link, &link, &result, error))
        return FALSE;
    if (result.errnum != 0)
        return is_gone(result.errnum) || netlink_result_error(&result, what, error);
    if (strcmp(link.alias, alias) != 0)
        return TRUE;
    if (!netlink_talk(kernel->netlink, &delete, 1, NULL, NULL, &result, error))
        return FALSE;
    return result.errnum == 0 || is_gone(result.errnum) ||
           netlink_result_error(&result, what, error);
}

typedef struct Search {
    GArray *links; /* of LinkInfo */
    int netns;
} Search;

static void
take_moved(guint index, struct nlmsghdr *message, gpointer user_data)
{
    const Search *search = user_data;
    LinkInfo link;

    if (!link_parse(message, &link) || link.alias[0] == '\0')
        return;
    link.is_moved = TRUE;
    link.moved_netns = search->netns;
    link.moved_index = link.index;
    g_array_append_val(search->links, link);
}

/* A namespace may disappear meanwhile, or we may have no permission in it. */
static gboolean
is_no_failure(int errnum)
{
    return errnum == 0 || is_gone(errnum) || errnum == EACCES || errnum == EPERM;
}

static gboolean
search_namespace(LinuxKernel *kernel, Search *search, const char *kind, GError **error)
{
    g_autoptr(NetlinkMessage) request = moved_request(RTM_GETLINK, NLM_F_DUMP, search->netns, 0);
    struct nlattr *info = nla_nest_start(request, IFLA_LINKINFO);
    NetlinkResult result;

    nla_put_string(request, IFLA_INFO_KIND, kind);
    nla_nest_end(request, info);
    nla_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    return netlink_talk(kernel->netlink, &request, 1, take_moved, search, &result, error) &&
           (is_no_failure(result.errnum) ||
            netlink_result_error(&result, "cannot list the links of another network namespace",
                                 error));
}

GArray *
link_get_moved(Kernel *base, const char *kind, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    g_autoptr(GArray) numbers = namespace_get_all(base, error);
    g_autoptr(GArray) links = g_array_new(FALSE, FALSE, sizeof(LinkInfo));
    Search search = {.links = links};

    if (!numbers)
        return NULL;
    for (guint i = 0; i < numbers->len; i++) {
        search.netns = g_array_index(numbers, int, i);
        if (!search_namespace(kernel, &search, kind, error))
            return NULL;
    }
    return g_steal_pointer(&links);
}
