/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "registry.h"
#include "test-broker.h"

#include <jansson.h>

static char *
format(const Port *port)
{
    gsize length = 0;
    char *text = record_format(port, &length, NULL);

    assert_int_equal(strlen(text), length);
    assert_true(length < RECORD_SIZE_MAX);
    assert_int_equal(text[length - 1], '\n');
    assert_null(memchr(text, '\n', length - 1));
    return text;
}

static void
check_round_trip(const Port *port)
{
    g_autofree char *text = format(port), *again = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Port) read = record_parse(text, strlen(text), &error);

    assert_no_error(error);
    assert_string_equal(read->id, port->id);
    assert_string_equal(read->name, port->name);
    assert_string_equal(read->network, port->network);
    assert_string_equal(read->parent, port->parent);
    assert_int_equal(read->parent_index, port->parent_index);
    assert_int_equal(read->last_parent_index, port->last_parent_index);
    assert_int_equal(read->trunk_index, port->trunk_index);
    assert_int_equal(read->mode, port->mode);
    assert_int_equal(read->nopromisc, port->nopromisc);
    assert_string_equal(read->interface_name, port->interface_name);
    assert_int_equal(read->interface_index, port->interface_index);
    assert_true(mac_address_equal(&read->mac, &port->mac));
    assert_int_equal(read->mtu, port->mtu);
    assert_int_equal(read->wanted_mtu, port->wanted_mtu ? port->wanted_mtu : port->mtu);
    assert_int_equal(read->is_moved, port->is_moved);
    assert_int_equal(read->moved_netns, port->moved_netns);
    assert_int_equal(read->moved_index, port->moved_index);
    assert_int_equal(read->queues, port->queues);
    assert_int_equal(read->vhost, port->vhost);
    assert_int_equal(read->holder.type, port->holder.type);
    assert_int_equal(read->holder.pid, port->holder.pid);
    assert_true(read->holder.start_time == port->holder.start_time);
    assert_string_equal(read->holder.domain, port->holder.domain);
    assert_int_equal(read->owner, port->owner);
    assert_int_equal(read->from_container, port->from_container);
    assert_int_equal(read->has_node, port->has_node);
    assert_int_equal(read->node_owner, port->node_owner);
    assert_int_equal(read->node_group, port->node_group);
    assert_true(read->node_made == port->node_made);
    assert_int_equal(read->incoming, port->incoming);
    assert_true(read->sent_before == port->sent_before);
    assert_int_equal(read->has_guard, port->has_guard);
    assert_true(guard_settings_equal(&read->guard, &port->guard));
    assert_true(guard_settings_equal(&read->own_guard.settings, &port->own_guard.settings));
    assert_int_equal(read->own_guard.has_allow, port->own_guard.has_allow);
    assert_int_equal(read->state, PORT_STATE_ACTIVE);
    again = format(read);
    assert_string_equal(again, text);
}

/* As much of it as a port can have: it must fit a record. */
static void
give_guard(Port *port)
{
    const GuardSettings all = {GUARD_SENDERS_OWN, GUARD_VERDICT_COUNT, GUARD_ADDRESSES_DHCP,
                               GUARD_ALLOW_ALL, NULL};

    port->has_guard = TRUE;
    port->guard = port->own_guard.settings = all;
    port->own_guard.is_given = port->own_guard.has_senders = port->own_guard.has_verdict = TRUE;
    port->own_guard.has_addresses = port->own_guard.has_allow = TRUE;
    port->guard.prefixes = g_array_new(FALSE, FALSE, sizeof(IpPrefix));
    for (guint8 i = 0; i < GUARD_PREFIXES_MAX; i++) {
        IpPrefix prefix = {.prefix_bits = 128};

        memset(&prefix.address, 0xf0 | i, sizeof(prefix.address));
        g_array_append_val(port->guard.prefixes, prefix);
    }
    port->own_guard.settings.prefixes = g_array_copy(port->guard.prefixes);
}

