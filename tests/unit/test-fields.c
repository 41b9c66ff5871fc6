/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of fields by themselves, and against the text of the interface, which says the
 * same for others: a field that only one of them has fails here. */
#include "unit.h"

#include "api.h"
#include "field.h"
#include "port-error.h"
#include "port.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* The members of the parenthesis that begins at text: name → type. */
static GHashTable *
read_members(const char *text)
{
    GHashTable *members = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const char *start = text + 1;
    int depth = 0;

    for (const char *c = text;; c++) {
        depth += (*c == '(') - (*c == ')');
        if (depth == 0 || (depth == 1 && *c == ',')) {
            g_autofree char *member = g_strndup(start, (gsize)(c - start));
            g_auto(GStrv) halves = g_strsplit(member, ":", 2);

            assert_int_equal(g_strv_length(halves), 2);
            g_hash_table_insert(members, g_strdup(g_strstrip(halves[0])),
                                g_strdup(g_strstrip(halves[1])));
            start = c + 1;
        }
        if (depth == 0)
            return members;
    }
}

static GHashTable *
find_members(const char *what)
{
    const char *text = strstr(api_description(), what);

    if (!text)
        fail_msg("the interface has no %s", what);
    return read_members(strchr(text, '('));
}

/* Whether "(a, b)" has the field's words, in any order. */
static gboolean
has_words(const char *type, const Field *field)
{
    g_autofree char *inner = g_strndup(type + 1, strlen(type) - 2);
    g_auto(GStrv) words = g_strsplit(inner, ", ", -1);

    for (guint i = 0; i < field->n_words; i++) {
        if (!g_strv_contains((const char *const *)words, field->word(i)))
            return FALSE;
    }
    return g_strv_length(words) == field->n_words;
}

static gboolean
fits(const char *type, const Field *field, FieldType has)
{
    switch (has) {
    case FIELD_INT:
    case FIELD_UINT:
    case FIELD_UINT64:
    case FIELD_SECONDS:
        return g_str_equal(type, "int");
    case FIELD_BOOLEAN:
    case FIELD_NEGATED:
        return g_str_equal(type, "bool");
    case FIELD_MACS:
    case FIELD_RANGES:
    case FIELD_STRINGS:
    case FIELD_BITS:
    case FIELD_PREFIXES:
    case FIELD_IPS:
    case FIELD_IP_RANGES:
    case FIELD_PORT_ADDRESSES:
        return g_str_equal(type, "[]string");
    case FIELD_COUNTS:
        return g_str_equal(type, "[string]int");
    case FIELD_OBJECTS:
        return g_str_has_prefix(type, "[]") && g_ascii_isupper(type[2]);
    case FIELD_GROUP:
        return g_ascii_isupper(type[0]);
    case FIELD_ENUM:
        return g_str_equal(type, "string") || (type[0] == '(' && has_words(type, field));
    default:
        return g_str_equal(type, "string");
    }
}

static gboolean
may_be_missing(const Field *field, FieldUse use)
{
    return use == FIELD_USE_REPLY ? (field->flags & FIELD_OPTIONAL) != 0
                                  : !(field->flags & FIELD_MANDATORY);
}

/* Takes what it finds out of members. */
static void
compare_members(const Field *fields, FieldUse use, GHashTable *members, const char *where)
{
    for (; fields->name; fields++) {
        const FieldPlace *place = field_place(fields, use);
        const char *type = place ? g_hash_table_lookup(members, fields->name) : NULL;
        gboolean missing = type && type[0] == '?';

        if (!place)
            continue;
        if (!type)
            fail_msg("%s has no %s", where, fields->name);
        if (missing != may_be_missing(fields, use) || !fits(type + missing, fields, place->type))
            fail_msg("%s has %s: %s", where, fields->name, type);
        g_hash_table_remove(members, fields->name);
    }
}

static void
expect_nothing_more(GHashTable *members, const char *where)
{
    GHashTableIter iterator;
    gpointer name;

    g_hash_table_iter_init(&iterator, members);
    if (g_hash_table_iter_next(&iterator, &name, NULL))
        fail_msg("%s has %s, which the table has not", where, (const char *)name);
}

