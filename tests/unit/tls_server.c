/* The other end for tests of TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls_server.h"

struct pair {
	X509 *cert;
	EVP_PKEY *key;
};

static struct pair ca; /* of the server made last */
static char ca_path[32];  /* of its certificate */
static long serial;

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX v3;

	X509V3_set_ctx_nodb(&v3);
	X509V3_set_ctx(&v3, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static struct pair make(const char *cn, const struct pair *by, long from_s, long until_s)
{
	struct pair p = { X509_new(), EVP_EC_gen("P-256") };

	assert_non_null(p.cert);
	assert_non_null(p.key);
	assert_int_equal(X509_set_version(p.cert, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(p.cert), ++serial), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(p.cert), from_s));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(p.cert), until_s));
	X509_NAME *name = X509_get_subject_name(p.cert);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0), 1);
	assert_int_equal(X509_set_issuer_name(p.cert, by ? X509_get_subject_name(by->cert) : name), 1);
	assert_int_equal(X509_set_pubkey(p.cert, p.key), 1);
	return p;
}

static void sign(struct pair *p, const struct pair *by)
{
	assert_int_not_equal(X509_sign(p->cert, by ? by->key : p->key, EVP_sha256()), 0);
}

static struct pair make_ca(const char *cn)
{
	struct pair p = make(cn, NULL, -3600, 3600);

	extend(p.cert, p.cert, NID_basic_constraints, "critical,CA:TRUE");
	sign(&p, NULL);
	return p;
}

static void pair_free(struct pair *p)
{
	X509_free(p->cert);
	EVP_PKEY_free(p->key);
	*p = (struct pair){ NULL, NULL };
}

static struct pair make_leaf(const struct tls_server_options *o, const struct pair *by)
{
	struct pair p = make(o->cn ? o->cn : "server", by, o->until_s ? o->from_s : -3600, o->until_s ? o->until_s : 3600);
	char names[256] = "";

	if (o->dns)
		(void)snprintf(names, sizeof(names), "DNS:%s", o->dns);
	if (o->ip)
		(void)snprintf(names + strlen(names), sizeof(names) - strlen(names), "%sIP:%s", o->dns ? "," : "", o->ip);
	if (names[0])
		extend(p.cert, by ? by->cert : p.cert, NID_subject_alt_name, names);
	sign(&p, by);
	return p;
}

static void ca_write(void)
{
	strcpy(ca_path, "/tmp/regrelay-test-ca-XXXXXX");
	const int fd = mkstemp(ca_path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, ca.cert), 1);
	assert_int_equal(fclose(f), 0);
}

const char *tls_server_ca(void)
{
	return ca_path;
}

SSL_CTX *tls_server_new(const struct tls_server_options *o)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct pair stranger = make_ca("stranger");

	pair_free(&ca);
	ca = make_ca("test CA");
	assert_non_null(ctx);
	ca_write();
	struct pair leaf = make_leaf(o, o->self_signed ? NULL : o->stranger ? &stranger : &ca);
	assert_int_equal(SSL_CTX_use_certificate(ctx, leaf.cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, leaf.key), 1);
	if (o->max_version) {
		SSL_CTX_set_security_level(ctx, 0);
		assert_int_equal(SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION), 1);
		assert_int_equal(SSL_CTX_set_max_proto_version(ctx, o->max_version), 1);
	}
	if (o->wants_client) {
		assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.cert), 1);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	pair_free(&leaf);
	pair_free(&stranger);
	return ctx;
}

static void to_text(BIO *b, char *dst, size_t cap)
{
	int n = BIO_read(b, dst, (int)cap - 1);

	assert_in_range(n, 1, (int)cap - 2);
	dst[n] = '\0';
	BIO_free(b);
}

void tls_server_client_certificate(SSL_CTX *ctx, char *chain, char *key, size_t cap)
{
	const struct tls_server_options o = { .cn = "client" };

	(void)ctx;
	tls_server_leaf(&o, chain, key, cap);
}

void tls_server_leaf(const struct tls_server_options *o, char *chain, char *key, size_t cap)
{
	struct pair p = make_leaf(o, &ca);
	BIO *b = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(b, p.cert), 1);
	to_text(b, chain, cap);
	b = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(b, p.key, NULL, NULL, 0, NULL, NULL), 1);
	to_text(b, key, cap);
	pair_free(&p);
}

void tls_server_free(SSL_CTX *ctx)
{
	SSL_CTX_free(ctx);
	pair_free(&ca);
	assert_int_equal(unlink(ca_path), 0);
}
