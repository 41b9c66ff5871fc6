/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The doctor's checks on a machine that is a folder, and answers of macvtapd's that are written
 * here.
 */
#include "unit.h"

#include "client-private.h"
#include "doctor.h"

#include <glib/gstdio.h>
#include <net/if.h>

#define RELEASE "6.1.0-56-amd64"

static int
set_up(void **state)
{
    char *root = g_dir_make_tmp("doctor-XXXXXX", NULL);
    Doctor *doctor = doctor_new(root, TRUE);

    doctor->release = g_strdup(RELEASE);
    doctor->is_here = TRUE;
    doctor->links = g_array_new(FALSE, TRUE, sizeof(LinkInfo));
    doctor->addresses = g_array_new(FALSE, TRUE, sizeof(HostAddress));
    doctor->processes = g_array_new(FALSE, TRUE, sizeof(HostProcess));
    doctor->networks = g_ptr_array_new_with_free_func((GDestroyNotify)macvtap_network_free);
    doctor->ports = g_ptr_array_new_with_free_func((GDestroyNotify)macvtap_port_free);
    *state = doctor;
    return 0;
}

static int
tear_down(void **state)
{
    Doctor *doctor = *state;
    const char *const command[] = {"rm", "-rf", doctor->root, NULL};

    g_spawn_sync(NULL, (char **)command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                 NULL);
    g_free((char *)doctor->root);
    doctor_free(doctor);
    return 0;
}

