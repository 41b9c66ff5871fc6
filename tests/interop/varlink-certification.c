/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-certification.h"

const char certification_description[] =
    "# Proves that a Varlink client and a Varlink service understand each other.\n"
    "interface org.varlink.certification\n"
    "\n"
    "type Interface (\n"
    "  foo: ?[]?[string](foo, bar, baz),\n"
    "  anon: (foo: bool, bar: bool)\n"
    ")\n"
    "\n"
    "type MyType (\n"
    "  object: object,\n"
    "  enum: (one, two, three),\n"
    "  struct: (first: int, second: string),\n"
    "  array: []string,\n"
    "  dictionary: [string]string,\n"
    "  stringset: [string](),\n"
    "  nullable: ?string,\n"
    "  nullable_array_struct: ?[](first: int, second: string),\n"
    "  interface: Interface\n"
    ")\n"
    "\n"
    "method Start() -> (client_id: string)\n"
    "method Test01(client_id: string) -> (bool: bool)\n"
    "method Test02(client_id: string, bool: bool) -> (int: int)\n"
    "method Test03(client_id: string, int: int) -> (float: float)\n"
    "method Test04(client_id: string, float: float) -> (string: string)\n"
    "method Test05(client_id: string, string: string) ->\n"
    "  (bool: bool, int: int, float: float, string: string)\n"
    "method Test06(client_id: string, bool: bool, int: int, float: float, string: string) ->\n"
    "  (struct: (bool: bool, int: int, float: float, string: string))\n"
    "method Test07(client_id: string,\n"
    "  struct: (bool: bool, int: int, float: float, string: string)) -> (map: [string]string)\n"
    "method Test08(client_id: string, map: [string]string) -> (set: [string]())\n"
    "method Test09(client_id: string, set: [string]()) -> (mytype: MyType)\n"
    "# Ten replies, to a call with \"more\".\n"
    "method Test10(client_id: string, mytype: MyType) -> (string: string)\n"
    "# A call with \"oneway\".\n"
    "method Test11(client_id: string, last_more_replies: []string) -> ()\n"
    "method End(client_id: string) -> (all_ok: bool)\n"
    "\n"
    "# The client was not started.\n"
    "error ClientIdError ()\n"
    "# The call is not the one that was due, or its parameters are not what they should be.\n"
    "error CertificationError (wants: object, got: object)\n";

#define FOUR "{\"bool\":false,\"int\":2,\"float\":3.141592653589793,\"string\":\"a lot of string\"}"
#define MAP "{\"map\":{\"bar\":\"Bar\",\"foo\":\"Foo\"}}"
#define SET "{\"set\":{\"one\":{},\"two\":{},\"three\":{}}}"
#define MYTYPE                                                                                     \
    "{\"mytype\":{"                                                                                \
    "\"object\":{\"method\":\"org.varlink.certification.Test09\",\"parameters\":" MAP "},"         \
    "\"enum\":\"two\",\"struct\":{\"first\":1,\"second\":\"2\"},"                                  \
    "\"array\":[\"one\",\"two\",\"three\"],\"dictionary\":{\"foo\":\"Foo\",\"bar\":\"Bar\"},"      \
    "\"stringset\":{\"one\":{},\"two\":{},\"three\":{}},"                                          \
    "\"nullable\":null,\"nullable_array_struct\":null,"                                            \
    "\"interface\":{\"foo\":[null,{\"Foo\":\"foo\",\"Bar\":\"bar\"},null,"                         \
    "{\"one\":\"foo\",\"two\":\"bar\"}],\"anon\":{\"foo\":true,\"bar\":false}}}}"
#define REPLIES                                                                                    \
    "{\"last_more_replies\":[\"Reply number 1\",\"Reply number 2\",\"Reply number 3\","            \
    "\"Reply number 4\",\"Reply number 5\",\"Reply number 6\",\"Reply number 7\","                 \
    "\"Reply number 8\",\"Reply number 9\",\"Reply number 10\"]}"

const CertificationStep certification_steps[] = {
    {"Start", "{}", NULL},
    {"Test01", "{}", "{\"bool\":true}"},
    {"Test02", "{\"bool\":true}", "{\"int\":1}"},
    {"Test03", "{\"int\":1}", "{\"float\":1.0}"},
    {"Test04", "{\"float\":1.0}", "{\"string\":\"ping\"}"},
    {"Test05", "{\"string\":\"ping\"}", FOUR},
    {"Test06", FOUR, "{\"struct\":" FOUR "}"},
    {"Test07", "{\"struct\":" FOUR "}", MAP},
    {"Test08", MAP, SET},
    {"Test09", SET, MYTYPE},
    {"Test10", MYTYPE, NULL, .more = TRUE},
    {"Test11", REPLIES, NULL, .oneway = TRUE},
    {"End", "{}", "{\"all_ok\":true}"},
    {NULL},
};

static gboolean
arrays_equal(const json_t *left, const json_t *right)
{
    if (json_array_size(left) != json_array_size(right))
        return FALSE;
    for (size_t i = 0; i < json_array_size(left); i++)
        if (!certification_equal(json_array_get(left, i), json_array_get(right, i)))
            return FALSE;
    return TRUE;
}

/* Whether every member of left is in right. */
static gboolean
object_within(const json_t *left, const json_t *right)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)left, key, value) {
        if (!certification_equal(value, json_object_get(right, key)))
            return FALSE;
    }
    return TRUE;
}

gboolean
certification_equal(const json_t *left, const json_t *right)
{
    gboolean left_null = !left || json_is_null(left);
    gboolean right_null = !right || json_is_null(right);

    if (left_null || right_null)
        return left_null && right_null;
    if (json_is_number(left) && json_is_number(right))
        return json_number_value(left) == json_number_value(right);
    if (json_is_array(left) && json_is_array(right))
        return arrays_equal(left, right);
    if (json_is_object(left) && json_is_object(right))
        return object_within(left, right) && object_within(right, left);
    return json_equal(left, right);
}

json_t *
certification_parse(const char *text)
{
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    g_assert(value);
    return value;
}