static void
test_interface_has_the_same_fields(void **state)
{
    static const struct {
        FieldUse use;
        const char *where;
    } rows[] = {
        {FIELD_USE_REPLY, "type Port "},
        {FIELD_USE_REQUEST, "method CreatePort("},
        {FIELD_USE_CHANGE, "method SetPort("},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GHashTable) members = find_members(rows[i].where);

        compare_members(port_fields, rows[i].use, members, rows[i].where);
        /* Statistics come from the kernel, not from the port. */
        if (rows[i].use == FIELD_USE_REPLY)
            assert_true(g_hash_table_remove(members, "statistics"));
        expect_nothing_more(members, rows[i].where);
    }
}

static void
test_groups_are_the_interfaces_types(void **state)
{
    static const struct {
        const char *field, *type;
    } rows[] = {
        {"holder", "type Holder "}, {"deviceNode", "type DeviceNode "}, {"guard", "type Guard "}};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Field *group = field_find(port_fields, FIELD_USE_REQUEST, rows[i].field);
        g_autoptr(GHashTable) members = find_members(rows[i].type);

        compare_members(group->members, FIELD_USE_REQUEST, members, rows[i].type);
        expect_nothing_more(members, rows[i].type);
    }
}

static void
test_objects_are_the_interfaces_types(void **state)
{
    const Field *seen = field_find(port_fields, FIELD_USE_REPLY, "seenAddresses");
    g_autoptr(GHashTable) members = find_members("type SeenAddress ");

    compare_members(seen->members, FIELD_USE_REPLY, members, "type SeenAddress");
    expect_nothing_more(members, "type SeenAddress");
}

/* What is in force has all that may be asked for. */
static void
test_both_tables_of_a_guard_have_the_same_fields(void **state)
{
    const Field *guard = field_find(port_fields, FIELD_USE_REPLY, "guard");
    const Field *own = field_find(port_fields, FIELD_USE_RECORD, "ownGuard");
    const Field *network = field_find(network_fields, FIELD_USE_REPLY, "guard");
    guint n = 0;

    for (const Field *member = guard->members; member->name; member++, n++) {
        assert_non_null(field_find(own->members, FIELD_USE_RECORD, member->name));
        assert_non_null(field_find(network->members, FIELD_USE_REPLY, member->name));
        assert_non_null(field_find(guard->members, FIELD_USE_CHANGE, member->name));
    }
    assert_null(own->members[n].name);
    assert_null(network->members[n].name);
}

/* A network that has a problem shows nothing but that. */
static void
test_networks_have_the_same_fields(void **state)
{
    g_autoptr(GHashTable) members = find_members("type Network ");

    for (const Field *field = network_fields; field->name; field++) {
        const char *type = g_hash_table_lookup(members, field->name);
        const FieldPlace *place = field_place(field, FIELD_USE_REPLY);
        gboolean missing = type && type[0] == '?';

        if (!place)
            continue;
        if (!type || missing == g_str_equal(field->name, "name") ||
            !fits(type + missing, field, place->type))
            fail_msg("type Network has %s: %s", field->name, type ? type : "(nothing)");
        g_hash_table_remove(members, field->name);
    }
    for (guint i = 0; i < 9; i++)
        assert_true(g_hash_table_remove(
            members,
            (const char *const[]){"problem", "parentProblems", "takenVlans", "unguarded",
                                  "hostLinks", "pools", "parentLinks", "members", "ports"}[i]));
    expect_nothing_more(members, "type Network");
}

static void
test_every_name_is_one_row_for_each_use(void **state)
{
    for (FieldUse use = FIELD_USE_RECORD; use <= FIELD_USE_CHANGE; use++) {
        for (const Field *field = port_fields; field->name; field++) {
            if (field_place(field, use) && field_find(port_fields, use, field->name) != field)
                fail_msg("%s is there twice", field->name);
        }
    }
}