static void
put(const Doctor *doctor, const char *path, const char *text)
{
    g_autofree char *whole = g_build_filename(doctor->root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(whole);

    assert_int_equal(g_mkdir_with_parents(folder, 0755), 0);
    assert_true(g_file_set_contents(whole, text, -1, NULL));
}

/* JSON with ' for ". */
static json_t *
parse(const char *text)
{
    g_autofree char *json = g_strdelimit(g_strdup(text), "'", '"');
    json_t *object = json_loads(json, 0, NULL);

    assert_non_null(object);
    return object;
}

static void
add_network(Doctor *doctor, const char *fields)
{
    g_autofree char *text = g_strdup_printf("{'ports':0,%s}", fields);
    json_t *json = parse(text);
    const char *missing;
    MacvtapNetwork *network = client_network_new(json, &missing);

    assert_non_null(network);
    g_ptr_array_add(doctor->networks, network);
    json_decref(json);
}

/* more begins with ','; what it has goes before. */
static void
add_port(Doctor *doctor, const char *more)
{
    json_t *json = parse("{'id':'p000000000001','name':'vm7','network':'lan','parent':'eth0',"
                         "'mode':'bridge','interfaceName':'mvt1','interfaceIndex':7,"
                         "'macAddress':'52:54:00:00:00:01','mtu':1500,'queues':1,"
                         "'holder':{'type':'none'},'owner':0,'state':'active','linkUp':true,"
                         "'carrier':true,'macChanges':0}");
    g_autofree char *text = g_strdup_printf("{%s}", more);
    json_t *others = parse(text);
    const char *missing;
    MacvtapPort *port;

    json_object_update(json, others);
    port = client_port_new(json, NULL, NULL, NULL, &missing);
    assert_non_null(port);
    g_ptr_array_add(doctor->ports, port);
    json_decref(others);
    json_decref(json);
}

/* What ListNetworks answers besides networks. */
static void
set_answer(Doctor *doctor, const char *fields)
{
    g_autofree char *text = g_strdup_printf("{'networks':[],%s}", fields);
    const VarlinkReply reply = {.parameters = parse(text)};

    macvtap_request_free(doctor->answer);
    doctor->answer = macvtap_request_new(MACVTAP_METHOD_LIST_NETWORKS);
    assert_true(client_answer_read(doctor->answer, &reply));
    json_decref(reply.parameters);
}

static LinkInfo *
add_link(Doctor *doctor, const char *name, int index)
{
    LinkInfo link = {.index = index, .flags = IFF_UP, .carrier = TRUE};

    g_strlcpy(link.name, name, sizeof link.name);
    g_array_append_val(doctor->links, link);
    return &g_array_index(doctor->links, LinkInfo, doctor->links->len - 1);
}

/* Runs one check, and returns what it has found as "CODE SEVERITY SUBJECT: MESSAGE | REMEDY" lines;
 * good news are no finding. */
static char *
run_check(Doctor *doctor, void (*run)(Doctor *doctor), guint needs)
{
    const DoctorCheck check = {"a-code", run, needs};
    GString *text = g_string_new(NULL);

    g_ptr_array_set_size(doctor->findings, 0);
    doctor_run(doctor, &check, 1);
    for (guint i = 0; i < doctor->findings->len; i++) {
        const Finding *finding = doctor->findings->pdata[i];

        assert_string_equal(finding->code, "a-code");
        if (finding->severity != DOCTOR_GOOD)
            g_string_append_printf(text, "%s%s %s: %s | %s", text->len ? "\n" : "",
                                   finding->severity == DOCTOR_NOTE ? "note" : "problem",
                                   finding->subject, finding->message, finding->remedy);
    }
    return g_string_free(text, FALSE);
}

/* found has all the words, NULL-terminated; without any it is empty. */
static void
expect(Doctor *doctor, void (*run)(Doctor *doctor), const char *word, ...)
{
    g_autofree char *found = run_check(doctor, run, 0);
    va_list words;

    if (!word) {
        assert_string_equal(found, "");
        return;
    }
    va_start(words, word);
    for (; word; word = va_arg(words, const char *)) {
        if (!strstr(found, word))
            fail_msg("'%s' is not in '%s'", word, found);
    }
    va_end(words);
}

static void
test_kernel(void **state)
{
    Doctor *doctor = *state;

    expect(doctor, doctor_check_macvtap,
           "note kernel " RELEASE ": cannot find out whether the kernel has macvtap",
           "| modprobe macvtap", NULL);
    put(doctor, "lib/modules/" RELEASE "/modules.dep", "kernel/drivers/net/macvtap.ko:\n");
    expect(doctor, doctor_check_macvtap, NULL);
    put(doctor, "lib/modules/" RELEASE "/modules.dep", "kernel/drivers/net/macvlan.ko:\n");
    expect(doctor, doctor_check_macvtap,
           "problem kernel " RELEASE ": it has no macvtap: no port can be created",
           "CONFIG_MACVTAP", NULL);
}

/* VLAN= without 802.1Q, once for all networks; who has no VLAN does not need it. */
static void
test_vlans(void **state)
{
    Doctor *doctor = *state;

    put(doctor, "lib/modules/" RELEASE "/modules.dep", "");
    add_network(doctor, "'name':'lan','mode':'bridge'");
    expect(doctor, doctor_check_vlans, NULL);
    add_network(doctor, "'name':'dmz','mode':'bridge','vlan':'100'");
    add_network(doctor, "'name':'iot','mode':'bridge','vlan':'200.1'");
    expect(doctor, doctor_check_vlans,
           "problem kernel " RELEASE
           ": it has no 802.1Q: no port can be created on network dmz, which has VLAN=100",
           "CONFIG_VLAN_8021Q", NULL);
    assert_int_equal(doctor_count_problems(doctor), 1);
    put(doctor, "proc/net/vlan/config", "");
    expect(doctor, doctor_check_vlans, NULL);
}

static void
test_vhost(void **state)
{
    Doctor *doctor = *state;
    g_autofree char *device = g_build_filename(doctor->root, "dev/vhost-net", NULL);

    expect(doctor, doctor_check_vhost, "note vhost-net: there is no /dev/vhost-net",
           "| modprobe vhost_net", NULL);
    expect(doctor, doctor_check_vhost_users, NULL);
    put(doctor, "lib/modules/" RELEASE "/modules.dep", "");
    add_network(doctor, "'name':'fast','mode':'bridge','vhost':'require'");
    expect(doctor, doctor_check_vhost, "problem network fast: it has Vhost=require",
           "install a kernel that has the module vhost_net", NULL);
    assert_int_equal(doctor->findings->len, 1);
    put(doctor, "dev/vhost-net", "");
    expect(doctor, doctor_check_vhost, NULL);
    g_chmod(device, 0600);
    expect(doctor, doctor_check_vhost_users, "note vhost-net: only root may open", "udev rule",
           NULL);
    g_chmod(device, 0666);
    expect(doctor, doctor_check_vhost_users, NULL);
    /* The root group is nobody's. */
    g_chmod(device, 0660);
    if (getuid() == 0)
        expect(doctor, doctor_check_vhost_users, "only root", NULL);
}

static void
test_passthru(void **state)
{
    Doctor *doctor = *state;
    HostAddress address = {"eth0", "192.0.2.1", FALSE}, local = {"eth1", "fe80::1", TRUE};
    LinkInfo *macvlan;

    add_link(doctor, "eth0", 2);
    add_link(doctor, "eth1", 3);
    add_link(doctor, "eth2", 4);
    g_array_append_val(doctor->addresses, address);
    g_array_append_val(doctor->addresses, local);
    add_network(doctor, "'name':'tagged','mode':'passthru','parents':['eth0'],'vlan':'5'");
    add_network(doctor, "'name':'shared','mode':'bridge','parents':['eth0']");
    add_network(doctor, "'name':'broken','problem':'x'");
    add_network(doctor, "'name':'pool','mode':'passthru','parents':['eth1','eth2']");
    expect(doctor, doctor_check_passthru, NULL);
    add_network(doctor, "'name':'fast','mode':'passthru','parents':['eth1','eth0']");
    expect(doctor, doctor_check_passthru,
           "problem network fast: its guest gets every frame that eth0 receives, and the host's "
           "address 192.0.2.1 is on it",
           NULL);
    assert_int_equal(doctor_count_problems(doctor), 1);
    put(doctor, "proc/net/route",
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n"
        "eth1\t00000000\t010200C0\t0002\t0\t0\t0\t00000000\n"
        "eth1\t00000000\t010200C0\t0003\t0\t0\t0\t00000080\n"
        "eth2\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n");
    expect(doctor, doctor_check_passthru, "192.0.2.1 and default route are on it", NULL);
    assert_int_equal(doctor_count_problems(doctor), 1);
    put(doctor, "proc/net/ipv6_route",
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
        "fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth2\n"
        "00000000000000000000000000000000 01 00000000000000000000000000000000 00 "
        "fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth1\n"
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
        "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n");
    expect(doctor, doctor_check_passthru, "network pool",
           "eth2 receives, and the host's default route is on it", NULL);
    assert_int_equal(doctor_count_problems(doctor), 2);
    macvlan = add_link(doctor, "hostlan", 5);
    g_strlcpy(macvlan->kind, "macvlan", sizeof macvlan->kind);
    macvlan->lower_index = 2;
    g_ptr_array_set_size(doctor->networks, 0);
    add_network(doctor, "'name':'above','mode':'passthru','parents':['hostlan']");
    expect(doctor, doctor_check_passthru,
           "problem network above: its guest gets every frame that eth0 receives", NULL);
}

static void
test_parents(void **state)
{
    Doctor *doctor = *state;

    add_network(doctor, "'name':'lan','mode':'bridge','parents':['eth0'],"
                        "'parentProblems':['parent eth0 is down']");
    expect(doctor, doctor_check_parents,
           "problem network lan: parent eth0 is down | ip link set dev eth0 up", NULL);
    add_network(doctor,
                "'name':'pool','mode':'bridge','parents':['eth1','eth2'],"
                "'parentProblems':['eth1 is a port of bond bond0; use bond0 as the parent']");
    expect(doctor, doctor_check_parents, "use bond0 as the parent (its other parents are used) | ",
           NULL);
}

static void
test_carrier(void **state)
{
    Doctor *doctor = *state;

    add_network(doctor, "'name':'lan','mode':'bridge','parents':['eth0','eth1']");
    add_port(doctor, "'parent':'eth2.5','trunk':'eth2'");
    add_port(doctor, "'network':'parent=eth3,mode=vepa','parent':'eth3'");
    add_link(doctor, "eth0", 1)->carrier = FALSE;
    add_link(doctor, "eth1", 2);
    add_link(doctor, "eth2", 3)->carrier = FALSE;
    add_link(doctor, "eth3", 4)->carrier = FALSE;
    add_link(doctor, "eth4", 5)->carrier = FALSE;
    expect(doctor, doctor_check_carrier, "parent eth0: it has no carrier",
           "parent eth2:", "parent eth3:", NULL);
    assert_int_equal(doctor_count_problems(doctor), 3);
    /* Down is another matter. */
    g_array_index(doctor->links, LinkInfo, 0).flags = 0;
    expect(doctor, doctor_check_carrier, "parent eth2:", NULL);
    assert_int_equal(doctor_count_problems(doctor), 2);
}

static void
test_ports(void **state)
{
    Doctor *doctor = *state;

    add_port(doctor, "");
    expect(doctor, doctor_check_devices, NULL);
    expect(doctor, doctor_check_repairs, NULL);
    expect(doctor, doctor_check_links, NULL);
    expect(doctor, doctor_check_mtu, NULL);
    add_port(doctor, "'name':'a','problem':'its MAC is 52:54:00:00:00:09','wantedMtu':9000");
    add_port(doctor, "'name':'b','linkUp':false,'wantedMtu':1500");
    add_port(doctor, "'name':'c','state':'parent-gone','linkUp':false");
    add_port(doctor, "'name':'d','state':'device-gone','problem':'it was moved'");
    expect(doctor, doctor_check_repairs,
           "problem port a: its MAC is 52:54:00:00:00:09 | see what macvtapd has tried: macvtapctl "
           "log "
           "--port a",
           NULL);
    expect(doctor, doctor_check_links, "problem port b: its link is down",
           "| macvtapctl port set b --link up", NULL);
    assert_int_equal(doctor_count_problems(doctor), 1);
    expect(doctor, doctor_check_mtu, "problem port a: its MTU dropped from 9000 to 1500",
           "| ip link set dev eth0 mtu 9000", NULL);
    assert_int_equal(doctor_count_problems(doctor), 1);
    expect(doctor, doctor_check_devices, "problem port c: its parent was removed",
           "problem port d: it was moved | ", "macvtapctl port delete d", NULL);
    assert_int_equal(doctor_count_problems(doctor), 2);
}

static void
test_macs(void **state)
{
    Doctor *doctor = *state;
    LinkInfo *parent = add_link(doctor, "eth0", 1);

    add_port(doctor, "");
    expect(doctor, doctor_check_macs, NULL);
    parent->mac = (MacAddress){{0x52, 0x54, 0, 0, 0, 1}};
    expect(doctor, doctor_check_macs,
           "port vm7: its parent eth0 now has the port's MAC 52:54:00:00:00:01", NULL);
    g_ptr_array_set_size(doctor->ports, 0);
    add_port(doctor, "'mode':'passthru'");
    expect(doctor, doctor_check_macs, NULL);
}

static void
test_domains(void **state)
{
    Doctor *doctor = *state;
    HostProcess process = {.pid = 12, .name = "qemu"};
    static const char cmdline[] = "qemu\0-uuid\0"
                                  "11111111-2222-3333-4444-555555555555";
    g_autofree char *path = g_build_filename(doctor->root, "proc/12/cmdline", NULL);

    add_port(doctor, "'holder':{'type':'domain','domain':'11111111-2222-3333-4444-555555555555'}");
    add_port(doctor, "'holder':{'type':'domain','domain':'x','pid':5}");
    expect(doctor, doctor_check_domains,
           "port vm7: libvirt's domain 11111111-2222-3333-4444-555555555555 holds it", NULL);
    assert_int_equal(doctor_count_problems(doctor), 1);
    put(doctor, "proc/12/comm", "qemu\n");
    assert_true(g_file_set_contents(path, cmdline, sizeof cmdline, NULL));
    g_array_append_val(doctor->processes, process);
    expect(doctor, doctor_check_domains, NULL);
}

/* Only a port's device that is here: another of that name may be anybody's. */
static void
test_what_the_host_has_on_devices(void **state)
{
    Doctor *doctor = *state;
    HostAddress address = {"mvt1", "169.254.7.7", TRUE};
    LinkInfo *device = add_link(doctor, "mvt1", 8);

    add_port(doctor, "");
    put(doctor, "proc/sys/net/ipv6/conf/mvt1/disable_ipv6", "0\n");
    put(doctor, "proc/net/packet",
        "sk RefCnt Type Proto  Iface R Rmem   User   Inode\n"
        "0  3      3    0003   7     1 0      0      101\n");
    g_array_append_val(doctor->addresses, address);
    expect(doctor, doctor_check_addresses, NULL);
    expect(doctor, doctor_check_ipv6, NULL);
    expect(doctor, doctor_check_listeners, NULL);
    device->index = 7;
    expect(doctor, doctor_check_addresses,
           "problem port vm7: the host has the address 169.254.7.7"
           " on the guest's device mvt1 | find the program",
           NULL);
    expect(doctor, doctor_check_ipv6, "problem port vm7: the host has IPv6 on the guest's device",
           NULL);
    expect(doctor, doctor_check_listeners, "a program in another PID namespace listens", NULL);
    put(doctor, "proc/sys/net/ipv6/conf/mvt1/disable_ipv6", "1\n");
    expect(doctor, doctor_check_ipv6, NULL);
    doctor->is_root = FALSE;
    expect(doctor, doctor_check_listeners, NULL);
}

static void
test_strays(void **state)
{
    static const struct {
        const char *name, *kind, *alias;
        gboolean told;
    } rows[] = {
        {"mvt1", "macvtap", "macvtapd:p000000000001", FALSE}, /* the port's */
        {"vm0", "macvtap", "macvtapd:p000000000002", TRUE},
        {"mvt2", "macvtap", "", TRUE},
        {"vm1", "macvtap", "macvtapd:", FALSE},
        {"vm2", "macvtap", "mine", FALSE},
        {"mvt3", "veth", "", FALSE},
        {"eth0.5", "vlan", "macvtapd:vlan", FALSE},
    };
    Doctor *doctor = *state;

    add_port(doctor, "");
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        LinkInfo *link;

        g_array_set_size(doctor->links, 0);
        link = add_link(doctor, rows[i].name, i == 0 ? 7 : 20 + (int)i);
        g_strlcpy(link->kind, rows[i].kind, sizeof link->kind);
        g_strlcpy(link->alias, rows[i].alias, sizeof link->alias);
        expect(doctor, doctor_check_strays, rows[i].told ? rows[i].name : NULL,
               "| if no guest uses it, ip link delete", NULL);
    }
}

