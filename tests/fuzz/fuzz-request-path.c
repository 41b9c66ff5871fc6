/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole path of a request: server, API, broker and registry on the fake kernel, and bytes that
 * three callers send: root, a user who may use the network, and root once more. Bytes that no JSON
 * text has are the script's: they change the caller, and do to the kernel what can happen to it.
 *
 * What is held: nothing crashes; each reply is one; records, ports and devices are the same things;
 * and after the end of all ports nothing is left, no descriptor either.
 */
#include "fuzz-target.h"

#include "api.h"
#include "test-broker.h"
#include "varlink-message.h"
#include "varlink-server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    NEXT_CALLER = 1,
    RECONNECT,
    SHUT_DOWN,
    WITH_DESCRIPTOR,
    FAIL_NEXT,     /* the next byte says which operation fails, and with what */
    REMOVE_DEVICE, /* behind the daemon's back, as the next two */
    REMOVE_PARENT,
    DEVICE_SENDS,
    SEND_NOW = 14, /* what there is of a message */
    STOP_READING,
};

enum { N_CALLERS = 3, NOBODY = 65534, INPUT_MAX = 16384 };

typedef struct Client {
    int fd;
    gboolean reads;
    GString *received;
} Client;

typedef struct Ground {
    TestBroker *test;
    VarlinkServer *server;
    Api *api;
    Client clients[N_CALLERS];
    guint current;
    gboolean with_descriptor, failures;
} Ground;

static const char *const operations[] = {
    "link_by_name", "link_by_index",   "link_list",      "macvtap_create",      "link_set_mac",
    "link_set_up",  "link_delete",     "tap_open",       "vlan_create",         "tap_node_ensure",
    "link_delete",  "tap_node_remove", "watch_transmit", "macvtap_set_sources",
};
static const int errors[] = {ENOMEM, EBUSY, ENODEV, EPERM, EMFILE, ENOSPC, EADDRINUSE, EINVAL};

static void
connect_caller(Ground *ground, guint number)
{
    Client *client = &ground->clients[number];
    gboolean as_user = number == 1 && geteuid() == 0;
    int pair[2];

    /* Who the peer is is settled when the pair is made. */
    if (as_user)
        g_assert_cmpint(seteuid(NOBODY), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                    0);
    if (as_user)
        g_assert_cmpint(seteuid(0), ==, 0);
    g_assert_true(
        varlink_server_add_connection(ground->server, pair[0], VARLINK_ROOT_IS_ROOT, NULL));
    client->fd = pair[1];
    client->reads = TRUE;
}

static void
check_reply(const char *text, gsize length)
{
    g_auto(VarlinkReplyMessage) reply = {0};
    g_autoptr(GError) error = NULL;

    varlink_reply_message_parse(text, length, &reply, &error);
    g_assert_no_error(error);
    if (reply.error)
        g_assert_true(g_str_has_prefix(reply.error, "org.macvtapd.Ports.") ||
                      g_str_has_prefix(reply.error, "org.varlink.service."));
}

static void
check_replies(GString *received)
{
    const char *nul;

    while ((nul = memchr(received->str, '\0', received->len))) {
        gsize length = (gsize)(nul - received->str);

        check_reply(received->str, length);
        g_string_erase(received, 0, (gssize)length + 1);
    }
}

static void
close_rights(struct msghdr *header)
{
    for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item; item = CMSG_NXTHDR(header, item)) {
        gsize n = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        for (gsize i = 0; i < n; i++)
            close(((int *)CMSG_DATA(item))[i]);
    }
}

static gboolean
read_once(Client *client)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))];
    char buffer[4096];
    struct iovec part = {buffer, sizeof(buffer)};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof(control)};
    gssize n = recvmsg(client->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n <= 0)
        return FALSE;
    close_rights(&header);
    g_string_append_len(client->received, buffer, n);
    return TRUE;
}

static void
settle(Ground *ground)
{
    test_settle();
    for (guint i = 0; i < N_CALLERS; i++) {
        while (ground->clients[i].reads && read_once(&ground->clients[i]))
            test_settle();
        check_replies(ground->clients[i].received);
    }
}

