// The dashboards for Grafana, from short lists of panels.
// Owns: chart/dashboards/*.json, which `node k8s/generate.ts` writes. Must never: ask for a metric of ours that
// app/api/metrics.ts does not have (a test looks).

type Unit = "short" | "s" | "reqps" | "bytes" | "mbytes" | "percent" | "percentunit" | "celsius" | "watt";

interface Panel {
  readonly title: string;
  readonly about: string;
  readonly unit: Unit;
  readonly kind?: "timeseries" | "stat" | "table";
  /** Of 24 columns. */
  readonly width?: number;
  /** Query → what its lines are called. */
  readonly queries: Readonly<Record<string, string>>;
}

interface Board {
  readonly uid: string;
  readonly title: string;
  /** Values that the namespace can be chosen from. */
  readonly namespaces: string;
  readonly panels: readonly Panel[];
}

const OURS = 'namespace=~"$namespace"';
const JOBS = `${OURS}, job_name=~"autochrome-.+", job_name!~".+-(retention|backup)-[0-9]+"`;
const PODS = `${OURS}, pod=~"autochrome-.+"`;

/** A metric of dcgm-exporter for our pods. Its labels are called exported_… where Prometheus does not honour them. */
function gpu(metric: string): string {
  const honoured = `${metric}{exported_pod="", namespace=~"$namespace", pod=~"autochrome.*"}`;
  const renamed = `${metric}{exported_namespace=~"$namespace", exported_pod=~"autochrome.*"}`;
  return [
    `label_replace(${renamed}, "of_pod", "$1", "exported_pod", "(.*)")`,
    `label_replace(${honoured}, "of_pod", "$1", "pod", "(.*)")`,
  ].join(" or ");
}

const SERVICE: Board = {
  uid: "autochrome-service",
  title: "Autochrome: service",
  namespaces: "label_values(autochrome_queue_prompts, namespace)",
  panels: [
    {
      title: "Waiting",
      about: "Prompts that wait.",
      unit: "short",
      kind: "stat",
      width: 6,
      queries: { [`sum(autochrome_queue_prompts{${OURS}, state="pending"})`]: "waiting" },
    },
    {
      title: "Running",
      about: "Prompts that run now.",
      unit: "short",
      kind: "stat",
      width: 6,
      queries: { [`sum(autochrome_queue_prompts{${OURS}, state="running"})`]: "running" },
    },
    {
      title: "Failed, last hour",
      about: "Prompts that ended with an error.",
      unit: "short",
      kind: "stat",
      width: 6,
      queries: { [`sum(increase(autochrome_prompts_total{${OURS}, state="error"}[1h]))`]: "failed" },
    },
    {
      title: "Open connections",
      about: "WebSockets of clients.",
      unit: "short",
      kind: "stat",
      width: 6,
      queries: { [`sum(autochrome_websocket_clients{${OURS}})`]: "clients" },
    },
    {
      title: "Queue",
      about: "Prompts that wait or run.",
      unit: "short",
      queries: { [`sum by (state) (autochrome_queue_prompts{${OURS}})`]: "{{state}}" },
    },
    {
      title: "Prompts that ended",
      about: "In five minutes, by how they ended.",
      unit: "short",
      queries: { [`sum by (state) (increase(autochrome_prompts_total{${OURS}}[5m]))`]: "{{state}}" },
    },
    {
      title: "The network",
      about: "What was computed, and what was known from before.",
      unit: "short",
      queries: { [`sum by (kind) (increase(autochrome_network_answers_total{${OURS}}[5m]))`]: "{{kind}}" },
    },
    {
      title: "Requests",
      about: "A second, by status.",
      unit: "reqps",
      queries: {
        [`sum by (status) (rate(autochrome_http_requests_total{${OURS}}[$__rate_interval]))`]: "{{status}}",
      },
    },
    {
      title: "Time to answer",
      about: "Until the head of the answer: half of all requests, and 95 of 100.",
      unit: "s",
      queries: Object.fromEntries(
        [0.5, 0.95].map((share) => [
          `histogram_quantile(${share}, sum by (le) (rate(autochrome_http_request_seconds_bucket{${OURS}}[$__rate_interval])))`,
          `${share * 100} %`,
        ]),
      ),
    },
    {
      title: "Delay of the event loop",
      about: "99 of 100 are shorter. More than some 16 ms is felt.",
      unit: "s",
      queries: {
        [`nodejs_eventloop_lag_p99_seconds{${OURS}} and on (namespace, pod) autochrome_websocket_clients`]:
          "{{pod}}",
      },
    },
    {
      title: "Memory",
      about: "Of the service's process; colouring runs in a process of its own.",
      unit: "bytes",
      queries: {
        [`process_resident_memory_bytes{${OURS}} and on (namespace, pod) autochrome_websocket_clients`]:
          "{{pod}}",
        [`sum by (pod) (container_memory_working_set_bytes{${PODS}, container="server"})`]:
          "{{pod}}, all of it",
      },
    },
    {
      title: "Volumes",
      about: "How full they are.",
      unit: "percentunit",
      queries: {
        [`1 - kubelet_volume_stats_available_bytes{${OURS}, persistentvolumeclaim=~".+-(library|blobs)"} / kubelet_volume_stats_capacity_bytes`]:
          "{{persistentvolumeclaim}}",
      },
    },
    {
      title: "Cleaned away",
      about: "Old files of the service's folders, in an hour.",
      unit: "bytes",
      queries: { [`sum(increase(autochrome_cleaned_bytes_total{${OURS}}[1h]))`]: "bytes" },
    },
    {
      title: "Files cleaned away",
      about: "In an hour.",
      unit: "short",
      queries: { [`sum(increase(autochrome_cleaned_files_total{${OURS}}[1h]))`]: "files" },
    },
  ],
};