/* In source mode somebody must be listed, by the network or the port. */
static void
test_sources(void **state)
{
    Doctor *doctor = *state;

    add_port(doctor, "");
    add_network(doctor, "'name':'lan','mode':'bridge','parents':['eth0']");
    expect(doctor, doctor_check_sources, NULL);
    add_network(
        doctor,
        "'name':'listed','mode':'source','parents':['eth0'],'sources':['52:54:00:00:00:09']");
    add_port(doctor, "'name':'one','network':'listed','mode':'source'");
    add_port(doctor, "'name':'two','network':'parent=eth0,mode=source','mode':'source','sources':['"
                     "52:54:00:00:00:09']");
    add_port(doctor, "'name':'off','network':'empty','mode':'source','state':'parent-gone'");
    expect(doctor, doctor_check_sources, NULL);
    add_network(doctor, "'name':'empty','mode':'source','parents':['eth0']");
    expect(doctor, doctor_check_sources,
           "note network empty: it is in source mode without Sources=", NULL);
    assert_int_equal(doctor_count_problems(doctor), 0);
    add_port(doctor, "'name':'three','network':'empty','mode':'source'");
    expect(doctor, doctor_check_sources,
           "problem port three: it is in source mode and no source is listed",
           "macvtapctl port set three --sources", NULL);
    assert_int_equal(doctor_count_problems(doctor), 1);
}

