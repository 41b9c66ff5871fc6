/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* up0 is one end of a veth pair; the other end, up1, is the wire. */
#include "world.h"

#include "linux.h"
#include "raw-frames.h"
#include "test-kinds.h"
#include "test-namespace.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* What the kernel takes for /dev. */
static char dev[] = "/tmp/test-world-XXXXXX";
static gboolean has_own_dev;

static int elsewhere = -1; /* a further network namespace, with a link "low0" */

Kernel *
world_kernel_new(void)
{
    g_autoptr(GError) error = NULL;
    Kernel *kernel = kernel_linux_new(
        open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC),
        open(has_own_dev ? dev : "/dev", O_PATH | O_DIRECTORY | O_CLOEXEC), &error);

    if (!kernel)
        fail_msg("%s", error->message);
    return kernel;
}

int
world_setup(void **state)
{
    test_veth_add("up0", "up1");
    world_kernel = world_kernel_new();
    return 0;
}

/* And all that lies on it, here too. */
static void
remove_elsewhere(void)
{
    int before = test_namespace_switch(elsewhere);

    if (if_nametoindex("low0"))
        test_link_delete("low0");
    close(test_namespace_switch(before));
    close(before);
    close(elsewhere);
    elsewhere = -1;
}

int
world_teardown(void **state)
{
    static const char *const names[] = {"bond0", "br0", "up0", "up2"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (if_nametoindex(names[i]))
            test_link_delete(names[i]);
    }
    if (elsewhere >= 0)
        remove_elsewhere();
    assert_int_equal(world_link_count(), 1); /* lo */
    world_forget_queues(world_kernel);
    g_clear_pointer(&world_kernel, kernel_free);
    if (has_own_dev) {
        has_own_dev = FALSE;
        umount(dev);
        rmdir(dev);
    }
    return 0;
}

void
world_restart(void)
{
    kernel_free(world_kernel);
    world_kernel = world_kernel_new();
}

void
world_lose_devtmpfs(void)
{
    strcpy(dev, "/tmp/test-world-XXXXXX");
    assert_non_null(mkdtemp(dev));
    test_mount_dev(dev);
    has_own_dev = TRUE;
    kernel_free(world_kernel);
    world_kernel = world_kernel_new();
}

static char *
node_path(int index)
{
    return g_strdup_printf("%s/tap%d", has_own_dev ? dev : "/dev", index);
}

/* Whom the access list names; the owner's user ID if nobody. */
static uid_t
read_access_list(const char *path, const struct stat *status)
{
    struct {
        struct posix_acl_xattr_header header;
        struct posix_acl_xattr_entry entries[6];
    } list;
    gssize size = getxattr(path, "system.posix_acl_access", &list, sizeof list);

    if ((status->st_mode & 07777) == 0600)
        return status->st_uid;
    assert_int_equal(status->st_mode & 07777, 0660); /* the list's mask */
    assert_int_equal(size, sizeof list - sizeof list.entries[0]);
    for (guint i = 0; i < 5; i++) {
        if (list.entries[i].e_tag == ACL_GROUP_OBJ || list.entries[i].e_tag == ACL_OTHER)
            assert_int_equal(list.entries[i].e_perm, 0);
    }
    assert_int_equal(list.entries[1].e_tag, ACL_USER);
    assert_int_equal(list.entries[1].e_perm, ACL_READ | ACL_WRITE);
    return list.entries[1].e_id;
}

gboolean
world_node(int index, uid_t *ret_user)
{
    g_autofree char *path = node_path(index);
    struct stat status;

    if (lstat(path, &status) < 0)
        return FALSE;
    assert_true(S_ISCHR(status.st_mode));
    assert_int_equal(status.st_uid, 0);
    *ret_user = read_access_list(path, &status);
    return TRUE;
}

/* /dev/null */
void
world_put_node(int index)
{
    g_autofree char *path = node_path(index);

    assert_true(has_own_dev);
    assert_int_equal(mknod(path, S_IFCHR | 0600, makedev(1, 3)), 0);
}

void
world_set_mac(const char *name, const char *mac)
{
    test_link_set_mac(name, mac);
}

void
world_add_altname(const char *name, const char *altname)
{
    test_link_add_altname(name, altname);
}

void
world_set_mtu(const char *name, guint mtu)
{
    test_link_set_mtu(name, mtu);
}

