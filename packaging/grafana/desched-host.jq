# SPDX-License-Identifier: MIT
# The dashboard of a host, made from the daemon's own table of metrics: scripts/dashboard runs this on what
# `deschedd --metrics` prints (name, type, labels, meaning). A metric that no panel of `chosen` draws gets
# a panel by the rules of `automatic`, so that a new row of that table is a new panel here.
#
# In a query, R is the range, and each metric gets the selectors of the variables $instance and $vm as far
# as it has such labels. A metric that isn't in the table is an error.

def ready: "rate(desched_vcpu_seconds_total{state=\"ready\"}[R])";
def wall: "rate(desched_vcpu_seconds_total[R])";

def chosen: [
  { row: "Virtual machines", panels: [
    { title: "Ready, mean of a VM's vCPUs", unit: "percentunit", limits: [0.05, 0.1],
      text: "The part of their time in which the vCPUs wanted to run and found no CPU. The lines are the limits of the alerts.",
      queries: [["{{vm}}", "sum by (vm, uuid) (\(ready)) / sum by (vm, uuid) (\(wall))"]] },
    { title: "Ready, the vCPU that waits most", unit: "percentunit", limits: [0.05, 0.1],
      text: "The worst vCPU of each VM: the others may wait for it.",
      queries: [["{{vm}}", "max by (vm, uuid) (sum by (vm, uuid, vcpu) (\(ready)) / sum by (vm, uuid, vcpu) (\(wall)))"]] },
    { title: "CPUs used", unit: "short", stack: true,
      text: "CPU time of the VM's vCPUs and of its other threads, in CPUs.",
      queries: [["{{vm}}", "sum by (vm, uuid) (rate(desched_vcpu_seconds_total{state=\"run\"}[R])) + on (vm, uuid) rate(desched_vm_overhead_seconds_total[R])"]] },
    { title: "Overhead", unit: "percentunit",
      text: "CPU time of a VM's other threads, emulation and I/O, as a part of one CPU.",
      queries: [["{{vm}}", "rate(desched_vm_overhead_seconds_total[R])"]] },
    { title: "Where the vCPUs' time went", unit: "short", stack: true,
      text: "All vCPUs of the VMs that are chosen above, by state; the sum is their number.",
      queries: [["{{state}}", "sum by (state) (\(wall))"]] },
    { title: "Held back, or waiting for memory", unit: "percentunit",
      text: "Time in which a VM's vCPUs wanted to run and its limit, co-scheduling or swapped memory kept them from it.",
      queries: [["{{vm}} {{state}}", "sum by (vm, uuid, state) (rate(desched_vcpu_seconds_total{state=~\"limited|costop|swapwait\"}[R]))"]] }
  ] },
  { row: "Single waits", panels: [
    { title: "Waits by length", kind: "heatmap", unit: "s",
      text: "How often the vCPUs of the VMs that are chosen above waited for so long at a time.",
      queries: [["{{le}}", "sum by (le) (increase(desched_vcpu_wait_seconds_bucket[R]))"]] },
    { title: "99 of 100 waits are shorter than", unit: "s",
      text: "Of the waits of a VM's vCPUs; nothing where none of them waited.",
      queries: [["{{vm}}", "histogram_quantile(0.99, sum by (vm, uuid, le) (rate(desched_vcpu_wait_seconds_bucket[R])))"]] }
  ] },
  { row: "deschedd itself", panels: [
    { title: "What it costs", unit: "percentunit", text: "As a part of one CPU.",
      queries: [["deschedd", "rate(desched_host_cpu_seconds_total[R])"],
                ["BPF programs, where kernel.bpf_stats_enabled is 1", "rate(desched_host_bpf_seconds_total[R])"]] },
    { title: "What it missed: 0 when all is well", unit: "cps",
      text: "Times of vCPUs are complete nevertheless; waits are missing in the histograms, in the pages of guests or in the log.",
      queries: [["waits that found a full buffer", "rate(desched_host_gaps_lost_total[R])"],
                ["waits without a record of their own", "sum by (instance) (rate(desched_vcpu_gaps_lost_total[R]))"],
                ["waits in no histogram", "rate(desched_host_gaps_uncounted_total[R])"],
                ["switches not reported by the kernel", "rate(desched_host_missed_switches_total[R])"],
                ["long waits not logged", "rate(desched_host_long_waits_unlogged_total[R])"],
                ["VMs without room in the ledger", "rate(desched_host_refused_vms_total[R])"],
                ["looks for VMs without memory", "rate(desched_host_no_memory_total[R])"]] }
  ] }
];

# ---- the table of metrics, on standard input ----

def table: [inputs | select(length > 0) | split("\t")
  | { name: .[0], type: .[1], labels: (.[2] | split(",") | map(select(. != ""))), help: .[3] }];

def family: sub("_(bucket|sum|count)$"; "");

def row_of($table): . as $name
  | [$table[] | select(.name == $name or (.type == "histogram" and .name == ($name | family)))]
  | if length == 1 then .[0] else error("deschedd has no metric \($name)") end;

def metrics_in: [.queries[][1] | match("desched_[a-z_]+"; "g").string];

def has_vm: any(.labels[]; . == "vm");

# ---- queries ----

def selectors: ["instance=\"$instance\""] + if has_vm then ["vm=~\"$vm\""] else [] end;

def query($table):
  gsub("(?<name>desched_[a-z_]+)([{](?<own>[^}]*)[}])?";
    "\(.name){\((.name | row_of($table) | selectors) + [.own | select(. != null and . != "")] | join(", "))}")
  | gsub("\\[R\\]"; "[$__rate_interval]");