static void
test_tables_are_whole(void **state)
{
    for (const Field *field = port_fields; field->name; field++) {
        for (FieldUse use = FIELD_USE_RECORD; use <= FIELD_USE_CHANGE; use++) {
            const FieldPlace *place = field_place(field, use);

            if (!place)
                continue;
            assert_true((place->type == FIELD_ENUM || place->type == FIELD_COUNTS) ==
                            (field->word != NULL) ||
                        place->type == FIELD_GROUP);
            assert_true(place->type != FIELD_GROUP || field->members);
            assert_true(place->type != FIELD_DERIVED || place->derive);
        }
        /* What the daemon only keeps is a text everywhere, and a port has it. */
        if (field->flags & FIELD_KEPT)
            assert_true(field->object.type == FIELD_TEXT && field->flags & FIELD_RECORD);
        assert_true(!field->option || field->help);
        assert_true(!field->also || strchr(field->also, '%'));
    }
}

static void
test_interface_names_are_bytes(void **state)
{
    g_autoptr(Port) port = port_new();
    g_autoptr(json_t) object = NULL;

    port->parent = g_strdup("\xff\xfe");
    port->trunk = g_strdup("\xc3\xa9"
                           "0");
    g_strlcpy(port->interface_name, "a\\b", sizeof(port->interface_name));
    g_strlcpy(port->active_slave, "eth0", sizeof(port->active_slave));
    object = fields_to_json(port_fields, FIELD_USE_REPLY, port);
    assert_string_equal(json_string_value(json_object_get(object, "parent")), "\\xff\\xfe");
    assert_string_equal(json_string_value(json_object_get(object, "trunk")), "\\xc3\\xa90");
    assert_string_equal(json_string_value(json_object_get(object, "interfaceName")), "a\\x5cb");
    assert_string_equal(json_string_value(json_object_get(object, "activeSlave")), "eth0");
}

static void
expect_json(json_t *object, const char *field, const char *json)
{
    char *text = json_dumps(json_object_get(object, field), JSON_COMPACT | JSON_ENCODE_ANY);

    assert_string_equal(text ? text : "(nothing)", json);
    free(text);
}

static void
test_a_port_shows_its_guard(void **state)
{
    const SeenAddress seen[] = {
        {.address = {{0xfe, 0x80, [15] = 1}},
         .how = GUARD_SEEN_ND,
         .first_seen = 1,
         .last_seen = 5},
        {.address = {{0x20, 1, [15] = 1}}, .how = GUARD_SEEN_ND, .first_seen = 1, .last_seen = 5},
        {.address = {{[10] = 255, [11] = 255, [12] = 10, [15] = 8}},
         .how = GUARD_SEEN_ARP,
         .age = 9},
        {.address = {{[10] = 255, [11] = 255, [12] = 10, [15] = 9}},
         .how = GUARD_SEEN_DHCP,
         .last_seen = 7,
         .age = 2},
    };
    g_autoptr(Port) port = port_new(), copy = NULL;
    g_autoptr(json_t) before = fields_to_json(port_fields, FIELD_USE_REPLY, port), object = NULL;

    assert_null(json_object_get(before, "guard"));
    assert_null(json_object_get(before, "dropped"));
    assert_null(json_object_get(before, "seenAddresses"));
    port->has_guard = port->has_dropped = port->own_guard.is_given = TRUE;
    port->guard = (GuardSettings){GUARD_SENDERS_OWN, GUARD_VERDICT_DROP, GUARD_ADDRESSES_LISTED,
                                  GUARD_ALLOW_LLDP | GUARD_ALLOW_STP, NULL};
    port->guard.prefixes = g_array_new(FALSE, TRUE, sizeof(IpPrefix));
    g_array_set_size(port->guard.prefixes, 1);
    port->dropped[GUARD_OTHER_MAC] = 3;
    port->dropped[GUARD_REASON_COUNT - 1] = 1;
    port->seen = g_array_new(FALSE, FALSE, sizeof(SeenAddress));
    g_array_append_vals(port->seen, seen, G_N_ELEMENTS(seen));
    seen_addresses_sort(port->seen);
    copy = port_copy(port);
    object = fields_to_json(port_fields, FIELD_USE_REPLY, copy);
    expect_json(object, "guard",
                "{\"senders\":\"own\",\"addresses\":\"listed\",\"allowAddresses\":[\"::/0\"],"
                "\"allow\":[\"lldp\",\"stp\"],\"verdict\":\"drop\"}");
    expect_json(object, "ownGuard", "{}");
    expect_json(object, "dropped", "{\"other-mac\":3,\"dhcp-other-server\":1}");
    expect_json(object, "seenAddresses",
                "[{\"address\":\"10.0.0.9\",\"how\":\"dhcp\",\"firstSeen\":0,\"lastSeen\":7,"
                "\"age\":2},{\"address\":\"10.0.0.8\",\"how\":\"arp\",\"firstSeen\":0,"
                "\"lastSeen\":0,\"age\":9},{\"address\":\"2001::1\",\"how\":\"nd\","
                "\"firstSeen\":1,\"lastSeen\":5,\"age\":0},{\"address\":\"fe80::1\","
                "\"how\":\"nd\",\"firstSeen\":1,\"lastSeen\":5,\"age\":0}]");
}