static void
test_outdated(void **state)
{
    Doctor *doctor = *state;

    add_port(doctor, "");
    add_port(doctor, "'name':'gone','state':'parent-gone','outdated':['Mode']");
    expect(doctor, doctor_check_outdated, NULL);
    add_port(doctor, "'name':'old','outdated':['Parent','VLAN']");
    expect(doctor, doctor_check_outdated,
           "note port old: network lan has changed since the port was created",
           "of: Parent VLAN | restart its guest", NULL);
}

static void
add_vlan_link(Doctor *doctor, const char *name, int index, int trunk, guint16 tag)
{
    LinkInfo *link = add_link(doctor, name, index);

    g_strlcpy(link->kind, "vlan", sizeof link->kind);
    link->lower_index = trunk;
    link->vlan_id = tag;
}

static void
test_host_links(void **state)
{
    Doctor *doctor = *state;

    add_network(doctor, "'name':'lan','mode':'bridge','parents':['eth0'],'hostLinks':[{"
                        "'interfaceName':'mvh-eth0','parent':'eth0','addresses':[],'routes':0}]");
    expect(doctor, doctor_check_host_rules, NULL);
    expect(doctor, doctor_check_host_arp, NULL);
    doctor->ruleset_problem = g_strdup("Operation not permitted");
    expect(doctor, doctor_check_host_rules,
           "note host link mvh-eth0: cannot read the ruleset, so it is not known whether firewall "
           "rules for eth0 miss it: nft list ruleset: Operation not permitted | run nft",
           NULL);
    doctor->ruleset = g_strdup("iifname \"eth0\" tcp dport 22 accept\n"
                               "iifname { \"eth0\", \"mvh-eth0\" } accept\n"
                               "iifname \"eth0.7\" drop\n");
    put(doctor, "proc/sys/net/ipv4/conf/all/arp_ignore", "1\n");
    expect(doctor, doctor_check_host_rules,
           "note host link mvh-eth0: 1 firewall rule for eth0 does not apply to what the host "
           "exchanges with its guests, which goes through mvh-eth0: iifname \"eth0\" tcp dport 22 "
           "accept | add the same rules",
           NULL);
    expect(doctor, doctor_check_host_arp,
           "problem host link mvh-eth0: the host does not answer ARP from its guests", NULL);
}

