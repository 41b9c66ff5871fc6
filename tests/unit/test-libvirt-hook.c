/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hook's operations against a scripted macvtapd: a thread that answers the calls of one
 * connection from a list and keeps what it was asked. */
#include "unit.h"

#include "hook-state.h"
#include "hook.h"
#include "qemu-process.h"

#include "descriptor.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define UUID "5c1ab1ff-1d4f-4b4b-8f0e-2f1d1f0a7c11"
#define HEAD                                                                                       \
    "<domain><name>vm1</name><uuid>" UUID "</uuid><metadata>"                                      \
    "<m:ports xmlns:m='https://macvtapd.org/xmlns/domain/1'>"
#define MIDDLE "</m:ports></metadata><devices>"
#define TAIL "</devices></domain>"
#define INTERFACE(target, mac, more)                                                               \
    "<interface type='ethernet'><mac address='" mac "'/><target dev='" target                      \
    "' managed='no'/>" more "</interface>"
#define ONE                                                                                        \
    HEAD "<m:port target='null' network='lan'/>" MIDDLE INTERFACE("null", "52:54:00:00:00:0A", "") \
        TAIL
#define TWO                                                                                        \
    HEAD "<m:port target='null' network='lan'/><m:port target='zero' network='dmz'/>" MIDDLE       \
        INTERFACE("null", "52:54:00:00:00:0a", "")                                                 \
            INTERFACE("zero", "52:54:00:00:00:0b", "<driver queues='4'/><mtu size='9000'/>") TAIL

#define HELD_PORT(name, index, mac, domain) TIED_PORT(name, index, mac, domain, "")
#define TIED_PORT(name, index, mac, domain, pid)                                                   \
    "{'id':'p" index "','name':'" name                                                             \
    "','network':'lan','parent':'eth0','mode':'bridge','interfaceName':'" name                     \
    "','interfaceIndex':" index ",'macAddress':'" mac "','mtu':9000,'queues':1,'vhost':'auto',"    \
    "'holder':{'type':'domain'" pid ",'domain':'" domain                                           \
    "'},'owner':0,'state':'active','carrier':true,"                                                \
    "'macChanges':0}"
#define PORT(name, index, mac)                                                                     \
    "{'parameters':{'port':" HELD_PORT(                                                            \
        name, index, mac, UUID) ",'tapFileDescriptors':[],'vhostFileDescriptors':[]}}"
/* The answer to SetPort; of the port nothing is read. */
#define TIED PORT("null", "7", "52:54:00:00:00:0a")
#define ENDED "{'parameters':{'ports':0}}"
#define REFUSED(name, message)                                                                     \
    "{'error':'org.macvtapd.Ports." name "','parameters':{'message':'" message "'}}"

typedef struct Fixture {
    char *folder, *socket;
    int listening;
    const char *const *answers;
    GPtrArray *calls; /* of char * */
    GThread *thread;
    Hook hook;
} Fixture;

/* The devices of this machine: the names that the tests' XML have, and what is taken. */
static guint
fake_index(const char *name)
{
    if (g_str_equal(name, "null"))
        return 7;
    return g_str_equal(name, "zero") ? 8 : 0;
}

static guint
no_index(const char *name)
{
    return 0;
}

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    fixture->hook.state_folder = -1;
    fixture->folder = g_dir_make_tmp("macvtapd-test-XXXXXX", NULL);
    fixture->socket = g_build_filename(fixture->folder, "socket", NULL);
    g_strlcpy(address.sun_path, fixture->socket, sizeof(address.sun_path));
    fixture->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fixture->listening, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fixture->listening, 1), 0);
    fixture->calls = g_ptr_array_new_with_free_func(g_free);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    hook_clear(&fixture->hook);
    g_ptr_array_unref(fixture->calls);
    descriptor_clear(&fixture->listening);
    g_unlink(fixture->socket);
    assert_int_equal(g_rmdir(fixture->folder), 0);
    g_free(fixture->socket);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

/* The next call with ' for ", or NULL at the end. */
static char *
read_call(int fd)
{
    GString *text = g_string_new(NULL);
    char byte;

    while (read(fd, &byte, 1) == 1) {
        if (byte == '\0')
            return g_strdelimit(g_string_free(text, FALSE), "\"", '\'');
        g_string_append_c(text, byte);
    }
    g_string_free(text, TRUE);
    return NULL;
}

