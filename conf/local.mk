noinst_LIBRARIES += conf/librrconf.a
conf_librrconf_a_CPPFLAGS = $(AM_CPPFLAGS) $(CONF_INC)
conf_librrconf_a_CFLAGS = $(AM_CFLAGS) $(INIH_CFLAGS) $(JANSSON_CFLAGS)
conf_librrconf_a_SOURCES = \
	conf/conf.c conf/conf.h \
	conf/conf_auth.c \
	conf/conf_binding.c conf/conf_binding.h \
	conf/conf_build.h \
	conf/conf_check.c \
	conf/conf_cpus.c \
	conf/conf_diff.c \
	conf/conf_dump.c \
	conf/conf_files.c \
	conf/conf_format.c \
	conf/conf_hosts.c \
	conf/conf_key.c conf/conf_key.h conf/conf_keys.def \
	conf/conf_login.c conf/conf_login.h \
	conf/conf_parse.c \
	conf/conf_tls.c \
	conf/conf_value.c \
	conf/conf_way.c \
	conf/conf_words.c conf/conf_words.h

dist_man_MANS += conf/regrelay.ini.5
dist_doc_DATA = conf/regrelay.ini

# A configuration that is there is somebody's: only where there is none does the sample become one.
install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(sysconfdir)/regrelay'
	test -e '$(DESTDIR)$(sysconfdir)/regrelay/regrelay.ini' || \
		$(INSTALL_DATA) '$(srcdir)/conf/regrelay.ini' '$(DESTDIR)$(sysconfdir)/regrelay/regrelay.ini'

uninstall-local:
	if cmp -s '$(srcdir)/conf/regrelay.ini' '$(DESTDIR)$(sysconfdir)/regrelay/regrelay.ini'; then \
		rm -f '$(DESTDIR)$(sysconfdir)/regrelay/regrelay.ini'; fi
