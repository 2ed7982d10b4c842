/* How all processes use jansson: its memory is cleared before it is freed, for JSON may hold credentials (its parser and its
 * strings copy what they read more than once, so that clearing single values would leave traces); and the seed of its tables is
 * drawn while a file can still be opened.  Master, before the first use of jansson; children inherit it. */
#ifndef JSON_SETUP_H
#define JSON_SETUP_H

void json_setup(void);

#endif