static gpointer
serve(gpointer data)
{
    Fixture *fixture = data;
    AUTO_FD int fd = accept4(fixture->listening, NULL, NULL, SOCK_CLOEXEC);
    char *call;

    for (const char *const *answer = fixture->answers; (call = read_call(fd)); answer++) {
        g_autofree char *json = NULL;

        g_ptr_array_add(fixture->calls, call);
        if (!*answer)
            break;
        json = g_strdelimit(g_strdup(*answer), "'", '"');
        if (write(fd, json, strlen(json) + 1) < 0)
            break;
    }
    return NULL;
}

/* The device nodes are those of /dev that every machine has: null and zero are character devices,
 * and links to them are what /dev/tapN would be. */
static void
make_hook(Fixture *fixture, const char *text)
{
    g_autoptr(GError) error = NULL;
    DomainXml *domain = domain_xml_parse(text, strlen(text), &error);

    assert_no_error(error);
    hook_clear(&fixture->hook);
    fixture->hook = (Hook){
        .domain = domain,
        .socket = fixture->socket,
        .state_folder = -1,
        .run_folders = g_strsplit(fixture->folder, "\n", -1),
        .proc_folder = "/proc",
        .device_folder = fixture->folder,
        .sysfs_folder = fixture->folder,
        .interface_index = fake_index,
        .notes = g_ptr_array_new_with_free_func(g_free),
    };
}

static void
make_node(const Fixture *fixture, const char *name, const char *target)
{
    g_autofree char *path = g_build_filename(fixture->folder, name, NULL);

    assert_int_equal(symlink(target, path), 0);
}

static void
remove_file(const Fixture *fixture, const char *name)
{
    g_autofree char *path = g_build_filename(fixture->folder, name, NULL);

    assert_int_equal(g_unlink(path), 0);
}

static void
remove_folder(const Fixture *fixture, const char *name)
{
    g_autofree char *path = g_build_filename(fixture->folder, name, NULL);

    assert_int_equal(g_rmdir(path), 0);
}

/* Runs the operation with a macvtapd that gives these answers. */
static gboolean
run_against(Fixture *fixture, const char *operation, const char *const *answers, GError **error)
{
    gboolean good;

    g_ptr_array_set_size(fixture->calls, 0);
    fixture->answers = answers;
    fixture->thread = g_thread_new("macvtapd", serve, fixture);
    good = hook_operation_find(operation)->run(&fixture->hook, error);
    g_thread_join(fixture->thread);
    return good;
}

static void
assert_call(const Fixture *fixture, guint index, const char *method, const char *text)
{
    const char *call = index < fixture->calls->len ? fixture->calls->pdata[index] : "(none)";

    if (!strstr(call, method) || !strstr(call, text))
        fail_msg("call %u is %s, not %s with %s", index, call, method, text);
}

static void
test_prepare(void **state)
{
    static const char *const answers[] = {ENDED, PORT("null", "7", "52:54:00:00:00:0a"),
                                          TIED,  PORT("zero", "8", "52:54:00:00:00:0b"),
                                          TIED,  NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, TWO);
    make_node(fixture, "tap7", "/dev/null");
    make_node(fixture, "tap8", "/dev/zero");
    run_against(fixture, "prepare", answers, &error);
    assert_no_error(error);
    assert_int_equal(fixture->calls->len, 5);
    assert_call(fixture, 0, "EndDomain", "'domain':'" UUID "'");
    assert_call(fixture, 1, "CreatePort", "'network':'lan'");
    assert_call(fixture, 1, "", "'interfaceName':'null'");
    assert_call(fixture, 1, "", "'name':'null'");
    assert_call(fixture, 1, "", "'macAddress':'52:54:00:00:00:0a'");
    assert_call(fixture, 1, "", "'queues':1");
    assert_call(fixture, 1, "", "'holder':{'type':'domain','domain':'" UUID "'}");
    assert_call(fixture, 1, "", "'openDescriptors':false");
    assert_call(fixture, 1, "", "'linkUp':false");
    assert_call(fixture, 1, "", "'deviceNode':{");
    assert_call(fixture, 2, "SetPort", "'port':'null','holderPid':");
    assert_call(fixture, 3, "CreatePort", "'network':'dmz'");
    assert_call(fixture, 3, "", "'queues':4");
    assert_call(fixture, 3, "", "'mtu':9000");
    assert_null(strstr(fixture->calls->pdata[3], "incoming"));
    assert_call(fixture, 4, "SetPort", "'port':'zero','holderPid':");
    remove_file(fixture, "tap7");
    remove_file(fixture, "tap8");
}