/* F5: a VLAN device takes frames from guests that there are, whoever made it. */
static void
test_taken_vlans(void **state)
{
    Doctor *doctor = *state;

    add_link(doctor, "eth0", 2);
    add_vlan_link(doctor, "eth0.100", 3, 2, 100);
    add_vlan_link(doctor, "eth1.200", 4, 9, 200);
    add_network(doctor, "'name':'lan','mode':'bridge','parents':['eth0']");
    expect(doctor, doctor_check_taken_vlans, NULL);
    add_port(doctor, "'network':'office','parent':'eth0.100','trunk':'eth0','vlan':'100'");
    expect(doctor, doctor_check_taken_vlans, NULL);
    add_vlan_link(doctor, "eth0.100.7", 6, 3, 7);
    expect(doctor, doctor_check_taken_vlans,
           "note network office: its guests do not get the frames of VLAN 7 on eth0.100: the VLAN "
           "device eth0.100.7 takes them",
           NULL);
    g_array_set_size(doctor->links, doctor->links->len - 1);
    add_port(doctor, "");
    add_port(doctor, "'name':'other'");
    expect(doctor, doctor_check_taken_vlans,
           "note network lan: its guests do not get the frames of VLAN 100 on eth0: the VLAN "
           "device eth0.100 takes them",
           NULL);
    assert_int_equal(doctor->findings->len, 1);
    g_ptr_array_set_size(doctor->networks, 0);
    add_network(doctor,
                "'name':'lan','mode':'bridge','parents':['eth0'],'guestVlans':['7','200-210']");
    expect(doctor, doctor_check_taken_vlans, NULL);
    add_vlan_link(doctor, "eth0.205", 5, 2, 205);
    expect(doctor, doctor_check_taken_vlans, "VLAN 205", NULL);
    assert_int_equal(doctor->findings->len, 1);
}

