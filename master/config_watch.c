/* Reload by itself when a mounted ConfigMap was swapped, or a file that the configuration names changed.  Master. */
#include "config_watch.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>

#include "candidate.h"
#include "exitcode.h"
#include "log.h"
#include "master_impl.h"

#define SWAP_NAME  "..data"
#define FILES_MS   1000
#define SETTLE_MS  100   /* after the swap: events come in handfuls */
#define RETRY_MS   5000  /* a directory or file that is gone or bad, a daemon that drains */
#define AGAIN_MS   30000 /* a reload that was refused for another reason than the file */

static void look_in(struct config_watch *w, uint64_t ms)
{
	if (sd_event_source_set_time_relative(w->look, ms * 1000) < 0
	    || sd_event_source_set_enabled(w->look, SD_EVENT_ONESHOT) < 0)
		log_error("changes of the configuration are not noticed any more");
}

static int on_directory(sd_event_source *s, const struct inotify_event *event, void *user)
{
	struct config_watch *w = user;

	if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) {
		w->directory = sd_event_source_disable_unref(s);
		look_in(w, RETRY_MS);
	} else if ((event->mask & IN_Q_OVERFLOW) || (event->len > 0 && strcmp(event->name, SWAP_NAME) == 0)) {
		look_in(w, SETTLE_MS);
	}
	return 0;
}

/* 0 or -errno of the directory. */
static int watch_directory(struct master *m)
{
	const char *path = m->conf->path, *slash = strrchr(path, '/');
	CLEANUP(free_p) char *directory = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");

	if (!directory)
		return -ENOMEM;
	int r = sd_event_add_inotify(m->event, &m->config_watch.directory, directory,
	                             IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR, on_directory, &m->config_watch);
	return r < 0 ? r : 0;
}

/* The end of the reload that this asked for. */
static void on_answer(struct view_waiter *waiter, const struct view_answer *a)
{
	struct config_watch *w = container_of(waiter, struct config_watch, waiter);

	list_del(&waiter->node);
	w->refused = a->exit == EXITCODE_CONFIG;
	if (w->refused)
		look_in(w, RETRY_MS);
	if (a->exit == EXITCODE_OK || w->refused)
		return;
	w->tried.conf[0] = '\0';
	look_in(w, AGAIN_MS);
}

/* What was refused is no news, unless another one was taken meanwhile; what runs is news only after something else was
 * refused. */
static bool is_news(const struct master *m, const char *conf, const char *files)
{
	const struct config_watch *w = &m->config_watch;

	if (w->refused && m->reload.error[0] && strcmp(conf, w->tried.conf) == 0 && strcmp(files, w->tried.files) == 0)
		return false;
	return strcmp(conf, m->conf->hash) != 0 || strcmp(files, m->conf->files_hash) != 0 || m->reload.error[0];
}

/* A file that is named may come, or become good, after the configuration that names it, and only that is no change of any
 * file that is in use. */
static bool is_mended(struct master *m)
{
	struct config_watch *w = &m->config_watch;
	struct candidate c;

	if (!w->refused || !m->reload.error[0])
		return false;
	const bool good = candidate_read(&c, m->conf) == 0;
	candidate_done(&c);
	if (!good)
		look_in(w, RETRY_MS);
	return good;
}

static void look_at_files(struct master *m)
{
	struct config_watch *w = &m->config_watch;
	char conf[sizeof(w->tried.conf)], files[sizeof(w->tried.files)];
	struct err why;

	if (conf_file_hash(m->conf->path, conf, &why) < 0 || conf_files_hash(m->conf, files, &why) < 0) {
		look_in(w, RETRY_MS); /* a mount that is made anew, perhaps: the file comes behind the swap */
		return;
	}
	if (!is_news(m, conf, files) && !is_mended(m))
		return;
	log_notice("%s on disk: reloading", strcmp(conf, m->conf->hash) != 0 ? "the configuration was replaced"
	                                                                     : "a file that the configuration names was replaced");
	(void)sv_copy(w->tried.conf, sizeof(w->tried.conf), sv_str(conf));
	(void)sv_copy(w->tried.files, sizeof(w->tried.files), sv_str(files));
	reload_request(m, false, &w->waiter);
}

static int on_look(sd_event_source *s, uint64_t usec, void *user)
{
	struct master *m = user;
	struct config_watch *w = &m->config_watch;

	(void)s, (void)usec;
	if (!w->directory && watch_directory(m) < 0) {
		look_in(w, RETRY_MS);
		return 0;
	}
	if (m->stopping)
		return 0;
	if (m->state != MASTER_SERVING || !list_empty(&w->waiter.node)) {
		look_in(w, RETRY_MS);
		return 0;
	}
	look_at_files(m);
	return 0;
}

/* --- the files that are named --------------------------------------------------------------------------------------- */

static int on_files(sd_event_source *s, uint64_t usec, void *user)
{
	struct master *m = user;
	struct config_watch *w = &m->config_watch;
	const uint64_t is = conf_files_fingerprint(m->conf);

	(void)usec;
	if (is != w->fingerprint)
		look_in(w, SETTLE_MS);
	w->fingerprint = is;
	(void)sd_event_source_set_time_relative(s, FILES_MS * 1000);
	(void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

/* From now on; what has changed since they were read counts, too. */
static void watch_files(struct master *m)
{
	struct config_watch *w = &m->config_watch;
	char is[sizeof(w->tried.files)];
	struct err why;

	w->fingerprint = conf_files_fingerprint(m->conf);
	if (conf_files_hash(m->conf, is, &why) == 0 && strcmp(is, m->conf->files_hash) != 0)
		look_in(w, SETTLE_MS);
}

/* --- life ------------------------------------------------------------------------------------------------------- */

int config_watch_start(struct master *m)
{
	struct config_watch *w = &m->config_watch;

	list_init(&w->waiter.node);
	w->waiter.answer = on_answer;
	int r = sd_event_add_time_relative(m->event, &w->look, CLOCK_MONOTONIC, 0, 1000, on_look, m);
	if (r >= 0)
		r = sd_event_source_set_enabled(w->look, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(m->event, &w->files, CLOCK_MONOTONIC, FILES_MS * 1000, 100000, on_files, m);
	if (r < 0)
		return r;
	watch_files(m);
	int error = watch_directory(m);
	if (error < 0) {
		log_warning("cannot watch the directory of %s: %s; trying again", m->conf->path, strerror(-error));
		look_in(w, RETRY_MS);
	}
	return 0;
}

void config_watch_stop(struct config_watch *w)
{
	w->directory = sd_event_source_disable_unref(w->directory);
	w->look = sd_event_source_disable_unref(w->look);
	w->files = sd_event_source_disable_unref(w->files);
}