static void
test_prepare_ends_what_it_made(void **state)
{
    static const char *const answers[] = {
        ENDED, PORT("null", "7", "52:54:00:00:00:0a"),
        TIED,  REFUSED("NetworkNotFound", "there is no network: dmz"),
        ENDED, NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, TWO);
    make_node(fixture, "tap7", "/dev/null");
    assert_false(run_against(fixture, "prepare", answers, &error));
    assert_string_equal(error->message, "interface zero: there is no network: dmz");
    assert_int_equal(fixture->calls->len, 5);
    assert_call(fixture, 4, "EndDomain", UUID);
    remove_file(fixture, "tap7");
}

static void
test_prepare_compares(void **state)
{
    static const char *const rows[][2] = {
        {PORT("null", "7", "52:54:00:00:00:0c"),
         "the domain says MAC 52:54:00:00:00:0A, but the port has 52:54:00:00:00:0c: set"},
        {PORT("null", "6", "52:54:00:00:00:0a"), "in another network namespace"},
        {PORT("null", "7", "52:54:00:00:00:0a"), "libvirt has no "},
    };
    Fixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const answers[] = {ENDED, rows[i][0], ENDED, NULL};
        g_autoptr(GError) error = NULL;

        make_hook(fixture, ONE);
        assert_false(run_against(fixture, "prepare", answers, &error));
        assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, rows[i][1]);
        assert_call(fixture, 2, "EndDomain", UUID);
    }
}

static void
test_prepare_compares_nodes(void **state)
{
    static const char *const answers[] = {ENDED, PORT("null", "7", "52:54:00:00:00:0a"), ENDED,
                                          NULL};
    Fixture *fixture = *state;
    g_autofree char *sysfs = g_build_filename(fixture->folder, "class/net/null/macvtap/tap7", NULL);
    g_autofree char *number = g_build_filename(sysfs, "dev", NULL);
    g_autoptr(GError) error = NULL;

    make_hook(fixture, ONE);
    make_node(fixture, "tap7", "/");
    assert_false(run_against(fixture, "prepare", answers, &error));
    assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, "is no device");
    remove_file(fixture, "tap7");
    /* null is 1:3, zero 1:5 (Documentation/admin-guide/devices.txt). */
    make_node(fixture, "tap7", "/dev/zero");
    assert_int_equal(g_mkdir_with_parents(sysfs, 0700), 0);
    assert_true(g_file_set_contents(number, "1:3\n", -1, NULL));
    assert_false(run_against(fixture, "prepare", answers, &error));
    assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, "is another device's");
    assert_true(g_file_set_contents(number, "1:5\n", -1, NULL));
    assert_true(run_against(fixture, "prepare", answers, &error));
    remove_file(fixture, "tap7");
    assert_int_equal(g_unlink(number), 0);
    for (char *end = number; (end = strrchr(sysfs, '/')) && strlen(sysfs) > strlen(fixture->folder);
         *end = '\0')
        assert_int_equal(g_rmdir(sysfs), 0);
}

static void
test_prepare_asks_nobody_about_a_problem(void **state)
{
    static const char text[] = HEAD "<m:port target='null' network='lan'/>" MIDDLE TAIL;
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, text);
    fixture->hook.socket = "/dev/null/none";
    assert_false(hook_prepare(&fixture->hook, &error));
    assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, "metadata names a port");
    make_hook(fixture, HEAD MIDDLE TAIL);
    fixture->hook.socket = "/dev/null/none";
    assert_true(hook_prepare(&fixture->hook, NULL));
    make_hook(fixture, ONE);
    fixture->hook.socket = "/dev/null/none";
    assert_false(hook_prepare(&fixture->hook, &error));
    assert_non_null(strstr(error->message, "is it running?"));
}