static void
test_faults(void **state)
{
    Doctor *doctor = *state;

    expect(doctor, doctor_check_faults, NULL);
    set_answer(doctor, "'faults':[{'code':'another','subject':'s','message':'m','remedy':'r'}]");
    expect(doctor, doctor_check_faults, NULL);
    set_answer(doctor, "'faults':[{'code':'another','subject':'s','message':'m','remedy':'r'},"
                       "{'code':'a-code','subject':'record x','message':'it is bad',"
                       "'remedy':'delete it'}]");
    expect(doctor, doctor_check_faults, "problem record x: it is bad | delete it", NULL);
}

static void
test_no_daemon(void **state)
{
    Doctor *doctor = *state;

    expect(doctor, doctor_check_daemon, NULL);
    doctor->unreachable = g_strdup("cannot reach it");
    expect(doctor, doctor_check_daemon, "problem macvtapd: cannot reach it | systemctl", NULL);
    put(doctor, "etc/macvtapd/macvtapd.conf", "[Daemon]\nSeed=a\n");
    expect(doctor, doctor_check_daemon, "problem macvtapd: cannot reach it | systemctl", NULL);
    put(doctor, "etc/macvtapd/macvtapd.conf", "[Daemon]\nSeeed=a\n");
    expect(doctor, doctor_check_daemon, "cannot reach it, and would not start", "macvtapd.conf:2",
           "| correct /etc/macvtapd/macvtapd.conf", NULL);
}

