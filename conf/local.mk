noinst_LIBRARIES += conf/librrconf.a
conf_librrconf_a_CPPFLAGS = $(AM_CPPFLAGS) $(CONF_INC)
conf_librrconf_a_CFLAGS = $(AM_CFLAGS)
conf_librrconf_a_SOURCES = conf/conf.h
