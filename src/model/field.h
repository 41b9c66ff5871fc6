/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A field of a port or a network is one row of a table (port-fields.c, network-fields.c). The row
 * has the field's name in JSON, its place in each C structure that has it, the values it may have,
 * and how it is displayed. Records, the API's replies and requests, and the fields that macvtapctl
 * shows and sets are loops over the rows.
 *
 * A place in a structure has one check, which every value must pass. Before a record is written,
 * its text is read back with the same rows, so every record on disk can be read.
 *
 * JSON (Jansson) stays in memory: this module does no I/O.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stddef.h>

typedef enum FieldType {
    FIELD_NOT_THERE, /* the structure does not have the field */
    FIELD_TEXT,      /* char *, the structure's own; NULL: not given */
    FIELD_IFNAME, /* the same, for an interface's name of any bytes; see interface_name_format() */
    FIELD_IFNAME_HERE, /* char[INTERFACE_NAME_MAX + 1]: such a name */
    FIELD_UUID,        /* char[UUID_TEXT_SIZE], in lower case */
    FIELD_INT,         /* int, 0 or above; also pid_t */
    FIELD_UINT,        /* guint; also guint32, uid_t and gid_t */
    FIELD_UINT64,      /* guint64, at most G_MAXINT64 */
    FIELD_BOOLEAN,     /* gboolean */
    FIELD_NEGATED,  /* gboolean that is TRUE if the field is false, and FALSE if it is not given */
    FIELD_ENUM,     /* an enum whose values begin at 0; its words are the row's */
    FIELD_MAC,      /* MacAddress */
    FIELD_MACS,     /* GArray * of unicast MacAddress; NULL: not given */
    FIELD_RANGES,   /* GArray * of MacRange; output only */
    FIELD_BITS,     /* guint; bit i stands for the row's word i */
    FIELD_IP,       /* IpAddress; output only */
    FIELD_PREFIXES, /* GArray * of IpPrefix; NULL: not given */
    FIELD_RATE,     /* Rate; a text, see rate_parse() */
    FIELD_STRINGS,  /* GStrv; NULL: not given */
    FIELD_USERS,    /* GArray * of uid_t; only in a network's file */
    FIELD_GROUPS,   /* GArray * of gid_t; likewise */
    FIELD_GROUP,    /* an object, whose members are the row's */
    FIELD_COUNTS,   /* guint64[], one for each of the row's words; shown as an object of the nonzero
                       ones. Output only */
    FIELD_OBJECTS,  /* GArray * of structures whose members are the row's; NULL or empty: not
                       there. Output only */
    FIELD_DERIVED,  /* a text computed by derive(); output only */
    FIELD_SECONDS,  /* guint; in files a number and its unit */
    /* GArray * of IpAddress, of IpRange (both output only), and of PortAddress (NULL: not given) */
    FIELD_IPS,
    FIELD_IP_RANGES,
    FIELD_PORT_ADDRESSES,
} FieldType;

/* Whether text is a valid value. For a request's fields *error says what is wrong. */
typedef gboolean (*FieldCheck)(const char *text, GError **error);

/* Where a field lies in a structure. */
typedef struct FieldPlace {
    FieldType type;
    gsize offset;
    gsize given;     /* of the gboolean that says whether the field is given; 0 if it has none */
    gint64 min, max; /* of a number; both 0: the type's limits */
    FieldCheck check;
    char *(*derive)(gconstpointer structure); /* free with g_free() */
} FieldPlace;

typedef enum FieldFlags {
    FIELD_RECORD = 1 << 0,    /* it is part of a port's record, */
    FIELD_REPLY = 1 << 1,     /* of the port or network that the API shows, */
    FIELD_OPTIONAL = 1 << 2,  /* and is left out of both when it is empty, 0 or false */
    FIELD_MANDATORY = 1 << 3, /* a request must have it */
    /* A text that the daemon only stores: a port copies it from its request and from SetPort. */
    FIELD_KEPT = 1 << 4,
    FIELD_SHOWN = 1 << 5, /* it is displayed, but not part of the structure: statistics */
} FieldFlags;

typedef struct Field Field;
struct Field {
    const char *name; /* in JSON */
    FieldFlags flags;
    FieldPlace object;          /* in Port or Network, */
    FieldPlace request, change; /* in PortRequest and PortChange */
    guint n_words;              /* the words of an enum: their number, and each of them */
    const char *(*word)(guint value);
    const Field *members; /* of a group or objects; ends with a row without name */
    const char *nothing;  /* what people write for a group without members; NULL: no such word */
    const char *title;    /* its name in error messages; NULL: name */

