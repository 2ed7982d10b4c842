# What Prometheus and Grafana load; the daemon reads none of it.
monitoringdir = $(pkgdatadir)/monitoring
dist_monitoring_DATA = monitoring/regrelay.rules.yml monitoring/dashboard.json
EXTRA_DIST += monitoring/regrelay.rules.test.yml
