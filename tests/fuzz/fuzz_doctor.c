/* What a client of the doctor sends: the order with an image's name and a pull secret, up to the request it becomes. */
#include "doctor_order.h"
#include "fuzz.h"
#include "route.h"

static void check_image(const char *name)
{
	struct doctor_image image;
	struct err why;

	if (doctor_image_parse(fuzz_conf(), sv_str(name), &image, &why) < 0) {
		FUZZ_ASSERT(why.text[0]);
		return;
	}
	FUZZ_ASSERT(image.host[0] && image.target[0] == '/');
	FUZZ_ASSERT(memchr(image.target, '\0', sizeof(image.target)));
	for (const char *p = image.target; *p; p++)
		FUZZ_ASSERT((unsigned char)*p > 0x20 && (unsigned char)*p < 0x7f);
	fuzz_assert_within(doctor_image_repository(&image), sv_make(image.target, strlen(image.target)));
	FUZZ_ASSERT(doctor_image_port(&image) < 65536);
}

static void check_secret(struct doctor_order *o)
{
	struct doctor_secret s;

	FUZZ_ASSERT(doctor_secret_find(o->auths, "localhost:30085", SV("team/app"), &s) == 0);
	FUZZ_ASSERT(memchr(s.keys, '\0', sizeof(s.keys)));
	if (s.authorization)
		for (const char *p = s.authorization; *p; p++)
			FUZZ_ASSERT(*p >= 0x20 && *p < 0x7f);
	doctor_secret_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct doctor_order o;
	struct err why;

	if (size > 64 * 1024 || doctor_order_read(fuzz_text(data, size), &o, &why) < 0)
		return 0;
	if (o.image[0])
		check_image(o.image);
	if (o.auths)
		check_secret(&o);
	doctor_order_done(&o);
	return 0;
}