static void
send_part(Ground *ground, GString *part)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec bytes = {part->str, part->len};
    struct msghdr header = {.msg_iov = &bytes, .msg_iovlen = 1};
    struct cmsghdr *rights = (struct cmsghdr *)control;

    if (part->len == 0)
        return;
    if (ground->with_descriptor) {
        header.msg_control = control;
        header.msg_controllen = sizeof(control);
        *rights = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(rights), &ground->clients[ground->current].fd, sizeof(int));
        ground->with_descriptor = FALSE;
    }
    (void)sendmsg(ground->clients[ground->current].fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    g_string_truncate(part, 0);
    settle(ground);
}

static void
forget_bytes(Client *client)
{
    close(client->fd);
    g_string_truncate(client->received, 0);
}

static int
find_device(Ground *ground, const char *kind)
{
    g_autoptr(GArray) links = ground->test->kernel->ops->link_list(ground->test->kernel, NULL);

    for (guint i = 0; links && i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (g_str_equal(link->kind, kind))
            return link->index;
    }
    return 0;
}

static void
on_device(Ground *ground, guint8 what)
{
    int index = find_device(ground, what == REMOVE_PARENT ? "" : "macvtap");

    if (index == 0)
        return;
    if (what == DEVICE_SENDS)
        kernel_fake_transmit(ground->test->kernel, index);
    else
        kernel_fake_remove_link(ground->test->kernel, index);
    settle(ground);
}

static void
fail_next(Ground *ground, guint8 which)
{
    kernel_fake_fail(ground->test->kernel, operations[(which & 31) % G_N_ELEMENTS(operations)], 1,
                     errors[which >> 5]);
    ground->failures = TRUE;
}

/* One of the script's own bytes; TRUE when it takes the next one too. */
static gboolean
follow(Ground *ground, guint8 what, guint8 next)
{
    Client *client = &ground->clients[ground->current];

    if (what == NEXT_CALLER) {
        ground->current = (ground->current + 1) % N_CALLERS;
    } else if (what == RECONNECT) {
        forget_bytes(client);
        settle(ground);
        connect_caller(ground, ground->current);
    } else if (what == SHUT_DOWN) {
        shutdown(client->fd, SHUT_WR);
        settle(ground);
    } else if (what == WITH_DESCRIPTOR) {
        ground->with_descriptor = TRUE;
    } else if (what == FAIL_NEXT) {
        fail_next(ground, next);
    } else if (what >= REMOVE_DEVICE && what <= DEVICE_SENDS) {
        on_device(ground, what);
    } else if (what == STOP_READING) {
        client->reads = FALSE;
    }
    return what == FAIL_NEXT;
}

static void
run(Ground *ground, const guint8 *data, gsize size)
{
    g_autoptr(GString) part = g_string_new(NULL);

    for (gsize i = 0; i < size; i++) {
        gboolean is_script = data[i] != 0 && data[i] <= STOP_READING && data[i] != '\t' &&
                             data[i] != '\n' && data[i] != '\r';

        if (!is_script)
            g_string_append_c(part, (char)data[i]);
        if (is_script || data[i] == 0)
            send_part(ground, part);
        if (is_script && follow(ground, data[i], i + 1 < size ? data[i + 1] : 0))
            i++;
    }
    send_part(ground, part);
}

static guint
count_devices(TestBroker *test)
{
    g_autoptr(GArray) links = test->kernel->ops->link_list(test->kernel, NULL);
    guint n = 0;

    for (guint i = 0; i < links->len; i++)
        n += g_str_equal(g_array_index(links, LinkInfo, i).kind, "macvtap");
    return n;
}

/* Each port has its record; and its device, unless that was taken from it or a failure was asked
 * for. */
