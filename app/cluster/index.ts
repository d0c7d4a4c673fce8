// The cluster room: batches that run elsewhere, on Kubernetes.
//
// Owns: the storage between this computer and the pods (blobs/), the way to the cluster and the Jobs (kubernetes/).
// Must never: know a photograph, a graph or SQL; show a credential to anybody but the one it is for.
export { type BlobFolder, openBlobFolder, type Received, type Upload } from "./blobs/folder.ts";
export type { Fetch, HttpAnswer, HttpRequest } from "./blobs/http.ts";
export {
  batchKey,
  batchPrefixes,
  doneKey,
  donePrefix,
  inputKey,
  isKey,
  isPrefix,
  outputKey,
} from "./blobs/keys.ts";
export { openBlobStore, openGrantedStore, type StoreSettings } from "./blobs/open.ts";
export {
  type BlobEntry,
  type BlobStore,
  type FileFacts,
  type Grant,
  type GrantRequest,
  grantSchema,
  type StoreCheck,
  type TransferOptions,
  type Wanted,
} from "./blobs/store.ts";
export type { Patience } from "./blobs/trouble.ts";
export { checkCluster } from "./kubernetes/check.ts";
export {
  type Answer,
  type Ask,
  type Cluster,
  type ConnectOptions,
  connectCluster,
  type ProxyFetch,
  type ServerVersion,
} from "./kubernetes/connect.ts";
export type { CheckOptions, Finding } from "./kubernetes/findings.ts";
export {
  chunksFor,
  jobFor,
  jobName,
  labelValue,
  type Submission,
  type SubmissionInput,
  submissionSchema,
  WORKER_EXIT,
} from "./kubernetes/job-spec.ts";
export {
  cancelJob,
  deleteOrphans,
  findJobs,
  type JobFacts,
  type JobState,
  listInstalled,
  renewKey,
  submitJob,
  suspendJob,
  untilStopped,
} from "./kubernetes/jobs.ts";
export { type ClusterSettings, listContexts } from "./kubernetes/kubeconfig.ts";
export { type LogLine, type PodLog, type PodLogOptions, readPodLogs } from "./kubernetes/logs.ts";
export type { Words } from "./kubernetes/refusals.ts";
export { rightsFor } from "./kubernetes/rights.ts";
export { type FollowOptions, followJob, type JobView, lookAtJob } from "./kubernetes/watch.ts";