static void
test_started(void **state)
{
    static const char *const answers[] = {PORT("null", "7", "52:54:00:00:00:0a"),
                                          REFUSED("PortNotFound", "no port"),
                                          PORT("null", "7", "52:54:00:00:00:0a"), NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    /* Without a pid file: only the links are set, which is no start. */
    make_hook(fixture, ONE);
    assert_false(run_against(fixture, "started", answers, &error));
    assert_int_equal(fixture->calls->len, 1);
    assert_call(fixture, 0, "SetPort", "'linkUp':true");
    assert_call(fixture, 0, "", "'port':'null'");
    assert_non_null(strstr(error->message, "vm1.pid"));
}

/* A folder with what /proc and libvirt tell of the domain's QEMU. */
static void
make_qemu(Fixture *fixture)
{
    static const char words[] = "qemu\0-uuid\0" UUID;
    g_autofree char *process = g_build_filename(fixture->folder, "4711", NULL);
    g_autofree char *words_file = g_build_filename(process, "cmdline", NULL);
    g_autofree char *pid_file = g_build_filename(fixture->folder, "vm1.pid", NULL);

    fixture->hook.proc_folder = fixture->folder;
    assert_int_equal(g_mkdir(process, 0700), 0);
    assert_true(g_file_set_contents(pid_file, "4711", -1, NULL));
    assert_true(g_file_set_contents(words_file, words, sizeof words, NULL));
}

static void
remove_qemu(Fixture *fixture)
{
    remove_file(fixture, "vm1.pid");
    remove_file(fixture, "4711/cmdline");
    remove_folder(fixture, "4711");
}

/* One port's failure is not the other's. */
static void
test_started_goes_on(void **state)
{
    static const char *const answers[] = {REFUSED("SystemError", "no"), TIED, TIED, NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, TWO);
    make_qemu(fixture);
    assert_false(run_against(fixture, "started", answers, &error));
    assert_string_equal(error->message, "interface null: no");
    assert_int_equal(fixture->calls->len, 3);
    assert_call(fixture, 0, "SetPort", "'port':'null'");
    assert_call(fixture, 0, "", "'linkUp':true");
    assert_call(fixture, 1, "SetPort", "'port':'zero'");
    assert_call(fixture, 1, "", "'linkUp':true");
    assert_call(fixture, 2, "SetPort", "'port':'zero'");
    assert_call(fixture, 2, "", "'holderPid':4711");
    remove_qemu(fixture);
}

/* Whoever starts a domain knows domains, not ports: the one that is in the way is named by its
 * QEMU, while that starts by its UUID, and not at all if it is no other domain's. */
static void
test_prepare_names_the_other_domain(void **state)
{
#define OTHER "5c1ab1ff-1d4f-4b4b-8f0e-2f1d1f0a7c12"
#define LIST(port) "{'parameters':{'ports':[" port "]}}"
    static const struct {
        const char *refused, *list, *message;
    } rows[] = {
        {REFUSED("NameTaken", "taken"),
         LIST(TIED_PORT("null", "9", "52:54:00:00:00:77", OTHER, ",'pid':4711")),
         "interface null: taken; domain web,1 has it"},
        {REFUSED("MacConflict", "taken"),
         LIST(TIED_PORT("x", "9", "52:54:00:00:00:0a", OTHER, ",'pid':4711")),
         "interface null: taken; domain web,1 has it"},
        {REFUSED("MacConflict", "taken"), LIST(HELD_PORT("x", "9", "52:54:00:00:00:0a", OTHER)),
         "interface null: taken; domain " OTHER " has it"},
        {REFUSED("NameTaken", "taken"), LIST(HELD_PORT("null", "9", "52:54:00:00:00:0a", UUID)),
         "interface null: taken"},
        {REFUSED("NameTaken", "taken"), LIST(""), "interface null: taken"},
        {REFUSED("MacConflict", "taken"), REFUSED("SystemError", "no"), "interface null: taken"},
    };
    static const char words[] = "qemu\0-name\0guest=web,,1,debug-threads=on\0-uuid\0" OTHER;
    Fixture *fixture = *state;
    g_autofree char *file = g_build_filename(fixture->folder, "4711", "cmdline", NULL);

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const answers[] = {ENDED, rows[i].refused, rows[i].list, ENDED, NULL};
        g_autoptr(GError) error = NULL;

        make_hook(fixture, ONE);
        make_qemu(fixture);
        assert_true(g_file_set_contents(file, words, sizeof words, NULL));
        assert_false(run_against(fixture, "prepare", answers, &error));
        assert_string_equal(error->message, rows[i].message);
        assert_int_equal(fixture->calls->len, 4);
        remove_qemu(fixture);
    }
}