static void
check_agreement(Ground *ground)
{
    const Caller root = test_caller(0);
    g_autoptr(GPtrArray) ports = broker_list_ports(ground->test->broker, &root, NULL);
    g_autofree char *records = test_broker_records(ground->test);
    g_auto(GStrv) names = g_strsplit(records, " ", -1);
    guint n_records = records[0] ? g_strv_length(names) : 0, n_active = 0;

    for (guint i = 0; i < ports->len; i++) {
        const Port *port = ports->pdata[i];

        g_assert_true(g_strv_contains((const char *const *)names, port->id));
        n_active += port->state == PORT_STATE_ACTIVE;
    }
    if (ground->failures)
        return;
    g_assert_cmpuint(n_records, ==, ports->len);
    g_assert_cmpuint(count_devices(ground->test), ==, n_active);
}

/* A restart heals what failures have left. Then every port goes. */
static void
check_nothing_left(TestBroker *test, gboolean failures)
{
    const Caller root = test_caller(0);
    g_autoptr(GPtrArray) ports = NULL;
    g_autofree char *records = NULL;

    if (failures) {
        test_broker_kill(test);
        test_broker_start(test);
    }
    ports = broker_list_ports(test->broker, &root, NULL);
    for (guint i = 0; i < ports->len; i++) {
        g_autofree char *id = g_strdup(((const Port *)ports->pdata[i])->id);

        g_assert_true(test_broker_delete(test, &root, id, NULL));
    }
    test_settle();
    records = test_broker_records(test);
    g_assert_cmpstr(records, ==, "");
    g_assert_cmpuint(count_devices(test), ==, 0);
    /* The kernel that a restart finds numbers its nodes anew. */
    g_assert_true(failures || kernel_fake_node_count(test->kernel) == 0);
}

/* ApiReload */
static gboolean
on_reload(const Caller *caller, guint *ret_networks, gpointer user_data, GError **error)
{
    *ret_networks = 1;
    return TRUE;
}

static void
ground_init(Ground *ground)
{
    const VarlinkServiceInfo info = {"macvtapd", "macvtapd", "1", "https://example.org/"};
    g_autoptr(GError) error = NULL;
    const uid_t nobody = NOBODY;

    *ground = (Ground){.test = test_broker_new()};
    test_broker_add_parent(ground->test, "eth1");
    test_broker_add_network(ground->test, "through", "eth1", MACVTAP_MODE_PASSTHRU);
    g_array_append_val(test_broker_network(ground->test, "lan")->allow_uids, nobody);
    ground->server = varlink_server_new(&info, NULL, &error);
    g_assert_no_error(error);
    ground->api = api_new(ground->server, ground->test->broker, on_reload, NULL);
    g_assert_no_error(error);
    for (guint i = 0; i < N_CALLERS; i++) {
        ground->clients[i].received = g_string_new(NULL);
        connect_caller(ground, i);
    }
}

static void
ground_clear(Ground *ground)
{
    for (guint i = 0; i < N_CALLERS; i++)
        forget_bytes(&ground->clients[i]);
    test_settle();
    g_assert_cmpuint(varlink_server_connection_count(ground->server), ==, 0);
    varlink_server_free(ground->server);
    api_free(ground->api);
    kernel_fake_heal(ground->test->kernel);
    check_agreement(ground);
    check_nothing_left(ground->test, ground->failures);
    for (guint i = 0; i < N_CALLERS; i++)
        g_string_free(ground->clients[i].received, TRUE);
    test_broker_free(ground->test);
}

static GLogWriterOutput
say_nothing(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
    g_assert_true((level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) == 0);
    return G_LOG_WRITER_HANDLED;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static gboolean begun;
    guint before;
    Ground ground;

    if (!begun) {
        g_log_set_writer_func(say_nothing, NULL, NULL);
        /* The main loop's own descriptor is made on first use. */
        test_settle();
        begun = TRUE;
    }
    before = test_count_descriptors();
    ground_init(&ground);
    run(&ground, data, MIN(size, (size_t)INPUT_MAX));
    ground_clear(&ground);
    g_assert_cmpuint(test_count_descriptors(), ==, before);
    return 0;
}