static void
count_run(Doctor *doctor)
{
    doctor_note(doctor, "x", NULL, "r", "m");
}

static void
expect_run(Doctor *doctor, guint needs, gboolean expected)
{
    g_autofree char *found = run_check(doctor, count_run, needs);

    assert_int_equal(found[0] != '\0', expected);
}

/* A check that cannot have what it needs would find what is not so. */
static void
test_needs(void **state)
{
    Doctor *doctor = *state;
    GPtrArray *networks = doctor->networks;
    guint all = DOCTOR_NEEDS_DAEMON | DOCTOR_NEEDS_HERE | DOCTOR_NEEDS_ROOT;

    expect_run(doctor, all, TRUE);
    doctor->is_root = FALSE;
    expect_run(doctor, DOCTOR_NEEDS_ROOT, FALSE);
    expect_run(doctor, DOCTOR_NEEDS_HERE, TRUE);
    doctor->is_here = FALSE;
    expect_run(doctor, DOCTOR_NEEDS_HERE, FALSE);
    expect_run(doctor, DOCTOR_NEEDS_DAEMON, TRUE);
    doctor->networks = NULL;
    expect_run(doctor, DOCTOR_NEEDS_DAEMON, FALSE);
    expect_run(doctor, 0, TRUE);
    doctor->networks = networks;
}

static void
test_output(void **state)
{
    Doctor *doctor = *state;
    const DoctorCheck checks[] = {{"one", count_run, 0}, {"two", doctor_check_daemon, 0}};
    g_autofree char *text = NULL, *json = NULL;
    json_t *object;

    doctor_run(doctor, checks, 2);
    text = doctor_to_text(doctor);
    assert_string_equal(text, "note     x: m\n           r\nok       macvtapd answers\n");
    object = doctor_to_json(doctor);
    json = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    assert_string_equal(json, "{\"findings\":[{\"code\":\"one\",\"severity\":\"note\",\"subject\":"
                              "\"x\",\"message\":\"m\",\"remedy\":\"r\"}]}");
    assert_int_equal(doctor_count_problems(doctor), 0);
}

static void
test_unguarded_networks(void **state)
{
    Doctor *doctor = *state;
    g_autofree char *found = NULL;

    add_network(doctor, "'name':'a','guard':{'senders':'own','addresses':'any'}");
    add_network(doctor, "'name':'b','guard':{'senders':'any','addresses':'any'},"
                        "'unguarded':'macvtapd was built without BPF'");
    add_network(doctor, "'name':'c','guard':{'senders':'any','addresses':'dhcp'},"
                        "'unguarded':'/sys/fs/bpf is not a BPF file system (mount -t bpf bpf"
                        " /sys/fs/bpf)'");
    add_network(doctor, "'name':'d','guard':{'senders':'own','addresses':'any'},"
                        "'unguarded':'this kernel does not support BPF'");
    found = run_check(doctor, doctor_check_unguarded, DOCTOR_NEEDS_DAEMON);
    assert_string_equal(
        found,
        "note network b: its guests can spoof any address, because macvtapd guards no"
        " ports: macvtapd was built without BPF | install a macvtapd that was built with BPF"
        " (meson's option bpf)\n"
        "problem network c: its file asks for a guard, so no port can be created: /sys/fs/bpf"
        " is not a BPF file system (mount -t bpf bpf /sys/fs/bpf) | mount -t bpf bpf /sys/fs/bpf, "
        "then"
        " restart macvtapd\n"
        "problem network d: its file asks for a guard, so no port can be created: this kernel does "
        "not support BPF | use a kernel that lets macvtapd load BPF programs, then restart "
        "macvtapd;"
        " or set Senders=any in the network's file if its guests may send anything");
}

