/* Writing over TLS: records, several at a time.  Worker and keeper. */
#include <errno.h>
#include <string.h>

#include "tls_impl.h"

/* Bytes that were encrypted, but had not left when the caller last heard.  It has them at hand again, or others: they count as
 * written either way. */
static size_t known(struct tls_layer *l, size_t n)
{
	const size_t k = n < l->ahead ? n : l->ahead;

	l->ahead -= k;
	return k;
}

/* Copies what is left of the parts, beyond skip bytes, to dst: the number copied, at most a record's. */
static size_t gather(char *dst, const struct iovec *part, int parts, size_t skip)
{
	size_t n = 0;

	for (int i = 0; i < parts && n < TLS_RECORD_MAX; i++) {
		const size_t from = skip < part[i].iov_len ? skip : part[i].iov_len;
		size_t take = part[i].iov_len - from;
		skip -= from;
		if (take > TLS_RECORD_MAX - n)
			take = TLS_RECORD_MAX - n;
		if (take)
			memcpy(dst + n, (const char *)part[i].iov_base + from, take);
		n += take;
	}
	return n;
}

/* At most one record.  > 0 bytes encrypted or -errno. */
static ssize_t encrypt(struct tls_layer *l, const void *bytes, size_t n)
{
	tls_begin_call();
	const int r = SSL_write(l->ssl, bytes, n < TLS_RECORD_MAX ? (int)n : TLS_RECORD_MAX);

	return r > 0 ? r : tls_failure(l, r);
}

/* Of parts that come in pieces, one record. */
static ssize_t encrypt_gathered(struct tls_layer *l, const struct iovec *part, int parts, size_t skip)
{
	char record[TLS_RECORD_MAX] UNCLEARED;
	const size_t n = gather(record, part, parts, skip);

	return n ? encrypt(l, record, n) : 0;
}

/* A record's worth beyond skip bytes of the parts.  > 0 bytes, 0 = there is no more, or -errno. */
static ssize_t encrypt_next(struct tls_layer *l, const struct iovec *part, int parts, size_t skip)
{
	for (; parts && skip >= part->iov_len; part++, parts--)
		skip -= part->iov_len;
	if (parts == 0)
		return 0;
	const char *at = (const char *)part->iov_base + skip;
	const size_t n = part->iov_len - skip;
	return parts == 1 || n >= TLS_RECORD_MAX ? encrypt(l, at, n) : encrypt_gathered(l, part, parts, skip);
}

/* Of left bytes beyond skip, as many records as leave at once.  > 0 bytes, -EAGAIN, -errno; *ret_last: those of the last record. */
static ssize_t write_some(struct tls_layer *l, const struct iovec *part, int parts, size_t skip, size_t left, size_t *ret_last)
{
	const size_t room = left > TLS_RECORD_MAX ? tls_out_room(&l->out) : 0;
	size_t sum = 0;
	ssize_t r;

	do {
		r = encrypt_next(l, part, parts, skip + sum);
		if (r > 0)
			sum += *ret_last = (size_t)r;
	} while (r > 0 && sum + TLS_RECORD_MAX <= room);
	return sum ? (ssize_t)sum : r;
}

static size_t length(const struct iovec *part, int parts)
{
	size_t n = 0;

	for (int i = 0; i < parts; i++)
		n += part[i].iov_len;
	return n;
}

/* The last record counts as taken when all of it has left, so that the caller comes again until then. */
ssize_t tls_writev(struct transport *t, const struct iovec *part, int parts)
{
	struct tls_layer *l = tls_layer_of(t);
	int sent = tls_send_out(l);
	ssize_t n = 0;
	size_t last = 0;

	if (sent < 0)
		return sent;
	const size_t all = length(part, parts);
	size_t sum = known(l, all);
	while (sent == 0 && sum < all && (n = write_some(l, part, parts, sum, all - sum, &last)) > 0) {
		sum += (size_t)n;
		sent = tls_send_out(l);
	}
	if (sent == -EAGAIN) {
		l->ahead = last;
		sum -= last;
	} else if (sent < 0) {
		return sent;
	}
	if (n < 0)
		(void)!tls_out_send(&l->out); /* an alert: what is gathered must not wait for the next call, which is another's */
	if (sum)
		return (ssize_t)sum;
	return sent < 0 ? sent : n;
}
