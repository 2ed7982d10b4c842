noinst_LIBRARIES += ctl/librrctl.a
ctl_librrctl_a_CPPFLAGS = $(AM_CPPFLAGS) $(CTL_INC)
ctl_librrctl_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
ctl_librrctl_a_SOURCES = \
	ctl/ctl.c ctl/ctl.h \
	ctl/ctl_ask.c ctl/ctl_ask.h \
	ctl/ctl_check.c ctl/ctl_check.h \
	ctl/ctl_doctor.c ctl/ctl_doctor.h \
	ctl/ctl_json.c ctl/ctl_json.h \
	ctl/ctl_options.c ctl/ctl_commands.def ctl/ctl_options.h \
	ctl/ctl_page_doctor.c \
	ctl/ctl_page_pulls.c \
	ctl/ctl_page_stats.c \
	ctl/ctl_page_status.c \
	ctl/ctl_pages.c ctl/ctl_pages.h \
	ctl/ctl_refusal.c ctl/ctl_refusal.h \
	ctl/ctl_secret.c ctl/ctl_secret.h \
	ctl/ctl_table.c ctl/ctl_table.h \
	ctl/ctl_watch.c ctl/ctl_watch.h

bin_PROGRAMS += regctl
regctl_CPPFLAGS = $(AM_CPPFLAGS) $(CTL_INC)
regctl_SOURCES = ctl/main.c
regctl_LDADD = $(CTL_LIBS)

dist_man_MANS += ctl/regctl.1
EXTRA_DIST += ctl/regctl.bash-completion

# Two names: other software has a regctl too.
install-exec-hook:
	cd '$(DESTDIR)$(bindir)' && rm -f regrelayctl && $(LN_S) regctl regrelayctl

install-data-hook:
	$(MKDIR_P) '$(DESTDIR)$(bashcompdir)'
	$(INSTALL_DATA) '$(srcdir)/ctl/regctl.bash-completion' '$(DESTDIR)$(bashcompdir)/regctl'
	cd '$(DESTDIR)$(bashcompdir)' && rm -f regrelayctl && $(LN_S) regctl regrelayctl
	cd '$(DESTDIR)$(man1dir)' && rm -f regrelayctl.1 && $(LN_S) regctl.1 regrelayctl.1

uninstall-hook:
	rm -f '$(DESTDIR)$(bindir)/regrelayctl' '$(DESTDIR)$(man1dir)/regrelayctl.1'
	rm -f '$(DESTDIR)$(bashcompdir)/regctl' '$(DESTDIR)$(bashcompdir)/regrelayctl'
