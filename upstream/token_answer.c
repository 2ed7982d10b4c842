/* What a token service answered.  Worker and keeper. */
#include "token_answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base64.h"

#define LIFE_MAX_S  (366ll * 86400)
#define SECONDS_MAX (1ll << 53) /* beyond it a number is not exact any more */

static json_t *load(struct strview text)
{
	json_error_t ignored; /* its text may quote a token */

	return json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &ignored);
}

/* A number of seconds, with or without a fraction; 0 = it is none, or below that. */
static json_int_t seconds_of(const json_t *number)
{
	const double s = json_number_value(number);

	return s >= (double)SECONDS_MAX ? SECONDS_MAX : s > 0 ? (json_int_t)s : 0;
}

/* The exp of a JWT in seconds since 1970; 0 = it has none, or is no JWT. */
static json_int_t jwt_exp(struct strview token)
{
	struct strview rest = token, head, payload;
	char text[TOKEN_MAX];

	if (!sv_cut(&rest, '.', &head) || !sv_cut(&rest, '.', &payload))
		return 0;
	const ssize_t n = base64url_decode(payload, text, sizeof(text));
	json_auto_t *claims = n > 0 ? load(sv_make(text, (size_t)n)) : NULL;
	return seconds_of(json_object_get(claims, "exp"));
}

static uint64_t life_ms(enum token_answer_kind kind, const json_t *root, struct strview token, uint64_t wall_ms)
{
	const json_t *expires_in = json_object_get(root, "expires_in");
	json_int_t seconds = seconds_of(expires_in);

	if (json_is_string(expires_in)) /* some send a text */
		seconds = strtoll(json_string_value(expires_in), NULL, 10);
	if (seconds <= 0) {
		const json_int_t exp = jwt_exp(token), now = (json_int_t)(wall_ms / 1000);
		if (exp <= 0)
			return kind == TOKEN_ANSWER_REGISTRY ? TOKEN_LIFE_REGISTRY_MS : TOKEN_LIFE_DEFAULT_MS;
		seconds = exp > now ? exp - now : 0;
	}
	return (uint64_t)(seconds < LIFE_MAX_S ? seconds : LIFE_MAX_S) * 1000;
}

int token_answer_read(enum token_answer_kind kind, struct strview body, uint64_t wall_ms, struct token *ret,
                      uint64_t *ret_life_ms, struct err *reterr)
{
	json_auto_t *root = load(body);
	const json_t *value = kind == TOKEN_ANSWER_REGISTRY ? json_object_get(root, "token") : NULL;

	if (json_string_length(value) == 0)
		value = json_object_get(root, "access_token");
	if (!json_is_object(root))
		return err_set(reterr, -EINVAL, "answers with something else than JSON");
	if (!json_is_string(value))
		return err_set(reterr, -EINVAL, kind == TOKEN_ANSWER_REGISTRY ? "answers without a token" : "answers without an access_token");
	const struct strview token = sv_make(json_string_value(value), json_string_length(value));
	if (!token_is_ok(token))
		return err_set(reterr, -EINVAL, "answers with a token that is malformed or longer than %d bytes", TOKEN_MAX);
	*ret_life_ms = life_ms(kind, root, token, wall_ms);
	if (*ret_life_ms == 0)
		return err_set(reterr, -EINVAL, "answers with a token that has expired already: compare the clocks");
	memcpy(ret->bytes, token.p, token.n);
	ret->n = (uint32_t)token.n;
	return 0;
}

void token_answer_why(struct strview body, char *dst, size_t cap)
{
	json_auto_t *root = load(body);
	const char *error = json_string_value(json_object_get(root, "error"));
	const char *words = json_string_value(json_object_get(root, "error_description"));

	if (!words)
		words = json_string_value(json_object_get(json_array_get(json_object_get(root, "errors"), 0), "message"));
	if (!words)
		words = json_string_value(json_object_get(root, "details"));
	(void)snprintf(dst, cap, "%s%s%s", error ? error : "", error && words ? ": " : "", words ? words : "");
	for (char *p = dst; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '?';
}