void
world_set_up(const char *name, gboolean up)
{
    test_link_set_up(name, up);
}

void
world_enable_ipv6(const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);

    test_write_file(path, "0");
}

void
world_make_bridge_port(const char *name)
{
    test_bridge_add("br0");
    test_link_set_master(name, "br0");
}

void
world_remove(const char *name)
{
    test_link_delete(name);
}

void
world_make_bond(void)
{
    test_veth_add("up2", "up3");
    test_bond_add("bond0");
    test_bond_enslave("bond0", "up0");
    test_bond_enslave("bond0", "up2");
}

void
world_make_macvlan_of_elsewhere(const char *name)
{
    int before;

    elsewhere = test_namespace_new();
    before = test_namespace_switch(elsewhere);
    test_veth_add("low0", "low1");
    test_macvlan_give(name, "low0", before);
    close(test_namespace_switch(before));
    close(before);
    test_link_set_up(name, TRUE);
}

void
world_move_away(const char *name)
{
    if (elsewhere < 0)
        elsewhere = test_namespace_new();
    test_link_move(name, elsewhere);
}

void
world_bring_back(const char *name)
{
    int before = test_namespace_switch(elsewhere);

    test_link_move(name, before);
    close(test_namespace_switch(before));
    close(before);
}

gboolean
world_is_away(const char *name)
{
    int before = test_namespace_switch(elsewhere);
    gboolean is_away = if_nametoindex(name) != 0;

    close(test_namespace_switch(before));
    close(before);
    return is_away;
}

int
world_socket_of_elsewhere(void)
{
    int there = test_namespace_new(), before = test_namespace_switch(there);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    close(test_namespace_switch(before));
    close(before);
    close(there);
    return fd;
}

void
world_close_elsewhere(int socket_fd)
{
    close(socket_fd);
}

void
world_set_carrier(const char *name, gboolean carrier)
{
    test_link_set_up(strcmp(name, "up0") == 0 ? "up1" : "up3", carrier);
}

void
world_receive(const char *in, const MacAddress *to)
{
    guint8 frame[64], received[64];
    int wire = frame_open("up1"), inside = frame_open(in);

    frame_send(wire, frame, frame_text_frame(frame, to, "contract"));
    frame_receive(inside, received, sizeof received);
    close(wire);
    close(inside);
}

void
world_announce(const MacAddress *mac, gboolean to_all)
{
    const MacAddress own = world_link("up0").mac;
    int wire = frame_open("up1");
    guint8 frame[64];
    gsize length = frame_announcement(frame, mac);

    if (!to_all)
        memcpy(frame, &own, sizeof own);
    frame_send(wire, frame, length);
    close(wire);
}

static int hearing = -1;

void
world_begin_to_hear(void)
{
    hearing = frame_open("up1");
}

GArray *
world_hear(guint n)
{
    GArray *macs = g_array_new(FALSE, FALSE, sizeof(MacAddress));

    while (macs->len < n) {
        guint8 frame[64], model[64];
        gsize length = frame_receive(hearing, frame, sizeof frame);
        MacAddress mac;

        memcpy(&mac, frame + 6, sizeof mac);
        /* All but the padding is as in QEMU's; the kernel sends frames of its own for IPv6. */
        if (length != frame_announcement(model, &mac) || memcmp(frame, model, 42) != 0)
            continue;
        g_array_append_val(macs, mac);
        frame_send(hearing, frame, length);
    }
    descriptor_clear(&hearing);
    return macs;
}

void
world_add_address(const char *name, const char *address)
{
    test_address_add(name, address);
}

/* Runs ip(8) and returns what it prints; free with g_free(). */
static char *G_GNUC_PRINTF(1, 2) ip(const char *format, ...)
{
    g_autofree char *arguments = NULL, *command = NULL;
    char *output = NULL;
    va_list list;
    int status;

    va_start(list, format);
    arguments = g_strdup_vprintf(format, list);
    va_end(list);
    command = g_strconcat("ip ", arguments, NULL);
    if (!g_spawn_command_line_sync(command, &output, NULL, &status, NULL) || status != 0)
        fail_msg("%s: %d", command, status);
    return output;
}

void
world_remove_address(const char *name, const char *address)
{
    g_free(ip("address delete %s dev %s", address, name));
}