static void
test_a_request_names_addresses(void **state)
{
    static const char *const bad[][2] = {
        {"{'network':'lan','addresses':['web']}", "'web' is neither ADDRESS nor ADDRESS/BITS"},
        {"{'network':'lan','addresses':['10.0.0.5/40']}", "must have a length of 1 to 32"},
        {"{'network':'lan','addresses':[null]}", "'(no text)'"},
    };
    g_autofree char *text =
        g_strdelimit(g_strdup("{'network':'lan','addresses':['10.0.0.5','fd00::5/64']}"), "'", '"');
    json_t *json = json_loads(text, 0, NULL);
    g_auto(PortRequest) request = {0};
    g_autoptr(Port) port = port_new();
    const char *field = NULL;
    json_t *object;

    assert_true(fields_from_json(port_fields, FIELD_USE_REQUEST, json, &request, &field, NULL));
    assert_int_equal(request.addresses->len, 2);
    assert_int_equal(g_array_index(request.addresses, PortAddress, 0).bits, 0);
    assert_int_equal(g_array_index(request.addresses, PortAddress, 1).bits, 64);
    port->addresses = g_array_copy(request.addresses);
    object = fields_to_json(port_fields, FIELD_USE_RECORD, port);
    expect_json(object, "addresses", "[\"10.0.0.5\",\"fd00::5/64\"]");
    json_decref(object);
    json_decref(json);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(PortRequest) wrong = {0};
        g_autoptr(GError) error = NULL;
        g_autofree char *wrong_text = g_strdelimit(g_strdup(bad[i][0]), "'", '"');

        json = json_loads(wrong_text, 0, NULL);
        assert_false(
            fields_from_json(port_fields, FIELD_USE_REQUEST, json, &wrong, &field, &error));
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST, bad[i][1]);
        json_decref(json);
    }
}

static void
test_a_request_names_a_guard(void **state)
{
    static const char *const bad[][2] = {
        {"{'network':'lan','guard':{'senders':'mine'}}", "senders must be auto, any or own"},
        {"{'network':'lan','guard':{'allow':['lldp','ospf']}}", "allow has router, dhcp-server"},
        {"{'network':'lan','guard':{'allow':[7]}}", "not '(no text)'"},
        {"{'network':'lan','guard':{'allowAddresses':['10.0.0.1/8']}}", "after the /8"},
        {"{'network':'lan','guard':{'allowAddresses':[null]}}", "'(no text)'"},
    };
    g_autofree char *text =
        g_strdelimit(g_strdup("{'network':'lan','guard':{'addresses':'dhcp','allow':['lldp','stp'],"
                              "'allowAddresses':['10.0.0.5']}}"),
                     "'", '"');
    g_autoptr(json_t) good = json_loads(text, 0, NULL);
    g_auto(PortRequest) request = {0};
    const char *wrong = NULL;

    assert_true(fields_from_json(port_fields, FIELD_USE_REQUEST, good, &request, &wrong, NULL));
    assert_true(request.guard.is_given && request.guard.has_addresses && request.guard.has_allow);
    assert_false(request.guard.has_senders || request.guard.has_verdict);
    assert_int_equal(request.guard.settings.addresses, GUARD_ADDRESSES_DHCP);
    assert_int_equal(request.guard.settings.allow, GUARD_ALLOW_LLDP | GUARD_ALLOW_STP);
    assert_int_equal(request.guard.settings.prefixes->len, 1);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *json = g_strdelimit(g_strdup(bad[i][0]), "'", '"');
        g_autoptr(json_t) object = json_loads(json, 0, NULL);
        g_auto(PortRequest) refused = {0};
        g_autoptr(GError) error = NULL;

        assert_false(
            fields_from_json(port_fields, FIELD_USE_REQUEST, object, &refused, &wrong, &error));
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST, bad[i][1]);
    }
}

