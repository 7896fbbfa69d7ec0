/* SPDX-License-Identifier: MIT */
/*
 * Two snapshots one second apart, from which the expected figures of the screen's tests are worked
 * out by hand. In that second, in hundredths of it:
 *
 *     CPU     run  ready  co-stop  wait  idle
 *     0        60     30                   10
 *     1        25      5        5     5    60
 *
 *     process                 true  descheduled  wait   reported
 *     100 postgres, postgres    50           25             75
 *     101 walwriter, its child  10            5             15
 *     200 java, tomcat          20            6     5       31
 *       thread 200               5            1              6
 *       thread 201              15            5     5       25
 *     300 with a hostile name    4            2              6
 *     exited                     1                           1
 *     sum                       85           38     5      128     vmdesched 43, idle 2
 */
#ifndef SCREEN_FRAMES_H
#define SCREEN_FRAMES_H

#include "wire/snapshot.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES_TIME UINT64_C(1795176011000000000) /* date -ud '2026-11-20 12:00:11' +%s */

#define FRAME_1                                                                                    \
	"{'schema':'desched-agent/1','source':'page','elapsed_s':10,"                              \
	"'totals':{'reported_s':9,'true_s':6,'descheduled_s':2.5,'wait_s':0.5,"                    \
	"'idle_descheduled_s':0.5},"                                                               \
	"'cpus':[{'cpu':0,'ledger_s':{'run':3,'ready':2,'halt':5}},"                               \
	"{'cpu':1,'ledger_s':{'run':3,'ready':1,'costop':0,'wait':0.5,'halt':5.5}}],"              \
	"'processes':["                                                                            \
	"{'pid':1,'id':1,'ppid':0,'name':'systemd','user':'root','cgroup':'/init.scope',"          \
	"'true_s':1},"                                                                             \
	"{'pid':100,'id':2,'ppid':1,'name':'postgres','user':'postgres','cgroup':'/db',"           \
	"'true_s':2,'descheduled_s':1},"                                                           \
	"{'pid':101,'id':3,'ppid':100,'name':'walwriter','user':'postgres','cgroup':'/db'},"       \
	"{'pid':200,'id':4,'ppid':1,'name':'java','user':'tomcat','cgroup':'/web',"                \
	"'true_s':1,'descheduled_s':1,'wait_s':0.5,'threads':["                                    \
	"{'tid':200,'name':'java','true_s':0.5,'descheduled_s':0.5},"                              \
	"{'tid':201,'name':'GC','true_s':0.5,'descheduled_s':0.5,'wait_s':0.5}]},"                 \
	"{'pid':300,'id':5,'ppid':1,'name':'gone before','user':'root','true_s':2,"                \
	"'descheduled_s':0.5}]}"

#define FRAME_2                                                                                    \
	"{'schema':'desched-agent/1','source':'page','elapsed_s':11,"                              \
	"'totals':{'reported_s':10.28,'true_s':6.85,'descheduled_s':2.88,'wait_s':0.55,"           \
	"'idle_descheduled_s':0.52},"                                                              \
	"'cpus':[{'cpu':0,'ledger_s':{'run':3.6,'ready':2.3,'halt':5.1}},"                         \
	"{'cpu':1,'ledger_s':{'run':3.25,'ready':1.05,'costop':0.05,'wait':0.55,'halt':6.1}}],"    \
	"'processes':["                                                                            \
	"{'pid':300,'id':6,'ppid':1,'name':'\\u001b[31mred\\n','user':'root',"                     \
	"'true_s':0.04,'descheduled_s':0.02},"                                                     \
	"{'pid':200,'id':4,'ppid':1,'name':'java','user':'tomcat','cgroup':'/web',"                \
	"'true_s':1.2,'descheduled_s':1.06,'wait_s':0.55,'threads':["                              \
	"{'tid':201,'name':'GC','true_s':0.65,'descheduled_s':0.55,'wait_s':0.55},"                \
	"{'tid':200,'name':'java','true_s':0.55,'descheduled_s':0.51}]},"                          \
	"{'pid':1,'id':1,'ppid':0,'name':'systemd','user':'root','cgroup':'/init.scope',"          \
	"'true_s':1},"                                                                             \
	"{'pid':100,'id':2,'ppid':1,'name':'postgres','user':'postgres','cgroup':'/db',"           \
	"'true_s':2.5,'descheduled_s':1.25},"                                                      \
	"{'pid':101,'id':3,'ppid':100,'name':'walwriter','user':'postgres','cgroup':'/db',"        \
	"'true_s':0.1,'descheduled_s':0.05}]}"

/* The snapshots are written with ' for ". NULL for what is no JSON. */
static inline json_t *frames_json(const char *text)
{
	char *copy = strdup(text);
	json_t *o;

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	o = json_loads(copy, 0, NULL);
	free(copy);
	return o;
}

static inline int frames_parse(const char *text, uint64_t time, struct snapshot *ret)
{
	json_t *o = frames_json(text);
	int err = o ? snapshot_decode(o, NULL, ret) : -1;

	if (!err)
		ret->time = time;
	json_decref(o);
	return err;
}

#endif