void
world_add_gateway(const char *name, const char *gateway)
{
    g_free(ip("route add 198.51.100.0/24 via %s dev %s", gateway, name));
}

void
world_set_neighbour(const char *name, const char *address, const char *mac)
{
    g_free(ip("neighbour replace %s lladdr %s dev %s nud reachable", address, mac, name));
}

void
world_remove_route(const char *name, const char *address)
{
    g_free(ip("route delete %s dev %s", address, name));
}

void
world_answer(const char *address, const MacAddress *mac)
{
    MacAddress to = world_link("up0").mac;
    guint8 frame[60] = {[12] = 8, 6, 0, 1, 8, 0, 6, 4, 0, 2};
    IpAddress parsed;
    int fd;

    assert_true(ip_address_parse(address, &parsed));
    memcpy(frame, &to, sizeof to);
    memcpy(frame + 6, mac, sizeof *mac);
    memcpy(frame + 22, mac, sizeof *mac);
    memcpy(frame + 28, parsed.bytes + 12, 4);
    memcpy(frame + 32, &to, sizeof to);
    fd = frame_open("up1");
    frame_send(fd, frame, sizeof frame);
    close(fd);
}

GArray *
world_proxies(const char *name)
{
    g_autofree char *output = ip("-6 neighbour show proxy dev %s", name);
    g_auto(GStrv) words = g_strsplit_set(output, " \n", -1);
    GArray *proxies = g_array_new(FALSE, FALSE, sizeof(IpAddress));

    for (char **word = words; *word; word++) {
        IpAddress address;

        if (ip_address_parse(*word, &address))
            g_array_append_val(proxies, address);
    }
    return proxies;
}

LinkProgram
world_program(void)
{
    const struct bpf_insn instructions[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_OK},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr load = {
        .prog_type = BPF_PROG_TYPE_SCHED_CLS,
        .insns = (guint64)(uintptr_t)instructions,
        .insn_cnt = G_N_ELEMENTS(instructions),
        .license = (guint64)(uintptr_t) "GPL",
    };
    int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
    struct bpf_prog_info info = {0};
    union bpf_attr ask = {.info = {.bpf_fd = (guint32)fd,
                                   .info_len = sizeof info,
                                   .info = (guint64)(uintptr_t)&info}};

    assert_true(fd >= 0);
    assert_int_equal(syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask), 0);
    return (LinkProgram){.fd = fd, .id = info.id};
}

void
world_remove_filters(const char *name)
{
    g_autofree char *command = g_strdup_printf("tc qdisc del dev %s clsact", name);

    assert_int_equal(system(command), 0);
}

void
world_remove_pace(const char *name)
{
    g_autofree char *command = g_strdup_printf("tc qdisc replace dev %s root pfifo", name);

    assert_int_equal(system(command), 0);
}

void
world_transmit(const char *name)
{
    const MacAddress everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    g_autoptr(DescriptorArray) queues = descriptor_array_new();
    LinkInfo link = world_link(name);
    guint8 frame[10 + 60] = {0}; /* after a virtio_net_hdr */

    assert_true(world_kernel->ops->tap_open(world_kernel, &link, "frame", 1, FALSE, queues, NULL));
    frame_text_frame(frame + 10, &everybody, "contract");
    assert_int_equal(write(descriptor_array_get(queues, 0), frame, sizeof frame), sizeof frame);
    world_kernel->ops->queue_forget(world_kernel, "frame");
}

static int
compare_macs(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(MacAddress));
}

GByteArray *
world_sources(const char *name)
{
    GByteArray *sources = test_macvtap_sources(name);

    if (sources->len > 0) /* qsort() takes no NULL */
        qsort(sources->data, sources->len / sizeof(MacAddress), sizeof(MacAddress), compare_macs);
    return sources;
}

/* The arguments are the kinds of links that the body needs. */
int
main(int argc, char **argv)
{
    const struct rlimit files = {4096, 4096};
    const char *reason = test_namespace_enter();

    if (reason)
        return test_skip_all(reason);
    for (int i = 1; i < argc; i++) {
        g_autofree char *missing = g_strdup_printf("the kernel has no links of kind %s", argv[i]);

        if (!test_has_kind(argv[i]))
            return test_skip_all(missing);
    }
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        return EXIT_FAILURE;
    return _cmocka_run_group_tests("linux", contract_tests, n_contract_tests, NULL, NULL);
}
