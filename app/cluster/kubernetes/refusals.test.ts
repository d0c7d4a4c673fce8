// Answers that are no success, as API servers really write them.
import { expect, test } from "vitest";
import { refusal } from "./refusals.ts";

const answer = (status: number, reason: string, message: string, details: object = {}) => ({
  ...{ status, warnings: [], serverTime: 0, ms: 0 },
  body: { kind: "Status", status: "Failure", reason, message, details, code: status },
});

test.each([
  [
    answer(
      403,
      "Forbidden",
      'jobs.batch is forbidden: User "system:serviceaccount:photos:app" cannot create resource "jobs" in API group "batch" in the namespace "photos"',
    ),
    [
      "cluster-forbidden",
      "You may not start the Job: in the namespace photos the right to “create” jobs is missing.",
    ],
  ],
  [
    answer(404, "NotFound", 'namespaces "photos" not found'),
    ["cluster-refused", "The namespace photos is not there."],
  ],
  [
    answer(
      403,
      "Forbidden",
      'jobs.batch "x" is forbidden: unable to create new content in namespace photos because it is being terminated',
    ),
    ["cluster-refused", "The namespace photos is being deleted."],
  ],
  [
    answer(
      403,
      "Forbidden",
      'jobs.batch "x" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1, used: count/jobs.batch=5, limited: count/jobs.batch=5',
    ),
    [
      "cluster-refused",
      "The namespace's quota jobs is used up (asked for count/jobs.batch=1, used count/jobs.batch=5, limit count/jobs.batch=5).",
    ],
  ],
  [
    answer(422, "Invalid", 'Job.batch "x" is invalid: spec.parallelism: Invalid value', {
      causes: [
        { field: "spec.parallelism", message: "Invalid value: -1: must be greater than or equal to 0" },
      ],
    }),
    ["cluster-refused", "spec.parallelism: Invalid value: -1: must be greater than or equal to 0."],
  ],
  [
    answer(400, "BadRequest", 'strict decoding error: unknown field "spec.foo"'),
    ["cluster-refused", 'strict decoding error: unknown field "spec.foo".'],
  ],
  [{ ...answer(403, "", ""), body: "<html>Forbidden</html>" }, ["cluster-refused", "Forbidden"]],
])("refusals: %#", (one, [code, words]) => {
  const error = refusal(one, "start the Job", "photos");
  expect(error.code).toBe(code);
  expect(error.message).toContain(words);
  expect(error.next).toMatch(/\.$/);
});