/* Each port is asked for, and none is made: so none is to be taken away. */
static void
test_try_makes_nothing(void **state)
{
    static const char *const answers[] = {PORT("null", "0", "52:54:00:00:00:0c"),
                                          REFUSED("ParentBusy", "eth1 is taken"), NULL};
    Fixture *fixture = *state;
    g_autoptr(GPtrArray) there = g_ptr_array_new();
    g_autoptr(MacvtapClient) client = NULL;

    make_hook(fixture, TWO);
    fixture->answers = answers;
    fixture->thread = g_thread_new("macvtapd", serve, fixture);
    client = macvtap_client_connect(fixture->socket, NULL);
    assert_non_null(client);
    assert_int_equal(hook_try(&fixture->hook, client, there), 2);
    g_clear_pointer(&client, macvtap_client_free);
    g_thread_join(fixture->thread);
    assert_int_equal(fixture->calls->len, 2);
    for (guint i = 0; i < 2; i++)
        assert_call(fixture, i, "CreatePort", "'checkOnly':true");
    assert_non_null(strstr(fixture->hook.notes->pdata[0], "interface null: the domain says MAC"));
    assert_string_equal(fixture->hook.notes->pdata[1], "interface zero: eth1 is taken");
}

/* What the metadata names by now may be another domain's. */
static void
test_reconnect(void **state)
{
    static const char *const answers[] = {
        "{'parameters':{'port':" HELD_PORT("null", "7", "52:54:00:00:00:0a",
                                           "5c1ab1ff-1d4f-4b4b-8f0e-2f1d1f0a7c12") "}}",
        "{'parameters':{'port':" TIED_PORT("zero", "8", "52:54:00:00:00:0b", UUID,
                                           ",'pid':42") "}}",
        TIED, TIED, NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, TWO);
    make_qemu(fixture);
    assert_false(run_against(fixture, "reconnect", answers, &error));
    assert_string_equal(error->message, "interface null: macvtapd has no such port of this domain");
    assert_int_equal(fixture->calls->len, 4);
    assert_call(fixture, 0, "GetPort", "'port':'null'");
    assert_null(strstr(fixture->calls->pdata[0], "statistics"));
    assert_call(fixture, 1, "GetPort", "'port':'zero'");
    assert_call(fixture, 2, "SetPort", "'port':'zero'");
    assert_call(fixture, 2, "", "'linkUp':true");
    assert_call(fixture, 3, "SetPort", "'port':'zero'");
    assert_call(fixture, 3, "", "'holderPid':4711");
    remove_qemu(fixture);
}

/* One that has gone, and one whose name is what the domain's other interface is called. */
static void
test_reconnect_finds_no_port(void **state)
{
    static const char *const answers[] = {
        REFUSED("PortNotFound", "none"),
        "{'parameters':{'port':" HELD_PORT("other", "9", "52:54:00:00:00:0b", UUID) "}}", NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, TWO);
    make_qemu(fixture);
    assert_false(run_against(fixture, "reconnect", answers, &error));
    assert_string_equal(error->message, "interface null: macvtapd has no such port of this domain");
    assert_int_equal(fixture->calls->len, 2);
    remove_qemu(fixture);
}

/* An administrator may have set a link down: of a port that started has been at, and of one that
 * was attached while QEMU's process could not be told. */