static void
test_texts_of_people(void **state)
{
    static const struct {
        const char *field;
        FieldUse use;
        const char *text, *json, *refusal;
    } rows[] = {
        {"queues", FIELD_USE_REQUEST, "4", "4", NULL},
        {"queues", FIELD_USE_REQUEST, "257", NULL, "queues must be 1 to 256, not '257'"},
        {"queues", FIELD_USE_REQUEST, "", NULL, "not ''"},
        {"mtu", FIELD_USE_REQUEST, "67", NULL, "the MTU must be 68 to 65535, not '67'"},
        {"linkUp", FIELD_USE_CHANGE, "up", "true", NULL},
        {"linkUp", FIELD_USE_CHANGE, "down", "false", NULL},
        {"linkUp", FIELD_USE_CHANGE, "yes", NULL, "link must be up or down, not 'yes'"},
        {"openDescriptors", FIELD_USE_REQUEST, "no", "false", NULL},
        {"incoming", FIELD_USE_REQUEST, "yes", "true", NULL},
        {"sources", FIELD_USE_CHANGE, "", "[]", NULL},
        {"sources", FIELD_USE_CHANGE, "a,b", "[\"a\",\"b\"]", NULL},
        {"guard", FIELD_USE_REQUEST, "senders=any", "{\"senders\":\"any\"}", NULL},
        {"guard", FIELD_USE_CHANGE, "allow=lldp+stp,verdict=count",
         "{\"allow\":[\"lldp\",\"stp\"],\"verdict\":\"count\"}", NULL},
        {"guard", FIELD_USE_CHANGE, "allow-addresses=10.0.0.5+fd00::/64,allow=",
         "{\"allowAddresses\":[\"10.0.0.5\",\"fd00::/64\"],\"allow\":[]}", NULL},
        {"guard", FIELD_USE_CHANGE, "network", "{}", NULL},
        {"guard", FIELD_USE_CHANGE, "", NULL,
         "a guard has senders=, addresses=, allow-addresses=, allow= or verdict=, each with a "
         "value,"
         " not ''"},
        {"guard", FIELD_USE_CHANGE, "senders", NULL, "not 'senders'"},
        {"guard", FIELD_USE_CHANGE, "allowAddresses=::1", NULL, "not 'allowAddresses=::1'"},
        {"guard", FIELD_USE_CHANGE, "senders=own,senders=any", NULL, "a guard has senders= twice"},
        {"guard", FIELD_USE_CHANGE, "senders=\xff", NULL, "senders is not UTF-8"},
        {"name", FIELD_USE_REQUEST, "web", "\"web\"", NULL},
        {"name", FIELD_USE_REQUEST, "\xff", NULL, "name is not UTF-8"},
        {"addresses", FIELD_USE_REQUEST, "10.0.0.1,\xff", NULL, "addresses is not UTF-8"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Field *field = field_find(port_fields, rows[i].use, rows[i].field);
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) json = field_json_from_text(field, rows[i].use, rows[i].text, &error);
        g_autofree char *text =
            json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : g_strdup("");

        if (rows[i].json)
            assert_string_equal(text, rows[i].json);
        else
            assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST, rows[i].refusal);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interface_has_the_same_fields),
        cmocka_unit_test(test_groups_are_the_interfaces_types),
        cmocka_unit_test(test_objects_are_the_interfaces_types),
        cmocka_unit_test(test_both_tables_of_a_guard_have_the_same_fields),
        cmocka_unit_test(test_networks_have_the_same_fields),
        cmocka_unit_test(test_every_name_is_one_row_for_each_use),
        cmocka_unit_test(test_tables_are_whole),
        cmocka_unit_test(test_interface_names_are_bytes),
        cmocka_unit_test(test_a_port_shows_its_guard),
        cmocka_unit_test(test_a_request_names_addresses),
        cmocka_unit_test(test_a_request_names_a_guard),
        cmocka_unit_test(test_texts_of_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