# ---- panels for what nobody has chosen ----

def automatic_unit: if .type == "counter" then (if .name | endswith("_seconds_total") then "percentunit" else "cps" end)
  elif .name | endswith("_bytes") then "bytes"
  elif .name | endswith("_seconds") then "s"
  else "short" end;

def automatic_title: .name | sub("^desched_"; "") | sub("(_total|_info)$"; "") | gsub("_"; " ")
  | gsub("\\bvm"; "VM") | gsub("\\bvcpu"; "vCPU") | gsub("\\b(?<n>kvm|bpf)\\b"; .n | ascii_upcase)
  | if test("^vCPU") then . else (.[0:1] | ascii_upcase) + .[1:] end;

# Of what may have many series the ten largest are drawn; the histogram's are its mean.
def automatic_value: if .type == "counter" then "rate(\(.name)[R])"
  elif .type == "histogram" then "rate(\(.name)_sum[R]) / rate(\(.name)_count[R])"
  else .name end;

def automatic: (.name | endswith("_info")) as $info
  | (.labels - ["uuid", "le"] | map("{{\(.)}}") | if length > 0 then join(" ") else "{{instance}}" end) as $legend
  | (.labels - ["vm", "uuid", "le"] | length > 0 and ($info | not)) as $many
  | { title: automatic_title, unit: automatic_unit, text: "", kind: (if $info then "table" else "timeseries" end),
      queries: [[$legend, automatic_value | if $many then "topk(10, \(.))" else . end]] };

def unchosen($table): ([chosen[].panels[] | metrics_in[] | family] | unique) as $drawn
  | [$table[] | select(.name as $n | all($drawn[]; . != $n))];

def sections($table): chosen + [
  { row: "More of each VM", panels: [unchosen($table)[] | select(has_vm) | automatic] },
  { row: "More of the host", panels: [unchosen($table)[] | select(has_vm | not) | automatic] }
];

# ---- Grafana's form ----

def source: { type: "prometheus", uid: "${datasource}" };

def steps: [{ color: "green", value: null }]
  + if .limits then [{ color: "orange", value: .limits[0] }, { color: "red", value: .limits[1] }] else [] end;

def defaults: { unit: .unit, min: 0, thresholds: { mode: "absolute", steps: steps } }
  + if (.kind // "timeseries") == "timeseries" then { custom: {
      fillOpacity: (if .stack then 30 else 0 end), stacking: { mode: (if .stack then "normal" else "none" end) },
      thresholdsStyle: { mode: (if .limits then "dashed" else "off" end) } } } else {} end;

def options: if .kind == "heatmap" then { calculate: false, yAxis: { unit: .unit }, cellGap: 1 }
  elif .kind == "table" then {}
  else { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } } end;

def targets($table): .kind as $kind | [.queries | to_entries[]
  | { refId: ("ABCDEFGHIJ"[.key:.key + 1]), datasource: source, expr: (.value[1] | query($table)), legendFormat: .value[0] }
  + if $kind == "heatmap" then { format: "heatmap", range: true }
    elif $kind == "table" then { format: "table", instant: true } else { range: true } end];

def description($table): ([metrics_in[] | row_of($table)] | unique_by(.name)
  | map("\(.name): \(.help)") | join("\n\n")) as $about | if .text == "" then $about else "\(.text)\n\n\($about)" end;

def panel($table): { type: (.kind // "timeseries"), title: .title, description: description($table),
  datasource: source, targets: targets($table), fieldConfig: { defaults: defaults, overrides: [] },
  options: options };

# Two panels side by side, 12 of 24 columns each, below a heading of one line.
def laid($table): reduce sections($table)[] as $s ({ y: 0, all: [] };
    .y as $y | .all += [{ type: "row", title: $s.row, collapsed: false, panels: [], gridPos: { x: 0, y: $y, w: 24, h: 1 } }]
    | .all += [$s.panels | to_entries[] | (.key / 2 | floor) as $line | (.key % 2) as $column
        | .value | panel($table) + { gridPos: { x: ($column * 12), y: ($y + 1 + $line * 8), w: 12, h: 8 } }]
    | .y = $y + 1 + (($s.panels | length + 1) / 2 | floor) * 8)
  | [.all | to_entries[] | { id: (.key + 1) } + .value];

def variable($name; $caption; $query): { name: $name, "label": $caption, type: "query", datasource: source,
  query: { query: $query, refId: $name }, definition: $query, refresh: 2, sort: 1 };

def variables: [
  { name: "datasource", "label": "Prometheus", type: "datasource", query: "prometheus" },
  variable("instance"; "host"; "label_values(desched_host_info, instance)"),
  variable("vm"; "VM"; "label_values(desched_vm_info{instance=\"$instance\"}, vm)")
    + { multi: true, includeAll: true, allValue: ".*", current: { text: ["All"], value: ["$__all"] } }
];

table as $table | {
  uid: "desched-host", title: "desched: a host and its VMs",
  description: "Where the time of a host's virtual CPUs went, by deschedd(8). Made by scripts/dashboard: not to be edited.",
  tags: ["desched", "virtual machines"], schemaVersion: 38, editable: true, graphTooltip: 1, timezone: "browser",
  time: { from: "now-1h", to: "now" }, refresh: "30s", annotations: { list: [] },
  templating: { list: variables }, panels: laid($table)
}