static void
test_round_trip(void **state)
{
    g_autoptr(Port) port = test_port_new(1);

    check_round_trip(port);
    for (guint mode = 0; mode < MACVTAP_MODE_COUNT; mode++) {
        port->mode = (MacvtapMode)mode;
        port->vhost = (VhostPolicy)(mode % 3);
        port->nopromisc = !port->nopromisc;
        check_round_trip(port);
    }
    port->interface_index = G_MAXINT;
    port->mtu = 65535;
    check_round_trip(port);
    give_guard(port);
    check_round_trip(port);
    port->wanted_mtu = 9000;
    check_round_trip(port);
    port->wanted_mtu = port->mtu;
    port->is_moved = TRUE;
    port->moved_index = G_MAXINT;
    check_round_trip(port);
    port->moved_netns = G_MAXINT;
    port->queues = 256;
    port->owner = G_MAXUINT32 - 1;
    port->from_container = TRUE;
    port->holder = (Holder){.type = HOLDER_PROCESS, .pid = G_MAXINT, .start_time = G_MAXINT64};
    check_round_trip(port);
    port->holder =
        (Holder){.type = HOLDER_DOMAIN, .domain = "123e4567-e89b-12d3-a456-426614174000"};
    check_round_trip(port);
    port->holder.pid = 42;
    port->holder.start_time = 7;
    check_round_trip(port);
    port->has_node = TRUE;
    check_round_trip(port);
    port->incoming = TRUE;
    check_round_trip(port);
    port->sent_before = G_MAXINT64;
    check_round_trip(port);
    port->node_owner = port->node_group = G_MAXUINT32 - 1;
    port->node_made = (guint64)246 << 32 | 7;
    check_round_trip(port);
    g_free(port->network);
    port->network = g_strdup("parent=eth0,mode=source,vlan=4094.4094");
    check_round_trip(port);
    port->parent_index = 2;
    check_round_trip(port);
    port->last_parent_index = 3;
    check_round_trip(port);
    port->trunk = g_strdup("eth0");
    port->vlan = g_strdup("4094.4094");
    check_round_trip(port);
    port->parent_index = port->trunk_index = G_MAXINT;
    check_round_trip(port);
    port->holder = (Holder){.type = HOLDER_DESCRIPTORS};
    check_round_trip(port);
}

/* A good record, changed. */
static json_t *
good_record(HolderType holder)
{
    g_autoptr(Port) port = test_port_new(1);
    g_autofree char *text = NULL;

    port->holder = (Holder){.type = holder};
    if (holder == HOLDER_PROCESS)
        port->holder = (Holder){.type = holder, .pid = 42, .start_time = 7};
    if (holder == HOLDER_DOMAIN)
        g_strlcpy(port->holder.domain, "123e4567-e89b-12d3-a456-426614174000", UUID_TEXT_SIZE);
    text = format(port);
    return json_loads(text, 0, NULL);
}

static void
expect_refusal(json_t *record, const char *text)
{
    g_autofree char *damaged = json_dumps(record, 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(Port) port = record_parse(damaged, strlen(damaged), &error);

    json_decref(record);
    if (port)
        fail_msg("taken: %s", damaged);
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, text);
}

static void
test_every_field_must_be_there(void **state)
{
    static const char *const fields[] = {
        "version", "id",        "name",          "network",        "parent",
        "mode",    "noPromisc", "interfaceName", "interfaceIndex", "macAddress",
        "mtu",     "queues",    "vhost",         "holder",         "owner"};

    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        json_t *missing = good_record(HOLDER_NONE), *null = good_record(HOLDER_NONE),
               *other = good_record(HOLDER_NONE);

        assert_int_equal(json_object_del(missing, fields[i]), 0);
        expect_refusal(missing, fields[i]);
        json_object_set_new(null, fields[i], json_null());
        expect_refusal(null, fields[i]);
        json_object_set_new(other, fields[i], json_real(1.5));
        expect_refusal(other, fields[i]);
    }
}

typedef struct Row {
    const char *field, *value; /* JSON */
} Row;

