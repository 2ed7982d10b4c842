noinst_LIBRARIES += master/librrmaster.a
master_librrmaster_a_CPPFLAGS = $(AM_CPPFLAGS) $(MASTER_INC)
master_librrmaster_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(JANSSON_CFLAGS)
master_librrmaster_a_SOURCES = master/control.h master/master.h master/view.h

sbin_PROGRAMS += regrelayd
regrelayd_CPPFLAGS = $(AM_CPPFLAGS) $(MASTER_INC) -I$(srcdir)/worker -I$(srcdir)/keeper
regrelayd_SOURCES = master/main.c
regrelayd_LDADD = $(MASTER_LIBS) $(WORKER_LIBS) $(KEEPER_LIBS)
