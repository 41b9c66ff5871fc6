/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sequences of commands to a QEMU that the test plays: it refuses one, or says when a device goes.
 */
#include "unit.h"

#include "hot-plug.h"
#include "qmp-steps.h"

#include "descriptor.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Fixture {
    Qmp *qmp;
    int qemu;
    const char *refused; /* the command that QEMU refuses */
    guint patience;      /* milliseconds for the guest to release the device of an undone step */
    GString *heard;      /* "COMMAND(first argument) " for each */
    gboolean done;
    char *failure;
} Fixture;

static void
ignore_ready(Qmp *qmp, gpointer user_data)
{
}

static void
ignore_closed(Qmp *qmp, const GError *error, gpointer user_data)
{
}

static void
say(Fixture *fixture, const char *text)
{
    assert_int_equal(write(fixture->qemu, text, strlen(text)), strlen(text));
}

static void
answer(Fixture *fixture, const char *line)
{
    json_t *command = json_loads(line, 0, NULL);
    const char *name = json_string_value(json_object_get(command, "execute"));
    json_t *arguments = json_object_get(command, "arguments");
    const char *first =
        arguments ? json_string_value(json_object_iter_value(json_object_iter(arguments))) : NULL;
    json_int_t id = json_integer_value(json_object_get(command, "id"));
    gboolean refused = g_strcmp0(name, fixture->refused) == 0;
    g_autofree char *text = g_strdup_printf(
        refused ? "{\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"},\"id\":%lld}\n"
                : "{\"return\":{},\"id\":%lld}\n",
        (long long)id);

    if (!g_str_equal(name, "qmp_capabilities"))
        g_string_append_printf(fixture->heard, "%s(%s) ", name, first ? first : "");
    say(fixture, text);
    json_decref(command);
}

/* Until neither side has anything to say. */
static void
settle(Fixture *fixture)
{
    for (;;) {
        char bytes[4096];
        gssize size;
        g_auto(GStrv) lines = NULL;

        while (g_main_context_iteration(NULL, FALSE))
            continue;
        size = recv(fixture->qemu, bytes, sizeof(bytes) - 1, MSG_DONTWAIT);
        if (size <= 0)
            return;
        bytes[size] = '\0';
        lines = g_strsplit(bytes, "\n", -1);
        for (char **line = lines; (*line)[0]; line++)
            answer(fixture, *line);
    }
}

static int
setup(void **state)
{
    const QmpHandlers handlers = {ignore_ready, ignore_closed};
    Fixture *fixture = g_new0(Fixture, 1);
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    fixture->qemu = pair[1];
    fixture->heard = g_string_new(NULL);
    fixture->patience = 20;
    fixture->qmp = qmp_new(pair[0], 0, &handlers, fixture);
    say(fixture, "{\"QMP\": {}}\n");
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;

    qmp_free(fixture->qmp);
    descriptor_clear(&fixture->qemu);
    g_string_free(fixture->heard, TRUE);
    g_free(fixture->failure);
    g_free(fixture);
    return 0;
}

static void
on_done(const GError *error, gpointer user_data)
{
    Fixture *fixture = user_data;

    assert_false(fixture->done);
    fixture->done = TRUE;
    fixture->failure = error ? g_strdup(error->message) : NULL;
}

static json_t *
argument(const char *value)
{
    return json_pack("{s:s}", "id", value);
}

/* As an attachment does. */
static void
attach(Fixture *fixture)
{
    QmpSteps *steps = qmp_steps_new(fixture->qmp);

    qmp_steps_add(steps, "getfd", argument("tap"), -1);
    qmp_steps_undo(steps, "closefd", argument("tap"));
    qmp_steps_add(steps, "netdev_add", argument("net"), -1);
    qmp_steps_undo(steps, "netdev_del", argument("net"));
    qmp_steps_add(steps, "device_add", argument("nic"), -1);
    qmp_steps_undo_by_unplug(steps, "/nic", fixture->patience);
    qmp_steps_run(steps, on_done, fixture);
    settle(fixture);
}

static void
expect(Fixture *fixture, const char *heard, const char *failure)
{
    assert_string_equal(fixture->heard->str, heard);
    assert_true(fixture->done);
    if (g_strcmp0(fixture->failure, failure) != 0)
        fail_msg("failed with %s, not %s", fixture->failure, failure);
}

static void
test_all_goes_well(void **state)
{
    attach(*state);
    expect(*state, "getfd(tap) netdev_add(net) device_add(nic) ", NULL);
}

static void
test_the_first_fails(void **state)
{
    Fixture *fixture = *state;

    fixture->refused = "getfd";
    attach(fixture);
    expect(fixture, "getfd(tap) closefd(tap) ", "no");
}

static void
test_undone_from_the_last(void **state)
{
    Fixture *fixture = *state;

    fixture->refused = "netdev_add";
    attach(fixture);
    expect(fixture, "getfd(tap) netdev_add(net) netdev_del(net) closefd(tap) ", "no");
}