static void
test_ports_without_a_guard(void **state)
{
    Doctor *doctor = *state;
    g_autofree char *found = NULL;

    add_network(doctor, "'name':'lan','guard':{'senders':'own','addresses':'any'}");
    add_network(doctor, "'name':'free','guard':{'senders':'any','addresses':'any'}");
    add_port(doctor, "'guard':{'senders':'any'}");
    add_port(doctor, "'name':'vm8','network':'free'");
    add_port(doctor, "'name':'vm9','network':'parent=eth0,mode=bridge'");
    add_port(doctor, "'name':'old'");
    found = run_check(doctor, doctor_check_unguarded_ports, DOCTOR_NEEDS_DAEMON);
    assert_true(g_str_has_prefix(found, "note port old: it is older than the guard of"
                                        " network lan"));
    assert_null(strchr(found, '\n'));
}

static void
test_dropped_frames(void **state)
{
    Doctor *doctor = *state;
    g_autofree char *found = NULL;

    add_port(doctor, "'guard':{'verdict':'drop'}");
    add_port(doctor, "'guard':{'verdict':'drop'},'dropped':{'other-mac':3,'stp':1},"
                     "'dropExample':'a frame from MAC 02:00:00:00:00:09; the port has"
                     " 52:54:00:00:00:01'");
    add_port(doctor, "'guard':{'verdict':'drop'},'dropped':{'other-mac':3},'dropExample':'stp'");
    add_port(doctor, "'guard':{'verdict':'count'},'dropped':{'other-mac':3,'lldp':2},"
                     "'dropAge':3600");
    add_port(doctor, "'name':'over','guard':{'verdict':'drop'},'dropped':{'other-mac':3},"
                     "'dropAge':3601");
    found = run_check(doctor, doctor_check_drops, DOCTOR_NEEDS_DAEMON);
    assert_string_equal(
        found, "problem port vm7: its guard drops a frame from MAC 02:00:00:00:00:09; the port has"
               " 52:54:00:00:00:01 | give the guest's NIC the MAC 52:54:00:00:00:01; if the guest "
               "may use other MACs (as a bridge or router), run macvtapctl port set vm7 --guard "
               "senders=any, or set Senders=any in its network's file\n"
               "problem port vm7: its guard drops frames from a MAC other than the port's | give"
               " the guest's NIC the MAC 52:54:00:00:00:01; if the guest may use other MACs (as a "
               "bridge or router), run macvtapctl port set vm7 --guard senders=any, or set "
               "Senders=any in its network's"
               " file\n"
               "note port vm7: its guard would have dropped: other-mac 3, lldp 2 | nothing, if its"
               " guest has no need to send that (macvtapd.network(5), [Guard])");
}

static void
test_no_address(void **state)
{
    Doctor *doctor = *state;
    g_autofree char *found = NULL;

    add_port(doctor, "'guard':{'addresses':'any'}");
    add_port(doctor, "'guard':{'addresses':'dhcp'}");
    add_port(doctor, "'guard':{'addresses':'listed','allowAddresses':['10.0.0.5']}");
    add_port(doctor, "'name':'vm8','guard':{'addresses':'listed'}");
    found = run_check(doctor, doctor_check_no_address, DOCTOR_NEEDS_DAEMON);
    assert_string_equal(found,
                        "problem port vm8: its guard allows only listed addresses, and none is "
                        "listed | macvtapctl port set vm8 --guard"
                        " allow-addresses=ADDRESS, or set AllowAddresses= in its network's file");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_kernel),
        TEST(test_vlans),
        TEST(test_vhost),
        TEST(test_passthru),
        TEST(test_parents),
        TEST(test_carrier),
        TEST(test_ports),
        TEST(test_macs),
        TEST(test_domains),
        TEST(test_what_the_host_has_on_devices),
        TEST(test_strays),
        TEST(test_faults),
        TEST(test_no_daemon),
        TEST(test_needs),
        TEST(test_unguarded_networks),
        TEST(test_ports_without_a_guard),
        TEST(test_dropped_frames),
        TEST(test_no_address),
        TEST(test_output),
        TEST(test_sources),
        TEST(test_outdated),
        TEST(test_host_links),
        TEST(test_taken_vlans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
