/* What a client of the doctor asks for.  Keeper. */
#include "doctor_order.h"

#include <errno.h>

static int take_image(json_t *image, struct doctor_order *o, struct err *reterr)
{
	if (!image || json_is_null(image))
		return 0;
	const struct strview text = sv_make(json_string_value(image), json_string_length(image));
	if (!json_is_string(image) || text.n == 0 || !sv_copy(o->image, sizeof(o->image), text))
		return err_set(reterr, -EINVAL, "image must be a text of 1 to %d bytes", DOCTOR_IMAGE_MAX - 1);
	return 0;
}

static int take_auth(json_t *auth, struct doctor_order *o, struct err *reterr)
{
	json_t *auths = json_object_get(auth, "auths");

	if (!auth || json_is_null(auth))
		return 0;
	if (!json_is_object(auths))
		return err_set(reterr, -EINVAL, "auth must be what a .dockerconfigjson holds: an object with 'auths'");
	o->auths = json_incref(auths);
	return 0;
}

int doctor_order_read(struct strview body, struct doctor_order *ret, struct err *reterr)
{
	struct doctor_order o = { .auths = NULL };
	json_error_t ignored; /* its text may quote a secret */
	json_t *root = NULL, *image = NULL, *auth = NULL;
	int r = 0;

	if (body.n) {
		root = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, &ignored);
		if (json_unpack_ex(root, &ignored, JSON_STRICT, "{s?o, s?o}", "image", &image, "auth", &auth) < 0)
			r = err_set(reterr, -EINVAL, "the body must be empty or {\"image\": NAME, \"auth\": {\"auths\": ...}}");
	}
	if (r == 0)
		r = take_image(image, &o, reterr);
	if (r == 0)
		r = take_auth(auth, &o, reterr);
	json_decref(root);
	if (r == 0)
		*ret = o;
	else
		doctor_order_done(&o);
	return r;
}

void doctor_order_done(struct doctor_order *o)
{
	json_decref(o->auths);
	o->auths = NULL;
}