static void
test_values_that_cannot_be(void **state)
{
    static const Row rows[] = {
        {"version", "0"},
        {"version", "2"},
        {"version", "4294967297"},
        {"id", "\"\""},
        {"id", "\"p00000000000\""},
        {"id", "\"p0000000000011\""},
        {"id", "\"P000000000001\""},
        {"id", "\"p00000000000G\""},
        {"id", "\"../../../../x\""},
        {"name", "\"\""},
        {"name", "\"a/b\""},
        {"network", "\"\""},
        {"network", "\"a b\""},
        {"network", "\"parent=eth0\""},
        {"parent", "\"\""},
        {"parent", "\"sixteen-letters-\""},
        {"mode", "\"passthrough\""},
        {"interfaceName", "\"a/b\""},
        {"interfaceName", "\"sixteen-letters-\""},
        {"interfaceIndex", "0"},
        {"interfaceIndex", "-1"},
        {"interfaceIndex", "4294967297"},
        {"macAddress", "\"52:54:00:00:00\""},
        {"macAddress", "\"01:00:5e:00:00:01\""},
        {"macAddress", "\"00:00:00:00:00:00\""},
        {"mtu", "-1"},
        {"mtu", "4294967296"},
        {"wantedMtu", "-1"},
        {"wantedMtu", "4294967296"},
        {"moved", "7"},
        {"moved", "{\"netns\":0}"},
        {"moved", "{\"netns\":-1,\"index\":7}"},
        {"moved", "{\"netns\":0,\"index\":0}"},
        {"queues", "0"},
        {"queues", "257"},
        {"vhost", "\"on\""},
        {"owner", "-1"},
        {"owner", "4294967296"},
        {"holder", "{}"},
        {"holder", "{\"type\":\"\"}"},
        {"holder", "{\"type\":\"process\"}"},
        {"holder", "{\"type\":\"process\",\"pid\":0,\"startTime\":1}"},
        {"holder", "{\"type\":\"process\",\"pid\":4294967297,\"startTime\":1}"},
        {"holder", "{\"type\":\"process\",\"pid\":1,\"startTime\":-1}"},
        {"holder", "{\"type\":\"process\",\"pid\":\"1\",\"startTime\":1}"},
        {"holder", "{\"type\":\"domain\"}"},
        {"holder", "{\"type\":\"domain\",\"domain\":\"vm7\"}"},
        {"holder", "{\"type\":\"domain\",\"pid\":-1,\"startTime\":1,"
                   "\"domain\":\"123e4567-e89b-12d3-a456-426614174000\"}"},
        {"holder", "{\"type\":\"domain\",\"pid\":1,\"startTime\":-1,"
                   "\"domain\":\"123e4567-e89b-12d3-a456-426614174000\"}"},
        {"incoming", "-2"},
        {"parentIndex", "-1"},
        {"parentIndex", "4294967297"},
        {"trunkIndex", "-1"},
        {"trunkIndex", "2"},
        {"deviceNode", "null"},
        {"deviceNode", "[]"},
        {"deviceNode", "{\"owner\":0,\"group\":0}"},
        {"deviceNode", "{\"owner\":-1,\"group\":0,\"made\":0}"},
        {"deviceNode", "{\"owner\":0,\"group\":4294967295,\"made\":0}"},
        {"deviceNode", "{\"owner\":0,\"group\":0,\"made\":-1}"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        json_t *record = good_record(HOLDER_NONE);
        json_t *value = json_loads(rows[i].value, JSON_DECODE_ANY, NULL);

        assert_non_null(value);
        json_object_set_new(record, rows[i].field, value);
        expect_refusal(record, strcmp(rows[i].field, "holder") == 0 ? "" : rows[i].field);
    }
}

/* A VLAN's number and its trunk stand together; so either may be wrong beside a good one. */
static void
test_vlans_that_cannot_be(void **state)
{
    static const Row rows[] = {
        {"trunk", "\"a/b\""}, {"trunk", "\"\""}, {"vlan", "\"4095\""}, {"vlan", "\"\""}};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        json_t *record = good_record(HOLDER_NONE);

        json_object_set_new(record, "vlan", json_string("100"));
        json_object_set_new(record, "trunk", json_string("eth0"));
        json_object_set_new(record, rows[i].field,
                            json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
        expect_refusal(record, rows[i].field);
    }
}

/* An upper-case UUID is the same domain, and is kept as all of them are. */
static void
test_domain_in_upper_case(void **state)
{
    json_t *record = good_record(HOLDER_DOMAIN);
    g_autoptr(Port) port = NULL;
    g_autofree char *text = NULL;

    json_object_set_new(json_object_get(record, "holder"), "domain",
                        json_string("123E4567-E89B-12D3-A456-426614174000"));
    text = json_dumps(record, 0);
    json_decref(record);
    port = record_parse(text, strlen(text), NULL);
    assert_string_equal(port->holder.domain, "123e4567-e89b-12d3-a456-426614174000");
}

/* Records of fd0da01, which this macvtapd may follow, and which may follow it. */
static const char *const records_from_before[] = {
    "{\"version\":1,\"id\":\"p0123456789ab\",\"name\":\"p0123456789ab\",\"network\":\"lan\","
    "\"parent\":"
    "\"eth0\",\"mode\":\"bridge\",\"noPromisc\":false,\"interfaceName\":\"mvt0123456789ab\","
    "\"interfaceIndex\":1048576,\"macAddress\":\"52:54:00:00:00:01\",\"macPolicy\":\"generate\","
    "\"mtu\":1500,\"queues\":1,\"vhost\":\"auto\",\"holder\":{\"type\":\"none\"},\"owner\":0}",
    "{\"version\":1,\"id\":\"p0123456789ab\",\"name\":\"web\",\"network\":\"parent=eth0,mode="
    "source,"
    "vlan=5\",\"parent\":\"eth0.5\",\"mode\":\"source\",\"noPromisc\":true,\"interfaceName\":"
    "\"vm7\","
    "\"interfaceIndex\":1073741823,\"macAddress\":\"52:54:00:00:00:01\",\"macPolicy\":\"any\","
    "\"mtu\":9000,\"queues\":256,\"vhost\":\"require\",\"holder\":{\"type\":\"domain\",\"domain\":"
    "\"123e4567-e89b-12d3-a456-426614174000\",\"pid\":42,\"startTime\":7},\"owner\":4294967295,"
    "\"parentIndex\":3,\"trunkIndex\":2,\"vlan\":\"5\",\"trunk\":\"eth0\",\"sources\":["
    "\"52:54:00:00:00:02\"],\"container\":true,\"incoming\":0,\"deviceNode\":{\"owner\":1000,"
    "\"group\":"
    "100,\"made\":1057359265793}}",
    "{\"version\":1,\"id\":\"p0123456789ab\",\"name\":\"web\",\"network\":\"lan\",\"parent\":"
    "\"eth0\","
    "\"mode\":\"bridge\",\"noPromisc\":false,\"interfaceName\":\"vm7\",\"interfaceIndex\":1048576,"
    "\"macAddress\":\"52:54:00:00:00:01\",\"macPolicy\":\"assign\",\"mtu\":68,\"queues\":2,"
    "\"vhost\":"
    "\"off\",\"holder\":{\"type\":\"process\",\"pid\":42,\"startTime\":7},\"owner\":1000,"
    "\"sources\":[],"
    "\"incoming\":17}",
};

static void
test_records_from_before(void **state)
{
    for (guint i = 0; i < G_N_ELEMENTS(records_from_before); i++) {
        const char *text = records_from_before[i];
        json_t *before = json_loads(text, 0, NULL), *now;
        g_autoptr(GError) error = NULL;
        g_autoptr(Port) port = record_parse(text, strlen(text), &error);
        g_autofree char *again = NULL;

        assert_no_error(error);
        again = format(port);
        now = json_loads(again, 0, NULL);
        if (!json_equal(before, now))
            fail_msg("%s became %s", text, again);
        json_decref(before);
        json_decref(now);
    }
}

/* What a younger macvtapd adds to a record is nothing to this one. */
static void
test_fields_to_come(void **state)
{
    json_t *record = good_record(HOLDER_NONE);
    g_autofree char *text = NULL;
    g_autoptr(Port) port = NULL;

    json_object_set_new(record, "colour", json_string("red"));
    text = json_dumps(record, 0);
    json_decref(record);
    port = record_parse(text, strlen(text), NULL);
    assert_non_null(port);
}

static void
test_names_are_bytes(void **state)
{
    static const char *const names[] = {"\xff\xfe", "\xc3\xa9", "a\\b", "\\xff", "\x01"};
    g_autoptr(Port) port = test_port_new(1);

    port->vlan = g_strdup("5");
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *text = NULL;
        g_autoptr(Port) read = NULL;

        g_free(port->parent);
        g_free(port->trunk);
        port->parent = g_strdup(names[i]);
        port->trunk = g_strdup(names[i]);
        g_strlcpy(port->interface_name, names[i], sizeof(port->interface_name));
        text = format(port);
        assert_true(g_str_is_ascii(text));
        read = record_parse(text, strlen(text), NULL);
        assert_string_equal(read->parent, names[i]);
        assert_string_equal(read->trunk, names[i]);
        assert_string_equal(read->interface_name, names[i]);
    }
}

