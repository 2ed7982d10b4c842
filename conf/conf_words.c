/* Values that are one of a few words.  Master. */
#include "conf_words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct word {
	const char *text;
	int value;
};

static const struct word sandbox[] = { { "auto", CONF_SANDBOX_AUTO }, { "required", CONF_SANDBOX_REQUIRED }, { "off", CONF_SANDBOX_OFF }, { NULL, 0 } };
static const struct word level[] = { { "debug", LOG_LEVEL_DEBUG },     { "info", LOG_LEVEL_INFO },
	                             { "notice", LOG_LEVEL_NOTICE },   { "warning", LOG_LEVEL_WARNING },
	                             { "error", LOG_LEVEL_ERROR },     { NULL, 0 } };
static const struct word format[] = { { "auto", LOG_FORMAT_AUTO }, { "text", LOG_FORMAT_TEXT },
	                              { "json", LOG_FORMAT_JSON }, { "journal", LOG_FORMAT_JOURNAL }, { NULL, 0 } };
static const struct word protocol[] = { { "http", CONF_PROTOCOL_HTTP },       { "socks5", CONF_PROTOCOL_SOCKS5 },
	                                { "connect", CONF_PROTOCOL_CONNECT }, { NULL, 0 } };
static const struct word form[] = { { "origin", CONF_FORM_ORIGIN }, { "absolute", CONF_FORM_ABSOLUTE }, { NULL, 0 } };
static const struct word auth[] = { { "none", CONF_AUTH_NONE },   { "bearer", CONF_AUTH_BEARER },
	                            { "service-token", CONF_AUTH_SERVICE_TOKEN }, { "basic", CONF_AUTH_BASIC },
	                            { NULL, 0 } };
static const struct word scheme[] = { { "http", CONF_SCHEME_HTTP }, { "https", CONF_SCHEME_HTTPS }, { NULL, 0 } };
static const struct word proto[] = { { "none", CONF_FORWARDED_NONE }, { "http", CONF_FORWARDED_HTTP },
	                             { "https", CONF_FORWARDED_HTTPS }, { NULL, 0 } };

static const struct word *words_of(enum conf_kind kind)
{
	switch (kind) {
	case KIND_SANDBOX: return sandbox;
	case KIND_LEVEL: return level;
	case KIND_FORMAT: return format;
	case KIND_PROTOCOL: return protocol;
	case KIND_FORM: return form;
	case KIND_AUTH: return auth;
	case KIND_SCHEME: return scheme;
	default: return proto;
	}
}

/* All these fields are enums, and an enum of ours is an int. */
int conf_word_parse(const struct conf_key *k, struct strview text, void *field, struct err *reterr)
{
	char all[160] = "";

	for (const struct word *w = words_of(k->kind); w->text; w++) {
		if (sv_eq(text, sv_str(w->text))) {
			memcpy(field, &w->value, sizeof(w->value));
			return 0;
		}
		size_t n = strlen(all);
		(void)snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "", w->text);
	}
	return err_set(reterr, -EINVAL, "'" SV_FMT "' is not one of %s", SV_ARG(text), all);
}

const char *conf_word_of(const struct conf_key *k, const void *field)
{
	int value;

	memcpy(&value, field, sizeof(value));
	for (const struct word *w = words_of(k->kind); w->text; w++)
		if (w->value == value)
			return w->text;
	return "";
}
