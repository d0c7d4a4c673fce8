export function WorkRoom() {
  return null;
}
