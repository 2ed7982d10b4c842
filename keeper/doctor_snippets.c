/* What a person has to copy to mend a hop.  Keeper. */
#include "doctor_snippets.h"

#include <stdio.h>
#include <string.h>

/* As the administration of the Cloud Connector asks for it, in its order. */
static void mapping(struct doctor_report *r, const char *internal, const char *virtual, const char *resource)
{
	if (r->registry->proxy->direct || r->registry->proxy->protocol == CONF_PROTOCOL_CONNECT)
		return; /* there is none on the way */
	if (r->registry->proxy->protocol == CONF_PROTOCOL_SOCKS5) { /* bytes go through as they are */
		doctor_report_snippet(r, "Cloud Connector, Cloud To On-Premise, Access Control: a mapping of the virtual host",
		                      "Back-end Type  Non-SAP System\n"
		                      "Protocol       TCP\n"
		                      "Internal Host  %s\n"
		                      "Virtual Host   %s", internal, virtual);
		return;
	}
	doctor_report_snippet(r, "Cloud Connector, Cloud To On-Premise, Access Control: a mapping of the virtual host",
	                      "Back-end Type           Non-SAP System\n"
	                      "Protocol                HTTPS\n"
	                      "Internal Host           %s\n"
	                      "Virtual Host            %s\n"
	                      "Principal Type          None\n"
	                      "Host In Request Header  Use Internal Host\n"
	                      "Resource                %s  (Path And All Sub-Paths)",
	                      internal, virtual, resource);
}

static void ini_line(struct doctor_report *r, const char *key, const char *host)
{
	const char *name = r->registry->name;
	const bool plain = strcmp(name, "default") == 0;

	doctor_report_snippet(r, "regrelay.ini, then regctl reload", "[registry%s%s]\n%s = %s", plain ? "" : " ", plain ? "" : name, key, host);
}

static void secret(struct doctor_report *r, const struct conf *c, const struct doctor_image *image)
{
	char host[URL_AUTHORITY_MAX];

	if (image)
		(void)snprintf(host, sizeof(host), "%s", image->host);
	else
		(void)snprintf(host, sizeof(host), "localhost:%u", conf_public_port(c));
	doctor_report_snippet(r, "the pull secret, in the pod's namespace; then imagePullSecrets: [{name: regrelay}] in the pod",
	                      "kubectl create secret docker-registry regrelay --docker-server=%s \\\n"
	                      "  --docker-username=USER --docker-password=PASSWORD",
	                      host);
}

void doctor_snippets_hosts(struct doctor_report *r, const struct conf *c, const struct doctor_image *image)
{
	doctor_report_snippet(r, "on every node, for images that are called by another host than the relay's",
	                      "# /etc/containerd/certs.d/%s/hosts.toml\n"
	                      "server = \"https://%s\"\n"
	                      "\n"
	                      "[host.\"http://localhost:%u\"]\n"
	                      "  capabilities = [\"pull\", \"resolve\"]",
	                      image->host, image->host, conf_public_port(c));
}

void doctor_snippets_add(struct doctor_report *r, const struct doctor_finding *f, const struct conf *c,
                         const struct doctor_image *image)
{
	const char *host = f->host ? f->host : "HOST:PORT", *virtual = f->other ? f->other : host;

	switch (f->error) {
	case ERROR_MAPPING_MISSING:
	case ERROR_SOCKS_REFUSED:
	case ERROR_PATH_DENIED:
		if (f->step == DOCTOR_TOKEN || f->step == DOCTOR_REDIRECT)
			mapping(r, host, virtual, "/");
		else
			mapping(r, "the registry's own host and port", r->registry->authority, "/v2");
		break;
	case ERROR_TOKEN_HOST:
		mapping(r, host, virtual, "/");
		ini_line(r, "token_hosts", host);
		break;
	case ERROR_REDIRECT_HOST:
		mapping(r, host, virtual, "/");
		ini_line(r, "redirect_hosts", host);
		break;
	case ERROR_SECRET_KEY:
	case ERROR_SECRET_ENTRY:
	case ERROR_CREDENTIALS_MISSING:
	case ERROR_CREDENTIALS_REFUSED:
		secret(r, c, image);
		break;
	default: break;
	}
}