const BATCHES: Board = {
  uid: "autochrome-batches",
  title: "Autochrome: batches and GPUs",
  namespaces: 'label_values(kube_job_info{job_name=~"autochrome-.+"}, namespace)',
  panels: [
    {
      title: "Batches that run",
      about: "Jobs with pods at work.",
      unit: "short",
      kind: "stat",
      width: 6,
      queries: { [`count(kube_job_status_active{${JOBS}} > 0) or vector(0)`]: "run" },
    },
    {
      title: "Batches that failed",
      about: "Jobs that ended with something missing.",
      unit: "short",
      kind: "stat",
      width: 6,
      queries: { [`count(kube_job_failed{${JOBS}, condition="true"} == 1) or vector(0)`]: "failed" },
    },
    {
      title: "Pods that wait",
      about: "For a GPU, a quota, an image.",
      unit: "short",
      kind: "stat",
      width: 6,
      queries: { [`sum(kube_pod_status_phase{${PODS}, phase="Pending"})`]: "wait" },
    },
    {
      title: "Pods at work",
      about: "Of batches and of the service.",
      unit: "short",
      kind: "stat",
      width: 6,
      queries: { [`sum(kube_pod_status_phase{${PODS}, phase="Running"})`]: "run" },
    },
    {
      title: "Progress",
      about: "Share of each batch's chunks that are done.",
      unit: "percentunit",
      queries: {
        [`kube_job_status_succeeded{${JOBS}} / on (namespace, job_name) kube_job_spec_completions`]:
          "{{job_name}}",
      },
    },
    {
      title: "Photos",
      about: "That pods are done with, in five minutes. Needs the chart's PodMonitor.",
      unit: "short",
      queries: {
        [`sum by (outcome) (increase(autochrome_chunk_photos_total{${OURS}}[5m]))`]: "{{outcome}}",
      },
    },
    {
      title: "Failed pods",
      about: "By batch. A chunk is tried several times.",
      unit: "short",
      queries: { [`sum by (job_name) (kube_job_status_failed{${JOBS}})`]: "{{job_name}}" },
    },
    {
      title: "Pods by state",
      about: "Of batches and of the service.",
      unit: "short",
      queries: { [`sum by (phase) (kube_pod_status_phase{${PODS}})`]: "{{phase}}" },
    },
    {
      title: "Why pods wait or ended",
      about: "As Kubernetes calls it.",
      unit: "short",
      kind: "table",
      queries: {
        [`sum by (pod, reason) (kube_pod_container_status_waiting_reason{${PODS}}) > 0`]: "waits",
        [`sum by (pod, reason) (kube_pod_container_status_terminated_reason{${PODS}, reason!="Completed"}) > 0`]:
          "ended",
      },
    },
    {
      title: "CPU",
      about: "Cores in use, by pod.",
      unit: "short",
      queries: {
        [`sum by (pod) (rate(container_cpu_usage_seconds_total{${PODS}, container!=""}[$__rate_interval]))`]:
          "{{pod}}",
      },
    },
    {
      title: "Memory",
      about: "By pod.",
      unit: "bytes",
      queries: {
        [`sum by (pod) (container_memory_working_set_bytes{${PODS}, container!=""})`]: "{{pod}}",
      },
    },
    {
      title: "GPU at work",
      about: "Percent of the time. For parts of a card (MIG) see the next panel.",
      unit: "percent",
      queries: { [gpu("DCGM_FI_DEV_GPU_UTIL")]: "{{of_pod}}, GPU {{gpu}}" },
    },
    {
      title: "GPU's cores at work",
      about: "Share of the time; also for parts of a card (MIG).",
      unit: "percentunit",
      queries: { [gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE")]: "{{of_pod}}, GPU {{gpu}} {{GPU_I_PROFILE}}" },
    },
    {
      title: "GPU memory",
      about: "In use. Under time slices it is counted for one of the pods only.",
      unit: "mbytes",
      queries: { [gpu("DCGM_FI_DEV_FB_USED")]: "{{of_pod}}, GPU {{gpu}}" },
    },
    {
      title: "GPU errors",
      about: "The last error's number (XID); 0 for none.",
      unit: "short",
      queries: { [gpu("DCGM_FI_DEV_XID_ERRORS")]: "{{of_pod}}, GPU {{gpu}}" },
    },
    {
      title: "GPU power",
      about: "By card.",
      unit: "watt",
      queries: { [gpu("DCGM_FI_DEV_POWER_USAGE")]: "{{of_pod}}, GPU {{gpu}}" },
    },
    {
      title: "GPU temperature",
      about: "By card.",
      unit: "celsius",
      queries: { [gpu("DCGM_FI_DEV_GPU_TEMP")]: "{{of_pod}}, GPU {{gpu}}" },
    },
  ],
};

const HEIGHT = 8;
/** Grafana puts the chosen data source in place of $source. */
const SOURCE = { type: "prometheus", uid: "$source" };

/** File name → dashboard, as Grafana imports it. */
export function dashboards(): Readonly<Record<string, object>> {
  return { "service.json": drawn(SERVICE), "batches.json": drawn(BATCHES) };
}

function drawn({ uid, title, namespaces, panels }: Board): object {
  let [x, y] = [0, 0];
  return {
    uid,
    title,
    tags: ["autochrome"],
    schemaVersion: 39,
    refresh: "30s",
    time: { from: "now-3h", to: "now" },
    templating: {
      list: [
        { name: "source", label: "Prometheus", type: "datasource", query: "prometheus" },
        {
          name: "namespace",
          label: "Namespace",
          type: "query",
          datasource: SOURCE,
          query: namespaces,
          includeAll: true,
          multi: true,
          refresh: 2,
          sort: 1,
        },
      ],
    },
    panels: panels.map((panel, index) => {
      const { kind = "timeseries", width = 12 } = panel;
      if (x + width > 24) [x, y] = [0, y + HEIGHT];
      const gridPos = { x, y, w: width, h: HEIGHT };
      x += width;
      return {
        id: index + 1,
        type: kind,
        title: panel.title,
        description: panel.about,
        datasource: SOURCE,
        gridPos,
        fieldConfig: { defaults: { unit: panel.unit, min: 0 }, overrides: [] },
        options: kind === "timeseries" ? { legend: { placement: "bottom", displayMode: "list" } } : {},
        targets: Object.entries(panel.queries).map(([expr, legendFormat], number) => ({
          refId: String.fromCharCode("A".charCodeAt(0) + number),
          datasource: SOURCE,
          expr,
          legendFormat,
          ...(kind === "table" ? { instant: true, format: "table" } : {}),
        })),
      };
    }),
  };
}
