/* Files and a configuration for fuzz targets. */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "conf.h"

int fuzz_file(const uint8_t *data, size_t size, char path[64])
{
	const int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_ASSERT(fd >= 0);
	for (size_t at = 0; at < size;) {
		const ssize_t n = write(fd, data + at, size - at);
		FUZZ_ASSERT(n > 0);
		at += (size_t)n;
	}
	(void)snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

const struct conf *fuzz_conf(void)
{
	static const char text[] = "[proxy]\naddress = proxy:20003\n"
	                           "[registry]\nhost = reg.corp:5000\ndefault = yes\nns = reg.corp\ndeny = secret/**\n"
	                           "token_hosts = auth.corp:8443/realms, other.corp=auth.kyma:1\nredirect_hosts = s3.corp:9000\n"
	                           "redirect_pass = cdn.corp\n"
	                           "[registry two]\nhost = two.corp\nprefix = two/deep\nmatch_host = two.local\n";
	static struct conf *conf;
	struct conf_errors errors;
	char path[64];

	if (conf)
		return conf;
	const int fd = fuzz_file((const uint8_t *)text, sizeof(text) - 1, path);
	FUZZ_ASSERT(conf_load(path, &conf, &errors) == 0);
	conf_errors_free(&errors);
	(void)close(fd);
	return conf;
}
