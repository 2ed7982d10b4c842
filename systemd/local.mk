# Units, and the user they run as; installed always, enabled by nobody.
systemdsystemunit_DATA = systemd/regrelay.service
dist_systemdsystemunit_DATA = systemd/regrelay.socket
dist_sysusers_DATA = systemd/regrelay.conf
EXTRA_DIST += systemd/regrelay.service.in
CLEANFILES += systemd/regrelay.service

# The directories are known to make, not to configure: they are written in terms of each other.
systemd/regrelay.service: $(srcdir)/systemd/regrelay.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@bindir[@]|$(bindir)|g' \
		'$(srcdir)/systemd/regrelay.service.in' > $@.tmp && mv $@.tmp $@
