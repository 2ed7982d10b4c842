/* What a 401 offers.  Worker and keeper. */
#include "offer.h"

static void read_word(struct offer_word *w, const struct challenge_param *p)
{
	const ssize_t n = challenge_value(p, w->text, sizeof(w->text));

	w->n = n > 0 ? (size_t)n : 0;
}

static void read_parameter(struct offer *o, const struct challenge_param *p)
{
	if (sv_eq_nocase(p->name, SV("realm")))
		read_word(&o->realm, p);
	else if (sv_eq_nocase(p->name, SV("service")))
		read_word(&o->service, p);
	else if (sv_eq_nocase(p->name, SV("scope")))
		read_word(&o->scope, p);
}

static void read_value(struct offer *o, struct strview value)
{
	struct challenge_reader r;
	struct challenge_param p;
	enum challenge_item item;
	bool counts = false; /* in the first Bearer challenge */

	challenge_begin(&r, value);
	while ((item = challenge_next(&r, &p)) == CHALLENGE_SCHEME || item == CHALLENGE_PARAM) {
		if (item == CHALLENGE_SCHEME) {
			o->basic |= sv_eq_nocase(r.scheme, SV("Basic"));
			counts = !o->bearer && sv_eq_nocase(r.scheme, SV("Bearer"));
			o->bearer |= counts;
		} else if (counts) {
			read_parameter(o, &p);
		}
	}
}

void offer_read(const struct http_head *h, struct offer *ret)
{
	*ret = (struct offer){ .bearer = false };
	for (unsigned i = 0; i < h->fields; i++)
		if (sv_eq_nocase(h->field[i].name, SV("WWW-Authenticate")))
			read_value(ret, h->field[i].value);
}