    /* In the administrator's files: [SECTION] KEY=, and a description of valid values, unless the
     * type implies it. */
    const char *section, *key, *expected;

    /* For display: the label of its line in `port show`, or text with a '%' for the value that is
     * appended to the previous line; likewise in `network show`. */
    const char *label, *also;
    const char *const *truths; /* the words for false and true; NULL: no and yes; "": no line */
    const char *column;        /* its heading in `port list` or `network list` */
    const char *option, *argument, *help; /* as an option of macvtapctl: --option ARGUMENT */
};

/* port-fields.c: the one table of a port's fields. A new field is a member of the structures in
 * port.h that have it, a row there, and its lines in org.macvtapd.Ports.varlink. In the order of
 * display; ends with a row without a name. */
extern const Field port_fields[];

/* network-fields.c: the one table of a network's fields; a new one is a member of Network, a row
 * there, and a line in org.macvtapd.Ports.varlink. A network with a problem has only its name. */
extern const Field network_fields[];

/* Initialises a place; further arguments are the rest of the FieldPlace. */
#define FIELD_AT(Structure, Type, member, ...)                                                     \
    {                                                                                              \
        .type = FIELD_##Type, .offset = offsetof(Structure, member), __VA_ARGS__                   \
    }

/* An enum's words, from the function for its type; use DEFINE_FIELD_WORD() before the table. */
#define FIELD_WORDS(function, n) .word = function##_word, .n_words = (n)
#define DEFINE_FIELD_WORD(function, Enum)                                                          \
    static const char *function##_word(guint value)                                                \
    {                                                                                              \
        return function((Enum)value);                                                              \
    }

/* The use of a table: selects the structure and the rows. */
typedef enum FieldUse {
    FIELD_USE_RECORD,  /* Port */
    FIELD_USE_REPLY,   /* Port or Network */
    FIELD_USE_REQUEST, /* PortRequest */
    FIELD_USE_CHANGE,  /* PortChange */
} FieldUse;

/* The field's place for this use; NULL if it has none. */
const FieldPlace *field_place(const Field *field, FieldUse use);

/* The row with this name for this use, or NULL. */
const Field *field_find(const Field *fields, FieldUse use, const char *name);

/* The field's name in error messages. */
const char *field_title(const Field *field);

/* The fields of a structure as an object, a new reference. */
json_t *fields_to_json(const Field *fields, FieldUse use, gconstpointer structure);

/*
 * Reads the fields of an object into a zeroed structure, which the caller must clear even on
 * failure. FALSE if a field is missing, unknown (in a request), of the wrong type, or has an
 * invalid value. If only the value is invalid, *error says so (PORT_ERROR_INVALID_REQUEST);
 * otherwise, and if the caller passes no error, *ret_field is the field's name (the row's, or a key
 * of the object).
 */
gboolean fields_from_json(const Field *fields, FieldUse use, json_t *object, gpointer structure,
                          const char **ret_field, GError **error);

/* Whether any field that is not mandatory is given in a change or a request. */
gboolean fields_any_given(const Field *fields, FieldUse use, json_t *object);

/* The words of an enum, as "auto, require or off"; free with g_free(). */
char *field_list_words(const Field *field);

/* The limits of a number in this place. */
void field_place_limits(const FieldPlace *place, gint64 *ret_min, gint64 *ret_max);

/* Converts text from a user to the field's JSON value: numbers, booleans, lists joined by ',', and
 * groups as "MEMBER=VALUE,…", with lists joined by '+' and members named as in the options. A new
 * reference, or NULL with PORT_ERROR_INVALID_REQUEST. */
json_t *field_json_from_text(const Field *field, FieldUse use, const char *text, GError **error);

/* Whether the text is a valid value of the field in a request or a change, on any network; fails
 * with PORT_ERROR_INVALID_REQUEST. A holder is written as holder.h says. */
gboolean field_check_text(const Field *field, FieldUse use, const char *text, GError **error);

/* Frees the memory that the structure's fields own, or duplicates it after an assignment. */
void fields_release(const Field *fields, FieldUse use, gpointer structure);
void fields_duplicate(const Field *fields, FieldUse use, gpointer structure);

/* Whether the field has the same value in two structures. */
gboolean field_is_equal(const Field *field, gconstpointer a, gconstpointer b);

/* Copies the FIELD_KEPT fields of from (a request, a change or another port) to a port. TRUE if
 * there were any. */
gboolean fields_keep(const Field *fields, FieldUse use, gconstpointer from, gpointer port);