static void
test_reconnect_leaves_links(void **state)
{
    static const char *const answers[] = {
        "{'parameters':{'port':" TIED_PORT("null", "7", "52:54:00:00:00:0a", UUID,
                                           ",'pid':4711") "}}",
        TIED, "{'parameters':{'port':" HELD_PORT("zero", "8", "52:54:00:00:00:0b", UUID) "}}", TIED,
        NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, TWO);
    make_qemu(fixture);
    assert_true(run_against(fixture, "reconnect", answers, &error));
    assert_int_equal(fixture->calls->len, 4);
    for (guint i = 1; i < 4; i += 2) {
        assert_call(fixture, i, "SetPort", "'holderPid':4711");
        assert_null(strstr(fixture->calls->pdata[i], "linkUp"));
    }
    remove_qemu(fixture);
}

static void
test_stopped(void **state)
{
    static const char *const answers[] = {ENDED, REFUSED("SystemError", "no"), NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    /* Whatever its metadata says, and by the domain alone. */
    make_hook(fixture, HEAD "<m:port/>" MIDDLE TAIL);
    run_against(fixture, "stopped", answers, &error);
    assert_no_error(error);
    assert_int_equal(fixture->calls->len, 1);
    assert_call(fixture, 0, "EndDomain", "'domain':'" UUID "'");
    assert_false(run_against(fixture, "stopped", answers + 1, &error));
    assert_string_equal(error->message, "no");
}

static void
test_release(void **state)
{
    static const char *const answers[] = {ENDED, NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    /* Whatever its metadata says. */
    make_hook(fixture, HEAD "<m:port/>" MIDDLE TAIL);
    run_against(fixture, "release", answers, &error);
    assert_no_error(error);
    assert_int_equal(fixture->calls->len, 1);
    assert_call(fixture, 0, "EndDomain", "'domain':'" UUID "'");
}

/* What is new is a name that libvirt can give. */
static void
check_renamed(const Hook *hook, const char *old)
{
    g_autoptr(DomainXml) domain = domain_xml_parse(hook->output, strlen(hook->output), NULL);
    const DomainPort *port = domain->ports->pdata[0];

    assert_true(domain_xml_check(domain, NULL));
    assert_string_not_equal(port->target, old);
    assert_true(g_str_has_prefix(port->target, old));
    assert_in_range(strlen(port->target), 1, 15);
}

static void
test_restore(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, ONE);
    fixture->hook.interface_index = no_index;
    assert_true(hook_restore(&fixture->hook, NULL));
    assert_null(fixture->hook.output);
    make_hook(fixture, ONE);
    assert_true(hook_restore(&fixture->hook, NULL));
    check_renamed(&fixture->hook, "null");
    make_hook(fixture, HEAD "<m:port/>" MIDDLE TAIL);
    assert_false(hook_restore(&fixture->hook, &error));
    assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, "target");
}

static guint n_taken; /* of the names that are asked for, the first ones */

static guint
index_of_the_first(const char *name)
{
    return n_taken > 0 ? n_taken-- : 0;
}

static char *
restored_target(Fixture *fixture, guint taken)
{
    g_autoptr(DomainXml) domain = NULL;

    n_taken = taken;
    fixture->hook.interface_index = index_of_the_first;
    assert_true(hook_restore(&fixture->hook, NULL));
    assert_int_equal(n_taken, 0);
    check_renamed(&fixture->hook, "null");
    domain = domain_xml_parse(fixture->hook.output, strlen(fixture->hook.output), NULL);
    return g_strdup(((const DomainPort *)domain->ports->pdata[0])->target);
}

/* A new name is neither a device's nor that of another port of the domain. */
static void
test_restore_where_new_names_are_taken(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *first = NULL, *second = NULL, *third = NULL, *two = NULL;

    make_hook(fixture, ONE);
    first = restored_target(fixture, 1);
    make_hook(fixture, ONE);
    second = restored_target(fixture, 2);
    assert_string_not_equal(second, first);
    two = g_strdup_printf(
        HEAD "<m:port target='null' network='lan'/>"
             "<m:port target='%s' network='lan'/>" MIDDLE INTERFACE("null", "52:54:00:00:00:0a", "")
                 INTERFACE("%s", "52:54:00:00:00:0b", "") TAIL,
        first, first);
    make_hook(fixture, two);
    third = restored_target(fixture, 1);
    assert_string_equal(third, second);
}