static void
expect_not_written(const Port *port, const char *field)
{
    g_autoptr(GError) error = NULL;
    gsize length = 0;

    if (record_format(port, &length, &error))
        fail_msg("a record is written that is not read: %s", field);
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, field);
}

/* The writer fails where the reader would: else a start would find a record that it cannot use. */
static void
test_nothing_is_written_that_is_not_read(void **state)
{
    g_autoptr(Port) port = test_port_new(1);
    MacAddress good = port->mac;
    const Holder holder = port->holder;

    port->mac.octets[0] = 0x01;
    expect_not_written(port, "macAddress");
    port->mac = good;
    port->queues = 0;
    expect_not_written(port, "queues");
    port->queues = 1;
    port->holder = (Holder){.type = HOLDER_PROCESS};
    expect_not_written(port, "holder");
    port->holder = (Holder){.type = HOLDER_NONE, .pid = 1};
    expect_not_written(port, "holder");
    port->holder = holder;
    port->vlan = g_strdup("5");
    expect_not_written(port, "vlan");
    port->trunk = g_strdup("");
    expect_not_written(port, "vlan");
    g_free(port->trunk);
    port->trunk = g_strdup("eth0");
    g_free(port->name);
    port->name = g_strdup("\xff");
    expect_not_written(port, "name");
}