/* What had failed is the result, whatever fails while it is undone. */
static void
test_a_device_that_the_guest_keeps(void **state)
{
    Fixture *fixture = *state;

    fixture->refused = "device_add";
    attach(fixture);
    assert_false(fixture->done);
    while (!fixture->done) {
        g_main_context_iteration(NULL, TRUE);
        settle(fixture);
    }
    expect(
        fixture,
        "getfd(tap) netdev_add(net) device_add(nic) device_del(/nic) netdev_del(net) closefd(tap) ",
        "no");
}

static void
unplug(Fixture *fixture)
{
    QmpSteps *steps = qmp_steps_new(fixture->qmp);

    qmp_steps_add_unplug(steps, "/nic", 60000);
    qmp_steps_add(steps, "netdev_del", argument("net"), -1);
    qmp_steps_run(steps, on_done, fixture);
    settle(fixture);
    expect((Fixture[]){{.heard = fixture->heard, .done = TRUE}}, "device_del(/nic) ", NULL);
    assert_false(fixture->done);
}

static void
test_unplugged(void **state)
{
    Fixture *fixture = *state;

    unplug(fixture);
    say(fixture, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"path\": \"/nic/virtio\"}}\n"
                 "{\"event\": \"STOP\"}\n");
    settle(fixture);
    assert_false(fixture->done);
    say(fixture,
        "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"nic\", \"path\": \"/nic\"}}\n");
    settle(fixture);
    expect(fixture, "device_del(/nic) netdev_del(net) ", NULL);
}

static void
test_the_guest_refuses(void **state)
{
    Fixture *fixture = *state;

    unplug(fixture);
    say(fixture, "{\"event\": \"DEVICE_UNPLUG_GUEST_ERROR\", \"data\": {\"path\": \"/nic\"}}\n");
    settle(fixture);
    expect(fixture, "device_del(/nic) ", "the guest refuses to release the device");
}

static void
test_qemu_ends_while_the_guest_is_asked(void **state)
{
    Fixture *fixture = *state;

    unplug(fixture);
    descriptor_clear(&fixture->qemu);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    expect(fixture, "device_del(/nic) ", "QEMU has ended or closed its monitor");
}

/* What undoes the rest fails at once, too. */
static void
test_qemu_ends_while_an_undo_waits(void **state)
{
    Fixture *fixture = *state;

    fixture->refused = "device_add";
    fixture->patience = 60000;
    attach(fixture);
    assert_false(fixture->done);
    descriptor_clear(&fixture->qemu);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    expect(fixture, "getfd(tap) netdev_add(net) device_add(nic) device_del(/nic) ", "no");
}

/* ---- where a device goes ---- */

#define Q35 "{'id':{'vendor':32902,'device':10688}}"
#define PORT(name, devices)                                                                        \
    "{'id':{'vendor':6966,'device':12},'qdev_id':'" name "','pci_bridge':{'devices':[" devices "]" \
    "}"                                                                                            \
    "}"

static void
expect_place(const char *architecture, const char *devices, const char *driver, const char *bus)
{
    json_t *target = json_pack("{s:s}", "arch", architecture);
    g_autofree char *text =
        devices ? g_strdup_printf("[{'devices':[%s]}]", devices) : g_strdup("[]");
    g_auto(HotPlug) place = {0};
    g_autoptr(GError) error = NULL;
    json_t *buses;

    g_strdelimit(text, "'", '"');
    buses = json_loads(text, 0, NULL);
    assert_non_null(buses);
    assert_int_equal(hot_plug_choose(target, buses, &place, &error), driver != NULL);
    if (g_strcmp0(place.driver, driver) != 0 || g_strcmp0(place.bus, bus) != 0)
        fail_msg("%s: %s on %s", text, place.driver, place.bus);
    if (!driver)
        assert_error_cleared(&error, QMP_ERROR, QMP_ERROR_REFUSED, bus ? bus : "");
    json_decref(buses);
    json_decref(target);
}

static void
test_places(void **state)
{
    expect_place("x86_64", "{'id':{'vendor':32902,'device':4663}}", "virtio-net-pci", NULL);
    expect_place("s390x", NULL, "virtio-net-ccw", NULL);
    expect_place("x86_64", Q35 "," PORT("rp0", ""), "virtio-net-pci", "rp0");
    expect_place("x86_64",
                 Q35 "," PORT("rp0", "") "," PORT("macvtap-slot1", "") "," PORT("rp1", ""),
                 "virtio-net-pci", "macvtap-slot1");
    expect_place("x86_64", Q35 "," PORT("macvtap-slot0", "{}") "," PORT("rp0", ""),
                 "virtio-net-pci", "rp0");
    expect_place("x86_64", Q35 "," PORT("", "") "," PORT("up", PORT("down", "")), "virtio-net-pci",
                 "down");
    expect_place("x86_64", Q35 "," PORT("rp0", "{}"), NULL, NULL);
    expect_place("x86_64", NULL, NULL, NULL);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_all_goes_well),
        TEST(test_the_first_fails),
        TEST(test_undone_from_the_last),
        TEST(test_a_device_that_the_guest_keeps),
        TEST(test_unplugged),
        TEST(test_the_guest_refuses),
        TEST(test_qemu_ends_while_the_guest_is_asked),
        TEST(test_qemu_ends_while_an_undo_waits),
        cmocka_unit_test(test_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