/* The prepare after a migrate is an incoming migration's, one only. */
static void
test_migrate(void **state)
{
    static const char *const answers[] = {PORT("null", "7", "52:54:00:00:00:0a"), TIED, NULL};
    Fixture *fixture = *state;
    g_autofree char *folder = g_build_filename(fixture->folder, "state", NULL);
    g_autoptr(GError) error = NULL;

    make_hook(fixture, ONE);
    fixture->hook.state_folder = hook_state_open(folder);
    assert_true(fixture->hook.state_folder >= 0);
    fixture->hook.interface_index = no_index;
    assert_true(hook_migrate(&fixture->hook, NULL));
    assert_null(fixture->hook.output);
    fixture->hook.interface_index = fake_index;
    make_node(fixture, "tap7", "/dev/null");
    run_against(fixture, "prepare", answers, &error);
    assert_no_error(error);
    assert_int_equal(fixture->calls->len, 2);
    assert_call(fixture, 0, "CreatePort", geteuid() == 0 ? "'incoming':true" : "");
    assert_false(hook_state_has(fixture->hook.state_folder, UUID, HOOK_STATE_INCOMING));
    remove_file(fixture, "tap7");
    assert_int_equal(g_rmdir(folder), 0);
}

/* After one call ran out of time, stopped asks nothing. */
static void
test_slow(void **state)
{
    static const char *const answers[] = {ENDED, NULL};
    Fixture *fixture = *state;
    g_autofree char *folder = g_build_filename(fixture->folder, "state", NULL);
    g_autoptr(GError) error = NULL;

    make_hook(fixture, ONE);
    fixture->hook.state_folder = hook_state_open(folder);
    hook_state_mark(fixture->hook.state_folder, UUID, HOOK_STATE_SLOW);
    fixture->hook.socket = "/dev/null/none";
    assert_true(hook_stopped(&fixture->hook, NULL));
    fixture->hook.socket = fixture->socket;
    assert_true(run_against(fixture, "release", answers, &error));
    assert_false(hook_state_has(fixture->hook.state_folder, UUID, HOOK_STATE_SLOW));
    assert_int_equal(g_rmdir(folder), 0);
}

static void
test_port_names(void **state)
{
    static const char *const others[] = {"-a", "_a", ".a", "a@b", "a+", "p0123456789ab"};

    assert_string_equal(hook_port_name("vm1-net0"), "vm1-net0");
    assert_string_equal(hook_port_name("9_.-"), "9_.-");
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        assert_null(hook_port_name(others[i]));
}

static void
test_operations(void **state)
{
    static const char *const others[] = {"start", "attach", "", "Prepare", "prepare "};

    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        assert_null(hook_operation_find(others[i]));
    assert_true(hook_operation_find("prepare")->must);
    assert_true(hook_operation_find("started")->must);
    assert_true(hook_operation_find("migrate")->must);
    assert_true(hook_operation_find("restore")->must);
    assert_false(hook_operation_find("reconnect")->must);
    assert_false(hook_operation_find("stopped")->must);
    assert_false(hook_operation_find("release")->must);
}

#define HOOK_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        HOOK_TEST(test_prepare),
        HOOK_TEST(test_prepare_ends_what_it_made),
        HOOK_TEST(test_prepare_compares),
        HOOK_TEST(test_prepare_compares_nodes),
        HOOK_TEST(test_prepare_asks_nobody_about_a_problem),
        HOOK_TEST(test_started),
        HOOK_TEST(test_prepare_names_the_other_domain),
        HOOK_TEST(test_started_goes_on),
        HOOK_TEST(test_try_makes_nothing),
        HOOK_TEST(test_reconnect),
        HOOK_TEST(test_reconnect_finds_no_port),
        HOOK_TEST(test_reconnect_leaves_links),
        HOOK_TEST(test_stopped),
        HOOK_TEST(test_release),
        HOOK_TEST(test_restore),
        HOOK_TEST(test_restore_where_new_names_are_taken),
        HOOK_TEST(test_migrate),
        HOOK_TEST(test_slow),
        cmocka_unit_test(test_port_names),
        cmocka_unit_test(test_operations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
