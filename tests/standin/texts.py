"""texts: what connectivity proxy and Cloud Connector say, word for word where a public source quotes it (README.md)."""

REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
           407: "Proxy Authentication Required", 414: "URI Too Long", 431: "Request Header Fields Too Large",
           500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}

NO_HTTPS = "HTTPS proxying is not supported"
NO_TOKEN = "Missing or empty header: proxy-authorization"
OPEN_TIMEOUT = "Timed out waiting for tunnel to open"


def no_connector(subaccount, location):
    return ("There is no SAP Cloud Connector (SCC) connected to your subaccount matching the requested tunnel for "
            f"subaccount '{subaccount}' and SCC location ID '{location}'")


def other_tunnel(subaccount, location):
    return ("One of the headers [SAP-Connectivity-ConsumerAccount, SAP-Connectivity-SCC-Location_ID] was set with a "
            "different value compared to the value which was already used for this connection. Original tunnel ID: "
            f"account:///{subaccount}/{location}")


def no_system(host):
    return (f"Access denied to system {host}. In case this was a valid request, ensure to expose the system correctly "
            "in your cloud connector.")


def no_resource(path, host):
    return (f"Access denied to resource {path} on system {host}. In case this was a valid request, ensure to expose "
            "the resource correctly in your cloud connector.")


def no_backend(host):
    return f"Unable to open connection to backend system {host}"
