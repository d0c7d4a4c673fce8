export function WorkflowsRoom() {
  return null;
}
