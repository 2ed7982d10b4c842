/* Why TLS failed, in words that name what to change.  Worker and keeper. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tls_impl.h"

#define NAME_TEXT 64
#define LIST_TEXT 80

#define SAY(l, ...) ((void)snprintf((l)->why, sizeof((l)->why), __VA_ARGS__))

/* --- what a certificate says ---------------------------------------------------------------------------------- */

/* What a peer wrote goes into logs: as it is only where it is plain. */
static void plain(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f || *text == '"' || *text == '\\')
			*text = '?';
}

static void common_name(const X509_NAME *name, char dst[NAME_TEXT])
{
	if (X509_NAME_get_text_by_NID((X509_NAME *)(uintptr_t)name, NID_commonName, dst, NAME_TEXT) < 0)
		(void)snprintf(dst, NAME_TEXT, "(a name without CN)");
	plain(dst);
}

static void day(const ASN1_TIME *t, char dst[16])
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1 || strftime(dst, 16, "%Y-%m-%d", &tm) == 0)
		(void)snprintf(dst, 16, "(no date)");
}

static size_t put_name(char *dst, size_t at, const GENERAL_NAME *n)
{
	char text[NAME_TEXT] = "";

	if (n->type == GEN_DNS)
		(void)snprintf(text, sizeof(text), "%.*s", ASN1_STRING_length(n->d.dNSName),
		               (const char *)ASN1_STRING_get0_data(n->d.dNSName));
	else if (n->type == GEN_IPADD) {
		char *ip = i2s_ASN1_OCTET_STRING(NULL, n->d.iPAddress);
		const unsigned char *b = ASN1_STRING_get0_data(n->d.iPAddress);
		if (ASN1_STRING_length(n->d.iPAddress) == 4)
			(void)snprintf(text, sizeof(text), "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
		else
			(void)snprintf(text, sizeof(text), "%.40s", ip ? ip : "");
		OPENSSL_free(ip);
	}
	if (!text[0] || at + strlen(text) + sizeof(", ...") > LIST_TEXT)
		return at;
	plain(text);
	return at + (size_t)snprintf(dst + at, LIST_TEXT - at, "%s%s", at ? ", " : "", text);
}

/* The names that it is for.  False: none. */
static bool names(const X509 *cert, char dst[LIST_TEXT])
{
	GENERAL_NAMES *list = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	size_t n = 0;

	dst[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(list); i++)
		n = put_name(dst, n, sk_GENERAL_NAME_value(list, i));
	GENERAL_NAMES_free(list);
	return n > 0;
}

/* --- certificates that are not trusted ------------------------------------------------------------------------ */

static void wrong_name(struct tls_layer *l, const X509 *cert)
{
	char list[LIST_TEXT];

	if (names(cert, list))
		SAY(l, "certificate: the name does not match: it is for %s, not for %.60s", list, l->name);
	else
		SAY(l, "certificate: it has no subjectAltName for %.60s (a CN counts for nothing)", l->name);
}

static void untrusted(struct tls_layer *l, const X509_NAME *ca)
{
	char by[NAME_TEXT];

	common_name(ca, by);
	SAY(l, "certificate: signed by '%s', which is not in the CA file", by);
}

static void dated(struct tls_layer *l, const X509 *cert, int depth, bool over)
{
	char text[16], ca[NAME_TEXT];

	day(over ? X509_get0_notAfter(cert) : X509_get0_notBefore(cert), text);
	common_name(X509_get_subject_name(cert), ca);
	SAY(l, "certificate: %s%s%s %s %s%s", depth ? "that of the CA '" : "it", depth ? ca : "", depth ? "'" : "",
	    over ? "has expired on" : "is not yet valid, but from", text, over ? "" : " on (is our clock right?)");
}

static void explain_certificate(struct tls_layer *l, int verify, const X509 *cert, int depth)
{
	switch (verify) {
	case X509_V_ERR_HOSTNAME_MISMATCH: case X509_V_ERR_IP_ADDRESS_MISMATCH:
		wrong_name(l, cert);
		break;
	case X509_V_ERR_CERT_HAS_EXPIRED: dated(l, cert, depth, true); break;
	case X509_V_ERR_CERT_NOT_YET_VALID: dated(l, cert, depth, false); break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		SAY(l, "certificate: self-signed, and not in the CA file");
		break;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		untrusted(l, X509_get_subject_name(cert));
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT: case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		untrusted(l, X509_get_issuer_name(cert));
		break;
	default:
		SAY(l, "certificate: %.100s", X509_verify_cert_error_string(verify));
	}
}

int tls_verified(int ok, X509_STORE_CTX *x)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_layer *l = SSL_get_app_data(ssl);
	const X509 *cert = X509_STORE_CTX_get_current_cert(x);

	if (!ok && cert)
		explain_certificate(l, X509_STORE_CTX_get_error(x), cert, X509_STORE_CTX_get_error_depth(x));
	return ok;
}

/* --- alerts and the like -------------------------------------------------------------------------------------- */

static const char *meaning(const struct tls_layer *l, int reason)
{
	switch (reason) {
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return "the server wants a client certificate (tls_client_certificate)";
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
		return l->asked ? "the server wants a client certificate (tls_client_certificate)"
		                : "the server refuses the handshake: no version, cipher or group in common";
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE: case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED: case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN: case SSL_R_TLSV1_ALERT_UNKNOWN_CA: case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
		return l->asked ? "the server wants a client certificate (tls_client_certificate)"
		       : l->name ? "the server refuses our client certificate" : "the client refuses our certificate";
	case SSL_R_UNSUPPORTED_PROTOCOL: case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: case SSL_R_VERSION_TOO_LOW:
		return l->name ? "the server speaks no version of TLS from 1.2 on" : "the client speaks no version of TLS from 1.2 on";
	case SSL_R_WRONG_VERSION_NUMBER: case SSL_R_PACKET_LENGTH_TOO_LONG: case SSL_R_HTTP_REQUEST:
		return l->name && !l->ready ? "the server speaks no TLS on this port" : "garbage instead of a record";
	case SSL_R_TLSV1_UNRECOGNIZED_NAME:
		return "the server does not know the name that is asked for (tls_name)";
	default:
		return NULL;
	}
}

int tls_explain(struct tls_layer *l, int error)
{
	const long verify = SSL_get_verify_result(l->ssl);
	const int reason = ERR_GET_REASON(ERR_peek_last_error());
	char text[64];

	if (error) {
		ERR_clear_error();
		SAY(l, "TLS: %s%s", error == ECONNRESET ? "the connection ended" : strerror_r(error, text, sizeof(text)),
		    l->ready ? "" : " within the handshake");
		return -error;
	}
	if (!l->ready && l->name && verify != X509_V_OK) {
		ERR_clear_error();
		l->final = true;
		if (!l->why[0])
			SAY(l, "certificate: %.100s", X509_verify_cert_error_string(verify));
		return -EPROTO;
	}
	if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		SAY(l, "TLS: the connection ended %s", l->ready ? "without a close_notify" : "within the handshake");
		return -ECONNRESET;
	}
	const char *known = meaning(l, reason), *own = tls_reason("protocol error");
	l->final = known != NULL;
	SAY(l, "TLS: %.100s", known ? known : own);
	return -EPROTO;
}