static void
test_what_is_no_record(void **state)
{
    static const char *const texts[] = {
        "", " ", "{", "[]", "1", "null", "{}", "{\"version\":1}", "{\"version\":1,\"version\":1}",
    };
    g_autoptr(Port) port = test_port_new(1);
    g_autofree char *good = format(port), *trailing = g_strconcat(good, "{}", NULL);
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        assert_null(record_parse(texts[i], strlen(texts[i]), &error));
        assert_true(g_error_matches(error, PORT_ERROR, PORT_ERROR_SYSTEM));
        g_clear_error(&error);
    }
    /* Cut anywhere it is none. */
    for (gsize length = 0; length + 1 < strlen(good); length++)
        assert_null(record_parse(good, length, NULL));
    assert_null(record_parse(trailing, strlen(trailing), NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_field_must_be_there),
        cmocka_unit_test(test_values_that_cannot_be),
        cmocka_unit_test(test_vlans_that_cannot_be),
        cmocka_unit_test(test_domain_in_upper_case),
        cmocka_unit_test(test_records_from_before),
        cmocka_unit_test(test_fields_to_come),
        cmocka_unit_test(test_names_are_bytes),
        cmocka_unit_test(test_nothing_is_written_that_is_not_read),
        cmocka_unit_test(test_what_is_no_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
